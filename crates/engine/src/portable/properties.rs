//! The MAPI properties of the portable form, by kind of item (numbers and types: MS-OXPROPS).
//!
//! What stands here is asked for by GetItem, stored, and given to CreateItem. What a store
//! computes has no place here.

use ews_client::{
    DistinguishedPropertySet as Set, ExtendedKey, ExtendedPath, MapiType, PropertySet,
};

use MapiType::{
    Binary, BinaryArray, Boolean, Double, Integer, Short, String as Text, StringArray,
    SystemTime as Time,
};

/// PSETID_Note and PSETID_Log have no name in EWS.
const NOTE: &str = "0006200e-0000-0000-c000-000000000046";
const LOG: &str = "0006200a-0000-0000-c000-000000000046";

pub(crate) const DELIVERY_TIME: u16 = 0x0E06;
pub(crate) const SUBMIT_TIME: u16 = 0x0039;
pub(crate) const MESSAGE_FLAGS: u16 = 0x0E07;
pub(crate) const DISPLAY_TO: u16 = 0x0E04;
pub(crate) const FROM_NAME: u16 = 0x0042;
pub(crate) const FROM_ADDRESS: u16 = 0x0065;
/// PidLidAppointmentRecur and what depends on it.
pub(crate) const RECURRENCE: [u32; 7] = [0x8216, 0x8223, 0x8228, 0x8231, 0x8232, 0x8235, 0x8236];
/// What iCalendar has no field for.
pub(crate) const BEYOND_ICALENDAR: [u32; 6] = [0x8205, 0x8214, 0x8217, 0x8218, 0x8220, 0x8229];

/// Kinds of items that have the same properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    Mail,
    Meeting,
    Calendar,
    Contact,
    List,
    Task,
    /// Notes, journal entries, and classes of other programs.
    Other,
}

impl Group {
    pub(crate) const ALL: [Self; 7] = [
        Self::Mail,
        Self::Meeting,
        Self::Calendar,
        Self::Contact,
        Self::List,
        Self::Task,
        Self::Other,
    ];

    /// The group of an item class; mail where there is none.
    pub(crate) fn of_class(class: &str) -> Self {
        const FAMILIES: [(&str, Group); 8] = [
            ("ipm.note", Group::Mail),
            ("report", Group::Mail),
            ("ipm.post", Group::Mail),
            ("ipm.schedule", Group::Meeting),
            ("ipm.appointment", Group::Calendar),
            ("ipm.contact", Group::Contact),
            ("ipm.distlist", Group::List),
            ("ipm.task", Group::Task),
        ];
        let class = class.to_ascii_lowercase();
        let is = |family: &str| {
            class
                .strip_prefix(family)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let found = FAMILIES.iter().find(|(family, _)| is(family));
        match found {
            Some((_, group)) => *group,
            None if class.is_empty() => Self::Mail,
            None => Self::Other,
        }
    }

    /// The properties asked for of the group's items.
    pub(crate) fn paths(self) -> Vec<ExtendedPath> {
        let mut paths: Vec<ExtendedPath> = Vec::new();
        let mut tags = |list: &[(u16, MapiType)]| {
            paths.extend(
                list.iter()
                    .map(|(tag, kind)| ExtendedPath::tag(*tag, *kind)),
            );
        };
        tags(TAGS);
        match self {
            Self::Calendar | Self::Meeting => tags(CALENDAR_TAGS),
            Self::Contact => tags(CONTACT_TAGS),
            Self::List => tags(&[(0x3001, Text)]),
            Self::Mail | Self::Task | Self::Other => {}
        }
        let mut ids = |set: Set, list: &[(u32, MapiType)]| {
            paths.extend(
                list.iter()
                    .map(|(id, kind)| ExtendedPath::id(set, *id, *kind)),
            );
        };
        ids(Set::Common, COMMON);
        match self {
            Self::Calendar | Self::Meeting => {
                ids(Set::Appointment, APPOINTMENT);
                ids(Set::Meeting, &[(0x3, Binary), (0x23, Binary)]);
            }
            Self::Contact => ids(Set::Address, ADDRESS),
            Self::List => ids(Set::Address, LIST),
            Self::Task => ids(Set::Task, TASK),
            Self::Mail | Self::Other => {}
        }
        if self == Self::Other {
            for (set, list) in [(NOTE, NOTE_IDS), (LOG, LOG_IDS)] {
                paths.extend(list.iter().map(|(id, kind)| ExtendedPath {
                    key: ExtendedKey::Id {
                        set: PropertySet::Guid(set.into()),
                        id: *id,
                    },
                    kind: *kind,
                }));
            }
        }
        paths
    }
}

/// Times, flags, verbs, icon, follow-up, and for listings the people.
const TAGS: &[(u16, MapiType)] = &[
    (DELIVERY_TIME, Time),
    (SUBMIT_TIME, Time),
    (MESSAGE_FLAGS, Integer),
    (DISPLAY_TO, Text),
    (FROM_NAME, Text),
    (FROM_ADDRESS, Text),
    (0x1080, Integer),
    (0x1081, Integer),
    (0x1082, Time),
    (0x1090, Integer),
    (0x1091, Time),
    (0x1095, Integer),
    (0x0E2B, Integer),
];

/// Reminders, privacy, follow-up, and the strings all kinds may have.
const COMMON: &[(u32, MapiType)] = &[
    (0x8501, Integer),
    (0x8502, Time),
    (0x8503, Boolean),
    (0x8506, Boolean),
    (0x8516, Time),
    (0x8517, Time),
    (0x8530, Text),
    (0x8534, Text),
    (0x8535, Text),
    (0x8539, StringArray),
    (0x853A, StringArray),
    (0x8560, Time),
    (0x85A4, Text),
];

const CALENDAR_TAGS: &[(u16, MapiType)] = &[
    (0x0060, Time),
    (0x0061, Time),
    (0x0062, Integer),
    (0x0063, Boolean),
];

const APPOINTMENT: &[(u32, MapiType)] = &[
    (0x8201, Integer),
    (0x8205, Integer),
    (0x8208, Text),
    (0x820D, Time),
    (0x820E, Time),
    (0x8213, Integer),
    (0x8214, Integer),
    (0x8215, Boolean),
    (0x8216, Binary),
    (0x8217, Integer),
    (0x8218, Integer),
    (0x8220, Time),
    (0x8223, Boolean),
    (0x8228, Time),
    (0x8229, Boolean),
    (0x8231, Integer),
    (0x8232, Text),
    (0x8233, Binary),
    (0x8234, Text),
    (0x8235, Time),
    (0x8236, Time),
    (0x8238, Text),
    (0x823B, Text),
    (0x823C, Text),
    (0x825E, Binary),
    (0x825F, Binary),
    (0x8260, Binary),
];

/// Names, work, telephones, addresses.
const CONTACT_TAGS: &[(u16, MapiType)] = &[
    (0x3001, Text),
    (0x3A02, Text),
    (0x3A05, Text),
    (0x3A06, Text),
    (0x3A08, Text),
    (0x3A09, Text),
    (0x3A0A, Text),
    (0x3A0C, Text),
    (0x3A0D, Text),
    (0x3A11, Text),
    (0x3A15, Text),
    (0x3A16, Text),
    (0x3A17, Text),
    (0x3A18, Text),
    (0x3A19, Text),
    (0x3A1A, Text),
    (0x3A1B, Text),
    (0x3A1C, Text),
    (0x3A1D, Text),
    (0x3A1E, Text),
    (0x3A1F, Text),
    (0x3A21, Text),
    (0x3A23, Text),
    (0x3A24, Text),
    (0x3A25, Text),
    (0x3A26, Text),
    (0x3A27, Text),
    (0x3A28, Text),
    (0x3A29, Text),
    (0x3A2A, Text),
    (0x3A2C, Text),
    (0x3A2D, Text),
    (0x3A2E, Text),
    (0x3A2F, Text),
    (0x3A30, Text),
    (0x3A41, Time),
    (0x3A42, Time),
    (0x3A43, Text),
    (0x3A44, Text),
    (0x3A45, Text),
    (0x3A46, Text),
    (0x3A48, Text),
    (0x3A4B, Text),
    (0x3A4D, Short),
    (0x3A4E, Text),
    (0x3A4F, Text),
    (0x3A50, Text),
    (0x3A51, Text),
    (0x3A57, Text),
    (0x3A58, StringArray),
    (0x3A59, Text),
    (0x3A5A, Text),
    (0x3A5B, Text),
    (0x3A5C, Text),
    (0x3A5D, Text),
    (0x3A5E, Text),
    (0x3A5F, Text),
    (0x3A60, Text),
    (0x3A61, Text),
    (0x3A62, Text),
    (0x3A63, Text),
];

const ADDRESS: &[(u32, MapiType)] = &[
    (0x8005, Text),
    (0x8006, Integer),
    (0x801A, Text),
    (0x801B, Text),
    (0x801C, Text),
    (0x8022, Integer),
    (0x802B, Text),
    (0x802C, Text),
    (0x802D, Text),
    (0x802E, Text),
    (0x8045, Text),
    (0x8046, Text),
    (0x8047, Text),
    (0x8048, Text),
    (0x8049, Text),
    (0x804A, Text),
    (0x804F, Text),
    (0x8050, Text),
    (0x8051, Text),
    (0x8052, Text),
    (0x8062, Text),
    (0x8080, Text),
    (0x8082, Text),
    (0x8083, Text),
    (0x8084, Text),
    (0x8090, Text),
    (0x8092, Text),
    (0x8093, Text),
    (0x8094, Text),
    (0x80A0, Text),
    (0x80A2, Text),
    (0x80A3, Text),
    (0x80A4, Text),
    (0x80D8, Text),
];

const LIST: &[(u32, MapiType)] = &[
    (0x8005, Text),
    (0x804C, Integer),
    (0x8053, Text),
    (0x8054, BinaryArray),
    (0x8055, BinaryArray),
];

const TASK: &[(u32, MapiType)] = &[
    (0x8101, Integer),
    (0x8102, Double),
    (0x8103, Boolean),
    (0x8104, Time),
    (0x8105, Time),
    (0x8107, Boolean),
    (0x8108, Boolean),
    (0x8109, Boolean),
    (0x810F, Time),
    (0x8110, Integer),
    (0x8111, Integer),
    (0x8112, Integer),
    (0x8113, Integer),
    (0x8116, Binary),
    (0x811C, Boolean),
    (0x811F, Text),
    (0x8121, Text),
    (0x8122, Text),
    (0x8123, Integer),
    (0x8126, Boolean),
    (0x8127, Text),
    (0x8129, Integer),
    (0x812A, Integer),
    (0x812C, Boolean),
];

/// Colour, size and place of a note.
const NOTE_IDS: &[(u32, MapiType)] = &[
    (0x8B00, Integer),
    (0x8B02, Integer),
    (0x8B03, Integer),
    (0x8B04, Integer),
    (0x8B05, Integer),
];

const LOG_IDS: &[(u32, MapiType)] = &[
    (0x8700, Text),
    (0x8706, Time),
    (0x8707, Integer),
    (0x8708, Time),
    (0x870C, Integer),
    (0x870E, Boolean),
    (0x870F, Boolean),
    (0x8710, Boolean),
    (0x8711, Boolean),
    (0x8712, Text),
];
