//! Commands that look into a repository; none needs a server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::CheckPart;

use super::exchange::{AT_A_SERVER, GuestArgs};
use super::{OtherArgs, RepositoryArgs, SelectionArgs, SnapshotArgs};

#[derive(Debug, Args)]
pub struct SnapshotsArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Only this mailbox
    #[arg(long, value_name = "SMTP")]
    pub mailbox: Option<String>,
    /// Also list what outlived its snapshots: deleted items and older versions that a policy keeps;
    /// `ls`, `cat`, `export` and `restore` take their ids as well
    #[arg(long)]
    pub kept: bool,
}

#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    /// A folder: its items and those of the folders below it are listed [default: all folders,
    /// without their items]
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
}

#[derive(Debug, Args)]
pub struct CatArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    /// The item: the key that `ls` shows, or its EWS id
    #[arg(value_name = "ITEM")]
    pub item: String,
    /// What to print
    #[arg(long, value_enum, default_value_t = CatFormat::Eml)]
    pub format: CatFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CatFormat {
    /// The mail as MIME, an appointment as iCalendar, a contact as vCard
    Eml,
    /// The bytes Exchange exported, unchanged
    Native,
    /// What is known of the item, as JSON
    Json,
    /// The header lines only
    Headers,
}

#[derive(Debug, Args)]
#[command(after_help = QUERY_HELP)]
pub struct SearchArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// What to look for; see below
    #[arg(value_name = "QUERY", required_unless_present = "reindex")]
    pub query: Vec<String>,
    /// Only this mailbox
    #[arg(long, value_name = "SMTP")]
    pub mailbox: Option<String>,
    /// Only what this snapshot holds: its id, the id's beginning, or `latest` [default: all]
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// Show the newest so many hits
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: usize,
    /// Make the search indexes anew; without a query, nothing else
    #[arg(long)]
    pub reindex: bool,
}

/// The query language, for the end of the help.
const QUERY_HELP: &str = "\
Queries (conditions must all hold; - in front of one means not, after --):
    budget acme          words in subject, body, attachment names and attached texts
    invoi*               words that begin so
    '\"annual report\"'    a phrase
    subject:... from:... to:...
    before:2024-05-31  after:2024-05  (or 30d: days before now)
    kind:mail            or appointment, contact, task, note, meeting, journal, post
    size>2M  size<10k  has:attachment
    is:read              or unread, flagged, draft, important
    folder:Inbox/Sub     and below it
    mailbox:ann          a part of the address
    deleted-since:7d     gone in a snapshot made since";

#[derive(Debug, Args)]
#[command(after_help = "Example: postkeep versions 77ab01c2d3e4 --mailbox alice@example.com")]
pub struct VersionsArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The item: the key that `ls` and `search` show or the beginning of it, or its EWS id
    #[arg(value_name = "ITEM")]
    pub item: String,
    /// Only this mailbox
    #[arg(long, value_name = "SMTP")]
    pub mailbox: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub struct DiffArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// A snapshot: its id, the id's beginning, or `latest`
    #[arg(value_name = "A", default_value = "latest")]
    pub first: String,
    /// The one to compare with; without it, A is compared with the one before it
    #[arg(value_name = "B", conflicts_with = "live")]
    pub second: Option<String>,
    /// Only this mailbox
    #[arg(long, value_name = "SMTP")]
    pub mailbox: Option<String>,
    /// Show counts by folder only
    #[arg(long)]
    pub counts: bool,
    /// Compare with the live mailbox on the server the snapshot came from
    #[arg(long, requires = "user", group = AT_A_SERVER, help_heading = "Exchange")]
    pub live: bool,
    #[command(flatten)]
    pub account: GuestArgs,
}

const DIFF_HELP: &str = "\
Examples:
    postkeep diff                      each mailbox's newest snapshot and the one before
    postkeep diff 3f2a9c0d1e 77ab01
    postkeep diff --live --user svc@example.com --mailbox alice@example.com";

const DRILL_HELP: &str = "\
Examples:
    postkeep drill                     50 items of the newest snapshots, into the program's own server
    postkeep drill --items 500 --to-server mail.example.com --user svc@example.com \\
        --to-mailbox probe@example.com
    postkeep drill --list
    postkeep drill --list --out proof  their results and signatures as files, for `postkeep verify`
    postkeep run --set office --drill  what the configuration says of a set
The result is kept in the repository, sealed and signed. Exit code 4 says that something did not come back
as it was. A probe mailbox keeps what was restored, below a folder of its own.";

#[derive(Debug, Args)]
#[command(after_help = DRILL_HELP)]
pub struct DrillArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    /// How many items to try, of all mailboxes together and at least one of each
    #[arg(long, value_name = "NUMBER", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub items: u64,
    /// Restore into a mailbox on this server instead of the program's own simulator
    #[arg(long, value_name = "URL", requires_all = ["to_mailbox", "user"], group = AT_A_SERVER,
          help_heading = "Target")]
    pub to_server: Option<String>,
    /// The probe mailbox there
    #[arg(
        long,
        value_name = "NAME",
        requires = "to_server",
        help_heading = "Target"
    )]
    pub to_mailbox: Option<String>,
    #[command(flatten)]
    pub account: GuestArgs,
    /// Show the results of past drills instead
    #[arg(long)]
    pub list: bool,
    /// Show the newest so many
    #[arg(long, value_name = "NUMBER", default_value_t = 20, requires = "list")]
    pub limit: usize,
    /// Write what is shown into this folder, too: each result as JSON, and its signature beside it
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

const VERIFY_HELP: &str = "\
Examples:
    postkeep verify drill-2026-11-02T22-00-05Z.json --public-key RWQ3...
    minisign -Vm drill-2026-11-02T22-00-05Z.json -P RWQ3...     the same, without Postkeep
`postkeep key list` shows the public keys of a repository: give one to whoever is to check results,
by a way that nobody can change. No repository and no secret is needed. Exit code 4: not what was
signed, or signed by someone else.";

#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The result, as `postkeep drill --out` wrote it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A public key that is trusted [repeatable]
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    pub public_keys: Vec<String>,
    /// The file of the signature [default: FILE.minisig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Only items that a search finds, in all snapshots unless --snapshot gives an id (see
    /// `postkeep search --help`)
    #[arg(long, value_name = "QUERY", conflicts_with_all = ["folders", "exclude_folders", "items",
          "classes", "exclude_classes", "newer_than", "older_than", "larger_than", "smaller_than"])]
    pub search: Option<String>,
    /// The form of the files
    #[arg(long, value_enum, default_value_t = ExportFormat::Eml)]
    pub format: ExportFormat,
    /// Where to: files become DIR/<address>/<folder>/..., beside them manifest.json, SHA256SUMS and
    /// index.html; the same command again writes what is missing or has changed
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportFormat {
    /// A file an item: mail as .eml; appointments, tasks and journal entries as .ics; contacts and
    /// distribution lists as .vcf
    Eml,
    /// An mboxrd file a folder
    Mbox,
    /// A Maildir a folder
    Maildir,
    /// Appointments, tasks and journal entries only, as .ics
    Ics,
    /// Contacts and distribution lists only, as .vcf
    Vcf,
    /// Outlook message files with all properties
    Msg,
    /// JSON documents with all properties
    Json,
}

impl From<ExportFormat> for engine::ExportFormat {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Eml => Self::Eml,
            ExportFormat::Mbox => Self::Mbox,
            ExportFormat::Maildir => Self::Maildir,
            ExportFormat::Ics => Self::Ics,
            ExportFormat::Vcf => Self::Vcf,
            ExportFormat::Msg => Self::Msg,
            ExportFormat::Json => Self::Json,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    postkeep check
    postkeep check --read-data
    postkeep check --rotate 30
    postkeep check --read-data --repair-from sftp://vault.example.com/backup

Backups may run meanwhile. Nothing is changed without --repair-from.")]
pub struct CheckArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Read, decrypt and compare every stored byte, not only names, lengths and headers
    #[arg(long)]
    pub read_data: bool,
    /// Of every stored byte, read one part: 1/10 to 10/10 together are everything
    #[arg(long, value_name = "K/N", conflicts_with_all = ["read_data", "rotate"])]
    pub read_data_part: Option<CheckPart>,
    /// Of so many parts, read the one that was not read for the longest time; run daily with 30,
    /// everything is read once a month
    #[arg(long, value_name = "N", conflicts_with = "read_data",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rotate: Option<u32>,
    /// Where damage is found, heal it from this second repository, as `repair packs` does
    #[arg(long, value_name = "URL", conflicts_with_all = ["rotate", "read_data_part"])]
    pub repair_from: Option<String>,
    #[command(flatten)]
    pub other: OtherArgs,
}
