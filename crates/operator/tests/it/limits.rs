//! Limits, each in force: bandwidth in virtual time, requests at a server, memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{
    BackupOptions, BackupReport, Client, ClientOptions, Credentials, Environment, Exchange,
    MemoryBudget, Pace, Passphrase, SharedThrottle, Silent, ThrottleOptions, TokioSleeper, Url,
    Vault, VaultOptions, create_destination_from_url,
};
use ews_sim::{RunningServer, Sim};
use jiff::tz::TimeZone;
use operator::{Pacer, RateRule, limit_store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::desk::{self, virtual_time};

/// Monday, 2026-01-05, 07:59:30 UTC.
const START_UNIX_MS: i64 = 1_767_599_970_000;

fn pacer(rules: &[&str], environment: &Environment) -> Pacer {
    let rules: Vec<RateRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Pacer::new(&rules, &TimeZone::UTC, environment).unwrap()
}

struct World {
    folder: TempDir,
    sim: Sim,
    server: RunningServer,
    environment: Environment,
}

impl World {
    /// Mailboxes with some megabytes each.
    async fn with(mailboxes: &[&str]) -> Self {
        let mut builder = Sim::builder();
        for mailbox in mailboxes {
            builder = builder.mailbox(mailbox);
        }
        let sim = builder.build().unwrap();
        for (n, mailbox) in mailboxes.iter().enumerate() {
            for folder in ["Inbox", "Sent Items"] {
                for number in 0..4 {
                    let seed = (n * 100 + number) as u64;
                    let mailbox = sim.mailbox(mailbox).unwrap();
                    let subject = format!("{folder} {number}");
                    mailbox.add_large(folder, &subject, 400_000, seed).unwrap();
                }
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            folder: desk::folder(),
            server: sim.serve(listener).await.unwrap(),
            sim,
            environment: virtual_time(START_UNIX_MS),
        }
    }

    fn exchange(&self, limit: impl FnOnce(&mut ClientOptions)) -> Exchange {
        let url = Url::parse(self.server.url()).unwrap();
        let credentials = Credentials::basic("svc@example.test", "secret");
        let mut options = ClientOptions::new(url, credentials);
        limit(&mut options);
        let client = Client::new(options).unwrap();
        Exchange::new(client, self.server.url(), "svc@example.test")
    }

    async fn vault(&self, name: &str, pacer: Option<Pacer>) -> Vault {
        let place = self.folder.path().join(name);
        let store = create_destination_from_url(place.to_str().unwrap()).unwrap();
        let options = VaultOptions {
            cache_dir: self.folder.path().join(format!("{name}-cache")),
            environment: self.environment.clone(),
        };
        let store = limit_store(store, pacer);
        let first = Passphrase::new("p");
        Vault::create(store, first, &desk::quick_to_open(), options)
            .await
            .unwrap()
    }
}

async fn back_up(
    vault: &Vault,
    exchange: &Exchange,
    mailbox: &str,
    memory: MemoryBudget,
) -> BackupReport {
    let options = BackupOptions {
        mailboxes: vec![mailbox.to_owned()],
        memory,
        ..BackupOptions::default()
    };
    let cancel = CancellationToken::new();
    let report = vault
        .backup(exchange, &options, &cancel, Arc::new(Silent))
        .await;
    let report = report.unwrap();
    assert_eq!(report.mailboxes[0].items, 8);
    report
}

#[tokio::test(start_paused = true)]
async fn a_server_is_read_as_fast_as_the_hour_allows() {
    let world = World::with(&["alice@x.test"]).await;
    let vault = world.vault("repo", None).await;
    // Half a minute at the slow rate, then the clock strikes eight.
    let rules = ["00:00-08:00 20 kB/s", "1 MB/s"];
    let pace = pacer(&rules, &world.environment);
    let exchange = world.exchange(|options| {
        options.pace = Some(Arc::new(pace) as Arc<dyn Pace>);
        options.request_timeout = Duration::from_secs(120);
    });
    let began = Instant::now();
    back_up(&vault, &exchange, "alice@x.test", MemoryBudget::default()).await;
    let stats = exchange.client().stats();
    let bytes = (stats.bytes_in + stats.bytes_out) as f64;
    assert!(bytes > 4e6, "{bytes}");
    // What was under way at eight was let through by the old rate.
    let least = bytes / 1e6;
    let most = 60.0 + (bytes - 20e3 * 30.0) / 1e6 + 20.0;
    let took = began.elapsed().as_secs_f64();
    assert!(
        (30.0..most).contains(&took) && took > least,
        "{took} s for {bytes} bytes"
    );
    // Without a limit it takes no time of this clock.
    let began = Instant::now();
    let other = world.vault("other", None).await;
    back_up(
        &other,
        &world.exchange(|_| {}),
        "alice@x.test",
        MemoryBudget::default(),
    )
    .await;
    assert!(began.elapsed().as_secs_f64() < 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_repository_is_written_as_fast_as_allowed() {
    let world = World::with(&["alice@x.test"]).await;
    let pace = pacer(&["50 kB/s"], &world.environment);
    let vault = world.vault("repo", Some(pace)).await;
    let began = Instant::now();
    back_up(
        &vault,
        &world.exchange(|_| {}),
        "alice@x.test",
        MemoryBudget::default(),
    )
    .await;
    let stored = size_of(&world.folder.path().join("repo")) as f64;
    let took = began.elapsed().as_secs_f64();
    assert!(stored > 1e6, "{stored}");
    assert!(
        took >= stored / 50e3 * 0.95 && took < stored / 50e3 * 1.3,
        "{took} s, {stored} bytes"
    );
}

fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let size = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => size_of(&entry.path()),
        false => entry.metadata().unwrap().len(),
    };
    entries.map(size).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_side_by_side_share_a_servers_requests() {
    let mailboxes = ["alice@x.test", "bob@x.test", "carol@x.test"];
    for (most, expected) in [(27, 3..=27), (2, 1..=2)] {
        let world = World::with(&mailboxes).await;
        let options = ThrottleOptions {
            max_requests: most,
            ..ThrottleOptions::default()
        };
        let shared = SharedThrottle::new(options, Arc::new(TokioSleeper));
        // Every export takes a while, so that requests meet.
        world
            .sim
            .set_faults("ExportItems always delay 30".parse().unwrap());
        let runs = mailboxes.map(|mailbox| {
            let exchange = world.exchange(|options| {
                options.shared_throttle = Some(shared.clone());
            });
            let world = &world;
            async move {
                let vault = world.vault(mailbox, None).await;
                back_up(&vault, &exchange, mailbox, MemoryBudget::default()).await;
            }
        });
        futures::future::join_all(runs).await;
        let met = world.sim.stats().max_in_flight;
        assert!(expected.contains(&met), "{met} at once with {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_memory_budget_lets_one_batch_fly_at_a_time_and_loses_none() {
    // Four folders make four batches, each of which takes ten seconds of this clock. The first one
    // goes alone anyway, to find out whether the server exports.
    for (bytes, expected) in [(MemoryBudget::DEFAULT_BYTES, 10..30), (1, 40..50)] {
        let world = World::with(&["alice@x.test", "bob@x.test"]).await;
        world
            .sim
            .set_faults("ExportItems always delay 10000".parse().unwrap());
        let budget = MemoryBudget::new(bytes);
        let vault = world.vault("repo", None).await;
        let exchange = world.exchange(|_| {});
        let began = Instant::now();
        let one = back_up(&vault, &exchange, "alice@x.test", budget.clone());
        let two = back_up(&vault, &exchange, "bob@x.test", budget.clone());
        tokio::join!(one, two);
        let took = began.elapsed().as_secs();
        assert!(expected.contains(&took), "{took} s with {bytes} bytes");
        assert_eq!(world.sim.stats().requests["ExportItems"], 4);
    }
}
