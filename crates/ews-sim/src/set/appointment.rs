//! What an appointment's times, zone and rule mean together.

use fasttransfer::{Message, NamedProp, PropId, PropValue, named, tag};
use jiff::tz::TimeZone;

use super::set_simple;
use crate::clock::timestamp_of;
use crate::item::{has_class, item_class};
use crate::op::Failure;
use crate::series::{self, Series};
use crate::xml::Element;
use crate::zones::{THIS_YEAR, definition};

/// Keeps the zone in which an appointment begins; its end is in it, too, unless another is named
/// later.
pub(super) fn set_zone(message: &mut Message, name: Option<&str>) {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return;
    };
    let year = year_of(message);
    let props = &mut message.props;
    props.set(&named::TIME_ZONE_DESCRIPTION, name);
    for id in [
        &named::APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY,
        &named::APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY,
    ] {
        definition::put(props, id, name, year);
    }
    definition::forget_series(props);
}

/// Keeps the zone in which an appointment ends.
pub(super) fn set_end_zone(message: &mut Message, name: Option<&str>) {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let year = year_of(message);
        let id = &named::APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY;
        definition::put(&mut message.props, id, name, year);
    }
}

/// Takes away what an appointment says of its zones.
pub(super) fn forget_zone(message: &mut Message) {
    let props = &mut message.props;
    for id in [
        &named::TIME_ZONE_DESCRIPTION,
        &named::APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY,
        &named::APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY,
    ] {
        props.remove(id);
    }
    definition::forget_series(props);
}

/// The year in which an appointment begins.
fn year_of(message: &Message) -> i16 {
    let start = message.props.time(&named::APPOINTMENT_START_WHOLE);
    let start = start.map(|start| timestamp_of(start.0).to_zoned(TimeZone::UTC));
    start.map_or(THIS_YEAR, |start| start.year())
}

/// Makes an appointment a series.
pub(super) fn set_recurrence(
    message: &mut Message,
    recurrence: &Element<'_>,
    item: &Element<'_>,
) -> Result<(), Failure> {
    if !has_class(&item_class(message), "IPM.Appointment") {
        return Ok(());
    }
    // The zone stands behind the rule in the schema, and a series may have one already.
    if let Some(zone) = item.child("StartTimeZone") {
        set_zone(message, zone.attr("Id"));
    }
    for name in ["Start", "End"] {
        if let Some(time) = item.child(name) {
            set_simple(message, name, time)?;
        }
    }
    let zone = message.props.text(&named::TIME_ZONE_DESCRIPTION);
    let zone = zone.map(|zone| zone.into_owned());
    let start = series::local_start(message, zone.as_deref()).ok_or(Failure::new(
        "ErrorCalendarInvalidRecurrence",
        "A series has a beginning.",
    ))?;
    let (rule, first) = series::read_rule(recurrence, start)?;
    let minutes = minutes_of(message);
    Series::begin(rule, first, minutes, zone.as_deref()).put(message);
    Ok(())
}

/// How long an appointment takes.
fn minutes_of(message: &Message) -> i64 {
    let time = |id: &NamedProp| message.props.time(id).map(|time| time.0);
    let start = time(&named::APPOINTMENT_START_WHOLE);
    let end = time(&named::APPOINTMENT_END_WHOLE);
    let ticks = start
        .zip(end)
        .map_or(0, |(start, end)| end.saturating_sub(start));
    i64::try_from(ticks / 600_000_000).unwrap_or(0)
}

/// Makes what follows from an appointment's times agree with them.
pub(crate) fn settle(message: &mut Message) -> Result<(), Failure> {
    if !has_class(&item_class(message), "IPM.Appointment") {
        return Ok(());
    }
    let time = |id: &NamedProp| message.props.time(id);
    let (start, end) = (
        time(&named::APPOINTMENT_START_WHOLE),
        time(&named::APPOINTMENT_END_WHOLE),
    );
    if let (Some(start), Some(end)) = (start, end)
        && end.0 < start.0
    {
        return Err(Failure::new(
            "ErrorCalendarEndDateIsEarlierThanStartDate",
            "EndDate is earlier than StartDate.",
        ));
    }
    // A series whose first occurrence was moved begins at another time of the day.
    if let Some(series) = Series::of(message)
        && let Some(start) = start
        && series.first_times().0 != start.0
    {
        let zone = message.props.text(&named::TIME_ZONE_DESCRIPTION);
        let zone = zone.map(|zone| zone.into_owned());
        if let Some(first) = series::local_start(message, zone.as_deref()) {
            let minutes = minutes_of(message);
            series.moved(first, minutes, zone.as_deref()).put(message);
        }
    }
    definition::settle_series(&mut message.props);
    for (from, to) in [
        (
            &named::APPOINTMENT_START_WHOLE,
            (&named::COMMON_START, tag::START_DATE),
        ),
        (
            &named::APPOINTMENT_END_WHOLE,
            (&named::COMMON_END, tag::END_DATE),
        ),
    ] {
        if let Some(time) = message.props.time(from) {
            for id in [PropId::from(to.0), PropId::Tag(to.1)] {
                if message.props.contains(id.clone()) {
                    message.props.set(id, PropValue::Time(time));
                }
            }
        }
    }
    Ok(())
}
