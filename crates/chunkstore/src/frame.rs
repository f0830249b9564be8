//! The frame around plain bytes before they are sealed: how they are compressed, and how long they are.
//!
//! `codec u8 | dictionary id u32 (codec 2 only) | plain length u32 | bytes`

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, RwLock};

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

use crate::buffers::Buffers;
use crate::checkpoint::KeptDictionary;
use crate::chunks::MAX_CHUNK_BYTES;
use crate::error::{Error, Result};

const CODEC_NONE: u8 = 0;
const CODEC_ZSTD: u8 = 1;
const CODEC_ZSTD_DICTIONARY: u8 = 2;

/// The longest frame head: codec, dictionary, length.
pub(crate) const MAX_FRAME_HEAD: usize = 9;
/// Above this size a dictionary no longer helps (measured: at 1 MiB under 1 %).
const MAX_DICTIONARY_INPUT: usize = 256 << 10;
/// Idle compressors kept for reuse: each holds about three megabytes of tables.
const MAX_IDLE: usize = 4;
/// Plain bytes above which the window and the tables below are worth their memory.
const LARGE_INPUT: usize = 1 << 20;
/// A window of a whole segment: at zstd's own 2 MiB the second half forgets the first.
const WINDOW_LOG: u32 = 22;
/// Tables for the level that is the default: segments 1 % smaller than with zstd's own, in the same
/// time. Larger ones find a little more, and leave the processor's cache.
const TUNED_LEVEL: i32 = 3;
const HASH_LOG: u32 = 18;
const CHAIN_LOG: u32 = 15;

/// Most bytes of a buffer that is kept for the next chunk: the longest chunk as zstd bounds it.
const MAX_BUFFER: usize = MAX_CHUNK_BYTES + (MAX_CHUNK_BYTES >> 7);

/// Compresses and decompresses; knows the repository's dictionaries.
pub(crate) struct Codec {
    dictionaries: RwLock<Dictionaries>,
    compressors: Mutex<Vec<(Tuning, Compressor<'static>)>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
    buffers: Buffers,
}

impl Default for Codec {
    fn default() -> Self {
        Self {
            dictionaries: RwLock::default(),
            compressors: Mutex::default(),
            decompressors: Mutex::default(),
            buffers: Buffers::new(MAX_IDLE, MAX_BUFFER),
        }
    }
}

#[derive(Default)]
struct Dictionaries {
    by_id: BTreeMap<u32, Arc<Dictionary>>,
    /// The one used for writing.
    current: Option<Arc<Dictionary>>,
}

struct Dictionary {
    id: u32,
    created_unix_ms: i64,
    bytes: Vec<u8>,
    encoder: Mutex<Option<(i32, Arc<EncoderDictionary<'static>>)>>,
    decoder: DecoderDictionary<'static>,
}

impl Codec {
    /// Makes a dictionary available; the newest is the one that new frames use.
    pub(crate) fn add_dictionary(
        &self,
        id: u32,
        created_unix_ms: i64,
        bytes: Vec<u8>,
    ) -> Result<()> {
        let decoder = DecoderDictionary::try_copy(&bytes)
            .map_err(|e| Error::invalid("zstd refuses the dictionary").with_source(e))?;
        let dictionary = Arc::new(Dictionary {
            id,
            created_unix_ms,
            bytes,
            encoder: Mutex::new(None),
            decoder,
        });
        let mut dictionaries = self.dictionaries.write().unwrap_or_else(|e| e.into_inner());
        dictionaries.by_id.insert(id, dictionary);
        let newest = dictionaries.by_id.values();
        dictionaries.current = newest
            .max_by_key(|dictionary| (dictionary.created_unix_ms, dictionary.id))
            .cloned();
        Ok(())
    }

    /// All dictionaries, for a checkpoint.
    pub(crate) fn dictionaries(&self) -> Vec<KeptDictionary> {
        let dictionaries = self.dictionaries.read().unwrap_or_else(|e| e.into_inner());
        let kept = dictionaries
            .by_id
            .values()
            .map(|dictionary| KeptDictionary {
                id: dictionary.id,
                created_unix_ms: dictionary.created_unix_ms,
                bytes: dictionary.bytes.clone(),
            });
        kept.collect()
    }

    pub(crate) fn has_dictionary(&self, id: u32) -> bool {
        let dictionaries = self.dictionaries.read().unwrap_or_else(|e| e.into_inner());
        dictionaries.by_id.contains_key(&id)
    }

    /// Buffers for frames and for what is in them.
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Frames plain bytes in the smallest form of those that apply.
    pub(crate) fn encode(&self, plain: &[u8], level: i32) -> Result<Vec<u8>> {
        let plain_len = u32::try_from(plain.len())
            .map_err(|_| Error::invalid("a frame holds at most 4 GiB"))?;
        let mut out = self.buffers.take();
        let dictionary = self.dictionary_for(plain);
        head(dictionary.as_deref().map(|d| d.id), plain_len, &mut out);
        let start = out.len();
        out.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        // Behind the head, into what was reserved and never written to.
        let mut target = Cursor::new(out);
        target.set_position(start as u64);
        let written = match dictionary {
            Some(dictionary) => dictionary.compress(plain, level, &mut target),
            None => self.compress(plain, level, &mut target),
        };
        out = target.into_inner();
        // Incompressible: stored as it is. A compressor's failure must not lose the chunk.
        if !written.is_ok_and(|written| written < plain.len()) {
            out.clear();
            out.push(CODEC_NONE);
            out.extend_from_slice(&plain_len.to_le_bytes());
            out.extend_from_slice(plain);
        }
        Ok(out)
    }

    /// Takes plain bytes out of a frame; `object` names it in errors.
    pub(crate) fn decode(&self, object: &str, frame: &[u8], max_plain: usize) -> Result<Vec<u8>> {
        let mut plain = Vec::new();
        self.decode_into(object, frame, max_plain, &mut plain)?;
        Ok(plain)
    }

    /// As [`Codec::decode`], in place of what the buffer held.
    pub(crate) fn decode_into(
        &self,
        object: &str,
        frame: &[u8],
        max_plain: usize,
        plain: &mut Vec<u8>,
    ) -> Result<()> {
        plain.clear();
        let mut fields = crate::record::RecordReader::new(object, frame);
        let codec = fields.u8()?;
        let dictionary = match codec {
            CODEC_NONE | CODEC_ZSTD => None,
            CODEC_ZSTD_DICTIONARY => Some(self.dictionary(object, fields.u32()?)?),
            _ => return Err(fields.damaged("its compression is unknown")),
        };
        let plain_len = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
        if plain_len > max_plain {
            return Err(fields.damaged("it claims to be longer than such an object may be"));
        }
        let body = fields.rest();
        plain.reserve_exact(plain_len);
        let decompressed = match dictionary {
            _ if codec == CODEC_NONE => {
                plain.extend_from_slice(body);
                Ok(())
            }
            Some(dictionary) => Decompressor::with_prepared_dictionary(&dictionary.decoder)
                .and_then(|mut d| d.decompress_to_buffer(body, plain))
                .map(drop),
            None => self.decompress(body, plain),
        };
        decompressed
            .map_err(|e| Error::corrupt(object, "it does not decompress").with_source(e))?;
        if plain.len() == plain_len {
            Ok(())
        } else {
            Err(Error::corrupt(object, "its length is not what it says"))
        }
    }

    fn dictionary_for(&self, plain: &[u8]) -> Option<Arc<Dictionary>> {
        if plain.len() > MAX_DICTIONARY_INPUT {
            return None;
        }
        let dictionaries = self.dictionaries.read().unwrap_or_else(|e| e.into_inner());
        dictionaries.current.clone()
    }

    fn dictionary(&self, object: &str, id: u32) -> Result<Arc<Dictionary>> {
        let dictionaries = self.dictionaries.read().unwrap_or_else(|e| e.into_inner());
        dictionaries.by_id.get(&id).cloned().ok_or_else(|| {
            Error::corrupt(
                object,
                format!("the dictionary {id:08x} that it needs is missing"),
            )
        })
    }

    fn compress(&self, plain: &[u8], level: i32, target: &mut Target) -> std::io::Result<usize> {
        let tuning = Tuning {
            level,
            large: plain.len() > LARGE_INPUT,
        };
        let idle = {
            let mut idle = self.compressors.lock().unwrap_or_else(|e| e.into_inner());
            let same = idle.iter().position(|(other, _)| *other == tuning);
            same.map(|at| idle.swap_remove(at).1)
        };
        let mut compressor = match idle {
            Some(compressor) => compressor,
            None => tuning.compressor()?,
        };
        let written = compressor.compress_to_buffer(plain, target)?;
        let mut idle = self.compressors.lock().unwrap_or_else(|e| e.into_inner());
        if idle.len() == MAX_IDLE {
            idle.remove(0);
        }
        idle.push((tuning, compressor));
        Ok(written)
    }

    /// Fills the buffer's room, and fails if that is too little.
    fn decompress(&self, body: &[u8], plain: &mut Vec<u8>) -> std::io::Result<()> {
        let idle = {
            let mut idle = self.decompressors.lock().unwrap_or_else(|e| e.into_inner());
            idle.pop()
        };
        let mut decompressor = match idle {
            Some(decompressor) => decompressor,
            None => Decompressor::new()?,
        };
        decompressor.decompress_to_buffer(body, plain)?;
        let mut idle = self.decompressors.lock().unwrap_or_else(|e| e.into_inner());
        if idle.len() < MAX_IDLE {
            idle.push(decompressor);
        }
        Ok(())
    }
}

/// A buffer and where in it to write.
type Target = Cursor<Vec<u8>>;

/// What a compressor was made for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tuning {
    level: i32,
    large: bool,
}

impl Tuning {
    fn compressor(self) -> std::io::Result<Compressor<'static>> {
        let mut compressor = Compressor::new(self.level)?;
        if self.large {
            compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        }
        if self.large && self.level == TUNED_LEVEL {
            compressor.set_parameter(CParameter::HashLog(HASH_LOG))?;
            compressor.set_parameter(CParameter::ChainLog(CHAIN_LOG))?;
        }
        Ok(compressor)
    }
}

impl Dictionary {
    fn compress(&self, plain: &[u8], level: i32, target: &mut Target) -> std::io::Result<usize> {
        let encoder = self.encoder(level)?;
        Compressor::with_prepared_dictionary(&encoder)?.compress_to_buffer(plain, target)
    }

    /// Digests the dictionary once per level: doing it per frame would cost more than the frame.
    fn encoder(&self, level: i32) -> std::io::Result<Arc<EncoderDictionary<'static>>> {
        let mut slot = self.encoder.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((same, encoder)) = slot.as_ref()
            && *same == level
        {
            return Ok(Arc::clone(encoder));
        }
        let encoder = Arc::new(EncoderDictionary::try_copy(&self.bytes, level)?);
        *slot = Some((level, Arc::clone(&encoder)));
        Ok(encoder)
    }
}

fn head(dictionary: Option<u32>, plain_len: u32, head: &mut Vec<u8>) {
    match dictionary {
        Some(id) => {
            head.push(CODEC_ZSTD_DICTIONARY);
            head.extend_from_slice(&id.to_le_bytes());
        }
        None => head.push(CODEC_ZSTD),
    }
    head.extend_from_slice(&plain_len.to_le_bytes());
}
