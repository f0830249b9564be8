//! Escrow: a key for whoever holds X25519 private keys, any one of them or M of N.
//!
//! HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256 gives each
//! recipient a key; it seals that recipient's share (Shamir, over GF(256)) of the slot's own key.

use std::fmt;

use blahaj::{Share, Sharks};
use zeroize::Zeroizing;

use crate::config::RepositoryId;
use crate::encapsulation::{self, ENCAPSULATED_LEN, EnvironmentRng, Purpose};
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::key_text::KeyText;
use crate::keyring::Key;

/// Most recipients of one slot.
pub const MAX_ESCROW_RECIPIENTS: usize = 32;
/// Binds what a recipient opens to its purpose and repository.
const INFO: &[u8] = b"postkeep v1 escrow";
const EXPORT: &[u8] = b"postkeep v1 escrow share";
/// Bytes of a share: its number, and one for each byte of the key.
pub(crate) const SHARE_LEN: usize = 1 + 32;

/// The public half of an escrow key: repositories are escrowed to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EscrowPublicKey(pub(crate) [u8; 32]);

impl EscrowPublicKey {
    /// Reads the text that [`Display`](fmt::Display) writes (`pkescrow1…`).
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = KeyText::EscrowPublic.decode(text)?;
        if !encapsulation::is_public(&bytes) {
            let what = "this is not an escrow's public key: it is no curve point";
            return Err(Error::invalid(what));
        }
        Ok(Self(*bytes))
    }
}

impl fmt::Display for EscrowPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&KeyText::EscrowPublic.encode(&self.0))
    }
}

impl fmt::Debug for EscrowPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EscrowPublicKey({self})")
    }
}

/// The private half of an escrow key; kept away from the machines that back up. Never shown.
#[derive(Clone)]
pub struct EscrowPrivateKey(Zeroizing<[u8; 32]>);

impl EscrowPrivateKey {
    /// Draws a new one.
    pub fn generate(env: &Environment) -> Self {
        Self(encapsulation::generate(env))
    }

    /// Reads what [`EscrowPrivateKey::to_text`] wrote; lines with `#` in front are passed over.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        KeyText::EscrowPrivate.decode(text).map(Self)
    }

    /// The key as text (`pkescrowprivate1…`), for a file that only the console can read.
    pub fn to_text(&self) -> Zeroizing<String> {
        KeyText::EscrowPrivate.encode(&self.0[..])
    }

    /// The public half.
    pub fn public_key(&self) -> EscrowPublicKey {
        EscrowPublicKey(encapsulation::public_of(&self.0))
    }
}

impl fmt::Debug for EscrowPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EscrowPrivateKey(…)")
    }
}

/// One of the shares of an escrowed key, taken out with a private key; M of them open the
/// repository. Never shown.
#[derive(Clone)]
pub struct EscrowShare {
    /// First 16 bytes of the slot's hash: shares of different slots must not be mixed.
    pub(crate) slot: [u8; 16],
    pub(crate) share: Zeroizing<[u8; SHARE_LEN]>,
}

impl EscrowShare {
    /// Reads what [`EscrowShare::to_text`] wrote.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = KeyText::EscrowShare.decode::<{ 16 + SHARE_LEN }>(text)?;
        let mut slot = [0; 16];
        let mut share = Zeroizing::new([0; SHARE_LEN]);
        let (first, rest) = bytes.split_at(16);
        slot.copy_from_slice(first);
        share.copy_from_slice(rest);
        Ok(Self { slot, share })
    }

    /// The share as text (`pkshare1…`), to be carried to whoever recovers the repository.
    pub fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([&self.slot[..], &self.share[..]].concat());
        KeyText::EscrowShare.encode(&bytes)
    }
}

impl fmt::Debug for EscrowShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EscrowShare(…)")
    }
}

/// A fresh key that only the holder of the private half can make again, and what to send along.
pub(crate) fn encapsulate(
    to: &EscrowPublicKey,
    repository: RepositoryId,
    env: &Environment,
) -> Result<([u8; ENCAPSULATED_LEN], Key)> {
    encapsulation::encapsulate(&to.0, purpose(repository), env)
}

/// The key that [`encapsulate`] made.
pub(crate) fn decapsulate(
    private: &EscrowPrivateKey,
    encapsulated: &[u8; ENCAPSULATED_LEN],
    repository: RepositoryId,
) -> Option<Key> {
    encapsulation::decapsulate(&private.0, encapsulated, purpose(repository))
}

fn purpose(repository: RepositoryId) -> Purpose<'static> {
    Purpose {
        info: INFO,
        export: EXPORT,
        repository,
    }
}

/// Splits a key into shares of which `threshold` give it back and fewer tell nothing.
pub(crate) fn split(
    key: &Key,
    threshold: u8,
    shares: usize,
    env: &Environment,
) -> Vec<Zeroizing<[u8; SHARE_LEN]>> {
    Sharks(threshold)
        .dealer_rng(key.as_bytes(), &mut EnvironmentRng(env))
        .take(shares)
        .map(|share| {
            let bytes = Zeroizing::new(Vec::from(&share));
            let mut out = Zeroizing::new([0; SHARE_LEN]);
            out.copy_from_slice(&bytes);
            out
        })
        .collect()
}

/// Puts shares together; a wrong one among them gives a wrong key, which opens nothing.
///
/// # Errors
/// `Auth` for fewer different shares than needed.
pub(crate) fn join(shares: &[Zeroizing<[u8; SHARE_LEN]>], threshold: u8) -> Result<Key> {
    let mut distinct: Vec<&[u8; SHARE_LEN]> = shares.iter().map(|share| &**share).collect();
    distinct.sort_unstable();
    // The same number twice would divide by zero; number zero would be the key itself.
    distinct.dedup_by_key(|share| share[0]);
    distinct.retain(|share| share[0] != 0);
    if distinct.len() < usize::from(threshold) {
        return Err(Error::new(
            ErrorKind::Auth,
            format!(
                "{} of the {threshold} shares that are needed were given",
                distinct.len()
            ),
        ));
    }
    let shares: Vec<Share> = distinct
        .iter()
        .take(usize::from(threshold))
        .filter_map(|share| Share::try_from(&share[..]).ok())
        .collect();
    let sharks = Sharks(threshold);
    let joined = sharks.recover(&shares);
    let joined = Zeroizing::new(joined.map_err(|_| Error::internal("shares were not joined"))?);
    let bytes = joined.as_slice().try_into();
    bytes
        .map(Key::from_bytes)
        .map_err(|_| Error::internal("shares were not joined"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment() -> Environment {
        let drawn = std::sync::atomic::AtomicU64::new(0);
        Environment::new(
            || 0,
            move |buffer| {
                let nth = drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let mut hasher = blake3::Hasher::new();
                hasher.update(&nth.to_le_bytes());
                hasher.finalize_xof().fill(buffer);
            },
        )
    }

    proptest! {
        #[test]
        fn any_threshold_of_the_shares_joins_and_one_fewer_does_not(
            key in any::<[u8; 32]>(), threshold in 1u8..=8, more in 0u8..=8, skip in 0usize..8,
        ) {
            let count = usize::from(threshold + more);
            let key = Key::from_bytes(key);
            let shares = split(&key, threshold, count, &environment());
            let mut some: Vec<_> = (0..usize::from(threshold))
                .map(|n| shares[(n + skip) % count].clone())
                .collect();
            let joined = join(&some, threshold).unwrap();
            prop_assert_eq!(joined.as_bytes(), key.as_bytes());
            let dropped = some.pop().unwrap();
            prop_assert_eq!(join(&some, threshold).unwrap_err().kind(), ErrorKind::Auth);
            // Twice the same share is one share; share number zero is none.
            if let Some(first) = some.first().cloned() {
                some.push(first);
            } else {
                let mut zero = dropped;
                zero[0] = 0;
                some.push(zero);
            }
            prop_assert_eq!(join(&some, threshold).unwrap_err().kind(), ErrorKind::Auth);
        }
    }

    #[test]
    fn only_the_private_half_makes_the_key_again() {
        let env = environment();
        let repository = RepositoryId(env.ulid());
        let private = EscrowPrivateKey::generate(&env);
        let text = private.public_key().to_string();
        let public = EscrowPublicKey::parse(&text).unwrap();
        let (sent, key) = encapsulate(&public, repository, &env).unwrap();
        let again = EscrowPrivateKey::parse(&private.to_text()).unwrap();
        let opened = decapsulate(&again, &sent, repository).unwrap();
        assert_eq!(opened.as_bytes(), key.as_bytes());
        let other = EscrowPrivateKey::generate(&env);
        let opened = decapsulate(&other, &sent, repository).unwrap();
        assert_ne!(opened.as_bytes(), key.as_bytes());
        let elsewhere = RepositoryId(env.ulid());
        let opened = decapsulate(&private, &sent, elsewhere).unwrap();
        assert_ne!(opened.as_bytes(), key.as_bytes());
    }
}
