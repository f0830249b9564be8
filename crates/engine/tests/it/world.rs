//! A simulator, a vault, and short cuts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use chunkstore::{Argon2Params, Environment, Passphrase, create_destination_from_url};
use engine::{
    BackupOptions, BackupReport, CreateOptions, Event, Exchange, Monitor, RestoreOptions,
    RestoreReport, Result, Snapshot, SnapshotSelector, Vault, VaultOptions,
};
use ews_client::{Client, ClientOptions, Credentials, Url};
use ews_sim::{RunningServer, Sim};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub const PASSPHRASE: &str = "correct horse";
pub const SERVICE: &str = "svc@example.test";

/// A running simulator.
pub struct Server {
    pub sim: Sim,
    running: RunningServer,
}

impl Server {
    pub async fn start(sim: Sim) -> Self {
        if testkit::captures_messages() {
            sim.observe(capture);
        }
        Self::start_unseen(sim).await
    }

    /// Without showing messages to anybody, which would hold huge ones in memory.
    pub async fn start_unseen(sim: Sim) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = sim.serve(listener).await.unwrap();
        Self { sim, running }
    }

    pub fn url(&self) -> &str {
        self.running.url()
    }

    /// The service account, which may open every mailbox.
    pub fn exchange(&self) -> Exchange {
        exchange(self.url(), SERVICE, "secret")
    }
}

/// Leaves some messages of every operation behind for the schema to judge.
fn capture(request: &[u8], answer: &[u8]) {
    const ENOUGH: usize = 60;
    const LARGE: usize = 256 << 10;
    static SEEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    let head = String::from_utf8_lossy(&request[..request.len().min(4096)]);
    let body = head.split_once("Body>").map_or("", |(_, body)| body);
    let operation = body
        .split(['<', '>', ' ', '/'])
        .find(|word| !word.trim().is_empty())
        .map_or("unknown", |word| word.rsplit(':').next().unwrap_or(word))
        .to_owned();
    let mut seen = SEEN.lock().unwrap();
    let count = seen.entry(operation.clone()).or_default();
    *count += 1;
    if *count <= ENOUGH && request.len() <= LARGE && answer.len() <= LARGE {
        testkit::capture_message(&format!("{operation}-request"), request);
        if answer.starts_with(b"<") {
            testkit::capture_message(&format!("{operation}-answer"), answer);
        }
    }
}

pub fn exchange(url: &str, user: &str, password: &str) -> Exchange {
    let options = ClientOptions::new(Url::parse(url).unwrap(), Credentials::basic(user, password));
    Exchange::new(Client::new(options).unwrap(), url, user)
}

/// The real clock, and randomness that repeats: tests count, they do not measure time.
#[allow(clippy::disallowed_methods)]
pub fn environment() -> Environment {
    let state = Mutex::new(
        blake3::Hasher::new()
            .update(&unique().to_le_bytes())
            .finalize_xof(),
    );
    Environment {
        now_unix_ms: Arc::new(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            i64::try_from(now.as_millis()).unwrap()
        }),
        random: Arc::new(move |bytes| state.lock().unwrap().fill(bytes)),
    }
}

/// Two machines must never draw the same names.
fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    (u64::from(std::process::id()) << 32) + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Sets a clock to a time such as `2026-11-02T12:00Z`.
pub fn set(clock: &Clock, now: &str) {
    let now: engine::Timestamp = now.parse().unwrap();
    clock.store(now.as_millisecond(), std::sync::atomic::Ordering::Relaxed);
}

/// A repository in a folder, and a cache folder beside it.
pub struct Store {
    pub folder: TempDir,
    pub vault: Vault,
}

/// A repository whose passphrase costs no time.
pub fn cheap() -> CreateOptions {
    CreateOptions {
        argon2: Argon2Params {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        },
        ..CreateOptions::default()
    }
}

/// A repository in memory, the store that it lies in, and its cache folder.
pub async fn in_memory() -> (Vault, Arc<testkit::FaultyStore>, TempDir) {
    let cache = tempfile::tempdir().unwrap();
    let disk = Arc::new(testkit::FaultyStore::in_memory());
    let options = VaultOptions {
        cache_dir: cache.path().to_path_buf(),
        environment: environment(),
    };
    let (passphrase, create) = (Passphrase::new(PASSPHRASE), cheap());
    let vault = Vault::create(disk.clone(), &passphrase, &create, options);
    (vault.await.unwrap(), disk, cache)
}

/// A clock that a test sets, in milliseconds since 1970.
pub type Clock = Arc<std::sync::atomic::AtomicI64>;

impl Store {
    pub async fn create() -> Self {
        Self::create_in(environment()).await
    }

    /// A repository whose clock stands until it is set.
    pub async fn with_clock(now: &str) -> (Self, Clock) {
        let clock = Clock::default();
        set(&clock, now);
        let read = Arc::clone(&clock);
        let environment = Environment {
            now_unix_ms: Arc::new(move || read.load(std::sync::atomic::Ordering::Relaxed)),
            ..environment()
        };
        (Self::create_in(environment).await, clock)
    }

    async fn create_in(environment: Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let destination = create_destination_from_url(&url_of(&repository(folder.path()))).unwrap();
        let create = CreateOptions {
            argon2: weak(),
            ..CreateOptions::default()
        };
        let vault = Vault::create(
            destination,
            &Passphrase::new(PASSPHRASE),
            &create,
            VaultOptions {
                cache_dir: cache(folder.path()),
                environment,
            },
        )
        .await
        .unwrap();
        Self { folder, vault }
    }

    pub fn repository(&self) -> PathBuf {
        repository(self.folder.path())
    }

    /// Opens the repository with a clock that is so much ahead.
    pub async fn open_later(&self, ms: i64) -> Vault {
        let destination = chunkstore::destination_from_url(&url_of(&self.repository())).unwrap();
        let mut options = options(self.folder.path());
        let now = options.environment.now_unix_ms;
        options.environment.now_unix_ms = Arc::new(move || now() + ms);
        Vault::open(destination, &Passphrase::new(PASSPHRASE), options)
            .await
            .unwrap()
    }

    /// Opens the repository as another process would.
    pub async fn open(&self) -> Result<Vault> {
        open(self.folder.path(), PASSPHRASE).await
    }
}

pub async fn open(folder: &Path, passphrase: &str) -> Result<Vault> {
    let destination = chunkstore::destination_from_url(&url_of(&repository(folder))).unwrap();
    Vault::open(destination, &Passphrase::new(passphrase), options(folder)).await
}

fn options(folder: &Path) -> VaultOptions {
    VaultOptions {
        cache_dir: cache(folder),
        environment: environment(),
    }
}

/// Key stretching that does not stretch the tests.
fn weak() -> Argon2Params {
    Argon2Params {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    }
}

fn repository(folder: &Path) -> PathBuf {
    folder.join("repository")
}

fn cache(folder: &Path) -> PathBuf {
    folder.join("cache")
}

fn url_of(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Remembers what it was told.
#[derive(Default)]
pub struct Recorder {
    pub rebuilt: Mutex<Vec<(String, String)>>,
}

impl Monitor for Recorder {
    fn event(&self, event: Event<'_>) {
        if let Event::IndexRebuilt { mailbox, reason } = event {
            self.rebuilt
                .lock()
                .unwrap()
                .push((mailbox.to_owned(), reason.to_owned()));
        }
    }
}

pub fn of(mailboxes: &[&str]) -> BackupOptions {
    BackupOptions {
        mailboxes: mailboxes.iter().map(|name| (*name).to_owned()).collect(),
        ..BackupOptions::default()
    }
}

pub async fn backup(vault: &Vault, server: &Server, mailboxes: &[&str]) -> BackupReport {
    let report = try_backup(vault, server, mailboxes).await.unwrap();
    assert!(report.is_complete(), "{report:#?}");
    report
}

pub async fn try_backup(
    vault: &Vault,
    server: &Server,
    mailboxes: &[&str],
) -> Result<BackupReport> {
    let monitor = Arc::new(engine::Silent);
    vault
        .backup(
            &server.exchange(),
            &of(mailboxes),
            &CancellationToken::new(),
            monitor,
        )
        .await
}

pub async fn latest(vault: &Vault, mailbox: &str) -> Snapshot {
    let chosen = vault
        .select(&SnapshotSelector::Latest, Some(mailbox))
        .await
        .unwrap();
    chosen.into_iter().next().unwrap()
}

pub async fn restore(
    vault: &Vault,
    snapshot: &Snapshot,
    server: &Server,
    options: &RestoreOptions,
) -> RestoreReport {
    let report = vault
        .restore(
            snapshot,
            &server.exchange(),
            options,
            &CancellationToken::new(),
            Arc::new(engine::Silent),
        )
        .await
        .unwrap();
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    report
}

/// A small mail with a subject.
pub fn mail(number: usize) -> Vec<u8> {
    format!(
        "From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: mail {number}\r\n\
         Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@example.test>\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nThis is mail number {number}.\r\n"
    )
    .into_bytes()
}

/// A mailbox with some mails in its inbox.
pub fn sim_with(mailboxes: &[&str], mails: usize) -> Sim {
    let builder = mailboxes
        .iter()
        .fold(Sim::builder(), |builder, name| builder.mailbox(name));
    let sim = builder.build().unwrap();
    fill_inbox(&sim, mailboxes, mails);
    sim
}

/// Puts so many mails into the inbox of each mailbox.
pub fn fill_inbox(sim: &Sim, mailboxes: &[&str], mails: usize) {
    for name in mailboxes {
        let mailbox = sim.mailbox(name).unwrap();
        for number in 0..mails {
            mailbox.add_mime("Inbox", &mail(number)).unwrap();
        }
    }
}
