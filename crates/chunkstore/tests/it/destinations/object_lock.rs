//! Locks on every object, against a server that has them (moto).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chunkstore::{CollectOptions, Destination, Environment, ErrorKind, LeaveOpen, Repository};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};

use super::back_up_items;
use crate::collecting::assert_holds;
use crate::support::{cheap, environment, names, passphrase};

const BUCKET: &str = "postkeep-locked";
const DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The bucket with locks, as its owner sees it.
struct Bucket {
    s3: AmazonS3,
    client: reqwest::Client,
    endpoint: String,
    /// A folder of this run's own.
    folder: String,
}

impl Bucket {
    fn find(folder: &str) -> Option<Self> {
        let service = testkit::service("moto")?;
        let (_, rest) = service.url.split_once("://").unwrap();
        let host = rest.split('/').next().unwrap();
        let endpoint = format!("http://{host}");
        // Opening one chooses who does TLS in this process, and a client wants that chosen.
        let any = Destination::new(&service.url).unwrap();
        drop(any.with_settings(service.settings.clone()).open().unwrap());
        let s3 = AmazonS3Builder::new()
            .with_endpoint(&endpoint)
            .with_region("us-east-1")
            .with_bucket_name(BUCKET)
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .with_allow_http(true)
            .build()
            .unwrap();
        Some(Self {
            s3,
            client: reqwest::Client::new(),
            endpoint: endpoint.replace("http://", ""),
            folder: format!("{folder}-{}", std::process::id()),
        })
    }

    fn destination(&self, environment: &Environment) -> Destination {
        let url = format!("s3+http://{}/{BUCKET}/{}", self.endpoint, self.folder);
        let settings = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("S3_OBJECT_LOCK_DAYS", "30"),
            ("S3_OBJECT_LOCK_MODE", "compliance"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let destination = Destination::new(&url).unwrap().with_settings(settings);
        destination.with_clock(environment)
    }

    async fn send(&self, method: Method, name: &str, query: &[(&str, &str)]) -> reqwest::Response {
        let path = Path::from(format!("{}/{name}", self.folder));
        let options = SignedUrlOptions::default().with_query(query.iter().copied());
        let minute = Duration::from_secs(60);
        let url = self
            .s3
            .signed_url_opts(method.clone(), &path, minute, &options);
        let url = url.await.unwrap();
        self.client.request(method, url).send().await.unwrap()
    }

    /// All versions in the folder, with their names and without what marks deletions.
    async fn versions(&self) -> Vec<(String, String)> {
        let prefix = format!("{}/", self.folder);
        let query = [("versions", ""), ("prefix", &prefix), ("max-keys", "1000")];
        let query = SignedUrlOptions::default().with_query(query);
        let minute = Duration::from_secs(60);
        let bucket = Path::default();
        let url = self
            .s3
            .signed_url_opts(Method::GET, &bucket, minute, &query);
        let answer = self.client.get(url.await.unwrap()).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(text.contains("<IsTruncated>false"), "{text}");
        let element = |part: &str, name: &str| {
            let (_, rest) = part.split_once(&format!("<{name}>")).unwrap();
            rest.split_once("</").unwrap().0.to_owned()
        };
        let versions = text.split("<Version>").skip(1).map(|part| {
            let key = element(part, "Key");
            let name = key.strip_prefix(&prefix).unwrap();
            (name.to_owned(), element(part, "VersionId"))
        });
        versions.collect()
    }

    /// Lets the lock of a version be over, which here only the year 2100 would.
    async fn end_lock(&self, name: &str, version: &str) {
        let path = Path::from(format!("{}/{name}", self.folder));
        let query = [("retention", ""), ("versionId", version)];
        let options = SignedUrlOptions::default().with_query(query);
        let minute = Duration::from_secs(60);
        let url = self
            .s3
            .signed_url_opts(Method::PUT, &path, minute, &options);
        let body = "<Retention><Mode>COMPLIANCE</Mode>\
                    <RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate></Retention>";
        let request = self.client.put(url.await.unwrap()).body(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
    }

    /// Days that an object is still kept for, and the version that it is.
    async fn kept_for(&self, name: &str, now_ms: i64) -> (i64, String) {
        let answer = self.send(Method::HEAD, name, &[]).await;
        let header = |key: &str| {
            let value = answer.headers().get(key);
            let value = value.unwrap_or_else(|| panic!("{name} has no {key}"));
            value.to_str().unwrap().to_owned()
        };
        assert_eq!(header("x-amz-object-lock-mode"), "COMPLIANCE", "{name}");
        let until = header("x-amz-object-lock-retain-until-date");
        let until = chrono::DateTime::parse_from_rfc3339(&until).unwrap();
        let days = (until.timestamp_millis() - now_ms + DAY_MS / 2) / DAY_MS;
        (days, header("x-amz-version-id"))
    }
}

/// The year 2100, so that to the server, whose clock is the real one, no lock is over; and days that
/// are made to pass.
fn clock(seed: u64) -> (Environment, Arc<AtomicI64>) {
    const BEGIN_MS: i64 = 4_102_444_800_000;
    let passed = Arc::new(AtomicI64::new(0));
    let (days, random) = (Arc::clone(&passed), environment(seed).random);
    let now = move || BEGIN_MS + days.load(Ordering::Relaxed) * DAY_MS;
    (Environment::new(now, move |bytes| random(bytes)), passed)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_written_is_locked_and_what_is_needed_stays_locked() {
    let Some(bucket) = Bucket::find("locked") else {
        return;
    };
    let (environment, passed) = clock(1);
    let destination = bucket.destination(&environment);
    let store = destination.open().unwrap();
    let here = (Arc::clone(&store), environment.clone());
    let created = Repository::create(here.0, &passphrase(), &cheap(), here.1).await;
    let repository = created.unwrap();
    let kept = back_up_items(&repository, "kept", 1).await;
    back_up_items(&repository, "forgotten", 2).await;
    let mut before = BTreeMap::new();
    for name in names(&*store, "").await {
        if name.starts_with("admin/probe/") {
            continue;
        }
        let (days, version) = bucket.kept_for(&name, (environment.now_unix_ms)()).await;
        assert_eq!(days, DAYS, "{name}");
        // Not by the owner either: that is what compliance mode means.
        let denied = bucket
            .send(Method::DELETE, &name, &[("versionId", &version)])
            .await;
        assert_eq!(denied.status(), 403, "{name}");
        before.insert(name, version);
    }
    assert!(before.len() > 10, "{before:?}");

    // After some days nothing has to be done, after twenty everything that is needed.
    let lock = destination.object_lock().unwrap().unwrap();
    passed.store(10, Ordering::Relaxed);
    let early = repository.renew_locks(&lock, &|_, _| {}).await.unwrap();
    assert_eq!((early.extended, early.refused), (0, 0));
    assert_eq!(early.objects, before.len() as u64);
    let snapshots = repository.snapshots();
    let find = |name| snapshots.iter().find(|s| s.name == name).unwrap();
    repository.forget(&[find("forgotten").id]).await.unwrap();
    passed.store(20, Ordering::Relaxed);
    let options = CollectOptions {
        rewrite_below_percent: 0,
        ..CollectOptions::default()
    };
    let report = repository.collect(&options, &LeaveOpen).await.unwrap();
    assert!(report.finished && report.deleted_packs > 0, "{report:?}");
    let renewed = repository.renew_locks(&lock, &|_, _| {}).await.unwrap();
    assert!(renewed.extended > 0 && renewed.refused == 0, "{renewed:?}");
    let now = (environment.now_unix_ms)();
    let mut gone = 0;
    for (name, version) in &before {
        let there = bucket.send(Method::HEAD, name, &[]).await;
        if there.status() == 404 {
            // Deleted by the collection: the locked version stays until its time is over.
            let query = [("versionId", version.as_str())];
            assert_eq!(bucket.send(Method::GET, name, &query).await.status(), 200);
            gone += 1;
        } else {
            let (days, same) = bucket.kept_for(name, now).await;
            assert_eq!((days, &same), (DAYS, version), "{name}");
        }
    }
    assert!(gone > 0);
    assert_holds(&repository, find("kept"), &kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_kept_by_locks_and_gone_for_good_when_they_are_over() {
    let Some(bucket) = Bucket::find("hidden") else {
        return;
    };
    let (environment, _) = clock(3);
    let destination = bucket.destination(&environment);
    let lock = destination.object_lock().unwrap().unwrap();
    let here = (destination.open().unwrap(), environment.clone());
    let created = Repository::create(here.0, &passphrase(), &cheap(), here.1).await;
    let repository = created.unwrap();
    let kept = back_up_items(&repository, "kept", 1).await;
    back_up_items(&repository, "gone", 2).await;
    let snapshots = repository.snapshots();
    let find = |name| snapshots.iter().find(|s| s.name == name).unwrap();
    let only = [find("gone").id];
    let sole = repository.sole_chunks(&only, &LeaveOpen).await.unwrap();
    repository.forget(&only).await.unwrap();
    let options = CollectOptions {
        rewrite_below_percent: 0,
        erase: Some(sole.clone()),
        ..CollectOptions::default()
    };
    let collected = repository.collect(&options, &LeaveOpen).await.unwrap();
    assert!(collected.finished && collected.undeletable == 0);
    let traces = repository.traces(&sole, &LeaveOpen).await.unwrap();
    assert!(traces.is_clean(), "nobody sees it any more: {traces:?}");

    // All that was deleted is there, and locked for as long as on the day on which it was written.
    let report = repository.delete_hidden(&lock, None).await.unwrap();
    assert_eq!(report.deleted, 0, "{report:?}");
    let until = (environment.now_unix_ms)() + DAYS * DAY_MS;
    for one in &report.kept {
        let late = one.until_unix_ms.unwrap() - until;
        assert!((-DAY_MS..=0).contains(&late), "{one:?}");
    }
    let hidden: HashSet<String> = report.kept.into_iter().map(|one| one.name).collect();
    let packs = hidden.iter().filter(|name| name.starts_with("packs/"));
    assert_eq!(packs.count() as u64, collected.deleted_packs);
    assert_eq!(repository.hidden(&lock).await.unwrap(), hidden);

    // Some of the locks end, then the others.
    let versions = bucket.versions().await;
    let versions = versions.iter().filter(|(name, _)| hidden.contains(name));
    let (first, rest) = (versions.clone().take(2), versions.skip(2));
    for (name, version) in first {
        bucket.end_lock(name, version).await;
    }
    let report = repository
        .delete_hidden(&lock, Some(&hidden))
        .await
        .unwrap();
    assert_eq!((report.deleted, report.kept.len()), (2, hidden.len() - 2));
    for (name, version) in rest {
        bucket.end_lock(name, version).await;
    }
    let none = HashSet::new();
    let nothing = repository.delete_hidden(&lock, Some(&none));
    assert_eq!(nothing.await.unwrap().deleted, 0);
    let report = repository
        .delete_hidden(&lock, Some(&hidden))
        .await
        .unwrap();
    assert_eq!(report.deleted, hidden.len() as u64 - 2);
    assert!(report.kept.is_empty(), "{report:?}");
    assert!(repository.hidden(&lock).await.unwrap().is_empty());
    let left = bucket.versions().await;
    assert!(left.iter().all(|(name, _)| !hidden.contains(name)));
    assert_holds(&repository, find("kept"), &kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_locks_refuses_to_be_written_with_them() {
    let Some(service) = testkit::service("moto") else {
        return;
    };
    let (environment, _) = clock(2);
    let mut settings = service.settings;
    settings.push(("S3_OBJECT_LOCK_DAYS".to_owned(), "3".to_owned()));
    let url = format!("{}/unlocked-{}", service.url, std::process::id());
    let destination = Destination::new(&url).unwrap().with_settings(settings);
    let error = destination.open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "a lock needs a clock");
    let store = destination.with_clock(&environment).open().unwrap();
    let created = Repository::create(store, &passphrase(), &cheap(), environment).await;
    let error = created.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::Unsupported
        ),
        "{error:?}"
    );
    let told = format!("{error:?}");
    for said in [
        "400 Bad Request: InvalidRequest: ",
        "S3_OBJECT_LOCK_DAYS out",
    ] {
        assert!(told.contains(said), "{told}");
    }
}
