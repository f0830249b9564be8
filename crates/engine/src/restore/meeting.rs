//! Whether a live meeting has moved on since a snapshot was made: pure.

use ews_client::{
    DistinguishedPropertySet as Set, ExtendedKey, ExtendedPath, Item, MapiType, PropertyPath,
};
use fasttransfer::{Message, named};
use jiff::{Timestamp, tz::TimeZone};

/// PidLidGlobalObjectId, in PSETID_Meeting: which meeting, and which occurrence of it.
const GLOBAL_OBJECT_ID: u32 = 0x0003;
/// PidLidAppointmentSequence, -StartWhole, -EndWhole and -StateFlags, in PSETID_Appointment.
const SEQUENCE: u32 = 0x8201;
const START: u32 = 0x820D;
const END: u32 = 0x820E;
const STATE_FLAGS: u32 = 0x8217;

/// asfCanceled (MS-OXOCAL 2.2.1.10).
const CANCELLED: i64 = 4;

/// What tells one state of a meeting, or of any appointment, from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meeting {
    /// Which meeting; `None` where nothing says so.
    pub(super) id: Option<Vec<u8>>,
    sequence: i64,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    is_cancelled: bool,
}

/// Whether items of this class are in calendars.
pub(super) fn is_of_calendar(class: &str) -> bool {
    const CLASS: &str = "IPM.Appointment";
    class
        .get(..CLASS.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(CLASS))
}

/// What to ask the server for.
pub(super) fn paths() -> [PropertyPath; 5] {
    [
        ExtendedPath::id(Set::Meeting, GLOBAL_OBJECT_ID, MapiType::Binary),
        ExtendedPath::id(Set::Appointment, SEQUENCE, MapiType::Integer),
        ExtendedPath::id(Set::Appointment, START, MapiType::SystemTime),
        ExtendedPath::id(Set::Appointment, END, MapiType::SystemTime),
        ExtendedPath::id(Set::Appointment, STATE_FLAGS, MapiType::Integer),
    ]
    .map(PropertyPath::from)
}

impl Meeting {
    /// A live one, from an item read with [`paths`].
    pub(super) fn of_live(item: &Item) -> Self {
        let property = |wanted: u32| {
            let mut all = item.extended.iter();
            all.find(
                |property| matches!(property.path.key, ExtendedKey::Id { id, .. } if id == wanted),
            )
        };
        let number = |id| property(id).and_then(|p| p.as_i64()).unwrap_or(0);
        Self {
            id: property(GLOBAL_OBJECT_ID).and_then(|p| p.as_bytes()),
            sequence: number(SEQUENCE),
            start: property(START).and_then(|p| p.as_timestamp()),
            end: property(END).and_then(|p| p.as_timestamp()),
            is_cancelled: number(STATE_FLAGS) & CANCELLED != 0,
        }
    }

    /// A stored one.
    pub(super) fn of_stored(message: &Message) -> Self {
        let props = &message.props;
        let time = |id| props.time(id).and_then(|time| time.to_timestamp());
        Self {
            id: props.binary(&named::GLOBAL_OBJECT_ID).map(<[u8]>::to_vec),
            sequence: props.i32(&named::APPOINTMENT_SEQUENCE).unwrap_or(0).into(),
            start: time(&named::APPOINTMENT_START_WHOLE),
            end: time(&named::APPOINTMENT_END_WHOLE),
            is_cancelled: i64::from(props.i32(&named::APPOINTMENT_STATE_FLAGS).unwrap_or(0))
                & CANCELLED
                != 0,
        }
    }

    /// Says how the live meeting has moved on from this stored one; nothing if it has not.
    pub(super) fn moved_on(&self, live: &Self) -> Vec<String> {
        let mut how = Vec::new();
        if live.is_cancelled && !self.is_cancelled {
            how.push("it was cancelled".to_owned());
        }
        if live.sequence > self.sequence {
            how.push(format!(
                "it was updated: sequence number {}, in the backup {}",
                live.sequence, self.sequence
            ));
        }
        for (what, live, stored) in [
            ("begins", live.start, self.start),
            ("ends", live.end, self.end),
        ] {
            if let (Some(live), Some(stored)) = (live, stored)
                && live != stored
            {
                how.push(format!(
                    "it {what} {}, in the backup {}",
                    utc(live),
                    utc(stored)
                ));
            }
        }
        how
    }
}

fn utc(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(sequence: i64, start: i64, is_cancelled: bool) -> Meeting {
        Meeting {
            id: Some(vec![1]),
            sequence,
            start: Timestamp::from_second(start).ok(),
            end: Timestamp::from_second(start + 3600).ok(),
            is_cancelled,
        }
    }

    #[test]
    fn only_what_happened_since_is_told() {
        let stored = meeting(1, 0, false);
        let check = |live: &Meeting, expected: &[&str]| {
            assert_eq!(stored.moved_on(live), expected);
        };
        check(&stored, &[]);
        // An older state has not moved on.
        check(&meeting(0, 0, false), &[]);
        check(&meeting(1, 0, true), &["it was cancelled"]);
        check(
            &meeting(2, 60, false),
            &[
                "it was updated: sequence number 2, in the backup 1",
                "it begins 1970-01-01 00:01 UTC, in the backup 1970-01-01 00:00 UTC",
                "it ends 1970-01-01 01:01 UTC, in the backup 1970-01-01 01:00 UTC",
            ],
        );
        check(
            &Meeting {
                start: None,
                end: None,
                ..stored.clone()
            },
            &[],
        );
    }
}
