//! A local index of one mailbox: one [redb](https://docs.rs/redb) file that remembers what the
//! newest snapshot holds.
//!
//! The index answers "what do I have already" without asking the repository: folders with their
//! synchronisation states, items with change keys and searchable headers, earlier versions of
//! items, and the snapshots they belong to. It is a cache. Whatever is wrong with its file, it is
//! replaced by an empty one and filled again from the repository.
//!
//! It is not a store of mail, it knows neither Exchange nor the repository, and it is synchronous:
//! an async caller moves each call to a thread that may block.
//!
//! A run opens the index, compares [`MailIndex::stamp`] with the newest snapshot it finds in the
//! repository and [rebuilds](MailIndex::rebuild) where they differ. It [stages](MailIndex::stage)
//! what changed, reads the net changes back [in key order](MailIndex::staged) to write the next
//! snapshot, and, once that is committed, [publishes](MailIndex::publish) them under the new
//! snapshot's id. A crash before publication loses only staged changes.
//!
//! ```
//! use mailindex::{Change, FolderKey, FolderRow, Identity, ItemKey, ItemRow, MailIndex, Opened};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder_on_disk = tempfile::tempdir()?;
//! # let path = folder_on_disk.path().join("alice.redb");
//! let identity = Identity { repository: [1; 16], mailbox: "alice@example.test".into() };
//! let (index, opened) = MailIndex::open(&path, &identity)?;
//! assert_eq!(opened, Opened::Created);
//!
//! let inbox = FolderKey([1; 8]);
//! let mail = ItemKey { folder: inbox, item: [2; 16] };
//! index.stage(&[
//!     Change::PutFolder(inbox, FolderRow { display_name: "Inbox".into(), ..FolderRow::default() }),
//!     Change::PutItem(mail, ItemRow { subject: "Hello".into(), ..ItemRow::default() }),
//! ])?;
//! index.publish("snapshot-1", 1_700_000_000_000)?;
//! assert_eq!(index.stamp()?.as_deref(), Some("snapshot-1"));
//! assert_eq!(index.item(&mail)?.map(|row| row.subject).as_deref(), Some("Hello"));
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! Every operation may return the kinds `Denied`, `NoSpace`, `Unavailable` and `Corrupt` of
//! [`ErrorKind`]; where an operation has others, its page says so. After `Unavailable` the handle
//! is spent: drop it and open the file again.
#![warn(missing_docs)]

mod codec;
mod error;
/// Doors to the decoders for `fuzz/`; no other build has them.
#[cfg(postkeep_fuzz)]
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod index_file;
mod open;
mod rebuild;
mod row;
mod row_key;
mod schema;
mod search;
mod staging;

pub use codec::MAX_ROW_BYTES;
pub use error::{Error, ErrorKind};
pub use index::{MAX_PAGE_BYTES, MAX_PAGE_ROWS, MailIndex};
pub use open::{Identity, Opened};
pub use row::{
    Change, Counts, FolderRow, ItemRow, ItemVersion, PublishStats, Row, SnapshotRecord,
    StagedChange,
};
pub use row_key::{FolderKey, ItemKey, RowKey};
pub use search::Query;
