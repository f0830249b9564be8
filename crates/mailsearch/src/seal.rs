//! Encrypted files: made of sealed blocks, written once, each under a key of its own.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit, Nonce, Tag};
use zeroize::Zeroizing;

use crate::error::{Doing, Error, Fault, Result};

const MAGIC: &[u8; 8] = b"PKSEARCH";
/// The version of everything below; another one is built anew.
const VERSION: u8 = 2;
/// Magic, version, and the random bytes the file's key comes from.
pub(crate) const HEADER_LEN: usize = 8 + 1 + SALT_LEN;
const SALT_LEN: usize = 24;
const TAG_LEN: usize = 16;
const ZSTD_LEVEL: i32 = 6;
/// No block is larger than this when it is unpacked.
const MAX_BLOCK_BYTES: usize = 1 << 30;

/// Random bytes that name a file's key; drawn anew for each file.
pub(crate) type Salt = [u8; SALT_LEN];

/// The key of an index; wiped when dropped.
#[derive(Clone)]
pub(crate) struct IndexKey(Zeroizing<[u8; 32]>);

impl IndexKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*key))
    }

    fn cipher(&self, salt: &Salt) -> ChaCha20Poly1305 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"postkeep search file 1").update(salt);
        let key = Zeroizing::new(*hasher.finalize().as_bytes());
        ChaCha20Poly1305::new((&*key).into())
    }
}

/// Where a block is in its file. Its position is its nonce: blocks are only appended and a file
/// is never written twice, so no nonce repeats under a file's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) position: u64,
    pub(crate) len: u32,
}

fn nonce(position: u64) -> Nonce<ChaCha20Poly1305> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    Nonce::<ChaCha20Poly1305>::from(nonce)
}

/// A file being written; it gets its name when it is whole.
pub(crate) struct SealedWriter {
    file: BufWriter<File>,
    cipher: ChaCha20Poly1305,
    partial: PathBuf,
    path: PathBuf,
    position: u64,
}

impl SealedWriter {
    pub(crate) fn create(path: &Path, key: &IndexKey, salt: &Salt) -> Result<Self> {
        let partial = path.with_extension("part");
        let what = || "write a file".to_owned();
        let mut file = BufWriter::new(File::create(&partial).doing(what)?);
        file.write_all(MAGIC).doing(what)?;
        file.write_all(&[VERSION]).doing(what)?;
        file.write_all(salt).doing(what)?;
        Ok(Self {
            file,
            cipher: key.cipher(salt),
            partial,
            path: path.to_owned(),
            position: HEADER_LEN as u64,
        })
    }

    /// Compresses, seals and appends a block.
    pub(crate) fn append(&mut self, plain: &[u8]) -> Result<Block> {
        let what = || "write a file".to_owned();
        if plain.len() > MAX_BLOCK_BYTES {
            return Err(Error::new(what(), Fault::Limit("a block is too large")));
        }
        let mut body = zstd::bulk::compress(plain, ZSTD_LEVEL).doing(what)?;
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(self.position), &[], body.as_mut_slice().into())
            .map_err(|_| Error::new(what(), Fault::Limit("a block is too large")))?;
        body.extend_from_slice(&tag);
        self.file.write_all(&body).doing(what)?;
        let block = Block {
            position: self.position,
            len: body.len() as u32,
        };
        self.position += body.len() as u64;
        Ok(block)
    }

    /// Makes the file durable under its name; returns its length.
    pub(crate) fn finish(self) -> Result<u64> {
        let what = || "write a file".to_owned();
        let file = self
            .file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .doing(what)?;
        file.sync_all().doing(what)?;
        drop(file);
        std::fs::rename(&self.partial, &self.path).doing(what)?;
        Ok(self.position)
    }
}

/// A file that is whole, to be read block by block from any thread.
pub(crate) struct SealedFile {
    file: Mutex<File>,
    cipher: ChaCha20Poly1305,
    pub(crate) salt: Salt,
    pub(crate) len: u64,
}

impl SealedFile {
    pub(crate) fn open(path: &Path, key: &IndexKey) -> Result<Self> {
        let what = || "open a file".to_owned();
        let mut file = File::open(path).doing(what)?;
        let len = file.metadata().doing(what)?.len();
        let mut header = [0; HEADER_LEN];
        file.read_exact(&mut header).doing(what)?;
        let (magic, rest) = header.split_at(MAGIC.len());
        let mut salt = Salt::default();
        salt.copy_from_slice(&rest[1..]);
        if magic != MAGIC || rest[0] != VERSION {
            return Err(Error::corrupt("a file", "it is of another format"));
        }
        Ok(Self {
            file: Mutex::new(file),
            cipher: key.cipher(&salt),
            salt,
            len,
        })
    }

    /// Reads, verifies, decrypts and unpacks a block.
    pub(crate) fn read(&self, block: Block) -> Result<Vec<u8>> {
        let what = || "read a block".to_owned();
        let damaged = || Error::corrupt("a block", "its bytes are not what was written");
        let end = block.position.checked_add(u64::from(block.len));
        if end.is_none_or(|end| end > self.len) {
            return Err(damaged());
        }
        let mut body = vec![0; block.len as usize];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(block.position)).doing(what)?;
            file.read_exact(&mut body).doing(what)?;
        }
        let (bytes, tag) = body.split_last_chunk_mut::<TAG_LEN>().ok_or_else(damaged)?;
        let tag = Tag::<ChaCha20Poly1305>::from(*tag);
        self.cipher
            .decrypt_inout_detached(&nonce(block.position), &[], (&mut *bytes).into(), &tag)
            .map_err(|_| damaged())?;
        let size = zstd::zstd_safe::get_frame_content_size(bytes)
            .ok()
            .flatten()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| *size <= MAX_BLOCK_BYTES)
            .ok_or_else(damaged)?;
        zstd::bulk::decompress(bytes, size).map_err(|_| damaged())
    }
}
