//! Commands about two repositories.

use std::path::PathBuf;

use clap::Args;

use super::{AccessArgs, RepositoryArgs};

/// How to open the other repository of a command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Other repository")]
pub struct OtherArgs {
    /// File that holds the passphrase of the other repository [otherwise: environment variable
    /// POSTKEEP_OTHER_PASSPHRASE, or what opens the first one]
    #[arg(long, value_name = "FILE", group = "other_unlock")]
    pub other_passphrase_file: Option<PathBuf>,
    /// Command of the system's shell that prints that passphrase
    #[arg(long, value_name = "COMMAND", group = "other_unlock")]
    pub other_passphrase_command: Option<String>,
    /// Name of that passphrase in the system's keyring
    #[arg(long, value_name = "NAME", group = "other_unlock")]
    pub other_passphrase_keyring: Option<String>,
    /// Key file of the other repository [otherwise: environment variable POSTKEEP_OTHER_KEY_FILE]
    #[arg(long, value_name = "FILE", group = "other_unlock")]
    pub other_key_file: Option<PathBuf>,
    /// File with the settings of the other repository's destination
    #[arg(long, value_name = "FILE")]
    pub other_destination_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    postkeep copy --from /srv/backup --to sftp://vault.example.com/backup --dry-run
    postkeep copy --to /mnt/usb/backup --mailbox alice@example.com --verify

The other repository has keys of its own: make it with `postkeep init`. Snapshots keep their ids and
times. A second copy takes what is new; one that was interrupted goes on. Nothing is deleted.")]
pub struct CopyArgs {
    /// Where to copy from: a folder, or a URL
    #[arg(
        long = "from",
        value_name = "URL",
        env = "POSTKEEP_REPO",
        hide_env_values = true
    )]
    pub from: String,
    #[command(flatten)]
    pub access: AccessArgs,
    /// Where to copy to: a folder, or a URL
    #[arg(long, value_name = "URL")]
    pub to: String,
    #[command(flatten)]
    pub other: OtherArgs,
    /// Only this mailbox, with what is kept and held of it [repeatable; default: all, and reports
    /// of runs]
    #[arg(long = "mailbox", value_name = "SMTP")]
    pub mailboxes: Vec<String>,
    /// Only this snapshot: its id, the beginning of it, or `latest` for the newest of each mailbox
    /// [repeatable; default: all, and what is kept and held beside them]
    #[arg(long = "snapshot", value_name = "ID")]
    pub snapshots: Vec<String>,
    /// Read everything back that was copied
    #[arg(long)]
    pub verify: bool,
    /// Only say what would be copied
    #[arg(long)]
    pub dry_run: bool,
}

impl CopyArgs {
    /// The repository that is copied.
    pub fn source(&self) -> RepositoryArgs {
        RepositoryArgs {
            repo: self.from.clone(),
            repo_bandwidth: Vec::new(),
            access: self.access.clone(),
        }
    }
}
