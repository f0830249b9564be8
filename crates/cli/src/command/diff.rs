//! `postkeep diff`: what changed between two snapshots.

use engine::{DiffReport, Difference, MailboxName, Snapshot, SnapshotSelector, Vault};
use serde::Serialize;

use crate::args::DiffArgs;
use crate::config::{self, Account, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, count, counted, cut, plain, short_key, time};

#[derive(Serialize)]
struct Document {
    differences: Vec<Pair>,
}

#[derive(Serialize)]
struct Pair {
    mailbox: String,
    first: String,
    first_time_unix_ms: i64,
    /// Absent: the live mailbox.
    second: Option<String>,
    second_time_unix_ms: i64,
    #[serde(flatten)]
    report: DiffReport,
}

pub async fn run(context: &Context, args: DiffArgs) -> Result<Code> {
    let account = args.account.account().filter(|_| args.live);
    let account = account.map(|account| Account::new(context, &account));
    let account = account.transpose()?;
    let vault = config::open_vault(context, &args.repository).await?;
    let counts_only = args.counts;
    let people = move |document: &Document| people(document, counts_only);
    if let Some(account) = account {
        let differences = live(context, &vault, &args, &account).await?;
        context.output.result(&Document { differences }, people)?;
        return Ok(Code::Done);
    }
    let mut differences = Vec::new();
    for (first, second) in pairs(&vault, &args).await? {
        let report = vault.diff(&first, &second).await?;
        differences.push(Pair {
            mailbox: second.mailbox,
            first: first.id,
            first_time_unix_ms: first.time_unix_ms,
            second: Some(second.id),
            second_time_unix_ms: second.time_unix_ms,
            report,
        });
    }
    context.output.result(&Document { differences }, people)?;
    Ok(Code::Done)
}

/// Compares snapshots with the mailboxes they were made of, as these are now.
async fn live(
    context: &Context,
    vault: &Vault,
    args: &DiffArgs,
    account: &Account,
) -> Result<Vec<Pair>> {
    let selector: SnapshotSelector = args.first.parse()?;
    let mut differences = Vec::new();
    let named = args.mailbox.as_deref();
    let named = named.and_then(|name| name.parse::<MailboxName>().ok());
    let reader = named.as_ref().and_then(MailboxName::address);
    for mut first in vault.select(&selector, args.mailbox.as_deref()).await? {
        // Public folders may be read as somebody else than at the time.
        if let Some(reader) = reader {
            first.about.reader = Some(reader.to_owned());
        }
        let exchange = account.at(&config::server_url(&first.about.server)?)?;
        let done = vault.diff_live(&first, &exchange).await;
        let report = done.map_err(|error| {
            let user = args.account.user.as_deref().unwrap_or_default();
            Failure::from(error).for_user(user)
        })?;
        differences.push(Pair {
            mailbox: first.mailbox,
            first: first.id,
            first_time_unix_ms: first.time_unix_ms,
            second: None,
            second_time_unix_ms: (context.environment.now_unix_ms)(),
            report,
        });
    }
    Ok(differences)
}

/// The snapshots to compare, the older of a single one's pair found by itself.
async fn pairs(vault: &Vault, args: &DiffArgs) -> Result<Vec<(Snapshot, Snapshot)>> {
    let mailbox = args.mailbox.as_deref();
    let chosen = vault
        .select(&args.first.parse::<SnapshotSelector>()?, mailbox)
        .await?;
    if let Some(second) = &args.second {
        let selector: SnapshotSelector = second.parse()?;
        // An id on one side says which mailbox `latest` on the other side means.
        let firsts = match (&selector, chosen.len()) {
            (SnapshotSelector::Id(_), 2..) => {
                let second = only(vault.select(&selector, mailbox).await?)?;
                vault
                    .select(
                        &args.first.parse::<SnapshotSelector>()?,
                        Some(&second.mailbox),
                    )
                    .await?
            }
            _ => chosen,
        };
        let first = only(firsts)?;
        let seconds = match selector {
            SnapshotSelector::Latest => vault.select(&selector, Some(&first.mailbox)).await?,
            _ => vault.select(&selector, mailbox).await?,
        };
        return Ok(vec![(first, only(seconds)?)]);
    }
    let all = vault.snapshots().await?;
    let several = chosen.len() > 1;
    let mut pairs = Vec::new();
    for second in chosen {
        let before = all
            .iter()
            .take_while(|snapshot| snapshot.id != second.id)
            .filter(|snapshot| snapshot.mailbox == second.mailbox)
            .last();
        match before {
            Some(first) => pairs.push((first.clone(), second)),
            // Of several mailboxes, those that were backed up once have no difference to show.
            None if several => {}
            None => {
                let (id, mailbox) = (second.short_id(), &second.mailbox);
                let message = format!("snapshot {id} of {mailbox} is the first: nothing before it");
                return Err(Failure::new(Code::NotFound, message).hint("postkeep snapshots"));
            }
        }
    }
    Ok(pairs)
}

fn only(mut snapshots: Vec<Snapshot>) -> Result<Snapshot> {
    match snapshots.len() {
        1 => Ok(snapshots.remove(0)),
        many => Err(Failure::usage(format!(
            "`latest` means {many} snapshots, one of each mailbox"
        ))
        .hint(format!("--mailbox {}", snapshots[0].mailbox))),
    }
}

fn people(document: &Document, counts_only: bool) -> String {
    if document.differences.is_empty() {
        return "no mailbox has two snapshots to compare\n".to_owned();
    }
    let parts: Vec<String> = document
        .differences
        .iter()
        .map(|p| pair(p, counts_only))
        .collect();
    parts.join("\n")
}

fn pair(pair: &Pair, counts_only: bool) -> String {
    let short = |id: &str| id.get(..10).unwrap_or(id).to_owned();
    let mut text = format!(
        "{}  {} ({}) -> {} ({})\n",
        pair.mailbox,
        short(&pair.first),
        time(pair.first_time_unix_ms),
        pair.second
            .as_deref()
            .map_or_else(|| "live".to_owned(), short),
        time(pair.second_time_unix_ms),
    );
    let report = &pair.report;
    for folder in &report.folders_added {
        text.push_str(&format!("  new folder   {}\n", plain(folder)));
    }
    for folder in &report.folders_removed {
        text.push_str(&format!("  folder gone  {}\n", plain(folder)));
    }
    if !report.folders_not_selected.is_empty() {
        let folders = counted(report.folders_not_selected.len() as u64, "folder");
        text.push_str(&format!(
            "  {folders} that the backup does not cover, left aside\n"
        ));
    }
    if report.items.is_empty() {
        text.push_str("  no item differs\n");
        return text;
    }
    if counts_only {
        return text + &by_folder(report);
    }
    let mut table = Columns::new(&["", "", "ITEM", "FOLDER", "SUBJECT"]);
    for item in &report.items {
        let (mark, word) = match item.difference {
            Difference::Added => ("  +", "new"),
            Difference::Removed => ("  -", "gone"),
            Difference::Changed => ("  ~", "changed"),
            Difference::Flagged => ("  *", "read or unread"),
        };
        table.row([
            mark,
            word,
            short_key(&item.key),
            &cut(&item.folder, 40),
            &cut(&item.subject, 60),
        ]);
    }
    text + &table.to_string()
}

fn by_folder(report: &DiffReport) -> String {
    let headings = ["FOLDER", ">NEW", ">GONE", ">CHANGED", ">READ OR UNREAD"];
    let mut table = Columns::new(&headings);
    for (folder, counts) in &report.folders {
        table.row([
            cut(folder, 60),
            count(counts.added),
            count(counts.removed),
            count(counts.changed),
            count(counts.flagged),
        ]);
    }
    table.to_string()
}
