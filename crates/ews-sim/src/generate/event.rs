//! Generated appointments as iCalendar files.

use jiff::Timestamp;

use super::rng::Rng;
use super::words::{self, Person, TOPICS};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// An appointment on the day `time` lies in; every fifth recurs, every third has attendees.
pub(crate) fn appointment(rng: &mut Rng, seed: u64, owner: &Person, time: i64) -> Vec<u8> {
    let start = time - time.rem_euclid(DAY) + 7 * 3_600 + 1_800 * rng.below(20) as i64;
    let minutes = *rng.pick(&[30, 60, 60, 90, 240]);
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "PRODID:-//Example//Generated//EN".to_owned(),
        "VERSION:2.0".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{:016x}{:016x}@example.test", rng.next(), rng.next()),
        format!("SUMMARY:{}", rng.pick(TOPICS)),
        format!("LOCATION:Room {}", 100 + rng.below(30)),
        format!("DTSTAMP:{}", stamp(time)),
        format!("DTSTART:{}", stamp(start)),
        format!("DTEND:{}", stamp(start + 60 * minutes)),
        "SEQUENCE:0".to_owned(),
    ];
    if rng.chance(20) {
        let rule = *rng.pick(&[
            "FREQ=WEEKLY;COUNT=12",
            "FREQ=DAILY;INTERVAL=2;COUNT=5",
            "FREQ=MONTHLY;BYDAY=1MO",
            "FREQ=YEARLY",
        ]);
        lines.push(format!("RRULE:{rule}"));
    }
    if rng.chance(33) {
        lines.push(format!(
            "ORGANIZER;CN=\"{}\":mailto:{}",
            owner.name(),
            owner.address
        ));
        for _ in 0..1 + rng.below(5) {
            let guest = words::person(seed, rng.next() % 500);
            lines.push(format!(
                "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;CN=\"{}\":mailto:{}",
                guest.name(),
                guest.address
            ));
        }
    }
    if rng.chance(50) {
        let text = words::letter(rng, owner, owner).join("\\n\\n");
        lines.push(format!(
            "DESCRIPTION:{}",
            text.replace(',', "\\,").replace(';', "\\;")
        ));
    }
    for line in [
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "TRIGGER:-PT15M",
        "END:VALARM",
        "END:VEVENT",
    ] {
        lines.push(line.to_owned());
    }
    lines.push("END:VCALENDAR".to_owned());
    fold(&lines)
}

/// A task due some days after `time`; every third is done.
pub(crate) fn task(rng: &mut Rng, time: i64) -> Vec<u8> {
    let done = rng.chance(33);
    let due = time + DAY * (1 + rng.below(60) as i64);
    fold(&[
        "BEGIN:VCALENDAR".to_owned(),
        "PRODID:-//Example//Generated//EN".to_owned(),
        "VERSION:2.0".to_owned(),
        "BEGIN:VTODO".to_owned(),
        format!("UID:{:016x}{:016x}@example.test", rng.next(), rng.next()),
        format!("SUMMARY:{}", rng.pick(TOPICS)),
        format!("DTSTAMP:{}", stamp(time)),
        format!("DTSTART:{}", stamp(time)),
        format!("DUE:{}", stamp(due)),
        format!("STATUS:{}", if done { "COMPLETED" } else { "NEEDS-ACTION" }),
        format!("PRIORITY:{}", rng.pick(&[1, 5, 5, 9])),
        "END:VTODO".to_owned(),
        "END:VCALENDAR".to_owned(),
    ])
}

/// Joins lines, folding those above 75 bytes (RFC 5545, 3.1).
pub(crate) fn fold(lines: &[String]) -> Vec<u8> {
    let mut out = String::new();
    for line in lines {
        let mut width = 0;
        for c in line.chars() {
            if width + c.len_utf8() > 75 {
                out.push_str("\r\n ");
                width = 1;
            }
            out.push(c);
            width += c.len_utf8();
        }
        out.push_str("\r\n");
    }
    out.into_bytes()
}

fn stamp(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| String::new(),
        |time| time.strftime("%Y%m%dT%H%M%SZ").to_string(),
    )
}
