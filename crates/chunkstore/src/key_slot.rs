//! Key slots: the master key wrapped by a passphrase.
//!
//! `preamble 64 | type u8 | memory KiB u32 | passes u32 | lanes u32 | sealed master key 48`

use bytes::Bytes;

use crate::config::RepositoryId;
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::keyring::{Argon2Params, Key, Passphrase};
use crate::layout::{self, KEYS};
use crate::objects::Objects;
use crate::record::{RecordReader, RecordWriter};
use crate::seal::{Cipher, ObjectKind, PREAMBLE_LEN, Preamble, SealedBuffer, Suite};

/// The type byte of a passphrase slot; the others come with other ways to unlock.
const TYPE_PASSPHRASE: u8 = 1;
/// Clear bytes in front of the sealed master key.
const CLEAR_LEN: usize = PREAMBLE_LEN + 1 + 3 * 4;
/// A slot is 125 bytes; other types may be longer.
const MAX_SLOT_BYTES: u64 = 64 << 10;
const PURPOSE: &str = "key slot";

/// Wraps a master key; `config` is the content of `repository.json`, which the slot vouches for.
pub(crate) async fn seal(
    (repository, suite): (RepositoryId, Suite),
    master: &Key,
    (passphrase, params): (&Passphrase, Argon2Params),
    config: &[u8],
    env: &Environment,
) -> Result<Bytes> {
    let preamble = Preamble {
        kind: ObjectKind::KeySlot,
        suite,
        epoch: 0,
        repository,
        salt: env.random_array(),
    };
    let mut clear = RecordWriter(preamble.encode().to_vec());
    clear.u8(TYPE_PASSPHRASE);
    clear
        .u32(params.memory_kib)
        .u32(params.passes)
        .u32(params.lanes);
    let stretched = stretch(passphrase, params, preamble.salt).await?;
    let cipher = Cipher::new(suite, &preamble.key(&stretched, PURPOSE));
    let mut buffer = SealedBuffer::new(&clear.0);
    buffer.append(&cipher, &aad(&clear.0, config), master.as_bytes())?;
    Ok(buffer.into_bytes().into())
}

/// Finds the slot that the passphrase opens.
///
/// # Errors
/// `Auth` when no undamaged slot opens, `Corrupt` when there is none.
pub(crate) async fn unlock(
    objects: &Objects,
    repository: RepositoryId,
    passphrase: &Passphrase,
    config: &[u8],
) -> Result<Key> {
    let mut refused = false;
    let mut damage = None;
    for meta in objects.list(KEYS).await? {
        let name = meta.location.to_string();
        match open_slot(objects, &name, repository, passphrase, config).await {
            Ok(Some(master)) => return Ok(master),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Auth => refused = true,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                damage = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match damage {
        _ if refused => Err(Error::new(
            ErrorKind::Auth,
            "the passphrase opens none of the repository's key slots",
        )),
        Some(error) => Err(error),
        None => Err(Error::corrupt(
            KEYS,
            "it holds no key slot of this repository",
        )),
    }
}

/// Looks at a slot without a passphrase; `false` for a slot of another repository.
pub(crate) async fn inspect(
    objects: &Objects,
    name: &str,
    repository: RepositoryId,
) -> Result<bool> {
    let bytes = objects.get(name, MAX_SLOT_BYTES).await?;
    Ok(parse(name, &bytes, repository)?.is_some())
}

struct Slot<'a> {
    preamble: Preamble,
    params: Argon2Params,
    clear: &'a [u8],
    sealed: &'a [u8],
}

/// `None` for a slot of another repository: two machines that created one here at the same time
/// both left a slot, and only one repository.
fn parse<'a>(name: &str, bytes: &'a [u8], repository: RepositoryId) -> Result<Option<Slot<'a>>> {
    if layout::key_slot_name(bytes) != name {
        return Err(Error::corrupt(name, "its content does not match its name"));
    }
    let preamble = Preamble::decode(name, bytes)?;
    if preamble.kind != ObjectKind::KeySlot {
        return Err(Error::corrupt(name, "it is not a key slot"));
    }
    if preamble.repository != repository {
        return Ok(None);
    }
    let mut fields = RecordReader::new(name, bytes);
    fields.bytes(PREAMBLE_LEN)?;
    if fields.u8()? != TYPE_PASSPHRASE {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("{name} is a kind of key slot that this program does not know"),
        ));
    }
    let params = Argon2Params {
        memory_kib: fields.u32()?,
        passes: fields.u32()?,
        lanes: fields.u32()?,
    };
    if params.validate().is_err() {
        return Err(Error::corrupt(
            name,
            "its Argon2 parameters are out of range",
        ));
    }
    Ok(Some(Slot {
        preamble,
        params,
        clear: bytes.get(..CLEAR_LEN).unwrap_or_default(),
        sealed: bytes.get(CLEAR_LEN..).unwrap_or_default(),
    }))
}

async fn open_slot(
    objects: &Objects,
    name: &str,
    repository: RepositoryId,
    passphrase: &Passphrase,
    config: &[u8],
) -> Result<Option<Key>> {
    let bytes = objects.get(name, MAX_SLOT_BYTES).await?;
    let Some(slot) = parse(name, &bytes, repository)? else {
        return Ok(None);
    };
    let stretched = stretch(passphrase, slot.params, slot.preamble.salt).await?;
    let cipher = Cipher::new(slot.preamble.suite, &slot.preamble.key(&stretched, PURPOSE));
    let opened = cipher.open(CLEAR_LEN as u64, &aad(slot.clear, config), slot.sealed);
    let refused = || {
        Error::new(
            ErrorKind::Auth,
            format!("the passphrase does not open {name}"),
        )
    };
    let master = zeroize::Zeroizing::new(opened.ok_or_else(refused)?);
    let master: [u8; 32] = master
        .as_slice()
        .try_into()
        .map_err(|_| Error::corrupt(name, "its key has a wrong length"))?;
    Ok(Some(Key::from_bytes(master)))
}

/// A slot also vouches for `repository.json`: nobody without the passphrase can change the latter.
fn aad(clear: &[u8], config: &[u8]) -> Vec<u8> {
    [clear, blake3::hash(config).as_bytes()].concat()
}

/// Argon2 takes a fraction of a second and tens of megabytes: not on an async thread.
async fn stretch(passphrase: &Passphrase, params: Argon2Params, salt: [u8; 16]) -> Result<Key> {
    let passphrase = passphrase.clone();
    tokio::task::spawn_blocking(move || params.stretch(&passphrase, &salt))
        .await
        .map_err(|e| Error::internal("deriving the key was interrupted").with_source(e))?
}
