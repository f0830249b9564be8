//! The calls about settings: folders' own, delegates, rules, replies, user configurations.

use crate::client::Client;
use crate::error::Result;
use crate::model::{Delegate, Folder, FolderId, Outcome, UserConfiguration};
use crate::op::{
    AddDelegate, CopyFolder, CreateUserConfiguration, Delegates, DeleteFolder,
    DeleteUserConfiguration, GetDelegate, GetInboxRules, GetUserConfiguration, GetUserOofSettings,
    InboxRules, MoveFolder, RemoveDelegate, RuleError, SetUserOofSettings, UpdateDelegate,
    UpdateFolder, UpdateInboxRules, UpdateUserConfiguration, UserOof,
};

impl Client {
    /// UpdateFolder: changes folders' names, classes, permissions and MAPI properties.
    ///
    /// # Errors
    ///
    /// `Invalid` without a folder, for one without a change and for permissions in the form of
    /// another kind of folder, else those of [every call](Client#errors).
    pub async fn update_folder(&self, request: &UpdateFolder) -> Result<Vec<Outcome<FolderId>>> {
        self.call(request).await
    }

    /// DeleteFolder: deletes folders with everything in them.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn delete_folder(&self, request: &DeleteFolder) -> Result<Vec<Outcome<()>>> {
        self.call(request).await
    }

    /// MoveFolder: moves folders within a mailbox; their ids stay.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn move_folder(&self, request: &MoveFolder) -> Result<Vec<Outcome<Folder>>> {
        self.call(request).await
    }

    /// CopyFolder: copies folders with everything in them on the server.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn copy_folder(&self, request: &CopyFolder) -> Result<Vec<Outcome<Folder>>> {
        self.call(request).await
    }

    /// GetDelegate: who acts for a mailbox's owner.
    ///
    /// # Errors
    ///
    /// `Invalid` without a mailbox, else those of [every call](Client#errors).
    pub async fn get_delegate(&self, request: &GetDelegate) -> Result<Delegates> {
        self.call(request).await
    }

    /// AddDelegate: makes somebody a delegate.
    ///
    /// # Errors
    ///
    /// `Invalid` without a mailbox or a delegate, else those of [every call](Client#errors).
    pub async fn add_delegate(&self, request: &AddDelegate) -> Result<Vec<Outcome<Delegate>>> {
        self.call(request).await
    }

    /// UpdateDelegate: changes delegates' roles.
    ///
    /// # Errors
    ///
    /// `Invalid` without a mailbox or anything to change, else those of
    /// [every call](Client#errors).
    pub async fn update_delegate(
        &self,
        request: &UpdateDelegate,
    ) -> Result<Vec<Outcome<Delegate>>> {
        self.call(request).await
    }

    /// RemoveDelegate: ends delegations.
    ///
    /// # Errors
    ///
    /// `Invalid` without a mailbox or a delegate, else those of [every call](Client#errors).
    pub async fn remove_delegate(&self, request: &RemoveDelegate) -> Result<Vec<Outcome<()>>> {
        self.call(request).await
    }

    /// GetInboxRules: a mailbox's rules.
    ///
    /// # Errors
    ///
    /// Those of [every call](Client#errors).
    pub async fn get_inbox_rules(&self, request: &GetInboxRules) -> Result<InboxRules> {
        self.call(request).await
    }

    /// UpdateInboxRules: changes a mailbox's rules, all or nothing; what comes back is why
    /// nothing was done.
    ///
    /// # Errors
    ///
    /// `Invalid` without an operation or for a rule to be replaced without its id, else those of
    /// [every call](Client#errors).
    pub async fn update_inbox_rules(&self, request: &UpdateInboxRules) -> Result<Vec<RuleError>> {
        self.call(request).await
    }

    /// GetUserOofSettings: a mailbox's out-of-office settings.
    ///
    /// # Errors
    ///
    /// `Invalid` without a mailbox, else those of [every call](Client#errors).
    pub async fn get_user_oof_settings(&self, request: &GetUserOofSettings) -> Result<UserOof> {
        self.call(request).await
    }

    /// SetUserOofSettings: replaces a mailbox's out-of-office settings.
    ///
    /// # Errors
    ///
    /// `Invalid` without a mailbox, else those of [every call](Client#errors).
    pub async fn set_user_oof_settings(&self, request: &SetUserOofSettings) -> Result<()> {
        self.call(request).await
    }

    /// GetUserConfiguration: a user configuration object with everything in it.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty name, else those of [every call](Client#errors).
    pub async fn get_user_configuration(
        &self,
        request: &GetUserConfiguration,
    ) -> Result<UserConfiguration> {
        self.call(request).await
    }

    /// CreateUserConfiguration: a new user configuration object.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty name, else those of [every call](Client#errors).
    pub async fn create_user_configuration(&self, request: &CreateUserConfiguration) -> Result<()> {
        self.call(request).await
    }

    /// UpdateUserConfiguration: replaces what a user configuration object holds.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty name, else those of [every call](Client#errors).
    pub async fn update_user_configuration(&self, request: &UpdateUserConfiguration) -> Result<()> {
        self.call(request).await
    }

    /// DeleteUserConfiguration: deletes a user configuration object.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty name, else those of [every call](Client#errors).
    pub async fn delete_user_configuration(&self, request: &DeleteUserConfiguration) -> Result<()> {
        self.call(request).await
    }
}
