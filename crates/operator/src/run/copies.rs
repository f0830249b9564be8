//! Destinations that are brought up to date from another one.

use std::sync::Arc;

use engine::{CopyOptions, Result, Vault};

use super::Task;
use crate::report::{CopyLine, DestinationReport};

/// A destination that was just backed up to.
#[derive(Clone)]
pub(super) struct Source {
    name: String,
    vault: Vault,
    /// The mailboxes that it has now.
    mailboxes: Vec<String>,
}

impl Source {
    /// The source that a destination is after a backup; `None` if it got nothing.
    pub(super) fn of(vault: &Vault, report: &DestinationReport) -> Option<Self> {
        let backup = report.backup.as_ref().filter(|_| report.error.is_none())?;
        let has = backup.mailboxes.iter().filter(|line| line.error.is_none());
        let mailboxes: Vec<String> = has.map(|line| line.mailbox.clone()).collect();
        // No name would mean all mailboxes, of other sets as well.
        (!mailboxes.is_empty()).then(|| Self {
            name: report.name.clone(),
            vault: vault.clone(),
            mailboxes,
        })
    }
}

impl Task<'_> {
    /// Brings a destination up to date from the source, without the server.
    pub(super) async fn copy(&self, vault: &Vault, report: &mut DestinationReport) -> Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let options = CopyOptions {
            mailboxes: source.mailboxes.clone(),
            ..CopyOptions::default()
        };
        let monitor = Arc::clone(&self.monitor);
        let copied = source
            .vault
            .copy_to(vault, &options, self.cancel, monitor)
            .await?;
        report.copy = Some(CopyLine {
            from: source.name.clone(),
            snapshots: copied.snapshots.len() as u64,
            items: copied.items,
            bytes: copied.bytes,
            bytes_stored: copied.bytes_stored,
            failures: copied.failures,
            interrupted: copied.interrupted,
        });
        Ok(())
    }
}
