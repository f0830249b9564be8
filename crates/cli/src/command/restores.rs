//! `postkeep restores`: lists restores that were made, shows and takes them back.

use std::collections::BTreeMap;

use engine::{MailboxName, MailboxPart, RestoreRun, RunItem, RunState, UndoOptions, UndoReport};
use serde::Serialize;

use super::failed_items;
use crate::args::{
    RestoresArgs, RestoresCommand, RestoresForgetArgs, RestoresListArgs, RestoresShowArgs,
    RestoresUndoArgs,
};
use crate::config::{self, Account, Context};
use crate::exit::{Code, Failure, Result};
use crate::held_back::HeldBack;
use crate::human::{Columns, count, counted, cut, duration, time};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Characters of a restore's id that lists show.
const SHORT_ID: usize = 10;

#[derive(Serialize)]
struct ListDocument {
    restores: Vec<RestoreRun>,
}

#[derive(Serialize)]
struct ShowDocument {
    restore: RestoreRun,
    items: Vec<RunItem>,
}

#[derive(Serialize)]
struct UndoDocument {
    restore: RestoreRun,
    undo: UndoReport,
}

#[derive(Serialize)]
struct ForgetDocument {
    forgotten: RestoreRun,
}

pub async fn run(context: &Context, args: RestoresArgs) -> Result<Code> {
    match args.command {
        RestoresCommand::List(args) => list(context, args).await,
        RestoresCommand::Show(args) => show(context, args).await,
        RestoresCommand::Undo(args) => undo(context, *args).await,
        RestoresCommand::Forget(args) => forget(context, args).await,
    }
}

async fn list(context: &Context, args: RestoresListArgs) -> Result<Code> {
    let wanted = match &args.mailbox {
        Some(name) => Some(config::mailbox_name(name)?.stored()),
        None => None,
    };
    let vault = config::open_vault(context, &args.repository).await?;
    let mut restores = vault.restore_runs().await?;
    restores.retain(|run| wanted.as_ref().is_none_or(|name| run.mailbox == *name));
    context
        .output
        .result(&ListDocument { restores }, |document| {
            match document.restores.is_empty() {
                true => "no restore was recorded\n".to_owned(),
                false => table(&document.restores),
            }
        })?;
    Ok(Code::Done)
}

async fn show(context: &Context, args: RestoresShowArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let found = vault.restore_run(&args.restore).await;
    let restore = found.map_err(|error| unknown(error.into()))?;
    let items = vault.restore_run_items(&restore).await?;
    let document = ShowDocument { restore, items };
    context.output.result(&document, shown)?;
    Ok(Code::Done)
}

async fn forget(context: &Context, args: RestoresForgetArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let forgotten = vault.forget_restore_run(&args.restore).await;
    let forgotten = forgotten.map_err(|error| unknown(error.into()))?;
    context
        .output
        .result(&ForgetDocument { forgotten }, |document| {
            let table = table(std::slice::from_ref(&document.forgotten));
            format!("forgot, and cannot take back any more:\n{table}")
        })?;
    Ok(Code::Done)
}

async fn undo(context: &Context, args: RestoresUndoArgs) -> Result<Code> {
    let account = Account::new(context, &args.account)?;
    let vault = config::open_vault(context, &args.repository).await?;
    let found = vault.restore_run(&args.restore).await;
    let mut restore = found.map_err(|error| unknown(error.into()))?;
    if let Some(name) = &args.mailbox {
        restore.reader = Some(reader(name, &restore.mailbox)?);
    }
    let server = config::server_url(args.to_server.as_deref().unwrap_or(&restore.server))?;
    let exchange = account.at(&server)?;
    let progress = Progress::new("undo", context.output, &context.environment);
    let interrupt = Interrupt::watch(
        progress.clone(),
        "stopping after the requests under way; Ctrl-C again ends at once",
    );
    let options = UndoOptions {
        dry_run: args.dry_run,
        force: args.force,
        command: super::command_line(),
        requests_at_once: usize::from(args.requests),
    };
    let held_back = HeldBack::watch(progress.clone(), exchange.client());
    let token = interrupt.token();
    let done = vault
        .undo_restore(&restore, &exchange, &options, token, progress.clone())
        .await;
    drop(held_back);
    progress.finish();
    let undo = done.map_err(|error| {
        let failure = Failure::from(error)
            .for_user(&args.account.user)
            .for_repository(&args.repository.repo);
        hint_at_reader(failure, &restore.mailbox)
    })?;
    let code = match (undo.interrupted, undo.left.is_empty()) {
        (true, _) => Code::Interrupted,
        (false, false) => Code::Incomplete,
        (false, true) => Code::Done,
    };
    context
        .output
        .result(&UndoDocument { restore, undo }, undone)?;
    Ok(code)
}

/// As whom to open the public folders of a restore, which are told by their domain.
fn reader(typed: &str, restored: &str) -> Result<String> {
    let name = config::mailbox_name(typed)?;
    let is_part = name.part() == MailboxPart::Public && name.stored() == restored;
    let reader = name.address().filter(|_| is_part).map(str::to_owned);
    reader.ok_or_else(|| {
        let message = format!("{typed} does not say who opens {restored}, which was restored into");
        Failure::usage(message).hint(
            "this is for public folders: name somebody who sees them, as in ann@example.com/public",
        )
    })
}

/// Whoever opened public folders for a restore may be gone.
fn hint_at_reader(failure: Failure, restored: &str) -> Failure {
    let name = restored.parse::<MailboxName>();
    let is_public = name.is_ok_and(|name| name.part() == MailboxPart::Public);
    match failure.code {
        Code::NotFound if is_public => failure.hint(format!(
            "name somebody else who sees the public folders: --mailbox NAME@{restored}"
        )),
        _ => failure,
    }
}

fn unknown(failure: Failure) -> Failure {
    match failure.code {
        Code::NotFound => failure.hint("postkeep restores list"),
        _ => failure,
    }
}

fn short(id: &str) -> String {
    id.get(..SHORT_ID).unwrap_or(id).to_owned()
}

fn state(run: &RestoreRun) -> &'static str {
    match run.state {
        RunState::Unfinished => "unfinished",
        RunState::Stopped => "stopped",
        RunState::Done => "done",
        RunState::PartlyUndone => "partly undone",
        RunState::Undone => "undone",
        _ => "unknown",
    }
}

fn table(runs: &[RestoreRun]) -> String {
    let mut table = Columns::new(&[
        "RESTORE",
        "WHEN",
        "INTO",
        "FROM",
        "MODE",
        ">CREATED",
        ">REPLACED",
        "STATE",
    ]);
    for run in runs {
        let snapshot = run.snapshot.get(..10).unwrap_or(&run.snapshot);
        let from = match run.from_mailbox == run.mailbox {
            true => snapshot.to_owned(),
            false => format!("{} {snapshot}", cut(&run.from_mailbox, 40)),
        };
        let at_least = match run.state {
            RunState::Unfinished => "≥ ",
            _ => "",
        };
        table.row([
            short(&run.id),
            time(run.time_unix_ms),
            cut(&run.mailbox, 40),
            from,
            run.mode.clone(),
            format!("{at_least}{}", count(run.items_created)),
            format!("{at_least}{}", count(run.items_replaced)),
            state(run).to_owned(),
        ]);
    }
    table.to_string()
}

fn shown(document: &ShowDocument) -> String {
    let run = &document.restore;
    let snapshot = run.snapshot.get(..10).unwrap_or(&run.snapshot);
    let mut text = format!(
        "restore {}, {}\n{} {snapshot} ({}) -> {} at {}\n",
        run.id,
        state(run),
        run.from_mailbox,
        time(run.snapshot_time_unix_ms),
        run.mailbox,
        run.server,
    );
    text.push_str(&format!(
        "{}, mode {}; created {} and {}, replaced {}, {}\n",
        time(run.time_unix_ms),
        run.mode,
        counted(run.items_created, "item"),
        counted(run.folders_created, "folder"),
        counted(run.items_replaced, "item"),
        counted(run.failures, "failure"),
    ));
    if !run.command.is_empty() {
        text.push_str(&format!("{}\n", run.command));
    }
    for time_unix_ms in &run.undone_unix_ms {
        text.push_str(&format!("taken back {}\n", time(*time_unix_ms)));
    }
    for id in &run.replaced_kept {
        let id = id.get(..12).unwrap_or(id);
        text.push_str(&format!(
            "what it replaced: postkeep ls --snapshot {id} FOLDER\n"
        ));
    }
    let mut folders: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for item in &document.items {
        let counts = folders.entry(&item.folder).or_default();
        match item.replaced {
            true => counts.1 += 1,
            false => counts.0 += 1,
        }
    }
    if !folders.is_empty() {
        let mut table = Columns::new(&["FOLDER", ">CREATED", ">REPLACED"]);
        for (folder, (created, replaced)) in folders {
            table.row([folder.to_owned(), count(created), count(replaced)]);
        }
        text.push('\n');
        text.push_str(&table.to_string());
    }
    text
}

fn undone(document: &UndoDocument) -> String {
    let report = &document.undo;
    let did = match report.dry_run {
        true => ["would delete", "would put back", "would delete"],
        false => ["deleted", "put back", "deleted"],
    };
    let mut text = format!(
        "{} {}, {} {}, {} {}",
        did[0],
        counted(report.items_deleted, "item"),
        did[1],
        counted(report.items_put_back, "item"),
        did[2],
        counted(report.folders_deleted, "folder"),
    );
    match report.dry_run {
        true => text.push_str("; nothing was changed\n"),
        false => text.push_str(&format!(
            " with {} in {}\n",
            counted(report.requests, "request"),
            duration(report.elapsed_ms)
        )),
    }
    if report.items_gone > 0 {
        let gone = counted(report.items_gone, "item");
        text.push_str(&format!("gone already: {gone}\n"));
    }
    if !report.left.is_empty() {
        text.push_str(&failed_items("left as they are", &report.left));
    }
    for folder in &report.folders_left {
        text.push_str(&format!("not empty, and left: {folder}\n"));
    }
    if let Some(reason) = &report.unrecorded {
        text.push_str(&format!(
            "that it was taken back could not be recorded: {reason}\n"
        ));
    }
    if report.interrupted {
        text.push_str("interrupted: the same command continues where this one stopped\n");
    }
    text
}
