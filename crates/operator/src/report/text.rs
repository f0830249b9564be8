//! A report as a few lines of text: for logs, mails and terminals.

use super::{DestinationReport, RetentionLine, RunReport};
use crate::plan::{Outcome, Work};

/// Failures that are named in text; pages and JSON name all.
const MAX_NAMED: usize = 20;

/// A report in one line: the subject of a mail.
pub fn report_subject(report: &RunReport) -> String {
    let what = report.work.unwrap_or(Work::Backup);
    let outcome = match report.outcome {
        Some(Outcome::Success) => "is complete",
        Some(Outcome::Warning) => "has something missing",
        Some(Outcome::Stopped) => "was stopped and will be continued",
        _ => "FAILED",
    };
    format!("{what} of {} {outcome}{}", report.set, essence(report))
}

fn essence(report: &RunReport) -> String {
    if let Some(error) = &report.error {
        return format!(": {error}");
    }
    let errors = report.destinations.iter().filter_map(|d| d.error.as_ref());
    if let Some(error) = errors.into_iter().next() {
        return format!(": {error}");
    }
    let mut retentions = report.destinations.iter();
    if let Some(retention) = retentions.find_map(|d| d.retention.as_ref()) {
        return format!(
            ": {} snapshots forgotten, {} stay, {} given back",
            count(retention.snapshots_forgotten),
            count(retention.snapshots_kept),
            bytes(retention.deleted_bytes)
        );
    }
    let backups: Vec<_> = report
        .destinations
        .iter()
        .filter_map(|d| d.backup.as_ref())
        .collect();
    let Some(first) = backups.first() else {
        return match &report.shard {
            Some(shard) if report.destinations.is_empty() => {
                format!(": no mailbox belongs to shard {shard}")
            }
            _ => String::new(),
        };
    };
    // Destinations may lie behind one another: what is new is what is new to one of them.
    let of = |backup: &&engine::BackupReport| -> u64 {
        backup.mailboxes.iter().map(|m| m.items_downloaded).sum()
    };
    let items = backups.iter().map(of).max().unwrap_or(0);
    let stored: u64 = backups.iter().map(|backup| backup.bytes_stored).sum();
    format!(
        ": {} from {}, {} stored",
        counted(items, "new item", "new items"),
        counted(first.mailboxes.len() as u64, "mailbox", "mailboxes"),
        bytes(stored)
    )
}

/// A report as text.
pub fn report_text(report: &RunReport) -> String {
    let mut text = report_subject(report);
    text.push_str(&format!(", in {}\n", duration(report.elapsed_ms())));
    if !report.next_steps.is_empty() {
        text.push_str("\nTo be done:\n");
        for step in &report.next_steps {
            text.push_str(&format!("- {step}\n"));
        }
    }
    for destination in &report.destinations {
        text.push_str(&of_destination(destination));
    }
    text
}

fn of_copy(destination: &DestinationReport) -> String {
    let mut text = String::new();
    if let Some(copy) = &destination.copy {
        text.push_str(&format!(
            "  copied from {}: {} snapshots, {} items ({}), {} stored\n",
            copy.from,
            count(copy.snapshots),
            count(copy.items),
            bytes(copy.bytes),
            bytes(copy.bytes_stored)
        ));
        for failure in copy.failures.iter().take(MAX_NAMED) {
            let subject = &failure.subject;
            text.push_str(&format!("  not copied: {subject}: {}\n", failure.reason));
        }
    }
    text
}

fn of_destination(destination: &DestinationReport) -> String {
    let mut text = format!("\n{} ({})\n", destination.name, destination.url);
    if let Some(error) = &destination.error {
        text.push_str(&format!("  {error}\n"));
    }
    text.push_str(&of_copy(destination));
    if let Some(check) = &destination.check {
        text.push_str(&format!(
            "  checked {} objects, {} snapshots, {} item versions\n",
            count(check.objects),
            count(check.snapshots),
            count(check.items)
        ));
    }
    if let Some(drill) = &destination.drill {
        text.push_str(&of_drill(drill));
    }
    if let Some(retention) = &destination.retention {
        text.push_str(&of_retention(retention));
        text.push_str(&format!("  {}\n", held(destination)));
    }
    let Some(backup) = &destination.backup else {
        return text;
    };
    for mailbox in &backup.mailboxes {
        let line = match &mailbox.error {
            Some(error) => format!("not backed up: {error}"),
            None => format!(
                "{} items, {} new, {} gone, {} read",
                count(mailbox.items),
                count(mailbox.items_downloaded),
                count(mailbox.items_deleted),
                bytes(mailbox.bytes_downloaded)
            ),
        };
        text.push_str(&format!("  {}: {line}\n", mailbox.mailbox));
    }
    text.push_str(&format!(
        "  {} stored, {} were there already; {}\n",
        bytes(backup.bytes_stored),
        bytes(backup.bytes_deduplicated),
        held(destination)
    ));
    if destination.traffic.waits > 0 {
        text.push_str(&format!(
            "  the server made us wait {} times, {} in all\n",
            count(destination.traffic.waits),
            duration(destination.traffic.waited_ms)
        ));
    }
    for failure in backup.failures.iter().take(MAX_NAMED) {
        text.push_str(&format!(
            "  not read: {} {} \"{}\": {}\n",
            failure.mailbox, failure.folder, failure.subject, failure.reason
        ));
    }
    if backup.failures.len() > MAX_NAMED {
        let more = backup.failures.len() - MAX_NAMED;
        text.push_str(&format!("  and {} more\n", count(more as u64)));
    }
    text
}

fn counted(number: u64, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", count(number))
}

fn held(destination: &DestinationReport) -> String {
    let stored = destination.size.map_or(0, |size| size.stored_bytes);
    format!("the repository holds {}", bytes(stored))
}

fn of_drill(drill: &engine::Drill) -> String {
    let mut text = String::new();
    for line in &drill.snapshots {
        text.push_str(&format!(
            "  {}: {} of {} items restored into {}, {} equal\n",
            line.mailbox,
            count(line.sampled),
            count(line.items),
            drill.place,
            count(line.equal)
        ));
        for failure in line.failures.iter().take(MAX_NAMED) {
            text.push_str(&format!(
                "    {} \"{}\": {}\n",
                failure.folder, failure.subject, failure.reason
            ));
        }
        if let Some(error) = &line.error {
            text.push_str(&format!("    {error}\n"));
        }
    }
    text
}

fn of_retention(retention: &RetentionLine) -> String {
    let mut text = format!(
        "  {} snapshots forgotten, {} stay; {} holds in force\n",
        count(retention.snapshots_forgotten),
        count(retention.snapshots_kept),
        count(retention.holds)
    );
    if retention.item_versions_kept > 0 {
        text.push_str(&format!(
            "  {} versions of items stay without their snapshots\n",
            count(retention.item_versions_kept)
        ));
    }
    text.push_str(&match retention.prune_waits {
        true => "  a backup is running: the next time gives the space back\n".to_owned(),
        false => format!("  {} given back\n", bytes(retention.deleted_bytes)),
    });
    text
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in decimal units.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let rounded = format!("{size:.1}");
    let shown = match size < 99.95 && !rounded.ends_with(".0") {
        true => rounded,
        false => format!("{size:.0}"),
    };
    format!("{shown} {}", UNITS[unit])
}

/// A length of time.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let part = |number: u64, unit: &str| match number {
        0 => String::new(),
        number => format!(" {number} {unit}"),
    };
    match seconds {
        0 => format!("{ms} ms"),
        1..10 if !ms.is_multiple_of(1000) => format!("{:.1} s", ms as f64 / 1000.0),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min{}", seconds / 60, part(seconds % 60, "s")),
        _ => format!("{} h{}", seconds / 3600, part(seconds / 60 % 60, "min")),
    }
}
