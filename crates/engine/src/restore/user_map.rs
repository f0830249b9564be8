//! Which mailbox goes into which: a list of users, as CSV.

use std::collections::HashMap;

use crate::error::{Error, ErrorKind, Result};
use crate::mailbox_name::{MailboxName, MailboxPart};

/// Lines of a map; a list of everybody in a large company is below it.
const MAX_LINES: usize = 1_000_000;

/// Where mailboxes go on another server or in another domain.
///
/// CSV with two columns, `source,target`, one pair a line. A pair of domains (`@old.example,
/// @new.example`) stands for all mailboxes of the domain that have no line of their own. Empty
/// lines, lines that begin with `#`, and a first line without any `@` (a heading) are passed over;
/// values may be quoted.
///
/// Items themselves are not rewritten: who sent a mail and to whom, who organizes a meeting and
/// who attends it, is what happened, and the protocol asks for no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMap {
    mailboxes: HashMap<String, String>,
    domains: HashMap<String, String>,
}

impl UserMap {
    /// Reads a map.
    ///
    /// # Errors
    /// `Invalid`, with the line's number, for a line that is no pair or one that contradicts an
    /// earlier one.
    pub fn parse(csv: &str) -> Result<Self> {
        let mut map = Self::default();
        let lines = csv.trim_start_matches('\u{feff}').lines();
        for (at, line) in lines.enumerate().take(MAX_LINES) {
            let line = line.trim();
            let heading = at == 0 && !line.contains('@');
            if line.is_empty() || line.starts_with('#') || heading {
                continue;
            }
            map.add(line).map_err(|what| {
                let message = format!("line {} of the map of users: {what}", at + 1);
                Error::new(ErrorKind::Invalid, message)
            })?;
        }
        Ok(map)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let separator = if line.contains(';') { ';' } else { ',' };
        let fields: Vec<String> = line
            .split(separator)
            .map(|field| field.trim().trim_matches('"').trim().to_lowercase())
            .collect();
        let [source, target] = fields.as_slice() else {
            return Err("give source,target".to_owned());
        };
        let is_domain = |text: &str| text.starts_with('@') && text.len() > 1;
        let is_address = |text: &str| {
            text.split_once('@')
                .is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
        };
        let list = match (is_domain(source), is_domain(target)) {
            (true, true) => &mut self.domains,
            (false, false) if is_address(source) && is_address(target) => &mut self.mailboxes,
            _ => {
                return Err(format!(
                    "{source} and {target} are not two addresses or two domains"
                ));
            }
        };
        match list.insert(source.clone(), target.clone()) {
            Some(before) if before != *target => {
                Err(format!("{source} goes to {before} and to {target}"))
            }
            _ => Ok(()),
        }
    }

    /// Where a mailbox goes; `None` if no line says. An archive goes into the archive of its
    /// owner's new mailbox, and what the server kept of deleted items into the mailbox or archive
    /// that it was deleted from; public folders go by the line of their domain.
    pub fn target(&self, mailbox: &str) -> Option<String> {
        let name: MailboxName = mailbox.parse().ok()?;
        let part = name.part().restored_to();
        let owner = name.other(MailboxPart::Primary).stored();
        let target = if let Some(target) = self.mailboxes.get(&owner) {
            target.clone()
        } else {
            let (user, domain) = owner.rsplit_once('@').unwrap_or(("", &owner));
            let domain = self.domains.get(&format!("@{domain}"))?;
            format!("{user}{domain}")
        };
        let owner = target.strip_prefix('@').unwrap_or(&target);
        Some(MailboxName::new(owner, part).stored())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_go_where_their_line_says_or_their_domains() {
        let map = UserMap::parse(
            "\u{feff}Source,Target\r\n# people\r\nAlice@Old.example, \"a.smith@new.example\"\r\n\r\n\
             @old.example,@new.example\r\nbob@old.example;robert@else.example\n",
        )
        .unwrap();
        let check = |source: &str, target: Option<&str>| {
            assert_eq!(map.target(source).as_deref(), target, "{source}");
        };
        check("alice@old.example", Some("a.smith@new.example"));
        check("BOB@old.example", Some("robert@else.example"));
        check("carol@old.example", Some("carol@new.example"));
        check("dave@third.example", None);
        check("public folders", None);
        check(
            "bob@old.example/archive",
            Some("robert@else.example/archive"),
        );
        check("carol@old.example/recoverable", Some("carol@new.example"));
        let archive = Some("carol@new.example/archive");
        check("carol@old.example/archive/recoverable", archive);
        check("old.example/public", Some("new.example/public"));
        check("third.example/public", None);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        for (csv, line) in [
            ("a@x,b@y\na@x,c@y", 2),
            ("a@x", 1),
            ("a@x,@y", 1),
            ("source,target\n@x,b@y", 2),
            ("a@x,b@y,c@z", 1),
        ] {
            let error = UserMap::parse(csv).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(
                error.to_string().starts_with(&format!("line {line} ")),
                "{error}"
            );
        }
    }
}
