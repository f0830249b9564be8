//! SFTP over bad lines: connections that are cut in the middle of uploads, and refused at first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chunkstore::Repository;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use testkit::{TcpRelay, conformance};

use super::{Offer, offer};
use crate::support::{assert_readable, cheap, environment, fill, open, passphrase};

/// The server by way of a relay, under whose port it is not known yet.
fn through(offer: &Offer, relay: &TcpRelay, folder: &std::path::Path) -> Offer {
    let mut moved = offer.by_way_of(&relay.address());
    let port = |address: String| address.rsplit(':').next().unwrap().to_owned();
    for (name, value) in &mut moved.settings {
        if name == "SFTP_KNOWN_HOSTS" {
            let known = std::fs::read_to_string(&*value).unwrap();
            let known = known.replace(&port(offer.address()), &port(relay.address()));
            let file = folder.join("known_hosts");
            std::fs::write(&file, known).unwrap();
            *value = file.to_str().unwrap().to_owned();
        }
    }
    moved
}

/// A relay that cuts the first connections after so many bytes.
async fn cutting(offer: &Offer, bytes: u64, times: usize) -> (TcpRelay, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let relay = TcpRelay::start(&offer.address(), move || {
        (counted.fetch_add(1, Ordering::Relaxed) < times).then_some(bytes)
    })
    .await;
    (relay, made)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_is_repeated_whole() {
    let Some(offer) = offer("openssh") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let (relay, made) = cutting(&offer, 400_000, 3).await;
    let store = through(&offer, &relay, home.path()).open("cut");
    let (path, body) = (Path::from("cut/upload"), Bytes::from(vec![7; 3 << 20]));
    conformance::create(&store, &path, body.clone())
        .await
        .unwrap();
    assert_eq!(
        made.load(Ordering::Relaxed),
        4,
        "three connections were cut"
    );
    let direct = offer.open("cut");
    let there = direct.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(there == body, "{} bytes", there.len());
    let read = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(read == body, "{} bytes", read.len());
    // Names that listings pass over are seen by who looks at the folder itself.
    let (_, folder) = offer.url.split_once(&offer.address()).unwrap();
    let folder = format!("{folder}/cut-{}/cut", std::process::id());
    let left = std::fs::read_dir(folder).unwrap();
    assert_eq!(left.count(), 1, "what was cut left nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_only_delays() {
    let Some(offer) = offer("openssh") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    // In the handshake, while signing in, and in the middle of work.
    let lengths = [10, 1_500, 2_500, 6_000, 60_000];
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let relay = TcpRelay::start(&offer.address(), move || {
        let nth = counted.fetch_add(1, Ordering::Relaxed);
        lengths.get(nth).copied()
    })
    .await;
    let store = through(&offer, &relay, home.path()).open("storm");
    let repository = Repository::create(store, &passphrase(), &cheap(), environment(1)).await;
    let chunks = fill(&repository.unwrap(), 2, 8).await;
    assert!(made.load(Ordering::Relaxed) > lengths.len(), "all were cut");
    let calm = open(offer.open("storm"), 2).await.unwrap();
    assert_readable(&calm, &chunks).await;
}
