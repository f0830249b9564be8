//! Keys of the repository: who can open it.

use std::sync::Arc;

use chunkstore::{
    EscrowPrivateKey, EscrowShare, KeyId, KeyInfo, KeyList, KeyRole, NewKey, Repository, Rotation,
    SignerKey,
};
use object_store::ObjectStore;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::vault::Vault;

impl Vault {
    /// The key that opened this vault.
    pub fn opened_with(&self) -> KeyId {
        self.repository.opened_with()
    }

    /// The public keys that this repository's signatures are checked with, one an epoch, oldest first;
    /// none for a vault that a writer's key opened.
    pub fn signers(&self) -> Vec<SignerKey> {
        self.repository.signers()
    }

    /// What that key lets its holder do.
    pub fn role(&self) -> KeyRole {
        self.repository.role()
    }

    /// Fails for who cannot change keys, before anybody is asked for a new one.
    ///
    /// # Errors
    /// `Sealed` for a vault that a writer's key opened.
    pub fn may_change_keys(&self) -> Result<()> {
        self.refuse_writer("changing who opens it")
    }

    /// Lists the keys, oldest first, and what is damaged among them.
    ///
    /// # Errors
    /// `Unreachable`, `Denied`.
    pub async fn keys(&self) -> Result<KeyList> {
        self.repository
            .keys()
            .await
            .doing(|| "list the keys".into())
    }

    /// The key that an id, or the beginning of one, names.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if several begin like this.
    pub async fn find_key(&self, id: &str) -> Result<KeyInfo> {
        let list = self.keys().await?;
        let id = id.to_ascii_lowercase();
        let mut found = list
            .keys
            .into_iter()
            .filter(|key| !id.is_empty() && key.id.to_string().starts_with(&id));
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::Invalid,
                format!("several keys begin with {id}"),
            )),
            (None, _) => Err(Error::new(
                ErrorKind::NotFound,
                format!("the repository has no key {id}"),
            )),
        }
    }

    /// Adds a key; the label, of at most 100 bytes, is readable for all who open the repository.
    ///
    /// # Errors
    /// `Invalid` for a key or label that makes no sense, `Auth` if the keys were rotated meanwhile,
    /// `Sealed` for a vault that a writer's key opened.
    pub async fn add_key(&self, new: &NewKey, label: &str) -> Result<KeyId> {
        let added = self.repository.add_key(new, label).await;
        added.doing(|| "add the key".into())
    }

    /// Removes a key. Nothing is rewritten: see [`Vault::rotate_keys`] for keys that somebody may
    /// have copied.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` for the last one that opens all of the repository, `Denied`, `Sealed`.
    pub async fn remove_key(&self, id: KeyId) -> Result<()> {
        let removed = self.repository.remove_key(id).await;
        removed.doing(|| format!("remove the key {id}"))
    }

    /// Which keys a rotation that keeps these would end without a successor.
    ///
    /// # Errors
    /// As [`Vault::keys`].
    pub async fn rotation_drops(&self, keep: &[NewKey]) -> Result<Vec<KeyInfo>> {
        let drops = self.repository.rotation_drops(keep).await;
        drops.doing(|| "plan the rotation of the keys".into())
    }

    /// Seals all that is written from now on with fresh keys, which only `keep`, the escrows and the
    /// writers' keys open. Open the vault again afterwards.
    ///
    /// # Errors
    /// `Conflict` or `Auth` if somebody else rotated the keys meanwhile.
    pub async fn rotate_keys(&self, keep: &[(NewKey, String)]) -> Result<Rotation> {
        let rotated = self.repository.rotate_keys(keep).await;
        rotated.doing(|| "rotate the keys".into())
    }
}

/// The shares of a repository's escrowed keys that a private key holds; opens nothing.
///
/// # Errors
/// `Auth` if the repository is not escrowed to it, `NotFound`, `Unreachable`.
pub async fn escrow_shares(
    destination: Arc<dyn ObjectStore>,
    private: &EscrowPrivateKey,
) -> Result<Vec<EscrowShare>> {
    let shares = Repository::escrow_shares(destination, private).await;
    shares.doing(|| "take the share out of the escrow".into())
}
