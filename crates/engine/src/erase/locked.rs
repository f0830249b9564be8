//! Deleted objects that locks at the destination keep for a time.
//!
//! Deleting there only hides. What is hidden when somebody's mail is erased may hold some of it, also
//! what earlier prunes deleted; the note of the erasure names it, so that a later call finds it when
//! the locks are over.

use std::collections::HashSet;

use chunkstore::ObjectLock;
use serde::Deserialize;

use super::{Concerned, EraseOptions, ErasePlan, EraseReport, LockedObject, TOPIC};
use crate::error::{Doing, ErrorKind, Result};
use crate::vault::Vault;

/// What an erasure's note says of them.
#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    kept: Vec<String>,
    #[serde(default)]
    kept_unknown: bool,
}

/// What earlier erasures deleted and locks kept.
#[derive(Default)]
pub(super) struct KeptBefore {
    pub(super) names: HashSet<String>,
    /// Whether there may be more that nobody can look at.
    pub(super) is_unknown: bool,
}

impl Vault {
    /// Leaves a note, before anything is hidden, that locks may keep something from now on. An
    /// erasure that is interrupted leaves nothing else that tells what it has hidden.
    pub(super) async fn announce_hiding(
        &self,
        options: &EraseOptions,
        plan: &ErasePlan,
    ) -> Result<()> {
        if self.object_lock.is_none() {
            return Ok(());
        }
        let begun = EraseReport {
            plan: plan.clone(),
            kept_unknown: true,
            ..EraseReport::default()
        };
        self.write_erasure(options, &begun).await.map(drop)
    }

    /// What earlier erasures deleted and locks kept, and is there still.
    pub(super) async fn kept_before(&self) -> Result<KeptBefore> {
        let Some(lock) = &self.object_lock else {
            return Ok(KeptBefore::default());
        };
        let mut before = KeptBefore::default();
        for note in self.notes(TOPIC).await? {
            let body = self.read_note(&note).await?;
            if let Ok(erasure) = serde_json::from_slice::<Kept>(&body) {
                before.names.extend(erasure.kept);
                // The erasure after one that did not know has looked at all that is hidden.
                before.is_unknown = erasure.kept_unknown;
            }
        }
        if before.names.is_empty() && !before.is_unknown {
            return Ok(before);
        }
        let hidden = match self.repository.hidden(lock).await {
            // Nobody can tell: what is named counts as there.
            Err(error) if error.kind() == chunkstore::ErrorKind::Denied => return Ok(before),
            hidden => hidden.doing(|| "look for what locks keep".into())?,
        };
        let names = match before.is_unknown {
            true => hidden,
            false => before.names.intersection(&hidden).cloned().collect(),
        };
        Ok(KeptBefore {
            names,
            is_unknown: false,
        })
    }

    /// Deletes for good what was deleted, as far as locks let it go.
    pub(super) async fn delete_kept(
        &self,
        concerned: &Concerned,
        report: &mut EraseReport,
    ) -> Result<()> {
        let Some(lock) = &self.object_lock else {
            return Ok(());
        };
        // Where mail was erased just now, everything that is hidden may hold some of it.
        let plan = &concerned.plan;
        let is_named = plan.has_nothing_stored() && !plan.kept_unknown;
        let among = is_named.then_some(&concerned.kept_before);
        let done = self.repository.delete_hidden(lock, among).await;
        let done = match done.doing(|| "delete what locks kept".into()) {
            Err(error) if error.kind() == ErrorKind::Denied => {
                report.kept_unknown = true;
                report.locked_until_unix_ms = Some(ObjectLock::latest_end_unix_ms(lock));
                return Ok(());
            }
            done => done?,
        };
        report.locked_until_unix_ms = done.kept.iter().filter_map(|one| one.until_unix_ms).max();
        let kept = done.kept.into_iter().map(|one| LockedObject {
            name: one.name,
            until_unix_ms: one.until_unix_ms,
        });
        report.kept = kept.collect();
        Ok(())
    }
}
