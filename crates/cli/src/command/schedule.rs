//! `postkeep schedule`: when the sets run.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use operator::{Memory, Planner};
use serde::Serialize;

use crate::args::{ScheduleCommand, ScheduleNextArgs};
use crate::config::Context;
use crate::exit::{Code, Result};
use crate::human::Columns;
use crate::{operate, platform};

#[derive(Serialize)]
struct Document {
    runs: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    /// When, in UTC.
    at: String,
    /// The same by the set's clock.
    local: String,
    set: String,
    work: operator::Work,
}

pub fn run(context: &Context, command: ScheduleCommand) -> Result<Code> {
    let ScheduleCommand::Next(args) = command;
    next(context, &args)
}

fn next(context: &Context, args: &ScheduleNextArgs) -> Result<Code> {
    let config = operate::load(&args.file)?;
    let now = now(context);
    let zone = TimeZone::system();
    let state = Memory::at(&operate::state_dir(&config)?).load()?;
    let planner = Planner::new(&config, &zone, platform::machine_seed(), state, now);
    let runs = planner.next_runs(now, usize::from(args.count));
    let document = Document {
        runs: runs
            .into_iter()
            .map(|(job, run)| {
                let of_set = config
                    .sets
                    .get(&job.set)
                    .map(|set| config.zone_of(set, &zone));
                let local = run.at.to_zoned(of_set.unwrap_or_else(|| zone.clone()));
                Line {
                    at: run.at.to_string(),
                    local: local.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string(),
                    set: job.set,
                    work: job.work,
                }
            })
            .collect(),
    };
    context.output.result(&document, |document| {
        if document.runs.is_empty() {
            return "no set has a schedule\n".to_owned();
        }
        let mut table = Columns::new(&["WHEN", "SET", "WHAT"]);
        for line in &document.runs {
            table.row([line.local.clone(), line.set.clone(), line.work.to_string()]);
        }
        table.to_string()
    })?;
    Ok(Code::Done)
}

/// The time of the context's clock.
pub fn now(context: &Context) -> Timestamp {
    Timestamp::from_millisecond((context.environment.now_unix_ms)())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
