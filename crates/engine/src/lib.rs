//! Backup and restore of Exchange mailboxes: composes the protocol client, the native stream's
//! reader, the chunk store and the local index.
//!
//! A [`Vault`] is one repository with a folder for caches. [`Vault::backup`] reads mailboxes of an
//! [`Exchange`] server into it, [`Vault::restore`] writes them back, and listing, comparing,
//! exporting and checking need no server at all. The engine prints nothing, reads no environment
//! and starts no runtime: it is called from a Tokio runtime, and what happens is told to a
//! [`Monitor`].
#![warn(missing_docs)]

mod again;
mod backup;
mod blocking;
mod budget;
mod catalog;
mod check;
mod copy;
mod diff;
mod drill;
mod erase;
mod error;
mod export;
mod folders;
/// Doors to the decoders for `fuzz/`; no other build has them.
#[cfg(postkeep_fuzz)]
#[doc(hidden)]
pub mod fuzzing;
mod hold;
mod keys;
mod ledger;
mod list;
mod listen;
mod mailbox_name;
mod monitor;
mod names;
mod notes;
mod origin;
mod path;
mod portable;
mod probe;
mod prune;
mod read;
mod record;
mod repair;
mod report;
mod restore;
mod retention;
mod roster;
mod routes;
mod runs;
mod search;
mod selection;
mod settings;
mod snapshot;
mod source;
mod split;
mod split_mime;
mod state;
mod stats;
mod stop;
mod vault;
mod vault_keys;
mod versions;

pub use backup::{BackupOptions, SettingsReading};
pub use budget::MemoryBudget;
pub use check::{DamagedItem, DamagedObject, PartRead, ReadData, VaultCheck};
pub use copy::{CopiedSnapshot, CopyOptions, CopyReport};
pub use diff::{DiffReport, Difference, FolderDifference, ItemDifference};
pub use drill::{Drill, DrillOptions, DrilledSnapshot, KeptDrill, SignatureState};
pub use erase::{EraseOptions, ErasePlan, EraseReport, LockedObject};
pub use error::{Error, ErrorKind, Result};
pub use export::{ExportFormat, ExportOptions, ExportReport, ending_of, to_file_bytes};
pub use hold::{Held, Hold, HoldOptions, HoldTarget, Release};
pub use list::{FolderEntry, ItemEntry};
pub use listen::{Listening, MAX_LISTENED, News};
pub use mailbox_name::{MailboxName, MailboxPart};
pub use monitor::{Event, Monitor, Silent};
pub use notes::VaultSize;
pub use probe::MailboxLook;
pub use prune::{OpenBackup, PruneOptions, PrunePlan, PruneReport, RenewedLocks};
pub use repair::{
    Donors, IndexRepairReport, PackRepairOptions, PackRepairReport, RebuiltSnapshot, TreeSource,
};
pub use report::{
    BackupReport, FolderRestore, Gap, ItemFailure, MailboxReport, MeetingMoved, MeetingOutcome,
    RestoreReport, Throttling,
};
pub use restore::{RestoreMode, RestoreOptions, UserMap};
pub use retention::{
    Bucket, ItemPlan, ItemReason, MailboxPlan, Period, Policy, Reason, RetentionOptions,
    RetentionPlan, SnapshotPlan, SnapshotTime, Verdict, decide,
};
pub use roster::Roster;
pub use runs::{RestoreRun, RunItem, RunState, UndoOptions, UndoReport};
pub use search::{Query, SearchHit, SearchIndexReport, SearchOptions, SearchResults};
pub use selection::{Age, ByteCount, MailboxSelection, Selection};
pub use settings::{
    Setting, SettingChange, SettingKind, SettingLeftOut, SettingOutcome, SettingRestored,
    SettingVersion, SettingsOptions, SettingsRestoreOptions, SettingsRestoreReport,
};
pub use snapshot::{About, SettingGap, SettingsRead, Snapshot, SnapshotSelector};
pub use source::Exchange;
pub use state::ItemSummary;
pub use stats::{MailboxSpace, SnapshotSpace, SpaceUse, StatsReport};
pub use vault::{CreateOptions, Vault, VaultOptions};
pub use vault_keys::escrow_shares;
pub use versions::{Changed, ItemHistory, ItemVersion};

/// Times with their time zones, as retention and restoring to a point in time take them.
pub use jiff::{Timestamp, Zoned, tz::TimeZone};

// What callers construct, or meet inside errors, so that they need to name no other of our crates.
pub use chunkstore::{
    Argon2Params, CheckPart, Destination, Environment, Error as RepositoryError,
    ErrorKind as RepositoryErrorKind, EscrowPrivateKey, EscrowPublicKey, EscrowShare, KeyFile,
    KeyId, KeyInfo, KeyList, KeyMethod, KeyRole, KeyState, NewKey, NoteId, ObjectLock, ObjectStore,
    Passphrase, RecoveryPhrase, Rotation, Signed, SignerKey, Suite, Unlock, WriterKey, Writers,
    create_destination_from_url, destination_from_url, verify_signature,
};
pub use ews_client::{
    AutodiscoverOptions, Client, ClientOptions, ClientSecret, Credentials, Error as ServerError,
    ErrorKind as ServerErrorKind, Fingerprint, ItemError as ServerItemError, Pace, Proxy,
    SharedThrottle, Sleeper, Stats as ServerStats, ThrottleOptions, ThrottleState, TlsSupport,
    TokioSleeper, Url, Zeroizing, autodiscover,
};
