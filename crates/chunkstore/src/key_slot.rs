//! Key slots: the repository's master keys, wrapped for one way of opening it.
//!
//! `preamble 64 | type u8 | role u8 | what the type takes | sealed label 144 | sealed master keys`

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::config::RepositoryId;
use crate::encapsulation::ENCAPSULATED_LEN;
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::escrow::{
    self, EscrowPrivateKey, EscrowPublicKey, EscrowShare, MAX_ESCROW_RECIPIENTS, SHARE_LEN,
};
use crate::keyring::{Argon2Params, Key, Keyring, MAX_KEY_EPOCHS, Passphrase, WRITER_KEYS};
use crate::layout;
use crate::record::{RecordReader, RecordWriter};
use crate::seal::{Cipher, ObjectKind, PREAMBLE_LEN, Preamble, SealedBuffer, Suite, TAG_LEN};
use crate::unlock::{NewKey, Unlock};
use crate::writer_key::WriterPublicKey;

/// Type bytes.
const TYPE_PASSPHRASE: u8 = 1;
const TYPE_KEY_FILE: u8 = 2;
const TYPE_RECOVERY_PHRASE: u8 = 3;
const TYPE_ESCROW: u8 = 4;
const TYPE_WRITER: u8 = 5;
/// The role byte of a slot that holds the master keys; other roles may come.
const ROLE_FULL: u8 = 1;
/// That of one that holds what a writer needs. Writers' slots are of a type of their own, and no
/// other slot has this role.
const ROLE_WRITER: u8 = 2;
/// The largest slot has 32 recipients and 256 epochs: 12 KiB.
pub(crate) const MAX_SLOT_BYTES: u64 = 64 << 10;
/// Purposes of the keys that seal a slot's pieces.
const KEYS_PURPOSE: &str = "key slot";
const LABEL_PURPOSE: &str = "key label";
const SHARE_PURPOSE: &str = "escrow share";
/// Time, length and text of a label, with zeros behind: all labels look alike.
const LABEL_RECORD_LEN: usize = 128;
/// The longest label.
pub const MAX_LABEL_BYTES: usize = 100;
const SEALED_LABEL_LEN: usize = LABEL_RECORD_LEN + TAG_LEN;
const SEALED_SHARE_LEN: usize = SHARE_LEN + TAG_LEN;

/// What opens a slot, and what it takes to try.
#[derive(Clone, Debug)]
pub(crate) enum Method {
    Passphrase(Argon2Params),
    KeyFile,
    RecoveryPhrase,
    Escrow {
        threshold: u8,
        recipients: Vec<Recipient>,
    },
    Writer {
        public: WriterPublicKey,
        encapsulated: [u8; ENCAPSULATED_LEN],
    },
}

/// One recipient of an escrow.
#[derive(Clone, Debug)]
pub(crate) struct Recipient {
    pub(crate) public: EscrowPublicKey,
    encapsulated: [u8; ENCAPSULATED_LEN],
    /// Where the sealed share stands in the slot.
    share_at: usize,
}

/// What a label says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) created_unix_ms: i64,
    pub(crate) text: String,
}

/// A slot as stored, taken apart but not opened.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) preamble: Preamble,
    pub(crate) method: Method,
    bytes: Bytes,
    /// Where the sealed label stands; all before it is clear.
    label_at: usize,
}

/// What a slot is made for: the repository, and its content of `repository.json`, for which the
/// slot vouches.
pub(crate) struct SlotPlace<'a> {
    pub(crate) suite: Suite,
    pub(crate) config: &'a [u8],
    pub(crate) env: &'a Environment,
}

/// Wraps all master keys of a keyring.
pub(crate) async fn seal(
    keyring: &Keyring,
    new: &NewKey,
    label: &Label,
    place: &SlotPlace<'_>,
) -> Result<Bytes> {
    new.validate()?;
    let env = place.env;
    let preamble = Preamble {
        kind: ObjectKind::KeySlot,
        suite: place.suite,
        epoch: keyring.newest_epoch(),
        repository: keyring.repository(),
        salt: env.random_array(),
    };
    let mut clear = RecordWriter(preamble.encode().to_vec());
    let kek = match new {
        NewKey::Passphrase(passphrase, params) => {
            let params = params.unwrap_or_default();
            clear.u8(TYPE_PASSPHRASE).u8(ROLE_FULL);
            clear.u32(params.memory_kib).u32(params.passes);
            clear.u32(params.lanes);
            stretch(passphrase, params, preamble.salt).await?
        }
        NewKey::KeyFile(secret) => {
            clear.u8(TYPE_KEY_FILE).u8(ROLE_FULL);
            Key::from_bytes(*secret.as_bytes())
        }
        NewKey::RecoveryPhrase(secret) => {
            clear.u8(TYPE_RECOVERY_PHRASE).u8(ROLE_FULL);
            Key::from_bytes(*secret.as_bytes())
        }
        NewKey::Escrow {
            recipients,
            threshold,
        } => {
            let key = Key::from_bytes(env.random_array());
            clear.u8(TYPE_ESCROW).u8(ROLE_FULL);
            clear.u8(*threshold).u8(recipients.len() as u8);
            let shares = escrow::split(&key, *threshold, recipients.len(), env);
            for (public, share) in recipients.iter().zip(shares) {
                let (encapsulated, parent) = escrow::encapsulate(public, preamble.repository, env)?;
                clear.bytes(&public.0).bytes(&encapsulated);
                let cipher = Cipher::new(place.suite, &preamble.key(&parent, SHARE_PURPOSE));
                let mut buffer = SealedBuffer::new(&clear.0);
                buffer.append(&cipher, &clear.0, &share[..])?;
                clear = RecordWriter(buffer.into_bytes());
            }
            key
        }
        NewKey::Writer(public) => {
            let (encapsulated, key) = public.new_slot_key(preamble.repository, env)?;
            clear.u8(TYPE_WRITER).u8(ROLE_WRITER);
            clear.bytes(&public.0).bytes(&encapsulated);
            key
        }
    };
    seal_keys(keyring, (new, label), (&preamble, &clear.0, &kek), place)
}

/// Seals a label and keys behind the clear beginning of a slot.
fn seal_keys(
    keyring: &Keyring,
    (new, label): (&NewKey, &Label),
    (preamble, clear, kek): (&Preamble, &[u8], &Key),
    place: &SlotPlace<'_>,
) -> Result<Bytes> {
    let keys = match new {
        NewKey::Writer(_) => keyring.writer_bytes()?,
        _ => keyring.masters_bytes()?,
    };
    let mut buffer = SealedBuffer::new(clear);
    let parent = keyring.meta_key(preamble.epoch);
    let cipher = Cipher::new(place.suite, &preamble.key(&parent, LABEL_PURPOSE));
    buffer.append(&cipher, clear, &encode_label(label)?)?;
    let cipher = Cipher::new(place.suite, &preamble.key(kek, KEYS_PURPOSE));
    let aad = keys_aad(buffer.bytes(), place.config);
    buffer.append(&cipher, &aad, &keys)?;
    let bytes = Bytes::from(buffer.into_bytes());
    verify(&bytes, keyring, (&keys, kek, place.config))?;
    Ok(bytes)
}

/// Read back before it leaves: a faulty processor must not write a slot that nobody can open.
fn verify(
    bytes: &Bytes,
    keyring: &Keyring,
    (keys, kek, config): (&[u8], &Key, &[u8]),
) -> Result<()> {
    let name = layout::key_slot_name(bytes);
    let slot = Slot::parse(&name, bytes.clone(), keyring.repository())?;
    let opened = slot.map(|slot| slot.open_keys(kek, config));
    match opened {
        Some(Ok(opened)) if opened.iter().flat_map(|key| key.as_bytes()).eq(keys) => Ok(()),
        _ => Err(Error::internal(
            "a new key slot does not read back as it was written",
        )),
    }
}

impl Slot {
    /// Takes a slot apart; `None` for a slot of another repository: two machines that created one
    /// here at the same time both left a slot, and only one repository.
    ///
    /// # Errors
    /// `Corrupt`, or `Unsupported` for a type or role that this program does not know.
    pub(crate) fn parse(
        name: &str,
        bytes: Bytes,
        repository: RepositoryId,
    ) -> Result<Option<Self>> {
        if layout::key_slot_name(&bytes) != name {
            return Err(Error::corrupt(name, "its content does not match its name"));
        }
        let preamble = Preamble::decode(name, &bytes)?;
        if preamble.kind != ObjectKind::KeySlot {
            return Err(Error::corrupt(name, "it is not a key slot"));
        }
        if preamble.repository != repository {
            return Ok(None);
        }
        let mut fields = RecordReader::new(name, &bytes);
        fields.bytes(PREAMBLE_LEN)?;
        let (kind, role) = (fields.u8()?, fields.u8()?);
        let method = match (kind, role) {
            (TYPE_PASSPHRASE, ROLE_FULL) => Method::Passphrase(read_argon2(name, &mut fields)?),
            (TYPE_KEY_FILE, ROLE_FULL) => Method::KeyFile,
            (TYPE_RECOVERY_PHRASE, ROLE_FULL) => Method::RecoveryPhrase,
            (TYPE_ESCROW, ROLE_FULL) => read_escrow(name, &mut fields, bytes.len())?,
            (TYPE_WRITER, ROLE_WRITER) => Method::Writer {
                public: WriterPublicKey(fields.array()?),
                encapsulated: fields.array()?,
            },
            _ => return Err(unknown_kind(name)),
        };
        let rest = fields.rest().len();
        let epochs = preamble.epoch as usize;
        let keys = epochs
            + match method {
                Method::Writer { .. } => WRITER_KEYS,
                _ => 0,
            };
        if !(1..=MAX_KEY_EPOCHS).contains(&epochs) || rest != SEALED_LABEL_LEN + 32 * keys + TAG_LEN
        {
            return Err(Error::corrupt(name, "its length is impossible"));
        }
        Ok(Some(Self {
            name: name.to_owned(),
            preamble,
            method,
            label_at: bytes.len() - rest,
            bytes,
        }))
    }

    /// The first half of the hash that names the slot.
    pub(crate) fn id(&self) -> [u8; 16] {
        layout::parse_key_slot(&self.name).unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Opens the slot; `None` when it takes another kind of secret.
    ///
    /// # Errors
    /// `Auth` when the secret does not open it.
    pub(crate) async fn unlock(&self, unlock: &Unlock, config: &[u8]) -> Result<Option<Keyring>> {
        let kek = match (&self.method, unlock) {
            (Method::Passphrase(params), Unlock::Passphrase(passphrase)) => {
                stretch(passphrase, *params, self.preamble.salt).await?
            }
            (Method::KeyFile, Unlock::KeyFile(secret)) => Key::from_bytes(*secret.as_bytes()),
            (Method::RecoveryPhrase, Unlock::RecoveryPhrase(secret)) => {
                Key::from_bytes(*secret.as_bytes())
            }
            (Method::Escrow { threshold, .. }, Unlock::Escrow(keys)) => {
                let shares: Vec<_> = keys.iter().filter_map(|key| self.share(key)).collect();
                if shares.is_empty() {
                    return Err(self.refused(unlock));
                }
                let shares: Vec<_> = shares.into_iter().map(|share| share.share).collect();
                escrow::join(&shares, *threshold)?
            }
            (Method::Escrow { threshold, .. }, Unlock::EscrowShares(shares)) => {
                let own = shares.iter().filter(|share| share.slot == self.id());
                let own: Vec<_> = own.map(|share| share.share.clone()).collect();
                if own.is_empty() {
                    return Err(self.refused(unlock));
                }
                escrow::join(&own, *threshold)?
            }
            (Method::Writer { encapsulated, .. }, Unlock::Writer(key)) => {
                let opened = key.slot_key(encapsulated, self.preamble.repository);
                opened.ok_or_else(|| self.refused(unlock))?
            }
            _ => return Ok(None),
        };
        let opened = self.open_keys(&kek, config);
        let keys = opened.map_err(|_| self.refused(unlock))?;
        self.keyring(keys, unlock).map(Some)
    }

    /// What the keys of a slot are.
    fn keyring(&self, keys: Vec<Key>, unlock: &Unlock) -> Result<Keyring> {
        let repository = self.preamble.repository;
        match unlock {
            Unlock::Writer(writer) => {
                let cache = writer.cache_key(repository);
                let keyring = Keyring::of_writer(repository, &keys, cache);
                keyring.ok_or_else(|| Error::corrupt(&self.name, "it holds too few keys"))
            }
            _ => Ok(Keyring::new(repository, keys)),
        }
    }

    /// The share of an escrow that a private key gives, if it is one of the recipients'.
    pub(crate) fn share(&self, private: &EscrowPrivateKey) -> Option<EscrowShare> {
        let Method::Escrow { recipients, .. } = &self.method else {
            return None;
        };
        let public = private.public_key();
        let recipient = recipients.iter().find(|one| one.public == public)?;
        let parent =
            escrow::decapsulate(private, &recipient.encapsulated, self.preamble.repository)?;
        let key = self.preamble.key(&parent, SHARE_PURPOSE);
        let at = recipient.share_at;
        let (before, rest) = self.bytes.split_at_checked(at)?;
        let opened = Cipher::new(self.preamble.suite, &key).open(
            at as u64,
            before,
            rest.get(..SEALED_SHARE_LEN)?,
        )?;
        let opened = Zeroizing::new(opened);
        let mut share = Zeroizing::new([0; SHARE_LEN]);
        share.copy_from_slice(opened.get(..SHARE_LEN)?);
        Some(EscrowShare {
            slot: self.id(),
            share,
        })
    }

    /// The label, for who holds the keys of the slot's epoch; `None` when it does not open.
    pub(crate) fn label(&self, keyring: &Keyring) -> Option<Label> {
        if self.preamble.epoch > keyring.newest_epoch() {
            return None;
        }
        let (clear, rest) = self.bytes.split_at_checked(self.label_at)?;
        let key = self
            .preamble
            .key(&keyring.meta_key(self.preamble.epoch), LABEL_PURPOSE);
        let record = Cipher::new(self.preamble.suite, &key).open(
            self.label_at as u64,
            clear,
            rest.get(..SEALED_LABEL_LEN)?,
        )?;
        decode_label(&self.name, &record).ok()
    }

    fn open_keys(&self, kek: &Key, config: &[u8]) -> Result<Vec<Key>> {
        let at = self.label_at + SEALED_LABEL_LEN;
        let (before, sealed) = self.bytes.split_at_checked(at).unwrap_or_default();
        let cipher = Cipher::new(self.preamble.suite, &self.preamble.key(kek, KEYS_PURPOSE));
        let opened = cipher
            .open(at as u64, &keys_aad(before, config), sealed)
            .ok_or_else(|| Error::new(ErrorKind::Auth, format!("{} stays closed", self.name)))?;
        let opened = Zeroizing::new(opened);
        let (keys, _) = opened.as_chunks::<32>();
        Ok(keys.iter().map(|key| Key::from_bytes(*key)).collect())
    }

    fn refused(&self, unlock: &Unlock) -> Error {
        Error::new(
            ErrorKind::Auth,
            format!("{} does not open {}", unlock.name(), self.name),
        )
    }
}

fn unknown_kind(name: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{name} is a kind of key slot that this program does not know"),
    )
}

fn read_argon2(name: &str, fields: &mut RecordReader<'_>) -> Result<Argon2Params> {
    let params = Argon2Params {
        memory_kib: fields.u32()?,
        passes: fields.u32()?,
        lanes: fields.u32()?,
    };
    match params.validate() {
        Ok(()) => Ok(params),
        Err(_) => Err(Error::corrupt(
            name,
            "its Argon2 parameters are out of range",
        )),
    }
}

fn read_escrow(name: &str, fields: &mut RecordReader<'_>, len: usize) -> Result<Method> {
    let (threshold, count) = (fields.u8()?, usize::from(fields.u8()?));
    if !(1..=MAX_ESCROW_RECIPIENTS).contains(&count)
        || !(1..=count).contains(&usize::from(threshold))
    {
        return Err(Error::corrupt(name, "its number of shares is impossible"));
    }
    let mut recipients = Vec::with_capacity(count);
    for _ in 0..count {
        let public = EscrowPublicKey(fields.array()?);
        let encapsulated = fields.array()?;
        let share_at = len - fields.remaining();
        fields.bytes(SEALED_SHARE_LEN)?;
        recipients.push(Recipient {
            public,
            encapsulated,
            share_at,
        });
    }
    Ok(Method::Escrow {
        threshold,
        recipients,
    })
}

/// A slot also vouches for `repository.json`: nobody without its secret can change the latter.
fn keys_aad(before: &[u8], config: &[u8]) -> Vec<u8> {
    [before, blake3::hash(config).as_bytes()].concat()
}

fn encode_label(label: &Label) -> Result<Vec<u8>> {
    if label.text.len() > MAX_LABEL_BYTES {
        return Err(Error::invalid("a key's label has at most 100 bytes"));
    }
    let mut record = RecordWriter::default();
    record.i64(label.created_unix_ms);
    record.blob(label.text.as_bytes())?;
    record.0.resize(LABEL_RECORD_LEN, 0);
    Ok(record.0)
}

fn decode_label(name: &str, record: &[u8]) -> Result<Label> {
    let mut fields = RecordReader::new(name, record);
    let created_unix_ms = fields.i64()?;
    let text = String::from_utf8(fields.blob()?.to_vec())
        .map_err(|_| fields.damaged("its label is not UTF-8"))?;
    Ok(Label {
        created_unix_ms,
        text,
    })
}

/// Argon2 takes a fraction of a second and tens of megabytes: not on an async thread.
async fn stretch(passphrase: &Passphrase, params: Argon2Params, salt: [u8; 16]) -> Result<Key> {
    let passphrase = passphrase.clone();
    tokio::task::spawn_blocking(move || params.stretch(&passphrase, &salt))
        .await
        .map_err(|e| Error::internal("deriving the key was interrupted").with_source(e))?
}
