//! Taking an address out of a document. Pure.

use serde_json::Value;

/// Stands where the address stood.
const INSTEAD: &str = "(erased)";

/// Members of an object by which it is about one mailbox.
const NAMING: [&str; 4] = ["mailbox", "name", "address", "to_mailbox"];

/// Whether a text has an address in it as a whole, letter case aside: `ann@x.org` is in
/// `<Ann@x.org>` and not in `joann@x.org` or `ann@x.org.uk`.
pub(super) fn mentions(text: &str, address: &str) -> bool {
    places(text, address).next().is_some()
}

/// A JSON document without the address: entries of lists that are about it are left out, wherever
/// else it stands it is replaced. `names` are the address and the names of all parts of its mail.
/// `None` for what is no JSON.
pub(super) fn redact(body: &[u8], names: &[String]) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(body).ok()?;
    clean(&mut document, names);
    serde_json::to_vec(&document).ok()
}

fn clean(value: &mut Value, names: &[String]) {
    let address = names.first().map_or("", String::as_str);
    match value {
        Value::String(text) => *text = without(text, address),
        Value::Array(entries) => {
            entries.retain(|entry| !is_about(entry, names));
            entries.iter_mut().for_each(|entry| clean(entry, names));
        }
        Value::Object(members) => {
            members.retain(|name, _| !mentions(name, address));
            members.values_mut().for_each(|member| clean(member, names));
        }
        _ => {}
    }
}

fn is_about(entry: &Value, names: &[String]) -> bool {
    let is_name = |text: &str| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    match entry {
        Value::String(text) => is_name(text),
        Value::Object(members) => NAMING.iter().any(|member| {
            let text = members.get(*member).and_then(Value::as_str);
            text.is_some_and(is_name)
        }),
        _ => false,
    }
}

fn without(text: &str, address: &str) -> String {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(at) = places(rest, address).next() {
        let (before, from) = rest.split_at(at);
        clean.push_str(before);
        clean.push_str(INSTEAD);
        rest = from.get(address.len()..).unwrap_or_default();
    }
    clean + rest
}

/// Where an address stands in a text, in bytes.
fn places<'a>(text: &'a str, address: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || "._%+-@".contains(c);
    text.char_indices().map(|(at, _)| at).filter(move |at| {
        let found = text.get(*at..at.saturating_add(address.len()));
        if address.is_empty() || !found.is_some_and(|found| found.eq_ignore_ascii_case(address)) {
            return false;
        }
        let before = text
            .get(..*at)
            .and_then(|before| before.chars().next_back());
        let mut after = text.get(at + address.len()..).unwrap_or_default().chars();
        let ends = match after.next() {
            // The end of a sentence, unless the domain goes on.
            Some('.') => !after.next().is_some_and(char::is_alphanumeric),
            next => !next.is_some_and(is_part),
        };
        !before.is_some_and(is_part) && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const ANN: &str = "ann@x.org";

    #[test]
    fn only_the_whole_address_is_meant() {
        for text in [
            "ann@x.org",
            "<Ann@X.org>",
            "mail of ann@x.org.",
            "ann@x.org/archive",
        ] {
            assert!(mentions(text, ANN), "{text}");
        }
        for text in [
            "joann@x.org",
            "ann@x.org.uk",
            "ann@x.orga",
            "j.ann@x.org",
            "ann",
            "",
            "é",
        ] {
            assert!(!mentions(text, ANN), "{text}");
        }
        assert!(!mentions("anything", ""));
    }

    #[test]
    fn a_report_loses_the_mailbox_and_keeps_the_others() {
        let report = json!({
            "version": 1,
            "mailboxes": [
                {"mailbox": "ann@x.org", "items": 3, "failures": [{"subject": "secret"}]},
                {"mailbox": "ANN@x.org/archive", "items": 3},
                {"mailbox": "bob@x.org", "items": 4, "gaps": ["as delegate of ann@x.org"]},
            ],
            "chosen": ["ann@x.org", "joann@x.org"],
            "by_mailbox": {"ann@x.org": 7, "bob@x.org": 8},
            "line": "ann@x.org, joann@x.org and Ann@x.org",
        });
        let names = ["ann@x.org".to_owned(), "ann@x.org/archive".to_owned()];
        let cleaned = redact(&serde_json::to_vec(&report).unwrap(), &names).unwrap();
        let cleaned: Value = serde_json::from_slice(&cleaned).unwrap();
        let expected = json!({
            "version": 1,
            "mailboxes": [
                {"mailbox": "bob@x.org", "items": 4, "gaps": ["as delegate of (erased)"]},
            ],
            "chosen": ["joann@x.org"],
            "by_mailbox": {"bob@x.org": 8},
            "line": "(erased), joann@x.org and (erased)",
        });
        assert_eq!(cleaned, expected);
        assert_eq!(redact(b"no JSON about ann@x.org", &names), None);
    }

    proptest! {
        #[test]
        fn what_was_cleaned_names_nobody(parts in proptest::collection::vec("[a-c@.é /]{0,4}", 0..6)) {
            let text = parts.join(ANN);
            prop_assert!(!mentions(&without(&text, ANN), ANN));
        }
    }
}
