//! A set's policy, applied to a destination.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{
    Error, ErrorKind, MailboxName, MailboxPart, PruneOptions, Result, RetentionOptions, Vault,
};
use jiff::Timestamp;

use super::{Task, of_last_runs};
use crate::report::{DestinationReport, RetentionLine};

impl Task<'_> {
    /// Forgets what the policy does not keep and, if the set wants it, gives the space back.
    pub(super) async fn retain(&self, vault: &Vault, report: &mut DestinationReport) -> Result<()> {
        let Some(retention) = &self.set.retention else {
            let message = format!("the set {} has no [retention]", self.set_name);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let mut line = RetentionLine::default();
        if let Some(mailboxes) = self.covered(vault, &report.name).await? {
            let zone = self.runner.config.zone_of(self.set, &self.runner.zone);
            let now = (self.runner.environment.now_unix_ms)();
            let now = Timestamp::from_millisecond(now)
                .map_err(|error| Error::new(ErrorKind::Invalid, format!("the clock: {error}")))?;
            let plan = vault
                .retention_apply(&RetentionOptions {
                    policy: retention.policy.clone(),
                    mailboxes,
                    now: now.to_zoned(zone),
                    list_items: false,
                })
                .await?;
            line.holds = plan.holds.len() as u64;
            for mailbox in &plan.mailboxes {
                let goes = mailbox.snapshots.iter().filter(|s| s.kept_by.is_empty());
                let goes = goes.count() as u64;
                line.snapshots_forgotten += goes;
                line.snapshots_kept += mailbox.snapshots.len() as u64 - goes;
                line.item_versions_kept += mailbox.item_versions_kept.unwrap_or(0);
            }
        }
        // What was forgotten is told, whatever becomes of the space.
        report.retention = Some(line.clone());
        if retention.prune {
            let options = PruneOptions::default();
            let prune = vault.prune(&options, Arc::clone(&self.monitor));
            tokio::select! {
                pruned = prune => {
                    let pruned = pruned?;
                    line.deleted_bytes = pruned.deleted_bytes;
                    line.undeletable = pruned.undeletable;
                    line.prune_waits = !pruned.finished;
                }
                () = self.cancel.cancelled() => line.stopped = true,
            }
        }
        report.retention = Some(line);
        Ok(())
    }

    /// The mailboxes of a destination that the set is about: empty for all of the destination, `None` for none.
    pub(super) async fn covered(
        &self,
        vault: &Vault,
        destination: &str,
    ) -> Result<Option<Vec<String>>> {
        let mut sets = self.runner.config.sets.values();
        if sets.all(|set| {
            std::ptr::eq(set, self.set) || !set.destinations.iter().any(|name| name == destination)
        }) {
            return Ok(Some(Vec::new()));
        }
        let mut owners: BTreeSet<String> = self.mailboxes.iter().filter_map(|m| owner(m)).collect();
        if self.set.asks_server() {
            let known = of_last_runs(&self.set_name, vault).await?;
            owners.extend(known.iter().filter_map(|mailbox| owner(mailbox)));
        } else if self.mailboxes.is_empty() {
            owners.extend(owner(&self.set.user));
        }
        let snapshots = vault.snapshots().await?;
        let names: BTreeSet<String> = snapshots
            .into_iter()
            .map(|snapshot| snapshot.mailbox)
            .filter(|name| owner(name).is_some_and(|owner| owners.contains(&owner)))
            .collect();
        Ok((!names.is_empty()).then(|| names.into_iter().collect()))
    }
}

/// Whose mailbox it is, whichever part of it.
fn owner(mailbox: &str) -> Option<String> {
    let name: MailboxName = mailbox.parse().ok()?;
    Some(name.other(MailboxPart::Primary).stored())
}
