//! `repository.json`: the only clear text of a repository.

use std::fmt;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::chunk_id::hex;
use crate::error::{Error, ErrorKind, Result};
use crate::keyring::Argon2Params;
use crate::layout::{REPOSITORY, parse_ulid};
use crate::seal::Suite;

/// What marks the file.
const MAGIC: &str = "postkeep repository";
/// The layout of stored objects that this crate writes and reads.
const FORMAT: u32 = 1;
/// The rules of sessions and collection that writers and custodians of a repository share.
const PROTOCOL: u32 = 1;
/// `repository.json` is a few hundred bytes; anything much larger is not one.
pub(crate) const MAX_CONFIG_BYTES: u64 = 16 * 1024;

/// Names a repository; drawn at creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId(pub(crate) Ulid);

impl RepositoryId {
    /// The id's 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string())
    }
}

impl fmt::Debug for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepositoryId({self})")
    }
}

/// How many machines may write to the destination at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writers {
    /// Any number: the destination proved that exactly one of sixteen concurrent creates wins.
    Many,
    /// One at a time: the destination does not keep concurrent creates apart. The program must
    /// see to it that no second writer runs.
    Single,
}

/// Choices made when a repository is created.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The cipher; default AES-256-GCM. ChaCha20-Poly1305 suits processors without AES instructions.
    pub suite: Suite,
    /// Cost of the passphrase slot.
    pub argon2: Argon2Params,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            suite: Suite::Aes256Gcm,
            argon2: Argon2Params::default(),
        }
    }
}

/// The content of `repository.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    magic: String,
    format: u32,
    protocol: u32,
    id: String,
    suite: Suite,
    writers: Writers,
    created_unix_ms: i64,
    checksum: String,
}

/// Enough of the file to tell a newer version from damage.
#[derive(Deserialize)]
struct Versions {
    magic: String,
    format: u32,
    protocol: u32,
}

impl Config {
    pub(crate) fn new(id: RepositoryId, suite: Suite, writers: Writers, now: i64) -> Self {
        let mut config = Self {
            magic: MAGIC.to_owned(),
            format: FORMAT,
            protocol: PROTOCOL,
            id: id.to_string(),
            suite,
            writers,
            created_unix_ms: now,
            checksum: String::new(),
        };
        config.checksum = config.compute_checksum();
        config
    }

    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn writers(&self) -> Writers {
        self.writers
    }

    pub(crate) fn id(&self) -> Result<RepositoryId> {
        parse_ulid(&self.id)
            .map(RepositoryId)
            .ok_or_else(|| Error::corrupt(REPOSITORY, "its id is not a ULID"))
    }

    /// The file's bytes; one spelling only, so that any change of any byte is noticed.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("strings and numbers always encode");
        text.push(b'\n');
        text
    }

    /// Reads the file.
    ///
    /// # Errors
    /// `NotFound` when it is no repository's, `Unsupported` for other versions, `Corrupt` for any
    /// byte that is not what was written.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| Error::corrupt(REPOSITORY, what);
        let versions: Versions = serde_json::from_slice(bytes)
            .map_err(|e| damaged("it is not the JSON of a repository").with_source(e))?;
        if versions.magic != MAGIC {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{REPOSITORY} does not belong to a postkeep repository"),
            ));
        }
        let config: Option<Self> = serde_json::from_slice(bytes).ok();
        match config {
            Some(config) if config.is_as_written(bytes) => config.check_versions(&versions),
            // A version we do not know may have other fields: only its numbers count.
            _ if versions.format > FORMAT || versions.protocol > PROTOCOL => {
                Err(unsupported(&versions))
            }
            _ => Err(damaged("its checksum does not match")),
        }
    }

    fn check_versions(self, versions: &Versions) -> Result<Self> {
        if versions.format == FORMAT && versions.protocol == PROTOCOL {
            Ok(self)
        } else {
            Err(unsupported(versions))
        }
    }

    fn is_as_written(&self, bytes: &[u8]) -> bool {
        self.checksum == self.compute_checksum() && self.encode() == bytes
    }

    /// The first 16 bytes of the BLAKE3 of the file with an empty checksum, in hexadecimal.
    fn compute_checksum(&self) -> String {
        let blank = Self {
            checksum: String::new(),
            ..self.clone()
        };
        hex(&blake3::hash(&blank.encode()).as_bytes()[..16])
    }
}

fn unsupported(versions: &Versions) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{REPOSITORY} is of format {} and protocol {}; this program knows {FORMAT} and {PROTOCOL}",
            versions.format, versions.protocol
        ),
    )
}
