//! Secrets in the system's keyring.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum KeyringCommand {
    /// Keep a secret in the keyring, under a name of your own
    #[command(after_help = "\
Example, a passphrase that nobody types, and one that opens the repository when the keyring is lost:
    postkeep keyring set backup --generate
    postkeep init --repo /srv/backup --passphrase-keyring backup --recovery-phrase

In a configuration: passphrase_keyring = \"backup\", password_keyring = \"exchange\".")]
    Set(KeyringSetArgs),
    /// Say whether the keyring has a secret, without showing it
    #[command(after_help = "Example:\n    postkeep keyring check backup")]
    Check(KeyringNameArgs),
    /// Take a secret out of the keyring
    #[command(after_help = "Example:\n    postkeep keyring remove backup --dry-run")]
    Remove(KeyringRemoveArgs),
}

#[derive(Debug, Args)]
pub struct KeyringNameArgs {
    /// The secret's name
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct KeyringSetArgs {
    #[command(flatten)]
    pub entry: KeyringNameArgs,
    /// File that holds the secret, or - for standard input [otherwise it is asked for]
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Make a random secret; nobody gets to see it
    #[arg(long, conflicts_with = "secret_file")]
    pub generate: bool,
    /// Replace a secret that is there; whatever only that one opened stays closed
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, Args)]
pub struct KeyringRemoveArgs {
    #[command(flatten)]
    pub entry: KeyringNameArgs,
    /// Say what would be removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
