//! FTP over bad lines: data connections that are cut, servers that are busy or say goodbye.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chunkstore::Repository;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use testkit::{FtpMischief, FtpRelay, conformance};

use super::offer;
use crate::support::{assert_readable, cheap, environment, fill, open, passphrase};

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_cut_is_repeated_whole() {
    let Some(offer) = offer("ftp") else { return };
    let cuts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&cuts);
    let relay = FtpRelay::start(&offer.address(), Duration::ZERO, move |line| {
        let command = line.split(' ').next().unwrap_or_default();
        let mut seen = seen.lock().unwrap();
        let is_transfer = ["STOR", "RETR"].contains(&command);
        // Twice each: the server takes what came for the whole file.
        if is_transfer && seen.iter().filter(|cut| *cut == command).count() < 2 {
            seen.push(command.to_owned());
            return FtpMischief::CutData(400_000);
        }
        FtpMischief::None
    })
    .await;
    let store = offer.by_way_of(&relay.address()).open("cut");
    let path = Path::from("cut/upload");
    let body = Bytes::from(vec![7; 3 << 20]);
    conformance::write(&store, &path, body.clone())
        .await
        .unwrap();
    let direct = offer.open("cut");
    let there = direct.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(there == body, "{} bytes", there.len());
    let listed = conformance::list(&direct, &Path::from("cut")).await;
    assert_eq!(listed.len(), 1, "what was cut left nothing behind");
    let read = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(read == body, "{} bytes", read.len());
    assert_eq!(*cuts.lock().unwrap(), ["STOR", "STOR", "RETR", "RETR"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_or_goes_away_only_delays() {
    const ANSWERS: [&str; 4] = [
        "421 Timeout: closing control connection.",
        "425 Can't open data connection.",
        "426 Connection closed; transfer aborted.",
        "451 Requested action aborted: local error in processing.",
    ];
    let Some(offer) = offer("ftp") else { return };
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let relay = FtpRelay::start(&offer.address(), Duration::ZERO, move |line| {
        let command = line.split(' ').next().unwrap_or_default();
        if !["STOR", "RETR", "MLSD", "RNTO", "SIZE"].contains(&command) {
            return FtpMischief::None;
        }
        // Every third is refused, for a while.
        let nth = counted.fetch_add(1, Ordering::Relaxed);
        match nth < 24 && nth.is_multiple_of(3) {
            true => FtpMischief::Answer(ANSWERS[nth / 3 % ANSWERS.len()]),
            false => FtpMischief::None,
        }
    })
    .await;
    let store = offer.by_way_of(&relay.address()).open("storm");
    let repository = Repository::create(store, &passphrase(), &cheap(), environment(1)).await;
    let repository = repository.unwrap();
    let chunks = fill(&repository, 2, 8).await;
    assert!(asked.load(Ordering::Relaxed) > 24, "the storm was met");
    let calm = open(offer.open("storm"), 2).await.unwrap();
    assert_readable(&calm, &chunks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_only_delays() {
    let Some(offer) = offer("ftp") else { return };
    // 16 KiB every 20 ms: 800 KB/s.
    let pause = Duration::from_millis(20);
    let relay = FtpRelay::start(&offer.address(), pause, |_| FtpMischief::None).await;
    let store = offer.by_way_of(&relay.address()).open("slow");
    let body = Bytes::from(vec![3; 2 << 20]);
    let path = Path::from("slow/object");
    conformance::write(&store, &path, body.clone())
        .await
        .unwrap();
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == body);
}
