//! From a configuration to connections, for the commands that work from one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::{
    Environment, Error, ErrorKind, Exchange, MemoryBudget, ObjectLock, ObjectStore, Passphrase,
    SharedThrottle, ThrottleOptions, TokioSleeper, Unlock, Vault, VaultOptions,
};
use jiff::tz::TimeZone;
use operator::{
    Config, Connections, DestinationConfig, Lookup, Mistake, Pacer, ProbeMailbox, Runner,
    SetConfig, SignInWay, limit_store,
};
use zeroize::Zeroizing;

use crate::args::{AccessArgs, Auth, ConfigFileArgs, PROXY, ServerArgs, SignInArgs};
use crate::config::{self, Account, Context};
use crate::exit::{Code, Failure, Result};
use crate::probe::{self, Probe};
use crate::secrets::{self, Secret};
use crate::{keyring, platform};

/// The name of the file in the current folder and in the system's.
const FILE: &str = "postkeep.toml";

/// Finds the configuration.
pub fn config_path(args: &ConfigFileArgs) -> Result<PathBuf> {
    if let Some(file) = &args.config {
        return Ok(file.clone());
    }
    let mut places = vec![PathBuf::from(FILE)];
    places.extend(platform::config_dir().map(|dir| dir.join(FILE)));
    match places.iter().find(|place| place.is_file()) {
        Some(place) => Ok(place.clone()),
        None => {
            let told: Vec<_> = places.iter().map(|p| p.display().to_string()).collect();
            let failure = Failure::new(
                Code::NotFound,
                format!(
                    "there is no configuration: looked for {}",
                    told.join(" and ")
                ),
            );
            Err(failure.hint("`postkeep config init` writes one; --config FILE names another"))
        }
    }
}

/// Reads the text of a configuration.
pub fn config_text(file: &Path) -> Result<String> {
    let what = || format!("read the configuration {}", file.display());
    let text = std::fs::read(file)
        .map_err(|error| Failure::io(what(), &error).hint("`postkeep config init` writes one"))?;
    String::from_utf8(text).map_err(|_| Failure::usage(format!("{}: it is no text", what())))
}

/// Reads the configuration.
pub fn load(args: &ConfigFileArgs) -> Result<Config> {
    load_with(args, |_| false, &[])
}

/// Reads the configuration, in which settings of some sets are others.
pub fn load_with(
    args: &ConfigFileArgs,
    chosen: impl Fn(&str) -> bool,
    settings: &[String],
) -> Result<Config> {
    let file = config_path(args)?;
    let text = config_text(&file)?;
    let parsed = Config::parse_with(&text, chosen, settings);
    let mut config = parsed.map_err(|mistakes| refused(&file, &mistakes))?;
    let absolute = std::path::absolute(&file).unwrap_or(file);
    if let Some(folder) = absolute.parent() {
        config.rebase(folder);
    }
    Ok(config)
}

/// The first mistake as a failure; `config check` tells all.
fn refused(file: &Path, mistakes: &[Mistake]) -> Failure {
    let Some(first) = mistakes.first() else {
        return Failure::usage(format!("{} is wrong", file.display()));
    };
    let failure = Failure::usage(first.in_file(&file.display().to_string()));
    match (&first.suggestion, mistakes.len()) {
        (Some(suggestion), 1) => failure.hint(suggestion.clone()),
        (None, 1) => failure,
        (_, many) => failure.hint(format!("`postkeep config check` names all {many} mistakes")),
    }
}

/// Where the daemon remembers what it has done.
pub fn state_dir(config: &Config) -> Result<PathBuf> {
    config
        .state_dir
        .clone()
        .or_else(platform::state_dir)
        .ok_or_else(|| {
            Failure::usage("the environment names no folder for states")
                .hint("set state_dir in the configuration")
        })
}

/// A runner for a configuration.
pub fn runner(context: &Context, config: Config) -> Runner {
    let lookup = Lookup::new(|name| std::env::var(name).ok())
        .with_keyring(|name| keyring::read(name).map_err(|failure| in_engine(&failure, None)));
    let access = AccessArgs {
        cache_dir: config.cache_dir.clone(),
        ..AccessArgs::default()
    };
    let cache_dir = config.cache_dir.clone().or_else(platform::cache_dir);
    let zone = TimeZone::system();
    let default_zone = config
        .time_zone
        .as_ref()
        .and_then(|name| TimeZone::get(name).ok())
        .unwrap_or_else(|| zone.clone());
    let connections = Real {
        shared: Shared::new(&config),
        options: config::vault_options(context, &access),
        context: context.clone(),
        lookup: lookup.clone(),
        zone: default_zone.clone(),
    };
    Runner {
        memory: MemoryBudget::new(config.limits.memory.0),
        cache_dir,
        config: Arc::new(config),
        connections: Arc::new(connections),
        environment: context.environment.clone(),
        zone: default_zone,
        machine: platform::machine_name(),
        lookup,
    }
}

/// Connections to real servers and destinations.
struct Real {
    context: Context,
    options: Result<VaultOptions>,
    lookup: Lookup,
    zone: TimeZone,
    shared: Shared,
}

/// What runs share, so that limits hold for all of them together.
struct Shared {
    /// The most requests at each server.
    most_requests: HashMap<String, u32>,
    throttles: Mutex<HashMap<String, SharedThrottle>>,
    /// Pacers of sets and of destinations.
    pacers: Mutex<HashMap<(&'static str, String), Option<Pacer>>>,
}

impl Shared {
    fn new(config: &Config) -> Self {
        let mut most_requests = HashMap::new();
        for set in config.sets.values() {
            let own = u32::from(set.limits.server_requests);
            let most = most_requests.entry(server_key(&set.server)).or_insert(own);
            *most = own.min(*most);
        }
        Self {
            most_requests,
            throttles: Mutex::default(),
            pacers: Mutex::default(),
        }
    }

    fn throttle(&self, server: &str) -> SharedThrottle {
        let key = server_key(server);
        let mut known = self
            .throttles
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let most = self.most_requests.get(&key).copied();
        let make = || SharedThrottle::new(throttle_options(most), Arc::new(TokioSleeper));
        known.entry(key).or_insert_with(make).clone()
    }

    fn pacer(
        &self,
        of: (&'static str, &str),
        make: impl FnOnce() -> Option<Pacer>,
    ) -> Option<Pacer> {
        let mut known = self.pacers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (of.0, of.1.to_owned());
        known.entry(key).or_insert_with(make).clone()
    }
}

/// A server by whatever of its addresses.
fn server_key(server: &str) -> String {
    let url = config::server_url(server).ok();
    let host = url.as_ref().and_then(|url| {
        let port = url.port_or_known_default().unwrap_or_default();
        Some(format!("{}:{port}", url.host_str()?))
    });
    host.unwrap_or_else(|| server.to_owned()).to_lowercase()
}

/// Limits of requests with another most at the server.
pub fn throttle_options(most: Option<u32>) -> ThrottleOptions {
    let usual = ThrottleOptions::default();
    ThrottleOptions {
        max_requests: most.unwrap_or(usual.max_requests),
        ..usual
    }
}

#[async_trait]
impl Connections for Real {
    async fn exchange(&self, name: &str, set: &SetConfig) -> engine::Result<Exchange> {
        let password = match set.password.source() {
            Some(source) => source.read("password", &self.lookup).await?,
            None => Zeroizing::new(
                secrets::find(Secret::Password, None, &set.user).map_err(|f| told(&f, name))?,
            ),
        };
        let zone = set
            .time_zone
            .as_ref()
            .and_then(|name| TimeZone::get(name).ok());
        let zone = zone.unwrap_or_else(|| self.zone.clone());
        let rules = &set.limits.bandwidth;
        let pacer = self.shared.pacer(("set", name), || {
            Pacer::new(rules, &zone, &self.context.environment)
        });
        let throttle = self.shared.throttle(&set.server);
        let connected = config::server_url(&set.server).and_then(|server| {
            Account::with_secret(&self.context, &sign_in(set), password.to_string())?
                .limited(Some(throttle), pacer)
                .at(&server)
        });
        connected.map_err(|failure| told(&failure, name))
    }

    async fn probe(&self) -> engine::Result<ProbeMailbox> {
        let probe = Probe::start(&self.context.environment)
            .await
            .map_err(|failure| told(&failure, "the simulator"))?;
        Ok(ProbeMailbox {
            exchange: probe.exchange,
            mailbox: probe::MAILBOX.to_owned(),
            server: Box::new(probe.server),
        })
    }

    async fn vault(&self, name: &str, destination: &DestinationConfig) -> engine::Result<Vault> {
        let unlock = match destination.passphrase.source() {
            Some(source) => {
                let text = source.read("passphrase", &self.lookup).await?;
                Unlock::Passphrase(Passphrase::new(text.as_str()))
            }
            None => {
                let access = AccessArgs {
                    key_file: destination.key_file.clone(),
                    ..AccessArgs::default()
                };
                config::unlock(&destination.url, &access).map_err(|failure| told(&failure, name))?
            }
        };
        let options = match &self.options {
            Ok(options) => options.clone(),
            Err(failure) => return Err(told(failure, name)),
        };
        let (store, lock) = open_locked(&destination.url, &self.context.environment)?;
        let pacer = self.shared.pacer(("destination", name), || {
            Pacer::new(
                &destination.bandwidth,
                &self.zone,
                &self.context.environment,
            )
        });
        let vault = Vault::open(limit_store(store, pacer), unlock, options).await?;
        Ok(vault.with_object_lock(lock))
    }
}

/// A set's way of signing in, as the command line would say it.
fn sign_in(set: &SetConfig) -> ServerArgs {
    let usual = SignInArgs::default();
    ServerArgs {
        user: set.user.clone(),
        sign_in: SignInArgs {
            auth: match set.auth {
                SignInWay::Auto => Auth::Auto,
                SignInWay::Basic => Auth::Basic,
                SignInWay::Ntlm => Auth::Ntlm,
                SignInWay::Negotiate => Auth::Negotiate,
                SignInWay::Oauth => Auth::Oauth,
            },
            token_url: set.token_url.clone(),
            client_id: set.client_id.clone(),
            scope: set.scope.clone().unwrap_or(usual.scope),
            ca_file: set.ca_file.clone(),
            tls_fingerprint: set.tls_fingerprint.clone(),
            legacy_tls: set.legacy_tls,
            proxy: set.proxy.clone().or_else(|| std::env::var(PROXY).ok()),
            password_file: None,
            password_keyring: None,
        },
    }
}

/// Opens a destination, without any key.
pub fn open_store(url: &str, environment: &Environment) -> engine::Result<Arc<dyn ObjectStore>> {
    open_locked(url, environment).map(|(store, _)| store)
}

/// The same with what renews its locks, if it has any.
fn open_locked(
    url: &str,
    environment: &Environment,
) -> engine::Result<(Arc<dyn ObjectStore>, Option<ObjectLock>)> {
    let opened = engine::Destination::new(url).and_then(|found| {
        let found = found
            .with_settings(crate::destination::from_environment())
            .with_clock(environment);
        Ok((found.open()?, found.object_lock()?))
    });
    opened.map_err(|error| {
        let kind = match error.kind() {
            engine::RepositoryErrorKind::NotFound => ErrorKind::NotFound,
            engine::RepositoryErrorKind::Denied => ErrorKind::Denied,
            engine::RepositoryErrorKind::Unavailable => ErrorKind::Unreachable,
            _ => ErrorKind::Invalid,
        };
        Error::with_source(kind, format!("open {url}"), error)
    })
}

/// A failure of the program's as an error of the engine's.
fn told(failure: &Failure, name: &str) -> Error {
    in_engine(failure, Some(name))
}

fn in_engine(failure: &Failure, name: Option<&str>) -> Error {
    let kind = match failure.code {
        Code::NotFound => ErrorKind::NotFound,
        Code::Denied => ErrorKind::Denied,
        _ => ErrorKind::Invalid,
    };
    let of = name.map_or(String::new(), |name| format!("{name}: "));
    let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})"));
    let hint = hint.unwrap_or_default();
    Error::new(kind, format!("{of}{}{hint}", failure.message))
}
