//! Who acts for a mailbox's owner (MS-OXWSDLGM).

use crate::error::Result;
use crate::model::UserId;
use crate::model::property::named;
use crate::model::xml_element::{Parts, XmlElement, expect_name, flag_of};

named! {
    /// A delegate's role in one folder (`DelegateFolderPermissionLevelType`, MS-OXWSDLGM 2.2.5.1).
    /// `Custom` is told and cannot be set.
    DelegateLevel {
        None, Editor, Reviewer, Author, Custom,
    }
}

named! {
    /// Who gets meeting requests (`DeliverMeetingRequestsType`, MS-OXWSDLGM).
    DeliverMeetingRequests {
        DelegatesOnly, DelegatesAndMe, DelegatesAndSendInformationToMe, NoForward,
    }
}

/// A delegate (`DelegateUserType`, MS-OXWSDLGM 2.2.4.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Delegate {
    /// Who.
    pub user: UserId,
    /// The role in the calendar; `None` where it was not told or is not to be changed.
    pub calendar: Option<DelegateLevel>,
    /// The role in the tasks.
    pub tasks: Option<DelegateLevel>,
    /// The role in the inbox.
    pub inbox: Option<DelegateLevel>,
    /// The role in the contacts.
    pub contacts: Option<DelegateLevel>,
    /// The role in the notes.
    pub notes: Option<DelegateLevel>,
    /// The role in the journal.
    pub journal: Option<DelegateLevel>,
    /// Whether the delegate gets copies of meeting messages.
    pub receive_copies_of_meeting_messages: Option<bool>,
    /// Whether the delegate sees private items.
    pub view_private_items: Option<bool>,
}

impl Delegate {
    /// The schema's form, as `DelegateUser`.
    pub fn to_element(&self) -> XmlElement {
        let mut levels = Parts::default();
        for (name, level) in [
            ("CalendarFolderPermissionLevel", self.calendar),
            ("TasksFolderPermissionLevel", self.tasks),
            ("InboxFolderPermissionLevel", self.inbox),
            ("ContactsFolderPermissionLevel", self.contacts),
            ("NotesFolderPermissionLevel", self.notes),
            ("JournalFolderPermissionLevel", self.journal),
        ] {
            levels.text(name, level.map(DelegateLevel::as_str));
        }
        let mut parts = Parts(vec![self.user.to_element()]);
        if !levels.0.is_empty() {
            parts.0.push(levels.of("DelegatePermissions"));
        }
        let copies = self.receive_copies_of_meeting_messages;
        parts.flag("ReceiveCopiesOfMeetingMessages", copies);
        parts.flag("ViewPrivateItems", self.view_private_items);
        parts.of("DelegateUser")
    }

    /// Reads the schema's form.
    ///
    /// # Errors
    ///
    /// `Protocol` for another element.
    pub fn from_element(element: &XmlElement) -> Result<Delegate> {
        expect_name(element, &["DelegateUser"])?;
        let permissions = element.child("DelegatePermissions");
        let level = |name| DelegateLevel::parse(permissions?.child_text(name)?);
        Ok(Delegate {
            user: element
                .child("UserId")
                .map(UserId::from_element)
                .unwrap_or_default(),
            calendar: level("CalendarFolderPermissionLevel"),
            tasks: level("TasksFolderPermissionLevel"),
            inbox: level("InboxFolderPermissionLevel"),
            contacts: level("ContactsFolderPermissionLevel"),
            notes: level("NotesFolderPermissionLevel"),
            journal: level("JournalFolderPermissionLevel"),
            receive_copies_of_meeting_messages: flag_of(element, "ReceiveCopiesOfMeetingMessages"),
            view_private_items: flag_of(element, "ViewPrivateItems"),
        })
    }
}
