//! Ways to open a repository, and what happens to them.

use std::sync::Arc;

use chunkstore::{
    Argon2Params, ChunkSource, EscrowPrivateKey, EscrowShare, KeyFile, KeyMethod, KeyState, NewKey,
    ObjectStore, Passphrase, RecoveryPhrase, Repository, Unlock,
};
use chunkstore::{CheckOptions, ErrorKind};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use crate::support::{
    assert_readable, cheap, create, environment, fill, names, open, passphrase, small_packs,
};

type Store = Arc<dyn ObjectStore>;

async fn reopen(store: &Store, unlock: impl Into<Unlock>) -> chunkstore::Result<Repository> {
    Repository::open(Arc::clone(store), unlock, environment(50)).await
}

#[track_caller]
fn check_error(result: chunkstore::Result<Repository>, kind: ErrorKind, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// A cheap passphrase slot: tests make many.
fn new_passphrase(text: &str) -> NewKey {
    let least = Argon2Params {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    NewKey::Passphrase(Passphrase::new(text), Some(least))
}

#[tokio::test]
async fn every_way_to_unlock_opens_the_same_repository() {
    let store: Store = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let chunks = fill(&repository, 1, 20).await;
    let env = environment(9);
    let file = KeyFile::generate(&env);
    let phrase = RecoveryPhrase::generate(&env);
    let console = EscrowPrivateKey::generate(&env);
    let escrow = NewKey::Escrow {
        recipients: vec![console.public_key()],
        threshold: 1,
    };
    let keys = [
        (new_passphrase("a second one"), "Bob's"),
        (NewKey::KeyFile(file.clone()), "host a"),
        (NewKey::RecoveryPhrase(phrase.clone()), "in the safe"),
        (escrow, "console"),
    ];
    let packs_before = names(&*store, "packs").await;
    for (key, label) in &keys {
        repository.add_key(key, label).await.unwrap();
    }
    assert_eq!(names(&*store, "packs").await, packs_before, "no rewriting");
    let ways = [
        Unlock::from(passphrase()),
        Unlock::from(Passphrase::new("a second one")),
        Unlock::KeyFile(KeyFile::parse(&file.to_text()).unwrap()),
        Unlock::RecoveryPhrase(RecoveryPhrase::parse(&phrase.to_words()).unwrap()),
        Unlock::Escrow(vec![EscrowPrivateKey::parse(&console.to_text()).unwrap()]),
    ];
    let listed = repository.keys().await.unwrap();
    assert!(listed.damaged.is_empty());
    assert_eq!(listed.keys.len(), ways.len());
    for (way, key) in ways.into_iter().zip(&listed.keys) {
        let other = reopen(&store, &way).await.unwrap();
        assert_eq!(other.opened_with(), key.id);
        assert_eq!(key.state, KeyState::Usable);
        assert_readable(&other, &chunks).await;
    }
    let labels: Vec<_> = listed.keys.iter().map(|key| key.label.as_str()).collect();
    assert_eq!(labels, ["", "Bob's", "host a", "in the safe", "console"]);
    let weak: Vec<_> = listed.keys.iter().map(|key| key.is_weak()).collect();
    assert_eq!(weak, [true, false, false, false, false], "the tests' own");
    assert!(matches!(
        &listed.keys[4].method,
        KeyMethod::Escrow { recipients, threshold: 1 } if recipients == &[console.public_key()]
    ));
    let report = repository
        .check(&CheckOptions::default(), &|_| {})
        .await
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_in_words_that_say_which() {
    let store: Store = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let env = environment(9);
    let wrong = Passphrase::new("incorrect horse");
    check_error(
        reopen(&store, wrong).await,
        ErrorKind::Auth,
        "the passphrase opens none of the repository's key slots",
    );
    let file = Unlock::KeyFile(KeyFile::generate(&env));
    check_error(
        reopen(&store, &file).await,
        ErrorKind::Auth,
        "no key slot of the repository is opened by a secret of this kind (the key file)",
    );
    let other = NewKey::KeyFile(KeyFile::generate(&env));
    repository.add_key(&other, "").await.unwrap();
    check_error(
        reopen(&store, &file).await,
        ErrorKind::Auth,
        "the key file opens none of the repository's key slots",
    );
    let stranger = Unlock::Escrow(vec![EscrowPrivateKey::generate(&env)]);
    check_error(
        reopen(&store, &stranger).await,
        ErrorKind::Auth,
        "private key",
    );
}

#[tokio::test]
async fn a_key_is_removed_and_the_last_one_is_not() {
    let store: Store = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let first = repository.opened_with();
    let refused = repository.remove_key(first).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let second = repository
        .add_key(&new_passphrase("second"), "")
        .await
        .unwrap();
    repository.remove_key(first).await.unwrap();
    check_error(
        reopen(&store, passphrase()).await,
        ErrorKind::Auth,
        "opens none",
    );
    let other = reopen(&store, Passphrase::new("second")).await.unwrap();
    assert_eq!(other.opened_with(), second);
    let refused = other.remove_key(second).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("last key"), "{refused}");
    let unknown = other.remove_key(first).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    reopen(&store, Passphrase::new("second")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_slot_is_named_removable_and_does_not_hide_the_others() {
    let store: Store = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let file = KeyFile::generate(&environment(9));
    let key = NewKey::KeyFile(file.clone());
    let id = repository.add_key(&key, "").await.unwrap();
    let path = Path::from(format!("keys/{}", repository.opened_with()));
    let whole = store.get(&path).await.unwrap().bytes().await.unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x10;
        store.put(&path, PutPayload::from(bytes)).await.unwrap();
        let refused = reopen(&store, passphrase()).await;
        check_error(
            refused,
            ErrorKind::Auth,
            "cannot be read and may be the one",
        );
    }
    let other = reopen(&store, &Unlock::KeyFile(file)).await.unwrap();
    assert_eq!(other.opened_with(), id);
    let listed = other.keys().await.unwrap();
    assert_eq!((listed.keys.len(), listed.damaged.len()), (1, 1));
    let report = other
        .check(&CheckOptions::default(), &|_| {})
        .await
        .unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].object, path.to_string());
    other.remove_key(repository.opened_with()).await.unwrap();
    assert!(other.keys().await.unwrap().damaged.is_empty());
}

#[tokio::test]
async fn weak_or_senseless_keys_are_refused() {
    let repository = create(Arc::new(InMemory::new())).await;
    let env = environment(9);
    let public = EscrowPrivateKey::generate(&env).public_key();
    let escrow = |recipients: usize, threshold| NewKey::Escrow {
        recipients: vec![public; recipients],
        threshold,
    };
    let weak = NewKey::Passphrase(Passphrase::new("x"), Some(cheap().argon2));
    let cases = [
        (weak, "too fast"),
        (Passphrase::new("").into(), "empty"),
        (escrow(0, 1), "1 to 32"),
        (escrow(2, 1), "twice"),
        (escrow(1, 0), "0 of 1"),
        (escrow(1, 2), "2 of 1"),
    ];
    for (key, words) in cases {
        let error = repository.add_key(&key, "").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let file = NewKey::KeyFile(KeyFile::generate(&env));
    let long = repository.add_key(&file, &"x".repeat(101)).await;
    assert_eq!(long.unwrap_err().kind(), ErrorKind::Invalid);
    repository.add_key(&file, &"x".repeat(100)).await.unwrap();
    assert_eq!(repository.keys().await.unwrap().keys.len(), 2);
}

#[tokio::test]
async fn a_lost_passphrase_is_recovered_from_the_consoles_private_key_alone() {
    let store: Store = Arc::new(InMemory::new());
    let console = EscrowPrivateKey::generate(&environment(9));
    let chunks = {
        let repository = create(store.clone()).await;
        let escrow = NewKey::Escrow {
            recipients: vec![console.public_key()],
            threshold: 1,
        };
        repository.add_key(&escrow, "console").await.unwrap();
        fill(&repository, 3, 12).await
    };
    let text = console.to_text();
    let private = EscrowPrivateKey::parse(&text).unwrap();
    let recovered = reopen(&store, &Unlock::Escrow(vec![private]))
        .await
        .unwrap();
    assert_readable(&recovered, &chunks).await;
    let new = new_passphrase("remembered");
    recovered.add_key(&new, "after the loss").await.unwrap();
    let again = reopen(&store, Passphrase::new("remembered")).await.unwrap();
    assert_readable(&again, &chunks).await;
}

#[tokio::test]
async fn three_of_five_shares_open_and_two_do_not() {
    let store: Store = Arc::new(InMemory::new());
    let env = environment(9);
    let consoles: Vec<_> = (0..5).map(|_| EscrowPrivateKey::generate(&env)).collect();
    let repository = create(store.clone()).await;
    let escrow = NewKey::Escrow {
        recipients: consoles.iter().map(|one| one.public_key()).collect(),
        threshold: 3,
    };
    repository.add_key(&escrow, "board").await.unwrap();
    let chunks = fill(&repository, 3, 12).await;
    let mut shares = Vec::new();
    for console in &consoles {
        let [share] = Repository::escrow_shares(store.clone(), console)
            .await
            .unwrap()
            .try_into()
            .unwrap();
        shares.push(EscrowShare::parse(&share.to_text()).unwrap());
    }
    let pick = |places: &[usize]| {
        Unlock::EscrowShares(places.iter().map(|n| shares[*n].clone()).collect())
    };
    for places in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let opened = reopen(&store, pick(&places)).await.unwrap();
        assert_readable(&opened, &chunks).await;
        let keys = places.iter().map(|n| consoles[*n].clone()).collect();
        reopen(&store, Unlock::Escrow(keys)).await.unwrap();
    }
    for places in [&[0, 1][..], &[3, 3, 3], &[2]] {
        let refused = reopen(&store, pick(places)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Auth);
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains("of the 3 shares"), "{cause}");
    }
    // A share of another repository's escrow is no share of this one.
    let mut foreign = shares[1].to_text();
    let elsewhere: Store = Arc::new(InMemory::new());
    let other = Repository::create(elsewhere.clone(), &passphrase(), &cheap(), environment(77))
        .await
        .unwrap();
    other.add_key(&escrow, "").await.unwrap();
    let [alien] = Repository::escrow_shares(elsewhere, &consoles[1])
        .await
        .unwrap()
        .try_into()
        .unwrap();
    foreign.clone_from(&alien.to_text());
    let mixed = Unlock::EscrowShares(vec![
        shares[0].clone(),
        EscrowShare::parse(&foreign).unwrap(),
        shares[2].clone(),
    ]);
    check_error(reopen(&store, &mixed).await, ErrorKind::Auth, "shares");
    let stranger = EscrowPrivateKey::generate(&env);
    let none = Repository::escrow_shares(store, &stranger).await;
    assert_eq!(none.unwrap_err().kind(), ErrorKind::Auth);
}

#[tokio::test]
async fn a_rotation_seals_new_data_with_new_keys_and_keeps_the_old_readable() {
    let store: Store = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let console = EscrowPrivateKey::generate(&environment(9));
    let escrow = NewKey::Escrow {
        recipients: vec![console.public_key()],
        threshold: 1,
    };
    repository.add_key(&escrow, "console").await.unwrap();
    repository
        .add_key(&new_passphrase("of one who left"), "Eve")
        .await
        .unwrap();
    let eve = reopen(&store, Passphrase::new("of one who left"))
        .await
        .unwrap();
    let old = fill(&repository, 1, 20).await;
    let kept = new_passphrase("new");
    let dropped = repository
        .rotation_drops(std::slice::from_ref(&kept))
        .await
        .unwrap();
    let labels: Vec<_> = dropped.iter().map(|key| key.label.as_str()).collect();
    assert_eq!(labels, ["Eve"], "the own passphrase and the escrow succeed");
    let rotation = repository
        .rotate_keys(&[(kept, "Alice".to_owned())])
        .await
        .unwrap();
    assert_eq!((rotation.epoch, rotation.keys.len()), (2, 2));
    assert_eq!(rotation.replaced.len(), 3);
    for gone in [passphrase(), Passphrase::new("of one who left")] {
        check_error(reopen(&store, gone).await, ErrorKind::Auth, "opens none");
    }
    let current = reopen(&store, Passphrase::new("new")).await.unwrap();
    assert_readable(&current, &old).await;
    let new = fill(&current, 2, 20).await;
    // Chunks keep their ids: what is there already is not stored again.
    let session = current.session(small_packs()).await.unwrap();
    let again = crate::support::put_all(&session, 1, 20).await.unwrap();
    assert_eq!(again, old);
    assert_eq!(session.commit().await.unwrap().stats.chunks_new, 0);
    let by_console = reopen(&store, Unlock::Escrow(vec![console])).await.unwrap();
    assert_readable(&by_console, &old).await;
    assert_readable(&by_console, &new).await;
    // Who holds the old keys, from before the rotation, reads nothing new and is told why.
    let told = eve.refresh().await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Auth, "{told}");
    assert!(told.to_string().contains("rotated"), "{told}");
    for (id, _) in &new {
        assert!(eve.get_chunk(id).await.is_err());
    }
    let refused = eve.add_key(&new_passphrase("back door"), "").await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Auth);
    let report = current
        .check(
            &CheckOptions {
                read_data: true,
                part: None,
            },
            &|_| {},
        )
        .await;
    assert!(report.as_ref().unwrap().is_clean(), "{report:?}");
}

#[tokio::test]
async fn of_two_rotations_at_once_one_wins_and_the_other_leaves_nothing_that_opens() {
    let store: Store = Arc::new(InMemory::new());
    let first = create(store.clone()).await;
    let second = open(store.clone(), 2).await.unwrap();
    let (a, b) = (new_passphrase("a"), new_passphrase("b"));
    let keep_a = [(a, String::new())];
    let keep_b = [(b, String::new())];
    let (one, two) = tokio::join!(first.rotate_keys(&keep_a), second.rotate_keys(&keep_b));
    assert_eq!(
        usize::from(one.is_ok()) + usize::from(two.is_ok()),
        1,
        "{one:?} {two:?}"
    );
    let (winner, loser) = if one.is_ok() { ("a", "b") } else { ("b", "a") };
    let opened = reopen(&store, Passphrase::new(winner)).await.unwrap();
    let refused = reopen(&store, Passphrase::new(loser)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Auth);
    assert_eq!(opened.keys().await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn a_slot_that_a_rotation_could_not_delete_is_refused_by_name() {
    let store: Store = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let path = Path::from(format!("keys/{}", repository.opened_with()));
    let slot = store.get(&path).await.unwrap().bytes().await.unwrap();
    let keep = [(new_passphrase("new"), String::new())];
    repository.rotate_keys(&keep).await.unwrap();
    store.put(&path, slot.into()).await.unwrap();
    check_error(
        reopen(&store, passphrase()).await,
        ErrorKind::Auth,
        "a rotation has replaced",
    );
    let current = reopen(&store, Passphrase::new("new")).await.unwrap();
    let states: Vec<_> = current
        .keys()
        .await
        .unwrap()
        .keys
        .iter()
        .map(|key| key.state)
        .collect();
    assert_eq!(states, [KeyState::Replaced, KeyState::Usable]);
    // It does not count as a key that is left.
    let own = current.opened_with();
    let refused = current.remove_key(own).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}
