//! Any sequence of puts, commits, abandons, forgets and reopenings keeps what was committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chunkstore::{
    CheckOptions, ChunkId, ChunkKind, ChunkSink, ChunkSource, ErrorKind, KeyRole, ObjectStore,
    Repository, Session, WriterKey,
};
use object_store::memory::InMemory;
use proptest::prelude::*;

use crate::sealed::{open_writer, with_writer};
use crate::support::{noise, open, prose, small_packs, snapshot};

#[derive(Clone, Debug)]
enum Step {
    /// A chunk from a small pool, so that the same one is put often.
    Put(u8, bool),
    Flush,
    Commit,
    Abandon,
    Drop,
    ForgetOldest,
    Reopen,
    /// With a key that writes and does not read.
    ReopenSealed,
    RebuildIndex,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (any::<u8>(), any::<bool>()).prop_map(|(seed, meta)| Step::Put(seed % 48, meta)),
        1 => Just(Step::Flush),
        2 => Just(Step::Commit),
        1 => Just(Step::Abandon),
        1 => Just(Step::Drop),
        1 => Just(Step::ForgetOldest),
        1 => Just(Step::Reopen),
        1 => Just(Step::ReopenSealed),
        1 => Just(Step::RebuildIndex),
    ];
    proptest::collection::vec(step, 1..60)
}

fn content(seed: u8) -> Bytes {
    let len = usize::from(seed) * 997 % 30_000;
    if seed.is_multiple_of(2) {
        noise(seed.into(), len)
    } else {
        prose(seed.into(), len)
    }
}

struct World {
    store: Arc<dyn ObjectStore>,
    repository: Repository,
    writer: WriterKey,
    session: Option<Session>,
    pending: BTreeMap<ChunkId, Bytes>,
    committed: BTreeMap<ChunkId, Bytes>,
    snapshots: usize,
    opened: u64,
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (repository, writer) = with_writer(store.clone()).await;
        Self {
            repository,
            writer,
            store,
            session: None,
            pending: BTreeMap::new(),
            committed: BTreeMap::new(),
            snapshots: 0,
            opened: 1,
        }
    }

    async fn session(&mut self) -> Session {
        if self.session.is_none() {
            self.session = Some(self.repository.session(small_packs()).await.unwrap());
        }
        self.session.clone().unwrap()
    }

    async fn apply(&mut self, step: Step) {
        match step {
            Step::Put(seed, meta) => {
                let kind = if meta {
                    ChunkKind::Meta
                } else {
                    ChunkKind::Data
                };
                let session = self.session().await;
                let id = session.put_chunk(kind, content(seed)).await.unwrap();
                let read = session.get_chunk(&id).await;
                // What was committed is not stored once more.
                let is_own = !self.committed.contains_key(&id);
                match self.repository.role() {
                    // What was there before it, the writer cannot open.
                    KeyRole::Writer if !is_own => {
                        let closed = read.map_err(|error| error.kind());
                        assert!(
                            closed == Err(ErrorKind::Sealed) || closed == Ok(content(seed)),
                            "{closed:?}"
                        );
                    }
                    _ => assert_eq!(read.unwrap(), content(seed)),
                }
                self.pending.insert(id, content(seed));
            }
            Step::Flush => self.session().await.flush().await.unwrap(),
            Step::Commit => {
                let session = self.session().await;
                session.add_snapshot(snapshot("box", b"value")).unwrap();
                session.commit().await.unwrap();
                self.session = None;
                self.snapshots += 1;
                self.committed.append(&mut self.pending);
            }
            Step::Abandon => {
                self.session().await.abandon().await.unwrap();
                self.forget_session();
            }
            Step::Drop => self.forget_session(),
            Step::ForgetOldest => {
                if let Some(oldest) = self.repository.snapshots().first() {
                    self.repository.forget(&[oldest.id]).await.unwrap();
                    self.snapshots -= 1;
                }
            }
            Step::Reopen => {
                self.forget_session();
                self.opened += 1;
                self.repository = open(self.store.clone(), self.opened).await.unwrap();
            }
            Step::ReopenSealed => {
                self.forget_session();
                self.opened += 1;
                let opened = open_writer(self.store.clone(), &self.writer, self.opened);
                self.repository = opened.await.unwrap();
            }
            Step::RebuildIndex => {
                assert!(self.repository.rebuild_index().await.unwrap().is_empty())
            }
        }
    }

    fn forget_session(&mut self) {
        self.session = None;
        self.pending.clear();
    }

    async fn assert_kept(&self, repository: &Repository) {
        for (id, plain) in &self.committed {
            assert_eq!(&repository.get_chunk(id).await.unwrap(), plain);
        }
        for seed in 0..48 {
            let id = ChunkId::from_bytes([seed; 32]);
            let unknown = repository.get_chunk(&id).await;
            assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert_eq!(repository.snapshots().len(), self.snapshots);
        assert!(repository.problems().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_was_committed_is_kept_and_nothing_else_is_listed(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.apply(step).await;
            }
            let fresh = open(world.store.clone(), 999).await.unwrap();
            world.assert_kept(&fresh).await;
            if world.repository.role() == KeyRole::Full {
                world.assert_kept(&world.repository).await;
            }
            let report = fresh.check(&CheckOptions { read_data: true, part: None }, &|_| {}).await.unwrap();
            assert!(report.is_clean(), "{report:?}");
        });
    }
}
