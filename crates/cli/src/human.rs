//! Numbers, sizes, times and texts as people read them.

use std::fmt::Display;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Characters of an item's key that tables show: unique in any folder of a realistic size.
const KEY_CHARS: usize = 12;

/// A number with its thousands apart.
pub fn count(number: u64) -> String {
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

/// A number with what is counted, which takes an s for all numbers but one.
pub fn counted(number: u64, what: &str) -> String {
    let ending = match number {
        1 => "",
        _ if what.ends_with('x') => "es",
        _ => "s",
    };
    format!("{} {what}{ending}", count(number))
}

/// A size in decimal units.
pub fn bytes(bytes: u64) -> String {
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
    let digits = usize::from(size < 99.95);
    format!("{size:.digits$} {}", UNITS[unit])
}

/// A length of time.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{:.1} s", ms as f64 / 1000.0),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// How many a second; of nothing measurable, nothing.
pub fn per_second(number: u64, ms: u64) -> u64 {
    number.saturating_mul(1000).checked_div(ms).unwrap_or(0)
}

/// A time in this machine's time zone, to the minute.
pub fn time(unix_ms: i64) -> String {
    shown(unix_ms, TimeZone::system(), "%Y-%m-%d %H:%M")
}

/// A time in a set's time zone, which it names, to the minute.
pub fn time_in(zone: &TimeZone, unix_ms: i64) -> String {
    shown(unix_ms, zone.clone(), "%Y-%m-%d %H:%M %Z")
}

fn shown(unix_ms: i64, zone: TimeZone, form: &str) -> String {
    let time = Timestamp::from_millisecond(unix_ms);
    time.map_or(String::new(), |time| {
        time.to_zoned(zone).strftime(form).to_string()
    })
}

/// The part of an item's key that tables show and commands accept.
pub fn short_key(key: &str) -> &str {
    key.get(..KEY_CHARS).unwrap_or(key)
}

/// A foreign text on one line, without anything a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if is_harmful(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A foreign text of several lines, without anything else a terminal would obey.
pub fn plain_lines(text: &str) -> String {
    let keep = |c| matches!(c, '\n' | '\t') || !is_harmful(c);
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if keep(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Control characters, and those that turn the direction of writing.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A foreign text on one line, cut off behind `chars` characters.
pub fn cut(text: &str, chars: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

/// A table with its numbers to the right.
pub struct Columns {
    table: Table,
}

impl Columns {
    /// The columns' headings; those that begin with `>` hold numbers.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(
            headings
                .iter()
                .map(|heading| heading.trim_start_matches('>')),
        );
        for (n, heading) in headings.iter().enumerate() {
            if let Some(column) = table.column_mut(n) {
                column.set_padding((0, 2));
                if heading.starts_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Self { table }
    }

    pub fn row<T: Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table
            .add_row(cells.into_iter().map(|cell| plain(&cell.to_string())));
    }
}

impl Display for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "item"), "1 item");
        assert_eq!(counted(2_000, "mailbox"), "2,000 mailboxes");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500), "1.5 kB");
        assert_eq!(bytes(123_456_789), "123 MB");
        assert_eq!(bytes(u64::MAX), "18447 PB");
        assert_eq!(duration(850), "850 ms");
        assert_eq!(duration(4_200), "4.2 s");
        assert_eq!(duration(3_723_000), "1 h 2 min");
        assert_eq!(per_second(500, 0), 0);
        assert_eq!(per_second(500, 2_000), 250);
    }

    #[test]
    fn foreign_text_cannot_command_the_terminal() {
        assert_eq!(plain("a\u{1b}]0;x\u{7}\r\nb"), "a\u{fffd}]0;x\u{fffd}  b");
        assert_eq!(plain_lines("a\r\nb\u{1b}[2J"), "a\nb\u{fffd}[2J");
        assert_eq!(cut("über alles", 4), "über…");
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let mut columns = Columns::new(&["NAME", ">ITEMS"]);
        columns.row(["Inbox", "12"]);
        assert_eq!(columns.to_string(), "NAME   ITEMS\nInbox     12\n");
    }
}
