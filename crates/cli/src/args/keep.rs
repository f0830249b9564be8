//! Commands that keep a repository in order; none needs a server.

use clap::Args;

use super::RepositoryArgs;

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
