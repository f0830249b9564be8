//! Commands that keep a repository in order; none needs a server.

use clap::{Args, Subcommand};

use super::exchange::{AT_A_SERVER, GuestArgs};
use super::{OtherArgs, RepositoryArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    postkeep stats
    postkeep stats --snapshot 3f2a9c0d1e --snapshot 77ab01

Sizes are those of what is stored: deduplicated, compressed and sealed. What several items share
counts for one of them.")]
pub struct StatsArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Also say what forgetting this snapshot would free: its id, or the beginning of it; of
    /// several, what forgetting all of them would free together [repeatable]
    #[arg(long = "snapshot", value_name = "ID")]
    pub snapshots: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    postkeep forget ... && postkeep prune

Backups may run meanwhile. A prune that is interrupted loses nothing; the next one goes on.")]
pub struct PruneArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Only say what would be deleted and how much space it frees
    #[arg(long)]
    pub dry_run: bool,
    /// Rewrite packs of which less than so many percent are needed; 0 rewrites none
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub rewrite_below: u8,
    /// Copy at most so many MiB out of such packs in one run
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub max_rewrite: u64,
    /// Take a backup for dead that began so many minutes ago and has not ended; if it lives, it is
    /// told and writes again what it had not committed
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    pub end_open_after: u64,
    /// Wait for backups that are running, instead of leaving the rest to the next prune
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Subcommand)]
pub enum RepairCommand {
    /// Write the index anew, from the headers of packs, where objects of it are damaged or missing
    #[command(after_help = "\
Example:
    postkeep repair index --dry-run

Backups may run meanwhile. Without it a repository can be used all the same: whoever opens it reads
the headers again, each time.")]
    Index(Box<RepairIndexArgs>),
    /// Heal what damaged and missing packs cost: from what is left of them, the local indexes, a
    /// second repository and the server
    #[command(after_help = "\
Examples:
    postkeep repair packs --dry-run
    postkeep repair packs --from sftp://vault.example.com/backup
    postkeep repair packs --server https://mail.example.com --user backup@example.com

Nothing is deleted: `postkeep prune` removes what is needed no longer. What cannot be healed is
named, and its snapshots say so. Backups may run meanwhile; repeat it with other helpers.")]
    Packs(Box<RepairPacksArgs>),
}

#[derive(Debug, Args)]
pub struct RepairPacksArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// A second repository that has the same mails: a folder, or a URL
    #[arg(long = "from", value_name = "URL")]
    pub from: Option<String>,
    #[command(flatten)]
    pub other: OtherArgs,
    /// A server that may still have the items as they were: its EWS address
    #[arg(long, value_name = "URL", requires = "user", group = AT_A_SERVER, help_heading = "Exchange")]
    pub server: Option<String>,
    #[command(flatten)]
    pub account: GuestArgs,
    /// Believe packs that are there in their full length, instead of reading every stored byte
    #[arg(long)]
    pub quick: bool,
    /// Only say what is damaged
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct RepairIndexArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Only say what is damaged
    #[arg(long)]
    pub dry_run: bool,
}
