//! The summary page of an export: one HTML file that needs nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::layout::{MANIFEST, SUMS};
use super::ledger::Head;
use super::record::Record;
use crate::report::ItemFailure;

/// Items listed on the page; browsers become slow with more, and the manifest has them all.
const MAX_ROWS: usize = 5_000;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;\
padding:0 1rem;color:#1c2733;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;\
margin-top:2rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem \
.75rem .25rem 0;border-bottom:1px solid #dde3e9;vertical-align:top;overflow-wrap:break-word}\
td:first-child{overflow-wrap:anywhere}th,td.n,td.d{white-space:nowrap}td.n,th.n{text-align:right}\
code{font-size:.8rem;color:#5a6875}a{color:#0b5cad}\
@media(prefers-color-scheme:dark){body{color:#dbe3ea;background:#12181e}a{color:#7db7f0}th,td\
{border-color:#2c3843}code{color:#93a1ae}}";

/// Writes the page.
pub(super) fn page(head: &Head, entries: &[Record], failures: &[ItemFailure]) -> String {
    let mailbox = escaped(&head.mailbox);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Export of {mailbox}</title><style>{STYLE}</style></head><body>\n\
         <h1>Export of {mailbox}</h1>\n"
    );
    let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let _ = writeln!(
        out,
        "<p>{} items, {} bytes, as {}, from the snapshot {} of {}.<br>\
         All details are in <a href=\"{MANIFEST}\">{MANIFEST}</a>; \
         <code>sha256sum -c {SUMS}</code> checks every file.</p>",
        grouped(entries.len() as u64),
        grouped(bytes),
        head.format.name(),
        escaped(&head.snapshot),
        escaped(&minute(&head.snapshot_time)),
    );
    failed(failures, &mut out);
    folders(entries, &mut out);
    items(entries, &mut out);
    out.push_str("</body></html>\n");
    out
}

fn failed(failures: &[ItemFailure], out: &mut String) {
    if failures.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "<h2>{} items could not be exported</h2>\n\
         <table><tr><th>Folder</th><th>Subject</th><th>Reason</th></tr>\n",
        failures.len()
    );
    for failure in failures.iter().take(MAX_ROWS) {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&failure.folder),
            escaped(&failure.subject),
            escaped(&failure.reason)
        );
    }
    out.push_str("</table>\n");
}

fn folders(entries: &[Record], out: &mut String) {
    let mut folders: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for entry in entries {
        let folder = folders.entry(&entry.folder).or_default();
        folder.0 += 1;
        folder.1 += entry.bytes;
    }
    out.push_str(
        "<h2>Folders</h2>\n<table><tr><th>Folder</th><th class=\"n\">Items</th>\
         <th class=\"n\">Bytes</th></tr>\n",
    );
    for (folder, (items, bytes)) in folders {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(folder),
            grouped(items),
            grouped(bytes)
        );
    }
    out.push_str("</table>\n");
}

fn items(entries: &[Record], out: &mut String) {
    out.push_str("<h2>Items</h2>\n");
    if entries.len() > MAX_ROWS {
        let _ = writeln!(out, "<p>The first {MAX_ROWS} of {}.</p>", entries.len());
    }
    out.push_str(
        "<table><tr><th>Subject</th><th>From</th><th>To</th><th>Date</th><th>Folder</th>\
         <th class=\"n\">Bytes</th></tr>\n",
    );
    for entry in entries.iter().take(MAX_ROWS) {
        let subject = match entry.subject.as_str() {
            "" => "(no subject)",
            subject => subject,
        };
        let date = entry.received.as_ref().or(entry.sent.as_ref());
        let _ = writeln!(
            out,
            "<tr><td><a href=\"{}\">{}</a>{}<br><code>{}</code></td><td>{}</td><td>{}</td>\
             <td class=\"d\">{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            link(&entry.file),
            escaped(subject),
            if entry.problem.is_some() {
                " (parts unreadable)"
            } else {
                ""
            },
            escaped(&entry.sha256),
            escaped(&entry.from),
            escaped(&entry.to),
            escaped(&minute(date.map_or("", String::as_str))),
            escaped(&entry.folder),
            grouped(entry.bytes)
        );
    }
    out.push_str("</table>\n");
}

/// A time such as 2026-11-22T16:37:07.516Z to the minute, as people write it; it is UTC.
fn minute(time: &str) -> String {
    let minute = time.get(..16).unwrap_or(time);
    minute.replacen('T', " ", 1)
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A path as a relative link: names can hold what means something else in one.
fn link(file: &str) -> String {
    let mut link = String::from("./");
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                link.push(char::from(byte));
            }
            _ => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    link
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Direction marks could make an attachment or address look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_cannot_write_into_the_page() {
        assert_eq!(
            escaped("<script>\"x\" & 'y'\u{202e}"),
            "&lt;script&gt;&quot;x&quot; &amp; &#39;y&#39;\u{fffd}"
        );
        assert_eq!(link("a b/ü#?.eml"), "./a%20b/%C3%BC%23%3F.eml");
        assert_eq!(link("javascript:x"), "./javascript%3Ax");
    }

    #[test]
    fn numbers_and_times_are_for_people() {
        let numbers = [0, 999, 1_000, 1_046_683].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,046,683"]);
        assert_eq!(minute("2026-11-22T16:37:07.516Z"), "2026-11-22 16:37");
        assert_eq!(minute(""), "");
    }
}
