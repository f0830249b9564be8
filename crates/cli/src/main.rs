//! The reference program: arguments, secrets, progress and output around the engine.
// The documentation of arguments is the program's help text, which is not Markdown.
#![allow(rustdoc::invalid_html_tags, rustdoc::broken_intra_doc_links)]

mod args;
mod command;
mod config;
mod destination;
mod exit;
mod held_back;
mod human;
mod interrupt;
mod keyring;
mod logging;
mod operate;
mod other;
mod output;
mod platform;
mod probe;
mod progress;
mod secrets;
mod when;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, FromArgMatches};
use engine::Environment;
use tracing::Instrument;

use crate::args::{Cli, Command};
use crate::config::Context;
use crate::exit::{Code, Failure};
use crate::logging::Logging;
use crate::output::Output;

fn main() -> ExitCode {
    let words = with_sets_as_run(std::env::args_os().collect());
    let matches = Cli::command().get_matches_from(words);
    let span = command_span(matches.subcommand_name().unwrap_or_default());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    platform::return_large_buffers(match cli.command {
        // It needs the next batch's memory at once.
        Command::Backup(_) | Command::Run(_) | Command::Daemon(_) => 16 << 20,
        _ => 128 << 10,
    });
    let started = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start the runtime", &error));
    let started = started.and_then(|runtime| {
        let observing = logging::start(&cli.global, &cli.log, &cli.command, runtime.handle())?;
        Ok((runtime, observing))
    });
    let (runtime, observing) = match started {
        Ok(started) => started,
        Err(failure) => {
            Output::new(&cli.global, Logging::Off).failure(&failure);
            return failure.code.into();
        }
    };
    let output = Output::new(&cli.global, observing.logging);
    let context = Context {
        output,
        environment: environment(),
    };
    // A defect becomes an error with a code of ours, not a foreign one.
    let work = command::run(&context, cli.command).instrument(span());
    let run = AssertUnwindSafe(|| runtime.block_on(work));
    let ended = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        let failure = Failure::new(Code::Internal, "a defect stopped the program");
        Err(failure.hint("report it, with what was printed above"))
    });
    if let Some(trouble) = observing.finish() {
        output.note(&format!("warning: {trouble}"));
    }
    // Nothing that is left matters any more, such as an answer of a server nobody waits for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.code.into()
        }
    }
}

/// Makes the span that a command's work stands in, once somebody listens to spans. What runs for
/// weeks has none: its runs are traces of their own, each sent when it ends.
fn command_span(name: &str) -> impl FnOnce() -> tracing::Span {
    let name = name.to_owned();
    move || match name.as_str() {
        "daemon" | "sim" => tracing::Span::none(),
        name => tracing::info_span!("command", name),
    }
}

/// `backup --set NAME` takes everything else from the configuration, so that it shares no argument
/// with `backup`: it is the command `run`.
fn with_sets_as_run(mut words: Vec<OsString>) -> Vec<OsString> {
    let names_sets = |word: &OsString| {
        let word = word.to_string_lossy();
        word == "--set" || word.starts_with("--set=") || word == "--all-sets"
    };
    let command = words
        .iter()
        .skip(1)
        .position(|word| !word.to_string_lossy().starts_with('-'));
    if let Some(place) = command
        && words[place + 1] == "backup"
        && words.iter().any(names_sets)
    {
        words[place + 1] = "run".into();
    }
    words
}

/// The only place where the real clock and real randomness come in.
fn environment() -> Environment {
    Environment::new(now_unix_ms, |bytes| {
        getrandom::fill(bytes).expect("every supported system has a source of randomness");
    })
}

#[allow(clippy::disallowed_methods)]
fn now_unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backup_of_sets_is_the_command_run() {
        let check = |line: &str, expected: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            let found: Vec<_> = with_sets_as_run(words)
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            assert_eq!(found.join(" "), expected);
        };
        check("postkeep backup --set a", "postkeep run --set a");
        check(
            "postkeep --json backup --all-sets",
            "postkeep --json run --all-sets",
        );
        check(
            "postkeep backup --server backup",
            "postkeep backup --server backup",
        );
        check("postkeep report --set a", "postkeep report --set a");
    }

    #[test]
    fn no_two_arguments_of_a_command_are_in_each_others_way() {
        Cli::command().debug_assert();
    }
}
