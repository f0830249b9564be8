//! Checkpoints: what all sessions before them added up to, so that opening reads only what is new.

use std::collections::HashSet;

use ulid::Ulid;

use crate::check::Problem;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{self, CheckpointCopy, PackName, SessionId};
use crate::objects::Created;
use crate::record::{RecordReader, RecordWriter, count};
use crate::repository::SnapshotInfo;
use crate::seal::ObjectKind;
use crate::session_record::{read_snapshot, text, write_snapshot};
use crate::store::Store;

const VERSION: u8 = 1;
/// The copies, in the order in which they are written and tried.
const COPIES: [CheckpointCopy; 2] = [CheckpointCopy::Decision, CheckpointCopy::Spare];

/// A session whose snapshots a checkpoint keeps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptSession {
    pub(crate) id: SessionId,
    pub(crate) time_unix_ms: i64,
    pub(crate) writer: String,
    /// Packs it uploaded, for the listing of sessions.
    pub(crate) packs: u32,
    /// Its snapshots that are not forgotten.
    pub(crate) snapshots: Vec<SnapshotInfo>,
}

/// A dictionary as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptDictionary {
    pub(crate) id: u32,
    pub(crate) created_unix_ms: i64,
    pub(crate) bytes: Vec<u8>,
}

/// The content of `admin/checkpoint/<epoch>`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) epoch: u32,
    pub(crate) time_unix_ms: i64,
    /// Sessions that committed and are summed up here: their objects count no more.
    pub(crate) committed: Vec<SessionId>,
    /// Sessions that ended without a commit; their `.end` stays for ever.
    pub(crate) killed: Vec<SessionId>,
    /// The sessions with snapshots left.
    pub(crate) kept: Vec<KeptSession>,
    /// The packs that hold what they refer to, with their lengths.
    pub(crate) packs: Vec<(PackName, u64)>,
    /// The index segments that describe these packs.
    pub(crate) index: Vec<[u8; 16]>,
    /// Packs that nothing refers to, to be deleted.
    pub(crate) dead: Vec<PackName>,
    /// Index segments that others replaced, to be deleted.
    pub(crate) superseded: Vec<[u8; 16]>,
    /// Forget decisions that are carried out here, to be deleted.
    pub(crate) forgets: Vec<[u8; 16]>,
    /// All dictionaries, once more.
    pub(crate) dictionaries: Vec<KeptDictionary>,
}

impl Checkpoint {
    /// The sessions whose objects count no more.
    pub(crate) fn ended(&self) -> HashSet<SessionId> {
        self.committed.iter().chain(&self.killed).copied().collect()
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = RecordWriter::default();
        out.u8(VERSION).u32(self.epoch).i64(self.time_unix_ms);
        put_sessions(&mut out, &self.committed)?;
        put_sessions(&mut out, &self.killed)?;
        out.u32(count(self.kept.len())?);
        for session in &self.kept {
            out.bytes(&session.id.0.to_bytes())
                .i64(session.time_unix_ms);
            out.blob(session.writer.as_bytes())?.u32(session.packs);
            out.u32(count(session.snapshots.len())?);
            for snapshot in &session.snapshots {
                write_snapshot(&mut out, snapshot)?;
            }
        }
        out.u32(count(self.packs.len())?);
        for (name, len) in &self.packs {
            out.bytes(&name.0).u64(*len);
        }
        put_arrays(&mut out, self.index.iter())?;
        put_arrays(&mut out, self.dead.iter().map(|pack| &pack.0))?;
        put_arrays(&mut out, self.superseded.iter())?;
        put_arrays(&mut out, self.forgets.iter())?;
        out.u32(count(self.dictionaries.len())?);
        for dictionary in &self.dictionaries {
            out.u32(dictionary.id).i64(dictionary.created_unix_ms);
            out.blob(&dictionary.bytes)?;
        }
        Ok(out.0)
    }

    pub(crate) fn decode(object: &str, record: &[u8]) -> Result<Self> {
        let mut fields = RecordReader::new(object, record);
        let version = fields.u8()?;
        if version != VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{object} has version {version}; this program reads {VERSION}"),
            ));
        }
        let mut checkpoint = Self {
            epoch: fields.u32()?,
            time_unix_ms: fields.i64()?,
            committed: read_sessions(&mut fields)?,
            killed: read_sessions(&mut fields)?,
            ..Self::default()
        };
        for _ in 0..fields.count(16 + 8 + 4 + 4 + 4)? {
            checkpoint.kept.push(read_kept(&mut fields)?);
        }
        for _ in 0..fields.count(40)? {
            let pack = (PackName(fields.array()?), fields.u64()?);
            checkpoint.packs.push(pack);
        }
        checkpoint.index = read_arrays(&mut fields)?;
        checkpoint.dead = read_arrays(&mut fields)?
            .into_iter()
            .map(PackName)
            .collect();
        checkpoint.superseded = read_arrays(&mut fields)?;
        checkpoint.forgets = read_arrays(&mut fields)?;
        for _ in 0..fields.count(4 + 8 + 4)? {
            checkpoint.dictionaries.push(KeptDictionary {
                id: fields.u32()?,
                created_unix_ms: fields.i64()?,
                bytes: fields.blob()?.to_vec(),
            });
        }
        fields.end()?;
        Ok(checkpoint)
    }
}

fn put_arrays<'a, const N: usize>(
    out: &mut RecordWriter,
    arrays: impl ExactSizeIterator<Item = &'a [u8; N]>,
) -> Result<()> {
    out.u32(count(arrays.len())?);
    for array in arrays {
        out.bytes(array);
    }
    Ok(())
}

fn read_arrays<const N: usize>(fields: &mut RecordReader<'_>) -> Result<Vec<[u8; N]>> {
    let count = fields.count(N)?;
    (0..count).map(|_| fields.array()).collect()
}

fn put_sessions(out: &mut RecordWriter, sessions: &[SessionId]) -> Result<()> {
    out.u32(count(sessions.len())?);
    for session in sessions {
        out.bytes(&session.0.to_bytes());
    }
    Ok(())
}

fn read_sessions(fields: &mut RecordReader<'_>) -> Result<Vec<SessionId>> {
    let ids = read_arrays::<16>(fields)?;
    Ok(ids
        .into_iter()
        .map(|id| SessionId(Ulid::from_bytes(id)))
        .collect())
}

fn read_kept(fields: &mut RecordReader<'_>) -> Result<KeptSession> {
    let id = SessionId(Ulid::from_bytes(fields.array()?));
    let mut kept = KeptSession {
        id,
        time_unix_ms: fields.i64()?,
        writer: text(fields)?,
        packs: fields.u32()?,
        snapshots: Vec::new(),
    };
    for _ in 0..fields.count(crate::session_record::MIN_SNAPSHOT_LEN)? {
        kept.snapshots.push(read_snapshot(fields, id)?);
    }
    Ok(kept)
}

/// The epoch of the newest checkpoint at the destination.
pub(crate) async fn newest_epoch(store: &Store) -> Result<Option<u32>> {
    Ok(list(store).await?.into_iter().max())
}

/// The epochs of all checkpoints at the destination.
pub(crate) async fn list(store: &Store) -> Result<Vec<u32>> {
    let listed = store.objects.list(layout::CHECKPOINT).await?;
    let mut epochs: Vec<u32> = listed
        .iter()
        .filter_map(|meta| layout::parse_checkpoint(meta.location.filename()?))
        .map(|(epoch, _)| epoch)
        .collect();
    epochs.sort_unstable();
    epochs.dedup();
    Ok(epochs)
}

/// Reads a checkpoint, from its spare copy if need be.
///
/// # Errors
/// `NotFound` when both copies are gone: a newer checkpoint took its place.
pub(crate) async fn read(store: &Store, epoch: u32) -> Result<(Checkpoint, Vec<Problem>)> {
    let mut problems = Vec::new();
    let mut failure = None;
    for copy in COPIES {
        let name = layout::checkpoint_name(epoch, copy);
        match read_copy(store, epoch, copy).await {
            Ok(checkpoint) => return Ok((checkpoint, problems)),
            Err(error) if crate::admin::is_damage(error.kind()) => {
                problems.push(Problem {
                    object: name,
                    what: error.to_string(),
                });
                // Damage weighs more than absence: the other copy may only not be written yet.
                if failure
                    .as_ref()
                    .is_none_or(|old: &Error| old.kind() == ErrorKind::NotFound)
                {
                    failure = Some(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::internal("a checkpoint has no copies")))
}

pub(crate) async fn read_copy(
    store: &Store,
    epoch: u32,
    copy: CheckpointCopy,
) -> Result<Checkpoint> {
    let name = layout::checkpoint_name(epoch, copy);
    let record = store.read_sealed(&name, ObjectKind::Checkpoint).await?;
    let checkpoint = Checkpoint::decode(&name, &record)?;
    if checkpoint.epoch == epoch {
        Ok(checkpoint)
    } else {
        Err(Error::corrupt(&name, "it is of another epoch"))
    }
}

/// Creates a checkpoint unless there is one of its epoch; returns the one that stands, of which
/// both copies have been read back.
pub(crate) async fn write(store: &Store, wanted: &Checkpoint) -> Result<Checkpoint> {
    let epoch = wanted.epoch;
    create(store, wanted, CheckpointCopy::Decision).await?;
    let standing = match read_copy(store, epoch, CheckpointCopy::Decision).await {
        Ok(standing) => standing,
        // Damaged since: the spare says what was decided.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            return read_copy(store, epoch, CheckpointCopy::Spare).await;
        }
        Err(error) => return Err(error),
    };
    create(store, &standing, CheckpointCopy::Spare).await?;
    let spare = read_copy(store, epoch, CheckpointCopy::Spare).await;
    match spare {
        Ok(spare) if spare != standing => Err(Error::corrupt(
            &layout::checkpoint_name(epoch, CheckpointCopy::Spare),
            "its two copies differ",
        )),
        Ok(_) => Ok(standing),
        Err(error) => Err(error),
    }
}

async fn create(store: &Store, checkpoint: &Checkpoint, copy: CheckpointCopy) -> Result<Created> {
    let name = layout::checkpoint_name(checkpoint.epoch, copy);
    let sealed = store.seal(&name, ObjectKind::Checkpoint, &checkpoint.encode()?)?;
    store.objects.create(&name, sealed).await
}
