//! Appointments, tasks and journal entries as iCalendar (RFC 5545; MS-OXCICAL for what goes
//! where).

mod clock;
mod common;
mod event;
mod people;
mod series;
mod task;

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::content_line::ContentLines;
use crate::{Message, PropertyBag, named};

/// What stands before a foreign UID in a global object id (MS-OXOCAL 2.2.1.27).
const VCAL_UID: &[u8] = b"vCal-Uid\x01\x00\x00\x00";
/// Where the data of a global object id begins.
const OBJECT_ID_DATA: usize = 40;

/// What a calendar file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Event,
    Task,
    Journal,
}

/// Writes an item as a calendar of one component (and its modified occurrences).
pub(crate) fn generate(message: &Message, component: Component) -> Vec<u8> {
    let mut lines = ContentLines::default();
    lines.raw("BEGIN", "VCALENDAR");
    lines.raw("PRODID", "-//Postkeep//EN");
    lines.raw("VERSION", "2.0");
    match component {
        Component::Event => event::write(message, &mut lines),
        Component::Task => task::write_task(message, &mut lines),
        Component::Journal => task::write_journal(message, &mut lines),
    }
    lines.raw("END", "VCALENDAR");
    lines.finish()
}

fn uid(props: &PropertyBag) -> Option<String> {
    let id = props
        .binary(named::CLEAN_GLOBAL_OBJECT_ID)
        .or_else(|| props.binary(named::GLOBAL_OBJECT_ID))?;
    let foreign = id
        .get(OBJECT_ID_DATA..)
        .and_then(|data| data.strip_prefix(VCAL_UID))
        .map(|uid| uid.strip_suffix(&[0]).unwrap_or(uid))
        .and_then(|uid| str::from_utf8(uid).ok());
    Some(foreign.map_or_else(|| hex(id), str::to_owned))
}

fn hex(id: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * id.len());
    for byte in id {
        let _ = write!(hex, "{byte:02X}");
    }
    hex
}

fn utc(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}
