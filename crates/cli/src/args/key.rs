//! Keys of a repository.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RepositoryArgs;

#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    pub command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List what opens the repository
    List(KeyListArgs),
    /// Add a passphrase, a key file, a recovery phrase, or a writer's key for a machine that backs up
    /// and must not read
    #[command(
        after_help = "Examples:\n    postkeep key add --new-key-file host-a.key --label \"host a\"\n    postkeep key add --writer --new-key-file host-b.key --label \"host b\"\n\nOn host b, which can back up, list and prune, and cannot read what is stored:\n    postkeep backup --key-file host-b.key --server mail.example.com --mailbox alice@example.com"
    )]
    Add(KeyAddNewArgs),
    /// Remove a key; the last one that opens the repository stays
    #[command(after_help = "Example:\n    postkeep key remove 3f2a --dry-run")]
    Remove(KeyRemoveArgs),
    /// Replace the passphrase in use by another one
    #[command(after_help = "Example:\n    postkeep key passphrase --new-passphrase-file new.txt")]
    Passphrase(KeyPassphraseArgs),
    /// Seal what is written from now on with fresh data keys, and end all keys but the one in use,
    /// or a new one, escrows and writers' keys
    #[command(
        after_help = "Example, after somebody left who knew a key:\n    postkeep key rotate --new-passphrase-file new.txt --dry-run\n\nAfter a machine with a writer's key was taken, its key goes first:\n    postkeep key remove 3f2a\n    postkeep key rotate"
    )]
    Rotate(KeyRotateArgs),
    /// Let the holders of private keys recover the repository: each alone, or several together
    #[command(
        after_help = "Example, any two of three:\n    postkeep key escrow --to pkescrow1... --to pkescrow1... --to pkescrow1... --threshold 2"
    )]
    Escrow(KeyEscrowArgs),
    /// Make an escrow's key pair: the private key goes into a file, the public one is printed
    #[command(
        after_help = "Example, on a machine that backs nothing up:\n    postkeep key generate-escrow --out console.key"
    )]
    GenerateEscrow(KeyGenerateArgs),
    /// Take the share out of an escrow that needs several private keys, without opening the
    /// repository; the share is a secret
    #[command(
        after_help = "Example:\n    postkeep key share --escrow-key-file console.key --out share-1.txt"
    )]
    Share(KeyShareArgs),
    /// Open the repository by its escrow or recovery phrase and add a new key
    #[command(
        after_help = "Examples:\n    postkeep key recover --escrow-key-file console.key\n    postkeep key recover --escrow-share-file share-1.txt --escrow-share-file share-2.txt\n    postkeep key recover --recovery-phrase-file -"
    )]
    Recover(KeyAddArgs),
}

#[derive(Debug, Args)]
pub struct KeyListArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
}

/// What a new key is.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "New key")]
pub struct NewKeyArgs {
    /// File that holds the new passphrase [otherwise it is asked for]
    #[arg(long, value_name = "FILE", group = "new_key")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Name of the new passphrase in the system's keyring, see `postkeep keyring`
    #[arg(long, value_name = "NAME", group = "new_key")]
    pub new_passphrase_keyring: Option<String>,
    /// Make a key file here instead of taking a passphrase
    #[arg(long, value_name = "FILE", group = "new_key")]
    pub new_key_file: Option<PathBuf>,
    /// Make a recovery phrase of 24 words, printed once, instead of taking a passphrase
    #[arg(long, group = "new_key")]
    pub new_recovery_phrase: bool,
    /// What to call the key, at most 100 bytes; only who opens the repository can read it
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
}

impl NewKeyArgs {
    /// Whether they name a key.
    pub fn is_given(&self) -> bool {
        self.new_passphrase_file.is_some()
            || self.new_passphrase_keyring.is_some()
            || self.new_key_file.is_some()
            || self.new_recovery_phrase
    }
}

#[derive(Debug, Args)]
pub struct KeyAddNewArgs {
    #[command(flatten)]
    pub key: KeyAddArgs,
    /// Make the key file a writer's: with it one backs up, lists and prunes; what is stored of
    /// items stays closed to it, what it stored itself too
    #[arg(long, requires = "new_key_file", help_heading = "New key")]
    pub writer: bool,
}

#[derive(Debug, Args)]
pub struct KeyAddArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub new: NewKeyArgs,
}

#[derive(Debug, Args)]
pub struct KeyRemoveArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The key's id, or its beginning, as `key list` shows it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Say what would be removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct KeyPassphraseArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// File that holds the new passphrase [otherwise it is asked for]
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Name of the new passphrase in the system's keyring, see `postkeep keyring`
    #[arg(long, value_name = "NAME", conflicts_with = "new_passphrase_file")]
    pub new_passphrase_keyring: Option<String>,
}

#[derive(Debug, Args)]
pub struct KeyRotateArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub new: NewKeyArgs,
    /// Say which keys would end, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct KeyEscrowArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// A public key that `key generate-escrow` printed [repeatable]
    #[arg(long, value_name = "PUBLIC", required = true)]
    pub to: Vec<String>,
    /// How many of the private keys it takes together
    #[arg(long, value_name = "M", default_value_t = 1)]
    pub threshold: u8,
    /// What to call the key, at most 100 bytes
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
}

#[derive(Debug, Args)]
pub struct KeyGenerateArgs {
    /// The private key's file; it must not exist yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct KeyShareArgs {
    /// Where the repository is
    #[arg(
        long,
        value_name = "URL",
        env = "POSTKEEP_REPO",
        hide_env_values = true
    )]
    pub repo: String,
    /// File with the destination's settings
    #[arg(long, value_name = "FILE", env = "POSTKEEP_DESTINATION_FILE")]
    pub destination_file: Option<PathBuf>,
    /// File that holds the escrow's private key
    #[arg(long, value_name = "FILE")]
    pub escrow_key_file: PathBuf,
    /// Write the shares into this file, which must not exist yet [default: print them]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
