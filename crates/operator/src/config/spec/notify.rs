//! Settings of who is told of runs.

use super::forms::{ADDRESS, ADDRESSES, TEXTS, URL};
use super::{Kind, Need, Section, field};

pub(super) static NOTIFY: Section = Section {
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
        field(
            "password_keyring",
            Kind::Text,
            Need::Optional,
            "Its name in the system's keyring, as `postkeep keyring set` took it; for programs built with the feature keyring.",
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
        field(
            "token_keyring",
            Kind::Text,
            Need::Optional,
            "Its name in the system's keyring, as `postkeep keyring set` took it; for programs built with the feature keyring.",
        ),
    ],
};
