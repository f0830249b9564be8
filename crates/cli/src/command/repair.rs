//! `postkeep repair`: mends a damaged repository.

use engine::IndexRepairReport;

use super::check::objects;
use crate::args::{RepairCommand, RepairIndexArgs};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{counted, plain};

pub async fn run(context: &Context, command: RepairCommand) -> Result<Code> {
    match command {
        RepairCommand::Index(args) => index(context, args).await,
    }
}

async fn index(context: &Context, args: RepairIndexArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let repaired = vault.repair_index(args.dry_run).await;
    let report = repaired.map_err(|e| Failure::from(e).for_repository(&args.repository.repo))?;
    context.output.result(&report, people)?;
    // What nothing describes is lost to the index; a plan that found damage mended nothing yet.
    let whole = report.packs_lost.is_empty() && (report.written || report.damaged.is_empty());
    Ok(if whole { Code::Done } else { Code::Damage })
}

fn people(report: &IndexRepairReport) -> String {
    let mut text = String::new();
    objects(&mut text, "damaged index objects", &report.damaged);
    objects(
        &mut text,
        "packs that nothing describes any more",
        &report.packs_lost,
    );
    if report.damaged.is_empty() && report.packs_lost.is_empty() {
        return "the index is whole; nothing was changed\n".to_owned();
    }
    let packs = counted(report.packs_read, "pack");
    text.push_str(&match (report.dry_run, report.written) {
        (true, _) => format!("would read the headers of {packs}; nothing was changed\n"),
        (false, true) => format!("wrote the index anew, with the headers of {packs}\n"),
        (false, false) => "backups are running that a prune waits for:\n".to_owned(),
    });
    for open in &report.waiting_for {
        text.push_str(&plain(&format!("  {} {}", open.session, open.writer)));
        text.push('\n');
    }
    if !report.waiting_for.is_empty() {
        text.push_str("run postkeep repair index again when they have ended\n");
    }
    if !report.packs_lost.is_empty() {
        text.push_str("`postkeep check` names the items that are touched\n");
    }
    text
}
