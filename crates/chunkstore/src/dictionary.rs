//! Compression dictionaries: sealed, stored twice, never replaced.

use std::collections::BTreeSet;

use crate::check::Problem;
use crate::checkpoint::KeptDictionary;
use crate::error::{Error, Result};
use crate::layout::{self, DICTS};
use crate::record::{RecordReader, RecordWriter};
use crate::seal::ObjectKind;
use crate::store::Store;

/// The largest dictionary; measurements found 112 KiB best.
const MAX_DICTIONARY_BYTES: usize = 1 << 20;
/// Copies of each.
const COPIES: [u8; 2] = [1, 2];

struct Loaded {
    created_unix_ms: i64,
    id: u32,
    bytes: Vec<u8>,
}

/// Loads the dictionaries not known yet; the newest becomes the one used for writing.
pub(crate) async fn load(store: &Store) -> Result<Vec<Problem>> {
    let listed = store.objects.list(DICTS).await?;
    let ids: BTreeSet<u32> = listed
        .iter()
        .filter_map(|meta| layout::parse_dictionary(meta.location.filename()?))
        .filter(|id| !store.codec.has_dictionary(*id))
        .collect();
    let mut problems = Vec::new();
    let mut loaded = Vec::new();
    for id in ids {
        if let Some(dictionary) = load_one(store, id, &mut problems).await? {
            loaded.push(dictionary);
        }
    }
    loaded.sort_by_key(|dictionary| (dictionary.created_unix_ms, dictionary.id));
    for dictionary in loaded {
        store
            .codec
            .add_dictionary(dictionary.id, dictionary.created_unix_ms, dictionary.bytes)?;
    }
    Ok(problems)
}

async fn load_one(store: &Store, id: u32, problems: &mut Vec<Problem>) -> Result<Option<Loaded>> {
    for copy in COPIES {
        let name = layout::dictionary_name(id, copy);
        match read(store, &name, id).await {
            Ok(dictionary) => return Ok(Some(dictionary)),
            Err(error) if crate::admin::is_damage(error.kind()) => problems.push(Problem {
                object: name,
                what: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Makes the dictionaries of a checkpoint available, where their own objects could not be read.
pub(crate) fn restore(store: &Store, kept: &[KeptDictionary]) -> Result<()> {
    for dictionary in kept {
        if !store.codec.has_dictionary(dictionary.id)
            && dictionary_id(store, &dictionary.bytes) == dictionary.id
        {
            let KeptDictionary {
                id,
                created_unix_ms,
                bytes,
            } = dictionary.clone();
            store.codec.add_dictionary(id, created_unix_ms, bytes)?;
        }
    }
    Ok(())
}

/// Reads one copy, to see whether it is good.
pub(crate) async fn inspect(store: &Store, name: &str, id: u32) -> Result<()> {
    read(store, name, id).await.map(drop)
}

async fn read(store: &Store, name: &str, id: u32) -> Result<Loaded> {
    let record = store.read_sealed(name, ObjectKind::Dictionary).await?;
    let mut fields = RecordReader::new(name, &record);
    let created_unix_ms = fields.i64()?;
    let bytes = fields.rest().to_vec();
    if bytes.len() > MAX_DICTIONARY_BYTES || dictionary_id(store, &bytes) != id {
        return Err(Error::corrupt(name, "its content does not match its name"));
    }
    Ok(Loaded {
        created_unix_ms,
        id,
        bytes,
    })
}

/// Stores both copies and starts using the dictionary.
pub(crate) async fn add(store: &Store, bytes: &[u8]) -> Result<()> {
    if bytes.len() < 8 || bytes.len() > MAX_DICTIONARY_BYTES {
        return Err(Error::invalid("a dictionary has 8 bytes to 1 MiB"));
    }
    let id = dictionary_id(store, bytes);
    if store.codec.has_dictionary(id) {
        return Ok(());
    }
    let created_unix_ms = store.env.now();
    let mut record = RecordWriter::default();
    record.i64(created_unix_ms).bytes(bytes);
    for copy in COPIES {
        let name = layout::dictionary_name(id, copy);
        let sealed = store.seal(&name, ObjectKind::Dictionary, &record.0)?;
        // Another machine may have stored the same dictionary: then the copy must be readable.
        if store.objects.create(&name, sealed).await? == crate::objects::Created::Existed {
            read(store, &name, id).await?;
        }
    }
    store
        .codec
        .add_dictionary(id, created_unix_ms, bytes.to_vec())
}

/// Names a dictionary by its content.
fn dictionary_id(store: &Store, bytes: &[u8]) -> u32 {
    let id = store.chunk_id(bytes);
    let [a, b, c, d, ..] = *id.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}
