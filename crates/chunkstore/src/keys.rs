//! The folder `keys/`: slots, and the objects that make an epoch's keys count.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::config::RepositoryId;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Codec;
use crate::key_slot::{MAX_SLOT_BYTES, Slot};
use crate::keyring::{Key, Keyring, MAX_KEY_EPOCHS};
use crate::layout::{self, KEYS};
use crate::objects::{Objects, Sealer};
use crate::seal::{ObjectKind, Suite};
use crate::store::Store;
use crate::unlock::Unlock;

/// Slots read at the same time.
const PARALLEL_READS: usize = 8;
/// Most objects in `keys/` that are looked at; people have a handful.
const MAX_OBJECTS: usize = 4096;

/// What `keys/` holds.
pub(crate) struct KeyFolder {
    /// Slots of this repository, sorted by name.
    pub(crate) slots: Vec<Slot>,
    /// Slots that cannot be read, by name.
    pub(crate) damaged: Vec<(String, Error)>,
    /// The newest epoch that a rotation has finished; 1 without any.
    pub(crate) newest_epoch: u32,
}

/// What opening a slot gives.
pub(crate) struct Unlocked {
    pub(crate) keyring: Keyring,
    /// The slot's id.
    pub(crate) slot: [u8; 16],
}

/// Lists `keys/` and reads the slots.
pub(crate) async fn read(objects: &Objects, repository: RepositoryId) -> Result<KeyFolder> {
    let mut names: Vec<String> = objects
        .list(KEYS)
        .await?
        .into_iter()
        .map(|meta| meta.location.to_string())
        .take(MAX_OBJECTS)
        .collect();
    names.sort();
    let newest = names
        .iter()
        .filter_map(|name| layout::parse_key_epoch(name));
    let newest_epoch = newest.max().unwrap_or(1).max(1);
    let reads: Vec<(String, Result<Bytes>)> = futures::stream::iter(names)
        .filter(|name| std::future::ready(layout::parse_key_slot(name).is_some()))
        .map(|name| async move {
            match objects.get(&name, MAX_SLOT_BYTES).await {
                Err(error) if !is_slot_damage(error.kind()) => Err(error),
                read => Ok((name, read)),
            }
        })
        .buffered(PARALLEL_READS)
        .try_collect()
        .await?;
    let mut folder = KeyFolder {
        slots: Vec::new(),
        damaged: Vec::new(),
        newest_epoch,
    };
    for (name, read) in reads {
        match read.and_then(|bytes| Slot::parse(&name, bytes, repository)) {
            Ok(Some(slot)) => folder.slots.push(slot),
            Ok(None) => {}
            Err(error) => folder.damaged.push((name, error)),
        }
    }
    Ok(folder)
}

fn is_slot_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::NotFound
    )
}

impl KeyFolder {
    /// Finds the slot that the secret opens.
    ///
    /// # Errors
    /// `Auth` when no undamaged slot opens, `Corrupt` when all slots are damaged or there is none.
    pub(crate) async fn unlock(
        self,
        (objects, suite): (&Objects, Suite),
        unlock: &Unlock,
        config: &[u8],
    ) -> Result<Unlocked> {
        let mut tried = Tried::default();
        for slot in &self.slots {
            let keyring = match slot.unlock(unlock, config).await {
                Ok(Some(keyring)) => keyring,
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::Auth => {
                    tried.refused.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let epoch = slot.preamble.epoch;
            if epoch < self.newest_epoch {
                tried.replaced = true;
                continue;
            }
            if epoch == self.newest_epoch && counts(objects, suite, &keyring).await? {
                return Ok(Unlocked {
                    keyring,
                    slot: slot.id(),
                });
            }
            // Left over from a rotation that did not finish: the slot it was made from still works.
            tried.unfinished = true;
        }
        Err(tried.explain(unlock, self))
    }
}

/// Why nothing opened.
#[derive(Default)]
struct Tried {
    refused: Option<Error>,
    replaced: bool,
    unfinished: bool,
}

impl Tried {
    fn explain(self, unlock: &Unlock, folder: KeyFolder) -> Error {
        let name = unlock.name();
        let auth = |what: String| Error::new(ErrorKind::Auth, what);
        let mut error = if self.replaced {
            return auth(format!(
                "{name} opens only keys that a rotation has replaced"
            ));
        } else if self.unfinished {
            return auth(format!(
                "{name} opens only a slot of a key rotation that did not finish"
            ));
        } else if let Some(refused) = self.refused {
            let what = format!("{name} opens none of the repository's key slots");
            auth(what).with_source(refused)
        } else if !folder.slots.is_empty() {
            auth(format!(
                "no key slot of the repository is opened by a secret of this kind ({name})"
            ))
        } else {
            let mut damaged = folder.damaged;
            return match damaged.pop() {
                Some((_, error)) => error,
                None => Error::corrupt(KEYS, "it holds no key slot of this repository"),
            };
        };
        if let Some((object, damage)) = folder.damaged.into_iter().next() {
            let what = format!("{error}; {object} cannot be read and may be the one");
            error = auth(what).with_source(damage);
        }
        error
    }
}

/// Whether the newest epoch of a keyring is the one that a rotation has finished.
async fn counts(objects: &Objects, suite: Suite, keyring: &Keyring) -> Result<bool> {
    let epoch = keyring.newest_epoch();
    if epoch == 1 {
        return Ok(true);
    }
    let name = layout::key_epoch_name(epoch);
    let bytes = objects.get(&name, MAX_SLOT_BYTES).await?;
    let sealer = Sealer {
        repository: keyring.repository(),
        suite,
        epoch,
        keyring: keyring.clone(),
    };
    let opened = sealer.open((&name, ObjectKind::KeyEpoch), &bytes, &Codec::default());
    Ok(opened.is_ok())
}

/// Writes the object that makes the newest epoch of a keyring count.
///
/// # Errors
/// `Conflict` when another rotation was faster.
pub(crate) async fn finish_epoch(store: &Store, keyring: &Keyring) -> Result<()> {
    let epoch = keyring.newest_epoch();
    if epoch as usize > MAX_KEY_EPOCHS {
        return Err(Error::invalid("the keys were rotated too often"));
    }
    let name = layout::key_epoch_name(epoch);
    let sealer = Sealer {
        repository: keyring.repository(),
        suite: store.sealer.suite,
        epoch,
        keyring: keyring.clone(),
    };
    let record = store.env.now().to_le_bytes();
    let kind = ObjectKind::KeyEpoch;
    let bytes = sealer.seal((&name, kind), &record, &store.codec, &store.env)?;
    store.objects.create_own(&name, bytes).await
}

/// Looks at one object in `keys/` without a secret.
pub(crate) async fn inspect(store: &Store, name: &str) -> Result<()> {
    if layout::parse_key_epoch(name).is_some() {
        return store
            .read_sealed(name, ObjectKind::KeyEpoch)
            .await
            .map(drop);
    }
    let bytes = store.objects.get(name, MAX_SLOT_BYTES).await?;
    Slot::parse(name, bytes, store.sealer.repository).map(drop)
}

/// Fails if a rotation has replaced the keys of an open repository.
pub(crate) async fn refuse_replaced(store: &Store) -> Result<()> {
    let listed = store.objects.list(KEYS).await?;
    let epochs = listed
        .iter()
        .filter_map(|meta| layout::parse_key_epoch(meta.location.as_ref()));
    if epochs.max() > Some(store.keyring().newest_epoch()) {
        return Err(Error::new(
            ErrorKind::Auth,
            "the repository's keys were rotated since it was opened; open it again",
        ));
    }
    Ok(())
}

/// A fresh master key for the next epoch.
///
/// # Errors
/// `Sealed` for a writer.
pub(crate) fn next_keyring(store: &Store) -> Result<Keyring> {
    let master = Key::from_bytes(store.env.random_array());
    store.keyring().with_epoch(master)
}
