//! `postkeep restore`: puts items back into a live mailbox.

use std::collections::HashMap;

use engine::{
    MailboxName, MailboxPart, MeetingOutcome, RestoreMode, RestoreOptions, RestoreReport,
    Selection, Snapshot, UserMap,
};
use serde::Serialize;

use super::search::Wanted;
use super::{MAX_NAMED, and_more, failed_items};
use crate::args::RestoreArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::held_back::{self, HeldBack};
use crate::human::{Columns, bytes, count, counted, cut, duration, plain, time};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

#[derive(Serialize)]
struct Document {
    restores: Vec<Restored>,
}

#[derive(Serialize)]
struct Restored {
    from_mailbox: String,
    snapshot: String,
    server: String,
    verified: bool,
    #[serde(flatten)]
    report: RestoreReport,
}

pub async fn run(context: &Context, args: RestoreArgs) -> Result<Code> {
    if let Some(to) = &args.to_mailbox {
        config::mailbox_name(to)?;
    }
    let account = config::limited_account(context, &args.account, &args.flow)?;
    let vault = config::open_vault(context, &args.repository).await?;
    let progress = Progress::new("restore", context.output, &context.environment);
    let interrupt = Interrupt::watch(
        progress.clone(),
        "stopping after the requests under way; Ctrl-C again ends at once",
    );
    let wanted = Wanted {
        search: args.search.as_deref(),
        snapshot: &args.snapshot,
        selection: &args.selection,
    };
    let chosen = wanted.find(&vault, interrupt.token(), &progress).await;
    let chosen = chosen
        .and_then(|chosen| refuse_mixing(&args, &chosen).map(|()| chosen))
        .and_then(|chosen| Ok((targets(&args, &chosen)?, chosen)));
    let (targets, chosen) = chosen.inspect_err(|_| progress.finish())?;
    let mut document = Document {
        restores: Vec::new(),
    };
    for ((snapshot, selection), to_mailbox) in chosen.iter().zip(targets) {
        let options = options(&args, snapshot, selection.clone(), to_mailbox);
        let server =
            config::server_url(args.to_server.as_deref().unwrap_or(&snapshot.about.server))?;
        let exchange = account.at(&server)?;
        let token = interrupt.token();
        let held_back = HeldBack::watch(progress.clone(), exchange.client());
        let done = vault
            .restore(snapshot, &exchange, &options, token, progress.clone())
            .await;
        drop(held_back);
        let report = done.map_err(|error| {
            progress.finish();
            Failure::from(error)
                .for_user(&args.account.user)
                .for_repository(&args.repository.repo)
        })?;
        document.restores.push(Restored {
            from_mailbox: snapshot.mailbox.clone(),
            snapshot: snapshot.id.clone(),
            server: server.to_string(),
            verified: args.verify,
            report,
        });
        if token.is_cancelled() {
            break;
        }
    }
    progress.finish();
    context.output.result(&document, people)?;
    Ok(code(&document))
}

/// Where each snapshot goes; `None`: to the mailbox it came from.
fn targets(args: &RestoreArgs, chosen: &[(Snapshot, Selection)]) -> Result<Vec<Option<String>>> {
    let Some(file) = &args.user_map else {
        return Ok(vec![args.to_mailbox.clone(); chosen.len()]);
    };
    let csv = std::fs::read_to_string(file)
        .map_err(|error| Failure::io(format!("read {}", file.display()), &error))?;
    let map = UserMap::parse(&csv)?;
    let mut sources: HashMap<String, String> = HashMap::new();
    let mut targets = Vec::with_capacity(chosen.len());
    for (snapshot, _) in chosen {
        let target = map.target(&snapshot.mailbox).ok_or_else(|| {
            Failure::usage(format!(
                "{} does not say where {} goes",
                file.display(),
                snapshot.mailbox
            ))
            .hint("add a line SOURCE,TARGET, or choose mailboxes with --mailbox")
        })?;
        // A search can mean several snapshots of one mailbox, and a person can have several parts.
        let owner = owner(&snapshot.mailbox)?;
        let other = sources
            .entry(target.clone())
            .or_insert_with(|| owner.clone());
        if *other != owner {
            let message = format!("{other} and {owner} would both go into {target}");
            let hint = "give each a line of its own, or choose mailboxes with --mailbox";
            return Err(Failure::usage(message).hint(hint));
        }
        targets.push(Some(target));
    }
    Ok(targets)
}

/// Whose mail it is, whichever part of it.
fn owner(mailbox: &str) -> Result<String> {
    let name: MailboxName = mailbox.parse()?;
    Ok(name.other(MailboxPart::Primary).stored())
}

fn options(
    args: &RestoreArgs,
    snapshot: &Snapshot,
    selection: Selection,
    to_mailbox: Option<String>,
) -> RestoreOptions {
    RestoreOptions {
        selection,
        to_mailbox,
        to_folder: match args.into {
            true => Some(dated_folder(snapshot)),
            false => args.to_folder.clone(),
        },
        mode: args.mode.restore_mode(),
        command: super::command_line(),
        recorded: true,
        dry_run: args.dry_run,
        verify: args.verify,
        requests_at_once: usize::from(args.requests),
    }
}

/// A folder named after the state that is restored, so that the same restore finds it again.
fn dated_folder(snapshot: &Snapshot) -> String {
    format!(
        "Restored from {}",
        time(snapshot.time_unix_ms).replace(':', ".")
    )
}

/// Several mailboxes go back each to its own, never all into one.
fn refuse_mixing(args: &RestoreArgs, chosen: &[(Snapshot, Selection)]) -> Result<()> {
    let mut mailboxes: Vec<&str> = chosen.iter().map(|(s, _)| s.mailbox.as_str()).collect();
    mailboxes.sort_unstable();
    mailboxes.dedup();
    match (&args.to_mailbox, mailboxes.as_slice()) {
        (Some(to), [first, _, ..]) => Err(Failure::usage(format!(
            "`{}` means {} mailboxes, and {to} is only one",
            args.search.as_deref().unwrap_or(&args.snapshot.snapshot),
            mailboxes.len()
        ))
        .hint(format!("--mailbox {first}"))),
        _ => Ok(()),
    }
}

fn code(document: &Document) -> Code {
    let any = |of: fn(&RestoreReport) -> bool| document.restores.iter().any(|r| of(&r.report));
    if any(|report| report.interrupted) {
        Code::Interrupted
    } else if any(|report| !report.failures.is_empty()) {
        Code::Incomplete
    } else {
        Code::Done
    }
}

fn people(document: &Document) -> String {
    let parts: Vec<String> = document.restores.iter().map(restored).collect();
    parts.join("\n")
}

fn restored(restored: &Restored) -> String {
    let report = &restored.report;
    let id = restored.snapshot.get(..10).unwrap_or(&restored.snapshot);
    let mut text = format!(
        "{} {id} -> {} at {}\n\n",
        restored.from_mailbox, report.mailbox, restored.server
    );
    if !report.folders.is_empty() {
        text.push_str(&folders(report));
        text.push('\n');
    }
    text.push_str(&totals(report));
    text.push_str(&held_back::line(&report.throttling));
    if restored.verified {
        let verified = counted(report.items_verified, "item");
        text.push_str(&format!(
            "{verified} read back and found equal to the backup\n"
        ));
    }
    if !report.fallbacks.is_empty() {
        let heading = "restored from text and properties, since the server refused their streams";
        text.push_str(&failed_items(heading, &report.fallbacks));
    }
    if !report.failures.is_empty() {
        // Some may be there and only not have been read back; each says so.
        let heading = match restored.verified {
            true => "not restored, or not proved to be as stored",
            false => "not restored",
        };
        text.push_str(&failed_items(heading, &report.failures));
    }
    text.push_str(&meetings(report));
    if let Some(run) = &report.run {
        let run = run.get(..10).unwrap_or(run);
        text.push_str(&format!("to take it back: postkeep restores undo {run}\n"));
    }
    if let Some(reason) = &report.unrecorded {
        text.push_str(&format!(
            "not recorded to its end, and so not taken back with certainty: {reason}\n"
        ));
    }
    if report.interrupted {
        text.push_str("interrupted: the same command continues where this one stopped\n");
    }
    text
}

fn folders(report: &RestoreReport) -> String {
    let (created, replaced) = match report.dry_run {
        true => (">TO CREATE", ">TO REPLACE"),
        false => (">CREATED", ">REPLACED"),
    };
    let replaces = matches!(report.mode, RestoreMode::Changed | RestoreMode::Overwrite);
    let absent = report.items_absent > 0;
    let mut heads = vec!["FOLDER", "", created];
    heads.extend(replaces.then_some(replaced));
    heads.push(">THERE ALREADY");
    heads.extend(absent.then_some(">NOT THERE"));
    let mut table = Columns::new(&heads);
    for folder in &report.folders {
        let new = if folder.created { "new" } else { "" };
        let mut row = vec![folder.path.clone(), new.to_owned(), count(folder.items)];
        row.extend(replaces.then(|| count(folder.replaced)));
        row.push(count(folder.skipped));
        row.extend(absent.then(|| count(folder.absent)));
        table.row(row);
    }
    table.to_string()
}

fn totals(report: &RestoreReport) -> String {
    let mut rest = String::new();
    if report.items_skipped > 0 {
        let skipped = counted(report.items_skipped, "item");
        rest.push_str(&format!("; {skipped} there already"));
    }
    if report.items_absent > 0 {
        let absent = counted(report.items_absent, "item");
        rest.push_str(&format!("; {absent} not there and not created"));
    }
    let replaced = |did: &str| match report.items_replaced {
        0 => String::new(),
        items => format!(", {did} {}", counted(items, "item")),
    };
    let items = counted(report.items_restored, "item");
    if report.dry_run {
        let replaced = replaced("replace");
        return format!("would create {items}{replaced}{rest}; nothing was changed\n");
    }
    format!(
        "restored {items}{} ({}) with {} in {}{rest}\n",
        replaced("replaced"),
        bytes(report.bytes_restored),
        counted(report.requests, "request"),
        duration(report.elapsed_ms),
    )
}

/// Meetings that have moved on, one by one.
fn meetings(report: &RestoreReport) -> String {
    if report.meetings_moved.is_empty() {
        return String::new();
    }
    let moved = report.meetings_moved.len() as u64;
    let mut text = format!(
        "live meetings that have moved on: {}\n",
        counted(moved, "item")
    );
    for meeting in report.meetings_moved.iter().take(MAX_NAMED) {
        let outcome = match (meeting.outcome, report.dry_run) {
            (MeetingOutcome::Replaced, false) => "replaced all the same",
            (MeetingOutcome::Replaced, true) => "would be replaced all the same",
            (MeetingOutcome::CreatedBeside, false) => "the backup's is beside it",
            (MeetingOutcome::CreatedBeside, true) => "the backup's would be put beside it",
            _ => "left as it is",
        };
        text.push_str(&plain(&format!(
            "  {}  {}: {}; {outcome}",
            meeting.folder,
            cut(&meeting.subject, 60),
            meeting.how.join(", ")
        )));
        text.push('\n');
    }
    text + &and_more(report.meetings_moved.len())
}
