//! An encrypted, deduplicating store for many small and some huge items, on any object store.
//!
//! A [`Repository`] holds *chunks* (named by the keyed BLAKE3 of their bytes, compressed, sealed and
//! packed) and *snapshots* (named trees whose entries refer to chunks). Everything stored is
//! written once: nothing is overwritten, appended to or renamed, so that any number of machines
//! can write at the same time without locks or clocks. A [`Session`] is one writer's batch; its
//! [`commit`](Session::commit) makes all of it visible at once, or nothing.
//!
//! The crate knows nothing of mail. It prints nothing, reads no environment and takes time and
//! randomness as an input ([`Environment`]). Uploads run as tasks of the caller's Tokio runtime;
//! they belong to their session and end with it.
//!
//! The stored bytes are described in `docs/format.md`.
#![warn(missing_docs)]

// Stored objects, keys, packs, index and sessions.
mod admin;
mod buffers;
mod catalogue;
mod check;
mod checkpoint;
mod chunk_cache;
mod chunk_id;
mod chunks;
mod collect;
mod config;
mod destination;
mod dictionary;
mod encapsulation;
mod env;
mod erase;
mod error;
mod escrow;
mod frame;
/// Doors to the decoders for `fuzz/`; no other build has them.
#[cfg(postkeep_fuzz)]
#[doc(hidden)]
pub mod fuzzing;
mod hidden;
mod key_admin;
mod key_slot;
mod key_text;
mod keyring;
mod keys;
mod layout;
mod notes;
mod objects;
mod offload;
mod pack;
mod pack_index;
mod pack_writer;
mod platform;
mod ranges;
mod record;
mod repair;
mod repairs;
mod repository;
mod seal;
mod sealed;
mod session;
mod session_record;
mod sign;
mod store;
mod unlock;
mod uploads;
mod usage;
mod writer_key;

pub use check::{
    CheckOptions, CheckPart, CheckProgress, CheckReport, DamagedPacks, LostChunks, Problem,
};
pub use chunk_id::ChunkId;
pub use chunks::{ChunkKind, ChunkSink, ChunkSource, ContentKeys, MAX_CHUNK_BYTES};
pub use collect::{
    CollectHost, CollectOptions, CollectPlan, CollectReport, CollectStage, IndexRepair, LeaveOpen,
    LockReport, OnOpen, OpenSession,
};
pub use config::{CreateOptions, RepositoryId, Writers};
pub use destination::{Destination, ObjectLock, create_destination_from_url, destination_from_url};
pub use env::Environment;
pub use erase::{SoleChunks, Traces};
pub use error::{Error, ErrorKind, Result};
pub use escrow::{EscrowPrivateKey, EscrowPublicKey, EscrowShare, MAX_ESCROW_RECIPIENTS};
pub use hidden::{HiddenReport, KeptObject};
pub use key_admin::{KeyId, KeyInfo, KeyList, KeyMethod, KeyRole, KeyState, Rotation};
pub use key_slot::MAX_LABEL_BYTES;
pub use keyring::{Argon2Params, Passphrase};
pub use layout::SessionId;
pub use notes::{MAX_NOTE_BYTES, NoteId};
pub use object_store::ObjectStore;
pub use repair::Repair;
pub use repository::{
    ChunkPlace, Repository, RepositoryStats, SessionInfo, SnapshotId, SnapshotInfo,
};
pub use seal::Suite;
pub use session::{Committed, NewSnapshot, Session, SessionOptions, SessionStats};
pub use sign::{Signed, SignerKey, verify_signature};
pub use unlock::{KeyFile, NewKey, RecoveryPhrase, Unlock};
pub use usage::{SnapshotUse, Usage};
pub use writer_key::{WriterKey, WriterPublicKey};

// Items, segments and trees, on the chunk traits alone.
mod chunker;
mod content;
mod format;
mod gear;
mod item_reader;
mod item_writer;
mod segment;
mod tree;
mod tree_node;
mod tree_reader;
mod tree_run;
mod tree_writer;

pub use content::{ChunkRefs, Content, MAX_INLINE_CHUNKS, MAX_PAYLOADS, Payload, Skeleton};
pub use format::{Format, Formats, Joiner, Opaque, PartSink, SplitError, Splitter, Step};
pub use item_reader::{content_chunks, read_content, read_content_to_vec};
pub use item_writer::ItemWriter;
pub use segment::{PendingContent, SegmentOptions, SegmentStore};
pub use tree::{
    Change, Entry, MAX_ENTRY_BYTES, MAX_ENTRY_CONTENTS, MAX_HEIGHT, MAX_KEY_BYTES, MAX_RUNS,
    MAX_VALUE_BYTES, NodeRef, RunRef, TreeRoot,
};
pub use tree_reader::TreeReader;
pub use tree_writer::write_tree;
