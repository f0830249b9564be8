//! The program's log: where it goes, in which form, and how much of it is kept; and its traces.

mod file;
mod json;
#[cfg(not(feature = "otel"))]
mod no_traces;
#[cfg(feature = "otel")]
mod traces;

use std::path::PathBuf;
use std::sync::Mutex;

use operator::{Config, LogConfig, LogForm};
use tokio::runtime::Handle;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::args::{Command, GlobalArgs, LogArgs};
use crate::exit::{Failure, Result};
use crate::operate;
use file::RotatedFile;
#[cfg(not(feature = "otel"))]
use no_traces::Traces;
#[cfg(feature = "otel")]
use traces::Traces;

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

/// A layer of the subscriber.
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What goes on until the program ends.
pub struct Observing {
    /// How the program logs.
    pub logging: Logging,
    traces: Option<Traces>,
}

impl Observing {
    /// Sends what is left of traces; says what went wrong.
    pub fn finish(self) -> Option<String> {
        self.traces.and_then(Traces::finish)
    }
}

/// Starts logging and tracing as the arguments say, or else as the configuration of the command
/// does.
pub fn start(
    global: &GlobalArgs,
    args: &LogArgs,
    command: &Command,
    runtime: &Handle,
) -> Result<Observing> {
    let config = of_command(command).map(|config| config.log);
    let named = config.as_ref().and_then(|config| config.traces.clone());
    let traces = Traces::start(args.traces.clone().or(named).as_deref(), runtime)?;
    let (traces, sent) = traces.unzip();
    let (logging, shown) = shown(global, args, config)?.unzip();
    let layers: Vec<BoxedLayer> = [shown, sent].into_iter().flatten().collect();
    if !layers.is_empty() {
        tracing_subscriber::registry().with(layers).init();
    }
    Ok(Observing {
        logging: logging.unwrap_or(Logging::Off),
        traces,
    })
}

/// What writes the log, if there is one.
fn shown(
    global: &GlobalArgs,
    args: &LogArgs,
    config: Option<LogConfig>,
) -> Result<Option<(Logging, BoxedLayer)>> {
    // Where traces go says nothing about a log.
    let config = config.map(|config| LogConfig {
        traces: None,
        ..config
    });
    let (level, chosen) = match (global.verbose, config) {
        (0, None) if args.log_file.is_none() => return Ok(None),
        (0, None) => ("info", LogConfig::default()),
        (0, Some(config)) if config == LogConfig::default() && args.log_file.is_none() => {
            return Ok(None);
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
    let filter = EnvFilter::new(format!("{others},{filter}"));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(file.is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(writer);
    let layer = match args.log_format.map_or(chosen.format, LogForm::from) {
        LogForm::Text => layer.with_filter(filter).boxed(),
        LogForm::Json => layer
            .event_format(json::JsonLines)
            .with_filter(filter)
            .boxed(),
    };
    Ok(Some((logging, layer)))
}

/// The configuration of a command that runs sets; what is wrong with it the command says.
fn of_command(command: &Command) -> Option<Config> {
    let file = match command {
        Command::Daemon(args) => &args.file,
        Command::Run(args) => &args.file,
        _ => return None,
    };
    operate::load(file).ok()
}
