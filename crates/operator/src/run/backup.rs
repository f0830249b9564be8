//! A set's backup to one destination.

use std::sync::Arc;

use engine::{BackupOptions, BackupReport, Result, Roster, SnapshotSelector, Vault};

use super::{Task, roster_of};
use crate::plan::Work;
use crate::report::{DestinationReport, FolderLine, Traffic};

/// Items whose folders a report lists at most: beyond, listing them costs more than it tells.
const MAX_ITEMS_LISTED: u64 = 200_000;

impl Task<'_> {
    pub(super) async fn back_up(
        &self,
        vault: &Vault,
        work: Work,
        report: &mut DestinationReport,
    ) -> Result<()> {
        let connections = &self.runner.connections;
        let exchange = connections.exchange(&self.set_name, self.set).await?;
        let limits = &self.set.limits;
        let only_changed = work == Work::Changes;
        let roster = match self.set.asks_server() && !only_changed {
            true => roster_of(self.set, &exchange).await?,
            false => Some(Roster {
                mailboxes: self.mailboxes.clone(),
                ..Roster::default()
            }),
        };
        let Some(roster) = roster else {
            report.backup = Some(BackupReport::default());
            return Ok(());
        };
        let options = BackupOptions {
            mailboxes: roster.mailboxes,
            known_gaps: roster.gaps,
            archives: self.set.archives,
            recoverable: self.set.recoverable,
            settings: self.set.settings,
            selection: self.set.select.selection(),
            mailboxes_at_once: usize::from(limits.mailboxes_at_once),
            requests_per_mailbox: usize::from(limits.requests),
            memory: self.runner.memory.clone(),
            seal_after: limits.seal_after.0,
            only_changed,
            ..BackupOptions::default()
        };
        // A connection that is kept has done other work before.
        let before = exchange.client().stats();
        let done = vault
            .backup(&exchange, &options, self.cancel, Arc::clone(&self.monitor))
            .await;
        let stats = exchange.client().stats();
        report.traffic = Traffic {
            requests: stats.requests - before.requests,
            retries: stats.retries - before.retries,
            waits: stats.waits - before.waits,
            waited_ms: u64::try_from((stats.waited - before.waited).as_millis())
                .unwrap_or(u64::MAX),
            bytes_in: stats.bytes_in - before.bytes_in,
        };
        let backup = done?;
        // A listing that fails takes nothing from the backup.
        report.folders = folders(vault, &backup).await.unwrap_or_default();
        report.backup = Some(backup);
        Ok(())
    }
}

/// The folders of the mailboxes in which something changed.
async fn folders(vault: &Vault, backup: &engine::BackupReport) -> Result<Vec<FolderLine>> {
    let mut lines = Vec::new();
    let mut left = MAX_ITEMS_LISTED;
    for mailbox in &backup.mailboxes {
        let changed = mailbox.items_downloaded + mailbox.items_deleted + mailbox.items_flagged;
        let Some(id) = mailbox.snapshot.clone().filter(|_| changed > 0) else {
            continue;
        };
        if mailbox.items > left {
            continue;
        }
        left -= mailbox.items;
        let chosen = SnapshotSelector::Id(id);
        for snapshot in vault.select(&chosen, Some(&mailbox.mailbox)).await? {
            for folder in vault.folders(&snapshot).await? {
                lines.push(FolderLine {
                    mailbox: mailbox.mailbox.clone(),
                    path: folder.path,
                    items: folder.items,
                    bytes: folder.bytes,
                });
            }
        }
    }
    Ok(lines)
}
