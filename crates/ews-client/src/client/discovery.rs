//! The calls that find mailboxes.

use std::collections::{HashSet, VecDeque};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::op::{
    ExpandDl, FindPeople, GetPersona, GetSearchableMailboxes, GroupMember, GroupPage, GroupRef,
    PeoplePage, PersonaDetails, SearchableMailboxes,
};

/// Most groups expanded for one: a loop of groups cannot run away, nor can a hostile directory.
const MAX_GROUPS: usize = 10_000;

/// Everybody in a group, at any depth (by ExpandDL, MS-OXWSDLIST 3.1.4.1).
#[derive(Debug, Default)]
pub struct GroupMembers {
    /// The members that are no groups, each address once, in the order they were found.
    pub members: Vec<GroupMember>,
    /// The groups below the first that could not be expanded, with the reason.
    pub failed: Vec<(GroupRef, Error)>,
    /// Whether these are all: no group failed or was cut off by the server, and none was left out
    /// because there are more than 10,000.
    pub is_complete: bool,
}

impl Client {
    /// GetSearchableMailboxes: which mailboxes the account may search.
    ///
    /// # Errors
    ///
    /// Those of [every call](Client#errors).
    pub async fn get_searchable_mailboxes(
        &self,
        request: &GetSearchableMailboxes,
    ) -> Result<SearchableMailboxes> {
        self.call(request).await
    }

    /// ExpandDL: the direct members of a group.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty address or id, else those of [every call](Client#errors).
    pub async fn expand_dl(&self, request: &ExpandDl) -> Result<GroupPage> {
        self.call(request).await
    }

    /// FindPeople: people of the address book, or of a folder of contacts.
    ///
    /// # Errors
    ///
    /// Those of [every call](Client#errors).
    pub async fn find_people(&self, request: &FindPeople) -> Result<PeoplePage> {
        self.call(request).await
    }

    /// GetPersona: all that is known of somebody.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty id, else those of [every call](Client#errors).
    pub async fn get_persona(&self, request: &GetPersona) -> Result<PersonaDetails> {
        self.call(request).await
    }

    /// Everybody in a group and in the groups in it, by one ExpandDL a group. Groups that hold
    /// one another are expanded once.
    ///
    /// # Errors
    ///
    /// Those of the first ExpandDL; what fails further down is listed in the result.
    ///
    /// # Cancellation
    ///
    /// Nothing is left behind; what was found so far is lost.
    pub async fn expand_group(&self, group: GroupRef) -> Result<GroupMembers> {
        let first = ExpandDl { group };
        let page = self.expand_dl(&first).await?;
        let mut walk = Walk::default();
        walk.seen.insert(key(&first.group));
        walk.found.is_complete = true;
        walk.take(page);
        while let Some(group) = walk.waiting.pop_front() {
            match self
                .expand_dl(&ExpandDl {
                    group: group.clone(),
                })
                .await
            {
                Ok(page) => walk.take(page),
                Err(error) => {
                    walk.found.is_complete = false;
                    walk.found.failed.push((group, error));
                }
            }
        }
        Ok(walk.found)
    }
}

#[derive(Default)]
struct Walk {
    found: GroupMembers,
    waiting: VecDeque<GroupRef>,
    seen: HashSet<String>,
    people: HashSet<String>,
}

impl Walk {
    fn take(&mut self, page: GroupPage) {
        self.found.is_complete &= page.is_complete;
        for member in page.members {
            if let Some(group) = member.as_group() {
                if self.seen.len() >= MAX_GROUPS {
                    self.found.is_complete = false;
                } else if self.seen.insert(key(&group)) {
                    self.waiting.push_back(group);
                }
                continue;
            }
            let address = member.mailbox.address.as_deref().unwrap_or_default();
            // A member without an address is told each time: it may be somebody else.
            if address.is_empty() || self.people.insert(address.to_lowercase()) {
                self.found.members.push(member);
            }
        }
    }
}

/// What makes two references the same group.
fn key(group: &GroupRef) -> String {
    match group {
        GroupRef::Address(address) => address.to_lowercase(),
        GroupRef::Item(id) => format!("item {}", id.id),
    }
}
