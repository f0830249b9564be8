//! `postkeep stats`: what takes space.

use engine::{MailboxSpace, SnapshotSpace, SpaceUse, StatsReport};

use super::retention::named;
use crate::args::StatsArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, bytes, count, counted, cut, time};
use crate::progress::Progress;

/// Folders shown for people of each mailbox; `--json` has all.
const MAX_FOLDERS: usize = 8;

pub async fn run(context: &Context, args: StatsArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let chosen = named(&vault, &args.snapshots).await?;
    let progress = Progress::new("stats", context.output, &context.environment);
    let measured = async {
        let mut report = vault.stats(progress.clone()).await?;
        if !chosen.is_empty() {
            let ids: Vec<String> = chosen.into_iter().map(|snapshot| snapshot.id).collect();
            report.freed_bytes = Some(vault.freed_by(&ids, progress.clone()).await?);
        }
        Ok::<_, engine::Error>(report)
    };
    let report = measured.await;
    progress.finish();
    let report = report.map_err(|e| Failure::from(e).for_repository(&args.repository.repo))?;
    context.output.result(&report, people)?;
    Ok(Code::Done)
}

fn people(report: &StatsReport) -> String {
    let waste = report.stored_bytes.saturating_sub(report.needed_bytes);
    let mut text = format!(
        "{} in {}: snapshots need {}; the other {} are padding, and what `postkeep prune` may free\n",
        bytes(report.stored_bytes),
        counted(report.packs, "pack"),
        bytes(report.needed_bytes),
        bytes(waste)
    );
    for mailbox in &report.mailboxes {
        text.push_str(&format!("\n{}", of_mailbox(mailbox)));
    }
    if !report.snapshots.is_empty() {
        text.push_str(&format!("\n{}", of_snapshots(&report.snapshots)));
    }
    if let Some(freed) = report.freed_bytes {
        text.push_str(&format!(
            "\nforgetting the chosen snapshots together, and a prune, would free {}\n",
            bytes(freed)
        ));
    }
    text
}

fn of_mailbox(mailbox: &MailboxSpace) -> Columns {
    let mut table = Columns::new(&["MAILBOX", ">VERSIONS", ">STORED"]);
    let mut row = |indent: &str, space: &SpaceUse| {
        let name = match space.name.as_str() {
            "" => "(no name)".to_owned(),
            name => cut(name, 60),
        };
        table.row([
            format!("{indent}{name}"),
            count(space.items),
            bytes(space.bytes),
        ]);
    };
    row("", &mailbox.total);
    for folder in mailbox.folders.iter().take(MAX_FOLDERS) {
        row("  ", folder);
    }
    let rest = mailbox.folders.get(MAX_FOLDERS..).unwrap_or_default();
    if !rest.is_empty() {
        row(
            "  ",
            &SpaceUse {
                name: format!("{} (--json)", counted(rest.len() as u64, "more folder")),
                items: rest.iter().map(|folder| folder.items).sum(),
                bytes: rest.iter().map(|folder| folder.bytes).sum(),
            },
        );
    }
    for kind in &mailbox.kinds {
        row("  as ", kind);
    }
    table.row([
        "  lists of all this".to_owned(),
        String::new(),
        bytes(mailbox.tree_bytes),
    ]);
    table
}

fn of_snapshots(snapshots: &[SnapshotSpace]) -> Columns {
    let mut table = Columns::new(&["SNAPSHOT", "TIME", "MAILBOX", ">FREED IF FORGOTTEN ALONE"]);
    for snapshot in snapshots {
        let kept = if snapshot.kept { " (kept items)" } else { "" };
        table.row([
            snapshot.id.get(..10).unwrap_or(&snapshot.id).to_owned(),
            time(snapshot.time_unix_ms),
            format!("{}{kept}", snapshot.mailbox),
            bytes(snapshot.own_bytes),
        ]);
    }
    table
}
