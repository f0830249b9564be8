//! Folder permissions: what a role means (MS-OXCPERM 2.2.7, MS-OXWSFOLD 2.2.4.14).

use serde::{Deserialize, Serialize};

use crate::op::Failure;
use crate::state::known_word;
use crate::tree::Tree;
use crate::xml::{Element, XmlWriter};

/// Whom a permission is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Who {
    Default,
    Anonymous,
    /// The address of a mailbox or group.
    User(String),
}

/// A word of the schema. Under this name serde does not try to borrow it from what it reads.
type Word = &'static str;

/// What somebody may do in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rights {
    create: bool,
    sub_folders: bool,
    owner: bool,
    visible: bool,
    contact: bool,
    #[serde(deserialize_with = "known_word")]
    edit: Word,
    #[serde(deserialize_with = "known_word")]
    delete: Word,
    #[serde(deserialize_with = "known_word")]
    read: Word,
}

/// One user's permission.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Permission {
    pub(crate) who: Who,
    rights: Rights,
}

const fn rights(
    flags: &'static [u8; 5],
    edit: &'static str,
    delete: &'static str,
    read: &'static str,
) -> Rights {
    Rights {
        create: flags[0] == b'c',
        sub_folders: flags[1] == b's',
        owner: flags[2] == b'o',
        visible: flags[3] == b'v',
        contact: flags[4] == b'i',
        edit,
        delete,
        read,
    }
}

/// The roles; the last two are for calendars only.
const ROLES: &[(&str, Rights)] = &[
    ("None", rights(b"-----", "None", "None", "None")),
    ("Owner", rights(b"csovi", "All", "All", "FullDetails")),
    (
        "PublishingEditor",
        rights(b"cs-v-", "All", "All", "FullDetails"),
    ),
    ("Editor", rights(b"c--v-", "All", "All", "FullDetails")),
    (
        "PublishingAuthor",
        rights(b"cs-v-", "Owned", "Owned", "FullDetails"),
    ),
    ("Author", rights(b"c--v-", "Owned", "Owned", "FullDetails")),
    (
        "NoneditingAuthor",
        rights(b"c--v-", "None", "Owned", "FullDetails"),
    ),
    ("Reviewer", rights(b"---v-", "None", "None", "FullDetails")),
    ("Contributor", rights(b"c--v-", "None", "None", "None")),
    (
        "FreeBusyTimeOnly",
        rights(b"-----", "None", "None", "TimeOnly"),
    ),
    (
        "FreeBusyTimeAndSubjectAndLocation",
        rights(b"-----", "None", "None", "TimeAndSubjectAndLocation"),
    ),
];

impl Rights {
    /// Whether items may be read.
    pub(crate) fn sees(&self) -> bool {
        self.owner || self.read == "FullDetails"
    }

    /// Whether items may be made.
    pub(crate) fn creates(&self) -> bool {
        self.owner || self.create
    }

    /// Whether an item may be changed, one's own or somebody else's.
    pub(crate) fn changes(&self, is_own: bool) -> bool {
        self.owner || self.edit == "All" || (is_own && self.edit == "Owned")
    }

    /// Whether an item may be deleted, one's own or somebody else's.
    pub(crate) fn deletes(&self, is_own: bool) -> bool {
        self.owner || self.delete == "All" || (is_own && self.delete == "Owned")
    }

    /// Whether folders may be made in the folder.
    pub(crate) fn nests(&self) -> bool {
        self.owner || self.sub_folders
    }

    /// Whether the folder itself may be changed.
    pub(crate) fn owns(&self) -> bool {
        self.owner
    }
}

/// What somebody may do by a list: what is said of them, else what is said of everybody.
pub(crate) fn rights_of(list: &[Permission], address: &str) -> Option<Rights> {
    let own = |who: &Who| matches!(who, Who::User(user) if user.eq_ignore_ascii_case(address));
    let mut named = list.iter().filter(|one| own(&one.who));
    let mut everybody = list.iter().filter(|one| one.who == Who::Default);
    named.next().or(everybody.next()).map(|one| one.rights)
}

/// What a role allows.
pub(crate) fn role(name: &str) -> Option<Rights> {
    let mut roles = ROLES.iter();
    roles.find(|role| role.0 == name).map(|role| role.1)
}

fn invalid() -> Failure {
    Failure::new(
        "ErrorInvalidPermissionSettings",
        "The permission settings are not valid together.",
    )
}

/// What a folder has before anybody sets it.
pub(crate) fn defaults(is_calendar: bool) -> Vec<Permission> {
    let everybody = if is_calendar {
        "FreeBusyTimeOnly"
    } else {
        "None"
    };
    let of = |who, name| role(name).map(|rights| Permission { who, rights });
    let list = [of(Who::Default, everybody), of(Who::Anonymous, "None")];
    list.into_iter().flatten().collect()
}

/// Reads a PermissionSet; `known` tells whether an address exists.
pub(crate) fn read(
    set: &Element<'_>,
    is_calendar: bool,
    known: impl Fn(&str) -> bool,
) -> Result<Vec<Permission>, Failure> {
    if set.child("UnknownEntries").is_some() {
        return Err(Failure::new(
            "ErrorCannotSetPermissionUnknownEntries",
            "Unknown entries cannot be set.",
        ));
    }
    let (wanted, other) = if is_calendar {
        ("CalendarPermissions", "Permissions")
    } else {
        ("Permissions", "CalendarPermissions")
    };
    if set.child(other).is_some() {
        let code = if is_calendar {
            "ErrorCannotSetNonCalendarPermissionOnCalendarFolder"
        } else {
            "ErrorCannotSetCalendarPermissionOnNonCalendarFolder"
        };
        return Err(Failure::new(code, "The permissions are of another kind."));
    }
    let mut list: Vec<Permission> = Vec::new();
    for element in set.list(wanted) {
        let permission = Permission::read(element, is_calendar, &known)?;
        if list.iter().any(|old| old.who == permission.who) {
            return Err(invalid());
        }
        list.push(permission);
    }
    Ok(list)
}

/// Reads a UserId.
pub(crate) fn read_user(
    user: Option<&Element<'_>>,
    known: impl Fn(&str) -> bool,
) -> Result<Who, Failure> {
    let text = |name| user.and_then(|user| user.child_text(name));
    match (text("DistinguishedUser"), text("PrimarySmtpAddress")) {
        (Some("Default"), _) => Ok(Who::Default),
        (Some("Anonymous"), _) => Ok(Who::Anonymous),
        (None, Some(address)) if known(address) => Ok(Who::User(address.to_owned())),
        _ => Err(Failure::new(
            "ErrorInvalidUserInfo",
            "The user is not known in this organisation.",
        )),
    }
}

impl Permission {
    fn read(
        element: &Element<'_>,
        is_calendar: bool,
        known: impl Fn(&str) -> bool,
    ) -> Result<Permission, Failure> {
        let who = read_user(element.child("UserId"), known)?;
        let level = element
            .child_text("PermissionLevel")
            .or_else(|| element.child_text("CalendarPermissionLevel"))
            .ok_or_else(invalid)?;
        let details = element
            .children
            .iter()
            .any(|child| !matches!(&*child.name, "UserId") && !child.name.ends_with("Level"));
        if level != "Custom" {
            let calendar_only = level.starts_with("FreeBusy");
            let rights = role(level).filter(|_| !details && (is_calendar || !calendar_only));
            let rights = rights.ok_or_else(invalid)?;
            return Ok(Permission { who, rights });
        }
        let flag = |name| match element.child_text(name) {
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            _ => Err(invalid()),
        };
        let word = |name, words: &[&'static str]| {
            let text = element.child_text(name);
            let mut words = words.iter();
            words.find(|word| text == Some(**word)).copied()
        };
        let actions = ["None", "Owned", "All"];
        let reads = [
            "None",
            "FullDetails",
            "TimeOnly",
            "TimeAndSubjectAndLocation",
        ];
        let reads = if is_calendar { &reads[..] } else { &reads[..2] };
        let rights = Rights {
            create: flag("CanCreateItems")?,
            sub_folders: flag("CanCreateSubFolders")?,
            owner: flag("IsFolderOwner")?,
            visible: flag("IsFolderVisible")?,
            contact: flag("IsFolderContact")?,
            edit: word("EditItems", &actions).ok_or_else(invalid)?,
            delete: word("DeleteItems", &actions).ok_or_else(invalid)?,
            read: word("ReadItems", reads).ok_or_else(invalid)?,
        };
        Ok(Permission { who, rights })
    }

    fn write(&self, w: &mut XmlWriter, is_calendar: bool) {
        let (name, level) = if is_calendar {
            ("t:CalendarPermission", "t:CalendarPermissionLevel")
        } else {
            ("t:Permission", "t:PermissionLevel")
        };
        let rights = &self.rights;
        w.start(name);
        self.who.to_tree().write(w);
        w.flag("t:CanCreateItems", rights.create);
        w.flag("t:CanCreateSubFolders", rights.sub_folders);
        w.flag("t:IsFolderOwner", rights.owner);
        w.flag("t:IsFolderVisible", rights.visible);
        w.flag("t:IsFolderContact", rights.contact);
        w.leaf("t:EditItems", rights.edit);
        w.leaf("t:DeleteItems", rights.delete);
        w.leaf("t:ReadItems", rights.read);
        let role = ROLES.iter().find(|role| role.1 == *rights);
        w.leaf(level, role.map_or("Custom", |role| role.0));
        w.end(name);
    }
}

impl Who {
    /// The UserId element.
    pub(crate) fn to_tree(&self) -> Tree {
        let parts = match self {
            Who::Default => vec![Tree::leaf("DistinguishedUser", "Default")],
            Who::Anonymous => vec![Tree::leaf("DistinguishedUser", "Anonymous")],
            Who::User(address) => {
                let name = address.split('@').next().unwrap_or_default();
                vec![
                    Tree::leaf("SID", &sid_of(address)),
                    Tree::leaf("PrimarySmtpAddress", address),
                    Tree::leaf("DisplayName", name),
                ]
            }
        };
        Tree::of("UserId", parts)
    }
}

/// A security identifier that an address always has.
fn sid_of(address: &str) -> String {
    let hash = blake3::hash(address.to_ascii_lowercase().as_bytes());
    let mut words = hash.as_bytes().chunks_exact(4).map(|word| {
        let word: [u8; 4] = word.try_into().unwrap_or_default();
        u32::from_le_bytes(word)
    });
    let rid = words.next().unwrap_or_default() % 100_000 + 1000;
    format!("S-1-5-21-2706337106-2107294520-3091267312-{rid}")
}

/// Writes a PermissionSet.
pub(crate) fn write(w: &mut XmlWriter, list: &[Permission], is_calendar: bool) {
    let name = if is_calendar {
        "t:CalendarPermissions"
    } else {
        "t:Permissions"
    };
    w.start("t:PermissionSet");
    w.start(name);
    for permission in list {
        permission.write(w, is_calendar);
    }
    w.end(name);
    w.end("t:PermissionSet");
}
