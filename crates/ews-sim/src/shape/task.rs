//! Properties of tasks.

use fasttransfer::{PropValue, named};

use super::item::{pick, text, time};
use super::{Field, full, usual};

/// The names of PidLidTaskStatus.
pub(crate) const STATUS: &[&str] = &[
    "NotStarted",
    "InProgress",
    "Completed",
    "WaitingOnOthers",
    "Deferred",
];

/// In the order of the schema's TaskType.
pub(crate) const FIELDS: &[Field] = &[
    full("task:CompleteDate", |w, v| {
        time(w, "t:CompleteDate", v.time(&named::TASK_DATE_COMPLETED));
    }),
    usual("task:DueDate", |w, v| {
        time(w, "t:DueDate", v.time(&named::TASK_DUE_DATE))
    }),
    full("task:IsComplete", |w, v| {
        w.flag(
            "t:IsComplete",
            v.flag(&named::TASK_COMPLETE).unwrap_or(false),
        );
    }),
    full("task:IsRecurring", |w, v| {
        w.flag(
            "t:IsRecurring",
            v.flag(&named::TASK_F_RECURRING).unwrap_or(false),
        );
    }),
    full("task:Owner", |w, v| {
        text(w, "t:Owner", v, &named::TASK_OWNER)
    }),
    usual("task:PercentComplete", |w, v| {
        let share = match v.message.props.get(&named::PERCENT_COMPLETE) {
            Some(PropValue::Double(share)) => *share,
            _ => 0.0,
        };
        w.number("t:PercentComplete", share * 100.0);
    }),
    usual("task:StartDate", |w, v| {
        time(w, "t:StartDate", v.time(&named::TASK_START_DATE))
    }),
    usual("task:Status", |w, v| {
        w.leaf(
            "t:Status",
            pick(STATUS, v.i32(&named::TASK_STATUS).unwrap_or(0)),
        );
    }),
];
