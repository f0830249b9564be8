//! Holds what was read until it can be written to the local index.
//!
//! An item's reference is known only when its segment closes, and a folder's new sync state may
//! be written only together with the items it covers. So pages wait here, in order, until all
//! their segments are closed; when too many wait, the segments are closed early.

use std::collections::VecDeque;

use mailindex::{Change, FolderKey, FolderRow};
use tokio::sync::Mutex;

use super::fetch::PendingRow;
use super::mailbox::Mailbox;
use crate::error::{Doing, Result};

/// Items that may wait for their segments. At some 500 bytes a row this is 2 MB a mailbox.
const MAX_WAITING: usize = 4096;

/// One page of a folder: what changed, and the folder's row as it is after that.
pub(super) struct SettledPage {
    pub(super) changes: Vec<Change>,
    pub(super) rows: Vec<PendingRow>,
    pub(super) folder: Option<(FolderKey, FolderRow)>,
}

/// The pages that wait.
#[derive(Default)]
pub(super) struct Settling(Mutex<VecDeque<SettledPage>>);

impl Mailbox {
    /// Takes a page; writes all pages that are ready, in order.
    pub(super) async fn settle(&self, page: SettledPage) -> Result<()> {
        let mut pages = self.settling.0.lock().await;
        pages.push_back(page);
        let waiting: usize = pages.iter().map(|page| page.rows.len()).sum();
        if waiting > MAX_WAITING {
            self.flush().await?;
        }
        self.stage_ready(&mut pages).await
    }

    /// Closes all segments and writes every page.
    pub(super) async fn settle_all(&self) -> Result<()> {
        let mut pages = self.settling.0.lock().await;
        self.flush().await?;
        self.stage_ready(&mut pages).await
    }

    async fn flush(&self) -> Result<()> {
        self.skeletons
            .flush_all()
            .await
            .doing(|| "store items".into())?;
        self.summaries
            .flush_all()
            .await
            .doing(|| "store summaries".into())
    }

    async fn stage_ready(&self, pages: &mut VecDeque<SettledPage>) -> Result<()> {
        let mut changes = Vec::new();
        while pages
            .front()
            .is_some_and(|page| page.rows.iter().all(PendingRow::is_settled))
        {
            let Some(page) = pages.pop_front() else { break };
            changes.extend(page.changes);
            changes.extend(
                page.rows
                    .into_iter()
                    .filter_map(PendingRow::settle)
                    .map(|(key, row)| Change::PutItem(key, row)),
            );
            changes.extend(page.folder.map(|(key, row)| Change::PutFolder(key, row)));
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.index.run(move |index| index.stage(&changes)).await
    }
}
