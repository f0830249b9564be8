//! Appointments as VEVENT.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::clock::{Clock, local_time};
use super::{common, people, series, uid, utc};
use crate::content_line::ContentLines;
use crate::recurrence::{Exception, Recurrence};
use crate::{Message, NamedProp, PropValue, PropertyBag, body, named, tag};

/// Bit of PidLidAppointmentStateFlags: called off.
const CANCELLED: i32 = 4;

/// An appointment or a series, with its modified occurrences.
pub(super) fn write(message: &Message, lines: &mut ContentLines) {
    let props = &message.props;
    let code_page = props
        .i32(tag::MESSAGE_CODEPAGE)
        .and_then(|page| u16::try_from(page).ok());
    let series = props
        .binary(named::APPOINTMENT_RECUR)
        .and_then(|bytes| Recurrence::read(bytes, code_page.unwrap_or(1252)));
    let clock = Clock::of(props, series.as_ref());
    clock.write_zone(lines);
    lines.raw("BEGIN", "VEVENT");
    let id = uid(props);
    head(message, id.as_deref(), lines);
    let times = Times::of(props, series.as_ref(), &clock);
    times.write(&clock, lines);
    match &series {
        Some(series) => series::write(series, &clock, lines),
        None if props.boolean(named::RECURRING) == Some(true) => lines.optional(
            "X-POSTKEEP-RECURRENCE",
            props.text(named::RECURRENCE_PATTERN),
        ),
        None => {}
    }
    let subject = props.text(tag::SUBJECT);
    tail(
        message,
        subject.as_deref(),
        props.text(named::LOCATION).as_deref(),
        lines,
    );
    alarm(
        props.boolean(named::REMINDER_SET) == Some(true),
        props.i32(named::REMINDER_DELTA),
        lines,
    );
    lines.raw("END", "VEVENT");
    for exception in series.iter().flat_map(|series| &series.exceptions) {
        write_exception(message, exception, &clock, id.as_deref(), lines);
    }
}

/// Start and end on the item's clock.
struct Times {
    start: Option<DateTime>,
    end: Option<DateTime>,
}

impl Times {
    fn of(props: &PropertyBag, series: Option<&Recurrence>, clock: &Clock) -> Self {
        if let Some(series) = series {
            let day = series.start_date;
            return Self {
                start: series::first_start(series),
                end: day.checked_add(series.end_offset).and_then(local_time),
            };
        }
        let time = |whole: NamedProp, common: NamedProp, tagged: u16| -> Option<Timestamp> {
            props
                .time(whole)
                .or_else(|| props.time(common))
                .or_else(|| props.time(tagged))?
                .to_timestamp()
        };
        let start = time(
            named::APPOINTMENT_START_WHOLE,
            named::COMMON_START,
            tag::START_DATE,
        );
        let end = time(
            named::APPOINTMENT_END_WHOLE,
            named::COMMON_END,
            tag::END_DATE,
        );
        Self {
            start: start.map(|time| clock.local(time)),
            end: end.map(|time| clock.local(time)),
        }
    }

    fn write(&self, clock: &Clock, lines: &mut ContentLines) {
        // Start and end have to be of one kind.
        let midnight = |time: &DateTime| time.date().at(0, 0, 0, 0) == *time;
        let days = clock.all_day && self.start.iter().chain(&self.end).all(midnight);
        let clock = &Clock {
            zone: clock.zone.clone(),
            all_day: days,
        };
        for (name, time) in [("DTSTART", self.start), ("DTEND", self.end)] {
            if let Some(time) = time {
                clock.write(lines, name, time);
            }
        }
    }
}

/// What every VEVENT begins with.
fn head(message: &Message, id: Option<&str>, lines: &mut ContentLines) {
    let props = &message.props;
    if let Some(id) = id {
        lines.text("UID", id);
    }
    common::stamps(props, lines);
    let sequence = props.i32(named::APPOINTMENT_SEQUENCE);
    if let Some(sequence) = sequence.filter(|number| *number > 0) {
        lines.raw("SEQUENCE", &sequence.to_string());
    }
}

/// What the item says, and who takes part.
fn tail(
    message: &Message,
    subject: Option<&str>,
    location: Option<&str>,
    lines: &mut ContentLines,
) {
    let props = &message.props;
    lines.optional("SUMMARY", subject);
    lines.optional("LOCATION", location);
    common::texts(message, lines);
    common::labels(props, lines);
    let cancelled = props.i32(named::APPOINTMENT_STATE_FLAGS).unwrap_or(0) & CANCELLED != 0;
    let busy = props.i32(named::BUSY_STATUS);
    busy_status(busy, cancelled, lines);
    if props.boolean(named::APPOINTMENT_SUB_TYPE) == Some(true) {
        lines.raw("X-MICROSOFT-CDO-ALLDAYEVENT", "TRUE");
    }
    people::write(message, lines);
    common::attachments(message, lines);
}

fn busy_status(busy: Option<i32>, cancelled: bool, lines: &mut ContentLines) {
    if let Some(busy) = busy {
        lines.raw("TRANSP", if busy == 0 { "TRANSPARENT" } else { "OPAQUE" });
        let names = ["FREE", "TENTATIVE", "BUSY", "OOF", "WORKINGELSEWHERE"];
        let name = usize::try_from(busy).ok().and_then(|at| names.get(at));
        lines.optional("X-MICROSOFT-CDO-BUSYSTATUS", name);
    }
    match busy {
        _ if cancelled => lines.raw("STATUS", "CANCELLED"),
        Some(1) => lines.raw("STATUS", "TENTATIVE"),
        Some(2..=4) => lines.raw("STATUS", "CONFIRMED"),
        _ => {}
    }
}

fn alarm(set: bool, minutes: Option<i32>, lines: &mut ContentLines) {
    if set {
        let minutes = minutes.unwrap_or(15).max(0);
        common::alarm("TRIGGER", &format!("-PT{minutes}M"), lines);
    }
}

/// An occurrence that differs from its series, as an event that takes its place.
fn write_exception(
    master: &Message,
    exception: &Exception,
    clock: &Clock,
    id: Option<&str>,
    lines: &mut ContentLines,
) {
    let Some(original) = local_time(exception.original_start) else {
        return;
    };
    let own = embedded(master, clock.utc(original));
    let props = &master.props;
    let own_props = own.map(|own| &own.props);
    lines.raw("BEGIN", "VEVENT");
    head(own.unwrap_or(master), id, lines);
    clock.write(lines, "RECURRENCE-ID", original);
    let times = Times {
        start: local_time(exception.start),
        end: local_time(exception.end),
    };
    let own_clock = Clock {
        zone: clock.zone.clone(),
        all_day: exception.all_day.unwrap_or(clock.all_day),
    };
    times.write(&own_clock, lines);
    // What the exception does not say is as in the series.
    let mut merged = Message {
        props: props.clone(),
        ..Message::default()
    };
    for id in [tag::BODY, tag::HTML, tag::RTF_COMPRESSED] {
        if let Some(own) = own.filter(|own| body::plain(own).is_some()) {
            merged.props.remove(id);
            if let Some(value) = own.props.get(id) {
                merged.props.set(id, value.clone());
            }
        }
    }
    merged.recipients = match own {
        Some(own) if !own.recipients.is_empty() => own.recipients.clone(),
        _ => master.recipients.clone(),
    };
    merged.attachments = own.map(|own| own.attachments.clone()).unwrap_or_default();
    if let Some(busy) = exception
        .busy_status
        .and_then(|busy| i32::try_from(busy).ok())
    {
        merged.props.set(named::BUSY_STATUS, busy);
    }
    merged
        .props
        .set(named::APPOINTMENT_SUB_TYPE, own_clock.all_day);
    let text = |stated: &Option<String>, own: Option<String>, of_series: Option<String>| {
        stated.clone().or(own).or(of_series)
    };
    let read = |bag: &PropertyBag, id: &crate::PropId| {
        let value = bag.get(id.clone()).and_then(PropValue::text);
        value.map(std::borrow::Cow::into_owned)
    };
    let find = |stated: &Option<String>, id: crate::PropId| {
        let own = own_props.and_then(|bag| read(bag, &id));
        text(stated, own, read(props, &id))
    };
    let subject = find(&exception.subject, tag::SUBJECT.into());
    let location = find(&exception.location, named::LOCATION.into());
    tail(&merged, subject.as_deref(), location.as_deref(), lines);
    let set = exception
        .reminder
        .unwrap_or(props.boolean(named::REMINDER_SET) == Some(true));
    let minutes = exception
        .reminder_minutes
        .and_then(|minutes| i32::try_from(minutes).ok())
        .or_else(|| props.i32(named::REMINDER_DELTA));
    alarm(set, minutes, lines);
    lines.raw("END", "VEVENT");
}

/// The message that has what an exception changed, by the start of the occurrence it replaces.
fn embedded(master: &Message, original: Option<Timestamp>) -> Option<&Message> {
    let original = original?;
    master
        .attachments
        .iter()
        .filter_map(|attachment| attachment.embedded.as_deref())
        .find(|message| {
            let replaced = message.props.time(named::EXCEPTION_REPLACE_TIME);
            replaced.and_then(|time| time.to_timestamp()) == Some(original)
        })
}

/// A time in UTC, for what has no clock.
pub(super) fn moment(time: Option<crate::FileTime>) -> Option<String> {
    Some(utc(time?.to_timestamp()?))
}
