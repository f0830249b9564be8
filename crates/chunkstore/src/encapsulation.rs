//! Keys sent to who holds an X25519 private key: HPKE (RFC 9180) in base mode with DHKEM(X25519,
//! HKDF-SHA256) and HKDF-SHA256, of which only the exported key is used.

use std::convert::Infallible;

use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::config::RepositoryId;
use crate::env::Environment;
use crate::error::{Error, Result};
use crate::keyring::Key;

/// Bytes of an encapsulated key.
pub(crate) const ENCAPSULATED_LEN: usize = 32;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// What a key is sent for: keys of one purpose tell nothing of another's.
#[derive(Clone, Copy)]
pub(crate) struct Purpose<'a> {
    /// Stands before the repository's id in HPKE's info.
    pub(crate) info: &'a [u8],
    /// HPKE's exporter context.
    pub(crate) export: &'a [u8],
    pub(crate) repository: RepositoryId,
}

impl Purpose<'_> {
    fn info(&self) -> Vec<u8> {
        [self.info, &self.repository.to_bytes()].concat()
    }
}

/// Draws a private key.
pub(crate) fn generate(env: &Environment) -> Zeroizing<[u8; 32]> {
    let (private, _) = X25519HkdfSha256::gen_keypair_with_rng(&mut EnvironmentRng(env));
    let mut bytes = Zeroizing::new([0; 32]);
    private.write_exact(bytes.as_mut_slice());
    bytes
}

/// The public half.
pub(crate) fn public_of(private: &[u8; 32]) -> [u8; 32] {
    let mut bytes = [0; 32];
    X25519HkdfSha256::sk_to_pk(&private_key(private)).write_exact(&mut bytes);
    bytes
}

/// Whether bytes are a public key at all.
pub(crate) fn is_public(public: &[u8; 32]) -> bool {
    PublicKey::from_bytes(public).is_ok()
}

fn private_key(bytes: &[u8; 32]) -> PrivateKey {
    PrivateKey::from_bytes(bytes).expect("any 32 bytes are an X25519 private key")
}

/// A fresh key that only the holder of the private half can make again, and what to send along.
pub(crate) fn encapsulate(
    public: &[u8; 32],
    purpose: Purpose<'_>,
    env: &Environment,
) -> Result<([u8; ENCAPSULATED_LEN], Key)> {
    let failed = |_| Error::invalid("this public key is not usable");
    let public = PublicKey::from_bytes(public).map_err(failed)?;
    let (encapsulated, context) =
        hpke::setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            &purpose.info(),
            &mut EnvironmentRng(env),
        )
        .map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    context
        .export(purpose.export, &mut key[..])
        .map_err(failed)?;
    let mut bytes = [0; ENCAPSULATED_LEN];
    encapsulated.write_exact(&mut bytes);
    Ok((bytes, Key::from_bytes(*key)))
}

/// The key that [`encapsulate`] made.
pub(crate) fn decapsulate(
    private: &[u8; 32],
    encapsulated: &[u8; ENCAPSULATED_LEN],
    purpose: Purpose<'_>,
) -> Option<Key> {
    let encapsulated = EncappedKey::from_bytes(encapsulated).ok()?;
    let context = hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private_key(private),
        &encapsulated,
        &purpose.info(),
    )
    .ok()?;
    let mut key = Zeroizing::new([0; 32]);
    context.export(purpose.export, &mut key[..]).ok()?;
    Some(Key::from_bytes(*key))
}

/// The environment's randomness as the crates here want it.
pub(crate) struct EnvironmentRng<'a>(pub(crate) &'a Environment);

impl TryRng for EnvironmentRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.0.random_array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.0.random_array()))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        (self.0.random)(buffer);
        Ok(())
    }
}

impl TryCryptoRng for EnvironmentRng<'_> {}
