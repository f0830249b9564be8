//! Which settings there are: the one table from which checking, schema and documentation are made.
// tidy: table

use crate::bandwidth::RateRule;
use crate::schedule::{Schedule, WindowRule};
use crate::units::{Shard, TimeSpan};

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

fn parses<T: std::str::FromStr<Err = String>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop)
}

fn parses_engine<T: std::str::FromStr<Err = engine::Error>>(text: &str) -> Result<(), String> {
    let parsed = text.parse::<T>();
    parsed.map(drop).map_err(|error| error.to_string())
}

static SPAN: Form = Form {
    what: "a length of time",
    check: parses::<TimeSpan>,
    example: "4h",
};
static SCHEDULE: Form = Form {
    what: "a schedule",
    check: parses::<Schedule>,
    example: "daily 22:00",
};
static WINDOW: Form = Form {
    what: "a window",
    check: parses::<WindowRule>,
    example: "mon-fri 22:00-06:00",
};
static RATE: Form = Form {
    what: "a rate, for all day or for some hours",
    check: parses::<RateRule>,
    example: "mon-fri 08:00-18:00 1 MB/s",
};
static SHARD: Form = Form {
    what: "a shard",
    check: parses::<Shard>,
    example: "2/5",
};
static ZONE: Form = Form {
    what: "a time zone",
    check: super::rules::zone,
    example: "Europe/Berlin",
};
static AGE: Form = Form {
    what: "an age or a day",
    check: parses_engine::<engine::Age>,
    example: "2y",
};
static PERIOD: Form = Form {
    what: "a length of time",
    check: parses_engine::<engine::Period>,
    example: "1y",
};
static BYTE_COUNT: Form = Form {
    what: "a size",
    check: parses_engine::<engine::ByteCount>,
    example: "10M",
};
static SERVER: Form = Form {
    what: "a server's address",
    check: super::rules::server,
    example: "mail.example.com",
};
static URL: Form = Form {
    what: "an http or https address",
    check: super::rules::web_address,
    example: "https://hooks.example.com/backup",
};
static ADDRESS: Form = Form {
    what: "a mail address",
    check: super::rules::address,
    example: "admin@example.com",
};
static MAILBOX: Form = Form {
    what: "a mailbox's name, a pattern of addresses, or @FILE with a name a line",
    check: super::rules::mailbox,
    example: "alice@example.com",
};
static LISTEN: Form = Form {
    what: "an address and port to listen on",
    check: super::rules::listen,
    example: "127.0.0.1:9184",
};

static TEXTS: Kind = Kind::Text;
static SCHEDULES: Kind = Kind::Form(&SCHEDULE);
static WINDOWS: Kind = Kind::Form(&WINDOW);
static RATES: Kind = Kind::Form(&RATE);
static MAILBOXES: Kind = Kind::Form(&MAILBOX);
static ADDRESSES: Kind = Kind::Form(&ADDRESS);

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
            "Serve Prometheus metrics at this address, below /metrics. They name mailboxes: keep it on loopback.",
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

static SET: Section = Section {
    about: "A backup set: what is read from one server, where it goes, and when.",
    fields: &[
        field(
            "server",
            Kind::Form(&SERVER),
            Need::Required,
            "The server's EWS address; /EWS/Exchange.asmx is added where it has no path.",
        ),
        field(
            "user",
            Kind::Text,
            Need::Required,
            "The account that signs in: a UPN, an SMTP address or DOMAIN\\user.",
        ),
        field(
            "password_file",
            Kind::Text,
            Need::Optional,
            "File that holds the account's password.",
        ),
        field(
            "password_env",
            Kind::Text,
            Need::Optional,
            "Environment variable that holds it.",
        ),
        field(
            "password_command",
            Kind::Command,
            Need::Optional,
            "Command that prints it.",
        ),
        field(
            "auth",
            Kind::OneOf(&["auto", "basic", "ntlm", "negotiate", "oauth"]),
            Need::Default("\"auto\""),
            "How it signs in: auto takes the best that the server offers for a password.",
        ),
        field(
            "token_url",
            Kind::Form(&URL),
            Need::Optional,
            "With auth = \"oauth\": where the application gets its tokens. The password is its secret.",
        ),
        field(
            "client_id",
            Kind::Text,
            Need::Optional,
            "With auth = \"oauth\": the application's id.",
        ),
        field(
            "scope",
            Kind::Text,
            Need::Optional,
            "With auth = \"oauth\": what the tokens are for. Without it, Exchange Online.",
        ),
        field(
            "ca_file",
            Kind::Text,
            Need::Optional,
            "Certificates to trust besides the system's, in PEM form.",
        ),
        field(
            "tls_fingerprint",
            Kind::List(&TEXTS),
            Need::Default("[]"),
            "Trust the server's certificate by its SHA-256 fingerprint, and no other.",
        ),
        field(
            "proxy",
            Kind::Text,
            Need::Optional,
            "Go through this HTTP proxy; one that wants a password is better named by the environment variable POSTKEEP_PROXY.",
        ),
        field(
            "mailboxes",
            Kind::List(&MAILBOXES),
            Need::Default("[]"),
            "Names such as ann@example.com, ann@example.com/archive or example.com/public; patterns such as sales-*@example.com; or @FILE with a name a line. Without any, and without `all` and `groups`, the account's own mailbox.",
        ),
        field(
            "all",
            Kind::Flag,
            Need::Default("false"),
            "All mailboxes that the server lists: to an account with the role Mailbox Search as they are, to others from the address book.",
        ),
        field(
            "groups",
            Kind::List(&ADDRESSES),
            Need::Default("[]"),
            "The members of these distribution groups, and of the groups in them, as they are when a run begins.",
        ),
        field(
            "exclude_mailboxes",
            Kind::List(&TEXTS),
            Need::Default("[]"),
            "No mailboxes whose addresses fit these patterns, however they were chosen.",
        ),
        field(
            "archives",
            Kind::Flag,
            Need::Default("false"),
            "The archives of the mailboxes too, where there are any.",
        ),
        field(
            "recoverable",
            Kind::Flag,
            Need::Default("false"),
            "What the server still keeps of deleted items too.",
        ),
        field(
            "public_folders",
            Kind::Flag,
            Need::Default("false"),
            "The public folders of the account's domain too.",
        ),
        field(
            "settings",
            Kind::OneOf(&["auto", "always", "never"]),
            Need::Default("\"auto\""),
            "When permissions, delegates, rules and other settings are read: with any change in a mailbox and once a day, in every run, or never.",
        ),
        field(
            "destinations",
            Kind::List(&TEXTS),
            Need::Required,
            "Names of destinations. Each gets a backup that is complete on its own.",
        ),
        field(
            "together",
            Kind::Flag,
            Need::Default("false"),
            "Serve the destinations side by side instead of one after the other; the server is read once for each either way.",
        ),
        field(
            "schedule",
            Kind::List(&SCHEDULES),
            Need::Default("[]"),
            "When it is backed up. Without any, only by hand.",
        ),
        field(
            "time_zone",
            Kind::Form(&ZONE),
            Need::Optional,
            "The zone of this set's schedules and windows, if it is another than the file's.",
        ),
        field(
            "window",
            Kind::List(&WINDOWS),
            Need::Default("[]"),
            "When work may be done. A run that is under way when the window closes stops cleanly and continues in the next.",
        ),
        field(
            "jitter",
            Kind::Form(&SPAN),
            Need::Optional,
            "Put each run off by less than this, differently for each set and time, so that not all begin at once.",
        ),
        field(
            "catch_up",
            Kind::Flag,
            Need::Default("true"),
            "Make up for missed runs, however many, by one.",
        ),
        field(
            "target_age",
            Kind::Form(&SPAN),
            Need::Optional,
            "How old the newest snapshot of each mailbox may become before `status` complains.",
        ),
        field(
            "shard",
            Kind::Form(&SHARD),
            Need::Optional,
            "This machine's part of the mailboxes, NUMBER/COUNT: each machine that shares the set names another number.",
        ),
        field(
            "select",
            Kind::Section(&SELECT),
            Need::Optional,
            "What of each mailbox.",
        ),
        field(
            "limits",
            Kind::Section(&LIMITS),
            Need::Optional,
            "How hard it may work.",
        ),
        field(
            "check",
            Kind::Section(&CHECK),
            Need::Optional,
            "Checks of the set's destinations.",
        ),
        field(
            "retention",
            Kind::Section(&RETENTION),
            Need::Optional,
            "What stays of the set's mailboxes, and for how long. Without it, everything.",
        ),
        field(
            "drill",
            Kind::Section(&DRILL),
            Need::Optional,
            "Proof that backups come back.",
        ),
        field(
            "hooks",
            Kind::Section(&HOOKS),
            Need::Optional,
            "Commands before and after each run.",
        ),
    ],
};

static SELECT: Section = Section {
    about: "What of each mailbox is backed up. Without it, everything.",
    fields: &[
        field(
            "folders",
            Kind::List(&TEXTS),
            Need::Default("[]"),
            "Only these folders and those below them: paths with `*`, `?` and `**` (Inbox/Projects), or distinguished names (@inbox).",
        ),
        field(
            "exclude_folders",
            Kind::List(&TEXTS),
            Need::Default("[]"),
            "Not these folders, nor those below them.",
        ),
        field(
            "classes",
            Kind::List(&TEXTS),
            Need::Default("[]"),
            "Only items of these classes, such as IPM.Note, and those derived from them.",
        ),
        field(
            "exclude_classes",
            Kind::List(&TEXTS),
            Need::Default("[]"),
            "No items of these classes.",
        ),
        field(
            "newer_than",
            Kind::Form(&AGE),
            Need::Optional,
            "Only items younger than this, or since this day.",
        ),
        field(
            "older_than",
            Kind::Form(&AGE),
            Need::Optional,
            "Only items older than this, or before this day.",
        ),
        field(
            "larger_than",
            Kind::Form(&BYTE_COUNT),
            Need::Optional,
            "Only items larger than this; k, M and G are of 1,024 each.",
        ),
        field(
            "smaller_than",
            Kind::Form(&BYTE_COUNT),
            Need::Optional,
            "Only items smaller than this.",
        ),
    ],
};

static LIMITS: Section = Section {
    about: "How hard a set may work.",
    fields: &[
        field(
            "mailboxes_at_once",
            Kind::Number(1, 64),
            Need::Default("4"),
            "Mailboxes read at the same time.",
        ),
        field(
            "requests",
            Kind::Number(1, 64),
            Need::Default("4"),
            "Requests under way for each mailbox.",
        ),
        field(
            "seal_after",
            Kind::Form(&SPAN),
            Need::Default("\"15m\""),
            "Commit what was read so far each time this long has passed; 30m at most.",
        ),
    ],
};

static CHECK: Section = Section {
    about: "Checks of a set's destinations.",
    fields: &[
        field("schedule", Kind::List(&SCHEDULES), Need::Required, "When."),
        field(
            "read_data",
            Kind::Flag,
            Need::Default("false"),
            "Read, decrypt and compare every stored byte.",
        ),
        field(
            "rotate",
            Kind::Number(1, 1000),
            Need::Optional,
            "Read one of so many parts at each check, in turn, instead of everything; implies `read_data`.",
        ),
    ],
};

static RETENTION: Section = Section {
    about: "What stays: a snapshot that any rule keeps. The newest complete snapshot of each mailbox and whatever is held always stay. It is about all mailboxes of a destination that no other set uses, otherwise about those of the set.",
    fields: &[
        field(
            "schedule",
            Kind::List(&SCHEDULES),
            Need::Default("[]"),
            "When the policy is applied. Without any, only by hand.",
        ),
        field(
            "keep_within",
            Kind::Form(&PERIOD),
            Need::Optional,
            "Every snapshot that is younger than this.",
        ),
        field(
            "keep_last",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The newest snapshots of a mailbox, this many.",
        ),
        field(
            "keep_hourly",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The newest snapshot of each of the last hours that have one, this many.",
        ),
        field(
            "keep_daily",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The same by days.",
        ),
        field(
            "keep_weekly",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The same by weeks, which begin on Monday.",
        ),
        field(
            "keep_monthly",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The same by months.",
        ),
        field(
            "keep_quarterly",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The same by quarters.",
        ),
        field(
            "keep_yearly",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The same by years.",
        ),
        field(
            "keep_deleted_items",
            Kind::Form(&PERIOD),
            Need::Optional,
            "Deleted items stay this long after the backup that found them gone, though their snapshots go.",
        ),
        field(
            "keep_versions",
            Kind::Number(0, 100_000),
            Need::Default("0"),
            "The newest versions of each item stay, this many, though their snapshots go.",
        ),
        field(
            "prune",
            Kind::Flag,
            Need::Default("true"),
            "Give the space of what went back at once.",
        ),
    ],
};

static DRILL: Section = Section {
    about: "Drills: a random sample of the newest snapshots is restored, read back and compared.",
    fields: &[
        field("schedule", Kind::List(&SCHEDULES), Need::Required, "When."),
        field(
            "items",
            Kind::Number(1, 1_000_000),
            Need::Default("50"),
            "How many items are tried, of all mailboxes together and at least one of each.",
        ),
        field(
            "mailbox",
            Kind::Form(&ADDRESS),
            Need::Optional,
            "A mailbox on the set's server that they are restored into, below a folder of each drill. Without it, the program's own simulator.",
        ),
    ],
};

static HOOKS: Section = Section {
    about: "Commands around each run. They are started directly, not by a shell.",
    fields: &[
        field(
            "before",
            Kind::Command,
            Need::Optional,
            "Run before, with what is about to be done as JSON on standard input.",
        ),
        field(
            "before_must_succeed",
            Kind::Flag,
            Need::Default("true"),
            "Do not run the backup when `before` fails.",
        ),
        field(
            "after",
            Kind::Command,
            Need::Optional,
            "Run after, with the report as JSON on standard input.",
        ),
        field(
            "timeout",
            Kind::Form(&SPAN),
            Need::Default("\"10m\""),
            "A hook that takes longer is stopped and has failed.",
        ),
    ],
};

static NOTIFY: Section = Section {
    about: "Somebody who is told of runs: by exactly one of `mail`, `webhook` and `command`.",
    fields: &[
        field(
            "when",
            Kind::OneOf(&["failure", "warning", "always"]),
            Need::Default("\"warning\""),
            "Tell of runs that failed, also of those with something missing, or of all.",
        ),
        field(
            "sets",
            Kind::List(&TEXTS),
            Need::Default("[]"),
            "Only of these sets.",
        ),
        field(
            "mail",
            Kind::Section(&MAIL),
            Need::Optional,
            "By e-mail, with the report attached as a page.",
        ),
        field(
            "webhook",
            Kind::Section(&WEBHOOK),
            Need::Optional,
            "By an HTTP POST of the report as JSON.",
        ),
        field(
            "command",
            Kind::Command,
            Need::Optional,
            "By a command with the report as JSON on standard input.",
        ),
    ],
};

static MAIL: Section = Section {
    about: "E-mail over SMTP.",
    fields: &[
        field("to", Kind::List(&ADDRESSES), Need::Required, "Who gets it."),
        field(
            "from",
            Kind::Form(&ADDRESS),
            Need::Required,
            "Who it is from.",
        ),
        field(
            "server",
            Kind::Text,
            Need::Required,
            "The mail server's name.",
        ),
        field(
            "port",
            Kind::Number(1, 65535),
            Need::Optional,
            "Its port. Without it, 465 for tls, 587 for starttls, 25 for none.",
        ),
        field(
            "security",
            Kind::OneOf(&["tls", "starttls", "none"]),
            Need::Default("\"starttls\""),
            "TLS from the first byte, TLS after the greeting (and never without), or none, which is only for a server on this machine.",
        ),
        field(
            "ca_file",
            Kind::Text,
            Need::Optional,
            "Certificates to trust besides the system's, in PEM form.",
        ),
        field("user", Kind::Text, Need::Optional, "Who signs in."),
        field(
            "password_file",
            Kind::Text,
            Need::Optional,
            "File that holds the password.",
        ),
        field(
            "password_env",
            Kind::Text,
            Need::Optional,
            "Environment variable that holds it.",
        ),
        field(
            "password_command",
            Kind::Command,
            Need::Optional,
            "Command that prints it.",
        ),
    ],
};

static WEBHOOK: Section = Section {
    about: "An HTTP POST.",
    fields: &[
        field("url", Kind::Form(&URL), Need::Required, "Where to."),
        field(
            "token_file",
            Kind::Text,
            Need::Optional,
            "File that holds a token, sent as `Authorization: Bearer`.",
        ),
        field(
            "token_env",
            Kind::Text,
            Need::Optional,
            "Environment variable that holds it.",
        ),
        field(
            "token_command",
            Kind::Command,
            Need::Optional,
            "Command that prints it.",
        ),
    ],
};
