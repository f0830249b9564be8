//! Properties of tasks.

use fasttransfer::{NamedProp, PropValue, guid, named};

use super::item::{pick, strings, text, time};
use super::{Field, View, full, heavy, usual};
use crate::series::{Series, write_task_rule};
use crate::xml::XmlWriter;

/// The names of PidLidTaskStatus.
pub(crate) const STATUS: &[&str] = &[
    "NotStarted",
    "InProgress",
    "Completed",
    "WaitingOnOthers",
    "Deferred",
];
/// What people read of a status.
const DESCRIPTIONS: &[&str] = &[
    "Not Started",
    "In Progress",
    "Completed",
    "Waiting on someone else",
    "Deferred",
];
/// PidLidTaskAssigner.
const TASK_ASSIGNER: NamedProp = NamedProp::lid(guid::PSETID_TASK, 0x8121);
/// PidLidTaskLastUpdate.
const TASK_LAST_UPDATE: NamedProp = NamedProp::lid(guid::PSETID_TASK, 0x8115);

/// In the order of the schema's TaskType.
pub(crate) const FIELDS: &[Field] = &[
    full("task:ActualWork", |w, v| {
        number(w, "t:ActualWork", v, &named::TASK_ACTUAL_EFFORT)
    }),
    full("task:AssignedTime", |w, v| {
        time(w, "t:AssignedTime", v.time(&TASK_LAST_UPDATE))
    }),
    full("task:BillingInformation", |w, v| {
        text(w, "t:BillingInformation", v, &named::BILLING)
    }),
    full("task:ChangeCount", |w, v| {
        let count = v.i32(&named::TASK_VERSION).unwrap_or(1);
        w.number("t:ChangeCount", count);
    }),
    full("task:Companies", |w, v| {
        strings(w, "t:Companies", v, &named::COMPANIES)
    }),
    full("task:CompleteDate", |w, v| {
        time(w, "t:CompleteDate", v.time(&named::TASK_DATE_COMPLETED));
    }),
    full("task:Contacts", |w, v| {
        strings(w, "t:Contacts", v, &named::CONTACTS)
    }),
    full("task:DelegationState", |w, _| {
        w.leaf("t:DelegationState", "NoMatch")
    }),
    full("task:Delegator", |w, v| {
        text(w, "t:Delegator", v, &TASK_ASSIGNER)
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
    full("task:IsTeamTask", |w, v| {
        w.flag("t:IsTeamTask", v.flag(&named::TEAM_TASK).unwrap_or(false))
    }),
    full("task:Mileage", |w, v| {
        text(w, "t:Mileage", v, &named::MILEAGE)
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
    heavy("task:Recurrence", |w, v| {
        if let Some((series, slides)) = Series::of_task(v.message) {
            write_task_rule(w, &series, slides);
        }
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
    full("task:StatusDescription", |w, v| {
        let status = v.i32(&named::TASK_STATUS).unwrap_or(0);
        w.leaf("t:StatusDescription", pick(DESCRIPTIONS, status));
    }),
    full("task:TotalWork", |w, v| {
        number(w, "t:TotalWork", v, &named::TASK_ESTIMATED_EFFORT)
    }),
];

fn number(w: &mut XmlWriter, name: &str, view: &View<'_>, id: &NamedProp) {
    if let Some(number) = view.i32(id) {
        w.number(name, number);
    }
}
