//! Occurrences that differ from their series: in the file events of the same UID with a
//! RECURRENCE-ID ([MS-OXCICAL] 2.1.3.1.1.20.20), in the store a part of the recurrence and a hidden
//! attachment each ([MS-OXOCAL] 2.2.1.44.2 and 2.2.10).

use fasttransfer::{Attachment, FileTime, Message, PropId, PropValue, PropertyBag, named, tag};
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

use super::super::content_line::Component;
use super::super::props::{file_time, put_i32, put_str, put_time};
use super::super::recur::minutes_at;
use super::super::zone::{Zones, civil, utc_seconds};
use super::{Times, put_common, put_times};

/// Most modified occurrences read of a series.
const MAX_EXCEPTIONS: usize = 1_000;
/// The class of an exception's embedded message ([MS-OXOCAL] 2.2.10.1.1).
const CLASS: &str = "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}";
/// PidTagAttachMethod: an embedded message.
const EMBEDDED: i32 = 5;
/// PidTagAttachmentFlags: an exception.
const AF_EXCEPTION: i32 = 2;
/// OverrideFlags.
const ARO_SUBJECT: u16 = 0x0001;
const ARO_LOCATION: u16 = 0x0010;

/// Whether an attachment holds a changed occurrence.
pub(crate) fn is_exception(attachment: &Attachment) -> bool {
    attachment.props.i32(tag::ATTACHMENT_FLAGS).unwrap_or(0) & AF_EXCEPTION != 0
        && attachment.embedded.is_some()
}

/// A modified occurrence; times are local to the series.
#[derive(Debug)]
pub(crate) struct Exception {
    original: DateTime,
    pub(crate) start: DateTime,
    pub(crate) end: DateTime,
    subject: Option<String>,
    location: Option<String>,
    message: Message,
}

/// The modified occurrences of a series, in the order of their original times.
pub(super) fn read(calendar: &Component, master: &Component, times: &Times) -> Vec<Exception> {
    if master.line("RRULE").is_none() {
        return Vec::new();
    }
    let uid = master.text("UID");
    let mut found: Vec<Exception> = calendar
        .children
        .iter()
        .filter(|event| event.name == "VEVENT" && event.text("UID") == uid)
        .filter_map(|event| read_one(calendar, master, event, times))
        .take(MAX_EXCEPTIONS)
        .collect();
    found.sort_by_key(|exception| exception.original);
    found.dedup_by_key(|exception| exception.original);
    found
}

fn read_one(
    calendar: &Component,
    master: &Component,
    event: &Component,
    series: &Times,
) -> Option<Exception> {
    let replaced = event.line("RECURRENCE-ID")?;
    let (original, is_utc) = civil(&replaced.value)?;
    let offset = utc_seconds(series.local_start?) - series.start?;
    let zones = Zones::read(calendar);
    let utc = |local: DateTime| zones.to_utc(series.zone.as_deref(), local);
    let local = |seconds: i64| {
        // As far from UTC as the series begins, or an hour more or less: clocks may have changed.
        let far = [offset, offset + 3_600, offset - 3_600].into_iter();
        let mut times = far.filter_map(|offset| {
            let since = SignedDuration::from_secs(seconds + offset);
            DateTime::from(Date::constant(1970, 1, 1))
                .checked_add(since)
                .ok()
        });
        times.find(|time| utc(*time) == seconds)
    };
    let original = match is_utc {
        true => local(utc_seconds(original))?,
        false => original,
    };
    let own = Times::read(calendar, event);
    let start = own.local_start.filter(|_| own.zone == series.zone);
    let start = start.or_else(|| local(own.start?))?;
    let end = start
        .checked_add(SignedDuration::from_mins(own.minutes()))
        .ok()?;
    let differs = |name: &str| {
        let text = event.text(name)?;
        (master.text(name).as_deref() != Some(&*text)).then_some(text)
    };
    let mut message = Message::default();
    put_common(&mut message.props, event);
    put_times(&mut message.props, &own);
    let props = &mut message.props;
    put_str(props, tag::MESSAGE_CLASS, CLASS);
    put_time(props, named::EXCEPTION_REPLACE_TIME, utc(original));
    let location = event.text("LOCATION");
    put_str(
        props,
        named::LOCATION,
        location.as_deref().unwrap_or_default(),
    );
    Some(Exception {
        original,
        start,
        end,
        subject: differs("SUMMARY"),
        location: differs("LOCATION"),
        message,
    })
}

impl Exception {
    /// The day of the occurrence that it stands for.
    pub(crate) fn original_date(&self) -> Date {
        self.original.date()
    }

    /// Reads the embedded message of an exception; `local` tells the series' time, `master` what
    /// the series has.
    pub(crate) fn of(
        message: &Message,
        local: impl Fn(u64) -> DateTime,
        master: &PropertyBag,
    ) -> Option<Exception> {
        let props = &message.props;
        let original = local(props.time(&named::EXCEPTION_REPLACE_TIME)?.0);
        let start = props.time(&named::APPOINTMENT_START_WHOLE);
        let end = props.time(&named::APPOINTMENT_END_WHOLE);
        let start = start.map_or(original, |time| local(time.0));
        let differs = |id: PropId| {
            let text = props.text(id.clone())?.into_owned();
            (master.text(id).as_deref() != Some(text.as_str())).then_some(text)
        };
        let mut message = message.clone();
        put_str(&mut message.props, tag::MESSAGE_CLASS, CLASS);
        Some(Exception {
            original,
            start,
            end: end.map_or(start, |time| local(time.0)).max(start),
            subject: differs(PropId::Tag(tag::SUBJECT)),
            location: differs(PropId::from(&named::LOCATION)),
            message,
        })
    }

    /// Lays what is known of the occurrence over its series' properties.
    pub(crate) fn overlay(&self, occurrence: &mut Message) {
        for property in self.message.props.iter() {
            if property.id != PropId::Tag(tag::MESSAGE_CLASS) {
                occurrence
                    .props
                    .set(property.id.clone(), property.value.clone());
            }
        }
        // Either form of the body stands for all of it.
        let own = |id: u16| self.message.props.contains(id);
        if own(tag::BODY) != own(tag::HTML) {
            let stale = if own(tag::BODY) { tag::HTML } else { tag::BODY };
            occurrence.props.remove(stale);
        }
    }

    /// The attachment that holds what differs.
    pub(crate) fn attachment(&self) -> Attachment {
        let mut attachment = Attachment {
            embedded: Some(Box::new(self.message.clone())),
            ..Attachment::default()
        };
        let props = &mut attachment.props;
        put_i32(props, tag::ATTACH_METHOD, EMBEDDED);
        put_i32(props, tag::ATTACHMENT_FLAGS, AF_EXCEPTION);
        props.set(tag::ATTACHMENT_HIDDEN, PropValue::Boolean(true));
        let name = self.message.props.text(tag::SUBJECT).unwrap_or_default();
        put_str(props, tag::DISPLAY_NAME, &name);
        for (id, time) in [
            (tag::EXCEPTION_START_TIME, self.start),
            (tag::EXCEPTION_END_TIME, self.end),
        ] {
            // Local times, written as if they were UTC.
            props.set(id, file_time(utc_seconds(time)).unwrap_or(FileTime(0)));
        }
        attachment
    }

    fn overrides(&self) -> u16 {
        let flag = |text: &Option<String>, flag| if text.is_some() { flag } else { 0 };
        flag(&self.subject, ARO_SUBJECT) | flag(&self.location, ARO_LOCATION)
    }

    fn times(&self) -> Option<[u32; 3]> {
        Some([
            minutes_at(self.start)?,
            minutes_at(self.end)?,
            minutes_at(self.original)?,
        ])
    }
}

/// Writes ExceptionCount, ExceptionInfo, ReservedBlock1Size, ExtendedException and
/// ReservedBlock2Size.
pub(crate) fn write(exceptions: &[Exception], out: &mut Vec<u8>) -> Option<()> {
    let mut sorted: Vec<&Exception> = exceptions.iter().collect();
    sorted.sort_by_key(|exception| exception.start);
    out.extend(u16::try_from(sorted.len()).ok()?.to_le_bytes());
    for exception in &sorted {
        for time in exception.times()? {
            out.extend(time.to_le_bytes());
        }
        out.extend(exception.overrides().to_le_bytes());
        for text in [&exception.subject, &exception.location]
            .into_iter()
            .flatten()
        {
            let narrow: Vec<u8> = text
                .chars()
                .map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?'))
                .collect();
            let length = u16::try_from(narrow.len()).ok()?;
            out.extend(length.checked_add(1)?.to_le_bytes());
            out.extend(length.to_le_bytes());
            out.extend(narrow);
        }
    }
    out.extend([0; 4]);
    for exception in &sorted {
        // ChangeHighlight of four bytes, nothing highlighted; an empty ReservedBlockEE1.
        out.extend([4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        if exception.overrides() == 0 {
            continue;
        }
        for time in exception.times()? {
            out.extend(time.to_le_bytes());
        }
        for text in [&exception.subject, &exception.location]
            .into_iter()
            .flatten()
        {
            let wide: Vec<u16> = text.encode_utf16().collect();
            out.extend(u16::try_from(wide.len()).ok()?.to_le_bytes());
            out.extend(wide.iter().flat_map(|unit| unit.to_le_bytes()));
        }
        out.extend([0; 4]);
    }
    out.extend([0; 4]);
    Some(())
}
