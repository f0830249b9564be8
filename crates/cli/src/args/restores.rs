//! Commands about restores that were made.

use clap::{Args, Subcommand};

use super::{RepositoryArgs, ServerArgs};

#[derive(Debug, Args)]
#[command(after_help = RESTORES_HELP)]
pub struct RestoresArgs {
    #[command(subcommand)]
    pub command: RestoresCommand,
}

const RESTORES_HELP: &str = "\
Example:
    postkeep restores list
    postkeep restores undo latest --user svc@example.com --dry-run
RESTORE is an id, the beginning of one, or `latest`.";

#[derive(Debug, Subcommand)]
pub enum RestoresCommand {
    /// List the restores that were made
    List(RestoresListArgs),
    /// Show what a restore created and replaced
    Show(RestoresShowArgs),
    /// Take a restore back: delete what it created, put back what it replaced
    Undo(Box<RestoresUndoArgs>),
    /// Forget a restore: it cannot be taken back any more, and what it replaced is kept no longer
    Forget(RestoresForgetArgs),
}

#[derive(Debug, Args)]
pub struct RestoresListArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Only restores into this mailbox
    #[arg(long, value_name = "NAME")]
    pub mailbox: Option<String>,
}

#[derive(Debug, Args)]
pub struct RestoresShowArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Which restore: its id, the beginning of it, or `latest`
    #[arg(value_name = "RESTORE")]
    pub restore: String,
}

#[derive(Debug, Args)]
#[command(after_help = UNDO_HELP)]
pub struct RestoresUndoArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Which restore: its id, the beginning of it, or `latest`
    #[arg(value_name = "RESTORE")]
    pub restore: String,
    #[command(flatten)]
    pub account: ServerArgs,
    /// The server's address now, if it is not the one that was restored to
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub to_server: Option<String>,
    /// Open public folders as somebody else than the restore did, such as ann@example.com/public
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    pub mailbox: Option<String>,
    /// Show what would be taken back, and change nothing
    #[arg(long, help_heading = "Target")]
    pub dry_run: bool,
    /// Also take back items that were changed since, and put back what a deleted one had replaced
    #[arg(long, help_heading = "Target")]
    pub force: bool,
    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Limits",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub requests: u16,
}

const UNDO_HELP: &str = "\
Example:
    postkeep restores undo 3f2a9c --user svc@example.com --dry-run
Items that somebody changed after the restore are left as they are and named. Deleted items can be
recovered on the server for as long as it keeps deleted items. Taking a restore back once more, or
after an interruption, does what is left to be done.";

#[derive(Debug, Args)]
pub struct RestoresForgetArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Which restore: its id or the beginning of it
    #[arg(value_name = "RESTORE")]
    pub restore: String,
}
