//! Filling a pack.

use bytes::Bytes;

use crate::chunk_id::ChunkId;
use crate::chunks::ChunkKind;
use crate::env::Environment;
use crate::error::{Error, Result};
use crate::frame::Codec;
use crate::layout::PackName;
use crate::objects::Sealer;
use crate::pack::{
    self, Blob, Origin, PackEntry, PackHeader, TRAILER_LEN, header_aad, padding_aad, verify_pack,
};
use crate::seal::{Cipher, PREAMBLE_LEN, Preamble, SealedBuffer, TAG_LEN};
use crate::sealed::{DataKeys, SessionKey};

/// A pack that still takes blobs.
pub(crate) struct PackWriter {
    preamble: Preamble,
    cipher: Cipher,
    buffer: SealedBuffer,
    entries: Vec<PackEntry>,
    /// The packs in which copied blobs were sealed.
    origins: Vec<Origin>,
    data: DataKeys,
}

/// Most packs whose blobs are copied into one: 20 KiB of its header.
const MAX_ORIGINS: usize = 1000;

/// The place of a blob in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobPlace {
    pub(crate) kind: ChunkKind,
    pub(crate) offset: u32,
    pub(crate) sealed_len: u32,
}

/// A pack ready for upload.
pub(crate) struct FinishedPack {
    pub(crate) name: PackName,
    pub(crate) bytes: Bytes,
    pub(crate) preamble: Preamble,
    pub(crate) header: PackHeader,
    pub(crate) header_len: u32,
}

impl PackWriter {
    /// A pack of a sealed session's data is sealed with the session's key. `room` is an empty
    /// buffer.
    ///
    /// # Errors
    /// `Sealed` for data of a writer without a session's key.
    pub(crate) fn new(
        kind: ChunkKind,
        room: Vec<u8>,
        session: Option<&SessionKey>,
        sealer: &Sealer,
        env: &Environment,
    ) -> Result<Self> {
        let mut preamble = sealer.preamble(pack::pack_kind(kind), env);
        let session = session.filter(|_| kind == ChunkKind::Data);
        if let Some(session) = session {
            preamble.epoch = session.epoch;
        }
        let data = DataKeys::of(session);
        Ok(Self {
            cipher: pack::blob_cipher((&sealer.keyring, &data), &preamble)?,
            buffer: SealedBuffer::within(room, &preamble.encode()),
            preamble,
            entries: Vec::new(),
            origins: Vec::new(),
            data,
        })
    }

    /// Whether no blob of yet another pack may be copied here.
    pub(crate) fn has_all_origins(&self) -> bool {
        self.origins.len() >= MAX_ORIGINS
    }

    /// Takes a blob over as it was sealed in another pack.
    pub(crate) fn append_copy(
        &mut self,
        entry: &PackEntry,
        origin: Origin,
        sealed: &[u8],
    ) -> Result<BlobPlace> {
        let too_long = |_| Error::internal("a pack is longer than its offsets can say");
        let known = self.origins.iter().position(|known| *known == origin);
        let number = known.unwrap_or_else(|| {
            self.origins.push(origin);
            self.origins.len() - 1
        });
        let offset = self.buffer.append_sealed(sealed);
        let copy = PackEntry {
            offset: u32::try_from(offset).map_err(too_long)?,
            origin: u16::try_from(number + 1).map_err(too_long)?,
            ..*entry
        };
        self.entries.push(copy);
        Ok(BlobPlace {
            kind: copy.kind,
            offset: copy.offset,
            sealed_len: copy.sealed_len,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.bytes().len()
    }

    /// Seals a framed chunk.
    pub(crate) fn append(
        &mut self,
        (id, kind): (ChunkId, ChunkKind),
        frame: &[u8],
        plain_len: usize,
    ) -> Result<BlobPlace> {
        let too_long = |_| Error::internal("a pack is longer than its offsets can say");
        let sealed_len = frame.len() + TAG_LEN;
        let aad = pack::blob_aad(&id.short(), kind, sealed_len);
        let position = self.buffer.append(&self.cipher, &aad, frame)?;
        let entry = PackEntry {
            id,
            kind,
            offset: u32::try_from(position).map_err(too_long)?,
            sealed_len: u32::try_from(sealed_len).map_err(too_long)?,
            plain_len: u32::try_from(plain_len).map_err(too_long)?,
            origin: 0,
            position: position as u64,
        };
        self.entries.push(entry);
        Ok(BlobPlace {
            kind,
            offset: entry.offset,
            sealed_len: entry.sealed_len,
        })
    }

    /// Reads back a blob that this pack holds.
    pub(crate) fn read(
        &self,
        id: &ChunkId,
        place: BlobPlace,
        (codec, sealer): (&Codec, &Sealer),
    ) -> Result<Vec<u8>> {
        read_blob(
            (self.buffer.bytes(), &self.cipher),
            id,
            place,
            (codec, sealer),
        )
    }

    /// Pads, seals the header, and decodes and compares the whole before it may be uploaded.
    ///
    /// Heavy work (a few tens of milliseconds for 16 MiB): call it off the async threads.
    pub(crate) fn finish(mut self, sealer: &Sealer, codec: &Codec) -> Result<FinishedPack> {
        let too_long = |_| Error::internal("a pack is longer than its offsets can say");
        let header_plain = PackHeader::plain_len(self.entries.len(), self.origins.len());
        let tail = header_plain + TAG_LEN + TRAILER_LEN;
        let least = self.len() + 1 + TAG_LEN + tail;
        let padding_len = usize::try_from(pack::padded_len(least as u64)).map_err(too_long)?
            - self.len()
            - tail
            - TAG_LEN;
        let sealed_padding = padding_len + TAG_LEN;
        let padding = vec![0; padding_len];
        let at = self
            .buffer
            .append(&self.cipher, &padding_aad(sealed_padding), &padding)?;
        let header = PackHeader {
            origins: self.origins,
            entries: self.entries,
            padding: (
                u32::try_from(at).map_err(too_long)?,
                u32::try_from(sealed_padding).map_err(too_long)?,
            ),
        };
        let header_len = u32::try_from(header_plain + TAG_LEN).map_err(too_long)?;
        let offset = self.buffer.bytes().len() as u64;
        let aad = header_aad(&self.preamble.encode(), offset, header_len);
        let cipher = pack::header_cipher(&sealer.keyring, &self.preamble);
        self.buffer.append(&cipher, &aad, &header.encode()?)?;
        let mut bytes = self.buffer.into_bytes();
        bytes.extend_from_slice(&header_len.to_le_bytes());
        let name = pack::pack_name(&bytes);
        let copies = header.entries.iter().filter(|entry| entry.origin != 0);
        let copies = copies.count() as u64;
        let read_back = verify_pack(&name, &bytes, (sealer, &self.data), codec)?;
        // Copies are the bytes that were copied; whoever makes them may not be able to open them.
        let whole = read_back.bad.is_empty() && read_back.closed <= copies;
        if read_back.header != header || !whole {
            return Err(Error::internal(
                "a pack does not read back as it was written; the processor or memory may be faulty",
            ));
        }
        Ok(FinishedPack {
            name,
            bytes: bytes.into(),
            preamble: self.preamble,
            header,
            header_len,
        })
    }
}

/// Opens a blob of a pack in memory that was sealed there.
fn read_blob(
    (bytes, cipher): (&[u8], &Cipher),
    id: &ChunkId,
    place: BlobPlace,
    (codec, sealer): (&Codec, &Sealer),
) -> Result<Vec<u8>> {
    debug_assert!(place.offset as usize >= PREAMBLE_LEN);
    let start = place.offset as usize;
    let sealed = bytes
        .get(start..start + place.sealed_len as usize)
        .ok_or_else(|| Error::internal("a blob lies outside its pack"))?;
    Blob {
        short_id: id.short(),
        kind: place.kind,
        position: u64::from(place.offset),
        sealed,
    }
    .open("an open pack", cipher, (codec, &sealer.keyring))
    .map(|(_, plain)| plain)
}
