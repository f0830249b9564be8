//! `postkeep snapshots`: what was backed up and when.

use engine::{About, Snapshot};
use serde::Serialize;

use crate::args::SnapshotsArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, bytes, count, time};

#[derive(Serialize)]
struct Document {
    snapshots: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    mailbox: String,
    time_unix_ms: i64,
    partial: bool,
    kept: bool,
    items_lost: u64,
    #[serde(flatten)]
    about: About,
}

pub async fn run(context: &Context, args: SnapshotsArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let mut snapshots = match args.kept {
        true => vault.snapshots_and_kept().await?,
        false => vault.snapshots().await?,
    };
    if let Some(mailbox) = &args.mailbox {
        snapshots.retain(|snapshot| snapshot.mailbox.eq_ignore_ascii_case(mailbox));
        if snapshots.is_empty() {
            return Err(
                Failure::new(Code::NotFound, format!("no snapshot of {mailbox}"))
                    .hint("`postkeep snapshots` without --mailbox lists all"),
            );
        }
    }
    let document = Document {
        snapshots: snapshots.into_iter().map(line).collect(),
    };
    context.output.result(&document, people)?;
    Ok(Code::Done)
}

fn line(snapshot: Snapshot) -> Line {
    Line {
        id: snapshot.id,
        mailbox: snapshot.mailbox,
        time_unix_ms: snapshot.time_unix_ms,
        partial: snapshot.partial,
        kept: snapshot.kept,
        items_lost: snapshot.lost,
        about: snapshot.about,
    }
}

fn people(document: &Document) -> String {
    if document.snapshots.is_empty() {
        return "no snapshots yet\n".to_owned();
    }
    let mut table = Columns::new(&[
        "SNAPSHOT", "TIME", "MAILBOX", ">FOLDERS", ">ITEMS", ">SIZE", "",
    ]);
    for line in &document.snapshots {
        table.row([
            line.id.get(..10).unwrap_or(&line.id).to_owned(),
            time(line.time_unix_ms),
            line.mailbox.clone(),
            count(line.about.folders),
            count(line.about.items),
            bytes(line.about.bytes),
            remarks(line),
        ]);
    }
    table.to_string()
}

fn remarks(line: &Line) -> String {
    let mut remarks = Vec::new();
    if line.partial {
        remarks.push("partial".to_owned());
    }
    if line.kept {
        remarks.push("kept items".to_owned());
    }
    if line.items_lost > 0 {
        remarks.push(format!("damaged: {} lost", count(line.items_lost)));
    }
    if line.about.failures > 0 {
        remarks.push(format!("{} missing", count(line.about.failures)));
    }
    if !line.about.selection.is_empty() {
        remarks.push(format!("only {}", line.about.selection.join(", ")));
    }
    remarks.join("; ")
}
