//! Signatures: made with a repository's keys, checked with nothing but the public half.

use std::sync::Arc;

use chunkstore::{ErrorKind, NewKey, Repository, SignerKey, verify_signature};
use object_store::memory::InMemory;
use proptest::prelude::*;

use crate::support::{cheap, environment, passphrase};

async fn repository(seed: u64) -> Repository {
    let store = Arc::new(InMemory::new());
    Repository::create(store, &passphrase(), &cheap(), environment(seed))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_signature_holds_for_its_document_comment_and_key_alone() {
    let (ours, other) = (repository(1).await, repository(2).await);
    let keys = ours.signers();
    let text = ours.sign(b"all came back", "drill of\nMonday").unwrap();
    let signed = verify_signature(b"all came back", &text, &keys).unwrap();
    assert_eq!((signed.by, &*signed.comment), (keys[0], "drill of Monday"));

    let refused = |document: &[u8], text: &str, keys: &[SignerKey]| {
        verify_signature(document, text, keys).unwrap_err().kind()
    };
    assert_eq!(refused(b"all came back.", &text, &keys), ErrorKind::Corrupt);
    let later = text.replace("Monday", "Friday");
    assert_eq!(refused(b"all came back", &later, &keys), ErrorKind::Corrupt);
    let strangers = other.signers();
    assert_ne!(strangers, keys);
    assert_eq!(
        refused(b"all came back", &text, &strangers),
        ErrorKind::NotFound
    );
    for cut in 0..text.trim_end().len() {
        assert!(verify_signature(b"all came back", &text[..cut], &keys).is_err());
    }
}

#[tokio::test]
async fn a_rotation_gives_a_new_key_and_old_signatures_stay_good() {
    let store = Arc::new(InMemory::new());
    let repository = Repository::create(store.clone(), &passphrase(), &cheap(), environment(1))
        .await
        .unwrap();
    let before = repository.sign(b"result", "").unwrap();
    let keep = [(
        NewKey::Passphrase(passphrase(), Some(cheap().argon2)),
        String::new(),
    )];
    repository.rotate_keys(&keep).await.unwrap();
    let repository = Repository::open(store, &passphrase(), environment(3))
        .await
        .unwrap();
    let keys = repository.signers();
    assert_eq!(keys.len(), 2);
    let after = repository.sign(b"result", "").unwrap();
    for (text, key) in [(before, keys[0]), (after, keys[1])] {
        assert_eq!(verify_signature(b"result", &text, &keys).unwrap().by, key);
        assert_eq!(verify_signature(b"result", &text, &[key]).unwrap().by, key);
    }
}

#[tokio::test]
async fn a_public_key_is_read_as_it_is_shown_and_otherwise_refused() {
    let key = repository(1).await.signers()[0];
    let shown = key.to_string();
    assert!(shown.starts_with("RW") && shown.len() == 56, "{shown}");
    assert_eq!(SignerKey::parse(&shown).unwrap(), key);
    let file = format!("untrusted comment: minisign public key\n{shown}\n");
    assert_eq!(SignerKey::parse(&file).unwrap(), key);
    for place in 0..shown.len() {
        let other = if shown.as_bytes()[place] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut wrong = shown.clone();
        wrong.replace_range(place..=place, other);
        assert!(SignerKey::parse(&wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", document in any::<Vec<u8>>()) {
        prop_assert!(SignerKey::parse(&text).is_err());
        prop_assert!(verify_signature(&document, &text, &[]).is_err());
        let lines = format!("untrusted comment: {text}\n{text}\ntrusted comment: {text}\n{text}");
        prop_assert!(verify_signature(&document, &lines, &[]).is_err());
    }
}
