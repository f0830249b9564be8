//! Names of objects, and nothing else about them.

use std::fmt;
use std::str::FromStr;

use object_store::path::Path;
use ulid::Ulid;

use crate::chunk_id::{hex, parse_hex};
use crate::error::{Error, Result};

/// The one object in clear text, which makes a folder a repository.
pub(crate) const REPOSITORY: &str = "repository.json";
pub(crate) const KEYS: &str = "keys";
pub(crate) const DICTS: &str = "dicts";
pub(crate) const PACKS: &str = "packs";
pub(crate) const INDEX: &str = "index";
pub(crate) const SESSIONS: &str = "sessions";
pub(crate) const FORGET: &str = "admin/forget";
pub(crate) const GC: &str = "admin/gc";
pub(crate) const CHECKPOINT: &str = "admin/checkpoint";
pub(crate) const PROBE: &str = "admin/probe";
pub(crate) const NOTES: &str = "notes";
/// Keys of sealed sessions.
pub(crate) const SEALED: &str = "sealed";

/// Names one writer's batch; sorts by the time it was opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) Ulid);

impl SessionId {
    pub(crate) fn open_name(self) -> String {
        format!("{SESSIONS}/{self}.open")
    }

    pub(crate) fn end_name(self) -> String {
        format!("{SESSIONS}/{self}.end")
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_ulid(text)
            .map(Self)
            .ok_or_else(|| Error::invalid("a session id is a ULID"))
    }
}

/// Only the canonical spelling: two names for one session would be two outcomes.
pub(crate) fn parse_ulid(text: &str) -> Option<Ulid> {
    let ulid = Ulid::from_string(text).ok()?;
    (ulid.to_string() == text).then_some(ulid)
}

/// What a file in `sessions/` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionObject {
    Open(SessionId),
    End(SessionId),
}

impl SessionObject {
    pub(crate) fn parse(file: &str) -> Option<Self> {
        if let Some(id) = file.strip_suffix(".open") {
            Some(Self::Open(id.parse().ok()?))
        } else {
            Some(Self::End(file.strip_suffix(".end")?.parse().ok()?))
        }
    }
}

/// The SHA-256 of a pack, which is its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackName(pub(crate) [u8; 32]);

impl PackName {
    pub(crate) fn object(&self) -> String {
        let name = hex(&self.0);
        let folder = name.get(..2).unwrap_or_default();
        format!("{PACKS}/{folder}/{name}")
    }

    pub(crate) fn parse_file(file: &str) -> Option<Self> {
        parse_hex(file).map(Self)
    }
}

impl fmt::Debug for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackName({})", hex(&self.0))
    }
}

pub(crate) fn index_name(id: Ulid) -> String {
    format!("{INDEX}/{}", id.to_string())
}

pub(crate) fn key_slot_name(content: &[u8]) -> String {
    let hash = blake3::hash(content);
    format!("{KEYS}/{}", hex(&hash.as_bytes()[..16]))
}

/// The hash in a slot's name.
pub(crate) fn parse_key_slot(name: &str) -> Option<[u8; 16]> {
    parse_hex(name.strip_prefix(KEYS)?.strip_prefix('/')?)
}

/// Creating this object makes an epoch's keys count.
pub(crate) fn key_epoch_name(epoch: u32) -> String {
    format!("{KEYS}/epoch-{epoch:08x}")
}

pub(crate) fn parse_key_epoch(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(KEYS)?.strip_prefix("/epoch-")?;
    parse_hex(digits).map(u32::from_be_bytes)
}

/// A dictionary is stored twice, since losing it loses what it compressed.
pub(crate) fn dictionary_name(id: u32, copy: u8) -> String {
    format!("{DICTS}/{id:08x}-{copy}")
}

pub(crate) fn parse_dictionary(file: &str) -> Option<u32> {
    let (id, copy) = file.split_once('-')?;
    let id = u32::from_be_bytes(parse_hex(id)?);
    matches!(copy, "1" | "2").then_some(id)
}

pub(crate) fn forget_name(id: Ulid) -> String {
    format!("{FORGET}/{}", id.to_string())
}

pub(crate) fn condemned_name(epoch: u32) -> String {
    format!("{GC}/{epoch:08x}.condemned")
}

pub(crate) fn doomed_name(epoch: u32) -> String {
    format!("{GC}/{epoch:08x}.doomed")
}

/// What a file in `admin/gc` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GcObject {
    Condemned(u32),
    Doomed(u32),
}

impl GcObject {
    pub(crate) fn parse(file: &str) -> Option<Self> {
        let epoch = |text: &str| parse_hex(text).map(u32::from_be_bytes);
        if let Some(text) = file.strip_suffix(".condemned") {
            epoch(text).map(Self::Condemned)
        } else {
            epoch(file.strip_suffix(".doomed")?).map(Self::Doomed)
        }
    }
}

/// A checkpoint is stored twice, since it replaces the sessions it sums up.
pub(crate) fn checkpoint_name(epoch: u32, copy: CheckpointCopy) -> String {
    let ending = match copy {
        CheckpointCopy::Decision => "",
        CheckpointCopy::Spare => ".copy",
    };
    format!("{CHECKPOINT}/{epoch:08x}{ending}")
}

/// The object that names an epoch of a sealed session, of which there are two copies, too.
pub(crate) fn session_key_name(epoch: u32, copy: CheckpointCopy) -> String {
    let ending = match copy {
        CheckpointCopy::Decision => "",
        CheckpointCopy::Spare => ".copy",
    };
    format!("{SEALED}/{epoch:08x}{ending}")
}

/// The epoch of a file in `sealed`, and which copy it is.
pub(crate) fn parse_session_key(file: &str) -> Option<(u32, CheckpointCopy)> {
    parse_checkpoint(file)
}

/// Which of the two objects of a checkpoint, or of a sealed session's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointCopy {
    /// Creating it decides what the checkpoint says.
    Decision,
    /// The same record once more.
    Spare,
}

/// The epoch of a file in `admin/checkpoint`, and which copy it is.
pub(crate) fn parse_checkpoint(file: &str) -> Option<(u32, CheckpointCopy)> {
    let (text, copy) = match file.strip_suffix(".copy") {
        Some(text) => (text, CheckpointCopy::Spare),
        None => (file, CheckpointCopy::Decision),
    };
    Some((parse_hex(text).map(u32::from_be_bytes)?, copy))
}

pub(crate) fn path(name: &str) -> Path {
    Path::from(name)
}
