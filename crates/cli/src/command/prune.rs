//! `postkeep prune`: gives the space of forgotten snapshots back.

use engine::{PruneOptions, PrunePlan, PruneReport};

use crate::args::PruneArgs;
use crate::config::{self, Context};
use crate::destination;
use crate::exit::{Code, Result};
use crate::human::{bytes, count, counted, plain};
use crate::progress::Progress;

pub async fn run(context: &Context, args: PruneArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let options = PruneOptions {
        rewrite_below_percent: args.rewrite_below,
        max_rewrite_bytes: args.max_rewrite.saturating_mul(1 << 20),
        end_open_after: std::time::Duration::from_secs(args.end_open_after.saturating_mul(60)),
        wait: args.wait,
    };
    let progress = Progress::new("prune", context.output, &context.environment);
    if args.dry_run {
        let plan = vault.plan_prune(&options, progress.clone()).await;
        progress.finish();
        context.output.result(&plan?, |plan| {
            format!("{}nothing was changed\n", planned(plan))
        })?;
        return Ok(Code::Done);
    }
    let report = vault.prune(&options, progress.clone()).await;
    progress.finish();
    let mut report = report?;
    let file = args.repository.access.destination_file.as_deref();
    let destination = destination::find(&args.repository.repo, file, &context.environment)?;
    let now = (context.environment.now_unix_ms)();
    report.half_written = destination.remove_half_written(now)?;
    context.output.result(&report, people)?;
    Ok(Code::Done)
}

fn planned(plan: &PrunePlan) -> String {
    let mut text = format!(
        "{} with {}, of which snapshots need {}\n",
        counted(plan.packs, "pack"),
        bytes(plan.stored_bytes),
        bytes(plan.needed_bytes),
    );
    let mut line = |packs, of: String| {
        if packs > 0 {
            text.push_str(&format!("  {}: {of}\n", counted(packs, "pack")));
        }
    };
    line(
        plan.dead_packs,
        format!("no snapshot needs them, {}", bytes(plan.dead_bytes)),
    );
    line(
        plan.stray_packs,
        format!(
            "of backups that did not finish, {}",
            bytes(plan.stray_bytes)
        ),
    );
    line(
        plan.rewrite_packs,
        format!(
            "mostly waste or small, {}: the {} needed are copied",
            bytes(plan.rewrite_bytes),
            bytes(plan.copied_bytes)
        ),
    );
    line(
        plan.left_packs,
        "left for the next prune (limits)".to_owned(),
    );
    if plan.missing_chunks > 0 {
        text.push_str(&format!(
            "warning: {} that snapshots need are missing: run postkeep check\n",
            counted(plan.missing_chunks, "chunk")
        ));
    }
    text + &format!("space that is freed: {}\n", bytes(plan.freed_bytes))
}

pub fn people(report: &PruneReport) -> String {
    let mut text = report.plan.as_ref().map(planned).unwrap_or_default();
    for session in &report.ended {
        text.push_str(&format!(
            "ended session {session}, which had been left open\n"
        ));
    }
    if report.rescued_packs > 0 {
        text.push_str(&format!(
            "kept {} that a new snapshot needs\n",
            counted(report.rescued_packs, "pack")
        ));
    }
    if report.undeletable > 0 {
        text.push_str(&format!(
            "the destination did not let {} go; the next prune tries again\n",
            counted(report.undeletable, "object")
        ));
    }
    if report.half_written > 0 {
        text.push_str(&format!(
            "removed {} that killed programs had left half-written\n",
            counted(report.half_written, "file")
        ));
    }
    if let Some(locks) = &report.locks {
        text.push_str(&format!(
            "locks: {} kept longer, of {} needed\n",
            counted(locks.extended, "object"),
            count(locks.objects)
        ));
        if locks.refused > 0 {
            text.push_str(&format!(
                "warning: the lock of {} could not be renewed: it takes s3:PutObjectRetention\n",
                counted(locks.refused, "object")
            ));
        }
    }
    if !report.waiting_for.is_empty() {
        text.push_str("backups are running that began before this prune:\n");
        for open in &report.waiting_for {
            text.push_str(&plain(&format!("  {} {}", open.session, open.writer)));
            text.push('\n');
        }
        text.push_str("run postkeep prune again when they have ended: it goes on from here\n");
        return text;
    }
    text + &format!(
        "deleted {} ({}) and {} other objects\n",
        counted(report.deleted_packs, "pack"),
        bytes(report.deleted_bytes),
        count(report.deleted_objects)
    )
}
