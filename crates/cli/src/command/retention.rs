//! `postkeep retention` and `postkeep forget`: what stays and what goes.

use engine::{
    Bucket, ItemReason, MailboxPlan, PruneOptions, PruneReport, Reason, RetentionOptions,
    RetentionPlan, Snapshot, SnapshotSelector, Vault,
};
use serde::Serialize;

use super::hold::holds_table;
use super::prune;
use crate::args::{ForgetArgs, PolicyArgs, RetentionArgs, RetentionCommand};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, bytes, count, counted, cut, short_key, time};
use crate::progress::Progress;
use crate::when;

pub async fn run(context: &Context, args: RetentionArgs) -> Result<Code> {
    let (args, apply, then) = match args.command {
        RetentionCommand::Plan(args) if args.space => (args.policy, false, Then::Measure),
        RetentionCommand::Plan(args) => (args.policy, false, Then::Nothing),
        RetentionCommand::Apply(args) if args.prune => (args.policy, true, Then::Prune),
        RetentionCommand::Apply(args) => (args.policy, true, Then::Nothing),
    };
    let options = options(context, &args)?;
    if !options.policy.has_snapshot_rule() {
        return Err(
            Failure::usage("a policy without a rule for snapshots keeps all of them")
                .hint("postkeep retention plan --keep-within 30d --keep-monthly 12"),
        );
    }
    let vault = config::open_vault(context, &args.repository).await?;
    let done = match apply {
        true => vault.retention_apply(&options).await,
        false => vault.retention_plan(&options).await,
    };
    let plan = done.map_err(|error| Failure::from(error).for_repository(&args.repository.repo))?;
    show(context, &vault, plan, then).await
}

/// What follows when it is clear which snapshots go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    /// Say how much space it would free.
    Measure,
    /// Free it.
    Prune,
}

/// The plan, with what came of it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    plan: RetentionPlan,
    #[serde(skip_serializing_if = "Option::is_none")]
    freed_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<PruneReport>,
}

async fn show(context: &Context, vault: &Vault, plan: RetentionPlan, then: Then) -> Result<Code> {
    let progress = || Progress::new("prune", context.output, &context.environment);
    let mut shown = Shown {
        plan,
        freed_bytes: None,
        prune: None,
    };
    match then {
        Then::Nothing => {}
        Then::Measure => {
            let going = shown.plan.going().map(|(_, snapshot)| snapshot.id.clone());
            let (ids, progress): (Vec<String>, _) = (going.collect(), progress());
            let freed = vault.freed_by(&ids, progress.clone()).await;
            progress.finish();
            shown.freed_bytes = Some(freed?);
        }
        Then::Prune => {
            let progress = progress();
            let options = PruneOptions::default();
            let report = vault.prune(&options, progress.clone()).await;
            progress.finish();
            shown.prune = Some(report?);
        }
    }
    context.output.result(&shown, |shown| {
        let mut text = people(&shown.plan);
        if let Some(freed) = shown.freed_bytes {
            // Items that a rule or a hold keeps still need some of it.
            let size = bytes(freed);
            text.push_str(&format!("with a prune that would free {size} at most\n"));
        }
        if let Some(report) = &shown.prune {
            text.push_str(&prune::people(report));
        } else if shown.plan.applied && shown.plan.going().next().is_some() {
            text.push_str("their space comes back with `postkeep prune`\n");
        }
        text
    })?;
    Ok(Code::Done)
}

fn options(context: &Context, args: &PolicyArgs) -> Result<RetentionOptions> {
    let zone = when::zone(args.time_zone.as_deref())?;
    Ok(RetentionOptions {
        policy: args.policy.policy(),
        mailboxes: args.mailboxes.clone(),
        now: when::now(context, zone)?,
        list_items: args.items,
    })
}

/// `postkeep forget`.
pub async fn forget(context: &Context, args: ForgetArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let snapshots = named(&vault, &args.snapshots).await?;
    let policy = engine::Policy {
        deleted_items: args.keep_deleted_items,
        ..engine::Policy::default()
    };
    let options = RetentionOptions {
        policy,
        mailboxes: Vec::new(),
        now: when::now(context, when::zone(None)?)?,
        list_items: args.items,
    };
    let done = vault
        .forget_snapshots(&snapshots, &options, args.newest_too, args.dry_run)
        .await;
    let plan = done.map_err(|error| {
        let newest = error.kind() == engine::ErrorKind::Denied && !args.newest_too;
        let held = error.to_string().contains("is held");
        let failure = Failure::from(error).for_repository(&args.repository.repo);
        match (newest, held) {
            (_, true) => failure.hint("postkeep hold list"),
            (true, _) => failure.hint("--newest-too forgets it as well"),
            _ => failure,
        }
    })?;
    let then = match (args.dry_run, args.prune) {
        (true, _) => Then::Measure,
        (false, true) => Then::Prune,
        (false, false) => Then::Nothing,
    };
    show(context, &vault, plan, then).await
}

/// The snapshots that ids, or the beginnings of ids, name.
pub async fn named(vault: &Vault, ids: &[String]) -> Result<Vec<Snapshot>> {
    let mut snapshots: Vec<Snapshot> = Vec::new();
    for id in ids {
        let selector: SnapshotSelector = id.parse()?;
        if selector == SnapshotSelector::Latest {
            return Err(
                Failure::usage("name the snapshots by their ids").hint("postkeep snapshots")
            );
        }
        for found in vault.select(&selector, None).await? {
            if snapshots.iter().all(|known| known.id != found.id) {
                snapshots.push(found);
            }
        }
    }
    Ok(snapshots)
}

fn people(plan: &RetentionPlan) -> String {
    let mut text = String::new();
    if !plan.holds.is_empty() {
        text.push_str(&format!("holds in force:\n{}\n", holds_table(&plan.holds)));
    }
    let (mut stay, mut go) = (0, 0);
    for mailbox in &plan.mailboxes {
        text.push_str(&mailbox_text(mailbox, plan));
        text.push('\n');
        go += mailbox
            .snapshots
            .iter()
            .filter(|s| s.kept_by.is_empty())
            .count() as u64;
        stay += mailbox
            .snapshots
            .iter()
            .filter(|s| !s.kept_by.is_empty())
            .count() as u64;
    }
    let (stay, go) = (count(stay), counted(go, "snapshot"));
    text.push_str(&match plan.applied {
        true => format!("forgot {go}; {stay} stay\n"),
        false => format!("{go} would go and {stay} stay; nothing was changed\n"),
    });
    text
}

fn mailbox_text(mailbox: &MailboxPlan, plan: &RetentionPlan) -> String {
    let goes = if plan.applied { "forgotten" } else { "goes" };
    let mut table = Columns::new(&["", "SNAPSHOT", "TIME", ">ITEMS", "KEPT BY"]);
    for snapshot in &mailbox.snapshots {
        let stays = !snapshot.kept_by.is_empty();
        let partial = if snapshot.partial { " (partial)" } else { "" };
        let why = match stays {
            true => snapshot
                .kept_by
                .iter()
                .map(reason)
                .collect::<Vec<_>>()
                .join(", "),
            false => "nothing".to_owned(),
        };
        table.row([
            if stays {
                "  stays".to_owned()
            } else {
                format!("  {goes}")
            },
            snapshot.id.get(..10).unwrap_or(&snapshot.id).to_owned(),
            time(snapshot.time_unix_ms),
            count(snapshot.items),
            why + partial,
        ]);
    }
    let mut text = format!("{}\n{table}", mailbox.mailbox);
    if let (Some(kept), Some(lost)) = (mailbox.item_versions_kept, mailbox.item_versions_lost) {
        text.push_str(&format!(
            "  of items in no snapshot that stays: {} kept, {} for good\n",
            counted(kept, "version"),
            match plan.applied {
                true => format!("{} gone", count(lost)),
                false => format!("{} would go", count(lost)),
            },
        ));
    }
    if !mailbox.items.is_empty() {
        text.push_str(&items_table(mailbox, goes));
    }
    text
}

fn items_table(mailbox: &MailboxPlan, goes: &str) -> String {
    let mut table = Columns::new(&[
        "",
        "ITEM",
        "LAST SEEN",
        "ENDED",
        "FOLDER",
        "SUBJECT",
        "KEPT BY",
    ]);
    for item in &mailbox.items {
        let why = match item.kept_by {
            Some(ItemReason::DeletedItems) => "deleted items",
            Some(ItemReason::Versions) => "versions",
            Some(ItemReason::Held) => "a hold",
            None => "nothing",
        };
        let stays = if item.kept_by.is_some() {
            "  stays"
        } else {
            ""
        };
        table.row([
            if stays.is_empty() {
                format!("  {goes}")
            } else {
                stays.to_owned()
            },
            short_key(&item.key).to_owned(),
            time(item.last_unix_ms),
            item.gone_unix_ms.map(time).unwrap_or_default(),
            cut(&item.folder, 30),
            cut(&item.subject, 40),
            why.to_owned(),
        ]);
    }
    table.to_string()
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::NoRule => "no rule".to_owned(),
        Reason::NewestComplete => "newest".to_owned(),
        Reason::Continued => "the next run continues it".to_owned(),
        Reason::Last { number } => format!("last {number}"),
        Reason::Within => "within".to_owned(),
        Reason::Newest { bucket, number } => format!("{} {number}", word(*bucket)),
        Reason::Held { hold } => format!("hold {}", hold.get(..10).unwrap_or(hold)),
    }
}

fn word(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Hourly => "hourly",
        Bucket::Daily => "daily",
        Bucket::Weekly => "weekly",
        Bucket::Monthly => "monthly",
        Bucket::Quarterly => "quarterly",
        Bucket::Yearly => "yearly",
    }
}
