//! `postkeep copy`: into another repository.

use engine::{CopyOptions, CopyReport, SnapshotSelector, Vault};

use super::failed_items;
use crate::args::CopyArgs;
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, bytes, count, counted, time};
use crate::interrupt::Interrupt;
use crate::other;
use crate::progress::Progress;

/// Snapshots named for people one by one; `--json` names all.
const MAX_SHOWN: usize = 50;

pub async fn run(context: &Context, args: CopyArgs) -> Result<Code> {
    let source = args.source();
    let (from, to) = other::open_both(context, &source, &args.other, &args.to).await?;
    let options = CopyOptions {
        mailboxes: args.mailboxes.clone(),
        snapshots: chosen(&from, &args).await?,
        verify: args.verify,
        dry_run: args.dry_run,
    };
    let progress = Progress::new("copy", context.output, &context.environment);
    let notice = "finishing what is being copied; Ctrl-C again ends at once";
    let interrupt = Interrupt::watch(progress.clone(), notice);
    let copied = from
        .copy_to(&to, &options, interrupt.token(), progress.clone())
        .await;
    progress.finish();
    let report = copied.map_err(|error| Failure::from(error).for_repository(&args.to))?;
    context.output.result(&report, people)?;
    Ok(match report.interrupted {
        true => Code::Interrupted,
        false if report.failures.is_empty() => Code::Done,
        false => Code::Incomplete,
    })
}

/// The ids of the snapshots that the arguments name; none for all.
async fn chosen(from: &Vault, args: &CopyArgs) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for text in &args.snapshots {
        let selector: SnapshotSelector = text.parse()?;
        let found = from.select(&selector, None).await?;
        ids.extend(found.into_iter().map(|snapshot| snapshot.id));
    }
    Ok(ids)
}

fn people(report: &CopyReport) -> String {
    let mut text = String::new();
    if !report.snapshots.is_empty() {
        let mut table = Columns::new(&["SNAPSHOT", "TIME", "MAILBOX", ">NEW ITEMS", ">BYTES", ""]);
        for snapshot in report.snapshots.iter().take(MAX_SHOWN) {
            let complete = snapshot.complete || report.dry_run;
            table.row([
                snapshot.id.get(..10).unwrap_or(&snapshot.id).to_owned(),
                time(snapshot.time_unix_ms),
                snapshot.mailbox.clone(),
                count(snapshot.items),
                bytes(snapshot.bytes),
                (if complete { "" } else { "incomplete" }).to_owned(),
            ]);
        }
        text.push_str(&table.to_string());
        let more = report.snapshots.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            text.push_str(&format!(
                "and {} more: --json lists all\n",
                count(more as u64)
            ));
        }
        text.push('\n');
    }
    let verb = if report.dry_run {
        "would copy"
    } else {
        "copied"
    };
    text.push_str(&format!(
        "{verb} {} with {} ({}), {} of what is kept and held, {}; {} there already\n",
        counted(report.snapshots.len() as u64, "snapshot"),
        counted(report.items, "new item"),
        bytes(report.bytes),
        counted(report.records, "record"),
        counted(report.reports, "run report"),
        count(report.snapshots_there),
    ));
    if report.snapshots_forgotten > 0 {
        text.push_str(&format!(
            "{} left out: forgotten at the destination\n",
            counted(report.snapshots_forgotten, "snapshot")
        ));
    }
    if report.dry_run {
        text.push_str("nothing was changed\n");
        return text;
    }
    text.push_str(&format!(
        "the destination grew by {}\n",
        bytes(report.bytes_stored)
    ));
    if report.items_verified > 0 {
        text.push_str(&format!(
            "read back and found right: {}\n",
            counted(report.items_verified, "item")
        ));
    }
    if report.interrupted {
        text.push_str("interrupted: the same command goes on from here\n");
    }
    if !report.failures.is_empty() {
        text.push_str(&failed_items("could not be read", &report.failures));
        text.push_str("the next copy tries again; `postkeep check --read-data` names all damage\n");
    }
    text
}
