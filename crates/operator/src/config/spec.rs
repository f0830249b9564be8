//! Which settings there are: the one table from which checking, schema and documentation are made.
// tidy: table

mod forms;
mod notify;
mod set;
mod work;

use forms::{BYTE_COUNT, LISTEN, RATES, URL, ZONE};
use notify::NOTIFY;
use set::SET;

/// What a setting holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// Text that is not empty.
    Text,
    /// true or false.
    Flag,
    /// A whole number within bounds.
    Number(i64, i64),
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// Text of a certain form.
    Form(&'static Form),
    /// Several, or one without brackets.
    List(&'static Kind),
    /// A program and its arguments.
    Command,
    /// A table.
    Section(&'static Section),
    /// A table of tables with names of the user's own.
    Named(&'static Section),
    /// An array of tables.
    Many(&'static Section),
}

/// A form that text must have.
#[derive(Debug)]
pub(super) struct Form {
    /// In words.
    pub(super) what: &'static str,
    /// Says what is wrong with a text.
    pub(super) check: fn(&str) -> Result<(), String>,
    /// A text that is right.
    pub(super) example: &'static str,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) need: Need,
    pub(super) help: &'static str,
}

/// What happens without a setting.
#[derive(Debug)]
pub(super) enum Need {
    /// It must be there.
    Required,
    /// Nothing, as the help says.
    Optional,
    /// This value is taken, as TOML.
    Default(&'static str),
}

/// A table of settings.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) about: &'static str,
    pub(super) fields: &'static [Field],
}

const fn field(name: &'static str, kind: Kind, need: Need, help: &'static str) -> Field {
    Field {
        name,
        kind,
        need,
        help,
    }
}

pub(super) static ROOT: Section = Section {
    about: "Settings of the whole file. Paths are relative to the file's folder.",
    fields: &[
        field(
            "time_zone",
            Kind::Form(&ZONE),
            Need::Optional,
            "The zone whose clock schedules and windows follow. Without it, the machine's.",
        ),
        field(
            "state_dir",
            Kind::Text,
            Need::Optional,
            "Folder in which the daemon remembers what it has done. Without it, the system's folder for such data.",
        ),
        field(
            "cache_dir",
            Kind::Text,
            Need::Optional,
            "Folder of the local index files, which can be deleted at any time. Without it, the system's folder for caches.",
        ),
        field(
            "daemon",
            Kind::Section(&DAEMON),
            Need::Optional,
            "The daemon's own settings.",
        ),
        field(
            "log",
            Kind::Section(&LOG),
            Need::Optional,
            "The log of `postkeep daemon` and `postkeep run`.",
        ),
        field(
            "limits",
            Kind::Section(&MACHINE),
            Need::Optional,
            "What all sets together may use of this machine.",
        ),
        field(
            "destinations",
            Kind::Named(&DESTINATION),
            Need::Required,
            "Repositories, by names of your own.",
        ),
        field(
            "sets",
            Kind::Named(&SET),
            Need::Required,
            "Backup sets, by names of your own.",
        ),
        field(
            "notify",
            Kind::Many(&NOTIFY),
            Need::Optional,
            "Who is told of runs.",
        ),
    ],
};

static DAEMON: Section = Section {
    about: "How `postkeep daemon` works.",
    fields: &[
        field(
            "runs_at_once",
            Kind::Number(1, 64),
            Need::Default("1"),
            "Runs of different sets at the same time. Two runs of one set never overlap.",
        ),
        field(
            "metrics",
            Kind::Form(&LISTEN),
            Need::Optional,
            "Serve Prometheus metrics at this port of this machine alone, or at this address and port, below /metrics. They name mailboxes: keep them among yourselves.",
        ),
    ],
};

static LOG: Section = Section {
    about: "The log of `postkeep daemon` and `postkeep run`, in place of the lines that these print. Options of the command line win.",
    fields: &[
        field(
            "level",
            Kind::OneOf(&["error", "warn", "info", "debug", "trace"]),
            Need::Default("\"info\""),
            "How much is written.",
        ),
        field(
            "format",
            Kind::OneOf(&["text", "json"]),
            Need::Default("\"text\""),
            "Lines for people, or a JSON document a line.",
        ),
        field(
            "file",
            Kind::Text,
            Need::Optional,
            "File that it goes to. Without it, standard error.",
        ),
        field(
            "max_size",
            Kind::Form(&BYTE_COUNT),
            Need::Default("\"10M\""),
            "The file is put aside as FILE.1, and so on, before it grows larger.",
        ),
        field(
            "keep",
            Kind::Number(0, 1000),
            Need::Default("5"),
            "How many that were put aside stay.",
        ),
        field(
            "traces",
            Kind::Form(&URL),
            Need::Optional,
            "Send traces of runs, mailboxes and requests to this OpenTelemetry collector, by OTLP over HTTP; for programs built with the feature otel. They name mailboxes.",
        ),
    ],
};

static MACHINE: Section = Section {
    about: "What all sets together may use of this machine.",
    fields: &[
        field(
            "memory",
            Kind::Form(&BYTE_COUNT),
            Need::Default("\"256M\""),
            "Bytes of items on their way from servers into repositories at one time; one that is larger goes alone.",
        ),
        field(
            "cache",
            Kind::Form(&BYTE_COUNT),
            Need::Optional,
            "Bytes of local index files. Those of mailboxes that were not used for the longest time go first, and are made anew from the repository when they are needed. Nothing else is kept on local disks.",
        ),
    ],
};

static DESTINATION: Section = Section {
    about: "A repository.",
    fields: &[
        field(
            "url",
            Kind::Text,
            Need::Required,
            "A folder, or an address as `--repo` takes it.",
        ),
        field(
            "passphrase_file",
            Kind::Text,
            Need::Optional,
            "File that holds the passphrase.",
        ),
        field(
            "passphrase_env",
            Kind::Text,
            Need::Optional,
            "Environment variable that holds the passphrase.",
        ),
        field(
            "passphrase_command",
            Kind::Command,
            Need::Optional,
            "Command that prints the passphrase.",
        ),
        field(
            "passphrase_keyring",
            Kind::Text,
            Need::Optional,
            "Its name in the system's keyring, as `postkeep keyring set` took it; for programs built with the feature keyring.",
        ),
        field(
            "key_file",
            Kind::Text,
            Need::Optional,
            "Key file that opens it, in place of a passphrase.",
        ),
        field(
            "bandwidth",
            Kind::List(&RATES),
            Need::Default("[]"),
            "How fast it may be written to and read from; the first rule that fits the time counts.",
        ),
    ],
};
