//! The bytes of every kind of key object, as `docs/key-vectors.txt` shows them to other readers.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use chunkstore::{
    EscrowPrivateKey, KeyFile, NewKey, ObjectStore, RecoveryPhrase, Repository, WriterKey,
};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;

use crate::support::{cheap, environment, names, passphrase};

const HEAD: &str = "\
# Objects of keys/ and what opens them, for readers written from docs/format.md. A test of
# chunkstore makes this file and compares it; POSTKEEP_BLESS=1 writes it anew.
#
# `derived` is HKDF(master of epoch 1, repository id, \"postkeep v1 caller\" + 0 + \"vector\"): what a
# reader finds with the right master key. Every slot of the same epoch gives the same keys.
";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn show(out: &mut String, store: &dyn ObjectStore, what: &str, name: &str) {
    let bytes = store.get(&name.into()).await.unwrap();
    let bytes = hex(&bytes.bytes().await.unwrap());
    write!(out, "\n{what}\n{name}\n").unwrap();
    for line in bytes.as_bytes().chunks(96) {
        writeln!(out, "  {}", std::str::from_utf8(line).unwrap()).unwrap();
    }
}

async fn vectors() -> String {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let env = environment(7);
    let repository = Repository::create(Arc::clone(&store), &passphrase(), &cheap(), env.clone())
        .await
        .unwrap();
    let mut out = HEAD.to_owned();
    let config = store.get(&"repository.json".into()).await.unwrap();
    let config = String::from_utf8(config.bytes().await.unwrap().to_vec()).unwrap();
    write!(out, "\nrepository.json\n{config}").unwrap();
    let derived = hex(&*repository.derive_key("vector"));
    write!(out, "\nderived\n  {derived}\n").unwrap();
    let first = format!("keys/{}", repository.opened_with());
    show(&mut out, &store, "passphrase: correct horse", &first).await;
    let file = KeyFile::generate(&env);
    let phrase = RecoveryPhrase::generate(&env);
    let consoles = [(); 3].map(|()| EscrowPrivateKey::generate(&env));
    let writer = WriterKey::generate(&env);
    let escrow = NewKey::Escrow {
        recipients: consoles.iter().map(|one| one.public_key()).collect(),
        threshold: 2,
    };
    let private: Vec<String> = consoles
        .iter()
        .map(|one| format!("\n  {} of {}", *one.to_text(), one.public_key()))
        .collect();
    let added = [
        (
            format!("key file: {}", *file.to_text()),
            NewKey::KeyFile(file),
        ),
        (
            format!("recovery phrase: {}", *phrase.to_words()),
            NewKey::RecoveryPhrase(phrase),
        ),
        (format!("escrow, 2 of 3:{}", private.concat()), escrow),
        (
            format!(
                "writer, who derives other local keys: {}",
                *writer.to_text()
            ),
            NewKey::Writer(writer.public_key()),
        ),
    ];
    for (what, key) in added {
        let id = repository.add_key(&key, "a label").await.unwrap();
        show(&mut out, &store, &what, &format!("keys/{id}")).await;
    }
    let keep = [(
        NewKey::Passphrase(passphrase(), Some(cheap().argon2)),
        String::new(),
    )];
    let rotated = repository.rotate_keys(&keep).await.unwrap();
    let slot = format!("keys/{}", rotated.keys[0]);
    let what = "the same passphrase after a rotation: keys of two epochs";
    show(&mut out, &store, what, &slot).await;
    show(&mut out, &store, "the rotation", "keys/epoch-00000002").await;
    let signature = repository.sign(b"a document", "a comment").unwrap();
    let signer = repository.signers()[0];
    let what = "epoch 1 signs \"a document\" with \"a comment\"";
    write!(out, "\n{what}, public key {signer}\n{signature}").unwrap();
    assert_eq!(
        names(&*store, "keys").await.len(),
        4,
        "the escrow's and the writer's new slots, too"
    );
    out
}

#[tokio::test]
async fn key_objects_are_the_bytes_that_the_documentation_shows() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/key-vectors.txt");
    let made = vectors().await;
    if std::env::var_os("POSTKEEP_BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let shown = std::fs::read_to_string(&file)
        .unwrap()
        .replace("\r\n", "\n");
    assert!(made == shown, "docs/key-vectors.txt differs from:\n{made}");
}
