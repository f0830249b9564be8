//! The forms that texts of settings have.

use super::super::rules;
use super::{Form, Kind};
use crate::bandwidth::RateRule;
use crate::schedule::{Schedule, WindowRule};
use crate::units::{Shard, TimeSpan};

fn parses<T: std::str::FromStr<Err = String>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop)
}

fn parses_engine<T: std::str::FromStr<Err = engine::Error>>(text: &str) -> Result<(), String> {
    let parsed = text.parse::<T>();
    parsed.map(drop).map_err(|error| error.to_string())
}

pub(super) static SPAN: Form = Form {
    what: "a length of time",
    check: parses::<TimeSpan>,
    example: "4h",
};
pub(super) static SCHEDULE: Form = Form {
    what: "a schedule",
    check: parses::<Schedule>,
    example: "daily 22:00",
};
pub(super) static WINDOW: Form = Form {
    what: "a window",
    check: parses::<WindowRule>,
    example: "mon-fri 22:00-06:00",
};
pub(super) static RATE: Form = Form {
    what: "a rate, for all day or for some hours",
    check: parses::<RateRule>,
    example: "mon-fri 08:00-18:00 1 MB/s",
};
pub(super) static SHARD: Form = Form {
    what: "a shard",
    check: parses::<Shard>,
    example: "2/5",
};
pub(super) static ZONE: Form = Form {
    what: "a time zone",
    check: rules::zone,
    example: "Europe/Berlin",
};
pub(super) static AGE: Form = Form {
    what: "an age or a day",
    check: parses_engine::<engine::Age>,
    example: "2y",
};
pub(super) static PERIOD: Form = Form {
    what: "a length of time",
    check: parses_engine::<engine::Period>,
    example: "1y",
};
pub(super) static BYTE_COUNT: Form = Form {
    what: "a size",
    check: parses_engine::<engine::ByteCount>,
    example: "10M",
};
pub(super) static SERVER: Form = Form {
    what: "a server's address",
    check: rules::server,
    example: "mail.example.com",
};
pub(super) static URL: Form = Form {
    what: "an http or https address",
    check: rules::web_address,
    example: "https://hooks.example.com/backup",
};
pub(super) static ADDRESS: Form = Form {
    what: "a mail address",
    check: rules::address,
    example: "admin@example.com",
};
pub(super) static MAILBOX: Form = Form {
    what: "a mailbox's name, a pattern of addresses, or @FILE with a name a line",
    check: rules::mailbox,
    example: "alice@example.com",
};
pub(super) static LISTEN: Form = Form {
    what: "a port, or an address and port, to listen on",
    check: rules::listen,
    example: "127.0.0.1:9184",
};

pub(super) static TEXTS: Kind = Kind::Text;
pub(super) static SCHEDULES: Kind = Kind::Form(&SCHEDULE);
pub(super) static WINDOWS: Kind = Kind::Form(&WINDOW);
pub(super) static RATES: Kind = Kind::Form(&RATE);
pub(super) static MAILBOXES: Kind = Kind::Form(&MAILBOX);
pub(super) static ADDRESSES: Kind = Kind::Form(&ADDRESS);
