//! Which mailboxes of a server a choice means: named ones, members of groups, and what the server
//! lists.
//!
//! The list is what GetSearchableMailboxes tells an account that may search; without that right the
//! address book is read, by FindPeople, or name by name where a server has no such view. What was
//! found and is not meant, and what could not be found out, is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ews_client::{
    BaseShape, DistinguishedFolder, FindPeople, FolderIdRef, FolderShape, GetFolder,
    GetSearchableMailboxes, GroupRef, Paging, Resolution, ResolveNames, SearchScope,
};

use crate::error::{Error, ErrorKind, Result};
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::report::Gap;
use crate::selection::MailboxSelection;
use crate::source::Exchange;

/// People asked for in one FindPeople answer; Exchange gives at most 1,000.
const PAGE: u32 = 1000;

/// Mailboxes of one organisation; a server that goes on without end is stopped here.
const MAX_LISTED: usize = 1_000_000;

/// ResolveNames tells at most so many.
const MAX_RESOLVED: usize = 100;

/// Names asked for when an address book is read name by name.
const MAX_NAMES: usize = 5_000;

/// What addresses begin and go on with.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789._-";

/// The mailboxes that a choice means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Their names, in the order of the choice: named ones, members of groups, listed ones.
    pub mailboxes: Vec<String>,
    /// Mailboxes that exist and are not meant, and what could not be found out, for
    /// [`BackupOptions::known_gaps`](crate::BackupOptions::known_gaps).
    pub gaps: Vec<Gap>,
}

impl Exchange {
    /// Finds the mailboxes that a choice means. A server is asked only where the choice needs it:
    /// for groups, patterns and all mailboxes.
    ///
    /// # Errors
    /// `Invalid` for a name that is none; `NotFound` if the choice means no mailbox at all;
    /// `Auth`, `Unreachable` and the like if the server can tell nothing.
    pub async fn roster(&self, selection: &MailboxSelection) -> Result<Roster> {
        let mut finding = Finding::new(self, selection);
        for name in &selection.addresses {
            finding.add(&name.parse()?);
        }
        for group in &selection.groups {
            finding.group(group).await?;
        }
        if selection.needs_list() {
            finding.listed().await?;
        }
        if selection.public_folders {
            finding.public_folders()?;
        } else if selection.needs_list() {
            finding.name_public_folders().await;
        }
        if finding.roster.mailboxes.is_empty() && selection.names_any() {
            let message = "the choice of mailboxes means none that exists";
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(finding.roster)
    }
}

struct Finding<'a> {
    exchange: &'a Exchange,
    selection: &'a MailboxSelection,
    roster: Roster,
    seen: BTreeSet<String>,
}

impl<'a> Finding<'a> {
    fn new(exchange: &'a Exchange, selection: &'a MailboxSelection) -> Self {
        Self {
            exchange,
            selection,
            roster: Roster::default(),
            seen: BTreeSet::new(),
        }
    }

    /// Takes a mailbox, once, unless it is excluded.
    fn add(&mut self, name: &MailboxName) {
        let stored = name.stored();
        if !self.seen.insert(stored.clone()) {
            return;
        }
        let address = name.address().unwrap_or(&stored);
        match self.selection.exclusion(address) {
            Some(pattern) => self.gap(&stored, &format!("excluded by {pattern}")),
            None => self.roster.mailboxes.push(name.to_string()),
        }
    }

    /// A mailbox that is not covered.
    fn gap(&mut self, mailbox: &str, reason: &str) {
        self.roster.gaps.push(Gap {
            mailbox: mailbox.to_owned(),
            what: Gap::WHOLE_MAILBOX.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Something about the list of mailboxes itself.
    fn unsure(&mut self, what: &str, reason: String) {
        self.roster.gaps.push(Gap {
            mailbox: self.exchange.server().to_owned(),
            what: what.to_owned(),
            reason,
        });
    }

    async fn group(&mut self, group: &str) -> Result<()> {
        let asked = GroupRef::Address(group.trim().to_owned());
        let members = match self.exchange.client().expand_group(asked).await {
            Ok(members) => members,
            Err(error) => {
                let kind = crate::error::kind_of_ews(error.kind());
                let is_fatal = matches!(kind, ErrorKind::Auth | ErrorKind::Unreachable);
                if is_fatal || self.is_only_way() {
                    let message = format!("find the members of {group}");
                    return Err(Error::with_source(kind, message, error));
                }
                self.unsure(&format!("members of {group}"), error.to_string());
                return Ok(());
            }
        };
        for (below, error) in &members.failed {
            let below = match below {
                GroupRef::Address(address) => address.as_str(),
                GroupRef::Item(_) => "a personal list",
            };
            self.unsure(
                &format!("members of {below}, in {group}"),
                error.to_string(),
            );
        }
        if !members.is_complete && members.failed.is_empty() {
            let why = "the server told only a part of them".to_owned();
            self.unsure(&format!("members of {group}"), why);
        }
        for member in members.members {
            let kind = member.mailbox.mailbox_type.as_deref().unwrap_or("Mailbox");
            let address = member.mailbox.address.unwrap_or_default();
            match address.parse::<MailboxName>() {
                Ok(name) if matches!(kind, "Mailbox" | "Unknown") => self.add(&name),
                _ => {
                    let who = member.mailbox.name.filter(|_| address.is_empty());
                    let who = who.unwrap_or(address);
                    self.gap(
                        &who,
                        &format!("a member of {group} that is no mailbox: {kind}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// Whether the choice consists of one group.
    fn is_only_way(&self) -> bool {
        let selection = self.selection;
        selection.groups.len() == 1 && selection.addresses.is_empty() && !selection.needs_list()
    }

    async fn listed(&mut self) -> Result<()> {
        let listed = self.list().await?;
        for address in listed {
            let Ok(name) = address.parse::<MailboxName>() else {
                self.gap(&address, "its address is none that can be opened");
                continue;
            };
            if self.selection.chooses_listed(&address) {
                self.add(&name);
            } else if !self.seen.contains(&name.stored()) {
                self.seen.insert(name.stored());
                self.gap(&name.stored(), "not selected");
            }
        }
        Ok(())
    }

    /// The addresses of all mailboxes, by the best way that the server allows.
    async fn list(&mut self) -> Result<Vec<String>> {
        let client = self.exchange.client();
        let asked = GetSearchableMailboxes::default();
        let refused = match client.get_searchable_mailboxes(&asked).await {
            Ok(found) => {
                for (name, reason) in &found.failed {
                    self.gap(name, reason);
                }
                let mut listed = Vec::new();
                for mailbox in found.mailboxes.into_iter().filter(|m| !m.is_group) {
                    if mailbox.is_external {
                        let address = mailbox.external_address;
                        let address = address.unwrap_or(mailbox.primary_smtp_address);
                        self.gap(&address, "it lies outside the organisation's servers");
                    } else {
                        listed.push(mailbox.primary_smtp_address);
                    }
                }
                return Ok(listed);
            }
            Err(error) if can_go_on(&error) => error,
            Err(error) => return Err(failed(error)),
        };
        let (listed, how) = match self.people().await {
            Ok(listed) if !listed.is_empty() => (listed, "the address book"),
            Ok(_) => (self.names().await?, "the address book, name by name"),
            Err(error) if can_go_on(&error) => {
                (self.names().await?, "the address book, name by name")
            }
            Err(error) => return Err(failed(error)),
        };
        let why = format!(
            "found in {how}, where mailboxes may be hidden, since the account may not list them \
             (the role Mailbox Search lets it): {refused}"
        );
        self.unsure("the list of mailboxes", why);
        Ok(listed)
    }

    /// Everybody in the address book who is a person and no group.
    async fn people(&self) -> ews_client::Result<Vec<String>> {
        let mut listed = BTreeMap::new();
        let mut offset = 0;
        loop {
            let asked = FindPeople {
                folder: FolderIdRef::from(DistinguishedFolder::Directory),
                query: None,
                paging: Paging {
                    offset,
                    max_entries: PAGE,
                },
            };
            let page = self.exchange.client().find_people(&asked).await?;
            let got = u32::try_from(page.people.len()).unwrap_or(u32::MAX);
            let before = listed.len();
            for persona in page.people {
                let is_group = persona.persona_type.as_deref() == Some("DistributionList");
                let email = persona.email.filter(|_| !is_group).unwrap_or_default();
                if is_mailbox(email.mailbox_type.as_deref())
                    && let Some(address) = email.address
                {
                    listed.insert(address.to_lowercase(), address);
                }
            }
            offset = offset.saturating_add(got);
            let all = page.total.is_some_and(|total| u64::from(offset) >= total);
            let stands_still = got == 0 || (listed.len() == before && page.total.is_none());
            if all || stands_still || listed.len() >= MAX_LISTED {
                return Ok(listed.into_values().collect());
            }
        }
    }

    /// The same by asking for every beginning of a name; one with too many answers is made longer.
    async fn names(&mut self) -> Result<Vec<String>> {
        let mut listed = BTreeMap::new();
        let mut waiting: VecDeque<String> = LETTERS.chars().map(String::from).collect();
        let mut asked = 0;
        while let Some(beginning) = waiting.pop_front() {
            if asked == MAX_NAMES {
                let why = format!("more names than {MAX_NAMES} requests can tell");
                self.unsure("the list of mailboxes", why);
                break;
            }
            asked += 1;
            let request = ResolveNames {
                unresolved: beginning.clone(),
                scope: SearchScope::ActiveDirectory,
            };
            let answer = self.exchange.client().resolve_names(&request).await;
            let found = answer.map_err(failed)?;
            if found.len() >= MAX_RESOLVED {
                waiting.extend(LETTERS.chars().map(|letter| format!("{beginning}{letter}")));
            }
            for Resolution { mailbox } in found {
                if is_mailbox(mailbox.mailbox_type.as_deref())
                    && let Some(address) = mailbox.address
                {
                    listed.insert(address.to_lowercase(), address);
                }
            }
        }
        Ok(listed.into_values().collect())
    }

    /// Whoever asks for all mailboxes may miss what belongs to none.
    async fn name_public_folders(&mut self) {
        let asked = GetFolder {
            shape: FolderShape::new(BaseShape::IdOnly),
            ids: vec![FolderIdRef::from(DistinguishedFolder::PublicFoldersRoot)],
        };
        let found = self.exchange.client().get_folder(&asked).await;
        if matches!(found.as_deref(), Ok([Ok(_), ..])) {
            self.unsure("public folders", "not selected".to_owned());
        }
    }

    fn public_folders(&mut self) -> Result<()> {
        let account = self.exchange.account();
        let Some((_, domain)) = account.rsplit_once('@') else {
            let message = format!(
                "{account} is not an address: the domain of the public folders is not known"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        self.add(&MailboxName::new(domain, MailboxPart::Public));
        Ok(())
    }
}

/// Whether somebody's entry stands for a mailbox of the organisation.
fn is_mailbox(mailbox_type: Option<&str>) -> bool {
    matches!(mailbox_type, None | Some("Mailbox"))
}

/// Whether another way to list mailboxes may work where this one did not.
fn can_go_on(error: &ews_client::Error) -> bool {
    !matches!(
        error.kind(),
        ews_client::ErrorKind::Auth
            | ews_client::ErrorKind::Unreachable
            | ews_client::ErrorKind::NotEws
            | ews_client::ErrorKind::Timeout
    )
}

fn failed(error: ews_client::Error) -> Error {
    let kind = crate::error::kind_of_ews(error.kind());
    Error::with_source(kind, "list the mailboxes", error)
}
