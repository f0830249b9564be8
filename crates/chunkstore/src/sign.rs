//! Signatures: what a repository says to people who have none of its keys.
//!
//! Ed25519 (RFC 8032) in the file format of minisign, whose tools verify it as well: the BLAKE2b-512
//! of the document is signed, and a second signature covers the first and a *trusted comment*. The
//! key of each epoch is derived from its master key; whoever can open the repository can sign.

use std::fmt;

use blake2::{Blake2b512, Digest};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::Sha256;

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::Keyring;
use crate::repository::Repository;

/// An Ed25519 key in minisign's files.
const KEY_ALGORITHM: &[u8; 2] = b"Ed";
/// A signature of a document's BLAKE2b-512.
const HASHED_ALGORITHM: &[u8; 2] = b"ED";
const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
/// Longest signature or key that is looked at; both are a few lines.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// The public half of a key that a repository signs with: 42 bytes in Base64, as minisign has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignerKey([u8; 32]);

impl SignerKey {
    /// Reads what [`Display`](fmt::Display) writes, or minisign's file of a public key.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("this is no public key of a signature (RW…, 56 characters)");
        if text.len() > MAX_TEXT_BYTES {
            return Err(wrong());
        }
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with(UNTRUSTED.trim_end()));
        let bytes: [u8; 42] = base64(line.ok_or_else(wrong)?).ok_or_else(wrong)?;
        let (algorithm, id, key) = parts(&bytes).ok_or_else(wrong)?;
        let key = Self(key);
        match algorithm == KEY_ALGORITHM && *id == key.id() && key.verifying().is_some() {
            true => Ok(key),
            false => Err(wrong()),
        }
    }

    /// What tells keys apart: the first 8 bytes of the SHA-256 of the key.
    fn id(&self) -> [u8; 8] {
        let hash = Sha256::digest(self.0);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        id
    }

    fn verifying(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(&self.0).ok()
    }
}

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell(&[&KEY_ALGORITHM[..], &self.id(), &self.0].concat()))
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({self})")
    }
}

/// What a good signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whose it is.
    pub by: SignerKey,
    /// The comment that was signed with the document.
    pub comment: String,
}

/// Checks the signature of a document, in minisign's format, against keys that are trusted.
///
/// # Errors
/// `Invalid` for a text that is no signature; `Corrupt` for one that does not belong to the document;
/// `NotFound` for one of a key that is none of these.
pub fn verify_signature(document: &[u8], signature: &str, trusted: &[SignerKey]) -> Result<Signed> {
    let text = SignatureText::parse(signature)
        .ok_or_else(|| Error::invalid("this is no signature as minisign writes them"))?;
    let by = trusted.iter().find(|key| key.id() == text.key_id);
    let by = by.ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "the signature is by a key that is not among the trusted ones",
        )
    })?;
    let hash = Blake2b512::digest(document);
    let good = by.verifying().is_some_and(|key| {
        key.verify_strict(&hash, &Signature::from_bytes(&text.signature))
            .is_ok()
            && key
                .verify_strict(&text.commented(), &Signature::from_bytes(&text.global))
                .is_ok()
    });
    match good {
        true => Ok(Signed {
            by: *by,
            comment: text.comment.to_owned(),
        }),
        false => Err(Error::new(
            ErrorKind::Corrupt,
            "the signature does not fit: the document or its comment is not what was signed",
        )),
    }
}

impl Repository {
    /// The public keys of this repository's signatures, one an epoch, oldest first. None for who has
    /// a writer's key.
    pub fn signers(&self) -> Vec<SignerKey> {
        let keyring = self.store().keyring();
        let epochs = 1..=keyring.newest_epoch();
        epochs
            .filter_map(|epoch| Some(public(&signing_key(keyring, epoch)?)))
            .collect()
    }

    /// Signs a document with the newest epoch's key. Gives the text of a `.minisig` file; the comment
    /// is signed, too, and control characters in it become spaces.
    ///
    /// # Errors
    /// `Sealed` for who has a writer's key.
    pub fn sign(&self, document: &[u8], comment: &str) -> Result<String> {
        let keyring = self.store().keyring();
        let key = signing_key(keyring, keyring.newest_epoch());
        let key = key.ok_or_else(|| Error::sealed("signs nothing"))?;
        let public = public(&key);
        let comment = comment.replace(char::is_control, " ");
        let text = SignatureText {
            key_id: public.id(),
            signature: key.sign(&Blake2b512::digest(document)).to_bytes(),
            comment: comment.trim(),
            global: [0; 64],
        };
        let global = key.sign(&text.commented()).to_bytes();
        Ok(SignatureText { global, ..text }.spell())
    }
}

fn signing_key(keyring: &Keyring, epoch: u32) -> Option<SigningKey> {
    let seed = keyring.signing_seed(epoch)?;
    Some(SigningKey::from_bytes(seed.as_bytes()))
}

fn public(key: &SigningKey) -> SignerKey {
    SignerKey(key.verifying_key().to_bytes())
}

/// The four lines of a `.minisig` file.
struct SignatureText<'a> {
    key_id: [u8; 8],
    signature: [u8; 64],
    comment: &'a str,
    /// Signature of `signature` and `comment`.
    global: [u8; 64],
}

impl<'a> SignatureText<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let mut lines = text.lines();
        lines.next()?.strip_prefix(UNTRUSTED)?;
        let bytes: [u8; 74] = base64(lines.next()?)?;
        let (algorithm, key_id, signature) = parts(&bytes)?;
        let comment = lines.next()?.strip_prefix(TRUSTED)?;
        let global = base64(lines.next()?)?;
        (algorithm == HASHED_ALGORITHM).then_some(Self {
            key_id: *key_id,
            signature,
            comment,
            global,
        })
    }

    fn commented(&self) -> Vec<u8> {
        [&self.signature[..], self.comment.as_bytes()].concat()
    }

    fn spell(&self) -> String {
        let first = [&HASHED_ALGORITHM[..], &self.key_id, &self.signature].concat();
        format!(
            "{UNTRUSTED}signature by a Postkeep repository\n{}\n{TRUSTED}{}\n{}\n",
            spell(&first),
            self.comment,
            spell(&self.global)
        )
    }
}

/// Algorithm, key id and the rest.
fn parts<const N: usize>(bytes: &[u8]) -> Option<(&[u8; 2], &[u8; 8], [u8; N])> {
    let (algorithm, rest) = bytes.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    Some((algorithm, id, rest.try_into().ok()?))
}

fn spell(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = base64_simd::STANDARD.decode_to_vec(text.trim()).ok()?;
    bytes.try_into().ok()
}
