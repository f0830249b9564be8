//! Brings a mailbox's local index to the state of its newest snapshot.

use chunkstore::{Entry, TreeReader};
use futures::TryStreamExt;
use mailindex::{Identity, ItemKey, Opened, Row, RowKey};

use crate::blocking::IndexHandle;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::{INDEXED_RANGE, TreeKey};
use crate::monitor::{Event, Monitor};
use crate::snapshot::Snapshot;
use crate::state::{ItemSummary, folder_row, item_row};
use crate::vault::Vault;

/// Rows given to the index at once when it is rebuilt.
const REBUILD_ROWS: usize = 2_000;

impl Vault {
    /// Opens a mailbox's index, and rebuilds it from the repository where it is missing, damaged,
    /// foreign or out of date. An index is a cache: whatever is wrong with one costs time only.
    pub(crate) async fn index(
        &self,
        mailbox: &str,
        newest: Option<&Snapshot>,
        monitor: &dyn Monitor,
    ) -> Result<IndexHandle> {
        let identity = Identity {
            repository: self.repository.id().to_bytes(),
            mailbox: mailbox.to_owned(),
        };
        let (index, opened) = IndexHandle::open(self.index_path(mailbox), identity).await?;
        if let Opened::Replaced { reason } = &opened {
            monitor.event(Event::IndexRebuilt { mailbox, reason });
        }
        let stamp = index.run(|index| index.stamp()).await?;
        match (newest, stamp) {
            (Some(newest), Some(stamp)) if newest.id == stamp => {}
            (Some(newest), stamp) => {
                if stamp.is_some() {
                    let reason = "it is older than the newest snapshot";
                    monitor.event(Event::IndexRebuilt { mailbox, reason });
                } else if matches!(opened, Opened::Created | Opened::Existing) {
                    monitor.event(Event::IndexRebuilt {
                        mailbox,
                        reason: "it was not there",
                    });
                }
                self.rebuild_index(&index, newest).await?;
            }
            (None, Some(_)) => {
                let reason = "the repository holds no snapshot of the mailbox";
                monitor.event(Event::IndexRebuilt { mailbox, reason });
                index.run(|index| index.clear()).await?;
            }
            (None, None) => {}
        }
        Ok(index)
    }

    /// Makes an index anew from a snapshot: its tree and the items' summaries, no bodies.
    async fn rebuild_index(&self, index: &IndexHandle, snapshot: &Snapshot) -> Result<()> {
        index.run(|index| index.rebuild_start()).await?;
        let tree = TreeReader::new(self.source(), snapshot.root.clone());
        let (from, to) = INDEXED_RANGE;
        let mut entries = tree.range(&[from], Some(&[to]));
        let mut rows = Vec::with_capacity(REBUILD_ROWS);
        while let Some(entry) = entries
            .try_next()
            .await
            .doing(|| format!("read snapshot {}", snapshot.short_id()))?
        {
            rows.push(self.row_of(&entry).await?);
            if rows.len() == REBUILD_ROWS {
                let full = std::mem::replace(&mut rows, Vec::with_capacity(REBUILD_ROWS));
                index.run(move |index| index.rebuild_push(&full)).await?;
            }
        }
        let (stamp, time) = (snapshot.id.clone(), snapshot.time_unix_ms);
        index
            .run(move |index| {
                index.rebuild_push(&rows)?;
                index.rebuild_finish(&stamp, time)
            })
            .await
    }

    async fn row_of(&self, entry: &Entry) -> Result<(RowKey, Row)> {
        Ok(match TreeKey::from_bytes(&entry.key)? {
            TreeKey::Folder(key) => (RowKey::Folder(key), Row::Folder(folder_row(entry)?)),
            TreeKey::Item(key) => {
                let row = item_row(entry, &self.summary(entry).await?)?;
                (RowKey::Item(key), Row::Item(row))
            }
            TreeKey::Setting(..) | TreeKey::Unknown => {
                let message = "an entry that is no folder or item stands among them";
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        })
    }

    /// The summary of an item of a snapshot. One that cannot be read does not stop anything: the
    /// item itself may be whole.
    pub(crate) async fn summary(&self, entry: &Entry) -> Result<ItemSummary> {
        let Some(content) = entry.contents.get(1) else {
            return Ok(ItemSummary::default());
        };
        let bytes = self.read_small(content).await?;
        ItemSummary::from_bytes(&bytes)
    }
}

/// The key that listings show for an item: enough of its hash to be unique in a mailbox.
pub(crate) fn shown_key(key: &ItemKey) -> String {
    key.item.iter().map(|byte| format!("{byte:02x}")).collect()
}
