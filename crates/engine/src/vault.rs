//! The facade that programs hold: one repository, its cache folder, and the work on them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::{Environment, Formats, NewKey, ObjectLock, Repository, Unlock};
use object_store::ObjectStore;

use crate::error::{Doing, Result};
use crate::ledger;
use crate::snapshot::{Snapshot, SnapshotSelector};
use crate::split::FtsFormat;
use crate::split_mime::MimeFormat;

pub use chunkstore::CreateOptions;

/// A repository with a folder for local caches. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub(crate) repository: Repository,
    pub(crate) cache: Arc<Path>,
    pub(crate) formats: Formats,
    pub(crate) environment: Environment,
    /// Renewed by each prune.
    pub(crate) object_lock: Option<ObjectLock>,
}

/// What a vault needs besides the repository.
#[derive(Clone)]
pub struct VaultOptions {
    /// Where local index files are kept. All of it can be deleted at any time: it is made anew
    /// from the repository.
    pub cache_dir: PathBuf,
    /// The clock and the source of randomness.
    pub environment: Environment,
}

impl Vault {
    /// Creates a repository at a destination, opened by its `first` key, and opens it.
    ///
    /// # Errors
    /// `Invalid` for a key that makes no sense, `Conflict` if there is a repository already, `Unsupported` if the destination cannot keep
    /// a repository safely, `Unreachable`, `NoSpace`.
    pub async fn create(
        destination: Arc<dyn ObjectStore>,
        first: impl Into<NewKey>,
        create: &CreateOptions,
        options: VaultOptions,
    ) -> Result<Self> {
        let environment = options.environment.clone();
        let repository = Repository::create(destination, first, create, environment)
            .await
            .doing(|| "create the repository".into())?;
        Ok(Self::new(repository, options))
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// `Auth` for a secret that opens none of its keys, `NotFound` if there is no repository, `Unsupported` for one
    /// of a later version, `Corrupt`, `Unreachable`.
    pub async fn open(
        destination: Arc<dyn ObjectStore>,
        unlock: impl Into<Unlock>,
        options: VaultOptions,
    ) -> Result<Self> {
        let environment = options.environment.clone();
        let cache = Some(options.cache_dir.as_path());
        let repository = Repository::open_with(destination, unlock, cache, environment)
            .await
            .doing(|| "open the repository".into())?;
        Ok(Self::new(repository, options))
    }

    fn new(repository: Repository, options: VaultOptions) -> Self {
        Self {
            repository,
            cache: options.cache_dir.into(),
            formats: Formats::new()
                .with(Arc::new(FtsFormat))
                .with(Arc::new(MimeFormat)),
            environment: options.environment,
            object_lock: None,
        }
    }

    /// From now on a prune renews the locks of what is needed
    /// ([`Destination::object_lock`](chunkstore::Destination::object_lock)).
    #[must_use]
    pub fn with_object_lock(mut self, lock: Option<ObjectLock>) -> Self {
        self.object_lock = lock;
        self
    }

    /// The repository's id, as text.
    pub fn id(&self) -> String {
        self.repository.id().to_string()
    }

    /// The store beneath, for what only the store knows.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// All snapshots, oldest first.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let mut snapshots = self.snapshots_and_kept().await?;
        snapshots.retain(|snapshot| !snapshot.kept);
        Ok(snapshots)
    }

    /// All snapshots, and the trees of items that outlived theirs ([`Snapshot::kept`]), oldest
    /// first.
    pub async fn snapshots_and_kept(&self) -> Result<Vec<Snapshot>> {
        self.refresh().await?;
        let infos = self.repository.snapshots().into_iter();
        let read = infos.filter_map(|info| {
            let snapshot = if ledger::is_mailbox(&info.name) {
                Snapshot::from_stored(&info)
            } else {
                match ledger::Kind::of_name(&info.name)? {
                    ledger::Kind::Kept(mailbox) => Snapshot::from_kept(&mailbox, &info),
                    _ => return None,
                }
            };
            let lost = self.repository.lost_entries(&info.id);
            Some(snapshot.map(|snapshot| Snapshot { lost, ..snapshot }))
        });
        read.collect()
    }

    /// The snapshots a user means: one for a snapshot's id, the newest of each mailbox for
    /// `latest`; narrowed to one mailbox if one is named. An id can also be that of a tree of items
    /// that outlived their snapshots, of a hold on items, or of what a restore replaced.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Invalid` if an abbreviated id fits several.
    pub async fn select(
        &self,
        selector: &SnapshotSelector,
        mailbox: Option<&str>,
    ) -> Result<Vec<Snapshot>> {
        let mut all = self.snapshots_and_kept().await?;
        if matches!(selector, SnapshotSelector::Id(_)) {
            all.extend(self.held_snapshots().await?);
            all.extend(self.replaced_snapshots().await?);
        }
        selector.choose(all, mailbox)
    }

    /// The newest snapshot of each mailbox, partial or not: where the next run continues.
    pub(crate) async fn newest_snapshots(&self) -> Result<Vec<Snapshot>> {
        let mut newest: Vec<Snapshot> = Vec::new();
        let mut places = HashMap::new();
        for snapshot in self.snapshots().await? {
            let place = *places
                .entry(snapshot.mailbox.clone())
                .or_insert(newest.len());
            match newest.get_mut(place) {
                Some(known) => *known = snapshot,
                None => newest.push(snapshot),
            }
        }
        Ok(newest)
    }

    pub(crate) fn now_unix_ms(&self) -> i64 {
        (self.environment.now_unix_ms)()
    }

    /// The index file of a mailbox: a readable part and a hash, so that any address is a safe
    /// and unique file name on every system.
    pub(crate) fn index_path(&self, mailbox: &str) -> PathBuf {
        let readable: String = mailbox
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "@.-".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .take(60)
            .collect();
        let hash = blake3::hash(mailbox.as_bytes()).to_hex();
        self.cache
            .join(self.repository.id().to_string())
            .join(format!("{readable}-{}.redb", &hash[..12]))
    }
}
