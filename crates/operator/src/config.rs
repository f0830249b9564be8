//! `postkeep.toml`: what is backed up, where to, when, and who is told.
//!
//! [`Config::parse`] finds every mistake at once, each with its place and, where one can be
//! guessed, with what was meant. The tables in `spec` say which settings there are; checking, the
//! JSON schema and the documentation are made from them, so that they cannot disagree.

mod continuous;
mod inspect;
mod log;
mod mistake;
mod notify;
mod retention;
mod rules;
mod schema;
mod secrets;
mod select;
mod spec;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::SettingsReading;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize};

use crate::bandwidth::RateRule;
use crate::schedule::{Schedule, WindowRule};
use crate::units::{Shard, TimeSpan};
pub use continuous::ContinuousConfig;
pub use log::{LogConfig, LogForm, LogLevel};
pub use mistake::Mistake;
pub use notify::{MailConfig, MailSecurity, NotifyConfig, WebhookConfig, When};
pub use retention::RetentionConfig;
pub use schema::{json_schema, settings_as_markdown};
pub use secrets::SecretConfig;
pub use select::{LimitsConfig, MachineLimits, SelectConfig};
pub use write::{Answers, config_as_toml, write_config};

/// A whole configuration, as it takes effect.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The zone whose clock schedules and windows follow; the machine's if `None`.
    pub time_zone: Option<String>,
    /// Where the daemon keeps what it must remember.
    pub state_dir: Option<PathBuf>,
    /// Where local index files are kept.
    pub cache_dir: Option<PathBuf>,
    /// The daemon's own settings.
    pub daemon: DaemonConfig,
    /// What is written down of what happens.
    pub log: LogConfig,
    /// What all sets together may use of this machine.
    pub limits: MachineLimits,
    /// Repositories by name.
    pub destinations: BTreeMap<String, DestinationConfig>,
    /// Backup sets by name.
    pub sets: BTreeMap<String, SetConfig>,
    /// Who is told of runs.
    pub notify: Vec<NotifyConfig>,
}

/// How the daemon works.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct DaemonConfig {
    /// Runs of different sets at the same time.
    pub runs_at_once: u16,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<String>,
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self {
            runs_at_once: 1,
            metrics: None,
        }
    }
}

/// A repository.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationConfig {
    /// Where it is.
    pub url: String,
    /// Where its passphrase is.
    #[serde(flatten, with = "secrets::passphrase")]
    pub passphrase: SecretConfig,
    /// Key file that opens it, in place of a passphrase.
    pub key_file: Option<PathBuf>,
    /// How fast it may be written to and read from, by time of day.
    #[serde(deserialize_with = "one_or_many")]
    pub bandwidth: Vec<RateRule>,
}

/// How an account signs in at a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignInWay {
    /// The best that the server offers for a password.
    #[default]
    Auto,
    /// Basic.
    Basic,
    /// NTLM, version 2.
    Ntlm,
    /// Negotiate.
    Negotiate,
    /// As an application, by OAuth 2 client credentials.
    Oauth,
}

/// A backup set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct SetConfig {
    /// The server's EWS address.
    pub server: String,
    /// The account that signs in there.
    pub user: String,
    /// Where the account's password is.
    #[serde(flatten, with = "secrets::password")]
    pub password: SecretConfig,
    /// How the account signs in.
    pub auth: SignInWay,
    /// For applications: where they get their tokens.
    pub token_url: Option<String>,
    /// For applications: their id.
    pub client_id: Option<String>,
    /// For applications: what the tokens are for.
    pub scope: Option<String>,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Fingerprints of certificates to trust, and no others.
    #[serde(deserialize_with = "one_or_many")]
    pub tls_fingerprint: Vec<String>,
    /// Whether the operating system's TLS is spoken, old cipher suites included.
    pub legacy_tls: bool,
    /// The HTTP proxy on the way to the server.
    pub proxy: Option<String>,
    /// Names of mailboxes, patterns of addresses, and `@FILE`s of names; the account's own mailbox
    /// if empty and nothing else chooses any.
    #[serde(deserialize_with = "one_or_many")]
    pub mailboxes: Vec<String>,
    /// Every mailbox that the server lists.
    pub all: bool,
    /// The members of these distribution groups.
    #[serde(deserialize_with = "one_or_many")]
    pub groups: Vec<String>,
    /// No mailboxes whose addresses fit these patterns.
    #[serde(deserialize_with = "one_or_many")]
    pub exclude_mailboxes: Vec<String>,
    /// The archives of these mailboxes too.
    pub archives: bool,
    /// Their recoverable items too.
    pub recoverable: bool,
    /// The public folders of the account's domain too.
    pub public_folders: bool,
    /// When the mailboxes' settings are read.
    pub settings: SettingsReading,
    /// What of each mailbox.
    pub select: SelectConfig,
    /// Names of the destinations, in the order in which they are served.
    #[serde(deserialize_with = "one_or_many")]
    pub destinations: Vec<String>,
    /// Whether destinations are served side by side instead of one after the other.
    pub together: bool,
    /// Whether the other destinations are brought up to date from the first one.
    pub copy: bool,
    /// When the set is backed up; only by hand if empty.
    #[serde(deserialize_with = "one_or_many")]
    pub schedule: Vec<Schedule>,
    /// The zone of this set's schedules, if it is another than the file's.
    pub time_zone: Option<String>,
    /// When work may be done; always if empty.
    #[serde(deserialize_with = "one_or_many")]
    pub window: Vec<WindowRule>,
    /// Scheduled times are put off by less than this.
    pub jitter: Option<TimeSpan>,
    /// Whether a run that was missed is made up for, once.
    pub catch_up: bool,
    /// How old the newest snapshot of each mailbox may become.
    pub target_age: Option<TimeSpan>,
    /// Which part of the mailboxes is this machine's.
    pub shard: Option<Shard>,
    /// Limits.
    pub limits: LimitsConfig,
    /// Backup of changes as they happen.
    pub continuous: Option<ContinuousConfig>,
    /// Checking of the destinations.
    pub check: Option<CheckConfig>,
    /// What stays of what was backed up.
    pub retention: Option<RetentionConfig>,
    /// Proof that it comes back.
    pub drill: Option<DrillConfig>,
    /// Commands around each run.
    pub hooks: HooksConfig,
}

impl Default for SetConfig {
    fn default() -> Self {
        Self {
            server: String::new(),
            user: String::new(),
            password: SecretConfig::default(),
            auth: SignInWay::Auto,
            token_url: None,
            client_id: None,
            scope: None,
            ca_file: None,
            tls_fingerprint: Vec::new(),
            legacy_tls: false,
            proxy: None,
            mailboxes: Vec::new(),
            all: false,
            groups: Vec::new(),
            exclude_mailboxes: Vec::new(),
            archives: false,
            recoverable: false,
            public_folders: false,
            settings: SettingsReading::Auto,
            select: SelectConfig::default(),
            destinations: Vec::new(),
            together: false,
            copy: false,
            schedule: Vec::new(),
            time_zone: None,
            window: Vec::new(),
            jitter: None,
            catch_up: true,
            target_age: None,
            shard: None,
            limits: LimitsConfig::default(),
            continuous: None,
            check: None,
            retention: None,
            drill: None,
            hooks: HooksConfig::default(),
        }
    }
}

/// Whether a name stands for all mailboxes whose addresses fit it.
pub(crate) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

impl SetConfig {
    /// Whether the server has to be asked which mailboxes the set means. Of lists in files only
    /// names count: patterns stand in the set itself.
    pub fn asks_server(&self) -> bool {
        self.all
            || self.public_folders
            || !self.groups.is_empty()
            || !self.exclude_mailboxes.is_empty()
            || self.patterns().next().is_some()
    }

    /// The patterns among its mailboxes.
    pub fn patterns(&self) -> impl Iterator<Item = &String> {
        let typed = self.mailboxes.iter().filter(|name| !name.starts_with('@'));
        typed.filter(|name| is_pattern(name))
    }
}

/// When and how destinations are checked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckConfig {
    /// When.
    #[serde(deserialize_with = "one_or_many")]
    pub schedule: Vec<Schedule>,
    /// Whether every stored byte is read.
    pub read_data: bool,
    /// Of how many parts one is read at each check, in turn.
    pub rotate: Option<u32>,
}

/// When and how it is proved that backups come back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct DrillConfig {
    /// When.
    #[serde(deserialize_with = "one_or_many")]
    pub schedule: Vec<Schedule>,
    /// How many items are tried, of all mailboxes together.
    pub items: u32,
    /// The mailbox on the set's server that they are restored into; the program's own simulator
    /// if `None`.
    pub mailbox: Option<String>,
}

impl Default for DrillConfig {
    fn default() -> Self {
        Self {
            schedule: Vec::new(),
            items: 50,
            mailbox: None,
        }
    }
}

/// Commands around a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct HooksConfig {
    /// Before the run.
    pub before: Option<Vec<String>>,
    /// Whether a failing `before` stops the run.
    pub before_must_succeed: bool,
    /// After the run, with the report on standard input.
    pub after: Option<Vec<String>>,
    /// Longest time a hook may take.
    pub timeout: TimeSpan,
}

impl Default for HooksConfig {
    fn default() -> Self {
        Self {
            before: None,
            before_must_succeed: true,
            after: None,
            timeout: TimeSpan::secs(10 * 60),
        }
    }
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// All mistakes there are, in the order of their places. The settings of a file whose syntax
    /// is broken are not looked at.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let places = inspect::inspect(text)?;
        // What is left to find needs the values.
        let config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            vec![Mistake::at(text, start, error.message())]
        })?;
        let mistakes = rules::check(&config, &places);
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(mistakes)
        }
    }

    /// Reads a configuration in which some settings of the sets that `chosen` names are others: each
    /// is `setting=value`, as `limits.requests=2`, its value TOML or bare text.
    ///
    /// # Errors
    /// The mistakes of the file; one at line 0 for a setting that makes it wrong.
    pub fn parse_with(
        text: &str,
        chosen: impl Fn(&str) -> bool,
        settings: &[String],
    ) -> Result<Self, Vec<Mistake>> {
        let config = Self::parse(text)?;
        if settings.is_empty() {
            return Ok(config);
        }
        let sets = config.sets.keys().filter(|set| chosen(set));
        let wrong = |message: String| {
            let mistake = Mistake::at("", 0, message);
            vec![Mistake { line: 0, ..mistake }]
        };
        let mut document: toml::Table = text.parse().map_err(|e| wrong(format!("{e}")))?;
        for setting in settings {
            let (path, value) = setting
                .split_once('=')
                .ok_or_else(|| wrong(format!("`{setting}` is not SETTING=VALUE")))?;
            let value = format!("v = {value}")
                .parse::<toml::Table>()
                .ok()
                .and_then(|mut table| table.remove("v"))
                .unwrap_or_else(|| toml::Value::String(value.to_owned()));
            for set in sets.clone() {
                let path = ["sets", set].into_iter().chain(path.trim().split('.'));
                put(&mut document, &path.collect::<Vec<_>>(), value.clone())
                    .ok_or_else(|| wrong(format!("`{setting}` leads through something else")))?;
            }
        }
        let text = toml::to_string(&document).map_err(|e| wrong(format!("{e}")))?;
        Self::parse(&text).map_err(|mistakes| {
            let told = |mistake: Mistake| Mistake { line: 0, ..mistake };
            mistakes.into_iter().map(told).collect()
        })
    }

    /// Takes the paths that are relative as relative to a folder: that of the file.
    pub fn rebase(&mut self, base: &Path) {
        let rebase = |path: &mut Option<PathBuf>| {
            if let Some(path) = path {
                *path = base.join(&*path);
            }
        };
        rebase(&mut self.state_dir);
        rebase(&mut self.cache_dir);
        for destination in self.destinations.values_mut() {
            destination.passphrase.rebase(base);
            rebase(&mut destination.key_file);
            if !destination.url.contains("://") {
                let folder = base.join(&destination.url);
                destination.url = folder.to_string_lossy().into_owned();
            }
        }
        rebase(&mut self.log.file);
        for set in self.sets.values_mut() {
            set.password.rebase(base);
            rebase(&mut set.ca_file);
            for mailbox in &mut set.mailboxes {
                if let Some(file) = mailbox.strip_prefix('@') {
                    *mailbox = format!("@{}", base.join(file).to_string_lossy());
                }
            }
        }
        for notify in &mut self.notify {
            if let Some(mail) = &mut notify.mail {
                mail.password.rebase(base);
                rebase(&mut mail.ca_file);
            }
            if let Some(webhook) = &mut notify.webhook {
                webhook.token.rebase(base);
            }
        }
    }

    /// The zone whose clock a set's schedules follow.
    pub fn zone_of(&self, set: &SetConfig, machine: &TimeZone) -> TimeZone {
        let named = set.time_zone.as_ref().or(self.time_zone.as_ref());
        named
            .and_then(|name| TimeZone::get(name).ok())
            .unwrap_or_else(|| machine.clone())
    }
}

/// A list that may be written as its only value.
fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

/// Puts a value at a path of tables.
fn put(table: &mut toml::Table, path: &[&str], value: toml::Value) -> Option<()> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return Some(());
    }
    let inner = table
        .entry((*first).to_owned())
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    put(inner.as_table_mut()?, rest, value)
}
