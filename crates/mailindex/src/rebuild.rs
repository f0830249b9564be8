//! Filling an index again from the repository.

use redb::Durability;

use crate::codec::{encode_folder, encode_item};
use crate::error::{Error, Fault};
use crate::index::{MailIndex, item_row};
use crate::row::Row;
use crate::row_key::RowKey;
use crate::schema::{
    FOLDERS, ITEMS, KEY_REBUILDING, META, clear_contents, is_rebuilding, set_stamp,
};
use crate::staging::Totals;

impl MailIndex {
    /// Replaces all contents by the rows of one snapshot, batch by batch.
    ///
    /// A shorthand for [`rebuild_start`](Self::rebuild_start),
    /// [`rebuild_push`](Self::rebuild_push) for each batch and
    /// [`rebuild_finish`](Self::rebuild_finish).
    ///
    /// # Errors
    ///
    /// As those three.
    pub fn rebuild(
        &self,
        stamp: &str,
        time_unix_ms: i64,
        batches: impl IntoIterator<Item = Vec<(RowKey, Row)>>,
    ) -> Result<(), Error> {
        self.rebuild_start()?;
        for batch in batches {
            self.rebuild_push(&batch)?;
        }
        self.rebuild_finish(stamp, time_unix_ms)
    }

    /// Empties the index, versions, snapshots and staged changes included, durably. It is then as
    /// one that was just created.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn clear(&self) -> Result<(), Error> {
        self.write("empty", Durability::Immediate, clear_contents)
    }

    /// Empties the index, versions, snapshots and staged changes included, durably, and begins a
    /// rebuild.
    ///
    /// Until [`rebuild_finish`](Self::rebuild_finish) the index has no stamp; if the process ends
    /// before, the next [`open`](Self::open) finds it empty. A rebuild under way starts anew.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn rebuild_start(&self) -> Result<(), Error> {
        self.write("empty", Durability::Immediate, |txn| {
            clear_contents(txn)?;
            txn.open_table(META)?
                .insert(KEY_REBUILDING, [].as_slice())?;
            Ok(())
        })
    }

    /// Adds rows to a rebuild, in any order, though ascending keys are fastest; a row given twice
    /// replaces the earlier one.
    ///
    /// One call is one transaction: some thousand rows a call are a good size.
    ///
    /// # Errors
    ///
    /// `Invalid` if no rebuild is under way, for a row of another sort than its key and for a row
    /// larger than [`MAX_ROW_BYTES`](crate::MAX_ROW_BYTES).
    pub fn rebuild_push(&self, rows: &[(RowKey, Row)]) -> Result<(), Error> {
        self.write("fill", Durability::None, |txn| {
            if !is_rebuilding(txn)? {
                return Err(no_rebuild());
            }
            let mut folders = txn.open_table(FOLDERS)?;
            let mut items = txn.open_table(ITEMS)?;
            let mut totals = Totals::new(txn)?;
            let mut bytes = Vec::new();
            for (key, row) in rows {
                bytes.clear();
                match (key, row) {
                    (RowKey::Folder(key), Row::Folder(row)) => {
                        encode_folder(row, &mut bytes)?;
                        folders.insert(&key.0, bytes.as_slice())?;
                    }
                    (RowKey::Item(key), Row::Item(row)) => {
                        encode_item(row, &mut bytes)?;
                        if let Some(old) = items.insert(&key.to_bytes(), bytes.as_slice())? {
                            totals.remove(key.folder, &item_row(key, old.value())?)?;
                        }
                        totals.add(key.folder, row)?;
                    }
                    _ => {
                        return Err(Fault::Invalid(
                            "a row is of another sort than its key".to_owned(),
                        ));
                    }
                }
            }
            totals.flush()
        })
    }

    /// Ends a rebuild: the rows become the published state of the snapshot `stamp`, durably.
    ///
    /// # Errors
    ///
    /// `Invalid` if no rebuild is under way, and for an empty or very long stamp.
    pub fn rebuild_finish(&self, stamp: &str, time_unix_ms: i64) -> Result<(), Error> {
        self.write("finish", Durability::Immediate, |txn| {
            if !is_rebuilding(txn)? {
                return Err(no_rebuild());
            }
            txn.open_table(META)?.remove(KEY_REBUILDING)?;
            set_stamp(txn, stamp, time_unix_ms)?;
            Ok(())
        })
    }
}

fn no_rebuild() -> Fault {
    Fault::Invalid("no rebuild is under way".to_owned())
}
