//! `postkeep erase`: one person's mail goes from the repository, provably.

use engine::{EraseOptions, ErasePlan, EraseReport, ErrorKind};

use crate::args::EraseArgs;
use crate::command::hold::{holds_table, who};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{bytes, counted, plain, time};
use crate::progress::Progress;

/// Names of objects shown; `--json` has all.
const MAX_SHOWN: usize = 10;

pub async fn run(context: &Context, args: EraseArgs) -> Result<Code> {
    let options = EraseOptions {
        mailbox: args.mailbox.clone(),
        who: who(args.who.as_deref())?,
        why: args.why.clone(),
        wait: args.wait,
        end_open_after: std::time::Duration::from_secs(args.end_open_after.saturating_mul(60)),
    };
    let vault = config::open_vault(context, &args.repository).await?;
    let progress = Progress::new("erase", context.output, &context.environment);
    if !args.yes {
        let plan = vault.plan_erase(&options, progress.clone()).await;
        progress.finish();
        let plan = plan.map_err(|error| explained(error, &args))?;
        context.output.result(&plan, |plan| {
            let then = match (plan.is_empty(), plan.holds.is_empty()) {
                (true, _) => "",
                (_, false) => "; the holds are in the way",
                (_, true) => "; --yes erases it",
            };
            format!("{}nothing was changed{then}\n", planned(plan))
        })?;
        return Ok(Code::Done);
    }
    let report = vault.erase(&options, progress.clone()).await;
    progress.finish();
    let report = report.map_err(|error| explained(error, &args))?;
    context.output.result(&report, people)?;
    Ok(match report.erased {
        true => Code::Done,
        false => Code::Incomplete,
    })
}

fn explained(error: engine::Error, args: &EraseArgs) -> Failure {
    let held = error.kind() == ErrorKind::Denied && error.to_string().contains("is held");
    let failure = Failure::from(error).for_repository(&args.repository.repo);
    match (held, failure.code) {
        (true, _) => failure.hint("postkeep hold list"),
        (_, Code::NotFound) => failure.hint("postkeep snapshots"),
        _ => failure,
    }
}

fn planned(plan: &ErasePlan) -> String {
    let mut text = plain(&format!(
        "{}: {}, {} and {} that name it\n",
        plan.mailbox,
        counted(plan.snapshots, "snapshot"),
        counted(plan.records, "record"),
        counted(plan.notes, "note"),
    ));
    text.push_str(&format!(
        "  goes: {} in {}, in {} of {} altogether, deleted or written anew\n",
        bytes(plan.bytes),
        counted(plan.chunks, "chunk"),
        counted(plan.packs, "pack"),
        bytes(plan.pack_bytes),
    ));
    if plan.shared_chunks > 0 {
        text.push_str(&format!(
            "  stays: {} in {} that others' mail has, too\n",
            bytes(plan.shared_bytes),
            counted(plan.shared_chunks, "chunk"),
        ));
    }
    if plan.kept_before > 0 {
        text.push_str(&format!(
            "  tried again: {} of earlier erasures, which locks kept\n",
            counted(plan.kept_before, "deleted object"),
        ));
    }
    if plan.kept_unknown {
        text.push_str(
            "  tried again: what locks kept of an earlier erasure, which cannot be looked at\n",
        );
    }
    if !plan.holds.is_empty() {
        text.push_str(&format!("held:\n{}", holds_table(&plan.holds)));
    }
    text
}

fn people(report: &EraseReport) -> String {
    let mut text = planned(&report.plan);
    text.push_str(&format!(
        "deleted {} ({}), copied {} of others out of them; {} written anew; {} of this machine's \
         cache removed\n",
        counted(report.deleted_packs, "pack"),
        bytes(report.deleted_bytes),
        bytes(report.copied_bytes),
        counted(report.notes, "note"),
        counted(report.local_files, "file"),
    ));
    for session in &report.ended {
        text.push_str(&format!(
            "ended session {session}, which had been left open\n"
        ));
    }
    if report.needed_again > 0 {
        text.push_str(&format!(
            "{} are others' as well by now\n",
            counted(report.needed_again, "chunk")
        ));
    }
    if report.new_snapshots > 0 {
        text.push_str(&format!(
            "warning: a backup made {} of it meanwhile: take the mailbox out of your backup sets and \
             erase it again\n",
            counted(report.new_snapshots, "snapshot")
        ));
    }
    listed(&mut text, "names it and was left", &report.mentions);
    listed(&mut text, "has some of it", &report.left);
    listed(&mut text, "cannot be read", &report.unreadable);
    if report.undeletable > 0 {
        text.push_str(&format!(
            "the destination did not let {} go; postkeep prune tries again\n",
            counted(report.undeletable, "object")
        ));
    }
    locked(&mut text, report);
    if !report.waiting_for.is_empty() {
        text.push_str("backups are running that began before this:\n");
        for open in &report.waiting_for {
            text.push_str(&plain(&format!("  {} {}", open.session, open.writer)));
            text.push('\n');
        }
        text.push_str("run the same command again when they have ended, or with --wait\n");
        return text;
    }
    text + match report.erased {
        true => "erased: every pack, index object and record was looked at, and nothing is left\n",
        false => "not everything is gone yet: see above\n",
    }
}

/// What cannot be deleted yet, and until when.
fn locked(text: &mut String, report: &EraseReport) {
    let until = report.locked_until_unix_ms.map(time);
    if report.kept_unknown {
        text.push_str(&format!(
            "what locks at the destination keep of it cannot be looked at: that takes \
             s3:ListBucketVersions and s3:DeleteObjectVersion; it is kept until {} at the latest\n",
            until.as_deref().unwrap_or("a time that is not told")
        ));
    } else if !report.kept.is_empty() {
        text.push_str(&format!(
            "locks at the destination keep {} that may hold some of it, until {}; run the same command \
             again then\n",
            counted(report.kept.len() as u64, "deleted object"),
            until.as_deref().unwrap_or("a time that is not told")
        ));
    }
}

fn listed(text: &mut String, what: &str, names: &[String]) {
    for name in names.iter().take(MAX_SHOWN) {
        text.push_str(&plain(&format!("warning: {what}: {name}")));
        text.push('\n');
    }
    if let Some(more) = names.len().checked_sub(MAX_SHOWN + 1) {
        text.push_str(&format!("  and {} more\n", more + 1));
    }
}
