//! What Prometheus asks for: numbers about runs, by set, destination and mailbox.

mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header;
use axum::routing::get;
use engine::{Error, ErrorKind, Result};
use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::plan::{Outcome, Planner, Work};
use crate::report::{DestinationReport, RunReport};
use text::Page;

/// The form of Prometheus's text.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The address that a bare port means.
const LOOPBACK: &str = "127.0.0.1";

/// Numbers about runs; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Numbers>>);

#[derive(Debug, Default)]
struct Numbers {
    runs: BTreeMap<(String, Work), Runs>,
    flows: BTreeMap<(String, String), Flow>,
    repositories: BTreeMap<String, (u64, u64)>,
    mailboxes: BTreeMap<(String, String, String), Mailbox>,
}

#[derive(Debug, Default)]
struct Runs {
    started_ms: Option<i64>,
    ended_ms: Option<i64>,
    succeeded_ms: Option<i64>,
    next_ms: Option<i64>,
    is_active: bool,
    missed: u64,
    last: Option<Outcome>,
    counts: [u64; OUTCOMES.len()],
}

/// What went through since the program began.
#[derive(Debug, Default)]
struct Flow {
    items: u64,
    bytes_read: u64,
    bytes_stored: u64,
    failures: u64,
    requests: u64,
    waited_ms: u64,
}

#[derive(Debug, Default)]
struct Mailbox {
    saved_ms: i64,
    items: u64,
}

const OUTCOMES: [Outcome; 4] = [
    Outcome::Success,
    Outcome::Warning,
    Outcome::Failure,
    Outcome::Stopped,
];

impl Metrics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a planner remembers and intends.
    pub fn plan(&self, planner: &Planner, now: Timestamp) {
        let mut numbers = self.numbers();
        let ms = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
        for (id, job) in planner.jobs() {
            let runs = numbers.runs.entry((id.set.clone(), id.work)).or_default();
            runs.is_active = job.running_since.is_some();
            runs.missed = job.missed;
            runs.started_ms = ms(job.running_since).or(runs.started_ms);
            runs.ended_ms = ms(job.ended).or(runs.ended_ms);
            runs.succeeded_ms = ms(job.succeeded).or(runs.succeeded_ms);
            runs.last = job.outcome.or(runs.last);
            runs.next_ms = ms(planner.next_of(&id, now.as_millisecond()));
        }
    }

    /// Takes what a run did.
    pub fn run(&self, report: &RunReport) {
        let work = report.work.unwrap_or(Work::Backup);
        let mut numbers = self.numbers();
        let runs = numbers.runs.entry((report.set.clone(), work)).or_default();
        runs.started_ms = Some(report.started_unix_ms);
        runs.ended_ms = Some(report.ended_unix_ms);
        runs.last = report.outcome;
        if matches!(report.outcome, Some(Outcome::Success | Outcome::Warning)) {
            runs.succeeded_ms = Some(report.ended_unix_ms);
        }
        for (outcome, count) in OUTCOMES.iter().zip(&mut runs.counts) {
            *count += u64::from(Some(*outcome) == report.outcome);
        }
        for destination in &report.destinations {
            numbers.destination(report, destination);
        }
    }

    /// All numbers as Prometheus reads them.
    pub fn text(&self) -> String {
        let numbers = self.numbers();
        let mut page = Page::default();
        let version = env!("CARGO_PKG_VERSION");
        page.family("build_info", "gauge", "The program's version.");
        page.sample(&[("version", version)], 1.0);
        numbers.of_runs(&mut page);
        numbers.of_flows(&mut page);
        numbers.of_mailboxes(&mut page);
        page.finish()
    }

    /// Answers Prometheus, until dropped.
    ///
    /// # Errors
    /// If nothing can be answered any more.
    pub async fn serve(self, listener: TcpListener) -> Result<()> {
        let answer = |Shared(metrics): Shared<Self>| async move {
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.text())
        };
        let router = Router::new()
            .route("/metrics", get(answer))
            .with_state(self);
        let served = axum::serve(listener, router).await;
        served.map_err(|error| Error::with_source(ErrorKind::Internal, "serve metrics", error))
    }

    /// Listens at an address, or at a port of this machine alone.
    ///
    /// # Errors
    /// `Invalid` for an address that cannot be listened at.
    pub async fn listen(at: &str) -> Result<TcpListener> {
        let address = match at.parse::<u16>() {
            Ok(port) => format!("{LOOPBACK}:{port}"),
            Err(_) => at.to_owned(),
        };
        let listener = TcpListener::bind(&address).await;
        listener.map_err(|error| {
            let what = format!("listen at {address} for metrics");
            Error::with_source(ErrorKind::Invalid, what, error)
        })
    }
}

impl Numbers {
    fn destination(&mut self, report: &RunReport, destination: &DestinationReport) {
        let name = &destination.name;
        if let Some(size) = destination.size {
            let size = (size.stored_bytes, size.snapshots);
            self.repositories.insert(name.clone(), size);
        }
        let key = (report.set.clone(), name.clone());
        let flow = self.flows.entry(key).or_default();
        flow.requests += destination.traffic.requests;
        flow.waited_ms += destination.traffic.waited_ms;
        let Some(backup) = &destination.backup else {
            return;
        };
        flow.bytes_stored += backup.bytes_stored;
        flow.failures += backup.failures.len() as u64;
        for line in &backup.mailboxes {
            flow.items += line.items_downloaded;
            flow.bytes_read += line.bytes_downloaded;
            if line.error.is_some() {
                flow.failures += 1;
            } else if line.complete {
                let key = (report.set.clone(), name.clone(), line.mailbox.clone());
                let of = self.mailboxes.entry(key).or_default();
                (of.saved_ms, of.items) = (report.ended_unix_ms, line.items);
            }
        }
    }

    fn of_runs(&self, page: &mut Page) {
        type Time = fn(&Runs) -> Option<i64>;
        let times: [(&str, &str, Time); 4] = [
            ("run_start", "When a run last began.", |runs| {
                runs.started_ms
            }),
            ("run_end", "When a run last ended.", |runs| runs.ended_ms),
            ("run_success", "When a run last succeeded.", |runs| {
                runs.succeeded_ms
            }),
            ("run_next", "When a run is due next.", |runs| runs.next_ms),
        ];
        for (name, help, time) in times {
            page.family(&format!("{name}_timestamp_seconds"), "gauge", help);
            for ((set, work), runs) in &self.runs {
                if let Some(ms) = time(runs) {
                    page.sample(&labels(set, *work), ms as f64 / 1000.0);
                }
            }
        }
        page.family("run_active", "gauge", "Whether a run is under way.");
        for ((set, work), runs) in &self.runs {
            page.sample(&labels(set, *work), f64::from(u8::from(runs.is_active)));
        }
        page.family(
            "runs_missed",
            "gauge",
            "Times of the schedule without a run of their own.",
        );
        for ((set, work), runs) in &self.runs {
            page.sample(&labels(set, *work), runs.missed as f64);
        }
        page.family(
            "run_outcome",
            "gauge",
            "How a run last ended: 1 for what is the case.",
        );
        for ((set, work), runs) in self.runs.iter().filter(|(_, runs)| runs.last.is_some()) {
            for outcome in OUTCOMES {
                let [a, b] = labels(set, *work);
                let is = f64::from(u8::from(runs.last == Some(outcome)));
                page.sample(&[a, b, ("outcome", outcome.word())], is);
            }
        }
        page.family("runs_total", "counter", "Runs since the program began.");
        for ((set, work), runs) in &self.runs {
            for (outcome, count) in OUTCOMES.iter().zip(runs.counts) {
                let [a, b] = labels(set, *work);
                page.sample(&[a, b, ("outcome", outcome.word())], count as f64);
            }
        }
    }

    fn of_flows(&self, page: &mut Page) {
        type Count = fn(&Flow) -> f64;
        let counts: [(&str, &str, Count); 6] = [
            (
                "items_downloaded_total",
                "Items read from the server.",
                |f| f.items as f64,
            ),
            ("downloaded_bytes_total", "Bytes of these items.", |f| {
                f.bytes_read as f64
            }),
            ("stored_bytes_total", "Bytes that were stored.", |f| {
                f.bytes_stored as f64
            }),
            ("failures_total", "Items and mailboxes that failed.", |f| {
                f.failures as f64
            }),
            ("requests_total", "Requests to the server.", |f| {
                f.requests as f64
            }),
            (
                "waited_seconds_total",
                "Time that the server made requests wait.",
                |f| f.waited_ms as f64 / 1000.0,
            ),
        ];
        for (name, help, count) in counts {
            page.family(name, "counter", help);
            for ((set, destination), flow) in &self.flows {
                let labels = [("set", set.as_str()), ("destination", destination)];
                page.sample(&labels, count(flow));
            }
        }
        page.family("repository_bytes", "gauge", "Bytes of all packs.");
        for (name, (bytes, _)) in &self.repositories {
            page.sample(&[("destination", name)], *bytes as f64);
        }
        page.family(
            "repository_snapshots",
            "gauge",
            "Snapshots in the repository.",
        );
        for (name, (_, snapshots)) in &self.repositories {
            page.sample(&[("destination", name)], *snapshots as f64);
        }
    }

    fn of_mailboxes(&self, page: &mut Page) {
        let help = "When a mailbox was last backed up whole, by this process.";
        page.family("mailbox_backup_timestamp_seconds", "gauge", help);
        for ((set, destination, name), mailbox) in &self.mailboxes {
            let seconds = mailbox.saved_ms as f64 / 1000.0;
            page.sample(
                &[
                    ("set", set),
                    ("destination", destination),
                    ("mailbox", name),
                ],
                seconds,
            );
        }
        page.family(
            "mailbox_items",
            "gauge",
            "Items in a mailbox's newest snapshot.",
        );
        for ((set, destination, name), mailbox) in &self.mailboxes {
            let items = mailbox.items as f64;
            page.sample(
                &[
                    ("set", set),
                    ("destination", destination),
                    ("mailbox", name),
                ],
                items,
            );
        }
    }
}

fn labels(set: &str, work: Work) -> [(&'static str, &str); 2] {
    [("set", set), ("work", work.word())]
}
