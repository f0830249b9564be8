//! What a table of settings cannot say: forms of addresses, and rules between settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use engine::Url;
use jiff::tz::TimeZone;

use super::inspect::{LEAVE_ONE_OUT, Places, sorted};
use super::mistake::Mistake;
use super::secrets::one_of;
use super::{Config, MailConfig, MailSecurity, NotifyConfig, SetConfig, SignInWay};
use crate::schedule::MAX_JITTER;
use crate::suggest;

/// Collection waits for open sessions this long, so none may stay open longer.
const MAX_SEAL_SECS: u64 = 30 * 60;

/// Changes that are gathered for longer are no continuous backup.
const MAX_SETTLE_SECS: u64 = 10 * 60;
/// Mailboxes are asked no more often.
const MIN_POLL_SECS: u64 = 10;

pub(super) fn zone(text: &str) -> Result<(), String> {
    if TimeZone::get(text).is_ok() {
        return Ok(());
    }
    let known: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .collect();
    // Names are long; their last part is what people mistype.
    let lower = text.to_lowercase();
    let near = known
        .iter()
        .map(|name| (strsim::osa_distance(&lower, &name.to_lowercase()), name))
        .min();
    Err(match near {
        Some((distance, name)) if distance <= 3 => format!("did you mean `{name}`?"),
        _ => "give a name such as Europe/Berlin or UTC".to_owned(),
    })
}

pub(super) fn server(text: &str) -> Result<(), String> {
    let address = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let url = Url::parse(&address).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a name or password: use `user` and `password_file`".into());
    }
    match url.scheme() {
        "http" | "https" => Ok(()),
        other => Err(format!("{other} is neither https nor http")),
    }
}

pub(super) fn web_address(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        other => Err(format!("{other} is neither https nor http")),
    }
}

pub(super) fn address(text: &str) -> Result<(), String> {
    let parts = text.split_once('@');
    let is_address = parts
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    match is_address {
        true => Ok(()),
        false => Err("write it as name@example.com".to_owned()),
    }
}

pub(super) fn mailbox(text: &str) -> Result<(), String> {
    match text.strip_prefix('@') {
        Some("") => Err("name a file behind the @".to_owned()),
        Some(_) => Ok(()),
        None if super::is_pattern(text) => Ok(()),
        None => {
            let parsed = text.parse::<engine::MailboxName>();
            parsed.map(drop).map_err(|error| error.to_string())
        }
    }
}

pub(super) fn listen(text: &str) -> Result<(), String> {
    let is_port = text.parse::<u16>().is_ok_and(|port| port > 0);
    match is_port || text.parse::<SocketAddr>().is_ok() {
        true => Ok(()),
        false => Err("write it as 9184 or 127.0.0.1:9184".to_owned()),
    }
}

/// Finds the mistakes between settings.
pub(super) fn check(config: &Config, places: &Places<'_>) -> Vec<Mistake> {
    let mut found = Vec::new();
    if places.has("sets") && config.sets.is_empty() {
        found.push(places.wrong("sets", "there is no backup set", "[sets.NAME]"));
    }
    let mut urls: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, destination) in &config.destinations {
        let path = format!("destinations.{name}");
        let passphrase = &destination.passphrase;
        passphrase.check(places, &path, "passphrase", &mut found);
        if destination.key_file.is_some() && passphrase.is_named() {
            let message = "a key file opens it without a passphrase: name one of the two";
            found.push(places.wrong(&format!("{path}.key_file"), message, LEAVE_ONE_OUT));
        }
        let url = destination.url.trim_end_matches('/');
        if let Some(other) = urls.insert(url, name) {
            let message = format!("this is the same repository as that of [destinations.{other}]");
            found.push(places.wrong(
                &format!("{path}.url"),
                message,
                "another url, or one destination for both",
            ));
        }
    }
    for (name, set) in &config.sets {
        check_set(config, places, name, set, &mut found);
    }
    for (n, notify) in config.notify.iter().enumerate() {
        check_notify(config, places, &format!("notify.{n}"), notify, &mut found);
    }
    sorted(found)
}

fn check_set(
    config: &Config,
    places: &Places<'_>,
    name: &str,
    set: &SetConfig,
    found: &mut Vec<Mistake>,
) {
    let path = |rest: &str| format!("sets.{name}.{rest}");
    set.password
        .check(places, &format!("sets.{name}"), "password", found);
    check_sign_in(places, name, set, found);
    if set.destinations.is_empty() {
        let mistake = places.mistake(&path("destinations"), "name at least one destination");
        let first = config.destinations.keys().next();
        found.push(mistake.suggest(first.map(|name| format!("\"{name}\""))));
    }
    let known = config.destinations.keys().map(String::as_str);
    names(
        places,
        &path("destinations"),
        &set.destinations,
        "destination",
        known,
        found,
    );
    if set.copy && set.destinations.len() == 1 {
        let message = "there is one destination: nothing can be copied from it to others";
        let mistake = places.mistake(&path("copy"), message);
        found.push(mistake.suggest(Some("name another destination, or leave `copy` out")));
    }
    if let Some(jitter) = set.jitter
        && jitter.0 > MAX_JITTER
    {
        found.push(places.wrong(&path("jitter"), "a day is the longest jitter", "\"24h\""));
    }
    let seal = set.limits.seal_after.0.as_secs();
    if !(1..=MAX_SEAL_SECS).contains(&seal) {
        let message = "give a time between 1s and 30m: collection waits for what is not sealed";
        found.push(places.wrong(&path("limits.seal_after"), message, "\"15m\""));
    }
    check_mailboxes(places, name, set, found);
    check_continuous(places, name, set, found);
    if let Some(retention) = &set.retention
        && !retention.policy.has_snapshot_rule()
    {
        let message = "without a rule such as `keep_within` every snapshot stays";
        found.push(places.wrong(
            &format!("sets.{name}.retention"),
            message,
            "keep_within = \"30d\"",
        ));
    }
    if set.hooks.before.is_none() && places.has(&path("hooks.before_must_succeed")) {
        let message = "there is no `before` that could succeed";
        found.push(places.wrong(
            &path("hooks.before_must_succeed"),
            message,
            "before = [\"program\", \"argument\"]",
        ));
    }
    if set.schedule.is_empty() {
        for needs in ["jitter", "catch_up"] {
            if places.has(&path(needs)) {
                let message = format!("`{needs}` does nothing without a `schedule`");
                found.push(places.wrong(&path(needs), message, "schedule = \"daily 22:00\""));
            }
        }
    }
}

fn check_continuous(places: &Places<'_>, name: &str, set: &SetConfig, found: &mut Vec<Mistake>) {
    let Some(continuous) = &set.continuous else {
        return;
    };
    let path = |rest: &str| format!("sets.{name}.continuous.{rest}");
    if continuous.settle.0.as_secs() > MAX_SETTLE_SECS {
        let message = "10m is the longest: what waits longer is a schedule's work";
        found.push(places.wrong(&path("settle"), message, "\"10m\""));
    }
    if continuous.poll.0.as_secs() < MIN_POLL_SECS {
        let message = "ask every 10s at most: each time costs two requests a mailbox";
        found.push(places.wrong(&path("poll"), message, "\"10s\""));
    }
}

fn check_sign_in(places: &Places<'_>, name: &str, set: &SetConfig, found: &mut Vec<Mistake>) {
    let path = |rest: &str| format!("sets.{name}.{rest}");
    let application = set.auth == SignInWay::Oauth;
    for (setting, is_there) in [
        ("token_url", set.token_url.is_some()),
        ("client_id", set.client_id.is_some()),
    ] {
        match (application, is_there) {
            (true, false) => {
                let message = format!("sign-in as an application needs `{setting}`");
                found.push(places.wrong(&path("auth"), message, format!("{setting} = \"...\"")));
            }
            (false, true) => {
                let message = format!("`{setting}` is for applications");
                found.push(places.wrong(&path(setting), message, "auth = \"oauth\""));
            }
            _ => {}
        }
    }
    if set.ca_file.is_some() && !set.tls_fingerprint.is_empty() {
        let message = "a fingerprint is trusted alone: name it or a `ca_file`, not both";
        found.push(places.wrong(&path("tls_fingerprint"), message, LEAVE_ONE_OUT));
    }
}

fn check_mailboxes(places: &Places<'_>, name: &str, set: &SetConfig, found: &mut Vec<Mistake>) {
    let path = |rest: &str| format!("sets.{name}.{rest}");
    let chooses = !set.mailboxes.is_empty() || set.all || !set.groups.is_empty();
    let own = !chooses && !set.public_folders;
    if !set.exclude_mailboxes.is_empty() && !chooses {
        let message = "there is nothing to exclude mailboxes from";
        found.push(places.wrong(&path("exclude_mailboxes"), message, "all = true"));
    }
    if own && address(&set.user).is_err() {
        let message = format!(
            "{} is not an address, so that its mailbox is not known",
            set.user
        );
        found.push(places.wrong(
            &path("user"),
            message,
            "mailboxes = [\"alice@example.com\"]",
        ));
    }
    let mut seen = BTreeMap::new();
    for (n, mailbox) in set.mailboxes.iter().enumerate() {
        if seen.insert(mailbox.to_lowercase(), n).is_some() {
            let place = path(&format!("mailboxes.{n}"));
            found.push(places.wrong(&place, format!("{mailbox} is named twice"), LEAVE_ONE_OUT));
        }
    }
}

fn check_notify(
    config: &Config,
    places: &Places<'_>,
    path: &str,
    notify: &NotifyConfig,
    found: &mut Vec<Mistake>,
) {
    let ways = [
        notify.mail.is_some(),
        notify.webhook.is_some(),
        notify.command.is_some(),
    ];
    if ways.iter().filter(|way| **way).count() != 1 {
        let message = "a [[notify]] needs exactly one of `mail`, `webhook` and `command`";
        let suggestion = match ways.contains(&true) {
            true => "a [[notify]] for each of them",
            false => "command = [\"program\", \"argument\"]",
        };
        found.push(places.mistake(path, message).suggest(Some(suggestion)));
    }
    let known = config.sets.keys().map(String::as_str);
    names(
        places,
        &format!("{path}.sets"),
        &notify.sets,
        "set",
        known,
        found,
    );
    if let Some(mail) = &notify.mail {
        let path = format!("{path}.mail");
        check_mail(places, &path, mail, found);
    }
    if let Some(webhook) = &notify.webhook {
        webhook
            .token
            .check(places, &format!("{path}.webhook"), "token", found);
    }
}

fn check_mail(places: &Places<'_>, path: &str, mail: &MailConfig, found: &mut Vec<Mistake>) {
    mail.password.check(places, path, "password", found);
    if mail.to.is_empty() {
        found.push(places.wrong(
            &format!("{path}.to"),
            "name at least one address",
            "\"admin@example.com\"",
        ));
    }
    let signs_in = mail.user.is_some();
    if signs_in && mail.security == MailSecurity::None {
        let message = "without TLS the password could be read on the way";
        found.push(places.wrong(&format!("{path}.security"), message, "starttls"));
    }
    if signs_in != mail.password.is_named() {
        let all = one_of("password");
        let message = format!("signing in takes both `user` and one of {all}");
        let suggestion = match signs_in {
            true => "password_file = \"...\"",
            false => "user = \"...\"",
        };
        found.push(places.wrong(&format!("{path}.user"), message, suggestion));
    }
}

/// Names of things that must be defined elsewhere in the file, each once.
fn names<'a>(
    places: &Places<'_>,
    path: &str,
    names: &[String],
    what: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    found: &mut Vec<Mistake>,
) {
    for (n, name) in names.iter().enumerate() {
        let place = format!("{path}.{n}");
        if !known.clone().any(|known| known == name) {
            let near = suggest::nearest(name, known.clone());
            let mistake = places.mistake(&place, format!("there is no {what} `{name}`"));
            let all = known.clone().collect::<Vec<_>>().join(", ");
            let suggestion = near.map_or(format!("one of {all}"), str::to_owned);
            found.push(mistake.suggest(Some(suggestion).filter(|_| !all.is_empty())));
        } else if names[..n].contains(name) {
            found.push(places.wrong(
                &place,
                format!("the {what} `{name}` is named twice"),
                LEAVE_ONE_OUT,
            ));
        }
    }
}
