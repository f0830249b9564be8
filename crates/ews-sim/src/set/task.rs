//! What a task's state, share, dates and rule mean together (MS-OXOTASK 2.2.2.2).

use fasttransfer::{Message, PropValue, named};
use jiff::civil::{Date, DateTime};

use crate::clock::timestamp_of;
use crate::op::Failure;
use crate::series::{read_rule, task_blob};
use crate::xml::Element;

/// PidLidTaskStatus of a task that nobody began, that is under way, and that is done.
const NOT_STARTED: i32 = 0;
const IN_PROGRESS: i32 = 1;
const COMPLETE: i32 = 2;

/// Makes what follows from a property that was just set agree with it.
pub(super) fn settle(message: &mut Message, name: &str) {
    let props = &mut message.props;
    let status = props.i32(&named::TASK_STATUS).unwrap_or(NOT_STARTED);
    let share = match props.get(&named::PERCENT_COMPLETE) {
        Some(PropValue::Double(share)) => *share,
        _ => 0.0,
    };
    let (status, share) = match name {
        "Status" if status == COMPLETE => (status, 1.0),
        "Status" if status == NOT_STARTED => (status, 0.0),
        "PercentComplete" if share >= 1.0 => (COMPLETE, share),
        "PercentComplete" if share <= 0.0 && status == COMPLETE => (NOT_STARTED, share),
        "PercentComplete" if share > 0.0 && matches!(status, NOT_STARTED | COMPLETE) => {
            (IN_PROGRESS, share)
        }
        "CompleteDate" => (COMPLETE, 1.0),
        "Status" | "PercentComplete" => (status, share),
        _ => return,
    };
    props.set(&named::TASK_STATUS, PropValue::Int32(status));
    props.set(&named::PERCENT_COMPLETE, PropValue::Double(share));
    let is_complete = status == COMPLETE;
    props.set(&named::TASK_COMPLETE, PropValue::Boolean(is_complete));
    if !is_complete {
        props.remove(&named::TASK_DATE_COMPLETED);
    }
}

/// Makes a task one that comes again.
pub(super) fn set_recurrence(
    message: &mut Message,
    recurrence: &Element<'_>,
) -> Result<(), Failure> {
    let bad = || {
        Failure::new(
            "ErrorCalendarInvalidRecurrence",
            "The recurrence pattern is not valid.",
        )
    };
    let [pattern, range] = &recurrence.children[..] else {
        return Err(Failure::new(
            "ErrorCalendarInvalidRecurrence",
            "A recurrence has a pattern and a range.",
        ));
    };
    let starts = message.props.time(&named::TASK_START_DATE);
    let begins: Date = match range
        .child_text("StartDate")
        .and_then(|text| text.get(..10))
    {
        Some(text) => text.parse().map_err(|_| bad())?,
        None => match starts {
            Some(ticks) => {
                let zoned = timestamp_of(ticks.0).to_zoned(jiff::tz::TimeZone::UTC);
                zoned.date()
            }
            None => return Err(bad()),
        },
    };
    let at: DateTime = begins.to_datetime(jiff::civil::Time::midnight());
    // What begins anew when it is done has the rule of what comes at fixed times, and a mark.
    let regenerates = pattern.name.ends_with("Regeneration");
    let (rule, first) = read_rule(recurrence, at)?;
    let blob = task_blob(&rule, first, regenerates).ok_or_else(bad)?;
    message.props.set(&named::TASK_RECURRENCE, blob);
    message
        .props
        .set(&named::TASK_F_RECURRING, PropValue::Boolean(true));
    Ok(())
}
