//! The daemon in virtual time: a year with its clock changes, windows, crashes and missed runs.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use engine::Environment;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use operator::{Config, JobId, Memory, Outcome, Planner, State, Stay, Work, Worker, run_daemon};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::desk::{self, virtual_time};

fn utc(text: &str) -> Timestamp {
    format!("{text}:00Z").parse().unwrap()
}

/// Work of known lengths, set by set; writes down when it was done.
struct Worklog {
    environment: Environment,
    hours: BTreeMap<&'static str, f64>,
    left: Mutex<BTreeMap<String, Duration>>,
    lines: Mutex<Vec<(JobId, Timestamp, Timestamp, Outcome)>>,
}

impl Worklog {
    fn new(environment: &Environment, hours: &[(&'static str, f64)]) -> Rc<Self> {
        Rc::new(Self {
            environment: environment.clone(),
            hours: hours.iter().copied().collect(),
            left: Mutex::default(),
            lines: Mutex::default(),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond((self.environment.now_unix_ms)()).unwrap()
    }

    /// When the jobs of a set began, in order.
    fn starts(&self, set: &str, work: Work) -> Vec<Timestamp> {
        let lines = self.lines.lock().unwrap();
        let of = lines
            .iter()
            .filter(|(id, ..)| id.set == set && id.work == work);
        of.map(|(_, start, ..)| *start).collect()
    }

    /// Each run as `start-end`, in UTC to the minute, with a + if it was stopped before its end.
    fn runs(&self, set: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let of = lines.iter().filter(|(id, ..)| id.set == set);
        of.map(|(_, start, end, outcome)| {
            let stopped = if *outcome == Outcome::Stopped {
                "+"
            } else {
                ""
            };
            let (start, end) = (start.strftime("%m-%d %H:%M"), end.strftime("%m-%d %H:%M"));
            format!("{start}-{end}{stopped}")
        })
        .collect()
    }
}

#[async_trait(?Send)]
impl Worker for Worklog {
    async fn work(&self, job: &JobId, _: Option<Timestamp>, cancel: CancellationToken) -> Outcome {
        let start = self.now();
        let whole = Duration::from_secs_f64(self.hours[job.set.as_str()] * 3600.0);
        let left = self.left.lock().unwrap().remove(&job.set).unwrap_or(whole);
        let began = Instant::now();
        let outcome = tokio::select! {
            biased;
            () = tokio::time::sleep(left) => Outcome::Success,
            () = cancel.cancelled() => {
                let rest = left.saturating_sub(began.elapsed());
                self.left.lock().unwrap().insert(job.set.clone(), rest);
                Outcome::Stopped
            }
        };
        self.lines
            .lock()
            .unwrap()
            .push((job.clone(), start, self.now(), outcome));
        outcome
    }
}

fn config(sets: &str) -> Config {
    let head = "time_zone = \"Europe/Berlin\"\n[daemon]\nruns_at_once = 8\n\
                [destinations.a]\nurl = \"a\"\n";
    let mut text = head.to_owned();
    for part in sets.split("---") {
        let (name, rest) = part.trim().split_once('\n').unwrap();
        text.push_str(&format!(
            "[sets.{name}]\nserver = \"h\"\nuser = \"u@x\"\ndestinations = \"a\"\n{rest}\n"
        ));
    }
    Config::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

/// Runs a daemon from one time to another and gives what it remembers.
async fn live(
    config: &Config,
    (from, to): (Timestamp, Timestamp),
    folder: &TempDir,
    hours: &[(&'static str, f64)],
) -> Rc<Worklog> {
    let environment = virtual_time(from.as_millisecond());
    let worklog = Worklog::new(&environment, hours);
    let memory = Memory::hold(folder.path()).unwrap();
    let planner = Planner::new(config, &TimeZone::UTC, 7, memory.load().unwrap(), from);
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let length = Duration::from_millis((to.as_millisecond() - from.as_millisecond()) as u64);
    let ends = tokio::spawn(async move {
        tokio::time::sleep(length).await;
        stop.cancel();
    });
    let worker: Rc<dyn Worker> = worklog.clone();
    let stay = Stay::ForEver;
    run_daemon(planner, &memory, worker, &environment, stay, &shutdown)
        .await
        .unwrap();
    ends.await.unwrap();
    worklog
}

/// Starts a daemon every two minutes that ends when nothing is due; gives what ran and the worst
/// that happened.
async fn visit(
    config: &Config,
    (from, to): (Timestamp, Timestamp),
    folder: &TempDir,
    hours: &[(&'static str, f64)],
) -> (Rc<Worklog>, Option<Outcome>) {
    let environment = virtual_time(from.as_millisecond());
    let worklog = Worklog::new(&environment, hours);
    let mut worst = None;
    while worklog.now() < to {
        let memory = Memory::hold(folder.path()).unwrap();
        let state = memory.load().unwrap();
        let planner = Planner::new(config, &TimeZone::UTC, 7, state, worklog.now());
        let worker: Rc<dyn Worker> = worklog.clone();
        let never = CancellationToken::new();
        let stay = Stay::WhileDue;
        let ended = run_daemon(planner, &memory, worker, &environment, stay, &never).await;
        worst = worst.max(ended.unwrap());
        tokio::time::sleep(Duration::from_secs(120)).await;
    }
    (worklog, worst)
}

/// Days of 2026 by their number from 0.
fn day(number: i64) -> Timestamp {
    Timestamp::from_second(utc("2026-01-01T00:00").as_second() + number * 86_400).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_year_runs_at_the_expected_times_through_both_clock_changes() {
    let config = config(
        "nightly\nschedule = \"daily 02:30\"\n---
         often\nschedule = \"every 6h\"\n---
         weekly\nschedule = \"weekly sun 01:00\"\n[sets.weekly.check]\nschedule = \"monthly last sun 03:00\"\n---
         cron\nschedule = \"0 12 1 * *\"",
    );
    let folder = desk::folder();
    let year = (utc("2025-12-31T23:30"), utc("2026-12-31T23:30"));
    let hours = [
        ("nightly", 0.5),
        ("often", 0.2),
        ("weekly", 0.5),
        ("cron", 3.0),
    ];
    let log = live(&config, year, &folder, &hours).await;

    // Summer time begins on day 87, March 29, at 01:00 UTC, and ends on day 297, October 25.
    let is_summer = |day: i64| (88..=297).contains(&day);
    let minutes = |day_number: i64, minutes: i64| {
        Timestamp::from_second(day(day_number).as_second() + minutes * 60).unwrap()
    };
    // 02:30 does not exist on day 87: it becomes 03:30, which is 01:30 UTC as on winter's days.
    let nightly: Vec<_> = (0..365)
        .map(|day| minutes(day, if is_summer(day) { 30 } else { 90 }))
        .collect();
    assert_eq!(log.starts("nightly", Work::Backup), nightly);
    let often: Vec<_> = (0..365 * 4).map(|n| minutes(0, n * 360)).collect();
    assert_eq!(log.starts("often", Work::Backup), often);
    // The first Sunday is day 3. One in the morning comes before both changes.
    let weekly: Vec<_> = (0..52)
        .map(|week| 3 + week * 7)
        .map(|day| minutes(day, if is_summer(day) { -60 } else { 0 }))
        .collect();
    assert_eq!(log.starts("weekly", Work::Backup), weekly);
    // On the day of the change three o'clock is the new time already, or again.
    let last_sundays = [
        "01-25T02:00",
        "02-22T02:00",
        "03-29T01:00",
        "04-26T01:00",
        "05-31T01:00",
        "06-28T01:00",
        "07-26T01:00",
        "08-30T01:00",
        "09-27T01:00",
        "10-25T02:00",
        "11-29T02:00",
        "12-27T02:00",
    ];
    let checks: Vec<_> = last_sundays.map(|day| utc(&format!("2026-{day}"))).to_vec();
    assert_eq!(log.starts("weekly", Work::Check), checks);
    let noon: Vec<_> = (1..=12)
        .map(|month| {
            utc(&format!(
                "2026-{month:02}-01T{}:00",
                if (4..=10).contains(&month) { 10 } else { 11 }
            ))
        })
        .collect();
    assert_eq!(log.starts("cron", Work::Backup), noon);
    let state = Memory::at(folder.path()).load().unwrap();
    let missed: u64 = state
        .sets
        .values()
        .flat_map(BTreeMap::values)
        .map(|job| job.missed)
        .sum();
    assert_eq!(missed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_a_timer_starts_does_the_same_as_one_that_stays() {
    let config = config(
        "nightly\nschedule = \"daily 02:30\"\n---
         weekly\nschedule = \"weekly sun 01:00\"\ncatch_up = false\n[sets.weekly.check]\n\
         schedule = \"monthly last sun 03:00\"\n---
         cut\nschedule = \"every 24h\"\nwindow = \"22:00-06:00\"",
    );
    let week = (utc("2026-03-26T12:01"), utc("2026-04-02T12:00"));
    let hours = [("nightly", 0.5), ("weekly", 0.5), ("cut", 8.3)];
    let (stays, comes) = (desk::folder(), desk::folder());
    let stayed = live(&config, week, &stays, &hours).await;
    let (came, worst) = visit(&config, week, &comes, &hours).await;
    for set in ["nightly", "weekly", "cut"] {
        for work in [Work::Backup, Work::Check] {
            let (one, other) = (stayed.starts(set, work), came.starts(set, work));
            assert_eq!(one.len(), other.len(), "{set} {work}");
            let late = one.iter().zip(&other);
            let late = late.map(|(one, other)| other.as_second() - one.as_second());
            let late: Vec<_> = late.collect();
            assert!(late.iter().all(|late| (0..=120).contains(late)), "{late:?}");
        }
    }
    assert!(came.starts("weekly", Work::Check).len() == 1);
    assert_eq!(worst, Some(Outcome::Stopped), "the window stopped a run");
}

#[tokio::test(start_paused = true)]
async fn a_window_stops_a_run_and_the_next_one_continues_it() {
    let config = config("big\nschedule = \"monthly 27 20:00\"\nwindow = \"22:00-06:00\"");
    let folder = desk::folder();
    // Twenty hours of work, over the night in which the clock goes forward.
    let time = (utc("2026-03-27T00:00"), utc("2026-04-20T00:00"));
    let log = live(&config, time, &folder, &[("big", 20.0)]).await;
    let expected = [
        "03-27 21:00-03-28 05:00+",
        "03-28 21:00-03-29 04:00+",
        "03-29 20:00-03-30 01:00",
    ];
    assert_eq!(log.runs("big"), expected);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_stops_cleanly_and_the_next_daemon_continues() {
    let config = config("set\nschedule = \"daily 10:00\"");
    let folder = desk::folder();
    let (a, b, c) = (
        utc("2026-01-05T00:00"),
        utc("2026-01-05T10:00"),
        utc("2026-01-06T00:00"),
    );
    let first = live(&config, (a, b), &folder, &[("set", 3.0)]).await;
    assert_eq!(first.runs("set"), ["01-05 09:00-01-05 10:00+"]);
    let later = utc("2026-01-05T15:00");
    let second = live(&config, (later, c), &folder, &[("set", 2.0)]).await;
    assert_eq!(second.runs("set"), ["01-05 15:00-01-05 17:00"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_made_up_for_once_or_not_at_all() {
    let config = config(
        "once\nschedule = \"every 2h\"\n---
         never\nschedule = \"every 2h\"\ncatch_up = false",
    );
    let folder = desk::folder();
    let hours = [("once", 0.1), ("never", 0.1)];
    let day = |from: &str, to: &str| (utc(from), utc(to));
    let first = day("2026-01-05T00:30", "2026-01-05T02:30");
    let first = live(&config, first, &folder, &hours).await;
    assert_eq!(
        first.starts("once", Work::Backup),
        [utc("2026-01-05T02:00")]
    );
    let second = day("2026-01-08T01:00", "2026-01-08T02:30");
    let second = live(&config, second, &folder, &hours).await;
    let at = |text: &str| utc(&format!("2026-01-08T{text}"));
    assert_eq!(
        second.starts("once", Work::Backup),
        [at("01:00"), at("02:00")]
    );
    assert_eq!(second.starts("never", Work::Backup), [at("02:00")]);
    let state = Memory::at(folder.path()).load().unwrap();
    let missed = |set: &str| state.sets[set][&Work::Backup].missed;
    assert_eq!((missed("once"), missed("never")), (34, 35));
}

#[tokio::test(start_paused = true)]
async fn a_set_never_overlaps_itself_and_sets_wait_for_a_place() {
    let mut config = config(
        "slow\nschedule = \"every 2h\"\n[sets.slow.check]\nschedule = \"daily 03:00\"\n---
         quick\nschedule = \"every 2h\"",
    );
    let folder = desk::folder();
    let time = (utc("2026-01-05T01:00"), utc("2026-01-06T01:00"));
    let hours = [("slow", 5.0), ("quick", 0.5)];
    let log = live(&config, time, &folder, &hours).await;
    let overlap = |log: &Worklog, set: Option<&str>| {
        let lines = log.lines.lock().unwrap();
        let mut times: Vec<_> = lines
            .iter()
            .filter(|(id, ..)| set.is_none_or(|set| id.set == set))
            .map(|(_, start, end, _)| (*start, *end))
            .collect();
        times.sort();
        times.windows(2).any(|pair| pair[1].0 < pair[0].1)
    };
    assert!(!overlap(&log, Some("slow")) && overlap(&log, None));
    assert_eq!(
        log.starts("slow", Work::Backup).len() + log.starts("slow", Work::Check).len(),
        5
    );
    assert_eq!(log.starts("quick", Work::Backup).len(), 12);
    // With one place for all, nothing runs side by side, and who waits longest comes first.
    config.daemon.runs_at_once = 1;
    let folder = desk::folder();
    let log = live(&config, time, &folder, &hours).await;
    assert!(!overlap(&log, None));
    assert!(log.starts("quick", Work::Backup).len() >= 4);
}

/// A worker that dies with its thread of work, as a defect would make it.
struct Broken;

#[async_trait(?Send)]
impl Worker for Broken {
    async fn work(&self, _: &JobId, _: Option<Timestamp>, _: CancellationToken) -> Outcome {
        panic!("a defect")
    }
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_one_run_is_a_failure_and_no_end() {
    let config = config("set\nschedule = \"every 1h\"");
    let folder = desk::folder();
    let start = utc("2026-01-05T00:30");
    let environment = virtual_time(start.as_millisecond());
    let memory = Memory::hold(folder.path()).unwrap();
    let planner = Planner::new(&config, &TimeZone::UTC, 7, State::default(), start);
    let shutdown = CancellationToken::new();
    let broken = Rc::new(Broken);
    let stay = Stay::ForEver;
    let daemon = run_daemon(planner, &memory, broken, &environment, stay, &shutdown);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
        shutdown.cancel();
    };
    let (done, ()) = tokio::join!(daemon, stop);
    done.unwrap();
    let job = memory.load().unwrap().sets["set"][&Work::Backup].clone();
    assert_eq!(job.outcome, Some(Outcome::Failure));
    assert_eq!(
        (job.succeeded, job.ended),
        (None, Some(utc("2026-01-05T03:00")))
    );
}

#[test]
fn what_ran_when_the_machine_died_is_continued() {
    let config = config("set\nschedule = \"daily 22:00\"");
    let start = utc("2026-01-05T20:00");
    let mut planner = Planner::new(&config, &TimeZone::UTC, 7, State::default(), start);
    let first = planner.step(start);
    assert_eq!(first.wake, Some(utc("2026-01-05T21:00")));
    let step = planner.step(utc("2026-01-05T21:00"));
    assert_eq!(step.start.len(), 1);
    // The machine dies here; its file says that the job was running.
    let text = serde_json::to_string(planner.state()).unwrap();
    let state: State = serde_json::from_str(&text).unwrap();
    let back = utc("2026-01-05T21:10");
    let mut planner = Planner::new(&config, &TimeZone::UTC, 7, state, back);
    assert_eq!(planner.step(back).start, step.start);
    planner.ended(&step.start[0], utc("2026-01-05T21:30"), Outcome::Success);
    assert!(planner.step(utc("2026-01-05T21:31")).start.is_empty());
}

#[test]
fn one_daemon_at_a_time_holds_the_memory() {
    let folder = desk::folder();
    let first = Memory::hold(folder.path()).unwrap();
    let second = Memory::hold(folder.path()).unwrap_err();
    assert_eq!(second.kind(), engine::ErrorKind::Busy);
    drop(first);
    let memory = Memory::hold(folder.path()).unwrap();
    std::fs::write(folder.path().join("daemon.json"), "{broken").unwrap();
    assert_eq!(
        memory.load().unwrap_err().kind(),
        engine::ErrorKind::Corrupt
    );
}

#[test]
fn the_next_runs_are_listed_in_order_and_wait_for_their_window() {
    let config = config(
        "a\nschedule = [\"daily 12:00\", \"daily 15:00\"]\nwindow = \"22:00-06:00\"\n---
         b\nschedule = \"every 12h\"",
    );
    let now = utc("2026-01-05T08:00");
    let planner = Planner::new(&config, &TimeZone::UTC, 7, State::default(), now);
    let runs: Vec<_> = planner
        .next_runs(now, 4)
        .into_iter()
        .map(|(id, run)| format!("{} {}", run.at.strftime("%d %H:%M"), id))
        .collect();
    let expected = [
        "05 12:00 backup of b",
        "05 21:00 backup of a",
        "06 00:00 backup of b",
        "06 12:00 backup of b",
    ];
    assert_eq!(runs, expected);
}
