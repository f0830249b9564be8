//! The program's log: where it goes, in which form, and how much of it is kept.

mod file;
mod json;

use std::path::PathBuf;
use std::sync::Mutex;

use operator::{Config, LogConfig, LogForm};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::args::{Command, GlobalArgs, LogArgs};
use crate::exit::{Failure, Result};
use crate::operate;
use file::RotatedFile;

/// Our crates, whose events the level is about.
const OURS: [&str; 9] = [
    "postkeep",
    "engine",
    "operator",
    "ews_client",
    "chunkstore",
    "mailindex",
    "mailsearch",
    "fasttransfer",
    "ews_sim",
];

/// How the program logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// Not at all.
    Off,
    /// To standard error.
    Screen,
    /// To a file.
    File,
}

/// Starts logging as the arguments say, or else as the configuration of the command does.
pub fn start(global: &GlobalArgs, args: &LogArgs, command: &Command) -> Result<Logging> {
    let config = of_command(command).map(|config| config.log);
    let (level, chosen) = match (global.verbose, config) {
        (0, None) if args.log_file.is_none() => return Ok(Logging::Off),
        (0, None) => ("info", LogConfig::default()),
        (0, Some(config)) if config == LogConfig::default() && args.log_file.is_none() => {
            return Ok(Logging::Off);
        }
        (0, Some(config)) => (config.level.word(), config),
        (1, config) => ("info", config.unwrap_or_default()),
        (2, config) => ("debug", config.unwrap_or_default()),
        (_, config) => ("trace", config.unwrap_or_default()),
    };
    let file: Option<PathBuf> = args.log_file.clone().or(chosen.file);
    let logging = match file {
        Some(_) => Logging::File,
        None => Logging::Screen,
    };
    let writer = match &file {
        Some(file) => {
            let size = args.log_size.unwrap_or(chosen.max_size).0;
            let keep = args.log_keep.unwrap_or(chosen.keep);
            let opened = RotatedFile::open(file, size, u32::from(keep));
            let failed = |error| Failure::io(format!("write the log {}", file.display()), &error);
            BoxMakeWriter::new(Mutex::new(opened.map_err(failed)?))
        }
        None => BoxMakeWriter::new(std::io::stderr),
    };
    // The crates beneath log what they do with connections; that is wanted only with -vvv.
    let others = if global.verbose > 2 { "debug" } else { "warn" };
    let filter = OURS.map(|name| format!("{name}={level}")).join(",");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{others},{filter}")))
        .with_ansi(file.is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(writer);
    match args.log_format.map_or(chosen.format, LogForm::from) {
        LogForm::Text => builder.init(),
        LogForm::Json => builder.event_format(json::JsonLines).init(),
    }
    Ok(logging)
}

/// The configuration of a command that runs sets; what is wrong with it the command says.
fn of_command(command: &Command) -> Option<Config> {
    let file = match command {
        Command::Daemon(args) => &args.file,
        Command::Run(args) => &args.file,
        _ => return None,
    };
    operate::load(file, None).ok()
}
