//! `postkeep export`: writes items as files.

use engine::{ExportOptions, ExportReport};
use serde::Serialize;

use super::failed_items;
use super::search::Wanted;
use crate::args::ExportArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{bytes, counted};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

#[derive(Serialize)]
struct Document {
    out: String,
    mailboxes: Vec<Mailbox>,
}

#[derive(Serialize)]
struct Mailbox {
    mailbox: String,
    snapshot: String,
    #[serde(flatten)]
    report: ExportReport,
}

pub async fn run(context: &Context, args: ExportArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let progress = Progress::new("export", context.output, &context.environment);
    let interrupt = Interrupt::watch(progress.clone(), "stopping; Ctrl-C again ends at once");
    let wanted = Wanted {
        search: args.search.as_deref(),
        snapshot: &args.snapshot,
        selection: &args.selection,
    };
    let chosen = wanted
        .find(&vault, interrupt.token(), &progress)
        .await
        .inspect_err(|_| progress.finish())?;
    let several = chosen.len() > 1;
    let mut document = Document {
        out: args.out.display().to_string(),
        mailboxes: Vec::new(),
    };
    let mut missing = None;
    for (snapshot, selection) in chosen {
        let token = interrupt.token();
        let options = ExportOptions {
            selection,
            format: args.format.into(),
        };
        let done = vault
            .export(&snapshot, &options, &args.out, token, progress.clone())
            .await;
        match done {
            Ok(report) => document.mailboxes.push(Mailbox {
                mailbox: snapshot.mailbox,
                snapshot: snapshot.id,
                report,
            }),
            // Not every mailbox has every folder; but one of them should.
            Err(error) if several && error.kind() == engine::ErrorKind::NotFound => {
                missing = Some(error);
            }
            Err(error) => {
                progress.finish();
                return Err(Failure::from(error).for_repository(&args.repository.repo));
            }
        }
        if token.is_cancelled() {
            break;
        }
    }
    progress.finish();
    if let (true, Some(error)) = (document.mailboxes.is_empty(), missing) {
        return Err(error.into());
    }
    context.output.result(&document, people)?;
    Ok(code(&document))
}

fn code(document: &Document) -> Code {
    let any = |of: fn(&ExportReport) -> bool| document.mailboxes.iter().any(|m| of(&m.report));
    if any(|report| report.interrupted) {
        Code::Interrupted
    } else if any(|report| !report.failures.is_empty()) {
        Code::Incomplete
    } else {
        Code::Done
    }
}

fn people(document: &Document) -> String {
    let mut text = String::new();
    for Mailbox {
        mailbox, report, ..
    } in &document.mailboxes
    {
        let written = format!(
            "{} ({})",
            counted(report.files, "item"),
            bytes(report.bytes)
        );
        text.push_str(&format!(
            "{mailbox}: wrote {written} below {}",
            document.out
        ));
        if report.skipped > 0 {
            text.push_str(&format!(
                "; {} were there already",
                counted(report.skipped, "item")
            ));
        }
        if report.others > 0 {
            text.push_str(&format!(
                "; {} are nothing for this format",
                counted(report.others, "other item")
            ));
        }
        text.push('\n');
        if !report.failures.is_empty() {
            text.push_str(&failed_items("not exported", &report.failures));
        }
        if report.interrupted {
            text.push_str("interrupted: the same command continues where this one stopped\n");
        }
    }
    text
}
