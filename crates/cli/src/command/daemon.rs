//! `postkeep daemon`: runs the sets by their schedules until it is told to stop, or what is due.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use engine::Silent;
use jiff::tz::TimeZone;
use operator::{Memory, Metrics, Outcome, Planner, RunWorker, Stay, run_daemon};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::schedule::now;
use crate::args::DaemonArgs;
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::{operate, platform};

pub async fn run(context: &Context, args: DaemonArgs) -> Result<Code> {
    let config = operate::load(&args.file)?;
    let folder = operate::state_dir(&config)?;
    let Some(memory) = hold(&folder, args.once)? else {
        return Ok(Code::Done);
    };
    let zone = TimeZone::system();
    let seed = platform::machine_seed();
    let planner = Planner::new(&config, &zone, seed, memory.load()?, now(context));
    let output = context.output;
    let environment = context.environment.clone();
    let log = move |line: &str| {
        let time = (environment.now_unix_ms)();
        let time = jiff::Timestamp::from_millisecond(time).unwrap_or_default();
        output.log(&time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), line);
    };
    let stay = match args.once {
        true => Stay::WhileDue,
        false => Stay::ForEver,
    };
    match planner.next_runs(now(context), 1).first() {
        // What is started every few minutes says nothing where it does nothing.
        Some(_) if args.once => {}
        Some((job, next)) => log(&format!("waiting; next is the {job} at {}", next.at)),
        None if config.sets.values().any(|set| set.continuous.is_some()) && !args.once => {
            log("waiting for changes");
        }
        None => {
            return Err(Failure::usage("no set of the configuration has a schedule")
                .hint("add `schedule = \"daily 22:00\"` or [sets.NAME.continuous] to a set"));
        }
    }
    let shutdown = CancellationToken::new();
    let watcher = tokio::spawn(stop_when_told(shutdown.clone(), log.clone()));
    let metrics = config.daemon.metrics.clone().filter(|_| !args.once);
    let worker = RunWorker::new(
        operate::runner(context, config),
        Arc::new(Silent),
        Arc::new(log.clone()),
    );
    let mut serving = JoinSet::new();
    if let Some(at) = &metrics {
        let listener = Metrics::listen(at).await?;
        log(&format!("metrics are served at {at}, below /metrics"));
        serving.spawn(worker.metrics().serve(listener));
    }
    let done = run_daemon(
        planner,
        &memory,
        Rc::new(worker),
        &context.environment,
        stay,
        &shutdown,
    )
    .await;
    watcher.abort();
    let worst = done?;
    if !args.once {
        log("stopped");
        return Ok(Code::Done);
    }
    Ok(match worst {
        None | Some(Outcome::Success) => Code::Done,
        Some(Outcome::Warning) => Code::Incomplete,
        // Why has been told, line by line; a window that closes is no mistake.
        Some(Outcome::Stopped) if shutdown.is_cancelled() => Code::Interrupted,
        Some(Outcome::Stopped) => Code::Done,
        Some(Outcome::Failure) => Code::Internal,
    })
}

/// The first wish to stop ends cleanly, the second one at once.
async fn stop_when_told(shutdown: CancellationToken, log: impl Fn(&str)) {
    if platform::stop_requested().await.is_ok() {
        log("stopping: what was read is being committed");
        shutdown.cancel();
    }
    if platform::stop_requested().await.is_ok() {
        std::process::exit(Code::Interrupted as i32);
    }
}

/// Holds what daemons remember; nothing if another one does and that is no mistake.
fn hold(folder: &Path, once: bool) -> Result<Option<Memory>> {
    match Memory::hold(folder).map_err(Failure::from) {
        Ok(memory) => Ok(Some(memory)),
        // What is due is being done, or looked for, already.
        Err(failure) if failure.code == Code::Conflict && once => Ok(None),
        Err(failure) if failure.code == Code::Conflict => {
            Err(failure.hint("stop the other one, or give this one another state_dir"))
        }
        Err(failure) => Err(failure),
    }
}
