//! The bytes of a pack.
//!
//! `preamble 64, clear | sealed blobs … | sealed padding | sealed header | header length u32, clear`
//!
//! The name of a pack is the SHA-256 of its bytes. Blobs are sealed with a key of their pack and
//! kind; the header with a key that needs no data key, so that who may not read payloads can still
//! list, move and index them.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkKind, MAX_CHUNK_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Codec, MAX_FRAME_HEAD};
use crate::keyring::Keyring;
use crate::layout::PackName;
use crate::objects::Sealer;
use crate::record::{RecordReader, RecordWriter, count};
use crate::seal::{Cipher, ObjectKind, PREAMBLE_LEN, Preamble, Suite, TAG_LEN};
use crate::sealed::DataKeys;

/// The longest pack that is read: offsets are 32 bits, and a reader may hold one in memory.
pub(crate) const MAX_PACK_BYTES: u64 = 256 << 20;
/// The longest sealed blob.
pub(crate) const MAX_BLOB_BYTES: usize = MAX_CHUNK_BYTES + MAX_FRAME_HEAD + TAG_LEN;
/// The longest sealed header: 500,000 blobs.
const MAX_HEADER_BYTES: u64 = 32 << 20;
/// Header plaintexts are filled up to a multiple of this, so as not to tell the number of blobs.
const HEADER_STEP: usize = 512;
/// Padding never clears more of a length than this many bits.
const MAX_PADDING_BITS: u32 = 16;
/// Bytes of the clear length at the end.
pub(crate) const TRAILER_LEN: usize = 4;
/// Bytes of one header entry.
const ENTRY_LEN: usize = 32 + 1 + 4 + 4 + 4 + 2 + 8;
/// Bytes of one origin.
const ORIGIN_LEN: usize = 4 + 1 + 16;
/// The kind byte of padding.
const PADDING: u8 = 0xff;

/// The key purposes of a pack.
const BLOB_PURPOSE: &str = "blob";
const HEADER_PURPOSE: &str = "header";

/// One blob as the header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackEntry {
    pub(crate) id: ChunkId,
    pub(crate) kind: ChunkKind,
    pub(crate) offset: u32,
    pub(crate) sealed_len: u32,
    pub(crate) plain_len: u32,
    /// 0: sealed in this pack; otherwise 1 + index into [`PackHeader::origins`].
    pub(crate) origin: u16,
    /// The position at which it was sealed, which is its nonce.
    pub(crate) position: u64,
}

impl PackEntry {
    pub(crate) fn range(&self) -> Range<usize> {
        let start = self.offset as usize;
        start..start.saturating_add(self.sealed_len as usize)
    }
}

/// Where a blob that was copied verbatim was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) epoch: u32,
    pub(crate) suite: Suite,
    pub(crate) salt: [u8; 16],
}

/// The table of contents of a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackHeader {
    pub(crate) origins: Vec<Origin>,
    pub(crate) entries: Vec<PackEntry>,
    /// The sealed padding: offset and length.
    pub(crate) padding: (u32, u32),
}

impl PackHeader {
    /// Plain bytes of a header with so many entries and origins (padding's entry included).
    pub(crate) fn plain_len(entries: usize, origins: usize) -> usize {
        (2 + origins * ORIGIN_LEN + 4 + (entries + 1) * ENTRY_LEN).next_multiple_of(HEADER_STEP)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = RecordWriter::default();
        let origins = u16::try_from(self.origins.len())
            .map_err(|_| Error::internal("a pack has too many origins"))?;
        out.bytes(&origins.to_le_bytes());
        for origin in &self.origins {
            out.u32(origin.epoch)
                .u8(origin.suite.to_byte())
                .bytes(&origin.salt);
        }
        out.u32(count(self.entries.len() + 1)?);
        for entry in &self.entries {
            out.bytes(entry.id.as_bytes()).u8(entry.kind.to_byte());
            out.u32(entry.offset)
                .u32(entry.sealed_len)
                .u32(entry.plain_len);
            out.bytes(&entry.origin.to_le_bytes()).u64(entry.position);
        }
        let (offset, len) = self.padding;
        out.bytes(&[0; 32]).u8(PADDING).u32(offset).u32(len).u32(0);
        out.bytes(&[0, 0]).u64(u64::from(offset));
        out.0
            .resize(Self::plain_len(self.entries.len(), self.origins.len()), 0);
        Ok(out.0)
    }

    pub(crate) fn decode(object: &str, plain: &[u8]) -> Result<Self> {
        let mut fields = RecordReader::new(object, plain);
        let mut header = Self::default();
        for _ in 0..u16::from_le_bytes(fields.array()?) {
            let epoch = fields.u32()?;
            let suite = Suite::from_byte(fields.u8()?)
                .ok_or_else(|| fields.damaged("an origin has an unknown cipher"))?;
            header.origins.push(Origin {
                epoch,
                suite,
                salt: fields.array()?,
            });
        }
        for _ in 0..fields.count(ENTRY_LEN)? {
            header.read_entry(&mut fields)?;
        }
        if fields.rest().iter().all(|byte| *byte == 0) {
            Ok(header)
        } else {
            Err(Error::corrupt(object, "bytes follow its header"))
        }
    }

    fn read_entry(&mut self, fields: &mut RecordReader<'_>) -> Result<()> {
        let id = ChunkId::from_bytes(fields.array()?);
        let kind = fields.u8()?;
        let (offset, sealed_len, plain_len) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let origin = u16::from_le_bytes(fields.array()?);
        let position = fields.u64()?;
        if kind == PADDING {
            self.padding = (offset, sealed_len);
            return Ok(());
        }
        let kind = ChunkKind::from_byte(kind)
            .ok_or_else(|| fields.damaged("a blob is of an unknown kind"))?;
        if usize::from(origin) > self.origins.len()
            || sealed_len as usize > MAX_BLOB_BYTES
            || plain_len as usize > MAX_CHUNK_BYTES
        {
            return Err(fields.damaged("a blob's description is impossible"));
        }
        self.entries.push(PackEntry {
            id,
            kind,
            offset,
            sealed_len,
            plain_len,
            origin,
            position,
        });
        Ok(())
    }
}

/// What a blob is bound to: the first half of its id, its kind and its length.
///
/// Half an id is what the index knows, so that the index alone is enough to open a blob. The whole
/// id is compared with the content afterwards.
pub(crate) fn blob_aad(short_id: &[u8; 16], kind: ChunkKind, sealed_len: usize) -> [u8; 21] {
    aad(short_id, kind.to_byte(), sealed_len)
}

pub(crate) fn padding_aad(sealed_len: usize) -> [u8; 21] {
    aad(&[0; 16], PADDING, sealed_len)
}

fn aad(short_id: &[u8; 16], kind: u8, sealed_len: usize) -> [u8; 21] {
    let mut aad = [0; 21];
    aad[..16].copy_from_slice(short_id);
    aad[16] = kind;
    // Blobs and padding are bounded far below 4 GiB.
    aad[17..].copy_from_slice(&(sealed_len as u32).to_le_bytes());
    aad
}

/// What a header is bound to: the preamble and its own place.
pub(crate) fn header_aad(preamble: &[u8; PREAMBLE_LEN], offset: u64, sealed_len: u32) -> Vec<u8> {
    let mut aad = preamble.to_vec();
    aad.extend_from_slice(&offset.to_le_bytes());
    aad.extend_from_slice(&sealed_len.to_le_bytes());
    aad
}

/// The kind of pack that chunks of a kind go to.
pub(crate) fn pack_kind(kind: ChunkKind) -> ObjectKind {
    match kind {
        ChunkKind::Data => ObjectKind::DataPack,
        ChunkKind::Meta => ObjectKind::MetaPack,
    }
}

/// Keys of a repository, and those of the sealed sessions that some packs come from.
pub(crate) type PackKeys<'a> = (&'a Keyring, &'a DataKeys);

/// The cipher of a pack's blobs.
///
/// # Errors
/// Those of [`DataKeys::find`].
pub(crate) fn blob_cipher((keyring, data): PackKeys<'_>, preamble: &Preamble) -> Result<Cipher> {
    let parent = match preamble.kind {
        ObjectKind::MetaPack => keyring.meta_key(preamble.epoch),
        _ => data.find(keyring, preamble.epoch)?,
    };
    Ok(Cipher::new(
        preamble.suite,
        &preamble.key(&parent, BLOB_PURPOSE),
    ))
}

/// The cipher of a pack's header.
pub(crate) fn header_cipher(keyring: &Keyring, preamble: &Preamble) -> Cipher {
    let parent = keyring.meta_key(preamble.epoch);
    Cipher::new(preamble.suite, &preamble.key(&parent, HEADER_PURPOSE))
}

/// The length that a pack is filled up to: its Padmé length, which is at most 12 % more and tells
/// only O(log log n) bits of it, but never more than to the next 64 KiB. Longer packs hold so many
/// chunks, in an order drawn by lot, that a finer length tells nothing of any of them.
pub(crate) fn padded_len(len: u64) -> u64 {
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let kept = exponent.ilog2() + 1;
    let cleared = exponent.saturating_sub(kept).min(MAX_PADDING_BITS);
    let mask = (1u64 << cleared) - 1;
    len.saturating_add(mask) & !mask
}

/// The name of a pack with these bytes.
pub(crate) fn pack_name(bytes: &[u8]) -> PackName {
    PackName(Sha256::digest(bytes).into())
}

/// Where the sealed header of a pack of `pack_len` bytes lies, from its last four bytes.
pub(crate) fn header_range(object: &str, pack_len: u64, trailer: [u8; 4]) -> Result<Range<u64>> {
    let len = u64::from(u32::from_le_bytes(trailer));
    let end = pack_len.saturating_sub(TRAILER_LEN as u64);
    let start = end.checked_sub(len);
    match start {
        Some(start) if start >= PREAMBLE_LEN as u64 && len <= MAX_HEADER_BYTES => Ok(start..end),
        _ => Err(Error::corrupt(object, "its header length is impossible")),
    }
}

/// Opens a sealed header that was read from `offset`.
pub(crate) fn open_header(
    object: &str,
    preamble: &Preamble,
    keyring: &Keyring,
    (offset, sealed): (u64, &[u8]),
) -> Result<PackHeader> {
    let aad = header_aad(&preamble.encode(), offset, sealed.len() as u32);
    let plain = header_cipher(keyring, preamble)
        .open(offset, &aad, sealed)
        .ok_or_else(|| Error::corrupt(object, "its header fails authentication"))?;
    let header = PackHeader::decode(object, &plain)?;
    let inside = |entry: &PackEntry| entry.range().end as u64 <= offset;
    if header.entries.iter().all(inside) {
        Ok(header)
    } else {
        Err(Error::corrupt(object, "a blob lies outside of it"))
    }
}

/// What it takes to open one blob.
pub(crate) struct Blob<'a> {
    pub(crate) short_id: [u8; 16],
    pub(crate) kind: ChunkKind,
    pub(crate) position: u64,
    pub(crate) sealed: &'a [u8],
}

/// A blob that was opened: verified, and not compressed again when it is copied.
#[derive(Default)]
pub(crate) struct OpenedBlob {
    pub(crate) frame: Vec<u8>,
    pub(crate) plain: Vec<u8>,
}

impl Blob<'_> {
    /// Decrypts, decompresses and compares with the id; returns the whole id too.
    pub(crate) fn open(
        &self,
        object: &str,
        cipher: &Cipher,
        keys: (&Codec, &Keyring),
    ) -> Result<(ChunkId, Vec<u8>)> {
        let (codec, _) = keys;
        let mut opened = OpenedBlob {
            frame: codec.buffers().take(),
            plain: Vec::new(),
        };
        let id = self.open_into(object, cipher, keys, &mut opened)?;
        codec.buffers().give_back(opened.frame);
        Ok((id, opened.plain))
    }

    /// As [`Blob::open`], keeps the frame, and takes the place of what was opened before.
    pub(crate) fn open_into(
        &self,
        object: &str,
        cipher: &Cipher,
        (codec, keyring): (&Codec, &Keyring),
        opened: &mut OpenedBlob,
    ) -> Result<ChunkId> {
        let OpenedBlob { frame, plain } = opened;
        let aad = blob_aad(&self.short_id, self.kind, self.sealed.len());
        cipher
            .open_into(self.position, &aad, self.sealed, frame)
            .ok_or_else(|| Error::corrupt(object, "a chunk in it fails authentication"))?;
        codec.decode_into(object, frame, MAX_CHUNK_BYTES, plain)?;
        let id = ChunkId::of(keyring.chunk_id_key(), plain);
        if id.short() == self.short_id {
            Ok(id)
        } else {
            Err(Error::corrupt(
                object,
                "a chunk in it does not match its id",
            ))
        }
    }
}

/// A blob that a full check could not read.
pub(crate) struct BadBlob {
    pub(crate) id: ChunkId,
    pub(crate) error: Error,
}

/// What decoding a whole pack found.
#[derive(Default)]
pub(crate) struct Verified {
    pub(crate) header: PackHeader,
    pub(crate) bad: Vec<BadBlob>,
    /// Blobs that the keys at hand do not open: nothing is known of them.
    pub(crate) closed: u64,
}

/// Decodes a whole pack: preamble, header, every blob.
///
/// # Errors
/// When not even the header can be read; damage to single blobs is returned beside it.
pub(crate) fn verify_pack(
    name: &PackName,
    bytes: &[u8],
    (sealer, data): (&Sealer, &DataKeys),
    codec: &Codec,
) -> Result<Verified> {
    let object = name.object();
    let (preamble, header) = read_header(&object, bytes, sealer)?;
    let ciphers = PackCiphers::new((&sealer.keyring, data), &preamble, &header);
    let mut verified = Verified::default();
    let mut opened = OpenedBlob {
        frame: codec.buffers().take(),
        plain: codec.buffers().take(),
    };
    for entry in &header.entries {
        let blob = Blob {
            short_id: entry.id.short(),
            kind: entry.kind,
            position: entry.position,
            sealed: bytes.get(entry.range()).unwrap_or_default(),
        };
        let whole = ciphers.of(entry).and_then(|cipher| {
            let keys = (codec, &sealer.keyring);
            let id = blob.open_into(&object, cipher, keys, &mut opened)?;
            if id == entry.id && opened.plain.len() == entry.plain_len as usize {
                Ok(())
            } else {
                let what = "a chunk in it differs from its header";
                Err(Error::corrupt(&object, what))
            }
        });
        match whole {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Sealed => verified.closed += 1,
            Err(error) => verified.bad.push(BadBlob {
                id: entry.id,
                error,
            }),
        }
    }
    codec.buffers().give_back(opened.frame);
    codec.buffers().give_back(opened.plain);
    verified.header = header;
    Ok(verified)
}

/// The ciphers of a pack's blobs: its own, and those of the packs that they were copied from.
pub(crate) struct PackCiphers {
    own: Result<Cipher>,
    origins: Vec<Result<Cipher>>,
}

impl PackCiphers {
    pub(crate) fn new(keys: PackKeys<'_>, preamble: &Preamble, header: &PackHeader) -> Self {
        let origins = header.origins.iter().map(|origin| {
            let preamble = Preamble {
                epoch: origin.epoch,
                suite: origin.suite,
                salt: origin.salt,
                ..preamble.clone()
            };
            blob_cipher(keys, &preamble)
        });
        Self {
            origins: origins.collect(),
            own: blob_cipher(keys, preamble),
        }
    }

    /// The cipher of one blob.
    ///
    /// # Errors
    /// Those of [`DataKeys::find`].
    pub(crate) fn of(&self, entry: &PackEntry) -> Result<&Cipher> {
        let cipher = match usize::from(entry.origin).checked_sub(1) {
            None => &self.own,
            // The header was read: its entries name origins that it has.
            Some(origin) => self.origins.get(origin).unwrap_or(&self.own),
        };
        match cipher {
            Ok(cipher) => Ok(cipher),
            Err(error) => Err(Error::new(error.kind(), error.to_string())),
        }
    }
}

/// The preamble and the header of a pack that is in memory.
pub(crate) fn read_header(
    object: &str,
    bytes: &[u8],
    sealer: &Sealer,
) -> Result<(Preamble, PackHeader)> {
    let preamble = check_pack_preamble(object, bytes, sealer)?;
    let trailer = *bytes
        .last_chunk()
        .ok_or_else(|| Error::corrupt(object, "it is truncated"))?;
    let range = header_range(object, bytes.len() as u64, trailer)?;
    // The range lies inside `bytes`, whose length is a usize.
    let sealed = bytes
        .get(range.start as usize..range.end as usize)
        .unwrap_or_default();
    let header = open_header(object, &preamble, &sealer.keyring, (range.start, sealed))?;
    Ok((preamble, header))
}

/// Reads the preamble of either kind of pack.
pub(crate) fn check_pack_preamble(object: &str, bytes: &[u8], sealer: &Sealer) -> Result<Preamble> {
    let kind = match Preamble::decode(object, bytes)?.kind {
        ObjectKind::MetaPack => ObjectKind::MetaPack,
        _ => ObjectKind::DataPack,
    };
    sealer.check_preamble(object, kind, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_adds_at_most_an_eighth_and_64_kibibytes() {
        for len in (1..5_000).chain([1 << 20, (16 << 20) + 1, (64 << 20) + 12_345]) {
            let padded = padded_len(len);
            let most = (len / 8 + 1).min(64 << 10);
            assert!(
                padded >= len && padded <= len + most,
                "{len} became {padded}"
            );
            assert_eq!(padded_len(padded), padded);
        }
        assert_eq!(padded_len(9), 10);
        assert_eq!(padded_len((1 << 20) + 1), (1 << 20) + (32 << 10));
        assert_eq!(padded_len((16 << 20) + 1), (16 << 20) + (64 << 10));
    }
}
