//! `postkeep repair`: mends a damaged repository.

use engine::{Donors, IndexRepairReport, PackRepairOptions, PackRepairReport, TreeSource, Vault};

use super::check::{items, objects};
use super::{MAX_NAMED, and_more};
use crate::args::{RepairCommand, RepairIndexArgs, RepairPacksArgs};
use crate::config::{self, Account, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{bytes, count, counted, plain};
use crate::other;
use crate::progress::Progress;

pub async fn run(context: &Context, command: RepairCommand) -> Result<Code> {
    match command {
        RepairCommand::Index(args) => index(context, *args).await,
        RepairCommand::Packs(args) => packs(context, *args).await,
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

async fn packs(context: &Context, args: RepairPacksArgs) -> Result<Code> {
    let exchange = match (&args.server, args.account.account()) {
        (Some(server), Some(account)) => {
            let account = Account::new(context, &account)?;
            Some(account.at(&config::server_url(server)?)?)
        }
        _ => None,
    };
    let (vault, other): (Vault, Option<Vault>) = match &args.from {
        Some(url) => {
            let both = other::open_both(context, &args.repository, &args.other, url).await?;
            (both.0, Some(both.1))
        }
        None => (config::open_vault(context, &args.repository).await?, None),
    };
    let donors = Donors {
        other: other.as_ref(),
        exchange: exchange.as_ref(),
    };
    let options = PackRepairOptions {
        quick: args.quick,
        dry_run: args.dry_run,
    };
    let progress = Progress::new("repair", context.output, &context.environment);
    let repaired = vault.repair_packs(donors, options, progress.clone()).await;
    progress.finish();
    let report = repaired.map_err(|e| Failure::from(e).for_repository(&args.repository.repo))?;
    context.output.result(&report, packs_text)?;
    Ok(if report.is_whole() {
        Code::Done
    } else {
        Code::Damage
    })
}

/// What a repair of packs did, for people.
pub fn packs_text(report: &PackRepairReport) -> String {
    let mut text = String::new();
    if report.is_clean() {
        return "all packs are whole; nothing was changed\n".to_owned();
    }
    objects(&mut text, "damaged objects", &report.objects_damaged);
    if report.dry_run {
        items(
            &mut text,
            "items that cannot be restored whole",
            &report.items_lost,
        );
        text.push_str("nothing was changed\n");
        return text;
    }
    text.push_str(&format!(
        "gave up {}; what could be read of them was stored again ({}, {} written)\n",
        counted(report.packs_given_up, "pack"),
        counted(report.chunks_salvaged, "chunk"),
        bytes(report.bytes_stored),
    ));
    rebuilt(&mut text, report);
    for (healed, from) in [
        (report.items_from_repository, "from the second repository"),
        (report.items_from_server, "from the server"),
    ] {
        if healed > 0 {
            text.push_str(&format!(
                "healed {} {from}\n",
                counted(healed, "item version")
            ));
        }
    }
    for failure in &report.donors_failed {
        text.push_str(&plain(&format!("could not help: {failure}")));
        text.push('\n');
    }
    items(&mut text, "items that are lost", &report.items_lost);
    text.push_str(match report.is_whole() {
        true => "everything can be restored again; `postkeep prune` removes the damaged packs\n",
        false => "another helper may have what is lost: --from URL, or --server URL --user NAME\n",
    });
    text
}

fn rebuilt(text: &mut String, report: &PackRepairReport) {
    for snapshot in report.snapshots_rebuilt.iter().take(MAX_NAMED) {
        let from = match snapshot.from {
            TreeSource::OtherRepository => "from the second repository",
            TreeSource::LocalIndex => "from the local index",
            _ => "from what was left of it",
        };
        let lost = match snapshot.entries_lost {
            0 => String::new(),
            lost => format!(", {} entries lost", count(lost)),
        };
        let line = format!(
            "wrote snapshot {} of {} again, {from}{lost}",
            snapshot.snapshot, snapshot.mailbox
        );
        text.push_str(&plain(&line));
        text.push('\n');
    }
    text.push_str(&and_more(report.snapshots_rebuilt.len()));
}
