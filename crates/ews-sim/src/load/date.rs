//! Dates of mail headers, as RFC 5322 has them and as old and broken software wrote them.

use jiff::civil::{Date, Time};

use super::zone::{civil, utc_seconds};

/// Longest value looked at, in characters; dates are short.
const MAX_CHARS: usize = 200;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
/// Zone names of RFC 822 in hours from UTC.
const ZONES: &[(&str, i64)] = &[
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("CET", 1),
    ("CEST", 2),
    ("MET", 1),
    ("MEST", 2),
    ("JST", 9),
];

/// Seconds since 1970. Day, month name and year may stand in any order, the time may lack its
/// seconds, and a time without a known zone counts as UTC. `None` where there is no date.
pub(crate) fn parse(value: &str) -> Option<i64> {
    let value: String = value.chars().take(MAX_CHARS).collect();
    let text = without_comments(&value);
    if let Some((local, _)) = text.split_whitespace().next().and_then(iso) {
        return Some(local);
    }
    let mut found = Parts::default();
    for token in text.split([' ', '\t', '\r', '\n', ',']) {
        found.token(token.trim());
    }
    found.seconds()
}

/// `2003-07-01T10:52:37+02:00`.
fn iso(token: &str) -> Option<(i64, bool)> {
    let (date, time) = token.split_once('T')?;
    let at = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(at)?;
    let (local, _) = civil(&format!("{date}T{clock}"))?;
    let offset = zone_seconds(&zone.replace(':', "")).unwrap_or(0);
    Some((utc_seconds(local) - offset, true))
}

#[derive(Debug, Default)]
struct Parts {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    time: Option<(i8, i8, i8)>,
    afternoon: Option<bool>,
    offset: Option<i64>,
}

impl Parts {
    fn token(&mut self, token: &str) {
        if token.is_empty() {
        } else if self.time.is_none() && token.contains(':') {
            self.time = clock(token);
        } else if self.time.is_some() && self.offset.is_none() && zone_seconds(token).is_some() {
            self.offset = zone_seconds(token);
        } else if token.eq_ignore_ascii_case("AM") || token.eq_ignore_ascii_case("PM") {
            self.afternoon = Some(token.eq_ignore_ascii_case("PM"));
        } else if token.contains('-') {
            // 20-Aug-1995.
            token.split('-').for_each(|piece| self.date_token(piece));
        } else {
            self.date_token(token);
        }
    }

    fn date_token(&mut self, token: &str) {
        let start = token.get(..3).unwrap_or_default().to_ascii_lowercase();
        if let Some(number) = token.parse::<i16>().ok().filter(|n| *n >= 0) {
            let small = i8::try_from(number).ok().filter(|n| (1..=31).contains(n));
            match (small, self.day) {
                (Some(day), None) if token.len() <= 2 => self.day = Some(day),
                _ if self.year.is_none() => self.year = Some(full_year(number)),
                _ => {}
            }
        } else if self.month.is_none()
            && let Some(at) = MONTHS.iter().position(|month| *month == start)
        {
            self.month = i8::try_from(at + 1).ok();
        }
    }

    fn seconds(&self) -> Option<i64> {
        let date = Date::new(self.year?, self.month?, self.day?).ok()?;
        let (mut hour, minute, second) = self.time.unwrap_or_default();
        match self.afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let time = Time::new(hour, minute, second, 0).ok()?;
        Some(utc_seconds(date.to_datetime(time)) - self.offset.unwrap_or(0))
    }
}

/// Two digits are 1950 to 2049 (RFC 5322, 4.3); three, also with a leading zero, count from 1900,
/// as software wrote that was not ready for 2000.
fn full_year(year: i16) -> i16 {
    match year {
        0..=49 => 2000 + year,
        50..=999 => 1900 + year,
        _ => year,
    }
}

fn clock(token: &str) -> Option<(i8, i8, i8)> {
    let mut fields = token
        .split([':', '.'])
        .map(|field| field.parse::<i8>().ok());
    let hour = fields.next()??;
    let minute = fields.next()??;
    // A leap second is shown as the second before it.
    let second = fields.next().flatten().unwrap_or(0).min(59);
    Some((hour, minute, second))
}

fn zone_seconds(token: &str) -> Option<i64> {
    if ["Z", "UT", "UTC", "GMT"]
        .iter()
        .any(|z| token.eq_ignore_ascii_case(z))
    {
        return Some(0);
    }
    if let Some((_, hours)) = ZONES.iter().find(|(z, _)| token.eq_ignore_ascii_case(z)) {
        return Some(hours * 3_600);
    }
    let (sign, digits) = match token.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if !(3..=4).contains(&digits.len()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    Some(sign * (number / 100 * 3_600 + number % 100 * 60))
}

fn without_comments(value: &str) -> String {
    let mut depth = 0;
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = (depth - 1).max(0),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(value: &str, expected: &str) {
        let expected: jiff::Timestamp = expected.parse().unwrap();
        assert_eq!(super::parse(value), Some(expected.as_second()), "{value}");
    }

    #[test]
    fn dates_as_they_are_written_are_understood() {
        check("Fri, 02 Feb 2024 10:00:00 +0100", "2024-02-02T09:00:00Z");
        check("2 Feb 2024 10:00 GMT", "2024-02-02T10:00:00Z");
        check("Wed, 20 Dec 95 19:59 CST", "1995-12-21T01:59:00Z");
        check("Mon, 21 Aug 95 13:30:57 -600", "1995-08-21T19:30:57Z");
        check("Fri, 23 Aug 2002 19:27:52", "2002-08-23T19:27:52Z");
        check("Thursday, April 09, 2003 9:00 PM", "2003-04-09T21:00:00Z");
        check("Thu, 22 Aug 0102 12:07:35 +0800", "2002-08-22T04:07:35Z");
        check("2003-07-01T10:52:37+02:00", "2003-07-01T08:52:37Z");
        check(
            "Thu, 13 Feb 1969 23:32:54 (a (b) c) -0330",
            "1969-02-14T03:02:54Z",
        );
        check(" 20-Aug-1995 1:02:03 UT\r\n", "1995-08-20T01:02:03Z");
    }

    #[test]
    fn what_is_no_date_gives_none() {
        for value in [
            "",
            "Whenever",
            "99 Feb 2024 10:00:00 GMT",
            "Feb 2024",
            "1 Jan 2024 99:00",
        ] {
            assert_eq!(super::parse(value), None, "{value}");
        }
    }
}
