//! `postkeep run` and `postkeep backup --set`: runs sets of the configuration.

use operator::{Outcome, Reason, RunReport, Work, report_text};
use serde::Serialize;

use crate::args::RunArgs;
use crate::config::Context;
use crate::exit::{self, Code, Result};
use crate::human::plain_lines;
use crate::interrupt::Interrupt;
use crate::operate;
use crate::progress::Progress;

#[derive(Serialize)]
struct Document {
    runs: Vec<RunReport>,
    /// What could not be told or kept.
    notes: Vec<String>,
}

pub async fn run(context: &Context, args: RunArgs) -> Result<Code> {
    let mut with = args.with.clone();
    with.extend(args.shard.map(|shard| format!("shard={shard}")));
    let chosen = |set: &str| args.all_sets || args.sets.iter().any(|name| name == set);
    let config = operate::load_with(&args.file, chosen, &with)?;
    let sets: Vec<String> = match args.all_sets {
        true => config.sets.keys().cloned().collect(),
        false => args.sets.clone(),
    };
    let runner = operate::runner(context, config);
    // A name that is wrong must not be found out after hours.
    for set in &sets {
        runner.set(set)?;
    }
    let work = if args.check {
        Work::Check
    } else if args.retention {
        Work::Retention
    } else if args.drill {
        Work::Drill
    } else {
        Work::Backup
    };
    let word = match work {
        Work::Check => "check",
        Work::Retention => "retention",
        Work::Drill => "drill",
        _ => "backup",
    };
    let progress = Progress::new(word, context.output, &context.environment);
    let interrupt = Interrupt::watch(
        progress.clone(),
        "stopping: what was read is being committed; Ctrl-C again ends at once",
    );
    let mut document = Document {
        runs: Vec::new(),
        notes: Vec::new(),
    };
    for set in &sets {
        progress.restart(word);
        let what = (set.as_str(), work, Reason::ByHand);
        let (report, notes) = runner
            .run(what, interrupt.token(), progress.clone())
            .await?;
        document.runs.push(report);
        document.notes.extend(notes);
        if interrupt.token().is_cancelled() {
            break;
        }
    }
    progress.finish();
    for note in &document.notes {
        context.output.note(&format!("warning: {note}"));
    }
    context.output.result(&document, |document| {
        let texts: Vec<_> = document.runs.iter().map(report_text).collect();
        plain_lines(&texts.join("\n"))
    })?;
    Ok(code(&document.runs))
}

/// The code of the worst run.
fn code(runs: &[RunReport]) -> Code {
    let of = |wanted: Outcome| {
        runs.iter()
            .find(|run| run.outcome.unwrap_or(Outcome::Failure) == wanted)
    };
    if let Some(failed) = of(Outcome::Failure) {
        let damaged = failed.destinations.iter().filter_map(|d| d.check.as_ref());
        return match failed.first_error() {
            Some(kind) => exit::code_of(kind),
            None if damaged.into_iter().any(|check| !check.is_clean()) => Code::Damage,
            None => Code::Internal,
        };
    }
    match (of(Outcome::Stopped), of(Outcome::Warning)) {
        (Some(_), _) => Code::Interrupted,
        (None, Some(_)) => Code::Incomplete,
        (None, None) => Code::Done,
    }
}
