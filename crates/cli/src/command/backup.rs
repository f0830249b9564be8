//! `postkeep backup`: reads mailboxes into the repository.

use std::collections::BTreeMap;

use engine::{BackupOptions, BackupReport, Gap, MailboxSelection, MemoryBudget};

use super::{MAX_NAMED, and_more, failed_items};
use crate::args::BackupArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::held_back::{self, HeldBack};
use crate::human::{self, Columns, bytes, count, counted, duration, per_second, plain};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

pub async fn run(context: &Context, args: BackupArgs) -> Result<Code> {
    let chosen = chosen(&args)?;
    let mut options = BackupOptions {
        archives: args.archives,
        recoverable: args.recoverable,
        selection: config::selection(&args.selection),
        mailboxes_at_once: usize::from(args.mailboxes_at_once),
        requests_per_mailbox: usize::from(args.requests),
        seal_after: args.seal_after,
        memory: MemoryBudget::new(args.memory.0),
        settings: args.settings.into(),
        search_index: args.search_index,
        ..BackupOptions::default()
    };
    let user = &args.account.user;
    if !chosen.names_any() && !config::is_address(user) {
        return Err(Failure::usage(format!(
            "{user} is not an address: its mailbox is not known"
        ))
        .hint("--mailbox SMTP"));
    }
    let named = args.server.as_deref().map(config::server_url).transpose()?;
    let account = config::limited_account(context, &args.account, &args.flow)?;
    let vault = config::open_vault(context, &args.repository).await?;
    let server = match named {
        Some(server) => server,
        None => config::server(&args, &account, &chosen.addresses).await?,
    };
    let exchange = account.at(&server)?;
    let found = exchange.roster(&chosen).await;
    let roster = found.map_err(|error| Failure::from(error).for_user(user))?;
    options.mailboxes = roster.mailboxes;
    options.known_gaps = roster.gaps;
    let progress = Progress::new("backup", context.output, &context.environment);
    let interrupt = Interrupt::watch(
        progress.clone(),
        "stopping: what was read is being committed; Ctrl-C again ends at once",
    );
    let held_back = HeldBack::watch(progress.clone(), exchange.client());
    let done = vault
        .backup(&exchange, &options, interrupt.token(), progress.clone())
        .await;
    drop(held_back);
    progress.finish();
    let report = done.map_err(|error| {
        Failure::from(error)
            .for_user(user)
            .for_repository(&args.repository.repo)
    })?;
    context.output.result(&report, people)?;
    if report.interrupted {
        context
            .output
            .note("interrupted: the same command continues where this one stopped");
    }
    Ok(code(&report))
}

/// The mailboxes that the arguments mean.
fn chosen(args: &BackupArgs) -> Result<MailboxSelection> {
    let typed = config::mailboxes(&args.mailboxes)?;
    let (patterns, addresses) = typed.into_iter().partition(|name| config::is_pattern(name));
    let chosen = MailboxSelection {
        addresses,
        patterns,
        all: args.all,
        groups: args.groups.clone(),
        exclude: args.exclude_mailboxes.clone(),
        public_folders: args.public_folders,
    };
    if args.public_folders && !config::is_address(&args.account.user) {
        return Err(Failure::usage(format!(
            "{} is not an address: the domain of the public folders is not known",
            args.account.user
        ))
        .hint("--mailbox example.com/public"));
    }
    if !chosen.exclude.is_empty() && !chosen.names_any() {
        return Err(Failure::usage("there is nothing to exclude mailboxes from")
            .hint("--all, --group SMTP or --mailbox PATTERN"));
    }
    Ok(chosen)
}

fn code(report: &BackupReport) -> Code {
    if report.interrupted {
        Code::Interrupted
    } else if report.is_complete() {
        Code::Done
    } else {
        Code::Incomplete
    }
}

pub fn people(report: &BackupReport) -> String {
    let mut table = Columns::new(&[
        "MAILBOX",
        "SNAPSHOT",
        ">ITEMS",
        ">NEW",
        ">FLAGS",
        ">GONE",
        ">DOWNLOADED",
    ]);
    for mailbox in &report.mailboxes {
        let snapshot = mailbox
            .snapshot
            .as_deref()
            .map(|id| id.get(..10).unwrap_or(id));
        table.row([
            mailbox.mailbox.clone(),
            snapshot.unwrap_or("none").to_owned(),
            count(mailbox.items),
            count(mailbox.items_downloaded),
            count(mailbox.items_flagged),
            count(mailbox.items_deleted),
            bytes(mailbox.bytes_downloaded),
        ]);
    }
    let mut text = table.to_string();
    text.push('\n');
    text.push_str(&totals(report));
    text.push_str(&held_back::line(&report.throttling));
    for mailbox in report
        .mailboxes
        .iter()
        .filter(|mailbox| mailbox.error.is_some())
    {
        let error = plain(mailbox.error.as_deref().unwrap_or_default());
        // The line names the mailbox already.
        let error = error.trim_start_matches(&format!("back up {}: ", mailbox.mailbox));
        text.push_str(&format!("not backed up: {}: {error}\n", mailbox.mailbox));
    }
    if !report.failures.is_empty() {
        text.push_str(&failed_items(
            "not backed up, to be tried again",
            &report.failures,
        ));
    }
    let gaps: Vec<&Gap> = report
        .gaps
        .iter()
        // The lines above name mailboxes that failed.
        .filter(|gap| {
            let mut failed = report.mailboxes.iter().filter(|m| m.error.is_some());
            gap.what != Gap::WHOLE_MAILBOX || failed.all(|m| m.mailbox != gap.mailbox)
        })
        .collect();
    if !gaps.is_empty() {
        text.push_str(&not_covered(&gaps));
    }
    text
}

/// What exists and is not in the snapshots; what all mailboxes have in common, in one line.
fn not_covered(gaps: &[&Gap]) -> String {
    let mut common: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for gap in gaps {
        let mailboxes = common.entry((&gap.what, &gap.reason)).or_default();
        mailboxes.push(&gap.mailbox);
    }
    let mut text = "not covered:\n".to_owned();
    for ((what, reason), mailboxes) in common.iter().take(MAX_NAMED) {
        let whose = match mailboxes[..] {
            [mailbox] => plain(mailbox),
            _ => counted(mailboxes.len() as u64, "mailbox"),
        };
        let (what, reason) = (plain(what), plain(reason));
        text.push_str(&format!("  {whose}  {what}: {reason}\n"));
    }
    text.push_str(&and_more(common.len()));
    text
}

/// What was read, what it became, and how fast.
fn totals(report: &BackupReport) -> String {
    let sum = |of: fn(&engine::MailboxReport) -> u64| report.mailboxes.iter().map(of).sum::<u64>();
    let items = sum(|mailbox| mailbox.items_downloaded);
    let read = sum(|mailbox| mailbox.bytes_downloaded);
    let ms = report.elapsed_ms;
    let mut text = format!(
        "downloaded {} ({}) with {} in {}",
        counted(items, "item"),
        bytes(read),
        counted(report.requests, "request"),
        duration(ms),
    );
    if items > 0 && ms > 0 {
        let (items, bytes) = (
            count(per_second(items, ms)),
            human::bytes(per_second(read, ms)),
        );
        text.push_str(&format!(": {items} items/s, {bytes}/s"));
    }
    text.push_str(&format!(
        "\nstored {} in {}",
        bytes(report.bytes_stored),
        chunks(report)
    ));
    if report.chunks_deduplicated > 0 {
        text.push_str(&format!(
            "; {} ({}) were there already",
            counted(report.chunks_deduplicated, "chunk"),
            bytes(report.bytes_deduplicated)
        ));
    }
    text.push('\n');
    text
}

fn chunks(report: &BackupReport) -> String {
    format!(
        "{} new {}",
        count(report.chunks_new),
        match report.chunks_new {
            1 => "chunk",
            _ => "chunks",
        }
    )
}
