//! What settings should be like, from what a snapshot has and what is there now: plain functions
//! of values.

use ews_client::{
    Delegate, DelegateLevel, DeliverMeetingRequests, FolderPermissions, Permission,
    PermissionLevel, UserId, XmlElement,
};

use super::users::Users;
use super::words;
use crate::error::{Doing, Result};

/// Somebody or something that is not restored, and why.
pub(super) type Without = Vec<(String, String)>;

/// Whether two entries are about the same user.
fn is_same(a: &UserId, b: &UserId) -> bool {
    if a.distinguished.is_some() || b.distinguished.is_some() {
        return a.distinguished == b.distinguished;
    }
    match (&a.primary_smtp_address, &b.primary_smtp_address) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => a.sid.is_some() && a.sid == b.sid,
    }
}

/// A user by as little as names it.
fn plain(user: &UserId) -> UserId {
    match (&user.distinguished, &user.primary_smtp_address) {
        (Some(distinguished), _) => UserId::distinguished(*distinguished),
        (None, Some(address)) => UserId::smtp(address),
        (None, None) => user.clone(),
    }
}

/// A permission by as little as says it: the parts of a role are what the server makes of it.
fn strict(permission: &Permission, user: UserId) -> Permission {
    match permission.level {
        PermissionLevel::Custom => Permission {
            user,
            ..permission.clone()
        },
        level => Permission::new(user, level),
    }
}

/// The permissions a folder should have. Whoever has one now and had none in the snapshot keeps
/// it, unless exactly the snapshot's are wanted.
pub(super) fn permissions(
    stored: &FolderPermissions,
    live: &FolderPermissions,
    users: &Users,
    is_exact: bool,
) -> (FolderPermissions, Without) {
    let mut without = Without::new();
    let mut wanted: Vec<Permission> = Vec::new();
    for permission in &stored.permissions {
        match users.get(&permission.user) {
            Some(Ok(user)) if !wanted.iter().any(|other| is_same(&other.user, user)) => {
                wanted.push(strict(permission, user.clone()));
            }
            // Two users of the snapshot are one here: the first counts.
            Some(Ok(_)) => {}
            Some(Err(why)) => without.push((words::who(&permission.user), why.clone())),
            None => {}
        }
    }
    for entry in &stored.unknown_entries {
        let why = "the server did not know it when the backup was made";
        without.push((entry.clone(), why.to_owned()));
    }
    if !is_exact {
        for permission in &live.permissions {
            if !wanted
                .iter()
                .any(|other| is_same(&other.user, &permission.user))
            {
                wanted.push(strict(permission, plain(&permission.user)));
            }
        }
    }
    let set = FolderPermissions {
        is_calendar: live.is_calendar,
        permissions: wanted,
        unknown_entries: Vec::new(),
    };
    (set, without)
}

/// The same permissions in the form in which they are compared: strict, in order of who they are
/// for.
pub(super) fn comparable(set: &FolderPermissions) -> FolderPermissions {
    let mut permissions: Vec<Permission> = set
        .permissions
        .iter()
        .map(|permission| strict(permission, plain(&permission.user)))
        .collect();
    for permission in &mut permissions {
        if let Some(address) = &mut permission.user.primary_smtp_address {
            *address = address.to_lowercase();
        }
    }
    permissions.sort_by_key(|permission| words::who(&permission.user));
    FolderPermissions {
        is_calendar: set.is_calendar,
        permissions,
        unknown_entries: Vec::new(),
    }
}

/// The delegates of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DelegateList {
    pub(super) delegates: Vec<Delegate>,
    pub(super) deliver: Option<DeliverMeetingRequests>,
}

impl DelegateList {
    pub(super) fn from_element(element: &XmlElement) -> Result<Self> {
        let users = element.children.iter().filter(|c| c.name == "DelegateUser");
        let delegates = users
            .map(|user| Delegate::from_element(user).doing(|| "read the delegates".to_owned()));
        let deliver = element.child_text("DeliverMeetingRequests");
        Ok(Self {
            delegates: delegates.collect::<Result<_>>()?,
            deliver: deliver.and_then(DeliverMeetingRequests::parse),
        })
    }

    pub(super) fn to_element(&self) -> XmlElement {
        let deliver = self.deliver.iter();
        let deliver = deliver.map(|d| XmlElement::leaf("DeliverMeetingRequests", d.as_str()));
        let delegates = self.delegates.iter().map(Delegate::to_element);
        XmlElement::new("Delegates").with_children(deliver.chain(delegates))
    }
}

/// What has to be done to the delegates.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DelegatePlan {
    pub(super) add: Vec<Delegate>,
    pub(super) update: Vec<Delegate>,
    pub(super) remove: Vec<UserId>,
    pub(super) deliver: Option<DeliverMeetingRequests>,
    /// The delegates as they are after that.
    pub(super) after: DelegateList,
}

impl DelegatePlan {
    pub(super) fn is_empty(&self) -> bool {
        self.add.is_empty()
            && self.update.is_empty()
            && self.remove.is_empty()
            && self.deliver.is_none()
    }
}

/// Plans how the delegates become those of the snapshot. Who is one now and was none then stays,
/// unless exactly the snapshot's are wanted.
pub(super) fn delegates(
    stored: &DelegateList,
    live: &DelegateList,
    users: &Users,
    is_exact: bool,
) -> (DelegatePlan, Without) {
    let mut plan = DelegatePlan::default();
    let mut without = Without::new();
    for delegate in &stored.delegates {
        let user = match users.get(&delegate.user) {
            Some(Ok(user)) => user.clone(),
            Some(Err(why)) => {
                without.push((words::who(&delegate.user), why.clone()));
                continue;
            }
            None => continue,
        };
        if plan
            .after
            .delegates
            .iter()
            .any(|other| is_same(&other.user, &user))
        {
            continue;
        }
        let now = live.delegates.iter().find(|now| is_same(&now.user, &user));
        let wanted = settable(delegate, user, now);
        match now {
            None => plan.add.push(wanted.clone()),
            Some(now) if settable(now, wanted.user.clone(), Some(now)) != wanted => {
                plan.update.push(wanted.clone());
            }
            Some(_) => {}
        }
        plan.after.delegates.push(wanted);
    }
    for now in &live.delegates {
        if plan
            .after
            .delegates
            .iter()
            .any(|other| is_same(&other.user, &now.user))
        {
            continue;
        }
        if is_exact {
            plan.remove.push(plain(&now.user));
        } else {
            plan.after.delegates.push(now.clone());
        }
    }
    plan.after.deliver = stored.deliver.or(live.deliver);
    plan.deliver = stored
        .deliver
        .filter(|wanted| live.deliver != Some(*wanted));
    (plan, without)
}

/// A delegate as a server takes it: roles that cannot be set stay what they are there.
fn settable(delegate: &Delegate, user: UserId, now: Option<&Delegate>) -> Delegate {
    let level = |of: fn(&Delegate) -> Option<DelegateLevel>| match of(delegate) {
        Some(DelegateLevel::Custom) | None => now
            .and_then(of)
            .filter(|level| *level != DelegateLevel::Custom),
        level => level,
    };
    Delegate {
        user,
        calendar: level(|d| d.calendar),
        tasks: level(|d| d.tasks),
        inbox: level(|d| d.inbox),
        contacts: level(|d| d.contacts),
        notes: level(|d| d.notes),
        journal: level(|d| d.journal),
        receive_copies_of_meeting_messages: delegate.receive_copies_of_meeting_messages,
        view_private_items: delegate.view_private_items,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[(&str, PermissionLevel)]) -> FolderPermissions {
        let permissions = entries.iter();
        let permissions =
            permissions.map(|(who, level)| Permission::new(UserId::smtp(*who), *level));
        FolderPermissions {
            permissions: permissions.collect(),
            ..FolderPermissions::default()
        }
    }

    fn users(entries: &[(&str, Result<&str, &str>)]) -> Users {
        let own = |text: &str| text.to_owned();
        let entries = entries.iter();
        let found =
            entries.map(|(from, to)| (UserId::smtp(*from), to.map(UserId::smtp).map_err(own)));
        found.collect()
    }

    #[test]
    fn restored_permissions_add_to_those_that_are_there_unless_exactness_is_asked_for() {
        use PermissionLevel::{Author, Editor, Owner, Reviewer};
        let stored = set(&[("a@old", Editor), ("b@old", Reviewer), ("gone@old", Owner)]);
        let live = set(&[("A@new", Author), ("c@new", Owner)]);
        let users = users(&[
            ("a@old", Ok("a@new")),
            ("b@old", Ok("b@new")),
            ("gone@old", Err("nobody")),
        ]);
        let (wanted, without) = permissions(&stored, &live, &users, false);
        let expected = set(&[("a@new", Editor), ("b@new", Reviewer), ("c@new", Owner)]);
        assert_eq!(comparable(&wanted), comparable(&expected));
        assert_eq!(without, [("gone@old".to_owned(), "nobody".to_owned())]);
        let (wanted, _) = permissions(&stored, &live, &users, true);
        assert_eq!(wanted, set(&[("a@new", Editor), ("b@new", Reviewer)]));
        // Again: nothing is left to do.
        let (again, _) = permissions(&stored, &wanted, &users, true);
        assert_eq!(comparable(&again), comparable(&wanted));
    }

    #[test]
    fn delegates_are_added_changed_and_removed_only_where_that_is_asked_for() {
        let of = |who: &str, level| Delegate {
            user: UserId::smtp(who),
            calendar: Some(level),
            ..Delegate::default()
        };
        let stored = DelegateList {
            delegates: vec![
                of("a@x", DelegateLevel::Editor),
                of("b@x", DelegateLevel::Custom),
                of("d@x", DelegateLevel::Author),
            ],
            deliver: Some(DeliverMeetingRequests::DelegatesOnly),
        };
        let live = DelegateList {
            delegates: vec![
                of("a@x", DelegateLevel::Reviewer),
                of("b@x", DelegateLevel::Author),
                of("c@x", DelegateLevel::Editor),
            ],
            deliver: None,
        };
        let users = users(&[("a@x", Ok("a@x")), ("b@x", Ok("b@x")), ("d@x", Ok("d@x"))]);
        let (plan, without) = delegates(&stored, &live, &users, false);
        assert!(without.is_empty());
        assert_eq!(plan.add, [of("d@x", DelegateLevel::Author)]);
        assert_eq!(plan.update, [of("a@x", DelegateLevel::Editor)]);
        assert!(plan.remove.is_empty() && plan.after.delegates.len() == 4);
        let (plan, _) = delegates(&stored, &live, &users, true);
        assert_eq!(plan.remove, [UserId::smtp("c@x")]);
        let (again, _) = delegates(&stored, &plan.after, &users, true);
        assert!(again.is_empty(), "{again:#?}");
    }
}
