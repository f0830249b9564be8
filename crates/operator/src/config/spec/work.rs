//! Settings of what is done for a set besides its scheduled backups.

use super::forms::{ADDRESS, PERIOD, SCHEDULES, SPAN};
use super::{Kind, Need, Section, field};

pub(super) static CONTINUOUS: Section = Section {
    about: "Backup as changes happen, by `postkeep daemon`: mailboxes that the server tells of are backed up within a minute. A `schedule` beside it finds what nobody tells of: archives, public folders, settings.",
    fields: &[
        field(
            "settle",
            Kind::Form(&SPAN),
            Need::Default("\"20s\""),
            "Gather changes this long after the first one, so that they go into one session; longer makes fewer and larger packs.",
        ),
        field(
            "poll",
            Kind::Form(&SPAN),
            Need::Default("\"5m\""),
            "How often mailboxes are asked that cannot be listened to, because the server does not stream or the connections do not suffice; 10s at least.",
        ),
        field(
            "connections",
            Kind::Number(0, 1000),
            Need::Default("10"),
            "Most connections that listen at the same time; Exchange's throttling policy calls it HangingConnectionLimit.",
        ),
        field(
            "mailboxes_per_connection",
            Kind::Number(1, 200),
            Need::Default("200"),
            "Most mailboxes that share one of them; all of one connection lie on one mailbox server.",
        ),
    ],
};

pub(super) static CHECK: Section = Section {
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

pub(super) static RETENTION: Section = Section {
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

pub(super) static DRILL: Section = Section {
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

pub(super) static HOOKS: Section = Section {
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
