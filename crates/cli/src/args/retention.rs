//! Commands about what stays and what goes.

use clap::{Args, Subcommand};
use engine::{Period, Policy};

use super::RepositoryArgs;

#[derive(Debug, Args)]
#[command(after_help = RETENTION_HELP)]
pub struct RetentionArgs {
    #[command(subcommand)]
    pub command: RetentionCommand,
}

#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show which snapshots a policy keeps, by which rule, and which would go
    Plan(PlanArgs),
    /// Forget what the policy does not keep
    Apply(ApplyArgs),
}

const RETENTION_HELP: &str = "\
Example: two weeks of everything, then one a week, a month and a year; what somebody deletes can be
had back for a year:
    postkeep retention plan --keep-within 14d --keep-weekly 8 --keep-monthly 12 --keep-yearly 7 \\
        --keep-deleted-items 1y
Rules add up: a snapshot stays if any rule keeps it. The newest complete snapshot of a mailbox and
whatever is held always stay. Times are 36h, 30d, 12w, 6mo or 2y. Forgetting takes a moment and
frees nothing yet: `postkeep prune` does, and --prune does both.";

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Also say how much space applying it and a prune would free, which takes reading all lists
    #[arg(long)]
    pub space: bool,
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Then give the space back, as `postkeep prune` does
    #[arg(long)]
    pub prune: bool,
}

#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub policy: KeepArgs,
    /// Only this mailbox [repeatable; default: all]
    #[arg(long = "mailbox", value_name = "SMTP")]
    pub mailboxes: Vec<String>,
    /// The time zone in which days, weeks and years begin and end, such as Europe/Berlin [default:
    /// this machine's]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Also list the versions of items that would be in no snapshot any more, one by one
    #[arg(long)]
    pub items: bool,
}

/// The rules of a policy.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Policy")]
pub struct KeepArgs {
    /// Keep the newest N snapshots
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_last: u32,
    /// Keep every snapshot younger than this
    #[arg(long, value_name = "TIME")]
    pub keep_within: Option<Period>,
    /// Keep the newest snapshot of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_hourly: u32,
    /// The same by days
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_daily: u32,
    /// The same by weeks, which begin on Monday
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_weekly: u32,
    /// The same by months
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_monthly: u32,
    /// The same by quarters
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_quarterly: u32,
    /// The same by years
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_yearly: u32,
    /// Keep deleted items this long after the backup that found them gone, though their snapshots
    /// go
    #[arg(long, value_name = "TIME")]
    pub keep_deleted_items: Option<Period>,
    /// Keep the newest N versions of each item, though their snapshots go
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_versions: u32,
}

impl KeepArgs {
    pub fn policy(&self) -> Policy {
        Policy {
            last: self.keep_last,
            within: self.keep_within,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            quarterly: self.keep_quarterly,
            yearly: self.keep_yearly,
            deleted_items: self.keep_deleted_items,
            versions: self.keep_versions,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    postkeep forget 3f2a9c0d1e 77ab01 --dry-run
    postkeep forget 3f2a9c0d1e 77ab01 --prune")]
pub struct ForgetArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Snapshots: their ids, or the beginnings of these
    #[arg(value_name = "SNAPSHOT", required = true)]
    pub snapshots: Vec<String>,
    /// Forget the newest complete snapshot of a mailbox, too
    #[arg(long)]
    pub newest_too: bool,
    /// Keep deleted items of these snapshots this long after the backup that found them gone
    #[arg(long, value_name = "TIME")]
    pub keep_deleted_items: Option<Period>,
    /// Also list the versions of items that would be in no snapshot any more
    #[arg(long)]
    pub items: bool,
    /// Show what would go and how much space that would free, and change nothing
    #[arg(long, conflicts_with = "prune")]
    pub dry_run: bool,
    /// Then give the space back, as `postkeep prune` does
    #[arg(long)]
    pub prune: bool,
}

#[derive(Debug, Args)]
#[command(after_help = HOLD_HELP)]
pub struct HoldArgs {
    #[command(subcommand)]
    pub command: HoldCommand,
}

#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Hold a mailbox, a snapshot, or what a search finds
    Add(HoldAddArgs),
    /// List holds
    List(HoldListArgs),
    /// Release a hold
    Remove(HoldRemoveArgs),
}

const HOLD_HELP: &str = "\
What is held survives every policy, `forget` and `prune`, until the hold is released or its time has
come. Examples:
    postkeep hold add --mailbox alice@example.com --why 'case 4711' --until 2027-12-31
    postkeep hold add --snapshot 3f2a9c0d1e --why 'before the migration'
    postkeep hold add --search 'from:carol subject:contract' --why 'case 4711'
    postkeep hold remove 77ab01 --why 'case 4711 is closed'";

#[derive(Debug, Args)]
pub struct HoldAddArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Hold this mailbox: all its snapshots, those to come included; with --search, search in it
    #[arg(long, value_name = "SMTP", required_unless_present_any = ["snapshot", "search"])]
    pub mailbox: Option<String>,
    /// Hold this snapshot: its id, or the beginning of it
    #[arg(long, value_name = "ID", conflicts_with_all = ["mailbox", "search"])]
    pub snapshot: Option<String>,
    /// Hold the items that this search finds (see `postkeep search --help`)
    #[arg(long, value_name = "QUERY")]
    pub search: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Who asks for it [default: the name you are signed in with on this machine]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// When it ends by itself: a date, or a date and a time in this machine's time zone [default:
    /// when it is released]
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
}

#[derive(Debug, Args)]
pub struct HoldListArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Also those that were released or have ended
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct HoldRemoveArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The hold's id, or the beginning of it
    #[arg(value_name = "HOLD")]
    pub hold: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Who releases it [default: the name you are signed in with on this machine]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --yes it only says what would go and what would stay, and changes nothing. It takes the
mailbox, its archive and the recoverable items of both: all snapshots, kept items and records, every
stored byte that nothing else refers to, and this machine's index of them. What others' mail has too,
such as an attachment that was sent to many, stays theirs. Take the mailbox out of your backup sets
first. A hold on it is in the way: `postkeep hold list`. Examples:
    postkeep erase --mailbox alice@example.com --why 'request 4711'
    postkeep erase --mailbox alice@example.com --why 'request 4711' --yes --wait")]
pub struct EraseArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The address of whose mail is erased
    #[arg(long, value_name = "SMTP")]
    pub mailbox: String,
    /// Why; this stays in the repository and must not say whose mail it was
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Who asks for it [default: the name you are signed in with on this machine]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Erase it; without this, nothing is changed
    #[arg(long)]
    pub yes: bool,
    /// Wait for backups that are running, instead of leaving the rest to the next call
    #[arg(long)]
    pub wait: bool,
    /// Take a backup for dead that began so many minutes ago and has not ended; if it lives, it is
    /// told and writes again what it had not committed
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    pub end_open_after: u64,
}
