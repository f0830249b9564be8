//! Backup and restore of Exchange mailboxes: composes the protocol client, the native stream's
//! reader, the chunk store and the local index.
//!
//! A [`Vault`] is one repository with a folder for caches. [`Vault::backup`] reads mailboxes of an
//! [`Exchange`] server into it, [`Vault::restore`] writes them back, and listing, comparing,
//! exporting and checking need no server at all. The engine prints nothing, reads no environment
//! and starts no runtime: it is called from a Tokio runtime, and what happens is told to a
//! [`Monitor`].
#![warn(missing_docs)]

mod backup;
mod blocking;
mod catalog;
mod error;
mod folders;
mod keys;
mod monitor;
mod read;
mod record;
mod report;
mod selection;
mod snapshot;
mod source;
mod split;
mod state;
mod stop;
mod vault;

pub use backup::BackupOptions;
pub use error::{Error, ErrorKind, Result};
pub use monitor::{Event, Monitor, Silent};
pub use report::{BackupReport, FolderRestore, Gap, ItemFailure, MailboxReport, RestoreReport};
pub use selection::Selection;
pub use snapshot::{About, Snapshot, SnapshotSelector};
pub use source::Exchange;
pub use state::ItemSummary;
pub use vault::{CreateOptions, Vault, VaultOptions};
