//! The page of a report, as a real browser draws it.
//!
//! The pictures stay in `ci-output/reports` for people to look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::tz::TimeZone;
use operator::{DestinationReport, Outcome, Point, RunReport, Work, report_page};
use tempfile::TempDir;

/// Sixty days of runs.
fn points() -> Vec<Point> {
    let mut points = Vec::new();
    for n in 0..60_u64 {
        let busy = if n % 7 < 5 { 3 } else { 1 };
        points.push(Point {
            time_unix_ms: 1_790_000_000_000 + i64::try_from(n).unwrap() * 86_400_000,
            outcome: Some(match n {
                41 => Outcome::Failure,
                59 => Outcome::Warning,
                17 => Outcome::Stopped,
                _ => Outcome::Success,
            }),
            elapsed_ms: 400_000 + busy * 210_000 + (n * 7919 % 97) * 2_000,
            size_bytes: Some(140_000_000_000 + n * 790_000_000 + (n * n) * 3_000_000),
            stored_bytes: busy * 260_000_000 + (n * 6131 % 89) * 1_000_000,
            deduplicated_bytes: busy * 700_000_000 + (n * 2311 % 83) * 2_000_000,
            failures: match n {
                41 => 9,
                59 => 2,
                20 => 1,
                _ => 0,
            },
        });
    }
    points
}

/// A report and its history as a set of some years has them, with a failed item.
fn example() -> (RunReport, Vec<(String, Vec<Point>)>) {
    let mut backup = engine::BackupReport {
        bytes_stored: 812_000_000,
        bytes_deduplicated: 2_310_000_000,
        elapsed_ms: 1_312_000,
        ..engine::BackupReport::default()
    };
    for (n, name) in ["alice", "bob", "carol", "public folders"]
        .iter()
        .enumerate()
    {
        let n = n as u64 + 1;
        backup.mailboxes.push(engine::MailboxReport {
            mailbox: format!("{name}@example.com"),
            complete: n != 3,
            folders: 20 + n,
            items: 48_211 * n,
            items_downloaded: 312 * n,
            items_flagged: 87 * n,
            items_deleted: 12 * n,
            bytes_downloaded: 91_000_000 * n,
            error: (n == 4).then(|| "access is denied: <no right>".to_owned()),
            ..engine::MailboxReport::default()
        });
    }
    backup.failures.push(engine::ItemFailure {
        mailbox: "carol@example.com".into(),
        folder: "Inbox/Projekte/Brücke".into(),
        subject: "RE: <b>Angebot</b> & \"Preise\"".into(),
        reason: "ErrorItemCorrupt: the store cannot read it".into(),
        ..engine::ItemFailure::default()
    });
    let points = points();
    let mut report = RunReport {
        set: "office".into(),
        work: Some(Work::Backup),
        machine: "backup-1".into(),
        program: "postkeep".into(),
        started_unix_ms: points[59].time_unix_ms,
        ended_unix_ms: points[59].time_unix_ms + 1_312_000,
        outcome: Some(Outcome::Warning),
        next_steps: vec![
            "public folders@example.com was not backed up: access is denied. Grant the right in \
             the Exchange Management Shell: New-ManagementRoleAssignment -Name postkeep -Role \
             ApplicationImpersonation -User ACCOUNT"
                .into(),
            "1 item could not be read. The next run tries it again.".into(),
        ],
        ..RunReport::default()
    };
    report.destinations.push(DestinationReport {
        name: "main".into(),
        url: "s3://backup-bucket/office".into(),
        outcome: Some(Outcome::Warning),
        backup: Some(backup),
        size: Some(operator::RepositorySize {
            stored_bytes: points[59].size_bytes.unwrap(),
            chunks: 2_100_000,
            snapshots: 1_461,
        }),
        ..DestinationReport::default()
    });
    (report, vec![("main".into(), points)])
}

/// The first run of a set, which went well: there is nothing to draw yet.
fn first() -> (RunReport, Vec<(String, Vec<Point>)>) {
    let (mut report, _) = example();
    report.outcome = Some(Outcome::Success);
    report.next_steps.clear();
    let destination = &mut report.destinations[0];
    destination.outcome = Some(Outcome::Success);
    let backup = destination.backup.as_mut().unwrap();
    backup.failures.clear();
    backup.mailboxes.truncate(2);
    (report, vec![("main".into(), points()[..1].to_vec())])
}

/// A run that could do nothing, whose destination could not be opened.
fn failed() -> (RunReport, Vec<(String, Vec<Point>)>) {
    let (mut report, mut histories) = example();
    report.outcome = Some(Outcome::Failure);
    report.next_steps = vec!["Mount /srv/backup, then run it again.".into()];
    report.destinations[0] = DestinationReport {
        name: "main".into(),
        url: "/srv/backup".into(),
        outcome: Some(Outcome::Failure),
        error: Some("open /srv/backup: there is no repository".into()),
        ..DestinationReport::default()
    };
    let last = histories[0].1.last_mut().unwrap();
    last.outcome = Some(Outcome::Failure);
    last.size_bytes = None;
    (report, histories)
}

#[test]
fn foreign_text_on_a_page_is_text() {
    let (report, histories) = example();
    let page = report_page(&report, &histories, &TimeZone::UTC);
    assert!(page.contains("RE: &lt;b&gt;Angebot&lt;/b&gt; &amp; &quot;Preise&quot;"));
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
}

/// A browser, and where it leaves pictures.
struct Browser {
    program: &'static str,
    profile: TempDir,
    folder: PathBuf,
}

impl Browser {
    /// The one that is installed; CI has one.
    fn find() -> Option<Self> {
        let programs = ["chromium", "chromium-browser", "google-chrome"];
        let is_there = |program: &&str| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let Some(program) = programs.into_iter().find(is_there) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "no Chromium to draw the report with"
            );
            return None;
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ci-output/reports");
        std::fs::create_dir_all(&folder).unwrap();
        Some(Self {
            program,
            profile: TempDir::new().unwrap(),
            folder: folder.canonicalize().unwrap(),
        })
    }

    fn page(&self, name: &str, of: &(RunReport, Vec<(String, Vec<Point>)>)) -> PathBuf {
        let page = self.folder.join(name).with_extension("html");
        std::fs::write(&page, report_page(&of.0, &of.1, &TimeZone::UTC)).unwrap();
        page
    }

    fn browse(&self, page: &Path, what: &[&str]) -> std::process::Output {
        let mut command = Command::new(self.program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu"]);
        command.args(["--hide-scrollbars", "--force-device-scale-factor=1"]);
        command.arg(format!("--user-data-dir={}", self.profile.path().display()));
        command.args(what);
        let address = format!("file://{}", page.display());
        command.arg(address).output().unwrap()
    }

    /// The bytes of a picture, `size` being `WIDTH,HEIGHT`.
    fn picture(&self, page: &Path, name: &str, (size, more): (&str, &[&str])) -> Vec<u8> {
        let picture = self.folder.join(name).with_extension("png");
        let _ = std::fs::remove_file(&picture);
        let screenshot = format!("--screenshot={}", picture.display());
        let size = format!("--window-size={size}");
        let shot = self.browse(page, &[&[&*screenshot, &*size], more].concat());
        let bytes = std::fs::read(&picture)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&shot.stderr)));
        assert!(bytes.starts_with(b"\x89PNG"), "{name}");
        bytes
    }

    fn dom(&self, page: &Path) -> String {
        String::from_utf8(self.browse(page, &["--dump-dom"]).stdout).unwrap()
    }
}

/// What makes a browser say that its user likes it dark.
const DARK: &str = "--blink-settings=preferredColorScheme=0";

#[test]
fn a_browser_draws_the_four_charts_by_day_and_by_night() {
    let Some(browser) = Browser::find() else {
        eprintln!("skipped: there is no Chromium to draw the report with");
        return;
    };
    let page = browser.page("report", &example());
    let light = browser.picture(&page, "report", ("1240,1700", &[]));
    let dark = browser.picture(&page, "report-dark", ("1240,1700", &[DARK]));
    let narrow = browser.picture(&page, "report-narrow", ("500,2600", &[]));
    for picture in [&light, &dark, &narrow] {
        assert!(picture.len() > 40_000, "{}", picture.len());
    }
    assert_ne!(light, dark, "whoever likes it dark gets it dark");
    let dom = browser.dom(&page);
    assert_eq!(dom.matches("<svg").count(), 4);
    for chart in [
        "Size of the repository",
        "Duration",
        "Deduplication",
        "Failures",
    ] {
        assert!(dom.contains(&format!("aria-label=\"{chart}\"")), "{chart}");
    }
    assert_eq!(dom.matches("<rect").count(), 60 + 120 + 3);
}

#[test]
fn a_first_run_and_a_failed_one_have_pages_too() {
    let Some(browser) = Browser::find() else {
        eprintln!("skipped: there is no Chromium to draw the report with");
        return;
    };
    let page = browser.page("first", &first());
    assert!(browser.picture(&page, "first", ("1240,900", &[])).len() > 20_000);
    let dom = browser.dom(&page);
    assert_eq!(dom.matches("<svg").count(), 0);
    assert!(dom.contains("Charts appear after the second run"));
    let page = browser.page("failed", &failed());
    assert!(
        browser
            .picture(&page, "failed", ("1240,1200", &[DARK]))
            .len()
            > 20_000
    );
    let dom = browser.dom(&page);
    assert_eq!(dom.matches("<svg").count(), 4);
    assert!(dom.contains("there is no repository") && dom.contains("Mount /srv/backup"));
    assert!(!dom.contains("in the repository"), "nobody knows its size");
}
