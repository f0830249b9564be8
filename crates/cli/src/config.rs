//! From arguments, files and the environment to what the engine takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    AutodiscoverOptions, Client, ClientOptions, ClientSecret, CreateOptions, Credentials,
    Environment, EscrowPrivateKey, EscrowShare, Exchange, Fingerprint, KeyFile, MailboxName,
    NewKey, Pace, Passphrase, Proxy, RecoveryPhrase, Selection, SharedThrottle, Snapshot,
    SnapshotSelector, TlsSupport, TokioSleeper, Unlock, Url, Vault, VaultOptions,
};
use jiff::tz::TimeZone;
use operator::{Pacer, RateRule, limit_store};
use zeroize::Zeroizing;

use crate::args::{
    AccessArgs, Auth, BackupArgs, Cipher, FlowArgs, RepositoryArgs, SelectionArgs, ServerArgs,
    SnapshotArgs,
};
use crate::exit::{Code, Failure, Result};
use crate::output::Output;
use crate::secrets::{self, Secret};
use crate::{destination, exit, operate, platform, when};

/// What every command gets.
#[derive(Clone)]
pub struct Context {
    pub output: Output,
    /// The real clock and real randomness.
    pub environment: Environment,
}

/// Opens the repository that the arguments name.
pub async fn open_vault(context: &Context, args: &RepositoryArgs) -> Result<Vault> {
    let failed = |failure: Failure| failure.for_repository(&args.repo);
    let access = &args.access;
    // A folder that is not there needs no passphrase to be told so.
    let found = destination::find(&args.repo, access.destination_file.as_deref())?;
    found.open().map_err(|e| failed(e.into()))?;
    let unlock = unlock(&args.repo, access)?;
    open_vault_with(context, args, &unlock).await
}

/// Opens the repository that the arguments name with a secret that is at hand.
pub async fn open_vault_with(
    context: &Context,
    args: &RepositoryArgs,
    unlock: &Unlock,
) -> Result<Vault> {
    let failed = |failure: Failure| failure.for_repository(&args.repo);
    let file = args.access.destination_file.as_deref();
    let destination = destination::find(&args.repo, file)?;
    let destination = destination.open().map_err(|e| failed(e.into()))?;
    let destination = limit_store(destination, pacer(context, &args.repo_bandwidth));
    let options = vault_options(context, &args.access)?;
    Vault::open(destination, unlock, options)
        .await
        .map_err(|e| failed(e.into()))
}

/// Creates a repository where the arguments say.
pub async fn create_vault(
    context: &Context,
    repo: &str,
    access: &AccessArgs,
    first: impl Into<NewKey>,
    cipher: Cipher,
) -> Result<Vault> {
    let failed = |failure: Failure| match failure.code {
        Code::Conflict => failure.hint("use the repository that is there, or name another folder"),
        Code::NotFound => failure.hint("name a folder in one that exists and can be written to"),
        _ => failure.for_repository(repo),
    };
    let options = vault_options(context, access)?;
    let destination = destination::find(repo, access.destination_file.as_deref())?;
    let destination = destination.create().map_err(|e| failed(e.into()))?;
    let suite = match cipher {
        Cipher::Aes256Gcm => engine::Suite::Aes256Gcm,
        Cipher::ChaCha20Poly1305 => engine::Suite::ChaCha20Poly1305,
    };
    let create = CreateOptions {
        suite,
        ..CreateOptions::default()
    };
    Vault::create(destination, first, &create, options)
        .await
        .map_err(|e| failed(e.into()))
}

/// Lets bytes pass as fast as rules say, by this machine's clock.
fn pacer(context: &Context, rules: &[RateRule]) -> Option<Pacer> {
    Pacer::new(rules, &TimeZone::system(), &context.environment)
}

/// An account, and how hard it may work at the server.
pub fn limited_account(context: &Context, server: &ServerArgs, flow: &FlowArgs) -> Result<Account> {
    let options = operate::throttle_options(Some(u32::from(flow.server_requests)));
    let throttle = SharedThrottle::new(options, Arc::new(TokioSleeper));
    let account = Account::new(context, server)?;
    Ok(account.limited(Some(throttle), pacer(context, &flow.bandwidth)))
}

/// The passphrase of a repository that exists.
pub fn passphrase(repo: &str, access: &AccessArgs) -> Result<Passphrase> {
    if let Some(command) = &access.passphrase_command {
        return secrets::from_command(Secret::Passphrase, command).map(Passphrase::new);
    }
    let file = access.passphrase_file.as_deref();
    secrets::find(Secret::Passphrase, file, repo).map(Passphrase::new)
}

/// The first key of a repository to be created: a new passphrase, or a key file that exists.
pub fn first_key(repo: &str, access: &AccessArgs) -> Result<NewKey> {
    if access.is_recovery() {
        return Err(
            Failure::usage("a repository is created with a passphrase or a key file").hint(
                "`postkeep key escrow` and init's --recovery-phrase add other ways to open it",
            ),
        );
    }
    if let Some(file) = key_file(access) {
        return read_key_file(&file).map(NewKey::KeyFile);
    }
    if let Some(command) = &access.passphrase_command {
        let text = secrets::from_command(Secret::Passphrase, command)?;
        return Ok(NewKey::from(Passphrase::new(text)));
    }
    let file = access.passphrase_file.as_deref();
    let text = secrets::find_new(Secret::Passphrase, file, repo)?;
    Ok(NewKey::from(Passphrase::new(text)))
}

/// What opens the repository, as the arguments, the environment or the user say.
pub fn unlock(repo: &str, access: &AccessArgs) -> Result<Unlock> {
    if let Some(file) = &access.recovery_phrase_file {
        let text = Zeroizing::new(secrets::from_file(Secret::RecoveryPhrase, file)?);
        let phrase = RecoveryPhrase::parse(&text).map_err(bad_secret(file))?;
        return Ok(Unlock::RecoveryPhrase(phrase));
    }
    if !access.escrow_key_file.is_empty() {
        let keys = access.escrow_key_file.iter().map(|file| {
            let text = Zeroizing::new(secrets::from_file(Secret::EscrowKey, file)?);
            EscrowPrivateKey::parse(&text).map_err(bad_secret(file))
        });
        return keys.collect::<Result<_>>().map(Unlock::Escrow);
    }
    if !access.escrow_share_file.is_empty() {
        let mut shares = Vec::new();
        for file in &access.escrow_share_file {
            let text = Zeroizing::new(secrets::from_file(Secret::EscrowShare, file)?);
            let lines = text.lines().map(str::trim);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                shares.push(EscrowShare::parse(line).map_err(bad_secret(file))?);
            }
        }
        return Ok(Unlock::EscrowShares(shares));
    }
    match key_file(access) {
        Some(file) => read_key_file(&file).map(Unlock::KeyFile),
        None => passphrase(repo, access).map(Unlock::Passphrase),
    }
}

/// The key file that the arguments name, or else the environment.
fn key_file(access: &AccessArgs) -> Option<PathBuf> {
    let passphrase = access.passphrase_file.is_some()
        || access.passphrase_command.is_some()
        || std::env::var_os("POSTKEEP_PASSPHRASE").is_some();
    let from_environment = || std::env::var_os("POSTKEEP_KEY_FILE").map(PathBuf::from);
    access
        .key_file
        .clone()
        .or_else(|| if passphrase { None } else { from_environment() })
}

fn read_key_file(file: &Path) -> Result<KeyFile> {
    let text = Zeroizing::new(secrets::from_file(Secret::KeyFile, file)?);
    KeyFile::parse(&text).map_err(bad_secret(file))
}

/// A secret that is none; the message names the file and never the secret.
pub fn bad_secret(file: &Path) -> impl FnOnce(engine::RepositoryError) -> Failure {
    let file = file.display().to_string();
    move |error| Failure::usage(format!("{file}: {error}"))
}

pub fn vault_options(context: &Context, access: &AccessArgs) -> Result<VaultOptions> {
    let cache_dir = access
        .cache_dir
        .clone()
        .or_else(platform::cache_dir)
        .ok_or_else(|| {
            Failure::usage("the environment names no folder for caches").hint("--cache-dir DIR")
        })?;
    Ok(VaultOptions {
        cache_dir,
        environment: context.environment.clone(),
    })
}

/// An account whose password is known; makes connections to any number of servers.
pub struct Account {
    user: String,
    credentials: Credentials,
    extra_root_pem: Option<Vec<u8>>,
    pins: Vec<Fingerprint>,
    tls: TlsSupport,
    proxy: Option<Proxy>,
    throttle: Option<SharedThrottle>,
    pacer: Option<Pacer>,
    output: Output,
}

const USER_AGENT: &str = concat!("postkeep/", env!("CARGO_PKG_VERSION"));

impl Account {
    pub fn new(context: &Context, args: &ServerArgs) -> Result<Self> {
        let file = args.sign_in.password_file.as_deref();
        let secret = secrets::find(Secret::Password, file, &args.user)?;
        Self::with_secret(context, args, secret)
    }

    /// An account whose password, or an application's secret, is at hand.
    pub fn with_secret(context: &Context, args: &ServerArgs, secret: String) -> Result<Self> {
        let usage = |error: engine::ServerError| Failure::usage(exit::chain(&error));
        let extra_root_pem = args
            .sign_in
            .ca_file
            .as_deref()
            .map(read_certificates)
            .transpose()?;
        let pins = args.sign_in.tls_fingerprint.iter().map(|text| text.parse());
        let pins = pins.collect::<Result<_, _>>().map_err(usage)?;
        let proxy = args.sign_in.proxy.as_deref().map(proxy).transpose()?;
        Ok(Self {
            user: args.user.clone(),
            credentials: credentials(args, secret)?,
            extra_root_pem,
            pins,
            tls: match args.sign_in.legacy_tls {
                true => TlsSupport::Legacy,
                false => TlsSupport::Modern,
            },
            proxy,
            throttle: None,
            pacer: None,
            output: context.output,
        })
    }

    /// The same with limits that connections share.
    pub fn limited(self, throttle: Option<SharedThrottle>, pacer: Option<Pacer>) -> Self {
        Self {
            throttle,
            pacer,
            ..self
        }
    }

    pub fn at(&self, server: &Url) -> Result<Exchange> {
        warn_of_plain_http(self.output, server);
        let mut options = ClientOptions::new(server.clone(), self.credentials.clone());
        options.user_agent = USER_AGENT.to_owned();
        options.extra_root_pem.clone_from(&self.extra_root_pem);
        options.pinned_certificates.clone_from(&self.pins);
        options.tls = self.tls;
        options.proxy.clone_from(&self.proxy);
        options.shared_throttle.clone_from(&self.throttle);
        let pace = self.pacer.clone();
        options.pace = pace.map(|pacer| Arc::new(pacer) as Arc<dyn Pace>);
        let client = Client::new(options).map_err(|error| Failure::usage(exit::chain(&error)))?;
        Ok(Exchange::new(client, server.as_str(), &self.user))
    }

    /// Finds the server of a mailbox by Autodiscover, and tells where it was led.
    pub async fn find(&self, address: &str, first: Option<&str>) -> Result<Url> {
        let mut options = AutodiscoverOptions::new(address, self.credentials.clone());
        options.user_agent = USER_AGENT.to_owned();
        options.extra_root_pem.clone_from(&self.extra_root_pem);
        options.pinned_certificates.clone_from(&self.pins);
        options.tls = self.tls;
        options.proxy.clone_from(&self.proxy);
        options.servers = first.map(server_url).transpose()?.into_iter().collect();
        let found = engine::autodiscover(&options).await.map_err(|error| {
            let code = match error.kind() {
                engine::ServerErrorKind::Auth => Code::SignIn,
                engine::ServerErrorKind::Invalid => Code::Usage,
                _ => Code::NotFound,
            };
            Failure::new(code, exit::chain(&error)).hint("--server URL says where the server is")
        })?;
        for step in &found.steps {
            let (form, url, outcome) = (step.form.as_str(), &step.url, &step.outcome);
            let told = format!("autodiscover: {form} at {url}: {outcome}");
            self.output.note(&told);
        }
        Ok(found.url)
    }
}

/// Where Autodiscover finds the server of the address that the arguments name.
pub async fn server(args: &BackupArgs, account: &Account, mailboxes: &[String]) -> Result<Url> {
    let user = Some(&args.account.user).filter(|user| is_address(user));
    let address = args.autodiscover.as_ref().or(user).or(mailboxes.first());
    let Some(address) = address else {
        return Err(
            Failure::usage("neither a server is named nor an address to find it by")
                .hint("--server URL, or --autodiscover SMTP"),
        );
    };
    account
        .find(address, args.autodiscover_server.as_deref())
        .await
}

fn credentials(args: &ServerArgs, secret: String) -> Result<Credentials> {
    let user = &args.user;
    Ok(match args.sign_in.auth {
        Auth::Auto => Credentials::password(user, secret),
        Auth::Basic => Credentials::basic(user, secret),
        Auth::Ntlm => Credentials::ntlm(user, secret),
        Auth::Negotiate => Credentials::negotiate(user, secret),
        Auth::Oauth => {
            let url = args.sign_in.token_url.as_deref().unwrap_or_default();
            let token_url = Url::parse(url).map_err(|error| {
                Failure::usage(format!("the token address is not a URL: {error}"))
            })?;
            if token_url.scheme() != "https" && !is_this_machine(&token_url) {
                return Err(Failure::usage("the token address must be an https address"));
            }
            let secret = ClientSecret {
                token_url,
                client_id: args.sign_in.client_id.clone().unwrap_or_default(),
                client_secret: Zeroizing::new(secret),
                scope: args.sign_in.scope.clone(),
            };
            Credentials::oauth_client(user, secret)
        }
    })
}

fn proxy(text: &str) -> Result<Proxy> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    // The address may hold a password, so it is not repeated.
    let url = Url::parse(&with_scheme)
        .map_err(|error| Failure::usage(format!("the proxy's address is not a URL: {error}")))?;
    Proxy::new(url).map_err(|error| Failure::usage(exit::chain(&error)))
}

/// Says so where a password would travel unencrypted.
pub fn warn_of_plain_http(output: Output, server: &Url) {
    if server.scheme() == "http" && !is_this_machine(server) {
        output.note(&format!(
            "warning: {server} is not encrypted: password and mail can be read on the way"
        ));
    }
}

pub fn read_certificates(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file)
        .map_err(|error| Failure::io(format!("read certificates from {}", file.display()), &error))
}

fn is_this_machine(server: &Url) -> bool {
    server.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// An EWS address as typed: the scheme and the usual path are added where they are missing.
pub fn server_url(text: &str) -> Result<Url> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let mut url = Url::parse(&with_scheme)
        .map_err(|error| Failure::usage(format!("the server address is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            Failure::usage("the server address must not hold a name or password")
                .hint("--user NAME, and the password by --password-file or POSTKEEP_PASSWORD"),
        );
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Failure::usage(format!(
            "{text} is neither an https nor an http address"
        )));
    }
    if matches!(url.path(), "" | "/") {
        url.set_path("/EWS/Exchange.asmx");
    }
    Ok(url)
}

/// Mailboxes as typed: one, several with commas, or a file of them; each once. Patterns are among
/// them.
pub fn mailboxes(typed: &[String]) -> Result<Vec<String>> {
    let mut mailboxes = Vec::new();
    for text in typed {
        match text.strip_prefix('@') {
            Some(file) => {
                let list = std::fs::read_to_string(file)
                    .map_err(|error| Failure::io(format!("read mailboxes from {file}"), &error))?;
                let lines = list.trim_start_matches('\u{feff}').lines();
                let lines = lines.map(|line| line.split('#').next().unwrap_or_default());
                mailboxes.extend(lines.map(|line| line.trim().to_owned()));
            }
            None => mailboxes.extend(text.split(',').map(|part| part.trim().to_owned())),
        }
    }
    mailboxes.retain(|mailbox| !mailbox.is_empty());
    if !typed.is_empty() && mailboxes.is_empty() {
        return Err(Failure::usage("--mailbox names no mailbox"));
    }
    for mailbox in mailboxes.iter().filter(|mailbox| !is_pattern(mailbox)) {
        mailbox_name(mailbox)?;
    }
    let mut seen = BTreeSet::new();
    mailboxes.retain(|mailbox| seen.insert(mailbox.to_lowercase()));
    Ok(mailboxes)
}

/// Whether a name stands for all mailboxes whose addresses fit it.
pub fn is_pattern(typed: &str) -> bool {
    typed.contains(['*', '?'])
}

/// The name of a mailbox as typed.
pub fn mailbox_name(typed: &str) -> Result<MailboxName> {
    typed.parse().map_err(|_| {
        Failure::usage(format!("{typed} is not a mailbox address")).hint(
            "give primary SMTP addresses such as alice@example.com, with /archive or /recoverable \
             behind them for these parts, or example.com/public",
        )
    })
}

pub fn is_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

pub fn selection(args: &SelectionArgs) -> Selection {
    Selection {
        folders: args.folders.clone(),
        exclude_folders: args.exclude_folders.clone(),
        items: args.items.clone(),
        classes: args.classes.clone(),
        exclude_classes: args.exclude_classes.clone(),
        newer_than: args.newer_than.clone(),
        older_than: args.older_than.clone(),
        larger_than: args.larger_than,
        smaller_than: args.smaller_than,
    }
}

/// How the arguments name snapshots.
pub fn selector(args: &SnapshotArgs) -> Result<SnapshotSelector> {
    match &args.as_of {
        Some(time) => {
            let time = when::moment(time, &when::zone(None)?)?;
            Ok(SnapshotSelector::AsOf(time.as_millisecond()))
        }
        None => Ok(args.snapshot.parse()?),
    }
}

/// The snapshots that the arguments mean.
pub async fn snapshots(vault: &Vault, args: &SnapshotArgs) -> Result<Vec<Snapshot>> {
    let selector = selector(args)?;
    Ok(vault.select(&selector, args.mailbox.as_deref()).await?)
}

/// The one snapshot that the arguments mean, for commands that cannot take several.
pub async fn one_snapshot(vault: &Vault, args: &SnapshotArgs) -> Result<Snapshot> {
    let mut snapshots = snapshots(vault, args).await?;
    match snapshots.len() {
        1 => Ok(snapshots.remove(0)),
        many => Err(Failure::usage(format!(
            "`{}` means {many} snapshots, one of each mailbox",
            args.snapshot
        ))
        .hint(format!("--mailbox {}", snapshots[0].mailbox))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: Option<&str>) {
        let url = server_url(typed).ok().map(|url| url.to_string());
        assert_eq!(url.as_deref(), expected, "{typed}");
    }

    #[test]
    fn a_server_can_be_typed_short() {
        check(
            "mail.example.test",
            Some("https://mail.example.test/EWS/Exchange.asmx"),
        );
        check(
            "http://127.0.0.1:8080/",
            Some("http://127.0.0.1:8080/EWS/Exchange.asmx"),
        );
        check("https://h/ews/x.asmx", Some("https://h/ews/x.asmx"));
        check("https://user:secret@h/", None);
        check("ftp://h/", None);
        check("", None);
    }

    #[test]
    fn mailboxes_come_one_by_one_or_as_lists_and_count_once() {
        let typed = ["a@x,b@x".to_owned(), " A@X ".to_owned()];
        assert_eq!(mailboxes(&typed).unwrap(), ["a@x", "b@x"]);
        assert!(mailboxes(&["alice".to_owned()]).is_err());
        assert!(mailboxes(&[",".to_owned()]).is_err());
        assert!(mailboxes(&[]).unwrap().is_empty());
    }

    #[test]
    fn passwords_may_only_travel_unencrypted_within_the_machine() {
        let is = |text: &str| is_this_machine(&server_url(text).unwrap());
        assert!(is("http://127.0.0.1:8080"));
        assert!(is("http://[::1]:8080"));
        assert!(is("http://localhost"));
        assert!(!is("http://mail.example.test"));
    }
}
