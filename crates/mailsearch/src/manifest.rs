//! The one file that is replaced: which segments make up the index, and what they cover.

use std::path::{Path, PathBuf};

use crate::codec::{Cursor, put_bytes, put_varint};
use crate::document::Mark;
use crate::error::{Error, Fault, Result};
use crate::seal::{Block, HEADER_LEN, IndexKey, Salt, SealedFile, SealedWriter};

const WHAT: &str = "the manifest";

/// A segment as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    /// The salt in the segment's file: its name, and proof that the file is the one meant.
    pub(crate) salt: Salt,
    pub(crate) footer: Block,
    pub(crate) bytes: u64,
    pub(crate) texts: u32,
    pub(crate) rows: u32,
}

/// What is stored in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The snapshots whose rows are complete, in the order they were added.
    pub(crate) marks: Vec<Mark>,
    pub(crate) segments: Vec<SegmentInfo>,
}

impl Manifest {
    pub(crate) fn load(folder: &Path, key: &IndexKey) -> Result<Self> {
        let path = manifest_path(folder);
        if !path.exists() {
            return Err(Error::new("open the manifest", Fault::Missing));
        }
        let file = SealedFile::open(&path, key)?;
        let len = file.len.saturating_sub(HEADER_LEN as u64);
        let block = Block {
            position: HEADER_LEN as u64,
            len: u32::try_from(len).map_err(|_| Error::corrupt(WHAT, "it is too long"))?,
        };
        Self::decode(&file.read(block)?)
    }

    pub(crate) fn store(&self, folder: &Path, key: &IndexKey, salt: &Salt) -> Result<()> {
        let mut writer = SealedWriter::create(&manifest_path(folder), key, salt)?;
        writer.append(&self.encode())?;
        writer.finish()?;
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.marks.len() as u64);
        for mark in &self.marks {
            put_bytes(&mut out, mark.id.as_bytes());
            out.extend_from_slice(&mark.time_unix_ms.to_le_bytes());
        }
        put_varint(&mut out, self.segments.len() as u64);
        for segment in &self.segments {
            out.extend_from_slice(&segment.salt);
            put_varint(&mut out, segment.footer.position);
            put_varint(&mut out, u64::from(segment.footer.len));
            put_varint(&mut out, segment.bytes);
            put_varint(&mut out, u64::from(segment.texts));
            put_varint(&mut out, u64::from(segment.rows));
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes, WHAT);
        let mut manifest = Self::default();
        for _ in 0..cursor.count()? {
            manifest.marks.push(Mark {
                id: cursor.text()?,
                time_unix_ms: i64::from_le_bytes(cursor.array()?),
            });
        }
        for _ in 0..cursor.count()? {
            manifest.segments.push(SegmentInfo {
                salt: cursor.array()?,
                footer: Block {
                    position: cursor.varint()?,
                    len: cursor.number()?,
                },
                bytes: cursor.varint()?,
                texts: cursor.number()?,
                rows: cursor.number()?,
            });
        }
        Ok(manifest)
    }
}

pub(crate) fn manifest_path(folder: &Path) -> PathBuf {
    folder.join("manifest.pks")
}

pub(crate) fn segment_path(folder: &Path, salt: &Salt) -> PathBuf {
    let name: String = salt[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("{name}.pks"))
}
