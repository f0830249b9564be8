//! Keys of an open repository: listed, added, removed, rotated. Data is never rewritten.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use object_store::ObjectStore;

use crate::chunk_id::{parse_hex, write_hex};
use crate::config::{Config, MAX_CONFIG_BYTES, Writers};
use crate::error::{Error, ErrorKind, Result};
use crate::escrow::{EscrowPrivateKey, EscrowPublicKey, EscrowShare};
use crate::key_slot::{self, Label, Method, Slot, SlotPlace};
use crate::keyring::{Argon2Params, Keyring};
use crate::keys::{self, KeyFolder};
use crate::layout::{self, KEYS, REPOSITORY};
use crate::objects::Objects;
use crate::repository::Repository;
use crate::unlock::NewKey;

/// What a key lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRole {
    /// Everything.
    Full,
    /// Add to the repository and list it, but not read stored contents.
    Writer,
}

/// Names a key of a repository.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_hex(text)
            .map(Self)
            .ok_or_else(|| Error::invalid("a key's id is 32 hexadecimal digits"))
    }
}

/// What opens a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyMethod {
    /// A passphrase, at this cost of trying one.
    Passphrase(Argon2Params),
    /// A key file.
    KeyFile,
    /// A recovery phrase.
    RecoveryPhrase,
    /// `threshold` of these together.
    Escrow {
        /// The public keys.
        recipients: Vec<EscrowPublicKey>,
        /// How many of them it takes.
        threshold: u8,
    },
    /// A writer's key file.
    Writer,
}

/// Whether a key opens the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// It does.
    Usable,
    /// A rotation has replaced it, and could not delete it.
    Replaced,
    /// It is left over from a rotation that did not finish.
    Unfinished,
}

/// One key of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id.
    pub id: KeyId,
    /// What opens it.
    pub method: KeyMethod,
    /// What its maker called it.
    pub label: String,
    /// When it was made, in milliseconds since 1970-01-01T00:00:00Z; `None` when that cannot be read.
    pub created_unix_ms: Option<i64>,
    /// The epoch up to which it opens data, from 1.
    pub epoch: u32,
    /// Whether it opens the repository.
    pub state: KeyState,
}

impl KeyInfo {
    /// What the key lets its holder do.
    pub fn role(&self) -> KeyRole {
        match self.method {
            KeyMethod::Writer => KeyRole::Writer,
            _ => KeyRole::Full,
        }
    }

    /// Whether the passphrase can be tried faster than is wise ([`Argon2Params::is_weak`]).
    pub fn is_weak(&self) -> bool {
        matches!(&self.method, KeyMethod::Passphrase(argon2) if argon2.is_weak())
    }
}

/// What `keys/` holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyList {
    /// The keys, oldest first.
    pub keys: Vec<KeyInfo>,
    /// Objects that should be keys and cannot be read, with the reason.
    pub damaged: Vec<(String, String)>,
}

/// What became of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The new epoch: data written after opening the repository again is sealed with its keys.
    pub epoch: u32,
    /// The new keys: first those asked for, then one for each escrow and
    /// each writer's key.
    pub keys: Vec<KeyId>,
    /// Keys that do not open the repository any more.
    pub replaced: Vec<KeyInfo>,
}

impl Repository {
    /// The key that opened, or created, this repository.
    pub fn opened_with(&self) -> KeyId {
        self.key_id()
    }

    /// What the key lets its holder do that opened, or created, this repository.
    pub fn role(&self) -> KeyRole {
        match self.store().keyring().reads() {
            true => KeyRole::Full,
            false => KeyRole::Writer,
        }
    }

    /// Lists the keys.
    ///
    /// # Errors
    /// From the destination; a damaged key is an entry of [`KeyList::damaged`].
    pub async fn keys(&self) -> Result<KeyList> {
        let folder = self.read_keys().await?;
        let mut keys: Vec<KeyInfo> = folder.slots.iter().map(|s| self.info(&folder, s)).collect();
        keys.sort_by_key(|key| (key.created_unix_ms, key.id));
        let damaged = folder.damaged.into_iter();
        Ok(KeyList {
            keys,
            damaged: damaged.map(|(name, e)| (name, e.to_string())).collect(),
        })
    }

    /// Adds a key, under a label of at most 100 bytes that only who opens the repository can read.
    ///
    /// # Errors
    /// `Invalid` for a key that makes no sense, Argon2 parameters that are too cheap, or a label
    /// that is too long; `Auth` when the keys were rotated meanwhile; `Sealed` for who has a writer's
    /// key; otherwise from the destination.
    pub async fn add_key(&self, new: &NewKey, label: &str) -> Result<KeyId> {
        if matches!(new, NewKey::Passphrase(_, Some(argon2)) if argon2.is_weak()) {
            return Err(Error::invalid(
                "these Argon2 parameters let a passphrase be guessed too fast: \
                 take at least 19 MiB and 2 passes",
            ));
        }
        self.refuse_writer()?;
        keys::refuse_replaced(self.store()).await?;
        self.write_slot(self.store().keyring(), new, label).await
    }

    /// Removes a key, without rewriting data. Who has copied its slot before can still open what was
    /// written until the next [`rotate_keys`](Self::rotate_keys).
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for the last key that opens all of the repository; `Sealed` for who
    /// has a writer's key; otherwise from the destination (`Denied` where the credentials may not
    /// delete).
    pub async fn remove_key(&self, id: KeyId) -> Result<()> {
        self.refuse_writer()?;
        let folder = self.read_keys().await?;
        let name = slot_name(id);
        let found = folder.slots.iter().find(|slot| slot.id() == id.0);
        if found.is_none() && !folder.damaged.iter().any(|(damaged, _)| *damaged == name) {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("the repository has no key {id}"),
            ));
        }
        if self.usable_but(&folder, id) == 0 {
            return Err(last_key());
        }
        self.store().objects.delete(&name).await?;
        // Two machines may each have removed what the other counted on.
        let left = self.read_keys().await?;
        if let Some(slot) = found.filter(|_| self.usable_but(&left, id) == 0) {
            self.store().objects.create(&name, slot.bytes()).await?;
            return Err(last_key());
        }
        Ok(())
    }

    /// Which keys a rotation to `keep` replaces without a successor: those whose secrets are not
    /// at hand. Escrows and writers' keys need none.
    ///
    /// # Errors
    /// From the destination.
    pub async fn rotation_drops(&self, keep: &[NewKey]) -> Result<Vec<KeyInfo>> {
        let list = self.keys().await?;
        let mut kept: Vec<KeyMethodKind> = keep.iter().map(KeyMethodKind::of_new).collect();
        let own = self.opened_with();
        let dropped = list.keys.into_iter().filter(|key| {
            let kind = KeyMethodKind::of(&key.method);
            let successor = kept.iter().position(|one| key.id == own && *one == kind);
            if let Some(position) = successor {
                kept.remove(position);
            }
            let needs_none = matches!(kind, KeyMethodKind::Escrow | KeyMethodKind::Writer);
            successor.is_none() && !needs_none && key.state == KeyState::Usable
        });
        Ok(dropped.collect())
    }

    /// Starts a new epoch: fresh keys for all that is written from now on, wrapped by new slots
    /// for `keep`, for every escrow and for every writer's key. All other keys stop to open the repository; what was
    /// written before stays readable by the new ones.
    ///
    /// Who knew the old keys can never read what is written with the new ones; a writer's key that
    /// somebody else may have is to be removed first. This repository goes on with the old keys:
    /// open it again.
    ///
    /// # Errors
    /// `Invalid` when `keep` names no key that reads; `Sealed` for who has a writer's key; `Conflict` when another rotation was faster, `Auth` when
    /// it has finished; otherwise from the destination.
    ///
    /// # Cancellation
    /// Before the new epoch counts, new slots may be left behind that open nothing; after, old ones
    /// that are refused.
    pub async fn rotate_keys(&self, keep: &[(NewKey, String)]) -> Result<Rotation> {
        self.refuse_writer()?;
        let reads = |(key, _): &&(NewKey, String)| !matches!(key, NewKey::Writer(_));
        if keep.iter().find(reads).is_none() {
            return Err(Error::invalid("a rotation needs a key to keep"));
        }
        let folder = self.read_keys().await?;
        keys::refuse_replaced(self.store()).await?;
        let next = keys::next_keyring(self.store())?;
        let usable = folder.slots.iter();
        let usable = usable.filter(|slot| self.state(&folder, slot) == KeyState::Usable);
        let public = usable.filter_map(|slot| {
            let label = slot.label(self.store().keyring()).unwrap_or_default();
            Some((made_for_public_keys(slot)?, label.text))
        });
        let wanted: Vec<_> = keep.iter().cloned().chain(public).collect();
        // The slots first: an epoch that nobody can open must not count, not even briefly.
        let mut created = Vec::with_capacity(wanted.len());
        for (new, label) in &wanted {
            created.push(self.write_slot(&next, new, label).await?);
        }
        if let Err(error) = keys::finish_epoch(self.store(), &next).await {
            for id in created {
                // What stays opens nothing.
                drop(self.store().objects.delete(&slot_name(id)).await);
            }
            return Err(error);
        }
        let replaced: Vec<_> = folder.slots.iter().map(|s| self.info(&folder, s)).collect();
        for key in &replaced {
            if let Err(error) = self.store().objects.delete(&slot_name(key.id)).await {
                tracing::debug!(key = %key.id, %error, "a replaced key slot stays; it is refused");
            }
        }
        Ok(Rotation {
            epoch: next.newest_epoch(),
            keys: created,
            replaced,
        })
    }

    /// Takes the shares that a private key holds out of every escrow of a repository, without
    /// opening it: for recovering where several recipients are needed.
    ///
    /// # Errors
    /// `Auth` when no escrow names the key's public half, `NotFound` when there is no repository,
    /// otherwise from the destination.
    pub async fn escrow_shares(
        destination: Arc<dyn ObjectStore>,
        private: &EscrowPrivateKey,
    ) -> Result<Vec<EscrowShare>> {
        let objects = Objects::new(destination, Writers::Many);
        let config = Config::decode(&objects.get(REPOSITORY, MAX_CONFIG_BYTES).await?)?;
        let folder = keys::read(&objects, config.id()?).await?;
        let current = folder
            .slots
            .iter()
            .filter(|slot| slot.preamble.epoch == folder.newest_epoch);
        let shares: Vec<_> = current.filter_map(|slot| slot.share(private)).collect();
        if shares.is_empty() {
            return Err(Error::new(
                ErrorKind::Auth,
                "the repository is not escrowed to this private key",
            ));
        }
        Ok(shares)
    }

    fn refuse_writer(&self) -> Result<()> {
        let keyring = self.store().keyring();
        keyring.refuse_writer("does not change who opens the repository")
    }

    async fn read_keys(&self) -> Result<KeyFolder> {
        keys::read(&self.store().objects, self.id()).await
    }

    async fn write_slot(&self, keyring: &Keyring, new: &NewKey, label: &str) -> Result<KeyId> {
        let config = self.config().encode();
        let store = self.store();
        let place = SlotPlace {
            suite: store.sealer.suite,
            config: &config,
            env: &store.env,
        };
        let label = Label {
            created_unix_ms: store.env.now(),
            text: label.to_owned(),
        };
        let slot = key_slot::seal(keyring, new, &label, &place).await?;
        let name = layout::key_slot_name(&slot);
        store.objects.create_own(&name, slot).await?;
        Ok(KeyId(layout::parse_key_slot(&name).unwrap_or_default()))
    }

    fn state(&self, folder: &KeyFolder, slot: &Slot) -> KeyState {
        let epoch = slot.preamble.epoch;
        if epoch < folder.newest_epoch {
            KeyState::Replaced
        } else if epoch > folder.newest_epoch || slot.label(self.store().keyring()).is_none() {
            // The label opens with the keys of the slot's epoch: these are others.
            KeyState::Unfinished
        } else {
            KeyState::Usable
        }
    }

    fn usable_but(&self, folder: &KeyFolder, id: KeyId) -> usize {
        let others = folder.slots.iter().filter(|slot| slot.id() != id.0);
        others
            .filter(|slot| !matches!(slot.method, Method::Writer { .. }))
            .filter(|slot| self.state(folder, slot) == KeyState::Usable)
            .count()
    }

    fn info(&self, folder: &KeyFolder, slot: &Slot) -> KeyInfo {
        let label = slot.label(self.store().keyring());
        KeyInfo {
            id: KeyId(slot.id()),
            method: match &slot.method {
                Method::Passphrase(argon2) => KeyMethod::Passphrase(*argon2),
                Method::KeyFile => KeyMethod::KeyFile,
                Method::RecoveryPhrase => KeyMethod::RecoveryPhrase,
                Method::Escrow {
                    threshold,
                    recipients,
                } => KeyMethod::Escrow {
                    recipients: recipients.iter().map(|one| one.public).collect(),
                    threshold: *threshold,
                },
                Method::Writer { .. } => KeyMethod::Writer,
            },
            created_unix_ms: label.as_ref().map(|label| label.created_unix_ms),
            label: label.map(|label| label.text).unwrap_or_default(),
            epoch: slot.preamble.epoch,
            state: self.state(folder, slot),
        }
    }
}

/// Kinds of keys, to see which one a new key succeeds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyMethodKind {
    Passphrase,
    KeyFile,
    RecoveryPhrase,
    Escrow,
    Writer,
}

impl KeyMethodKind {
    fn of(method: &KeyMethod) -> Self {
        match method {
            KeyMethod::Passphrase(_) => Self::Passphrase,
            KeyMethod::KeyFile => Self::KeyFile,
            KeyMethod::RecoveryPhrase => Self::RecoveryPhrase,
            KeyMethod::Escrow { .. } => Self::Escrow,
            KeyMethod::Writer => Self::Writer,
        }
    }

    fn of_new(new: &NewKey) -> Self {
        match new {
            NewKey::Passphrase(..) => Self::Passphrase,
            NewKey::KeyFile(_) => Self::KeyFile,
            NewKey::RecoveryPhrase(_) => Self::RecoveryPhrase,
            NewKey::Escrow { .. } => Self::Escrow,
            NewKey::Writer(_) => Self::Writer,
        }
    }
}

/// The same key once more, where it takes no secret to make it.
fn made_for_public_keys(slot: &Slot) -> Option<NewKey> {
    match &slot.method {
        Method::Escrow {
            threshold,
            recipients,
        } => Some(NewKey::Escrow {
            recipients: recipients.iter().map(|one| one.public).collect(),
            threshold: *threshold,
        }),
        Method::Writer { public, .. } => Some(NewKey::Writer(*public)),
        _ => None,
    }
}

fn slot_name(id: KeyId) -> String {
    format!("{KEYS}/{id}")
}

fn last_key() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "this is the last key that opens the repository; add another one first",
    )
}
