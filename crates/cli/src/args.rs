//! What can be typed: clap's types, and nothing else.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use engine::{Age, ByteCount};
use operator::{LogForm, RateRule};

use crate::exit::CODES_HELP;

mod exchange;
mod keep;
mod key;
mod keyring;
mod look;
mod operate;
mod restores;
mod retention;
mod second;
mod settings;
mod try_out;

pub use exchange::{Auth, BackupArgs, FlowArgs, PROXY, RestoreArgs, ServerArgs, SignInArgs};
pub use keep::{PruneArgs, RepairCommand, RepairIndexArgs, RepairPacksArgs, StatsArgs};
pub use key::{
    KeyAddArgs, KeyAddNewArgs, KeyArgs, KeyCommand, KeyEscrowArgs, KeyGenerateArgs, KeyListArgs,
    KeyPassphraseArgs, KeyRemoveArgs, KeyRotateArgs, KeyShareArgs, NewKeyArgs,
};
pub use keyring::{KeyringCommand, KeyringRemoveArgs, KeyringSetArgs};
pub use look::{
    CatArgs, CatFormat, CheckArgs, DiffArgs, DrillArgs, ExportArgs, LsArgs, SearchArgs,
    SnapshotsArgs, VerifyArgs, VersionsArgs,
};
pub use operate::{
    CompletionsArgs, ConfigCommand, ConfigFileArgs, ConfigInitArgs, ConfigSchemaArgs, DaemonArgs,
    DoctorArgs, ManArgs, ReportArgs, RunArgs, ScheduleCommand, ScheduleNextArgs, ServiceCommand,
    ServiceInstallArgs, StatusArgs,
};
pub use restores::{
    RestoresArgs, RestoresCommand, RestoresForgetArgs, RestoresListArgs, RestoresShowArgs,
    RestoresUndoArgs,
};
pub use retention::{
    EraseArgs, ForgetArgs, HoldAddArgs, HoldArgs, HoldCommand, HoldListArgs, HoldRemoveArgs,
    PolicyArgs, RetentionArgs, RetentionCommand,
};
pub use second::{CopyArgs, OtherArgs};
pub use settings::{
    SettingsArgs, SettingsCommand, SettingsDiffArgs, SettingsExportArgs, SettingsHistoryArgs,
    SettingsListArgs, SettingsRestoreArgs, SettingsSelectionArgs, SettingsShowArgs,
};
pub use try_out::{DemoArgs, SimArgs};

/// Mailbox-level backup and restore for Exchange.
#[derive(Debug, Parser)]
#[command(name = "postkeep", version, after_help = CODES_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct GlobalArgs {
    /// Print one JSON document on standard output, errors included; messages stay on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results and errors only: no progress, no messages
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log what happens to standard error; more with -vv and -vvv
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// Where the log of every command goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Log to this file instead of standard error
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// The form of the log [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub log_format: Option<LogFormat>,
    /// Put the file aside, as FILE.1 and so on, before it grows larger [default: 10M]
    #[arg(long, global = true, value_name = "SIZE")]
    pub log_size: Option<ByteCount>,
    /// How many that were put aside stay [default: 5]
    #[arg(long, global = true, value_name = "N")]
    pub log_keep: Option<u16>,
    /// Send traces of runs, mailboxes and requests to this OpenTelemetry collector, by OTLP over HTTP
    /// [default: the environment variable OTEL_EXPORTER_OTLP_ENDPOINT]
    #[arg(long, global = true, value_name = "URL")]
    pub traces: Option<String>,
}

/// Forms of a log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// A JSON document a line
    Json,
}

impl From<LogFormat> for LogForm {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole job in a minute, on a simulated Exchange server
    Demo(DemoArgs),
    /// Serve simulated mailboxes over EWS, to try things on
    Sim(SimArgs),
    /// Create an encrypted repository
    Init(InitArgs),
    /// Back up mailboxes: in full the first time, then what changed
    Backup(BackupArgs),
    /// List what was backed up and when
    Snapshots(SnapshotsArgs),
    /// List the folders of a snapshot, or the items of a folder
    Ls(LsArgs),
    /// Print one item of a snapshot
    Cat(CatArgs),
    /// Find items in all snapshots, by words and more
    Search(SearchArgs),
    /// Show all versions of an item
    Versions(VersionsArgs),
    /// Compare two snapshots of a mailbox, or one with the live mailbox
    Diff(DiffArgs),
    /// Put items back into a live mailbox
    Restore(RestoreArgs),
    /// Show and restore permissions, delegates, rules, out-of-office replies and the like
    Settings(SettingsArgs),
    /// List, show and take back restores that were made
    Restores(RestoresArgs),
    /// Write the items of a snapshot as files
    Export(ExportArgs),
    /// List, add, remove and rotate what opens the repository
    Key(KeyArgs),
    /// Keep secrets in the system's keyring: passphrases and passwords of accounts
    #[command(subcommand)]
    Keyring(KeyringCommand),
    /// Look for damage, and name every item it touches
    Check(CheckArgs),
    /// Prove that backups come back: restore a random sample, read it back and compare
    Drill(DrillArgs),
    /// Check the signature of a drill's result, with its public key alone
    Verify(VerifyArgs),
    /// Run backup sets of a configuration; `backup --set NAME` is the same
    #[command(
        after_help = "Examples:\n  postkeep run --set office\n  postkeep run --all-sets\n  \
                            postkeep run --set office --with limits.requests=2 --with \
                            'mailboxes=[\"alice@example.com\"]'"
    )]
    Run(RunArgs),
    /// Write, check and show a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show when the sets of a configuration run
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Run the sets of a configuration by their schedules, until told to stop
    #[command(after_help = "Example:\n  postkeep daemon --config /etc/postkeep/postkeep.toml")]
    Daemon(DaemonArgs),
    /// Look for what would keep backups from working, and say what mends it
    #[command(after_help = "Example:\n  postkeep doctor --set office")]
    Doctor(DoctorArgs),
    /// Show every set at a glance: the last good snapshot of each mailbox, its age, the next run
    #[command(after_help = "Example:\n  postkeep status --json")]
    Status(StatusArgs),
    /// Show the report of a run, or write its page with charts
    #[command(after_help = "Example:\n  postkeep report --set office --html report.html")]
    Report(ReportArgs),
    /// Install the daemon as a service of the system
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  postkeep completions bash > \
                            /usr/share/bash-completion/completions/postkeep")]
    Completions(CompletionsArgs),
    /// Print the manual
    #[command(after_help = "Example:\n  postkeep man --dir /usr/share/man/man1")]
    Man(ManArgs),
    /// Mend a damaged repository
    #[command(subcommand)]
    Repair(RepairCommand),
    /// Copy snapshots into another repository, with other keys
    Copy(CopyArgs),
    /// Delete what no snapshot needs any more, and give its space back
    Prune(PruneArgs),
    /// Show what takes space: by mailbox, folder, kind and snapshot
    Stats(StatsArgs),
    /// Decide by a policy which snapshots stay
    Retention(RetentionArgs),
    /// Forget snapshots by hand
    Forget(ForgetArgs),
    /// Hold what no policy may take away
    Hold(HoldArgs),
    /// Erase one person's mail from the repository, and prove that nothing of it is left
    Erase(EraseArgs),
}

/// Which repository, and how to open it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Repository")]
pub struct RepositoryArgs {
    /// Where the repository is: a folder, or a URL (s3://BUCKET/PREFIX, azure://, gs://,
    /// webdav+https://, sftp://, ftps://, swift:// and more; docs/destinations.md)
    #[arg(
        long,
        value_name = "URL",
        env = "POSTKEEP_REPO",
        hide_env_values = true
    )]
    pub repo: String,
    /// Write to it and read from it no faster than this: "5 MB/s", or "mon-fri 08:00-18:00 1 MB/s"
    /// for some hours [repeatable: the first that fits the time counts]
    #[arg(long, value_name = "RATE")]
    pub repo_bandwidth: Vec<RateRule>,
    #[command(flatten)]
    pub access: AccessArgs,
}

/// How to open a repository.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Repository")]
pub struct AccessArgs {
    /// File that holds the passphrase [otherwise: environment variable POSTKEEP_PASSPHRASE, or a
    /// prompt]
    #[arg(long, value_name = "FILE", group = "unlock")]
    pub passphrase_file: Option<PathBuf>,
    /// Command of the system's shell that prints the passphrase, such as `pass show postkeep`,
    /// `secret-tool lookup ...` or `security find-generic-password ...`
    #[arg(long, value_name = "COMMAND", group = "unlock")]
    pub passphrase_command: Option<String>,
    /// Name of the passphrase in the system's keyring, see `postkeep keyring`
    #[arg(long, value_name = "NAME", group = "unlock")]
    pub passphrase_keyring: Option<String>,
    /// Key file, a writer's too, instead of a passphrase [otherwise: environment variable
    /// POSTKEEP_KEY_FILE]
    #[arg(long, value_name = "FILE", group = "unlock")]
    pub key_file: Option<PathBuf>,
    /// File that holds the recovery phrase, or - to be asked for it
    #[arg(long, value_name = "FILE", group = "unlock")]
    pub recovery_phrase_file: Option<PathBuf>,
    /// File that holds an escrow's private key [repeatable]
    #[arg(long, value_name = "FILE", group = "unlock")]
    pub escrow_key_file: Vec<PathBuf>,
    /// File that holds a share that `key share` wrote [repeatable]
    #[arg(long, value_name = "FILE", group = "unlock")]
    pub escrow_share_file: Vec<PathBuf>,
    /// File with the destination's settings, a line NAME = VALUE for each, such as
    /// AWS_ACCESS_KEY_ID; docs/destinations.md lists them [otherwise: the environment]
    #[arg(long, value_name = "FILE", env = "POSTKEEP_DESTINATION_FILE")]
    pub destination_file: Option<PathBuf>,
    /// Where local index files are kept; they can be deleted at any time [default: the system's
    /// cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

impl AccessArgs {
    /// Whether they say where the passphrase is.
    pub fn names_passphrase(&self) -> bool {
        self.passphrase_file.is_some()
            || self.passphrase_command.is_some()
            || self.passphrase_keyring.is_some()
    }

    /// Whether the repository is opened in a way made for emergencies.
    pub fn is_recovery(&self) -> bool {
        self.recovery_phrase_file.is_some()
            || !self.escrow_key_file.is_empty()
            || !self.escrow_share_file.is_empty()
    }
}

#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The cipher; chacha20-poly1305 suits processors without AES instructions
    #[arg(long, value_enum, default_value_t = Cipher::Aes256Gcm)]
    pub cipher: Cipher,
    /// Make a recovery phrase of 24 words, too, which opens the repository when the passphrase is
    /// lost; it is printed once
    #[arg(long)]
    pub recovery_phrase: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Cipher {
    #[value(name = "aes-256-gcm")]
    Aes256Gcm,
    #[value(name = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

/// Which snapshots of which mailbox.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Selection")]
pub struct SnapshotArgs {
    /// A snapshot's id, its beginning, or `latest`: the newest of each mailbox
    #[arg(long, value_name = "ID", default_value = "latest")]
    pub snapshot: String,
    /// The state at a time, such as "2026-11-02 14:00" (this machine's time zone): of each mailbox
    /// the newest snapshot made then or before
    #[arg(long, value_name = "TIME", conflicts_with = "snapshot")]
    pub as_of: Option<String>,
    /// Only this mailbox
    #[arg(long, value_name = "SMTP")]
    pub mailbox: Option<String>,
}

/// Which part of a mailbox.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// Only this folder and those below it: a path (Inbox/Projects), with * and ? within a level
    /// and ** for any levels, or a name that is the same in every language (@sentitems,
    /// @inbox/Projects) [repeatable]
    #[arg(long = "folder", value_name = "PATH")]
    pub folders: Vec<String>,
    /// Not this folder and those below it; wins over --folder [repeatable]
    #[arg(long = "exclude-folder", value_name = "PATH")]
    pub exclude_folders: Vec<String>,
    /// Only this item: its EWS id, or the key that `ls` shows [repeatable]
    #[arg(long = "item", value_name = "ID")]
    pub items: Vec<String>,
    /// Only items of this class and those derived from it, such as IPM.Note; * and ? work
    /// [repeatable]
    #[arg(long = "class", value_name = "CLASS")]
    pub classes: Vec<String>,
    /// No items of this class, nor of those derived from it [repeatable]
    #[arg(long = "exclude-class", value_name = "CLASS")]
    pub exclude_classes: Vec<String>,
    /// Only items younger than 30d, 8w or 2y, or since a day such as 2024-05-31
    #[arg(long, value_name = "AGE")]
    pub newer_than: Option<Age>,
    /// Only items older than that, or before that day
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<Age>,
    /// Only items larger than 500, 10k, 25M or 1G bytes
    #[arg(long, value_name = "SIZE")]
    pub larger_than: Option<ByteCount>,
    /// Only items smaller than that
    #[arg(long, value_name = "SIZE")]
    pub smaller_than: Option<ByteCount>,
}
