//! `postkeep search`: finds items in all snapshots.

use std::sync::Arc;

use engine::{
    SearchHit, SearchIndexReport, SearchOptions, SearchResults, Selection, Snapshot,
    SnapshotSelector, Vault,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::args::{SearchArgs, SelectionArgs, SnapshotArgs};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, bytes, count, counted, cut, short_key, time};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

#[derive(Serialize)]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    indexes: Option<Vec<SearchIndexReport>>,
    #[serde(flatten)]
    results: Option<SearchResults>,
}

pub async fn run(context: &Context, args: SearchArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let text = args.query.join(" ");
    let query = vault.parse_query(&text)?;
    let options = SearchOptions {
        mailbox: args.mailbox.clone(),
        snapshot: args.snapshot.as_deref().map(str::parse).transpose()?,
        limit: args.limit,
    };
    let progress = Progress::new("index", context.output, &context.environment);
    let interrupt = Interrupt::watch(progress.clone(), "stopping; Ctrl-C again ends at once");
    let work = async {
        let mut document = Document {
            indexes: None,
            results: None,
        };
        let token = interrupt.token();
        if args.reindex {
            let mailboxes: Vec<String> = args.mailbox.iter().cloned().collect();
            let reports = vault
                .index_for_search(&mailboxes, true, token, progress.clone())
                .await?;
            document.indexes = Some(reports);
        }
        if !args.query.is_empty() {
            let found = vault.search(&query, &options, token, progress.clone());
            document.results = Some(found.await?);
        }
        Ok::<_, engine::Error>(document)
    };
    let done = work.await;
    progress.finish();
    let document =
        done.map_err(|error| Failure::from(error).for_repository(&args.repository.repo))?;
    context.output.result(&document, people)?;
    Ok(Code::Done)
}

/// What a command works on: what a search finds, or chosen parts of chosen snapshots.
pub struct Wanted<'a> {
    pub search: Option<&'a str>,
    pub snapshot: &'a SnapshotArgs,
    pub selection: &'a SelectionArgs,
}

impl Wanted<'_> {
    pub async fn find(
        &self,
        vault: &Vault,
        token: &CancellationToken,
        progress: &Arc<Progress>,
    ) -> Result<Vec<(Snapshot, Selection)>> {
        if let Some(query) = self.search {
            return selections(vault, query, self.snapshot, token, progress).await;
        }
        let snapshots = config::snapshots(vault, self.snapshot).await?;
        let selection = config::selection(self.selection);
        Ok(snapshots
            .into_iter()
            .map(|snapshot| (snapshot, selection.clone()))
            .collect())
    }
}

/// What a search finds as parts of snapshots, for commands that do something with it. The
/// default of `--snapshot` means all snapshots here.
pub async fn selections(
    vault: &Vault,
    query: &str,
    snapshot: &SnapshotArgs,
    token: &CancellationToken,
    progress: &Arc<Progress>,
) -> Result<Vec<(Snapshot, Selection)>> {
    let query = vault.parse_query(query)?;
    let selector = config::selector(snapshot)?;
    let options = SearchOptions {
        mailbox: snapshot.mailbox.clone(),
        snapshot: Some(selector).filter(|selector| *selector != SnapshotSelector::Latest),
        limit: usize::MAX,
    };
    let results = vault
        .search(&query, &options, token, progress.clone())
        .await?;
    let mut selections = Vec::new();
    for (selector, mailbox, selection) in results.selections() {
        let found = vault.select(&selector, Some(&mailbox)).await?;
        selections.extend(
            found
                .into_iter()
                .map(|snapshot| (snapshot, selection.clone())),
        );
    }
    if selections.is_empty() {
        return Err(Failure::new(Code::NotFound, "the search found nothing"));
    }
    Ok(selections)
}

fn people(document: &Document) -> String {
    let mut text = String::new();
    for report in document.indexes.iter().flatten() {
        text.push_str(&format!(
            "{}: indexed {} in {}",
            report.mailbox,
            counted(report.documents, "item"),
            counted(report.snapshots, "snapshot")
        ));
        if report.by_summary_only > 0 {
            let few = counted(report.by_summary_only, "item");
            text.push_str(&format!("; {few} by subject and addresses only"));
        }
        text.push('\n');
    }
    if let Some(results) = &document.results {
        text.push_str(&table(results));
    }
    text
}

fn table(results: &SearchResults) -> String {
    if results.hits.is_empty() {
        return "nothing found\n".to_owned();
    }
    let mut table = Columns::new(&[
        "ITEM", "SNAPSHOT", "MAILBOX", "FOLDER", "DATE", "FROM", "SUBJECT", ">SIZE",
    ]);
    for hit in &results.hits {
        table.row(row(hit));
    }
    let shown = results.hits.len() as u64;
    let more = match results.total {
        Some(total) if total > shown => {
            format!(
                "the newest {} of {}: --limit shows more\n",
                count(shown),
                count(total)
            )
        }
        Some(_) => String::new(),
        None => format!("the newest {}: --limit shows more\n", count(shown)),
    };
    format!("{table}{more}")
}

fn row(hit: &SearchHit) -> [String; 8] {
    let from = match hit.summary.sender.as_str() {
        "" => &hit.summary.sender_address,
        sender => sender,
    };
    [
        short_key(&hit.key).to_owned(),
        hit.snapshot.get(..10).unwrap_or(&hit.snapshot).to_owned(),
        cut(&hit.mailbox, 30),
        cut(&hit.folder, 30),
        hit.date_unix_ms.map(time).unwrap_or_default(),
        cut(from, 24),
        cut(&hit.summary.subject, 50),
        bytes(hit.bytes),
    ]
}
