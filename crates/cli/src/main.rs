//! The reference program: arguments, secrets, progress and output around the engine.
// The documentation of arguments is the program's help text, which is not Markdown.
#![allow(rustdoc::invalid_html_tags, rustdoc::broken_intra_doc_links)]

mod args;
mod command;
mod config;
mod exit;
mod human;
mod interrupt;
mod output;
mod platform;
mod progress;
mod secrets;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use engine::Environment;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, GlobalArgs};
use crate::config::Context;
use crate::exit::{Code, Failure};
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(&cli.global);
    start_logging(&cli.global);
    let context = Context {
        output,
        environment: environment(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::io("start the runtime", &error);
            output.failure(&failure);
            return failure.code.into();
        }
    };
    // A defect becomes an error with a code of ours, not a foreign one.
    let run = AssertUnwindSafe(|| runtime.block_on(command::run(&context, cli.command)));
    let ended = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        let failure = Failure::new(Code::Internal, "a defect stopped the program");
        Err(failure.hint("report it, with what was printed above"))
    });
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

fn start_logging(global: &GlobalArgs) {
    let level = match global.verbose {
        0 => return,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // The crates beneath log what they do with connections; that is wanted only with -vvv.
    let others = if global.verbose > 2 { "debug" } else { "warn" };
    let ours = [
        "postkeep",
        "engine",
        "ews_client",
        "chunkstore",
        "mailindex",
        "ews_sim",
    ];
    let filter = ours.map(|name| format!("{name}={level}")).join(",");
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{others},{filter}")))
        .with_writer(std::io::stderr)
        .init();
}
