//! One file per subcommand.

mod backup;
mod cat;
mod check;
mod config;
mod copy;
mod daemon;
mod demo;
mod diff;
mod doctor;
mod drill;
mod erase;
mod export;
mod hold;
mod init;
mod key;
mod keyring;
mod ls;
mod packaging;
mod prune;
mod repair;
mod report;
mod restore;
mod restores;
mod retention;
mod run;
mod schedule;
mod search;
mod service;
mod settings;
mod sim;
mod snapshots;
mod stats;
mod status;
mod verify;
mod versions;

use engine::ItemFailure;

use crate::args::Command;
use crate::config::Context;
use crate::exit::{Code, Result};
use crate::human;

/// Runs a command; the code says how it ended.
pub async fn run(context: &Context, command: Command) -> Result<Code> {
    match command {
        Command::Demo(args) => demo::run(context, args).await,
        Command::Sim(args) => sim::run(context, args).await,
        Command::Init(args) => init::run(context, args).await,
        Command::Backup(args) => backup::run(context, args).await,
        Command::Snapshots(args) => snapshots::run(context, args).await,
        Command::Ls(args) => ls::run(context, args).await,
        Command::Cat(args) => cat::run(context, args).await,
        Command::Search(args) => search::run(context, args).await,
        Command::Versions(args) => versions::run(context, args).await,
        Command::Diff(args) => diff::run(context, args).await,
        Command::Restore(args) => restore::run(context, args).await,
        Command::Settings(args) => settings::run(context, args).await,
        Command::Restores(args) => restores::run(context, args).await,
        Command::Export(args) => export::run(context, args).await,
        Command::Key(args) => key::run(context, args).await,
        Command::Keyring(command) => keyring::run(context, command),
        Command::Check(args) => check::run(context, args).await,
        Command::Drill(args) => drill::run(context, args).await,
        Command::Verify(args) => verify::run(context, &args),
        Command::Run(args) => run::run(context, args).await,
        Command::Config(command) => config::run(context, command),
        Command::Schedule(command) => schedule::run(context, command),
        Command::Daemon(args) => daemon::run(context, args).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Report(args) => report::run(context, args).await,
        Command::Service(command) => service::run(context, command),
        Command::Completions(args) => packaging::completions(context, &args),
        Command::Man(args) => packaging::man(context, &args),
        Command::Repair(command) => repair::run(context, command).await,
        Command::Copy(args) => copy::run(context, args).await,
        Command::Prune(args) => prune::run(context, args).await,
        Command::Stats(args) => stats::run(context, args).await,
        Command::Retention(args) => retention::run(context, args).await,
        Command::Forget(args) => retention::forget(context, args).await,
        Command::Hold(args) => hold::run(context, args).await,
        Command::Erase(args) => erase::run(context, args).await,
    }
}

/// The most characters of a command that are recorded.
const MAX_COMMAND: usize = 2_000;

/// The command as it was typed, for records of what was done. Secrets are never arguments.
fn command_line() -> String {
    let words = std::env::args().map(|word| match word.contains(char::is_whitespace) {
        true => format!("{word:?}"),
        false => word,
    });
    let words: Vec<String> = words.collect();
    words.join(" ").chars().take(MAX_COMMAND).collect()
}

/// Failures named for people one by one; `--json` names all.
const MAX_NAMED: usize = 20;

/// Names items that failed, under a heading.
fn failed_items(heading: &str, failures: &[ItemFailure]) -> String {
    let mut text = format!(
        "{heading}: {}\n",
        human::counted(failures.len() as u64, "item")
    );
    for failure in failures.iter().take(MAX_NAMED) {
        let subject = match failure.subject.as_str() {
            "" => "(no subject)".to_owned(),
            subject => human::cut(subject, 60),
        };
        text.push_str(&human::plain(&format!(
            "  {}  {}  {subject}: {}",
            failure.mailbox, failure.folder, failure.reason
        )));
        text.push('\n');
    }
    text + &and_more(failures.len())
}

/// Says that not all of a list was shown.
fn and_more(all: usize) -> String {
    match all.saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(
            "  and {} more: --json lists all\n",
            human::count(more as u64)
        ),
    }
}
