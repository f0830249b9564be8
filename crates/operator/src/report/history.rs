//! Reports of the past, from the repository itself.

use engine::{Result, Vault};

use super::{DestinationReport, RunReport, TOPIC};
use crate::plan::{Outcome, Work};

/// One run in a chart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// When it began, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Bytes in the repository after it, where it could be opened.
    pub size_bytes: Option<u64>,
    /// Bytes it added.
    pub stored_bytes: u64,
    /// Bytes that were there already and so were not added.
    pub deduplicated_bytes: u64,
    /// Items it could not read, and mailboxes.
    pub failures: u64,
}

impl Point {
    /// The point of a report for one of its destinations.
    pub fn of(report: &RunReport, destination: &DestinationReport) -> Self {
        let backup = destination.backup.as_ref();
        let failed_mailboxes = |backup: &engine::BackupReport| {
            backup
                .mailboxes
                .iter()
                .filter(|m| m.error.is_some())
                .count()
        };
        Self {
            time_unix_ms: report.started_unix_ms,
            outcome: destination.outcome,
            elapsed_ms: report.elapsed_ms(),
            size_bytes: destination.size.map(|size| size.stored_bytes),
            stored_bytes: backup.map_or(0, |backup| backup.bytes_stored),
            deduplicated_bytes: backup.map_or(0, |backup| backup.bytes_deduplicated),
            failures: backup.map_or(1, |backup| {
                (backup.failures.len() + failed_mailboxes(backup)) as u64
            }),
        }
    }
}

/// The last `count` reports of a repository that some function wants, oldest first. Reports that
/// cannot be read are passed over: a check names them.
///
/// # Errors
/// If the repository cannot be listed.
pub async fn recent_reports(
    vault: &Vault,
    count: usize,
    wanted: impl Fn(&RunReport) -> bool,
) -> Result<Vec<RunReport>> {
    /// Notes looked at for each report that is wanted.
    const LOOK: usize = 8;
    let mut found = Vec::new();
    let notes = vault.notes(TOPIC).await?;
    for note in notes.iter().rev().take(count.saturating_mul(LOOK)) {
        let Ok(body) = vault.read_note(note).await else {
            continue;
        };
        let Ok(report) = serde_json::from_slice::<RunReport>(&body) else {
            continue;
        };
        if wanted(&report) {
            found.push(report);
        }
        if found.len() >= count {
            break;
        }
    }
    found.sort_by_key(|report| report.started_unix_ms);
    Ok(found)
}

/// The points of a set's backups to one destination, oldest first.
///
/// # Errors
/// If the repository cannot be listed.
pub async fn history(
    vault: &Vault,
    (set, destination): (&str, &str),
    count: usize,
) -> Result<Vec<Point>> {
    let wanted = |report: &RunReport| {
        report.set == set
            && report.work == Some(Work::Backup)
            && report.destinations.iter().any(|d| d.name == destination)
    };
    let reports = recent_reports(vault, count, wanted).await?;
    let points = reports.iter().flat_map(|report| {
        let of = report.destinations.iter().filter(|d| d.name == destination);
        of.map(|destination| Point::of(report, destination))
    });
    Ok(points.collect())
}
