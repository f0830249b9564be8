//! Who may do what in a folder (MS-OXWSFOLD 2.2.4.14, MS-OXWSMTGS 2.2.4.7).

use crate::error::Result;
use crate::model::property::named;
use crate::model::xml_element::{Parts, XmlElement, expect_name, flag_of, text_of};

named! {
    /// A role (`PermissionLevelType`, MS-OXWSFOLD 2.2.5.3; `CalendarPermissionLevelType`,
    /// MS-OXWSMTGS 2.2.5.4). The two `FreeBusy…` ones exist for calendars only.
    PermissionLevel {
        None, Owner, PublishingEditor, Editor, PublishingAuthor, Author, NoneditingAuthor,
        Reviewer, Contributor, FreeBusyTimeOnly, FreeBusyTimeAndSubjectAndLocation, Custom,
    }
}

named! {
    /// Which items somebody may change or delete (`PermissionActionType`, MS-OXWSFOLD
    /// 2.2.5.2).
    PermissionAction {
        None, Owned, All,
    }
}

named! {
    /// What somebody may read (`PermissionReadAccessType`, MS-OXWSFOLD 2.2.5.4;
    /// `CalendarPermissionReadAccessType`, MS-OXWSMTGS 2.2.5.5). The two `Time…` ones exist for
    /// calendars only.
    PermissionReadAccess {
        None, TimeOnly, TimeAndSubjectAndLocation, FullDetails,
    }
}

named! {
    /// Users that stand for many (`DistinguishedUserType`, in a `UserIdType`, MS-OXWSCDATA
    /// 2.2.4.75).
    DistinguishedUser {
        Default, Anonymous,
    }
}

/// Whom a permission or a delegation is for (`UserIdType`, MS-OXWSCDATA 2.2.4.75). One part is
/// enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserId {
    /// The security identifier; means nothing in another organisation.
    pub sid: Option<String>,
    /// The primary SMTP address.
    pub primary_smtp_address: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// Everybody, or whoever is not signed in.
    pub distinguished: Option<DistinguishedUser>,
    /// Somebody of another organisation.
    pub external_identity: Option<String>,
}

impl UserId {
    /// A user by the primary SMTP address.
    pub fn smtp(address: impl Into<String>) -> UserId {
        UserId {
            primary_smtp_address: Some(address.into()),
            ..UserId::default()
        }
    }

    /// Everybody, or whoever is not signed in.
    pub fn distinguished(user: DistinguishedUser) -> UserId {
        UserId {
            distinguished: Some(user),
            ..UserId::default()
        }
    }

    /// The schema's form, as `UserId`.
    pub fn to_element(&self) -> XmlElement {
        let mut parts = Parts::default();
        parts.text("SID", self.sid.as_deref());
        parts.text("PrimarySmtpAddress", self.primary_smtp_address.as_deref());
        parts.text("DisplayName", self.display_name.as_deref());
        let distinguished = self.distinguished.map(DistinguishedUser::as_str);
        parts.text("DistinguishedUser", distinguished);
        parts.text("ExternalUserIdentity", self.external_identity.as_deref());
        parts.of("UserId")
    }

    /// Reads the schema's form; what is missing stays empty.
    pub fn from_element(element: &XmlElement) -> UserId {
        let distinguished = element.child_text("DistinguishedUser");
        UserId {
            sid: text_of(element, "SID"),
            primary_smtp_address: text_of(element, "PrimarySmtpAddress"),
            display_name: text_of(element, "DisplayName"),
            distinguished: distinguished.and_then(DistinguishedUser::parse),
            external_identity: text_of(element, "ExternalUserIdentity"),
        }
    }
}

/// What one user may do in a folder (`PermissionType`, MS-OXWSFOLD 2.2.4.15;
/// `CalendarPermissionType`, MS-OXWSMTGS 2.2.4.8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    /// Who.
    pub user: UserId,
    /// The role. Where it is `Custom`, the other members say what it means; otherwise they are
    /// what the server made of it, and are not sent.
    pub level: PermissionLevel,
    /// Whether items may be created.
    pub can_create_items: Option<bool>,
    /// Whether subfolders may be created.
    pub can_create_sub_folders: Option<bool>,
    /// Whether the user owns the folder.
    pub is_folder_owner: Option<bool>,
    /// Whether the folder can be seen.
    pub is_folder_visible: Option<bool>,
    /// Whether the user is told about access problems.
    pub is_folder_contact: Option<bool>,
    /// Which items may be changed.
    pub edit_items: Option<PermissionAction>,
    /// Which items may be deleted.
    pub delete_items: Option<PermissionAction>,
    /// What may be read.
    pub read_items: Option<PermissionReadAccess>,
}

impl Permission {
    /// A role for a user.
    pub fn new(user: UserId, level: PermissionLevel) -> Permission {
        Permission {
            user,
            level,
            can_create_items: None,
            can_create_sub_folders: None,
            is_folder_owner: None,
            is_folder_visible: None,
            is_folder_contact: None,
            edit_items: None,
            delete_items: None,
            read_items: None,
        }
    }

    fn to_element(&self, is_calendar: bool) -> XmlElement {
        let mut parts = Parts(vec![self.user.to_element()]);
        parts.flag("CanCreateItems", self.can_create_items);
        parts.flag("CanCreateSubFolders", self.can_create_sub_folders);
        parts.flag("IsFolderOwner", self.is_folder_owner);
        parts.flag("IsFolderVisible", self.is_folder_visible);
        parts.flag("IsFolderContact", self.is_folder_contact);
        parts.text("EditItems", self.edit_items.map(PermissionAction::as_str));
        let delete = self.delete_items.map(PermissionAction::as_str);
        parts.text("DeleteItems", delete);
        let read = self.read_items.map(PermissionReadAccess::as_str);
        parts.text("ReadItems", read);
        let (element, level) = names(is_calendar);
        parts.text(level, Some(self.level.as_str()));
        parts.of(element)
    }

    fn from_element(element: &XmlElement) -> Permission {
        let level = element
            .child_text("PermissionLevel")
            .or_else(|| element.child_text("CalendarPermissionLevel"));
        let action = |name| PermissionAction::parse(element.child_text(name)?);
        let read = element.child_text("ReadItems");
        Permission {
            user: element
                .child("UserId")
                .map(UserId::from_element)
                .unwrap_or_default(),
            // A role this client does not know is what its parts say.
            level: level
                .and_then(PermissionLevel::parse)
                .unwrap_or(PermissionLevel::Custom),
            can_create_items: flag_of(element, "CanCreateItems"),
            can_create_sub_folders: flag_of(element, "CanCreateSubFolders"),
            is_folder_owner: flag_of(element, "IsFolderOwner"),
            is_folder_visible: flag_of(element, "IsFolderVisible"),
            is_folder_contact: flag_of(element, "IsFolderContact"),
            edit_items: action("EditItems"),
            delete_items: action("DeleteItems"),
            read_items: read.and_then(PermissionReadAccess::parse),
        }
    }
}

/// The names of a permission's element and of its level.
fn names(is_calendar: bool) -> (&'static str, &'static str) {
    if is_calendar {
        ("CalendarPermission", "CalendarPermissionLevel")
    } else {
        ("Permission", "PermissionLevel")
    }
}

/// Everyone's permissions in one folder (`PermissionSetType`, MS-OXWSFOLD 2.2.4.14;
/// `CalendarPermissionSetType`, MS-OXWSMTGS 2.2.4.7). Asked for as `folder:PermissionSet`, set by
/// [`FolderFieldChange`](crate::FolderFieldChange).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FolderPermissions {
    /// Whether it is in the form for calendars.
    pub is_calendar: bool,
    /// The permissions in order.
    pub permissions: Vec<Permission>,
    /// Entries the server could not resolve; they are told and cannot be set.
    pub unknown_entries: Vec<String>,
}

impl FolderPermissions {
    /// The schema's form, as `PermissionSet`, with everything that was read.
    pub fn to_element(&self) -> XmlElement {
        let list = self.permissions.iter();
        let list = list.map(|permission| permission.to_element(self.is_calendar));
        let mut parts = vec![XmlElement::new(self.list_name()).with_children(list)];
        if !self.unknown_entries.is_empty() {
            let entries = self.unknown_entries.iter();
            let entries = entries.map(|entry| XmlElement::leaf("UnknownEntry", entry));
            parts.push(XmlElement::new("UnknownEntries").with_children(entries));
        }
        XmlElement::new("PermissionSet").with_children(parts)
    }

    /// The form a server takes: the parts of a role are not sent beside it (Exchange refuses
    /// them), nor is what cannot be set.
    pub(crate) fn to_update(&self) -> XmlElement {
        let permissions = self.permissions.iter().map(|permission| {
            let strict = match permission.level {
                PermissionLevel::Custom => permission.clone(),
                level => Permission::new(permission.user.clone(), level),
            };
            strict.to_element(self.is_calendar)
        });
        let list = XmlElement::new(self.list_name()).with_children(permissions);
        XmlElement::new("PermissionSet").with_children([list])
    }

    /// Reads the schema's form.
    ///
    /// # Errors
    ///
    /// `Protocol` for another element.
    pub fn from_element(element: &XmlElement) -> Result<FolderPermissions> {
        expect_name(element, &["PermissionSet"])?;
        let calendar = element.child("CalendarPermissions");
        let list = calendar.or_else(|| element.child("Permissions"));
        let list = list.map_or(&[][..], |list| &list.children);
        let unknown = element.child("UnknownEntries");
        let unknown = unknown.map_or(&[][..], |list| &list.children);
        Ok(FolderPermissions {
            is_calendar: calendar.is_some(),
            permissions: list.iter().map(Permission::from_element).collect(),
            unknown_entries: unknown.iter().map(|entry| entry.text.clone()).collect(),
        })
    }

    fn list_name(&self) -> &'static str {
        if self.is_calendar {
            "CalendarPermissions"
        } else {
            "Permissions"
        }
    }
}
