//! Tables of the file, and the format number that stands for all of it.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::codec::{decode_snapshot, encode_snapshot};
use crate::error::Fault;
use crate::row::SnapshotRecord;

/// Changes with every incompatible change of tables, keys or rows. An index with another number is
/// replaced and rebuilt: it is a cache, so there is nothing to upgrade.
pub(crate) const FORMAT: u32 = 1;

/// Longest snapshot id and mailbox name in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 4096;

/// Single values by name; the names are the `KEY_` constants.
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Published folder rows by folder key.
pub(crate) const FOLDERS: TableDefinition<&[u8; 8], &[u8]> = TableDefinition::new("folders");
/// Published item rows by item key.
pub(crate) const ITEMS: TableDefinition<&[u8; 24], &[u8]> = TableDefinition::new("items");
/// Number of items and sum of their sizes by folder key; folders without items are absent.
pub(crate) const TOTALS: TableDefinition<&[u8; 8], (u64, u64)> = TableDefinition::new("totals");
/// Changes of the next snapshot by folder or item key: one byte [`STAGED_PUT`] and the row, or
/// one byte [`STAGED_DELETE`].
pub(crate) const STAGED: TableDefinition<&[u8], &[u8]> = TableDefinition::new("staged");
/// Earlier item rows by item key and the big-endian sequence number of the snapshot they are no
/// longer in.
pub(crate) const VERSIONS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("versions");
/// Snapshot records by sequence number, ascending as they were published.
pub(crate) const SNAPSHOTS: TableDefinition<u64, &[u8]> = TableDefinition::new("snapshots");

/// The format number, four bytes little-endian.
pub(crate) const KEY_FORMAT: &str = "format";
/// Repository id and mailbox name, one behind the other.
pub(crate) const KEY_IDENTITY: &str = "identity";
/// The published snapshot's id.
pub(crate) const KEY_STAMP: &str = "stamp";
/// Present while a rebuild is under way.
pub(crate) const KEY_REBUILDING: &str = "rebuilding";

pub(crate) const STAGED_PUT: u8 = 1;
pub(crate) const STAGED_DELETE: u8 = 0;

/// Creates the tables that do not exist, so that readers find every table.
pub(crate) fn create_tables(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.open_table(META)?;
    txn.open_table(FOLDERS)?;
    txn.open_table(ITEMS)?;
    txn.open_table(TOTALS)?;
    txn.open_table(STAGED)?;
    txn.open_table(VERSIONS)?;
    txn.open_table(SNAPSHOTS)?;
    Ok(())
}

/// Empties everything but the identity.
pub(crate) fn clear_contents(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.delete_table(FOLDERS)?;
    txn.delete_table(ITEMS)?;
    txn.delete_table(TOTALS)?;
    txn.delete_table(STAGED)?;
    txn.delete_table(VERSIONS)?;
    txn.delete_table(SNAPSHOTS)?;
    {
        let mut meta = txn.open_table(META)?;
        meta.remove(KEY_STAMP)?;
        meta.remove(KEY_REBUILDING)?;
    }
    create_tables(txn)
}

/// Forgets the staged changes.
pub(crate) fn clear_staged(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.delete_table(STAGED)?;
    txn.open_table(STAGED)?;
    Ok(())
}

/// Whether a rebuild is under way.
pub(crate) fn is_rebuilding(txn: &WriteTransaction) -> Result<bool, Fault> {
    Ok(txn.open_table(META)?.get(KEY_REBUILDING)?.is_some())
}

/// Makes `stamp` the published snapshot and returns its sequence number; the same stamp published
/// again keeps the number it has.
pub(crate) fn set_stamp(
    txn: &WriteTransaction,
    stamp: &str,
    time_unix_ms: i64,
) -> Result<u64, Fault> {
    if stamp.is_empty() || stamp.len() > MAX_NAME_BYTES {
        return Err(Fault::Invalid(format!(
            "a stamp has 1 to {MAX_NAME_BYTES} bytes, not {}",
            stamp.len()
        )));
    }
    let mut snapshots = txn.open_table(SNAPSHOTS)?;
    let newest = match snapshots.last()? {
        None => None,
        Some((sequence, record)) => Some((
            sequence.value(),
            stored_snapshot(sequence.value(), record.value())?,
        )),
    };
    let sequence = match newest {
        Some((sequence, record)) if record.stamp == stamp => sequence,
        Some((sequence, _)) => sequence.saturating_add(1),
        None => 1,
    };
    let record = SnapshotRecord {
        stamp: stamp.to_owned(),
        time_unix_ms,
    };
    snapshots.insert(sequence, encode_snapshot(&record).as_slice())?;
    txn.open_table(META)?.insert(KEY_STAMP, stamp.as_bytes())?;
    Ok(sequence)
}

/// Reads a record of the snapshots table.
pub(crate) fn stored_snapshot(sequence: u64, bytes: &[u8]) -> Result<SnapshotRecord, Fault> {
    decode_snapshot(bytes).map_err(|reason| Fault::Row {
        what: "snapshot record",
        key: sequence.to_string(),
        reason,
    })
}
