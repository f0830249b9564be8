//! Commands that work from a configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use operator::Shard;

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigFileArgs {
    /// The configuration [default: ./postkeep.toml, or the system's: /etc/postkeep/postkeep.toml]
    #[arg(long, value_name = "FILE", env = "POSTKEEP_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Ask a few questions and write a configuration
    #[command(
        after_help = "Example:\n  postkeep config init --server mail.example.com \
                            --user svc@example.com --mailbox @mailboxes.txt --repo /srv/backup"
    )]
    Init(Box<ConfigInitArgs>),
    /// Name every mistake with its line, column, and what was probably meant
    Check(ConfigFileArgs),
    /// Print the values that take effect, without secrets
    Show(ConfigFileArgs),
    /// Print the JSON schema, for editors
    Schema(ConfigSchemaArgs),
}

#[derive(Debug, Args)]
pub struct ConfigSchemaArgs {
    /// Print all settings as Markdown instead
    #[arg(long)]
    pub markdown: bool,
}

/// Whatever is not given is asked for, or left as it is usual where there is no terminal.
#[derive(Clone, Debug, Args)]
pub struct ConfigInitArgs {
    /// Where to write it; a file that is there is never overwritten
    #[arg(long, value_name = "FILE", default_value = "postkeep.toml")]
    pub out: PathBuf,
    /// The backup set's name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The server's EWS address
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The account that signs in
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// File that holds its password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<String>,
    /// A mailbox, or @FILE with one a line [repeatable]
    #[arg(long = "mailbox", value_name = "SMTP")]
    pub mailboxes: Vec<String>,
    /// The repository
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// File that holds its passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<String>,
    /// When to back up, such as "daily 22:00"
    #[arg(long, value_name = "WHEN")]
    pub schedule: Option<String>,
    /// The time zone whose clock the schedule follows
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Who gets a mail when something is wrong
    #[arg(long, value_name = "ADDRESS")]
    pub mail_to: Option<String>,
    /// The mail server
    #[arg(long, value_name = "HOST")]
    pub mail_server: Option<String>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub file: ConfigFileArgs,
    /// A backup set of the configuration [repeatable]
    #[arg(
        long = "set",
        value_name = "NAME",
        required_unless_present = "all_sets"
    )]
    pub sets: Vec<String>,
    /// All backup sets, one after the other
    #[arg(long, conflicts_with = "sets")]
    pub all_sets: bool,
    /// Only this part of each set's mailboxes, as 2/5: five machines, each with a number of its own,
    /// do the whole
    #[arg(long, value_name = "N/OF")]
    pub shard: Option<Shard>,
    /// Another value for a setting of the sets, such as limits.requests=2 [repeatable]
    #[arg(long = "with", value_name = "SETTING=VALUE")]
    pub with: Vec<String>,
    /// Check the set's destinations instead of backing up
    #[arg(long)]
    pub check: bool,
    /// Apply the set's retention policy instead of backing up
    #[arg(long, conflicts_with = "check")]
    pub retention: bool,
    /// Drill instead of backing up: restore a sample of the set's mailboxes and compare it
    #[arg(long, conflicts_with_all = ["check", "retention"])]
    pub drill: bool,
}

#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Show when the sets run next
    #[command(after_help = "Example:\n  postkeep schedule next --count 20")]
    Next(ScheduleNextArgs),
}

#[derive(Debug, Args)]
pub struct ScheduleNextArgs {
    #[command(flatten)]
    pub file: ConfigFileArgs,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
}

#[derive(Debug, Args)]
pub struct DaemonArgs {
    #[command(flatten)]
    pub file: ConfigFileArgs,
    /// Do what is due and end: for a timer, cron or a task scheduler that starts it every two minutes
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub file: ConfigFileArgs,
    /// Only this backup set [repeatable]
    #[arg(long = "set", value_name = "NAME")]
    pub sets: Vec<String>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub file: ConfigFileArgs,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub file: ConfigFileArgs,
    /// The backup set; may be left out where there is one
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
    /// How many runs back: 0 is the last
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub back: u16,
    /// Write the page with its charts to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Write systemd unit files
    #[command(
        after_help = "Examples:\n  postkeep service install\n  postkeep service install \
                            --timer --dry-run"
    )]
    Install(ServiceInstallArgs),
}

#[derive(Debug, Args)]
pub struct ServiceInstallArgs {
    #[command(flatten)]
    pub file: ConfigFileArgs,
    /// The folder for the unit files
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
    pub dir: PathBuf,
    /// The user that runs it
    #[arg(long, value_name = "NAME", default_value = "postkeep")]
    pub run_as: String,
    /// A timer that starts `postkeep daemon --once`, in place of a daemon that stays
    #[arg(long)]
    pub timer: bool,
    /// Print the files and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, in place of the main one to standard output
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
