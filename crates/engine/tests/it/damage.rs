//! Wrong secrets, wrong servers, full disks and damaged objects: an error that says what it is,
//! and nothing lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{ErrorKind, Silent};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, exchange, latest, of, open, sim_with, try_backup};

const ALICE: &str = "alice@example.test";

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secrets_and_rights_are_told_apart() {
    let server = Server::start(sim_with(&[ALICE, "bob@example.test"], 3)).await;
    let store = Store::create().await;
    let run = async |user: &str, password: &str, mailbox: &str| {
        let exchange = exchange(server.url(), user, password);
        let (options, cancel) = (of(&[mailbox]), CancellationToken::new());
        let run = store
            .vault
            .backup(&exchange, &options, &cancel, Arc::new(Silent));
        run.await.unwrap_err().kind()
    };
    assert_eq!(
        run("svc@example.test", "wrong", ALICE).await,
        ErrorKind::Auth
    );
    assert_eq!(
        run("svc@example.test", "secret", "nobody@example.test").await,
        ErrorKind::NotFound
    );
    assert_eq!(
        run(ALICE, "secret", "bob@example.test").await,
        ErrorKind::Denied
    );
    assert!(store.vault.snapshots().await.unwrap().is_empty());
    let error = open(store.folder.path(), "wrong").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Auth);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_mailbox_does_not_stop_the_others() {
    let server = Server::start(sim_with(&[ALICE], 3)).await;
    let store = Store::create().await;
    let report = try_backup(&store.vault, &server, &["nobody@example.test", ALICE])
        .await
        .unwrap();
    assert!(!report.is_complete());
    assert!(
        report.mailboxes[0]
            .error
            .as_deref()
            .unwrap()
            .contains("nobody@example.test")
    );
    assert_eq!(report.mailboxes[1].items, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_exchange_server_is_said_so() {
    let store = Store::create().await;
    let run = async |url: &str| {
        let exchange = exchange(url, "svc@example.test", "secret");
        let (options, cancel) = (of(&[ALICE]), CancellationToken::new());
        let run = store
            .vault
            .backup(&exchange, &options, &cancel, Arc::new(Silent));
        run.await.unwrap_err().kind()
    };
    // Nothing listens on the discard port of the loopback address.
    assert_eq!(
        run("http://127.0.0.1:9/EWS/Exchange.asmx").await,
        ErrorKind::Unreachable
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let page = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 65536];
            let _ = stream.read(&mut request).await;
            let body = "<html><body>It works!</body></html>";
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    assert_eq!(
        run(&format!("http://{address}/EWS/Exchange.asmx")).await,
        ErrorKind::NotEws
    );
    page.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_there() {
    let server = Server::start(sim_with(&[ALICE], 40)).await;
    let (vault, disk, _cache) = crate::world::in_memory().await;
    backup(&vault, &server, &[ALICE]).await;

    let mailbox = server.sim.mailbox(ALICE).unwrap();
    mailbox
        .add_mime("Inbox", &crate::world::mail(4711))
        .unwrap();
    disk.set_capacity_bytes(Some(0));
    let error = try_backup(&vault, &server, &[ALICE]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");

    disk.set_capacity_bytes(None);
    let report = backup(&vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, 41);
    assert!(
        vault
            .check(true, Arc::new(Silent))
            .await
            .unwrap()
            .is_clean()
    );
}

/// The packs of a repository.
pub fn packs(repository: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(repository.join("packs"))
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// Every file of a repository, one a kind of object.
fn one_of_each(repository: &Path) -> BTreeMap<String, PathBuf> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
                continue;
            }
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            let kind = name.split('/').next().unwrap().to_owned();
            let ending = path
                .extension()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            found.entry(format!("{kind} {ending}")).or_insert(path);
        }
    }
    let mut found = BTreeMap::new();
    walk(repository, repository, &mut found);
    found
}

/// Damages each kind of object in turn; whatever the vault then does, it does not panic, check
/// says so, and after the damage is mended everything is as it was.
async fn every_kind_survives(damage: impl Fn(&mut Vec<u8>)) {
    let server = Server::start(sim_with(&[ALICE], 60)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let kinds = one_of_each(&store.repository());
    for kind in [
        "repository.json json",
        "keys ",
        "packs ",
        "index ",
        "sessions open",
        "sessions end",
    ] {
        assert!(
            kinds.contains_key(kind),
            "no {kind} among {:?}",
            kinds.keys()
        );
    }
    for (kind, path) in &kinds {
        let whole = std::fs::read(path).unwrap();
        let mut damaged = whole.clone();
        damage(&mut damaged);
        std::fs::write(path, &damaged).unwrap();
        let found = match store.open().await {
            Err(error) => {
                let line = error.to_string();
                assert!(!line.contains('\n') && !line.is_empty());
                true
            }
            Ok(vault) => match vault.check(true, Arc::new(Silent)).await {
                Err(_) => true,
                Ok(check) => !check.is_clean(),
            },
        };
        assert!(found, "damage of {kind} was not found");
        if let Ok(vault) = store.open().await {
            let _ = try_backup(&vault, &server, &[ALICE]).await;
        }
        std::fs::write(path, whole).unwrap();
        // What the damaged run may have added is whole as well.
        let vault = store.open().await.unwrap();
        let check = vault.check(true, Arc::new(Silent)).await.unwrap();
        assert!(check.is_clean(), "after {kind}: {check:#?}");
        assert_eq!(latest(&vault, ALICE).await.about.items, 60, "after {kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_each_kind_of_object_is_found() {
    every_kind_survives(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_object_cut_short_is_found() {
    every_kind_survives(|bytes| bytes.truncate(bytes.len() / 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_pack_is_named_with_the_items_it_costs() {
    let server = Server::start(sim_with(&[ALICE], 60)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let packs = packs(&store.repository());
    let largest = packs
        .iter()
        .max_by_key(|path| std::fs::metadata(path).unwrap().len())
        .unwrap();
    std::fs::remove_file(largest).unwrap();
    let vault = store.open().await.unwrap();
    let check = vault.check(false, Arc::new(Silent)).await.unwrap();
    assert!(!check.objects_damaged.is_empty());
    let named = check.items_damaged.len() + check.snapshots_damaged.len();
    assert!(named > 0, "{check:#?}");
}
