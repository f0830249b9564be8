//! Commands that talk to an Exchange server.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use engine::{ByteCount, RestoreMode, SettingsReading};
use operator::RateRule;

use super::{RepositoryArgs, SelectionArgs, SnapshotArgs};

/// Who signs in at the server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Exchange")]
pub struct ServerArgs {
    /// The account: a UPN, an SMTP address or DOMAIN\user
    #[arg(long, value_name = "NAME")]
    pub user: String,
    #[command(flatten)]
    pub sign_in: SignInArgs,
}

/// The group of arguments that name a server, of which a command needs none: without one of them,
/// nobody signs in.
pub const AT_A_SERVER: &str = "at_a_server";

/// Who signs in, where a server is needed only sometimes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Exchange")]
pub struct GuestArgs {
    /// The account: a UPN, an SMTP address or DOMAIN\user
    #[arg(long, value_name = "NAME", requires = AT_A_SERVER)]
    pub user: Option<String>,
    #[command(flatten)]
    pub sign_in: SignInArgs,
}

impl GuestArgs {
    /// Who signs in, if anybody.
    pub fn account(&self) -> Option<ServerArgs> {
        let user = self.user.clone()?;
        let sign_in = self.sign_in.clone();
        Some(ServerArgs { user, sign_in })
    }
}

/// The environment variable that names a proxy.
pub const PROXY: &str = "POSTKEEP_PROXY";
/// Exchange Online.
const SCOPE: &str = "https://outlook.office365.com/.default";

/// How an account signs in.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Exchange")]
pub struct SignInArgs {
    /// File that holds the account's password, or the application's secret [otherwise:
    /// environment variable POSTKEEP_PASSWORD, or a prompt]
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Name of the password in the system's keyring, see `postkeep keyring`
    #[arg(
        long,
        value_name = "NAME",
        requires = "user",
        conflicts_with = "password_file"
    )]
    pub password_keyring: Option<String>,
    /// How to sign in: auto takes the best that the server offers for a password
    #[arg(long, value_name = "WAY", value_enum, default_value_t = Auth::Auto)]
    pub auth: Auth,
    /// With --auth oauth: where an application gets its tokens
    #[arg(long, value_name = "URL", required_if_eq("auth", "oauth"))]
    pub token_url: Option<String>,
    /// With --auth oauth: the application's id
    #[arg(long, value_name = "ID", required_if_eq("auth", "oauth"))]
    pub client_id: Option<String>,
    /// With --auth oauth: what the tokens are for
    #[arg(
        long,
        value_name = "SCOPE",
        default_value = SCOPE
    )]
    pub scope: String,
    /// Certificates to trust besides the system's, in PEM form
    #[arg(long, value_name = "PEM", requires = "user")]
    pub ca_file: Option<PathBuf>,
    /// Trust the server's certificate by its SHA-256 fingerprint, and no other [repeatable]
    #[arg(
        long,
        value_name = "HEX",
        conflicts_with = "ca_file",
        requires = "user"
    )]
    pub tls_fingerprint: Vec<String>,
    /// Speak the operating system's TLS, for servers that offer only old (CBC) cipher suites; needs
    /// a build with the feature legacy-tls
    #[arg(long, requires = "user")]
    pub legacy_tls: bool,
    /// Go through this HTTP proxy; a password for it belongs into the environment variable
    #[arg(
        long,
        value_name = "URL",
        env = PROXY,
        hide_env_values = true
    )]
    pub proxy: Option<String>,
}

impl Default for SignInArgs {
    fn default() -> Self {
        Self {
            password_file: None,
            password_keyring: None,
            auth: Auth::Auto,
            token_url: None,
            client_id: None,
            scope: SCOPE.to_owned(),
            ca_file: None,
            tls_fingerprint: Vec::new(),
            legacy_tls: false,
            proxy: None,
        }
    }
}

/// Ways of signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    Auto,
    Basic,
    Ntlm,
    Negotiate,
    Oauth,
}

/// How hard a command may work at a server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct FlowArgs {
    /// Read from the server and write to it no faster than this: "5 MB/s", or
    /// "mon-fri 08:00-18:00 1 MB/s" for some hours [repeatable: the first that fits the time counts]
    #[arg(long, value_name = "RATE")]
    pub bandwidth: Vec<RateRule>,
    /// Requests under way at the server at the same time, of all mailboxes together
    #[arg(long, value_name = "N", default_value_t = 27,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub server_requests: u16,
}

/// When settings are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SettingsWhen {
    Auto,
    Always,
    Never,
}

impl From<SettingsWhen> for SettingsReading {
    fn from(when: SettingsWhen) -> Self {
        match when {
            SettingsWhen::Auto => Self::Auto,
            SettingsWhen::Always => Self::Always,
            SettingsWhen::Never => Self::Never,
        }
    }
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The server's EWS address; /EWS/Exchange.asmx is added where it has no path [default: found
    /// by Autodiscover from the account's or the first mailbox's address]
    #[arg(long, value_name = "URL", help_heading = "Exchange")]
    pub server: Option<String>,
    /// Find the server of this address by Autodiscover
    #[arg(
        long,
        value_name = "SMTP",
        help_heading = "Exchange",
        conflicts_with = "server"
    )]
    pub autodiscover: Option<String>,
    /// Ask this server for it, before those of the address's domain
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Exchange",
        conflicts_with = "server"
    )]
    pub autodiscover_server: Option<String>,
    #[command(flatten)]
    pub account: ServerArgs,
    /// A mailbox: its primary SMTP address, with /archive or /recoverable behind it for these
    /// alone, or example.com/public; or all whose addresses fit a pattern, such as
    /// 'sales-*@example.com'; several with commas, or @FILE with one a line [repeatable; default:
    /// the account's own]
    #[arg(long = "mailbox", value_name = "NAME", help_heading = "Selection")]
    pub mailboxes: Vec<String>,
    /// All mailboxes that the server lists: to an account with the role Mailbox Search as they are,
    /// to others from the address book
    #[arg(long, help_heading = "Selection")]
    pub all: bool,
    /// The members of this distribution group, and of the groups in it [repeatable]
    #[arg(long = "group", value_name = "SMTP", help_heading = "Selection")]
    pub groups: Vec<String>,
    /// Not the mailboxes whose addresses fit this pattern, however they were named [repeatable]
    #[arg(
        long = "exclude-mailbox",
        value_name = "PATTERN",
        help_heading = "Selection"
    )]
    pub exclude_mailboxes: Vec<String>,
    /// The archives of these mailboxes too, where there are any
    #[arg(long = "archive", help_heading = "Selection")]
    pub archives: bool,
    /// What the server still keeps of deleted items too
    #[arg(long, help_heading = "Selection")]
    pub recoverable: bool,
    /// The public folders of the account's domain too
    #[arg(long, help_heading = "Selection")]
    pub public_folders: bool,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// When permissions, delegates, rules and other settings are read: with any change in a mailbox
    /// and once a day (auto), in every run (always), or never
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Selection"
    )]
    pub settings: SettingsWhen,
    /// Mailboxes read at the same time
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Limits",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub mailboxes_at_once: u16,
    /// Requests under way for each mailbox
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Limits",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub requests: u16,
    /// Commit what was read so far each time this long has passed, 30m at most
    #[arg(long, value_name = "TIME", default_value = "15m", help_heading = "Limits",
          value_parser = seal_after)]
    pub seal_after: Duration,
    /// Bytes of items on their way at the same time, such as 64M
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256M",
        help_heading = "Limits"
    )]
    pub memory: ByteCount,
    #[command(flatten)]
    pub flow: FlowArgs,
    /// Bring the mailboxes' search indexes up to date at the end, so that the next `search` need
    /// not
    #[arg(long)]
    pub search_index: bool,
}

/// What a restore does about live items.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// Create what is missing, and leave what is live alone
    Missing,
    /// Replace live items that are not as they were, and create nothing
    Changed,
    /// Create what is missing and replace what differs: read and compare every live item
    Overwrite,
    /// Create what is missing, and beside live items that are not as they were a second one
    Both,
}

impl Mode {
    pub fn restore_mode(self) -> RestoreMode {
        match self {
            Self::Missing => RestoreMode::Missing,
            Self::Changed => RestoreMode::Changed,
            Self::Overwrite => RestoreMode::Overwrite,
            Self::Both => RestoreMode::Both,
        }
    }
}

const RESTORE_HELP: &str = "\
Examples:
    postkeep restore --user svc@example.com --mailbox alice@example.com --item 1435bc725299
    postkeep restore --user svc@example.com --mailbox alice@example.com --as-of \"2026-11-02 14:00\" \\
        --folder @calendar --mode overwrite --dry-run
Nothing is ever sent. The same restore again adds nothing, in every mode. What is replaced is
kept in the repository before; `postkeep restores undo` takes a restore back.";

#[derive(Debug, Args)]
#[command(after_help = RESTORE_HELP)]
pub struct RestoreArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Only items that a search finds, in all snapshots unless --snapshot gives an id (see
    /// `postkeep search --help`)
    #[arg(long, value_name = "QUERY", conflicts_with_all = ["folders", "exclude_folders", "items",
          "classes", "exclude_classes", "newer_than", "older_than", "larger_than", "smaller_than"],
          help_heading = "Selection")]
    pub search: Option<String>,
    #[command(flatten)]
    pub account: ServerArgs,
    /// Restore into this mailbox instead of the one the snapshot came from: an address, with
    /// /archive behind it for the archive, or example.com/public
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    pub to_mailbox: Option<String>,
    /// Restore to this server instead of the one the snapshot came from
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub to_server: Option<String>,
    /// Restore below this folder instead of into the original ones
    #[arg(long, value_name = "PATH", help_heading = "Target")]
    pub to_folder: Option<String>,
    /// Restore below a folder of its own, named after the state that is restored ("Restored from
    /// 2026-11-02 14.00")
    #[arg(long, conflicts_with = "to_folder", help_heading = "Target")]
    pub into: bool,
    /// Restore each mailbox into the one that a list of users names: CSV lines `source,target`, of
    /// addresses or of domains (@old.example,@new.example)
    #[arg(
        long,
        value_name = "CSV",
        conflicts_with = "to_mailbox",
        help_heading = "Target"
    )]
    pub user_map: Option<PathBuf>,
    /// What becomes of items that are live already
    #[arg(long, value_enum, default_value_t = Mode::Missing, help_heading = "Target")]
    pub mode: Mode,
    /// Show what would be created, replaced and skipped, and change nothing
    #[arg(long, help_heading = "Target")]
    pub dry_run: bool,
    /// Read every restored item back and compare it with the backup
    #[arg(long, conflicts_with = "dry_run", help_heading = "Target")]
    pub verify: bool,
    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Limits",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub requests: u16,
    #[command(flatten)]
    pub flow: FlowArgs,
}

/// Collection waits for open sessions this long, so none may stay open longer.
const MAX_SEAL_AFTER: Duration = Duration::from_secs(30 * 60);

fn seal_after(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "give a time such as 90s, 15m or 1m30s".to_owned())?;
    match Duration::try_from(span) {
        Ok(time) if !time.is_zero() && time <= MAX_SEAL_AFTER => Ok(time),
        _ => Err("give a time between 1s and 30m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_units_and_end_at_half_an_hour() {
        assert_eq!(seal_after("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(seal_after("1m30s"), Ok(Duration::from_secs(90)));
        for bad in ["", "15", "0s", "-5m", "31m", "soon"] {
            assert!(seal_after(bad).is_err(), "{bad}");
        }
    }
}
