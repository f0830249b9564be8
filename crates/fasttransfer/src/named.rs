//! Named properties under their MS-OXPROPS names without `PidLid` and `PidName`.

use crate::guid::{
    PS_INTERNET_HEADERS, PS_PUBLIC_STRINGS, PSETID_ADDRESS, PSETID_APPOINTMENT, PSETID_COMMON,
    PSETID_LOG, PSETID_MEETING, PSETID_NOTE, PSETID_TASK,
};
use crate::{Guid, NamedProp, PropName, tag};

macro_rules! lids {
    ($($set:ident { $($name:ident = $lid:literal,)* })*) => {
        $($(
            #[doc = concat!("Property ", stringify!($lid), " of ", stringify!($set), ".")]
            pub const $name: NamedProp = NamedProp::lid($set, $lid);
        )*)*

        /// Numeric names with their constants' names, in the order of this file.
        const NAMES: &[(Guid, u32, &str)] = &[$($(($set, $lid, stringify!($name)),)*)*];
    };
}

/// The MS-OXPROPS name of a property with a numeric name, if it is one of this module.
#[must_use]
pub fn name(property: &NamedProp) -> Option<String> {
    let PropName::Id(lid) = property.name else {
        return None;
    };
    let (_, _, constant) = NAMES
        .iter()
        .find(|(guid, known, _)| *guid == property.guid && *known == lid)?;
    Some(format!("PidLid{}", tag::camel(constant)))
}

lids! {
    PSETID_APPOINTMENT {
        SEND_MEETING_AS_ICAL = 0x8200,
        APPOINTMENT_SEQUENCE = 0x8201,
        BUSY_STATUS = 0x8205,
        APPOINTMENT_AUXILIARY_FLAGS = 0x8207,
        LOCATION = 0x8208,
        APPOINTMENT_START_WHOLE = 0x820D,
        APPOINTMENT_END_WHOLE = 0x820E,
        APPOINTMENT_DURATION = 0x8213,
        APPOINTMENT_COLOR = 0x8214,
        APPOINTMENT_SUB_TYPE = 0x8215,
        APPOINTMENT_RECUR = 0x8216,
        APPOINTMENT_STATE_FLAGS = 0x8217,
        RESPONSE_STATUS = 0x8218,
        APPOINTMENT_REPLY_TIME = 0x8220,
        RECURRING = 0x8223,
        INTENDED_BUSY_STATUS = 0x8224,
        EXCEPTION_REPLACE_TIME = 0x8228,
        F_INVITED = 0x8229,
        RECURRENCE_TYPE = 0x8231,
        RECURRENCE_PATTERN = 0x8232,
        TIME_ZONE_STRUCT = 0x8233,
        TIME_ZONE_DESCRIPTION = 0x8234,
        CLIP_START = 0x8235,
        CLIP_END = 0x8236,
        ALL_ATTENDEES_STRING = 0x8238,
        TO_ATTENDEES_STRING = 0x823B,
        CC_ATTENDEES_STRING = 0x823C,
        APPOINTMENT_PROPOSED_START_WHOLE = 0x8250,
        APPOINTMENT_PROPOSED_END_WHOLE = 0x8251,
        APPOINTMENT_COUNTER_PROPOSAL = 0x8257,
        APPOINTMENT_NOT_ALLOW_PROPOSE = 0x825A,
        APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY = 0x825E,
        APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY = 0x825F,
        APPOINTMENT_TIME_ZONE_DEFINITION_RECUR = 0x8260,
    }
    PSETID_COMMON {
        REMINDER_DELTA = 0x8501,
        REMINDER_TIME = 0x8502,
        REMINDER_SET = 0x8503,
        REMINDER_SIGNAL_TIME = 0x8560,
        PRIVATE = 0x8506,
        AGING_DONT_AGE_ME = 0x850E,
        SIDE_EFFECTS = 0x8510,
        SMART_NO_ATTACH = 0x8514,
        COMMON_START = 0x8516,
        COMMON_END = 0x8517,
        TASK_MODE = 0x8518,
        FLAG_REQUEST = 0x8530,
        VALID_FLAG_STRING_PROOF = 0x85BF,
        CURRENT_VERSION = 0x8552,
        CURRENT_VERSION_NAME = 0x8554,
        REMINDER_OVERRIDE = 0x851C,
        REMINDER_PLAY_SOUND = 0x851E,
        REMINDER_FILE_PARAMETER = 0x851F,
        MILEAGE = 0x8534,
        BILLING = 0x8535,
        COMPANIES = 0x8539,
        CONTACTS = 0x853A,
        TO_DO_ORDINAL_DATE = 0x85A0,
        TO_DO_SUB_ORDINAL = 0x85A1,
        TO_DO_TITLE = 0x85A4,
        INTERNET_ACCOUNT_NAME = 0x8580,
        INTERNET_ACCOUNT_STAMP = 0x8581,
        CLASSIFICATION = 0x85B6,
    }
    PSETID_TASK {
        TASK_STATUS = 0x8101,
        PERCENT_COMPLETE = 0x8102,
        TEAM_TASK = 0x8103,
        TASK_START_DATE = 0x8104,
        TASK_DUE_DATE = 0x8105,
        TASK_DATE_COMPLETED = 0x810F,
        TASK_ACTUAL_EFFORT = 0x8110,
        TASK_ESTIMATED_EFFORT = 0x8111,
        TASK_VERSION = 0x8112,
        TASK_STATE = 0x8113,
        TASK_RECURRENCE = 0x8116,
        TASK_COMPLETE = 0x811C,
        TASK_OWNER = 0x811F,
        TASK_ORDINAL = 0x8123,
        TASK_F_RECURRING = 0x8126,
        TASK_OWNERSHIP = 0x8129,
    }
    PSETID_ADDRESS {
        FILE_UNDER = 0x8005,
        FILE_UNDER_ID = 0x8006,
        HOME_ADDRESS = 0x801A,
        WORK_ADDRESS = 0x801B,
        OTHER_ADDRESS = 0x801C,
        POSTAL_ADDRESS_ID = 0x8022,
        HTML = 0x802B,
        WORK_ADDRESS_STREET = 0x8045,
        WORK_ADDRESS_CITY = 0x8046,
        WORK_ADDRESS_STATE = 0x8047,
        WORK_ADDRESS_POSTAL_CODE = 0x8048,
        WORK_ADDRESS_COUNTRY = 0x8049,
        WORK_ADDRESS_POST_OFFICE_BOX = 0x804A,
        INSTANT_MESSAGING_ADDRESS = 0x8062,
        EMAIL1_DISPLAY_NAME = 0x8080,
        EMAIL1_ADDRESS_TYPE = 0x8082,
        EMAIL1_EMAIL_ADDRESS = 0x8083,
        EMAIL1_ORIGINAL_DISPLAY_NAME = 0x8084,
        EMAIL1_ORIGINAL_ENTRY_ID = 0x8085,
        EMAIL2_DISPLAY_NAME = 0x8090,
        EMAIL2_ADDRESS_TYPE = 0x8092,
        EMAIL2_EMAIL_ADDRESS = 0x8093,
        EMAIL2_ORIGINAL_DISPLAY_NAME = 0x8094,
        EMAIL3_DISPLAY_NAME = 0x80A0,
        EMAIL3_ADDRESS_TYPE = 0x80A2,
        EMAIL3_EMAIL_ADDRESS = 0x80A3,
        EMAIL3_ORIGINAL_DISPLAY_NAME = 0x80A4,
        HAS_PICTURE = 0x8015,
        BIRTHDAY_LOCAL = 0x80DE,
        WEDDING_ANNIVERSARY_LOCAL = 0x80DF,
        YOMI_FIRST_NAME = 0x802C,
        YOMI_LAST_NAME = 0x802D,
        DISTRIBUTION_LIST_NAME = 0x8053,
        DISTRIBUTION_LIST_ONE_OFF_MEMBERS = 0x8054,
        DISTRIBUTION_LIST_MEMBERS = 0x8055,
        FREE_BUSY_LOCATION = 0x80D8,
    }
    PSETID_MEETING {
        GLOBAL_OBJECT_ID = 0x0003,
        IS_RECURRING = 0x0005,
        IS_EXCEPTION = 0x000A,
        CLEAN_GLOBAL_OBJECT_ID = 0x0023,
        OWNER_CRITICAL_CHANGE = 0x001A,
        ATTENDEE_CRITICAL_CHANGE = 0x0001,
        MEETING_TYPE = 0x0026,
        WHERE = 0x0002,
    }
    PSETID_NOTE {
        NOTE_COLOR = 0x8B00,
        NOTE_WIDTH = 0x8B02,
        NOTE_HEIGHT = 0x8B03,
        NOTE_X = 0x8B04,
        NOTE_Y = 0x8B05,
    }
    PSETID_LOG {
        LOG_TYPE = 0x8700,
        LOG_START = 0x8706,
        LOG_DURATION = 0x8707,
        LOG_END = 0x8708,
    }
}

/// PidNameKeywords: the item's categories, a multi-valued string.
#[must_use]
pub fn keywords() -> NamedProp {
    NamedProp::named(PS_PUBLIC_STRINGS, "Keywords")
}

/// A header field kept as a property of PS_INTERNET_HEADERS; names are lower case there.
#[must_use]
pub fn internet_header(field: &str) -> NamedProp {
    NamedProp::named(PS_INTERNET_HEADERS, &field.to_ascii_lowercase())
}
