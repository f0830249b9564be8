//! What the `.open` and `.end` objects of a session hold.

use crate::error::Result;
use crate::layout::{PackName, SessionId};
use crate::record::{RecordReader, RecordWriter, count};
use crate::repository::{SnapshotId, SnapshotInfo};
use crate::tree::TreeRoot;

const OUTCOME_COMMITTED: u8 = 1;
const OUTCOME_ENDED: u8 = 2;
/// Least bytes of a stored snapshot: id, four lengths or empty fields, time, flag.
pub(crate) const MIN_SNAPSHOT_LEN: usize = 16 + 4 + 8 + 1 + 4 + 4;

/// The content of `.open`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenRecord {
    pub(crate) nonce: [u8; 16],
    pub(crate) time_unix_ms: i64,
    pub(crate) writer: String,
}

impl OpenRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = RecordWriter::default();
        out.bytes(&self.nonce).i64(self.time_unix_ms);
        out.blob(self.writer.as_bytes())?;
        Ok(out.0)
    }

    pub(crate) fn decode(object: &str, record: &[u8]) -> Result<Self> {
        let mut fields = RecordReader::new(object, record);
        let decoded = Self {
            nonce: fields.array()?,
            time_unix_ms: fields.i64()?,
            writer: text(&mut fields)?,
        };
        fields.end()?;
        Ok(decoded)
    }
}

/// The content of `.end`: what became of the session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EndRecord {
    Committed(CommitRecord),
    /// Ended without a commit: abandoned by its writer, or by a custodian that would not wait.
    Ended {
        nonce: [u8; 16],
        time_unix_ms: i64,
    },
}

/// What a session committed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CommitRecord {
    pub(crate) nonce: [u8; 16],
    pub(crate) time_unix_ms: i64,
    pub(crate) writer: String,
    pub(crate) index: Vec<[u8; 16]>,
    /// Packs with their lengths: they tell a complete index from an incomplete one, and their
    /// headers replace it.
    pub(crate) packs: Vec<(PackName, u64)>,
    pub(crate) snapshots: Vec<SnapshotInfo>,
}

impl EndRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = RecordWriter::default();
        match self {
            Self::Ended {
                nonce,
                time_unix_ms,
            } => {
                out.u8(OUTCOME_ENDED).bytes(nonce).i64(*time_unix_ms);
            }
            Self::Committed(commit) => {
                out.u8(OUTCOME_COMMITTED)
                    .bytes(&commit.nonce)
                    .i64(commit.time_unix_ms);
                commit.encode(&mut out)?;
            }
        }
        Ok(out.0)
    }

    pub(crate) fn decode(object: &str, record: &[u8], session: SessionId) -> Result<Self> {
        let mut fields = RecordReader::new(object, record);
        let outcome = fields.u8()?;
        let (nonce, time_unix_ms) = (fields.array()?, fields.i64()?);
        let decoded = match outcome {
            OUTCOME_ENDED => Self::Ended {
                nonce,
                time_unix_ms,
            },
            OUTCOME_COMMITTED => {
                let mut commit = CommitRecord {
                    nonce,
                    time_unix_ms,
                    writer: text(&mut fields)?,
                    index: Vec::new(),
                    packs: Vec::new(),
                    snapshots: Vec::new(),
                };
                commit.decode(&mut fields, session)?;
                Self::Committed(commit)
            }
            _ => return Err(fields.damaged("its outcome is unknown")),
        };
        fields.end()?;
        Ok(decoded)
    }
}

impl CommitRecord {
    fn encode(&self, out: &mut RecordWriter) -> Result<()> {
        out.blob(self.writer.as_bytes())?;
        out.u32(count(self.index.len())?);
        for id in &self.index {
            out.bytes(id);
        }
        out.u32(count(self.packs.len())?);
        for (name, len) in &self.packs {
            out.bytes(&name.0).u64(*len);
        }
        out.u32(count(self.snapshots.len())?);
        for snapshot in &self.snapshots {
            write_snapshot(out, snapshot)?;
        }
        Ok(())
    }

    fn decode(&mut self, fields: &mut RecordReader<'_>, session: SessionId) -> Result<()> {
        for _ in 0..fields.count(16)? {
            self.index.push(fields.array()?);
        }
        for _ in 0..fields.count(40)? {
            self.packs.push((PackName(fields.array()?), fields.u64()?));
        }
        for _ in 0..fields.count(MIN_SNAPSHOT_LEN)? {
            self.snapshots.push(read_snapshot(fields, session)?);
        }
        Ok(())
    }
}

/// Appends a snapshot as `.end` and checkpoints hold it.
pub(crate) fn write_snapshot(out: &mut RecordWriter, snapshot: &SnapshotInfo) -> Result<()> {
    out.bytes(snapshot.id.as_bytes());
    out.blob(snapshot.name.as_bytes())?;
    out.i64(snapshot.time_unix_ms)
        .u8(u8::from(snapshot.partial));
    out.blob(&snapshot.root.encode())?.blob(&snapshot.value)?;
    Ok(())
}

pub(crate) fn read_snapshot(
    fields: &mut RecordReader<'_>,
    session: SessionId,
) -> Result<SnapshotInfo> {
    Ok(SnapshotInfo {
        id: SnapshotId(fields.array()?),
        name: text(fields)?,
        time_unix_ms: fields.i64()?,
        partial: match fields.u8()? {
            0 => false,
            1 => true,
            _ => return Err(fields.damaged("a snapshot's flag is unknown")),
        },
        root: TreeRoot::decode(fields.blob()?)?,
        value: fields.blob()?.to_vec(),
        session,
    })
}

pub(crate) fn text(fields: &mut RecordReader<'_>) -> Result<String> {
    let bytes = fields.blob()?;
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| fields.damaged("a text is not UTF-8"))
}
