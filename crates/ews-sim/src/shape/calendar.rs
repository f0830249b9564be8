//! Properties of appointments and meeting messages.

use fasttransfer::{named, tag};

use super::address::{sender_of, write_attendees, write_one};
use super::item::{pick, text, time};
use super::{Field, View, full, heavy, usual};
use crate::xml::XmlWriter;

/// The names of PidLidResponseStatus.
pub(super) const RESPONSES: &[&str] = &[
    "Unknown",
    "Organizer",
    "Tentative",
    "Accept",
    "Decline",
    "NoResponseReceived",
];
/// The names of PidLidBusyStatus.
const BUSY: &[&str] = &["Free", "Tentative", "Busy", "OOF", "WorkingElsewhere"];
/// Bytes before the vCal-Uid in a global object id that holds a foreign UID.
const FOREIGN_UID_AT: usize = 52;

/// In the order of the schema's CalendarItemType.
pub(crate) const FIELDS: &[Field] = &[
    full("calendar:UID", write_uid),
    usual("calendar:Start", |w, v| time(w, "t:Start", start(v))),
    usual("calendar:End", |w, v| time(w, "t:End", end(v))),
    full("calendar:IsAllDayEvent", |w, v| {
        w.flag(
            "t:IsAllDayEvent",
            v.flag(&named::APPOINTMENT_SUB_TYPE).unwrap_or(false),
        );
    }),
    usual("calendar:LegacyFreeBusyStatus", write_busy),
    usual("calendar:Location", |w, v| {
        text(w, "t:Location", v, &named::LOCATION)
    }),
    full("calendar:IsMeeting", |w, v| {
        w.flag("t:IsMeeting", state(v) & 1 != 0)
    }),
    full("calendar:IsCancelled", |w, v| {
        w.flag("t:IsCancelled", state(v) & 4 != 0)
    }),
    full("calendar:IsRecurring", |w, _| {
        w.flag("t:IsRecurring", false)
    }),
    full("calendar:MeetingRequestWasSent", |w, v| {
        w.flag(
            "t:MeetingRequestWasSent",
            v.flag(&named::F_INVITED).unwrap_or(false),
        );
    }),
    full("calendar:IsResponseRequested", |w, v| {
        w.flag(
            "t:IsResponseRequested",
            v.flag(tag::RESPONSE_REQUESTED).unwrap_or(true),
        );
    }),
    usual("calendar:CalendarItemType", |w, v| {
        let series = v.flag(&named::RECURRING).unwrap_or(false);
        w.leaf(
            "t:CalendarItemType",
            if series { "RecurringMaster" } else { "Single" },
        );
    }),
    full("calendar:MyResponseType", |w, v| {
        let response = v.i32(&named::RESPONSE_STATUS).unwrap_or(0);
        w.leaf("t:MyResponseType", pick(RESPONSES, response));
    }),
    usual("calendar:Organizer", |w, v| {
        write_one(w, "t:Organizer", sender_of(v.message, true))
    }),
    heavy("calendar:RequiredAttendees", |w, v| {
        write_attendees(w, "t:RequiredAttendees", v.message, 1);
    }),
    heavy("calendar:OptionalAttendees", |w, v| {
        write_attendees(w, "t:OptionalAttendees", v.message, 2);
    }),
    heavy("calendar:Resources", |w, v| {
        write_attendees(w, "t:Resources", v.message, 3)
    }),
    full("calendar:Duration", |w, v| {
        if let (Some(start), Some(end)) = (start(v), end(v)) {
            let minutes = end.saturating_sub(start) / 600_000_000;
            w.leaf(
                "t:Duration",
                &format!("PT{}H{}M", minutes / 60, minutes % 60),
            );
        }
    }),
    full("calendar:AppointmentReplyTime", |w, v| {
        time(
            w,
            "t:AppointmentReplyTime",
            v.time(&named::APPOINTMENT_REPLY_TIME),
        );
    }),
    full("calendar:AppointmentSequenceNumber", |w, v| {
        let number = v.i32(&named::APPOINTMENT_SEQUENCE).unwrap_or(0);
        w.number("t:AppointmentSequenceNumber", number);
    }),
    full("calendar:AppointmentState", |w, v| {
        w.number("t:AppointmentState", state(v))
    }),
    full("calendar:IsOnlineMeeting", |w, _| {
        w.flag("t:IsOnlineMeeting", false)
    }),
    full("calendar:IsOrganizer", |w, v| {
        w.flag(
            "t:IsOrganizer",
            v.i32(&named::RESPONSE_STATUS).unwrap_or(0) <= 1,
        );
    }),
];

/// In the order of the schema's MeetingMessageType.
pub(crate) const MEETING_FIELDS: &[Field] = &[
    full("meeting:IsDelegated", |w, _| w.flag("t:IsDelegated", false)),
    full("meeting:IsOutOfDate", |w, _| w.flag("t:IsOutOfDate", false)),
    full("meeting:HasBeenProcessed", |w, _| {
        w.flag("t:HasBeenProcessed", false)
    }),
    full("meeting:ResponseType", |w, v| {
        let class = v.class.to_ascii_lowercase();
        let response = match class.rsplit('.').next() {
            Some("pos") => "Accept",
            Some("neg") => "Decline",
            Some("tent") => "Tentative",
            _ => "NoResponseReceived",
        };
        w.leaf("t:ResponseType", response);
    }),
    full("calendar:UID", write_uid),
];

/// In the order of the schema's MeetingRequestMessageType.
pub(crate) const REQUEST_FIELDS: &[Field] = &[
    full("calendar:Start", |w, v| time(w, "t:Start", start(v))),
    full("calendar:End", |w, v| time(w, "t:End", end(v))),
    full("calendar:IsAllDayEvent", |w, v| {
        w.flag(
            "t:IsAllDayEvent",
            v.flag(&named::APPOINTMENT_SUB_TYPE).unwrap_or(false),
        );
    }),
    full("calendar:LegacyFreeBusyStatus", write_busy),
    full("calendar:Location", |w, v| {
        text(w, "t:Location", v, &named::LOCATION)
    }),
];

fn start(view: &View<'_>) -> Option<u64> {
    view.time(&named::APPOINTMENT_START_WHOLE)
        .or(view.time(tag::START_DATE))
}

fn end(view: &View<'_>) -> Option<u64> {
    view.time(&named::APPOINTMENT_END_WHOLE)
        .or(view.time(tag::END_DATE))
}

fn state(view: &View<'_>) -> i32 {
    view.i32(&named::APPOINTMENT_STATE_FLAGS).unwrap_or(0)
}

fn write_busy(w: &mut XmlWriter, view: &View<'_>) {
    let busy = view.i32(&named::BUSY_STATUS).unwrap_or(2);
    w.leaf("t:LegacyFreeBusyStatus", pick(BUSY, busy));
}

/// Writes the UID: the foreign one inside the global object id, or that id in hexadecimal
/// (MS-OXCICAL 2.1.3.1.1.20.26).
fn write_uid(w: &mut XmlWriter, view: &View<'_>) {
    let id = view
        .message
        .props
        .binary(&named::CLEAN_GLOBAL_OBJECT_ID)
        .or_else(|| view.message.props.binary(&named::GLOBAL_OBJECT_ID));
    let Some(id) = id else {
        return;
    };
    let foreign = id
        .get(40..48)
        .filter(|mark| *mark == b"vCal-Uid")
        .and_then(|_| id.get(FOREIGN_UID_AT..))
        .and_then(|uid| std::str::from_utf8(uid).ok())
        .map(|uid| uid.trim_end_matches('\0'));
    match foreign {
        Some(uid) => w.leaf("t:UID", uid),
        None => {
            let hex: String = id.iter().map(|byte| format!("{byte:02X}")).collect();
            w.leaf("t:UID", &hex);
        }
    }
}
