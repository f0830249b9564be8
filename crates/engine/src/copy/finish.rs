//! What a copy leaves behind: snapshots, failures by name, commits, notes.

use chunkstore::{Entry, NewSnapshot, SnapshotId};
use futures::{StreamExt, TryStreamExt, stream};

use super::known::Unfinished;
use super::wanted::Wanted;
use super::{Copy, ITEMS_AT_ONCE, TOPICS, Tree};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::TreeKey;
use crate::ledger::Kind;
use crate::monitor::Event;
use crate::report::ItemFailure;
use crate::state::item_state;

impl Copy<'_> {
    /// Puts a copied tree into the session: as the snapshot it is, or as an unfinished one.
    pub(super) async fn keep(&mut self, wanted: &Wanted, tree: Tree) -> Result<()> {
        let failures = tree.failures.len() as u64;
        let whole = !tree.cut_short && (failures == 0 || !wanted.is_state);
        self.name_failures(wanted, &tree.failures).await;
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        let mut snapshot = NewSnapshot {
            name: wanted.info.name.clone(),
            time_unix_ms: wanted.info.time_unix_ms,
            partial: wanted.info.partial,
            root: tree.root.clone(),
            value: wanted.info.value.clone(),
        };
        let unfinished = self.known.unfinished(wanted);
        if whole {
            let ids = unfinished
                .iter()
                .map(|unfinished| unfinished.id.to_string());
            round.superseded.extend(ids);
            let added = round.session.add_snapshot_as(wanted.info.id, snapshot);
            added.doing(|| "add the snapshot".into())?;
            let source = wanted.info.root.clone();
            self.known.add(wanted, source, tree.root);
            return Ok(());
        }
        let told = unfinished
            .last()
            .is_some_and(|last| last.failures == failures);
        if told && !tree.changed {
            return Ok(());
        }
        let ids = unfinished
            .iter()
            .map(|unfinished| unfinished.id.to_string());
        round.superseded.extend(ids);
        let mut about = wanted.about();
        about.failures += failures;
        about.copy_of = Some(wanted.info.id.to_string());
        snapshot.partial = true;
        snapshot.value = serde_json::to_vec(&about).map_err(|error| {
            let message = "write the snapshot's description";
            Error::with_source(ErrorKind::Internal, message, error)
        })?;
        let added = round.session.add_snapshot(snapshot);
        let id: SnapshotId = added.doing(|| "add the snapshot".into())?;
        let unfinished = Unfinished {
            id,
            root: tree.root,
            failures,
        };
        self.known.add_unfinished(wanted, unfinished);
        Ok(())
    }

    async fn name_failures(&mut self, wanted: &Wanted, failures: &[(Entry, String)]) {
        if failures.is_empty() {
            return;
        }
        let folders = self.from.all_folders(&wanted.snapshot()).await;
        let folders = folders.unwrap_or_default();
        for (entry, reason) in failures {
            let folder = match TreeKey::from_bytes(&entry.key) {
                Ok(TreeKey::Item(key)) => folders.iter().find(|folder| folder.key == key.folder),
                _ => None,
            };
            let summary = self.from.summary(entry).await.unwrap_or_default();
            let failure = ItemFailure {
                mailbox: wanted.mailbox.clone(),
                folder: folder.map(|folder| folder.title()).unwrap_or_default(),
                subject: summary.subject,
                item_id: item_state(entry).map_or(String::new(), |state| state.item_id),
                reason: reason.clone(),
            };
            self.monitor.event(Event::ItemFailed { failure: &failure });
            if !self.report.failures.contains(&failure) {
                self.report.failures.push(failure);
            }
        }
    }

    /// Commits what was copied so far, and reads it back if that is asked for.
    pub(super) async fn seal(&mut self) -> Result<()> {
        let Some(round) = self.round.take() else {
            return Ok(());
        };
        let committed = round.session.commit().await;
        let committed = committed.doing(|| "commit the copy".into())?;
        self.report.bytes_stored += committed.stats.stored_bytes;
        self.to.forget_ids(&round.superseded).await?;
        self.forget_released().await?;
        if self.options.verify {
            let to = self.to;
            let mut reads = stream::iter(round.copied)
                .map(|content| async move {
                    let mut pieces = to.read(&content);
                    while pieces.try_next().await?.is_some() {}
                    Ok::<_, chunkstore::Error>(())
                })
                .buffer_unordered(ITEMS_AT_ONCE);
            while let Some(read) = reads.next().await {
                read.doing(|| "read a copied item back".into())?;
                self.report.items_verified += 1;
            }
        }
        Ok(())
    }

    /// Holds whose release was copied protect nothing any more.
    async fn forget_released(&self) -> Result<()> {
        let releases = self.to.records().await?.into_iter();
        let ends = releases
            .filter(|(kind, _)| *kind == Kind::Release)
            .filter_map(|(_, info)| {
                let value: serde_json::Value = serde_json::from_slice(&info.value).ok()?;
                Some(value["ends"]["hold"].as_str()?.to_owned())
            });
        self.to.forget_ids(&ends.collect::<Vec<_>>()).await
    }

    /// Reports of runs, under the names they have.
    pub(super) async fn notes(&mut self) -> Result<()> {
        for topic in TOPICS {
            let there = self.to.notes(topic).await?;
            for note in self.from.notes(topic).await? {
                if there.contains(&note) {
                    continue;
                }
                self.report.reports += 1;
                if self.options.dry_run {
                    continue;
                }
                // A damaged report costs nothing but itself: `check` names it.
                if let Ok(body) = self.from.read_note(&note).await {
                    let added = self.to.repository.add_note_as(&note, &body).await;
                    added.doing(|| "copy a report".into())?;
                } else {
                    self.report.reports -= 1;
                }
            }
        }
        Ok(())
    }
}
