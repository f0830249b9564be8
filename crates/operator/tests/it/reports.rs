//! Real runs against a simulator, and what is told of them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::{Environment, Exchange, SignatureState, Silent, Vault, verify_signature};
use ews_sim::Sim;
use jiff::tz::TimeZone;
use operator::{
    Config, Connections, DestinationConfig, Lookup, Outcome, ProbeMailbox, Reason, RunReport,
    Runner, SetConfig, Work, history, recent_reports,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::desk::{self, Desk};

/// A clock that goes on by a second at each look, and randomness that repeats.
fn environment() -> Environment {
    let now = Mutex::new(1_790_000_000_000_i64);
    desk::environment(move || {
        let mut now = now.lock().unwrap();
        *now += 1000;
        *now
    })
}

pub async fn desk(faults: &str) -> Arc<Desk> {
    let mut builder = Sim::builder().mailbox("alice@x.test").mailbox("bob@x.test");
    if !faults.is_empty() {
        builder = builder.faults(faults.parse().unwrap());
    }
    let sim = builder.build().unwrap();
    for number in 0..5 {
        let mail = format!(
            "From: a@x.test\r\nTo: b@x.test\r\nSubject: Secret plan {number}\r\nMessage-ID: \
             <{number}@x.test>\r\n\r\nText {number}\r\n"
        );
        let mailbox = sim.mailbox("alice@x.test").unwrap();
        mailbox.add_mime("Inbox", mail.as_bytes()).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Arc::new(Desk {
        folder: TempDir::new().unwrap(),
        server: sim.serve(listener).await.unwrap(),
        environment: environment(),
    })
}

pub fn runner(desk: &Arc<Desk>, more: &str) -> Runner {
    let text = format!(
        "[destinations.one]\nurl = \"one\"\n[destinations.two]\nurl = \"two\"\n\
         [sets.office]\nserver = \"h\"\nuser = \"svc@example.test\"\n\
         mailboxes = [\"alice@x.test\", \"bob@x.test\"]\n{more}"
    );
    let config = Config::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    Runner {
        config: Arc::new(config),
        connections: desk.clone(),
        environment: desk.environment.clone(),
        memory: engine::MemoryBudget::default(),
        cache_dir: None,
        zone: TimeZone::UTC,
        machine: "desk".into(),
        lookup: Lookup::new(|name| (name == "TOKEN").then(|| "t0ken".to_owned())),
    }
}

pub async fn run(runner: &Runner) -> (RunReport, Vec<String>) {
    run_work(runner, "office", Work::Backup).await
}

async fn run_work(runner: &Runner, set: &str, work: Work) -> (RunReport, Vec<String>) {
    let what = (set, work, Reason::ByHand);
    let monitor = Arc::new(Silent);
    runner
        .run(what, &CancellationToken::new(), monitor)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_destination_is_complete_on_its_own_in_sequence_and_side_by_side() {
    for together in [false, true] {
        let desk = desk("").await;
        let more = format!("destinations = [\"one\", \"two\"]\ntogether = {together}\n");
        let runner = runner(&desk, &more);
        let (report, notes) = run(&runner).await;
        assert_eq!(
            (report.outcome, notes.len()),
            (Some(Outcome::Success), 0),
            "{report:#?}"
        );
        for (name, place) in ["one", "two"].iter().zip(&report.destinations) {
            assert_eq!(place.name, *name);
            let backup = place.backup.as_ref().unwrap();
            let items: u64 = backup.mailboxes.iter().map(|m| m.items_downloaded).sum();
            assert_eq!(items, 5);
            let config = &runner.config.destinations[*name];
            let vault = desk.vault(name, config).await.unwrap();
            assert_eq!(vault.snapshots().await.unwrap().len(), 2);
            // The report is kept, sealed: neither addresses nor subjects can be seen.
            let kept = recent_reports(&vault, 9, |_| true).await.unwrap();
            assert_eq!(kept.len(), 1);
            assert_eq!(kept[0].destinations.len(), 2);
            let points = history(&vault, ("office", name), 9).await.unwrap();
            assert_eq!(points.len(), 1);
            assert!(points[0].size_bytes > Some(0) && points[0].stored_bytes > 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_copies_the_server_is_read_once_and_a_failing_first_destination_costs_nothing() {
    let desk = desk("").await;
    let more = "destinations = [\"one\", \"two\"]\ncopy = true\n";
    let runner = runner(&desk, more);
    let (report, notes) = run(&runner).await;
    assert_eq!(
        (report.outcome, notes.len()),
        (Some(Outcome::Success), 0),
        "{report:#?}"
    );
    let [first, second] = &report.destinations[..] else {
        panic!("{report:#?}");
    };
    assert!(first.traffic.requests > 0 && second.traffic.requests == 0);
    let copy = second.copy.as_ref().unwrap();
    assert_eq!(
        (copy.from.as_str(), copy.snapshots, copy.items),
        ("one", 2, 5)
    );
    for name in ["one", "two"] {
        let config = &runner.config.destinations[name];
        let vault = desk.vault(name, config).await.unwrap();
        assert_eq!(vault.snapshots().await.unwrap().len(), 2, "{name}");
        let check = vault
            .check_data(engine::ReadData::All, Arc::new(Silent))
            .await;
        assert_eq!(check.unwrap().items, 5, "{name}");
    }
    // Nothing is copied twice, and where the first one fails the server is read for the second.
    let (report, _) = run(&runner).await;
    assert_eq!(report.destinations[1].copy.as_ref().unwrap().items, 0);
    for object in walk(&desk.folder.path().join("one")) {
        std::fs::write(object, b"gone").unwrap();
    }
    let (report, _) = run(&runner).await;
    assert_eq!(report.outcome, Some(Outcome::Failure));
    assert_eq!(report.destinations[1].outcome, Some(Outcome::Success));
    assert!(report.destinations[1].backup.is_some() && report.destinations[1].copy.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_is_told_of_runs_destinations_and_mailboxes() {
    let desk = desk("").await;
    let runner = runner(&desk, "destinations = \"one\"\n");
    let metrics = operator::Metrics::new();
    let (report, _) = run(&runner).await;
    metrics.run(&report);
    let listener = operator::Metrics::listen("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    assert!(at.ip().is_loopback());
    let serving = tokio::spawn(metrics.clone().serve(listener));
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serving.abort();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/plain; version=0.0.4"));
    let alice = "set=\"office\",destination=\"one\",mailbox=\"alice@x.test\"";
    for line in [
        "postkeep_runs_total{set=\"office\",work=\"backup\",outcome=\"success\"} 1".to_owned(),
        "postkeep_run_outcome{set=\"office\",work=\"backup\",outcome=\"failure\"} 0".to_owned(),
        "postkeep_items_downloaded_total{set=\"office\",destination=\"one\"} 5".to_owned(),
        format!("postkeep_mailbox_items{{{alice}}} 5"),
        format!(
            "postkeep_mailbox_backup_timestamp_seconds{{{alice}}} {}",
            report.ended_unix_ms as f64 / 1000.0
        ),
    ] {
        assert!(answer.lines().any(|told| told == line), "{line}\n{answer}");
    }
    // Each family is told once, with its kind.
    let kinds = answer.lines().filter(|line| line.starts_with("# TYPE "));
    let mut names: Vec<_> = kinds.map(|line| line.split(' ').nth(2).unwrap()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(
        operator::Metrics::listen("no.such.name.test:1")
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_about_the_mailboxes_of_its_set_or_of_the_whole_destination() {
    let policy = "[sets.office.retention]\nkeep_last = 1\n";
    let other = "[sets.other]\nserver = \"h\"\nuser = \"bob@x.test\"\n\
                 mailboxes = \"bob@x.test\"\ndestinations = \"one\"\n";
    let only_alice = "[sets.office]\nserver = \"h\"\nuser = \"svc@example.test\"\n\
                      mailboxes = \"alice@x.test\"\n";
    for shared in [false, true] {
        let desk = desk("").await;
        let mut all = runner(&desk, &format!("destinations = \"one\"\n{policy}"));
        for _ in 0..3 {
            run(&all).await;
        }
        if shared {
            let text = format!(
                "[destinations.one]\nurl = \"one\"\n{only_alice}destinations = \"one\"\n\
                 {policy}{other}"
            );
            all.config = Arc::new(Config::parse(&text).unwrap());
        }
        let (report, notes) = run_work(&all, "office", Work::Retention).await;
        let stays = if shared { 4 } else { 2 };
        let line = report.destinations[0].retention.clone().unwrap();
        assert_eq!(
            (report.outcome, line.snapshots_forgotten, notes.len()),
            (Some(Outcome::Success), 6 - stays, 0),
            "{report:#?}"
        );
        let subject = operator::report_subject(&report);
        assert!(
            subject.starts_with("retention of office is complete: "),
            "{subject}"
        );
        let vault = desk
            .vault("one", &all.config.destinations["one"])
            .await
            .unwrap();
        let left = vault.snapshots().await.unwrap();
        let bob = left.iter().filter(|s| s.mailbox == "bob@x.test").count();
        assert_eq!(
            (left.len() as u64, bob),
            (stays, if shared { 3 } else { 1 })
        );
        // Doing it again finds nothing to do.
        let (report, _) = run_work(&all, "office", Work::Retention).await;
        let line = report.destinations[0].retention.clone().unwrap();
        assert_eq!(line.snapshots_forgotten, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_proves_that_a_sample_comes_back_and_keeps_the_result() {
    let desk = desk("").await;
    let more = "destinations = \"one\"\n[sets.office.drill]\nschedule = \"daily\"\nitems = 3\n";
    let mut runner = runner(&desk, more);
    let (report, _) = run_work(&runner, "office", Work::Drill).await;
    assert_eq!(
        report.outcome,
        Some(Outcome::Failure),
        "nothing to try is no proof"
    );
    run(&runner).await;
    let (report, notes) = run_work(&runner, "office", Work::Drill).await;
    assert_eq!(
        (report.outcome, notes.len()),
        (Some(Outcome::Success), 0),
        "{report:#?}"
    );
    let drill = report.destinations[0].drill.clone().unwrap();
    // Bob's mailbox is empty: it gives nothing, and that is no failure.
    let tried: Vec<u64> = drill.snapshots.iter().map(|line| line.sampled).collect();
    let equal: Vec<u64> = drill.snapshots.iter().map(|line| line.equal).collect();
    assert_eq!((tried, equal), (vec![3, 0], vec![3, 0]));
    let vault = desk
        .vault("one", &runner.config.destinations["one"])
        .await
        .unwrap();
    let kept = vault.drills(9).await.unwrap();
    assert_eq!((kept.len(), &kept[0].drill), (1, &drill));
    assert_eq!(kept[0].signed, SignatureState::Good);
    // An auditor has the document, its signature and the public key, and nothing else.
    let (document, signature) = (kept[0].document.as_bytes(), &kept[0].signature);
    let signed = verify_signature(document, signature, &vault.signers()).unwrap();
    assert!(signed.comment.ends_with("passed"), "{}", signed.comment);
    let nicer = kept[0].document.replace("\"equal\": 3", "\"equal\": 4");
    assert_ne!(nicer, kept[0].document);
    verify_signature(nicer.as_bytes(), signature, &vault.signers()).unwrap_err();
    assert!(
        vault.restore_runs().await.unwrap().is_empty(),
        "nobody could take it back"
    );
    // Damage is found: every pack is cut to nothing.
    let packs = desk.folder.path().join("one/packs");
    for pack in walk(&packs) {
        std::fs::write(pack, b"gone").unwrap();
    }
    std::fs::remove_dir_all(desk.folder.path().join("cache")).ok();
    let config = Config::clone(&runner.config);
    runner.config = Arc::new(config);
    let (report, _) = run_work(&runner, "office", Work::Drill).await;
    assert_eq!(report.outcome, Some(Outcome::Failure));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_destination_costs_the_others_nothing() {
    let desk = desk("").await;
    let runner = runner(&desk, "destinations = [\"one\", \"two\"]\n");
    // A file where the folder of a repository should be.
    std::fs::write(desk.folder.path().join("one"), "no repository").unwrap();
    struct Half(Arc<Desk>);
    #[async_trait]
    impl Connections for Half {
        async fn exchange(&self, name: &str, set: &SetConfig) -> engine::Result<Exchange> {
            self.0.exchange(name, set).await
        }

        async fn probe(&self) -> engine::Result<ProbeMailbox> {
            self.0.probe().await
        }
        async fn vault(&self, name: &str, config: &DestinationConfig) -> engine::Result<Vault> {
            if name == "one" {
                let kind = engine::ErrorKind::Unreachable;
                return Err(engine::Error::new(kind, "the share is not mounted"));
            }
            self.0.vault(name, config).await
        }
    }
    let runner = Runner {
        connections: Arc::new(Half(desk)),
        ..runner
    };
    let (report, _) = run(&runner).await;
    assert_eq!(report.outcome, Some(Outcome::Failure));
    assert_eq!(report.first_error(), Some(engine::ErrorKind::Unreachable));
    assert_eq!(report.destinations[1].outcome, Some(Outcome::Success));
    assert!(
        report.next_steps[0].contains("the share is not mounted"),
        "{report:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_the_report_as_json_with_its_token() {
    let desk = desk("").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&all).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                stream
                    .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .await
                    .unwrap();
                return (head.to_owned(), body.to_owned());
            }
        }
    });
    let more = format!(
        "destinations = \"one\"\n[[notify]]\nwhen = \"always\"\nwebhook = {{ url = \
         \"http://127.0.0.1:{port}/hook\", token_env = \"TOKEN\" }}\n"
    );
    let (_, notes) = run(&runner(&desk, &more)).await;
    assert!(notes.is_empty(), "{notes:?}");
    let (head, body) = served.await.unwrap();
    assert!(head.starts_with("POST /hook") && head.contains("authorization: Bearer t0ken"));
    let report: RunReport = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (report.set.as_str(), report.outcome),
        ("office", Some(Outcome::Success))
    );
}
