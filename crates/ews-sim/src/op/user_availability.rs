//! GetUserAvailability (MS-OXWAVLS 3.1.4.1): when people are busy.

use fasttransfer::{Message, NamedProp, named, tag};
use jiff::SignedDuration;
use jiff::tz::Offset;

use super::{Context, Failure, Reply};
use crate::clock::{parse_xml_time, timestamp_of};
use crate::item::{has_class, item_class};
use crate::series::Series;
use crate::sim::Mailbox;
use crate::soap::{self, Fault};
use crate::xml::{Element, XmlWriter};

/// Most mailboxes of one request, as Exchange's.
const MAX_MAILBOXES: usize = 100;
/// Longest time window, as the default policy's.
const MAX_WINDOW_TICKS: u64 = 62 * 86_400 * 10_000_000;
/// Ticks of a minute.
const MINUTE: u64 = 600_000_000;
const BUSY: [&str; 5] = ["Free", "Tentative", "Busy", "OOF", "WorkingElsewhere"];

/// What is asked of each mailbox.
struct Question {
    from: u64,
    until: u64,
    interval: u64,
    is_detailed: bool,
    is_merged_only: bool,
    /// Seconds that the asker's clocks are ahead of UTC at the window's beginning.
    offset: i64,
}

/// Something in a calendar.
struct Event {
    start: u64,
    end: u64,
    busy: i32,
    subject: String,
    location: String,
    is_meeting: bool,
    is_recurring: bool,
    is_exception: bool,
    is_private: bool,
    has_reminder: bool,
}

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let people = request.required_list("MailboxDataArray")?;
    let question = Question::read(request)?;
    let mut w = XmlWriter::new();
    soap::begin_plain(&mut w, context.world.version, context.operation);
    w.start("m:FreeBusyResponseArray");
    for person in people.iter().take(MAX_MAILBOXES) {
        let address = person
            .child("Email")
            .and_then(|email| email.child_text("Address"));
        write_person(&mut w, context, address.unwrap_or_default(), &question);
    }
    w.end("m:FreeBusyResponseArray");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

impl Question {
    fn read(request: &Element<'_>) -> Result<Question, Fault> {
        let invalid = |text: &str| Fault::new("ErrorInvalidTimeInterval", text);
        let options = request.child("FreeBusyViewOptions").ok_or(Fault::new(
            "ErrorInvalidFreeBusyViewType",
            "No view of free and busy times is asked for.",
        ))?;
        let window = options.child("TimeWindow");
        let naive = |name| window.and_then(|window| window.child_text(name));
        let (start, end) = (naive("StartTime"), naive("EndTime"));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(invalid("The time window is missing."));
        };
        let offset = offset_of(request.child("TimeZone"), start);
        let time = |text: &str| {
            let ticks = parse_xml_time(text)?;
            // A time with an offset of its own needs none of the zone's.
            let bare = !text.ends_with('Z') && !text.get(10..)?.contains(['+', '-']);
            let shift = if bare { offset } else { 0 };
            ticks.checked_add_signed(-shift * 10_000_000)
        };
        let (from, until) = (time(start), time(end));
        let (Some(from), Some(until)) = (from, until) else {
            return Err(invalid("The time window is not valid."));
        };
        if until <= from {
            return Err(invalid("The time window ends before it begins."));
        }
        if until - from > MAX_WINDOW_TICKS {
            return Err(Fault::new(
                "ErrorTimeIntervalTooBig",
                "The time window is longer than 62 days.",
            ));
        }
        let interval = options.child_text("MergedFreeBusyIntervalInMinutes");
        let interval = interval.map_or(Some(30), |text| text.parse().ok());
        let view = options
            .child_text("RequestedView")
            .unwrap_or("DetailedMerged");
        Ok(Question {
            from,
            until,
            interval: interval
                .filter(|minutes| (5..=1440).contains(minutes))
                .ok_or(Fault::new(
                    "ErrorInvalidMergedFreeBusyInterval",
                    "The interval is not valid.",
                ))?,
            is_detailed: view.starts_with("Detailed"),
            is_merged_only: view == "MergedOnly",
            offset,
        })
    }

    /// A time by the asker's clocks, without an offset.
    fn shown(&self, ticks: u64) -> String {
        let shifted = ticks.saturating_add_signed(self.offset * 10_000_000);
        let civil = Offset::UTC.to_datetime(timestamp_of(shifted));
        civil.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }
}

/// How far ahead of UTC a SerializableTimeZone's clocks are at a local time, in seconds.
fn offset_of(zone: Option<&Element<'_>>, at: &str) -> i64 {
    let Some(zone) = zone else { return 0 };
    let number = |element: Option<&Element<'_>>, name: &str| {
        let text = element.and_then(|element| element.child_text(name));
        text.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0)
    };
    let bias = number(Some(zone), "Bias");
    let (standard, daylight) = (zone.child("StandardTime"), zone.child("DaylightTime"));
    let month = |element| number(element, "Month");
    let now: Option<jiff::civil::DateTime> = at.get(..19).and_then(|text| text.parse().ok());
    let is_daylight = match (change_of(standard, now), change_of(daylight, now), now) {
        (Some(to_standard), Some(to_daylight), Some(now)) if month(daylight) != 0 => {
            match to_daylight < to_standard {
                true => now >= to_daylight && now < to_standard,
                false => now >= to_daylight || now < to_standard,
            }
        }
        _ => false,
    };
    let own = if is_daylight { daylight } else { standard };
    -(bias + number(own, "Bias")) * 60
}

/// When a zone's clocks change in the year of a time.
fn change_of(
    change: Option<&Element<'_>>,
    now: Option<jiff::civil::DateTime>,
) -> Option<jiff::civil::DateTime> {
    let change = change?;
    let number = |name: &str| change.child_text(name)?.parse::<i8>().ok();
    let first = jiff::civil::Date::new(now?.year(), number("Month")?, 1).ok()?;
    let days = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];
    let weekday = days
        .iter()
        .position(|day| Some(*day) == change.child_text("DayOfWeek"))?;
    let weekday =
        jiff::civil::Weekday::from_sunday_zero_offset(i8::try_from(weekday).ok()?).ok()?;
    let nth = match number("DayOrder")? {
        5 => -1,
        nth => nth,
    };
    let day = first.nth_weekday_of_month(nth, weekday).ok()?;
    let time: jiff::civil::Time = change.child_text("Time")?.parse().ok()?;
    Some(day.to_datetime(time))
}

fn write_person(w: &mut XmlWriter, context: &Context<'_>, address: &str, question: &Question) {
    w.start("m:FreeBusyResponse");
    let Some(mailbox) = context.world.mailbox(address) else {
        w.start("m:ResponseMessage");
        w.attr("ResponseClass", "Error");
        Failure::new(
            "ErrorMailRecipientNotFound",
            "Nobody of that address is known to this server.",
        )
        .write(w);
        w.end("m:ResponseMessage");
        w.start("m:FreeBusyView");
        w.leaf("t:FreeBusyViewType", "None");
        w.end("m:FreeBusyView");
        w.end("m:FreeBusyResponse");
        return;
    };
    w.start("m:ResponseMessage");
    w.attr("ResponseClass", "Success");
    w.leaf("m:ResponseCode", "NoError");
    w.end("m:ResponseMessage");
    let mut events = events_of(&mailbox, question);
    events.sort_by_key(|event| (event.start, event.end));
    // Strangers see when, not what, unless the calendar's permissions say more.
    let sees_details = question.is_detailed && context.sees_calendar(&mailbox);
    w.start("m:FreeBusyView");
    w.leaf(
        "t:FreeBusyViewType",
        match (question.is_merged_only, sees_details) {
            (true, _) => "MergedOnly",
            (false, true) => "DetailedMerged",
            (false, false) => "FreeBusyMerged",
        },
    );
    w.leaf("t:MergedFreeBusy", &merged(&events, question));
    if !question.is_merged_only && !events.is_empty() {
        w.start("t:CalendarEventArray");
        for event in &events {
            write_event(w, event, question, sees_details);
        }
        w.end("t:CalendarEventArray");
    }
    write_hours(w);
    w.end("m:FreeBusyView");
    w.end("m:FreeBusyResponse");
}

/// What overlaps the window.
fn events_of(mailbox: &Mailbox, question: &Question) -> Vec<Event> {
    let state = mailbox.primary.read();
    let mut found = Vec::new();
    let Some(calendar) = state.well_known("calendar") else {
        return found;
    };
    for item in calendar.items_from(0, false) {
        let message = item.message();
        if !has_class(&item_class(&message), "IPM.Appointment") {
            continue;
        }
        if let Some(series) = Series::of(&message) {
            for one in series.between(question.from, question.until) {
                let occurrence = series.occurrence(&message, &one);
                let event = event_of(&occurrence, one.start, one.end);
                found.push(Event {
                    is_recurring: true,
                    is_exception: one.is_exception,
                    ..event
                });
            }
            continue;
        }
        let time = |id: &NamedProp| message.props.time(id).map(|time| time.0);
        let start = time(&named::APPOINTMENT_START_WHOLE);
        let end = time(&named::APPOINTMENT_END_WHOLE);
        if let (Some(start), Some(end)) = (start, end)
            && start < question.until
            && end > question.from
        {
            found.push(event_of(&message, start, end));
        }
    }
    found.retain(|event| event.busy != 0);
    found
}

fn event_of(message: &Message, start: u64, end: u64) -> Event {
    let props = &message.props;
    let text = |id: fasttransfer::PropId| props.text(id).unwrap_or_default().into_owned();
    Event {
        start,
        end,
        busy: props.i32(&named::BUSY_STATUS).unwrap_or(2).clamp(0, 4),
        subject: text(tag::SUBJECT.into()),
        location: text((&named::LOCATION).into()),
        is_meeting: props.i32(&named::APPOINTMENT_STATE_FLAGS).unwrap_or(0) & 1 != 0,
        is_recurring: false,
        is_exception: false,
        is_private: props.i32(tag::SENSITIVITY).unwrap_or(0) == 2,
        has_reminder: props.boolean(&named::REMINDER_SET).unwrap_or(false),
    }
}

/// One digit an interval: the busiest of what overlaps it.
fn merged(events: &[Event], question: &Question) -> String {
    // Out of office outranks busy, which outranks tentative; working elsewhere is the least.
    let rank = |busy: i32| {
        [0, 2, 3, 4, 1]
            .get(busy.unsigned_abs() as usize)
            .copied()
            .unwrap_or(0)
    };
    let step = question.interval * MINUTE;
    let mut digits = String::new();
    let mut at = question.from;
    while at < question.until {
        let overlapping = events
            .iter()
            .filter(|event| event.start < at + step && event.end > at);
        let busiest = overlapping
            .map(|event| event.busy)
            .max_by_key(|busy| rank(*busy));
        digits.push(char::from(
            b'0' + u8::try_from(busiest.unwrap_or(0)).unwrap_or(0),
        ));
        at += step;
    }
    digits
}

fn write_event(w: &mut XmlWriter, event: &Event, question: &Question, sees_details: bool) {
    w.start("t:CalendarEvent");
    w.leaf("t:StartTime", &question.shown(event.start));
    w.leaf("t:EndTime", &question.shown(event.end));
    let busy = usize::try_from(event.busy).unwrap_or(2);
    w.leaf("t:BusyType", BUSY.get(busy).copied().unwrap_or("Busy"));
    if sees_details {
        w.start("t:CalendarEventDetails");
        if !event.is_private {
            w.leaf("t:Subject", &event.subject);
            w.leaf("t:Location", &event.location);
        }
        w.flag("t:IsMeeting", event.is_meeting);
        w.flag("t:IsRecurring", event.is_recurring);
        w.flag("t:IsException", event.is_exception);
        w.flag("t:IsReminderSet", event.has_reminder);
        w.flag("t:IsPrivate", event.is_private);
        w.end("t:CalendarEventDetails");
    }
    w.end("t:CalendarEvent");
}

/// Everybody works from eight to five, Monday to Friday, in UTC.
fn write_hours(w: &mut XmlWriter) {
    let day = SignedDuration::from_hours(8).as_mins();
    w.start("t:WorkingHours");
    w.start("t:TimeZone");
    w.number("t:Bias", 0);
    for name in ["t:StandardTime", "t:DaylightTime"] {
        w.start(name);
        w.number("t:Bias", 0);
        w.leaf("t:Time", "00:00:00");
        w.number("t:DayOrder", 0);
        w.number("t:Month", 0);
        w.leaf("t:DayOfWeek", "Sunday");
        w.end(name);
    }
    w.end("t:TimeZone");
    w.start("t:WorkingPeriodArray");
    w.start("t:WorkingPeriod");
    w.leaf("t:DayOfWeek", "Monday Tuesday Wednesday Thursday Friday");
    w.number("t:StartTimeInMinutes", day);
    w.number("t:EndTimeInMinutes", day + 9 * 60);
    w.end("t:WorkingPeriod");
    w.end("t:WorkingPeriodArray");
    w.end("t:WorkingHours");
}
