//! Continuous mode against a real simulator over HTTP, in virtual time.

use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Silent, Vault};
use ews_sim::{Sim, SimBuilder};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use operator::{
    Config, Connections, Lookup, Memory, Planner, RunWorker, Runner, Stay, Watches, run_daemon,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::desk::{self, Desk, virtual_time};

/// Some day.
const START_UNIX_MS: i64 = 1_790_000_000_000;

async fn secs(secs: u64) {
    tokio::time::sleep(Duration::from_secs(secs)).await;
}

/// A simulator with mailboxes, and a runner whose set follows them.
struct Office {
    sim: Sim,
    desk: Arc<Desk>,
    runner: Runner,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Office {
    async fn open(builder: SimBuilder, mailboxes: &[String], continuous: &str) -> Self {
        let builder = mailboxes.iter().fold(builder, |b, name| b.mailbox(name));
        let sim = builder.build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let desk = Arc::new(Desk {
            folder: desk::folder(),
            server: sim.serve(listener).await.unwrap(),
            environment: virtual_time(START_UNIX_MS),
        });
        let text = format!(
            "[destinations.one]\nurl = \"one\"\n[sets.office]\nserver = \"h\"\n\
             user = \"svc@example.test\"\nmailboxes = {mailboxes:?}\ndestinations = \"one\"\n\
             [sets.office.continuous]\n{continuous}"
        );
        let config = Config::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let runner = Runner {
            config: Arc::new(config),
            connections: desk.clone(),
            environment: desk.environment.clone(),
            memory: engine::MemoryBudget::default(),
            cache_dir: None,
            zone: TimeZone::UTC,
            machine: "desk".into(),
            lookup: Lookup::new(|_| None),
        };
        Self {
            sim,
            desk,
            runner,
            lines: Arc::default(),
        }
    }

    /// Runs a daemon for as long as a script takes.
    async fn daemon(&self, script: impl Future<Output = ()>) {
        let folder = self.desk.folder.path().join("state");
        let memory = Memory::hold(&folder).unwrap();
        let now = Timestamp::from_millisecond((self.desk.environment.now_unix_ms)()).unwrap();
        let state = memory.load().unwrap();
        let planner = Planner::new(&self.runner.config, &TimeZone::UTC, 7, state, now);
        let lines = Arc::clone(&self.lines);
        let log = Arc::new(move |line: &str| lines.lock().unwrap().push(line.to_owned()));
        let worker = RunWorker::new(self.runner.clone(), Arc::new(Silent), log);
        let shutdown = CancellationToken::new();
        let environment = &self.desk.environment;
        let worker = Rc::new(worker);
        let stay = Stay::ForEver;
        let daemon = run_daemon(planner, &memory, worker, environment, stay, &shutdown);
        let script = async {
            script.await;
            shutdown.cancel();
        };
        let (done, ()) = tokio::join!(daemon, script);
        done.unwrap();
    }

    fn mail(&self, mailbox: &str, subject: &str) {
        let mail = format!(
            "From: a@x.test\r\nTo: {mailbox}\r\nSubject: {subject}\r\nMessage-ID: \
             <{subject}.{mailbox}>\r\n\r\nText\r\n"
        );
        let mailbox = self.sim.mailbox(mailbox).unwrap();
        mailbox.add_mime("Inbox", mail.as_bytes()).unwrap();
    }

    async fn vault(&self) -> Vault {
        let config = &self.runner.config.destinations["one"];
        self.desk.vault("one", config).await.unwrap()
    }

    /// Items in the newest snapshot of each mailbox, in order of names, and sessions so far.
    async fn saved(&self) -> (Vec<u64>, usize) {
        let vault = self.vault().await;
        let snapshots = vault.snapshots().await.unwrap();
        let names: BTreeSet<_> = snapshots.iter().map(|s| s.mailbox.clone()).collect();
        let newest = |name: &String| {
            let of = snapshots.iter().rev().find(|s| s.mailbox == *name);
            of.map_or(0, |snapshot| snapshot.about.items)
        };
        let items = names.iter().map(newest).collect();
        let sessions = self.desk.folder.path().join("one/sessions");
        let ended = std::fs::read_dir(sessions).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".end")
        });
        (items, ended.count())
    }
}

fn people(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}@x.test")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_change_is_saved_within_a_minute_and_several_go_into_one_session() {
    let names = people(&["alice", "bob", "carol"]);
    let office = Office::open(Sim::builder(), &names, "").await;
    office
        .daemon(async {
            secs(60).await;
            let (items, sessions) = office.saved().await;
            assert_eq!(items, [0, 0, 0], "what was there before is saved first");
            office.mail("alice@x.test", "one");
            secs(5).await;
            office.mail("bob@x.test", "two");
            office.mail("alice@x.test", "three");
            secs(55).await;
            let saved = office.saved().await;
            assert_eq!(saved, (vec![2, 1, 0], sessions + 1), "{:#?}", office.lines);
            // An hour of silence, with its new connections, costs nothing.
            let asked = office.sim.stats().requests_total;
            secs(3600).await;
            assert_eq!(office.saved().await.1, sessions + 1);
            let asked = office.sim.stats().requests_total - asked;
            assert!(asked <= 4, "{asked} requests in an hour");
            // Items that go are changes, too.
            let alice = office.sim.mailbox("alice@x.test").unwrap();
            let first = alice.items("Inbox").unwrap().remove(0);
            alice.delete(&first.id, ews_sim::Deletion::Hard).unwrap();
            secs(60).await;
            assert_eq!(office.saved().await.0, [1, 1, 0]);
        })
        .await;
    // Snapshots are of what changed alone: three at first, two, one.
    let snapshots = office.vault().await.snapshots().await.unwrap();
    assert_eq!(snapshots.len(), 6);
    assert_eq!(office.sim.stats().max_streams, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_and_a_server_that_forgets_lose_nothing() {
    let names = people(&["alice", "bob"]);
    let faults = "GetStreamingEvents first 3 cut 2500; Subscribe nth 4 status 503";
    let builder = Sim::builder().faults(faults.parse().unwrap());
    let office = Office::open(builder, &names, "").await;
    office
        .daemon(async {
            secs(60).await;
            for round in 1..=12 {
                office.mail("alice@x.test", &format!("a{round}"));
                secs(7).await;
                office.mail("bob@x.test", &format!("b{round}"));
                if round % 4 == 0 {
                    office.sim.forget_subscriptions();
                    office.mail("bob@x.test", &format!("after{round}"));
                }
                secs(73).await;
                let per = u64::try_from(round).unwrap();
                let items = office.saved().await.0;
                assert_eq!(items, [per, per + per / 4], "{:#?}", office.lines);
            }
            // The server is away for an hour, and comes back with news.
            office
                .sim
                .set_faults("* always status 502".parse().unwrap());
            office.sim.forget_subscriptions();
            secs(1800).await;
            office.mail("alice@x.test", "meanwhile");
            secs(1800).await;
            office.sim.set_faults(ews_sim::FaultPlan::none());
            secs(11 * 60).await;
            assert_eq!(office.saved().await.0, [13, 15], "{:#?}", office.lines);
        })
        .await;
    assert!(office.sim.stats().faults_injected >= 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_notifications_is_asked_instead() {
    let names = people(&["alice", "bob"]);
    let builder = Sim::builder().without_notifications();
    let office = Office::open(builder, &names, "poll = \"1m\"\n").await;
    office
        .daemon(async {
            secs(120).await;
            let sessions = office.saved().await.1;
            for round in 1..=3 {
                office.mail("bob@x.test", &format!("{round}"));
                secs(100).await;
                let saved = office.saved().await;
                assert_eq!(saved, (vec![0, round], sessions + round as usize));
            }
            secs(7 * 3600).await;
            assert_eq!(office.saved().await.1, sessions + 3);
        })
        .await;
    let requests = office.sim.stats().requests;
    assert_eq!(requests.get("GetStreamingEvents"), None);
    assert!(requests["Subscribe"] <= 4, "{requests:?}");
    let lines = office.lines.lock().unwrap();
    let told = lines
        .iter()
        .filter(|line| line.contains("cannot listen to 2 mailboxes"));
    assert_eq!(told.count(), 1, "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn mailboxes_beyond_the_connections_are_asked_and_the_servers_limit_is_kept() {
    let names = people(&["alice", "bob", "carol", "dave", "eve"]);
    let continuous = "poll = \"2m\"\nconnections = 2\nmailboxes_per_connection = 2\n";
    let office = Office::open(Sim::builder().max_streams(2), &names, continuous).await;
    office
        .daemon(async {
            secs(150).await;
            for name in &names {
                office.mail(name, "one");
            }
            secs(60).await;
            assert_eq!(office.saved().await.0[..4], [1, 1, 1, 1]);
            secs(120).await;
            assert_eq!(office.saved().await.0, [1; 5], "{:#?}", office.lines);
        })
        .await;
    assert_eq!(office.sim.stats().max_streams, 2);
}

#[tokio::test(start_paused = true)]
async fn two_thousand_mailboxes_hold_no_more_connections_than_allowed() {
    let names: Vec<String> = (0..2000).map(|n| format!("user{n:04}@x.test")).collect();
    let office = Office::open(Sim::builder(), &names, "connections = 10\n").await;
    let watches = Watches::new(&office.runner.config);
    let now = || (office.desk.environment.now_unix_ms)();
    let heard = async {
        let mut heard = BTreeSet::new();
        // What was there before, once all are listened to.
        while heard.len() < names.len() {
            secs(1).await;
            heard.extend(watches.take("office", now()));
        }
        secs(60).await;
        watches.take("office", now());
        let streams = office.sim.stats().streams;
        // From here on only what changes is heard of, through new connections, too.
        let mut heard = Vec::new();
        for (n, name) in names.iter().enumerate().step_by(97) {
            office.mail(name, &format!("{n}"));
            secs(30 + n as u64 / 10).await;
            heard.push(watches.take("office", now()));
        }
        (streams, heard)
    };
    let log = |_: &str| {};
    let (streams, heard) = tokio::select! {
        () = watches.follow(&office.runner, &log) => unreachable!("it follows for ever"),
        heard = heard => heard,
    };
    assert_eq!(streams, 10);
    let changed: Vec<_> = names
        .iter()
        .step_by(97)
        .map(|name| vec![name.clone()])
        .collect();
    assert_eq!(heard, changed);
    let stats = office.sim.stats();
    assert_eq!((stats.max_streams, stats.requests["Subscribe"]), (10, 2000));
    assert!(
        stats.requests["GetStreamingEvents"] > 10,
        "new connections were made"
    );
}
