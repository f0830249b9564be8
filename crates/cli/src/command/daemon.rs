//! `postkeep daemon`: runs the sets by their schedules until it is told to stop.

use std::rc::Rc;
use std::sync::Arc;

use engine::Silent;
use jiff::tz::TimeZone;
use operator::{Memory, Metrics, Planner, RunWorker, run_daemon};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::schedule::now;
use crate::args::DaemonArgs;
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::{operate, platform};

pub async fn run(context: &Context, args: DaemonArgs) -> Result<Code> {
    let config = operate::load(&args.file, None)?;
    let folder = operate::state_dir(&config)?;
    let memory = Memory::hold(&folder).map_err(|error| {
        let failure = Failure::from(error);
        match failure.code {
            Code::Conflict => {
                failure.hint("stop the other one, or give this one another state_dir")
            }
            _ => failure,
        }
    })?;
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
    match planner.next_runs(now(context), 1).first() {
        Some((job, next)) => log(&format!("waiting; next is the {job} at {}", next.at)),
        None if config.sets.values().any(|set| set.continuous.is_some()) => {
            log("waiting for changes");
        }
        None => {
            return Err(Failure::usage("no set of the configuration has a schedule")
                .hint("add `schedule = \"daily 22:00\"` or [sets.NAME.continuous] to a set"));
        }
    }
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let said = log.clone();
    let watcher = tokio::spawn(async move {
        if platform::stop_requested().await.is_ok() {
            said("stopping: what was read is being committed");
            stop.cancel();
        }
        if platform::stop_requested().await.is_ok() {
            std::process::exit(Code::Interrupted as i32);
        }
    });
    let metrics = config.daemon.metrics.clone();
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
        &shutdown,
    )
    .await;
    watcher.abort();
    done?;
    log("stopped");
    Ok(Code::Done)
}
