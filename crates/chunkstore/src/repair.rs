//! Healing a repository: what can still be read is stored again, and what takes the place of what
//! is written down.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::admin::is_damage;
use crate::check::CheckReport;
use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkKind, ChunkSink, ChunkSource};
use crate::content::Content;
use crate::error::{Error, Result};
use crate::layout::PackName;
use crate::offload::offload;
use crate::pack::{self, Blob, MAX_PACK_BYTES, OpenedBlob, PackCiphers, PackHeader};
use crate::pack_index::{PackInfo, Slot};
use crate::repairs::{RECORD, Repairs};
use crate::repository::{Repository, SnapshotId, SnapshotInfo};
use crate::sealed::{self, DataKeys};
use crate::session::{Committed, NewSnapshot, Session, SessionOptions};
use crate::tree::{Change, TreeRoot};
use crate::tree_writer::write_tree;

/// A repair under way: a session that does without the damaged packs, and a record of what has to
/// be written down about them.
///
/// The caller finds out what is lost, brings the bytes from wherever they are to be had, stores
/// them through [`Repair::session`] and says so. Nothing counts before [`Repair::finish`]; whoever
/// reads meanwhile sees the repository as it was. Backups may run.
pub struct Repair {
    repository: Repository,
    session: Session,
    damaged: BTreeSet<PackName>,
    wanted: Repairs,
    replaces: Vec<SnapshotId>,
}

impl Repository {
    /// Begins a repair of the packs that a check found damaged.
    ///
    /// Records of earlier repairs are summed up: packs that a check read whole count again, all
    /// other words on contents have to be said again ([`Repair::put`], [`Repair::give_up`]).
    ///
    /// # Errors
    /// `Invalid` for options out of range; `Sealed` for who has a writer's key: what can be saved of
    /// a damaged pack only who opens it can tell; otherwise from the destination.
    ///
    /// # Cancellation
    /// May leave an open session behind, which a custodian ends.
    pub async fn start_repair(
        &self,
        check: &CheckReport,
        options: SessionOptions,
    ) -> Result<Repair> {
        self.store()
            .keyring()
            .refuse_writer("does not repair packs")?;
        let damaged: BTreeSet<PackName> = check.damaged_packs.0.iter().copied().collect();
        let absent: HashSet<PackName> = damaged.iter().copied().collect();
        let session = Session::open_without(self.clone(), options, absent.clone()).await?;
        let (replaces, replaced) = {
            let mut catalogue = self.catalogue_mut();
            // Packs that came back count from here on.
            catalogue.index.give_up(Arc::new(absent));
            let known = &catalogue.repairs;
            (known.records.clone(), known.replaced.clone())
        };
        Ok(Repair {
            repository: self.clone(),
            session,
            wanted: Repairs {
                packs: damaged.iter().copied().collect(),
                replaced,
                ..Repairs::default()
            },
            damaged,
            replaces,
        })
    }
}

impl Repair {
    /// The session to which healed bytes are written.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Copies all chunks that can still be read out of the damaged packs, unless they lie elsewhere,
    /// too. Returns how many.
    ///
    /// # Errors
    /// From the destination. Damage is what this is about.
    pub async fn salvage(&self) -> Result<u64> {
        let mut salvaged = 0;
        for name in &self.damaged {
            let described = self.repository.catalogue().index.pack_slots(name);
            let Some((info, slots)) = described else {
                continue;
            };
            let object = name.object();
            let store = self.repository.store();
            let bytes = match store.objects.get(&object, MAX_PACK_BYTES).await {
                Ok(bytes) => bytes,
                Err(error) if is_damage(error.kind()) => continue,
                Err(error) => return Err(error),
            };
            let session = self.session.clone();
            let repository = self.repository.clone();
            let header = pack::read_header(&object, &bytes, &store.sealer).ok();
            let header = header.map(|(_, header)| header);
            let described = header.clone().unwrap_or_default();
            let epochs = sealed::epochs_of(&store.preamble_of(&info), &described);
            let data = store.data_keys(&epochs).await?;
            let damaged = Damaged {
                info,
                bytes,
                header,
                data,
            };
            let opened = offload(move || damaged.open_all(&repository, &slots)).await?;
            for (kind, id, blob) in opened {
                if !session.has(&id) {
                    salvaged += 1;
                    let chunk = (kind, id, blob.plain.len());
                    session.adopt(chunk, &blob.frame).await?;
                }
            }
        }
        Ok(salvaged)
    }

    /// Whether a chunk is stored where it counts: in a whole pack, or by this repair.
    pub fn is_stored(&self, id: &ChunkId) -> bool {
        self.session.has(id)
    }

    /// Says that the bytes of a content lie in another one, which this repair or an earlier one
    /// stored.
    ///
    /// # Errors
    /// `Invalid` if it has other bytes: another length or hash.
    pub fn put(&mut self, lost: &Content, there: Content) -> Result<()> {
        if lost.len != there.len || lost.hash != there.hash {
            return Err(Error::invalid("a lost content has other bytes"));
        }
        self.wanted.contents.insert(lost.hash, Some(there));
        Ok(())
    }

    /// Says that the bytes of a content are nowhere to be had.
    pub fn give_up(&mut self, lost: &Content) {
        self.wanted.contents.entry(lost.hash).or_default();
    }

    /// Puts a snapshot of the same id, name and time in the place of one whose tree is damaged.
    ///
    /// # Errors
    /// As for [`Session::add_snapshot`].
    pub fn replace(&mut self, old: &SnapshotInfo, root: TreeRoot, value: Vec<u8>) -> Result<()> {
        let new = NewSnapshot {
            name: old.name.clone(),
            time_unix_ms: old.time_unix_ms,
            partial: old.partial,
            root,
            value,
        };
        self.session.add_snapshot_as(old.id, new)?;
        self.wanted.replaced.insert((old.session, old.id));
        Ok(())
    }

    /// Says how many entries of a snapshot are lost.
    pub fn note_lost_entries(&mut self, snapshot: SnapshotId, count: u64) {
        self.wanted.lost_entries.insert(snapshot, count);
    }

    /// Makes all of it durable and visible, in one step.
    ///
    /// # Errors
    /// As for [`Session::commit`].
    ///
    /// # Cancellation
    /// Before the commit nothing counts. Afterwards an older record may stay beside the new one,
    /// which does no harm.
    pub async fn finish(self) -> Result<Committed> {
        if !self.wanted.is_empty() {
            let session = Arc::new(self.session.clone());
            let sink: Arc<dyn ChunkSink> = session.clone();
            let source: Arc<dyn ChunkSource> = session;
            let changes = self.wanted.entries().into_iter().map(Change::from);
            let changes = stream::iter(changes.map(Ok::<_, Error>)).boxed();
            let root = write_tree(sink, source, None, changes).await?;
            let env = &self.repository.store().env;
            let record = NewSnapshot {
                name: RECORD.to_owned(),
                time_unix_ms: env.now(),
                partial: false,
                root,
                value: Vec::new(),
            };
            self.session.add_any(SnapshotId(env.random_array()), record);
        }
        let committed = self.session.commit().await?;
        if !self.replaces.is_empty() {
            self.repository.decide_forgotten(&self.replaces).await?;
        }
        self.repository.refresh().await?;
        Ok(committed)
    }

    /// Leaves everything as it was.
    ///
    /// # Errors
    /// From the destination.
    pub async fn abandon(self) -> Result<()> {
        {
            let mut catalogue = self.repository.catalogue_mut();
            let known = catalogue.repairs.clone();
            catalogue.set_repairs(known);
        }
        self.session.abandon().await
    }
}

/// A damaged pack and all that may open chunks of it.
struct Damaged {
    info: PackInfo,
    bytes: Bytes,
    /// If it can still be read.
    header: Option<PackHeader>,
    data: DataKeys,
}

impl Damaged {
    /// Opens every chunk that can be opened.
    fn open_all(
        &self,
        repository: &Repository,
        slots: &[Slot],
    ) -> Vec<(ChunkKind, ChunkId, OpenedBlob)> {
        let store = repository.store();
        let preamble = store.preamble_of(&self.info);
        let header = self.header.clone().unwrap_or_default();
        let keys = (store.keyring(), &self.data);
        let ciphers = PackCiphers::new(keys, &preamble, &header);
        let own = pack::blob_cipher(keys, &preamble).ok();
        let open = |slot: &Slot| {
            let start = slot.offset as usize;
            let end = start.checked_add(slot.sealed_len() as usize)?;
            let sealed = self.bytes.get(start..end)?;
            let (cipher, position) = match slot.is_foreign() {
                true => {
                    let entry = header.entries.iter().find(|e| e.offset == slot.offset)?;
                    (ciphers.of(entry).ok()?, entry.position)
                }
                false => (own.as_ref()?, u64::from(slot.offset)),
            };
            let blob = Blob {
                short_id: slot.id,
                kind: slot.kind(),
                position,
                sealed,
            };
            let keys = (&store.codec, store.keyring());
            let mut opened = OpenedBlob::default();
            let id = blob.open_into("", cipher, keys, &mut opened).ok()?;
            Some((slot.kind(), id, opened))
        };
        slots.iter().filter_map(open).collect()
    }
}
