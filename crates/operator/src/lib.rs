//! Running Postkeep for years: configuration, schedules, reports, and proof that backups work.
//!
//! Stands between a program and the engine. Who only wants to back up and restore uses `engine`;
//! this crate is for whoever wants that done again and again, unattended. Its errors are the
//! engine's. It prints nothing; the clock, randomness and the environment are handed in.
#![warn(missing_docs)]

mod bandwidth;
mod config;
mod daemon;
mod doctor;
mod metrics;
mod moment;
mod notify;
mod plan;
mod process;
mod report;
mod run;
mod schedule;
mod secret;
mod service;
mod status;
mod suggest;
mod units;
mod watch;

pub use bandwidth::{Pacer, RateRule, limit_store};
pub use config::{
    Answers, CheckConfig, Config, ContinuousConfig, DaemonConfig, DestinationConfig, HooksConfig,
    LimitsConfig, LogConfig, LogForm, LogLevel, MachineLimits, MailConfig, MailSecurity, Mistake,
    NotifyConfig, SecretConfig, SelectConfig, SetConfig, SignInWay, WebhookConfig, When,
    config_as_toml, json_schema, settings_as_markdown, write_config,
};
pub use daemon::{Memory, Stay, Worker, run_daemon};
pub use doctor::{Finding, Health, MAX_MAILBOXES, Machine, OpenStore, doctor};
pub use metrics::Metrics;
pub use notify::https_client;
pub use plan::{JobId, JobState, Outcome, Planner, State, Step, Work};
pub use report::{
    CopyLine, DestinationReport, FolderLine, HookReport, Point, Reason, RunReport,
    Size as RepositorySize, Traffic, history, recent_reports, report_page, report_subject,
    report_text,
};
pub use run::{
    CHARTED_RUNS, Connections, ProbeMailbox, RunWorker, Runner, mailboxes_of, roster_of,
};
pub use schedule::{Occurrence, Schedule, Timetable, Window, WindowRule};
pub use secret::{Lookup, SecretSource};
pub use service::{ServiceOptions, UnitFile, unit_files};
pub use status::{DestinationStatus, MailboxStatus, SetStatus, status};
pub use units::{Shard, Size, TimeSpan};
pub use watch::{Saved, Watches};
