//! An encrypted full-text index of one mailbox, over all of its snapshots.
//!
//! It knows texts, and rows that say in which folder and from which snapshot to which each was.
//! It does not know where they come from: the caller offers the items of a snapshot one by one,
//! gives the documents of those that are new, and gets its own keys back from a search.
//!
//! - [`IndexWriter`], [`Update`]: building; every flush is durable and a killed writer loses only
//!   what it had in memory.
//! - [`Index`]: searching, while a writer may be at work.
//! - [`Query`]: what to search for; [`Query::parse`] is the language users type.
//!
//! All files are sealed with ChaCha20-Poly1305 under keys derived from the caller's; names and
//! lengths are all that can be read without it. The crate prints nothing, keeps no clock, and
//! takes its randomness from the caller. Errors are one [`Error`] with an [`ErrorKind`].
//!
//! ```
//! use std::sync::Arc;
//! use mailsearch::{Document, Index, IndexWriter, Mark, Offer, Query, Row, Scope};
//!
//! # fn main() -> Result<(), mailsearch::Error> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let (folder, key) = (folder.path(), [7; 32]);
//! # let random = Arc::new(|bytes: &mut [u8]| bytes.fill_with(|| fastrand()));
//! # fn fastrand() -> u8 { std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos() as u8 }
//! let (writer, _opened) = IndexWriter::open(folder, &key, random)?;
//! let mut update = writer.update()?;
//! let row = Row { key: [1; 24], content: [1; 10], folder: "Inbox".into(), is_read: None };
//! if update.offer(&row)? == Offer::Wanted {
//!     let document = Document { subject: "Lunch?".into(), ..Document::default() };
//!     update.add(&row, &document)?;
//! }
//! update.end_snapshot(Mark { id: "monday".into(), time_unix_ms: 0 })?;
//! update.finish()?;
//!
//! let index = Index::open(folder, &key)?;
//! let found = index.search(&Query::parse("subject:lunch", 0)?, &Scope::All, 10)?;
//! assert_eq!(found.hits[0].key, [1; 24]);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod builder;
mod codec;
mod columns;
mod document;
mod error;
/// Doors to the decoders for `fuzz/`; no other build has them.
#[cfg(postkeep_fuzz)]
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod manifest;
mod merge;
mod parse;
mod query;
mod seal;
mod segment;
mod tokens;
mod writer;

pub use document::{ContentKey, Document, Kind, Mark, Row, RowKey};
pub use error::{Error, ErrorKind};
pub use index::{Found, Hit, Index, IndexStats, Scope};
pub use query::{Clause, Condition, Field, Query};
pub use tokens::{MAX_WORD_CHARS, word_list, words};
pub use writer::{IndexWriter, Offer, Opened, Random, Update, UpdateStats, remove_index};
