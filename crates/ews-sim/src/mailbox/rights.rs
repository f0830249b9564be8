//! What others may do in a mailbox: by the permissions of folders, or as delegates.

use super::State;
use crate::folder::Folder;
use crate::settings::permission::{self, Rights};
use crate::tree::Tree;

impl State {
    /// What somebody else may do in a folder: by its permissions, or as a delegate.
    pub(crate) fn rights_of(&self, folder: u64, address: &str) -> Option<Rights> {
        let folder = self.folders.get(&folder)?;
        let listed = |folder: &Folder| {
            let list = folder.permissions.as_deref()?;
            permission::rights_of(list, address)
        };
        let by_role = self.delegate_role(folder.well_known, address);
        let by_role = by_role.and_then(|name| permission::role(&name));
        // The way to what one may see leads over the top.
        let is_top = matches!(folder.well_known, "root" | "msgfolderroot");
        let sees_any = || {
            let mut folders = self.folders.values();
            folders.any(|folder| {
                let role = self.delegate_role(folder.well_known, address);
                let role = role.and_then(|name| permission::role(&name));
                listed(folder).or(role).is_some_and(|rights| rights.sees())
            })
        };
        by_role.or_else(|| listed(folder)).or_else(|| {
            (is_top && sees_any())
                .then(|| permission::role("Reviewer"))
                .flatten()
        })
    }

    /// The role that a delegate has in a well-known folder.
    fn delegate_role(&self, well_known: &str, address: &str) -> Option<String> {
        let element = match well_known {
            "calendar" => "CalendarFolderPermissionLevel",
            "tasks" => "TasksFolderPermissionLevel",
            "inbox" => "InboxFolderPermissionLevel",
            "contacts" => "ContactsFolderPermissionLevel",
            "notes" => "NotesFolderPermissionLevel",
            "journal" => "JournalFolderPermissionLevel",
            _ => return None,
        };
        let is = |delegate: &&Tree| {
            let user = delegate.child("UserId");
            let user = user.and_then(|user| user.child_text("PrimarySmtpAddress"));
            user.is_some_and(|user| user.eq_ignore_ascii_case(address))
        };
        let delegate = self.settings.delegates.iter().find(is)?;
        let level = delegate.child("DelegatePermissions")?.child_text(element)?;
        (level != "None").then(|| level.to_owned())
    }
}
