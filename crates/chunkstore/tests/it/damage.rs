//! The damage matrix: a truncated, a missing and a flipped object of each kind.

use std::sync::Arc;

use bytes::Bytes;
use chunkstore::{
    CheckOptions, CheckReport, ChunkId, ChunkSource, ErrorKind, ObjectStore, Repository,
};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{
    assert_readable, create, fill, names, noise, open, passphrase, prose, snapshot,
};

const FULL: CheckOptions = CheckOptions {
    read_data: true,
    part: None,
};
const QUICK: CheckOptions = CheckOptions {
    read_data: false,
    part: None,
};

struct Fixture {
    store: InMemory,
    chunks: Vec<(ChunkId, Bytes)>,
}

/// Two sessions, a dictionary, a forgotten snapshot.
async fn fixture() -> Fixture {
    let store: Arc<InMemory> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let mut chunks = fill(&repository, 1, 12).await;
    repository
        .add_dictionary(&[&noise(5, 2_000)[..], &prose(2, 300)].concat())
        .await
        .unwrap();
    chunks.extend(fill(&repository, 2, 12).await);
    let session = repository
        .session(crate::support::small_packs())
        .await
        .unwrap();
    session.add_snapshot(snapshot("old", b"")).unwrap();
    let old = session.commit().await.unwrap().snapshots[0];
    repository.forget(&[old]).await.unwrap();
    Fixture {
        store: store.fork(),
        chunks,
    }
}

impl Fixture {
    /// A copy to damage.
    fn copy(&self) -> Arc<InMemory> {
        Arc::new(self.store.fork())
    }

    async fn names(&self) -> Vec<String> {
        names(&self.store, "").await
    }

    async fn len(&self, name: &str) -> u64 {
        self.store.head(&Path::from(name)).await.unwrap().size
    }

    /// Whatever a chunk read gives, it is never wrong bytes.
    async fn assert_nothing_wrong_is_read(&self, repository: &Repository) -> usize {
        let mut readable = 0;
        for (id, plain) in &self.chunks {
            match repository.get_chunk(id).await {
                Ok(bytes) => {
                    assert_eq!(&bytes, plain);
                    readable += 1;
                }
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound),
                    "{error:?}"
                ),
            }
        }
        readable
    }
}

async fn check(repository: &Repository, options: CheckOptions) -> CheckReport {
    repository.check(&options, &|_| {}).await.unwrap()
}

/// Opens and checks a damaged copy: the object must be named, by the check or by the opening.
async fn assert_found(fixture: &Fixture, store: Arc<dyn ObjectStore>, name: &str, how: &str) {
    match open(store, 9).await {
        Ok(repository) => {
            let report = check(&repository, FULL).await;
            let named = report.problems.iter().any(|problem| problem.object == name);
            assert!(named, "{name} {how} went unnoticed: {report:?}");
            let readable = fixture.assert_nothing_wrong_is_read(&repository).await;
            let lost = fixture
                .chunks
                .iter()
                .filter(|(id, _)| report.lost_chunks.contains(id));
            if !name.starts_with("sessions/") {
                assert_eq!(
                    fixture.chunks.len() - readable,
                    lost.count(),
                    "{name} {how}"
                );
            }
            if !name.starts_with("packs/") && !name.starts_with("sessions/") {
                assert!(report.lost_chunks.is_empty(), "{name} {how} loses no chunk");
            }
        }
        Err(error) => {
            assert!(
                !name.starts_with("packs/") && !name.starts_with("index/"),
                "{name} {error}"
            );
            let expected = [
                ErrorKind::Corrupt,
                ErrorKind::Unsupported,
                ErrorKind::NotFound,
            ];
            assert!(expected.contains(&error.kind()), "{name} {how}: {error:?}");
            let folder = name.split('/').next().unwrap();
            assert!(error.to_string().contains(folder), "{name} {how}: {error}");
        }
    }
}

#[tokio::test]
async fn a_flipped_byte_in_any_object_is_found_and_named() {
    let fixture = fixture().await;
    for name in fixture.names().await {
        let len = fixture.len(&name).await;
        // Every field of the preamble, the middle, the end.
        let mut offsets = vec![
            0,
            8,
            9,
            10,
            11,
            12,
            20,
            40,
            50,
            63,
            64,
            70,
            len / 2,
            len - 3,
            len - 1,
        ];
        offsets.retain(|offset| *offset < len);
        for offset in offsets {
            let copy = fixture.copy();
            testkit::flip_byte(&*copy, &Path::from(name.as_str()), offset).await;
            assert_found(
                &fixture,
                copy,
                &name,
                &format!("with byte {offset} flipped"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_truncated_object_of_any_kind_is_found_and_named() {
    let fixture = fixture().await;
    for name in fixture.names().await {
        let len = fixture.len(&name).await;
        for keep in [0, 1, 63, 64, 80, len / 2, len - 1] {
            let copy = fixture.copy();
            testkit::truncate(&*copy, &Path::from(name.as_str()), keep.min(len - 1)).await;
            assert_found(&fixture, copy, &name, &format!("cut to {keep}")).await;
        }
    }
}

#[tokio::test]
async fn a_missing_object_is_found_and_named() {
    let fixture = fixture().await;
    for name in fixture.names().await {
        // Nothing refers to these: a missing forget brings a snapshot back, a missing `.end` is
        // a session that never ended, and one dictionary copy of two is not missed by name.
        if name.ends_with(".end") || name.starts_with("admin/") || name.starts_with("dicts/") {
            continue;
        }
        let copy = fixture.copy();
        copy.delete(&Path::from(name.as_str())).await.unwrap();
        assert_found(&fixture, copy, &name, "deleted").await;
    }
}

#[tokio::test]
async fn a_quick_check_finds_missing_and_truncated_packs() {
    let fixture = fixture().await;
    let packs = names(&fixture.store, "packs").await;
    for (pack, cut) in packs.iter().zip([true, false, true]) {
        let copy = fixture.copy();
        let path = Path::from(pack.as_str());
        if cut {
            testkit::truncate(&*copy, &path, 100).await;
        } else {
            copy.delete(&path).await.unwrap();
        }
        let repository = open(copy, 9).await.unwrap();
        let report = check(&repository, QUICK).await;
        assert_eq!(report.problems.len(), 1, "{report:?}");
        assert_eq!(&report.problems[0].object, pack);
        assert!(!report.lost_chunks.is_empty());
    }
}

#[tokio::test]
async fn a_lost_index_is_rebuilt_from_pack_headers() {
    let fixture = fixture().await;
    let copy = fixture.copy();
    for name in names(&*copy, "index").await {
        copy.delete(&Path::from(name)).await.unwrap();
    }
    let repository = open(copy, 9).await.unwrap();
    assert_eq!(repository.problems().len(), 2);
    assert_readable(&repository, &fixture.chunks).await;
    let whole = open(fixture.copy(), 9).await.unwrap();
    assert_eq!(repository.stats(), whole.stats());
    assert!(whole.rebuild_index().await.unwrap().is_empty());
    assert_eq!(repository.stats(), whole.stats());
    assert_readable(&whole, &fixture.chunks).await;
}

#[tokio::test]
async fn a_chunk_in_two_packs_survives_the_loss_of_one() {
    let store: Arc<InMemory> = Arc::new(InMemory::new());
    let here = create(store.clone()).await;
    let there = open(store.clone(), 2).await.unwrap();
    let a = here.session(crate::support::small_packs()).await.unwrap();
    let b = there.session(crate::support::small_packs()).await.unwrap();
    let chunks = crate::support::put_all(&a, 1, 3).await.unwrap();
    crate::support::put_all(&b, 1, 3).await.unwrap();
    a.commit().await.unwrap();
    let before = names(&*store, "packs").await;
    b.commit().await.unwrap();
    for pack in before {
        testkit::flip_byte(&*store, &Path::from(pack), 100).await;
    }
    let reader = open(store, 3).await.unwrap();
    assert_readable(&reader, &chunks).await;
    let report = check(&reader, FULL).await;
    assert!(
        !report.problems.is_empty() && report.lost_chunks.is_empty(),
        "{report:?}"
    );
}

#[tokio::test]
async fn objects_of_another_repository_are_refused() {
    let fixture = fixture().await;
    let strange: Arc<InMemory> = Arc::new(InMemory::new());
    let repository = chunkstore::Repository::create(
        strange.clone(),
        &passphrase(),
        &crate::support::cheap(),
        crate::support::environment(77),
    )
    .await
    .unwrap();
    fill(&repository, 1, 12).await;
    for folder in ["sessions", "index", "packs"] {
        let copy = fixture.copy();
        let own = names(&*copy, folder).await.pop().unwrap();
        let theirs = names(&*strange, folder).await.pop().unwrap();
        let bytes = strange
            .get(&Path::from(theirs))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        copy.put(&Path::from(own.as_str()), bytes.into())
            .await
            .unwrap();
        assert_found(&fixture, copy, &own, "exchanged").await;
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_as_such() {
    let fixture = fixture().await;
    let copy = fixture.copy();
    testkit::rewrite(&*copy, &Path::from("repository.json"), |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace("\"format\": 1", "\"format\": 2").into_bytes()
    })
    .await;
    let error = open(copy, 9).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("format 2"), "{error}");
}

#[tokio::test]
async fn a_repaired_index_is_whole_for_everybody_who_opens_it() {
    let fixture = fixture().await;
    for missing in [true, false] {
        let store = fixture.copy();
        let objects = names(&*store, "index").await;
        assert!(objects.len() > 1);
        let name = Path::from(objects[0].as_str());
        match missing {
            true => store.delete(&name).await.unwrap(),
            false => drop(store.put(&name, b"nothing".to_vec().into()).await.unwrap()),
        }
        let repository = open(store.clone(), 7).await.unwrap();
        let plan = repository.plan_index_repair().await.unwrap();
        assert_eq!(plan.damaged.len(), 1);
        assert_eq!(plan.damaged[0].object, objects[0]);
        assert!(plan.packs_read > 0 && plan.packs_lost.is_empty() && !plan.written);
        assert_eq!(names(&*store, "admin/checkpoint").await.len(), 0);

        let repair = repository
            .repair_index(&chunkstore::LeaveOpen)
            .await
            .unwrap();
        assert!(repair.written && repair.waiting_for.is_empty());
        assert_eq!(repair.packs_read, plan.packs_read);
        let other = open(store.clone(), 8).await.unwrap();
        assert!(other.problems().is_empty(), "{:?}", other.problems());
        assert_readable(&other, &fixture.chunks).await;
        let check = other.check(&FULL, &|_| {}).await.unwrap();
        assert!(check.is_clean(), "{check:?}");
        assert!(!names(&*store, "index").await.contains(&objects[0]));
        // Nothing is left to do.
        let again = other.repair_index(&chunkstore::LeaveOpen).await.unwrap();
        assert!(again.written && again.damaged.is_empty());
        assert_eq!(names(&*store, "admin/checkpoint").await.len(), 2);
    }
}

#[tokio::test]
async fn parts_of_a_check_together_find_what_a_whole_one_finds() {
    let fixture = fixture().await;
    let store = fixture.copy();
    let packs = names(&*store, "packs").await;
    for pack in &packs {
        let path = Path::from(pack.as_str());
        let mut bytes = store
            .get(&path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec();
        bytes[100] ^= 1;
        store.put(&path, bytes.into()).await.unwrap();
    }
    let repository = open(store, 9).await.unwrap();
    let whole = repository.check(&FULL, &|_| {}).await.unwrap();
    let of_packs = |check: &CheckReport| {
        let objects = check.problems.iter().map(|problem| problem.object.clone());
        let packs = objects.filter(|object| object.starts_with("packs/"));
        packs.collect::<Vec<_>>()
    };
    assert_eq!(of_packs(&whole), packs);
    let mut found = Vec::new();
    let mut lost = 0;
    for number in 1..=3 {
        let part = chunkstore::CheckPart::new(number, 3).unwrap();
        let options = CheckOptions {
            read_data: true,
            part: Some(part),
        };
        let check = repository.check(&options, &|_| {}).await.unwrap();
        assert!(check.bytes < whole.bytes || packs.len() < 3);
        lost += check.lost_chunks.len();
        found.extend(of_packs(&check));
    }
    found.sort();
    assert_eq!(found, packs);
    assert_eq!(lost, whole.lost_chunks.len());
}
