//! Everything that reading and writing objects of one repository takes.

use bytes::Bytes;

use crate::chunk_id::ChunkId;
use crate::env::Environment;
use crate::error::{Error, Result};
use crate::frame::Codec;
use crate::keyring::Keyring;
use crate::layout::PackName;
use crate::objects::{MAX_SEALED_BYTES, Objects, Sealer};
use crate::pack::{self, Blob, MAX_BLOB_BYTES, MAX_PACK_BYTES, PackHeader, TRAILER_LEN};
use crate::pack_index::{PackInfo, Slot};
use crate::seal::{ObjectKind, PREAMBLE_LEN, Preamble};
use crate::sealed::SessionKeys;

/// Read from the end of a pack in the hope that the header lies within: 1,000 blobs.
const TAIL_GUESS: u64 = 64 << 10;

/// The destination, the keys, the compressors and the environment of an open repository.
pub(crate) struct Store {
    pub(crate) objects: Objects,
    pub(crate) sealer: Sealer,
    pub(crate) codec: Codec,
    pub(crate) env: Environment,
    /// Keys of sealed sessions.
    pub(crate) session_keys: SessionKeys,
}

impl Store {
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.sealer.keyring
    }

    pub(crate) fn chunk_id(&self, plain: &[u8]) -> ChunkId {
        ChunkId::of(self.keyring().chunk_id_key(), plain)
    }

    /// Reads and opens a sealed object.
    pub(crate) async fn read_sealed(&self, name: &str, kind: ObjectKind) -> Result<Vec<u8>> {
        let bytes = self.objects.get(name, MAX_SEALED_BYTES as u64).await?;
        self.sealer.open((name, kind), &bytes, &self.codec)
    }

    /// Seals a record and creates it under a name that nobody else can have chosen.
    pub(crate) async fn write_sealed(
        &self,
        name: &str,
        kind: ObjectKind,
        record: &[u8],
    ) -> Result<()> {
        let bytes = self.seal(name, kind, record)?;
        self.objects.create_own(name, bytes).await
    }

    pub(crate) fn seal(&self, name: &str, kind: ObjectKind, record: &[u8]) -> Result<Bytes> {
        self.sealer
            .seal((name, kind), record, &self.codec, &self.env)
    }

    /// Reads one chunk from its place: one ranged read, a second for a blob sealed elsewhere.
    pub(crate) async fn read_chunk(
        &self,
        id: &ChunkId,
        pack: &PackInfo,
        slot: &Slot,
    ) -> Result<Bytes> {
        let object = pack.name.object();
        let len = slot.sealed_len();
        if len as usize > MAX_BLOB_BYTES {
            return Err(Error::corrupt(&object, "its index entry is impossible"));
        }
        let mut preamble = self.preamble_of(pack);
        let mut position = u64::from(slot.offset);
        if slot.is_foreign() {
            let (_, header) = self
                .read_pack_header(&pack.name, u64::from(pack.len))
                .await?;
            let entry = header
                .entries
                .iter()
                .find(|entry| entry.offset == slot.offset);
            let origin = entry.and_then(|entry| {
                position = entry.position;
                header
                    .origins
                    .get(usize::from(entry.origin).checked_sub(1)?)
            });
            let origin = origin
                .ok_or_else(|| Error::corrupt(&object, "its header lacks a chunk of the index"))?;
            preamble.epoch = origin.epoch;
            preamble.suite = origin.suite;
            preamble.salt = origin.salt;
        }
        // Before the bytes: who cannot open them need not read them.
        let data = self.data_keys(&[preamble.epoch]).await?;
        let cipher = pack::blob_cipher((self.keyring(), &data), &preamble)?;
        let sealed = self
            .objects
            .get_range(&object, u64::from(slot.offset), u64::from(len))
            .await?;
        let blob = Blob {
            short_id: slot.id,
            kind: slot.kind(),
            position,
            sealed: &sealed,
        };
        let (found, plain) = blob.open(&object, &cipher, (&self.codec, self.keyring()))?;
        if found == *id {
            Ok(plain.into())
        } else {
            Err(Error::corrupt(&object, "a chunk in it has another id"))
        }
    }

    /// Reads the header of a pack of a known length, without its blobs.
    pub(crate) async fn read_pack_header(
        &self,
        name: &PackName,
        len: u64,
    ) -> Result<(PackInfo, PackHeader)> {
        let object = name.object();
        if !(PREAMBLE_LEN as u64 + TRAILER_LEN as u64..=MAX_PACK_BYTES).contains(&len) {
            return Err(Error::corrupt(&object, "its length is impossible"));
        }
        let tail_start = len.saturating_sub(TAIL_GUESS);
        let tail = self
            .objects
            .get_range(&object, tail_start, len - tail_start)
            .await?;
        let trailer = *tail
            .last_chunk()
            .ok_or_else(|| Error::corrupt(&object, "it is truncated"))?;
        let range = pack::header_range(&object, len, trailer)?;
        let sealed = match range.start.checked_sub(tail_start) {
            // Within the tail: both offsets are below 64 KiB.
            Some(start) => tail.slice(start as usize..tail.len() - TRAILER_LEN),
            None => {
                let header_len = range.end - range.start;
                self.objects
                    .get_range(&object, range.start, header_len)
                    .await?
            }
        };
        let clear = self
            .objects
            .get_range(&object, 0, PREAMBLE_LEN as u64)
            .await?;
        let preamble = pack::check_pack_preamble(&object, &clear, &self.sealer)?;
        let header = pack::open_header(&object, &preamble, self.keyring(), (range.start, &sealed))?;
        let header_len = sealed.len() as u32;
        Ok((PackInfo::new(*name, &preamble, (len, header_len))?, header))
    }

    pub(crate) fn preamble_of(&self, pack: &PackInfo) -> Preamble {
        Preamble {
            kind: pack.kind,
            suite: pack.suite,
            epoch: pack.epoch,
            repository: self.sealer.repository,
            salt: pack.salt,
        }
    }
}
