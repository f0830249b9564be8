//! The command about settings.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engine::{SettingKind, SettingsOptions};

use super::{RepositoryArgs, ServerArgs, SnapshotArgs};

#[derive(Debug, Args)]
#[command(after_help = SETTINGS_HELP)]
pub struct SettingsArgs {
    #[command(subcommand)]
    pub command: SettingsCommand,
}

const SETTINGS_HELP: &str = "\
Settings are permissions (one a folder), delegates, rules, oof (out-of-office replies), categories,
regional, work-hours and calendar. Every snapshot has them as they were.
Examples:
    postkeep settings list --mailbox ann@example.com
    postkeep settings show --mailbox ann@example.com permissions --folder @calendar
    postkeep settings history --mailbox ann@example.com rules
    postkeep settings restore --mailbox ann@example.com --as-of '2026-11-02 14:00' \\
        --user svc@example.com delegates,rules --dry-run";

#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// List the settings in a snapshot
    List(SettingsListArgs),
    /// Show what the settings in a snapshot say
    Show(SettingsShowArgs),
    /// Compare the settings of two snapshots of a mailbox
    Diff(SettingsDiffArgs),
    /// Show when which setting of a mailbox changed, and how
    History(SettingsHistoryArgs),
    /// Write the settings in a snapshot as files
    Export(SettingsExportArgs),
    /// Put settings of a snapshot back into a live mailbox
    Restore(Box<SettingsRestoreArgs>),
}

/// Which settings.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Selection")]
pub struct SettingsSelectionArgs {
    /// Which settings: permissions, delegates, rules, oof, categories, regional, work-hours,
    /// calendar, or all; several with commas
    #[arg(value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub kinds: Vec<KindWord>,
    /// Only the permissions of this folder and those below it: a path, or a name that is the same
    /// in every language (@calendar) [repeatable]
    #[arg(long = "folder", value_name = "PATH")]
    pub folders: Vec<String>,
}

/// A kind as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindWord {
    All,
    One(SettingKind),
}

fn kind(text: &str) -> Result<KindWord, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(KindWord::All);
    }
    let kind = text.parse().map(KindWord::One);
    kind.map_err(|error: engine::Error| error.to_string())
}

impl SettingsSelectionArgs {
    pub fn options(&self) -> SettingsOptions {
        let is_all = self.kinds.contains(&KindWord::All);
        let kinds = self.kinds.iter().filter_map(|word| match word {
            KindWord::One(kind) if !is_all => Some(*kind),
            _ => None,
        });
        SettingsOptions {
            kinds: kinds.collect(),
            folders: self.folders.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub struct SettingsListArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    #[command(flatten)]
    pub selection: SettingsSelectionArgs,
}

#[derive(Debug, Args)]
pub struct SettingsShowArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    #[command(flatten)]
    pub selection: SettingsSelectionArgs,
    /// Print the XML as the server gave it
    #[arg(long)]
    pub xml: bool,
}

#[derive(Debug, Args)]
pub struct SettingsDiffArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The older snapshot: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    pub from: String,
    /// The newer one
    #[arg(long, value_name = "ID", default_value = "latest")]
    pub to: String,
    #[command(flatten)]
    pub selection: SettingsSelectionArgs,
}

#[derive(Debug, Args)]
pub struct SettingsHistoryArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// The mailbox
    #[arg(long, value_name = "NAME")]
    pub mailbox: String,
    #[command(flatten)]
    pub selection: SettingsSelectionArgs,
}

#[derive(Debug, Args)]
pub struct SettingsExportArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    #[command(flatten)]
    pub selection: SettingsSelectionArgs,
    /// The folder to write into, created where it is missing: one JSON file a mailbox
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct SettingsRestoreArgs {
    #[command(flatten)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    pub snapshot: SnapshotArgs,
    #[command(flatten)]
    pub selection: SettingsSelectionArgs,
    #[command(flatten)]
    pub account: ServerArgs,
    /// Restore into this mailbox instead of the one the snapshot came from
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    pub to_mailbox: Option<String>,
    /// Restore to this server instead of the one the snapshot came from
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub to_server: Option<String>,
    /// Which mailboxes, and which users in permissions, delegates and rules, are which there: CSV
    /// lines `source,target`, of addresses or of domains (@old.example,@new.example)
    #[arg(long, value_name = "CSV", help_heading = "Target")]
    pub user_map: Option<PathBuf>,
    /// Take away what the snapshot does not have: permissions of others, delegates, rules
    #[arg(long, help_heading = "Target")]
    pub exact: bool,
    /// Throw rules away that Outlook keeps for itself, and without which EWS changes none
    #[arg(long, help_heading = "Target")]
    pub discard_outlook_rules: bool,
    /// Show what would change, and change nothing
    #[arg(long, help_heading = "Target")]
    pub dry_run: bool,
}
