//! Properties of appointments and meeting messages.

use fasttransfer::named::{
    APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY as ZONE_OF_END,
    APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY as ZONE_OF_START,
};
use fasttransfer::{Message, NamedProp, named, tag};

use super::address::{sender_of, write_attendees, write_one};
use super::item::{pick, text, time};
use super::{Field, View, full, heavy, usual, write_id};
use crate::clock::xml_time;
use crate::id::ObjectId;
use crate::series::{Happening, Series, write_rule};
use crate::set::{
    CONFERENCING_CHECK, CONFERENCING_TYPE, MEETING_WORKSPACE_URL, NET_SHOW_URL, WHEN,
};
use crate::xml::XmlWriter;
use crate::zones::{self, definition};

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
    full("calendar:RecurrenceId", |w, v| {
        time(w, "t:RecurrenceId", original_start(v));
    }),
    full("calendar:DateTimeStamp", |w, v| {
        time(w, "t:DateTimeStamp", v.time(&named::OWNER_CRITICAL_CHANGE));
    }),
    usual("calendar:Start", |w, v| time(w, "t:Start", start(v))),
    usual("calendar:End", |w, v| time(w, "t:End", end(v))),
    full("calendar:OriginalStart", |w, v| {
        time(w, "t:OriginalStart", original_start(v));
    }),
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
    full("calendar:When", |w, v| text(w, "t:When", v, &WHEN)),
    full("calendar:IsMeeting", |w, v| {
        w.flag("t:IsMeeting", state(v) & 1 != 0)
    }),
    full("calendar:IsCancelled", |w, v| {
        w.flag("t:IsCancelled", state(v) & 4 != 0)
    }),
    full("calendar:IsRecurring", |w, v| {
        // The master of a series is not one of its occurrences.
        w.flag("t:IsRecurring", v.occurrence.is_some())
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
        let kind = match v.occurrence {
            Some(occurrence) if occurrence.is_exception => "Exception",
            Some(_) => "Occurrence",
            None if series => "RecurringMaster",
            None => "Single",
        };
        w.leaf("t:CalendarItemType", kind);
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
    full("calendar:TimeZone", |w, v| {
        if let Some((_, shown)) = zone_of(v, &ZONE_OF_START) {
            w.leaf("t:TimeZone", shown);
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
    heavy("calendar:Recurrence", |w, v| {
        if let Some(series) = Series::of(v.message) {
            write_rule(w, &series);
        }
    }),
    heavy("calendar:FirstOccurrence", |w, v| {
        let first = Series::of(v.message).and_then(|series| series.happenings().next());
        write_happening(w, v, "t:FirstOccurrence", first);
    }),
    heavy("calendar:LastOccurrence", |w, v| {
        let series = Series::of(v.message).filter(Series::ends);
        let last = series.and_then(|series| series.happenings().last());
        write_happening(w, v, "t:LastOccurrence", last);
    }),
    heavy("calendar:ModifiedOccurrences", |w, v| {
        let changed: Vec<Happening> = Series::of(v.message)
            .map(|series| series.changed())
            .unwrap_or_default();
        if !changed.is_empty() {
            w.start("t:ModifiedOccurrences");
            for one in changed {
                write_happening(w, v, "t:Occurrence", Some(one));
            }
            w.end("t:ModifiedOccurrences");
        }
    }),
    heavy("calendar:DeletedOccurrences", |w, v| {
        let gone: Vec<u64> = Series::of(v.message)
            .map(|series| series.deleted_starts().collect())
            .unwrap_or_default();
        if !gone.is_empty() {
            w.start("t:DeletedOccurrences");
            for start in gone {
                w.start("t:DeletedOccurrence");
                w.leaf("t:Start", &xml_time(start));
                w.end("t:DeletedOccurrence");
            }
            w.end("t:DeletedOccurrences");
        }
    }),
    heavy("calendar:StartTimeZone", |w, v| {
        write_zone(w, "t:StartTimeZone", v, &ZONE_OF_START)
    }),
    heavy("calendar:EndTimeZone", |w, v| {
        write_zone(w, "t:EndTimeZone", v, &ZONE_OF_END)
    }),
    full("calendar:ConferenceType", |w, v| {
        if let Some(kind) = v.i32(&CONFERENCING_TYPE) {
            w.number("t:ConferenceType", kind);
        }
    }),
    full("calendar:AllowNewTimeProposal", |w, v| {
        let refused = v.flag(&named::APPOINTMENT_NOT_ALLOW_PROPOSE);
        w.flag("t:AllowNewTimeProposal", !refused.unwrap_or(false));
    }),
    full("calendar:IsOnlineMeeting", |w, v| {
        let is_online = v.flag(&CONFERENCING_CHECK);
        w.flag("t:IsOnlineMeeting", is_online.unwrap_or(false));
    }),
    full("calendar:MeetingWorkspaceUrl", |w, v| {
        text(w, "t:MeetingWorkspaceUrl", v, &MEETING_WORKSPACE_URL)
    }),
    full("calendar:NetShowUrl", |w, v| {
        text(w, "t:NetShowUrl", v, &NET_SHOW_URL)
    }),
    full("calendar:StartWallClock", |w, v| {
        wall_clock(w, "t:StartWallClock", v, &ZONE_OF_START, start(v));
    }),
    full("calendar:EndWallClock", |w, v| {
        wall_clock(w, "t:EndWallClock", v, &ZONE_OF_END, end(v));
    }),
    full("calendar:StartTimeZoneId", |w, v| {
        if let Some((id, _)) = zone_of(v, &ZONE_OF_START) {
            w.leaf("t:StartTimeZoneId", id);
        }
    }),
    full("calendar:EndTimeZoneId", |w, v| {
        if let Some((id, _)) = zone_of(v, &ZONE_OF_END) {
            w.leaf("t:EndTimeZoneId", id);
        }
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
    full("meetingRequest:MeetingRequestType", |w, v| {
        let kind = match v.i32(&named::MEETING_TYPE).unwrap_or(0) {
            0x1 => "NewMeetingRequest",
            0x1_0000 => "FullUpdate",
            0x2_0000 => "InformationalUpdate",
            0x8_0000 => "Outdated",
            0x10_0000 => "PrincipalWantsCopy",
            _ => "None",
        };
        w.leaf("t:MeetingRequestType", kind);
    }),
    full("meetingRequest:IntendedFreeBusyStatus", |w, v| {
        let busy = v.i32(&named::INTENDED_BUSY_STATUS).unwrap_or(2);
        w.leaf("t:IntendedFreeBusyStatus", pick(BUSY, busy));
    }),
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
    full("calendar:When", |w, v| text(w, "t:When", v, &WHEN)),
    full("calendar:IsMeeting", |w, v| {
        w.flag("t:IsMeeting", state(v) & 1 != 0)
    }),
    full("calendar:IsCancelled", |w, v| {
        w.flag("t:IsCancelled", state(v) & 4 != 0)
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
];

/// Writes a time as the clocks of its zone show it, with their distance from UTC.
fn wall_clock(w: &mut XmlWriter, name: &str, view: &View<'_>, id: &NamedProp, ticks: Option<u64>) {
    if let Some(ticks) = ticks {
        let zone = zone_name(view, id);
        w.leaf(name, &zones::wall_clock(zone.as_deref(), ticks));
    }
}

/// When an occurrence was to begin.
fn original_start(view: &View<'_>) -> Option<u64> {
    view.occurrence?;
    view.time(&named::EXCEPTION_REPLACE_TIME)
}

/// Windows' name of the zone of one of an appointment's times, and what people see.
fn zone_of(view: &View<'_>, id: &NamedProp) -> Option<(&'static str, &'static str)> {
    zones::windows(zone_name(view, id).as_deref().unwrap_or("UTC"))
}

/// What the zone of one of an appointment's times is called there.
fn zone_name(view: &View<'_>, id: &NamedProp) -> Option<String> {
    let defined = view.message.props.binary(id).and_then(definition::name_of);
    let described = || Some(view.text(&named::TIME_ZONE_DESCRIPTION)?.into_owned());
    let known = defined.filter(|name| zones::known(name).is_some());
    known.or_else(described)
}

fn write_zone(w: &mut XmlWriter, element: &str, view: &View<'_>, id: &NamedProp) {
    if let Some((id, shown)) = zone_of(view, id) {
        w.start(element);
        w.attr("Id", id);
        w.attr("Name", shown);
        w.end(element);
    }
}

/// Writes an OccurrenceInfo.
fn write_happening(w: &mut XmlWriter, view: &View<'_>, element: &str, one: Option<Happening>) {
    let (Some(one), Some(place)) = (one, &view.place) else {
        return;
    };
    let ObjectId::Item { store, folder, key } = place.object else {
        return;
    };
    let day = one.number();
    let id = ObjectId::Occurrence {
        store,
        folder,
        key,
        day,
    };
    w.start(element);
    write_id(w, "t:ItemId", &id.encode(), &place.change_key);
    w.leaf("t:Start", &xml_time(one.start));
    w.leaf("t:End", &xml_time(one.end));
    w.leaf("t:OriginalStart", &xml_time(one.original_start));
    w.end(element);
}

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
    if let Some(uid) = uid_of(view.message) {
        w.leaf("t:UID", &uid);
    }
}

/// The UID of an appointment or a message about one.
pub(crate) fn uid_of(message: &Message) -> Option<String> {
    let props = &message.props;
    let id = props
        .binary(&named::CLEAN_GLOBAL_OBJECT_ID)
        .or_else(|| props.binary(&named::GLOBAL_OBJECT_ID))?;
    let foreign = id
        .get(40..48)
        .filter(|mark| *mark == b"vCal-Uid")
        .and_then(|_| id.get(FOREIGN_UID_AT..))
        .and_then(|uid| std::str::from_utf8(uid).ok())
        .map(|uid| uid.trim_end_matches('\0').to_owned());
    Some(foreign.unwrap_or_else(|| id.iter().map(|byte| format!("{byte:02X}")).collect()))
}
