//! A report as one page that needs nothing else: no script, no font, no picture from elsewhere.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::charts::charts;
use super::history::Point;
use super::text::{bytes, count, duration, report_subject};
use super::{DestinationReport, RunReport};
use crate::plan::Outcome;

/// Rows of a table on a page; the JSON has all.
const MAX_ROWS: usize = 2_000;
const STYLE: &str = include_str!("page.css");

/// Makes the page of a run. `histories` are the points of earlier runs by destination, the run
/// itself included, oldest first.
pub fn report_page(
    report: &RunReport,
    histories: &[(String, Vec<Point>)],
    zone: &TimeZone,
) -> String {
    let mut body = String::new();
    head(&mut body, report, zone);
    if !report.next_steps.is_empty() {
        body.push_str("<section class=\"todo\"><h2>To be done</h2><ul>");
        for step in &report.next_steps {
            let _ = write!(body, "<li>{}</li>", escape(step));
        }
        body.push_str("</ul></section>");
    }
    for destination in &report.destinations {
        let history = histories.iter().find(|(name, _)| *name == destination.name);
        let points = history.map_or(&[][..], |(_, points)| points);
        of_destination(&mut body, destination, points, zone);
    }
    hooks(&mut body, report);
    let _ = write!(
        body,
        "<footer>{} on {}</footer>",
        escape(&report.program),
        escape(&report.machine)
    );
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'\"><title>{}</title><style>{STYLE}</style></head><body><main>{body}</main>\
         </body></html>\n",
        escape(&report_subject(report))
    )
}

fn head(body: &mut String, report: &RunReport, zone: &TimeZone) {
    let (class, word) = badge(report.outcome);
    let what = report
        .work
        .map_or_else(|| "run".to_owned(), |work| work.to_string());
    let shard = report
        .shard
        .as_ref()
        .map(|shard| format!(", shard {}", escape(shard)));
    let _ = write!(
        body,
        "<header><div><h1>{}</h1><p>{} on {}, {}{}</p></div><b class=\"badge {class}\">{word}</b>\
         </header>",
        escape(&report.set),
        capital(&what),
        time(report.started_unix_ms, zone),
        duration(report.elapsed_ms()),
        shard.unwrap_or_default()
    );
}

fn badge(outcome: Option<Outcome>) -> (&'static str, &'static str) {
    match outcome {
        Some(Outcome::Success) => ("success", "Complete"),
        Some(Outcome::Warning) => ("warning", "Something missing"),
        Some(Outcome::Stopped) => ("stopped", "Stopped, continues"),
        _ => ("failure", "Failed"),
    }
}

fn of_destination(
    body: &mut String,
    destination: &DestinationReport,
    points: &[Point],
    zone: &TimeZone,
) {
    let (class, word) = badge(destination.outcome);
    let _ = write!(
        body,
        "<section><h2>{} <small>{}</small> <b class=\"badge {class}\">{word}</b></h2>",
        escape(&destination.name),
        escape(&destination.url)
    );
    if let Some(error) = &destination.error {
        let _ = write!(body, "<p class=\"error\">{}</p>", escape(error));
    }
    tiles(body, destination);
    let _ = write!(body, "<div class=\"charts\">{}</div>", charts(points, zone));
    if let Some(backup) = &destination.backup {
        mailboxes(body, destination, backup);
        failures(body, backup);
        gaps(body, backup);
    }
    if let Some(check) = &destination.check {
        let damaged = check.objects_damaged.iter().chain(&check.snapshots_damaged);
        let rows: Vec<_> = damaged
            .map(|d| [d.object.clone(), d.what.clone()])
            .collect();
        table(body, "Damage", &["Object", "What is wrong"], &rows, true);
    }
    body.push_str("</section>");
}

fn tiles(body: &mut String, destination: &DestinationReport) {
    let mut tiles = String::new();
    let mut tile = |value: String, label: &str| {
        let _ = write!(
            tiles,
            "<div><strong>{value}</strong><span>{label}</span></div>"
        );
    };
    if let Some(size) = destination.size {
        tile(bytes(size.stored_bytes), "in the repository");
        tile(count(size.snapshots), "snapshots");
    }
    if let Some(backup) = &destination.backup {
        let sum = |of: fn(&engine::MailboxReport) -> u64| backup.mailboxes.iter().map(of).sum();
        let (items, read): (u64, u64) = (sum(|m| m.items_downloaded), sum(|m| m.bytes_downloaded));
        tile(count(items), "new items");
        tile(bytes(read), "read");
        tile(bytes(backup.bytes_stored), "stored");
        tile(rate(read, backup.elapsed_ms), "from the server");
        tile(
            duration(destination.traffic.waited_ms),
            "waited for the server",
        );
        let failed = backup.failures.len() as u64;
        tile(
            count(failed),
            if failed == 1 {
                "item failed"
            } else {
                "items failed"
            },
        );
    }
    if let Some(check) = &destination.check {
        tile(count(check.objects), "objects checked");
        tile(count(check.items), "item versions looked up");
    }
    if let Some(drill) = &destination.drill {
        let sum = |of: fn(&engine::DrilledSnapshot) -> u64| drill.snapshots.iter().map(of).sum();
        let (tried, equal): (u64, u64) = (sum(|line| line.sampled), sum(|line| line.equal));
        tile(count(tried), "items restored as a drill");
        tile(count(equal), "of them equal");
    }
    if let Some(retention) = &destination.retention {
        tile(count(retention.snapshots_forgotten), "snapshots forgotten");
        tile(bytes(retention.deleted_bytes), "given back");
    }
    if !tiles.is_empty() {
        let _ = write!(body, "<div class=\"tiles\">{tiles}</div>");
    }
}

fn rate(read: u64, ms: u64) -> String {
    let per_second = read.saturating_mul(1000).checked_div(ms).unwrap_or(0);
    format!("{}/s", bytes(per_second))
}

fn mailboxes(body: &mut String, destination: &DestinationReport, backup: &engine::BackupReport) {
    let rows: Vec<_> = backup
        .mailboxes
        .iter()
        .map(|mailbox| {
            let state = match (&mailbox.error, mailbox.complete) {
                (Some(error), _) => error.clone(),
                (None, true) => "complete".to_owned(),
                (None, false) => "partial".to_owned(),
            };
            [
                mailbox.mailbox.clone(),
                count(mailbox.folders),
                count(mailbox.items),
                count(mailbox.items_downloaded),
                count(mailbox.items_flagged),
                count(mailbox.items_deleted),
                bytes(mailbox.bytes_downloaded),
                state,
            ]
        })
        .collect();
    let headings = [
        "Mailbox", ">Folders", ">Items", ">New", ">Flags", ">Gone", ">Read", "State",
    ];
    table(body, "Mailboxes", &headings, &rows, true);
    let rows: Vec<_> = destination
        .folders
        .iter()
        .map(|folder| {
            [
                folder.mailbox.clone(),
                folder.path.clone(),
                count(folder.items),
                bytes(folder.bytes),
            ]
        })
        .collect();
    let headings = ["Mailbox", "Folder", ">Items", ">Size"];
    table(
        body,
        "Folders of the mailboxes that changed",
        &headings,
        &rows,
        false,
    );
}

fn failures(body: &mut String, backup: &engine::BackupReport) {
    let rows: Vec<_> = backup
        .failures
        .iter()
        .map(|failure| {
            [
                failure.mailbox.clone(),
                failure.folder.clone(),
                failure.subject.clone(),
                failure.reason.clone(),
            ]
        })
        .collect();
    let headings = ["Mailbox", "Folder", "Subject", "Reason"];
    table(body, "Items that could not be read", &headings, &rows, true);
}

fn gaps(body: &mut String, backup: &engine::BackupReport) {
    let rows: Vec<_> = backup
        .gaps
        .iter()
        .map(|gap| [gap.mailbox.clone(), gap.what.clone(), gap.reason.clone()])
        .collect();
    table(
        body,
        "Not covered",
        &["Mailbox", "What", "Why"],
        &rows,
        false,
    );
}

fn hooks(body: &mut String, report: &RunReport) {
    let rows: Vec<_> = report
        .hooks
        .iter()
        .map(|hook| [hook.when.clone(), hook.program.clone(), hook.ended.clone()])
        .collect();
    table(
        body,
        "Hooks",
        &["When", "Program", "How it ended"],
        &rows,
        false,
    );
}

/// A table that can be folded; nothing where there are no rows. Headings that begin with `>` stand
/// above numbers.
fn table<const N: usize>(
    body: &mut String,
    title: &str,
    headings: &[&str; N],
    rows: &[[String; N]],
    open: bool,
) {
    if rows.is_empty() {
        return;
    }
    let open = if open { " open" } else { "" };
    let _ = write!(
        body,
        "<details{open}><summary>{title} <span>{}</span></summary><div class=\"wide\"><table><tr>",
        count(rows.len() as u64)
    );
    let class = |heading: &str| {
        if heading.starts_with('>') {
            " class=\"n\""
        } else {
            ""
        }
    };
    for heading in headings {
        let text = heading.trim_start_matches('>');
        let _ = write!(body, "<th{}>{text}</th>", class(heading));
    }
    body.push_str("</tr>");
    for row in rows.iter().take(MAX_ROWS) {
        body.push_str("<tr>");
        for (cell, heading) in row.iter().zip(headings) {
            let _ = write!(body, "<td{}>{}</td>", class(heading), escape(cell));
        }
        body.push_str("</tr>");
    }
    body.push_str("</table></div>");
    if rows.len() > MAX_ROWS {
        let more = count((rows.len() - MAX_ROWS) as u64);
        let _ = write!(
            body,
            "<p class=\"quiet\">and {more} more: see the JSON report</p>"
        );
    }
    body.push_str("</details>");
}

fn time(unix_ms: i64, zone: &TimeZone) -> String {
    Timestamp::from_millisecond(unix_ms)
        .map(|time| {
            time.to_zoned(zone.clone())
                .strftime("%-d %B %Y, %H:%M")
                .to_string()
        })
        .unwrap_or_default()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// Foreign text as text of HTML. Characters that turn the direction of writing are taken out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
