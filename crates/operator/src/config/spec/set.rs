//! Settings of backup sets: where from, what, where to and when.
// tidy: table

use super::forms::{
    ADDRESSES, AGE, BYTE_COUNT, MAILBOXES, RATES, SCHEDULES, SERVER, SHARD, SPAN, TEXTS, URL,
    WINDOWS, ZONE,
};
use super::work::{CHECK, CONTINUOUS, DRILL, HOOKS, RETENTION};
use super::{Kind, Need, Section, field};

pub(super) static SET: Section = Section {
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
            "password_keyring",
            Kind::Text,
            Need::Optional,
            "Its name in the system's keyring, as `postkeep keyring set` took it; for programs built with the feature keyring.",
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
            "legacy_tls",
            Kind::Flag,
            Need::Default("false"),
            "Speak the operating system's TLS, for servers that offer only CBC cipher suites; needs a build with the feature legacy-tls.",
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
            "Serve the destinations side by side instead of one after the other; without `copy` the server is read once for each.",
        ),
        field(
            "copy",
            Kind::Flag,
            Need::Default("false"),
            "Read the server once, into the first destination, and bring the others up to date from it, sealed anew with their keys. Where the first one fails, the others are served from the server.",
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
            "continuous",
            Kind::Section(&CONTINUOUS),
            Need::Optional,
            "Backup as changes happen.",
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
            "server_requests",
            Kind::Number(1, 1000),
            Need::Default("27"),
            "Requests under way at the server at the same time, of all sets that read from it together: where they differ, the smallest counts.",
        ),
        field(
            "bandwidth",
            Kind::List(&RATES),
            Need::Default("[]"),
            "How fast the server may be read from and written to; the first rule that fits the time counts.",
        ),
        field(
            "seal_after",
            Kind::Form(&SPAN),
            Need::Default("\"15m\""),
            "Commit what was read so far each time this long has passed; 30m at most.",
        ),
    ],
};
