//! `postkeep report`: reports that the repository keeps.

use operator::{RunReport, history, recent_reports, report_page, report_text};

use crate::args::ReportArgs;
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::human::plain_lines;
use crate::operate;

pub async fn run(context: &Context, args: ReportArgs) -> Result<Code> {
    let config = operate::load(&args.file)?;
    let runner = operate::runner(context, config);
    let name = match (&args.set, runner.config.sets.len()) {
        (Some(name), _) => name.clone(),
        (None, 1) => runner
            .config
            .sets
            .keys()
            .next()
            .cloned()
            .unwrap_or_default(),
        (None, _) => {
            let names: Vec<_> = runner.config.sets.keys().map(String::as_str).collect();
            return Err(Failure::usage("there are several sets")
                .hint(format!("--set NAME, one of {}", names.join(", "))));
        }
    };
    let set = runner.set(&name)?;
    let mut report: Option<RunReport> = None;
    let mut histories = Vec::new();
    for destination in &set.destinations {
        let of = runner.config.destinations.get(destination).cloned();
        let vault = runner
            .connections
            .vault(destination, &of.unwrap_or_default())
            .await?;
        let back = usize::from(args.back);
        let recent = recent_reports(&vault, back + 1, |report| report.set == name).await?;
        if recent.len() > back {
            // The newest of the destinations: one may have been away.
            let found = recent.into_iter().next();
            if found.as_ref().map(|r| r.started_unix_ms)
                > report.as_ref().map(|r| r.started_unix_ms)
            {
                report = found;
            }
        }
        let points = history(&vault, (&name, destination), operator::CHARTED_RUNS).await?;
        histories.push((destination.clone(), points));
    }
    let Some(report) = report else {
        return Err(
            Failure::new(Code::NotFound, format!("no report of {name} so far back"))
                .hint(format!("postkeep run --set {name}")),
        );
    };
    if let Some(file) = &args.html {
        let page = report_page(&report, &histories, &runner.zone);
        std::fs::write(file, page)
            .map_err(|error| Failure::io(format!("write {}", file.display()), &error))?;
        context.output.note(&format!("wrote {}", file.display()));
    }
    context
        .output
        .result(&report, |report| plain_lines(&report_text(report)))?;
    Ok(Code::Done)
}
