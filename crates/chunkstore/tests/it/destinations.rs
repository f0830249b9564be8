//! Destinations over the network: the suite against real servers, and servers that misbehave.
//!
//! `cargo xtask servers` starts them; `POSTKEEP_SERVERS` names its list.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chunkstore::{Destination, ErrorKind, ObjectStore, Repository, Writers};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use testkit::conformance;
use testkit::proxy::{Mischief, Proxy};

use crate::collecting::{Items, assert_holds, back_up};
use crate::support::{assert_readable, cheap, environment, fill, noise, open, passphrase};

// FTP, whose connections are cut and whose server is busy.
mod ftp;
// SFTP, whose connections are cut.
mod sftp;
// Rights of a writer, a custodian and a restorer.
mod identities;
// Locks on objects.
mod object_lock;
// Web servers, to read from.
mod web;

/// What a proxy for HTTP can stand in front of.
const OVER_HTTP: [&str; 6] = ["moto", "azurite", "google", "oss", "apache", "swift"];

/// A destination of the list.
pub struct Offer {
    pub url: String,
    settings: Vec<(String, String)>,
}

/// The destination of a name; see `testkit::service`.
pub fn offer(name: &str) -> Option<Offer> {
    let testkit::Service { url, settings } = testkit::service(name)?;
    Some(Offer { url, settings })
}

impl Offer {
    /// A folder of the destination; each test has its own, each run too, since servers stay.
    pub fn open(&self, folder: &str) -> Arc<dyn ObjectStore> {
        let url = format!("{}/{folder}-{}", self.url, std::process::id());
        let destination = Destination::new(&url).unwrap();
        destination
            .with_settings(self.settings.clone())
            .open()
            .unwrap()
    }

    /// Host and port, for a proxy to stand in front of. Swift's are where one signs in.
    pub fn address(&self) -> String {
        let mut settings = self.settings.iter();
        let sign_in = settings.find(|(name, _)| name == "ST_AUTH");
        let url = sign_in.map_or(&self.url, |(_, url)| url);
        let (_, rest) = url.split_once("://").unwrap();
        let host = rest.split('/').next().unwrap();
        host.rsplit('@').next().unwrap().to_owned()
    }

    /// The same by way of something that listens elsewhere.
    pub fn by_way_of(&self, address: &str) -> Self {
        let there = self.address();
        let mut moved = self.at(self.url.replace(&there, address));
        for (_, value) in &mut moved.settings {
            *value = value.replace(&there, address);
        }
        moved
    }

    /// The same settings for another URL.
    pub fn at(&self, url: String) -> Self {
        Self {
            url,
            settings: self.settings.clone(),
        }
    }
}

/// Backs up twenty items into packs of their own; returns them.
async fn back_up_items(repository: &Repository, name: &str, seed: u64) -> Items {
    let items = (0..20).map(|n| {
        (
            noise(seed << 32 | n, 12).to_vec(),
            noise(seed << 32 | n, 9_000),
        )
    });
    let items: Items = items.collect();
    let put = items.clone().into_iter();
    let changes = put.map(|(key, bytes)| (key, Some(bytes))).collect();
    back_up(repository, name, &changes).await.unwrap();
    items
}

async fn conforms(name: &str, listed: usize) {
    let Some(offer) = offer(name) else { return };
    conformance::whole(&offer.open("suite"), "suite", listed).await;
    let store = offer.open("repository");
    let repository =
        Repository::create(Arc::clone(&store), &passphrase(), &cheap(), environment(1))
            .await
            .unwrap();
    assert_eq!(repository.writers(), Writers::Many, "{name}");
    let chunks = fill(&repository, 1, 30).await;
    let other = open(offer.open("repository"), 2).await.unwrap();
    assert_readable(&other, &chunks).await;
    let options = chunkstore::CheckOptions {
        read_data: true,
        part: None,
    };
    let report = other.check(&options, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{name}: {report:?}");
    let again = Repository::create(store, &passphrase(), &cheap(), environment(3)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_as_moto_speaks_it_keeps_a_repository() {
    conforms("moto", conformance::MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_blobs_as_azurite_serves_them_keep_a_repository() {
    conforms("azurite", 600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_storage_keeps_a_repository() {
    conforms("google", conformance::MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oss_as_a_stand_in_speaks_it_keeps_a_repository() {
    conforms("oss", conformance::MANY).await;
}

async fn conforms_for_one_writer(name: &str, listed: usize) {
    let Some(offer) = offer(name) else { return };
    conformance::of_one_writer(&offer.open("suite"), "suite", listed).await;
    let store = offer.open("repository");
    let repository =
        Repository::create(Arc::clone(&store), &passphrase(), &cheap(), environment(1))
            .await
            .unwrap();
    assert_eq!(repository.writers(), Writers::Single, "it is not atomic");
    let chunks = fill(&repository, 1, 30).await;
    let other = open(offer.open("repository"), 2).await.unwrap();
    assert_eq!(other.writers(), Writers::Single);
    assert_readable(&other, &chunks).await;
    let options = chunkstore::CheckOptions {
        read_data: true,
        part: None,
    };
    let report = other.check(&options, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{name}: {report:?}");
    let again = Repository::create(store, &passphrase(), &cheap(), environment(3)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[tokio::test(flavor = "multi_thread")]
async fn apaches_webdav_keeps_a_repository_of_one_writer() {
    conforms_for_one_writer("apache", 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pyftpdlib_keeps_a_repository_of_one_writer() {
    conforms_for_one_writer("ftp", 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pyftpdlib_with_tls_keeps_a_repository_of_one_writer() {
    conforms_for_one_writer("ftps", 100).await;
    let Some(mut offer) = offer("ftps") else {
        return;
    };
    offer.settings.retain(|(name, _)| name != "FTP_CA_FILE");
    let stranger = offer.open("stranger").get(&Path::from("any")).await;
    assert!(stranger.is_err(), "nobody vouches for its certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn openstack_swift_keeps_a_repository_of_one_writer() {
    conforms_for_one_writer("swift", 600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_from_a_server_that_is_away() {
    for (name, setting) in [("ftp", "FTP_PASSWORD"), ("swift", "ST_KEY")] {
        let Some(mut offer) = offer(name) else { return };
        for (key, value) in &mut offer.settings {
            if key == setting {
                *value = "wrong".to_owned();
            }
        }
        let opened = open(offer.open("wrong"), 1).await.unwrap_err();
        assert_eq!(opened.kind(), ErrorKind::Denied, "{name}: {opened:?}");
        assert!(!format!("{opened:?}").contains("wrong\""), "{opened:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_keeps_a_repository() {
    conforms("openssh", 300).await;
}

/// Races for a name each, of which one at least has several winners.
const RACES: u32 = 8;

/// Of sixteen creates more than one succeeds: the repository takes one writer, and keeps what that
/// one writes.
async fn is_found_out(name: &str) {
    let Some(offer) = offer(name) else { return };
    let store = offer.open("careless");
    // One race may be won by one alone, by luck: a busy machine does creates one after the other.
    let mut most = 0;
    for race in 0..RACES {
        let winners = conformance::race(&store, "careless", &format!("race-{race}")).await;
        most = most.max(winners);
    }
    assert!(most > 1, "{name} is careless: {most}");
    let repository =
        Repository::create(Arc::clone(&store), &passphrase(), &cheap(), environment(1))
            .await
            .unwrap();
    assert_eq!(repository.writers(), Writers::Single, "{name}");
    let items = back_up_items(&repository, "one", 1).await;
    let other = open(store, 2).await.unwrap();
    assert_eq!(other.writers(), Writers::Single, "every machine is told");
    let snapshots = other.snapshots();
    assert_eq!(snapshots.len(), 1, "{name}");
    assert_holds(&other, &snapshots[0], &items).await;
    let options = chunkstore::CheckOptions {
        read_data: true,
        part: None,
    };
    let report = other.check(&options, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{name}: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ignores_conditions_is_found_out_and_limited_to_one_writer() {
    is_found_out("google-careless").await;
}

/// What a probe in sequence would believe.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_atomic_only_in_sequence_is_found_out_and_limited_to_one_writer() {
    let Some(offer) = offer("s3s-fs") else { return };
    conformance::creates_once(&offer.open("sequence"), "sequence").await;
    is_found_out("s3s-fs").await;
}

/// An upload that is cut is no object, and the repeated one is whole.
async fn survives_cut_uploads(name: &str) {
    let Some(offer) = offer(name) else { return };
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    let proxy = Proxy::start(&offer.address(), Duration::ZERO, move |head| {
        if head.method == "PUT" && counted.fetch_add(1, Ordering::Relaxed) < 2 {
            Mischief::CutBody(400_000)
        } else {
            Mischief::None
        }
    })
    .await;
    let path = Path::from("cut/upload");
    let body = Bytes::from(vec![7; 3 << 20]);
    let store = offer.by_way_of(&proxy.address()).open("cut");
    // The adapter repeats it.
    let done = conformance::write(&store, &path, body.clone()).await;
    done.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert!(
        cuts.load(Ordering::Relaxed) >= 2,
        "{name}: uploads were cut"
    );
    let direct = offer.open("cut");
    let there = direct.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(there == body, "{name}: {} bytes", there.len());
    assert_eq!(
        conformance::list(&direct, &Path::from("cut")).await.len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_is_repeated_whole() {
    futures::future::join_all(OVER_HTTP.map(survives_cut_uploads)).await;
}

/// Requests that are answered 503, and a create whose answer is lost.
async fn survives_a_storm(name: &str) {
    let Some(offer) = offer(name) else { return };
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let proxy = Proxy::start(&offer.address(), Duration::ZERO, move |_| {
        // Two of three requests fail, for a while.
        let nth = counted.fetch_add(1, Ordering::Relaxed);
        if nth < 30 && !nth.is_multiple_of(3) {
            Mischief::Unavailable
        } else {
            Mischief::None
        }
    })
    .await;
    let store = offer.by_way_of(&proxy.address()).open("storm");
    let repository = Repository::create(store, &passphrase(), &cheap(), environment(1)).await;
    let repository = repository.unwrap();
    let chunks = fill(&repository, 2, 8).await;
    assert!(
        asked.load(Ordering::Relaxed) > 30,
        "{name}: the storm was met"
    );
    let calm = open(offer.open("storm"), 2).await.unwrap();
    assert_readable(&calm, &chunks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_503_only_delays() {
    futures::future::join_all(OVER_HTTP.map(survives_a_storm)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_only_delays() {
    let Some(offer) = offer("moto") else { return };
    // 16 KiB every 20 ms: 800 KB/s, and 2 MiB take longer than any one read may.
    let pause = Duration::from_millis(20);
    let proxy = Proxy::start(&offer.address(), pause, |_| Mischief::None).await;
    let store = offer.by_way_of(&proxy.address()).open("slow");
    let body = Bytes::from(vec![3; 2 << 20]);
    let path = Path::from("slow/object");
    let options = PutOptions::from(PutMode::Create);
    store
        .put_opts(&path, body.clone().into(), options)
        .await
        .unwrap();
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == body);
}
