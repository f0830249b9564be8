//! Changes settings on a server.

use ews_client::{
    AddDelegate, CreateUserConfiguration, Delegate, DeleteUserConfiguration, FolderFieldChange,
    FolderId, FolderIdRef, FolderKind, FolderPermissions, FolderUpdate, OofSettings,
    RemoveDelegate, RuleError, SetUserOofSettings, UpdateDelegate, UpdateFolder, UpdateInboxRules,
    UpdateUserConfiguration, UserConfiguration, UserConfigurationName,
};

use super::Restore;
use crate::settings::live::Holder;
use crate::settings::wanted::DelegatePlan;
use crate::settings::{SettingKind, rules, words};

/// Something that changes a setting.
pub(super) enum Act {
    Permissions(Holder, FolderPermissions),
    Delegates(Box<DelegatePlan>),
    Rules(rules::RulePlan),
    Oof(Box<OofSettings>),
    Configuration(Box<UserConfiguration>, bool),
    DeleteConfiguration(UserConfigurationName),
}

impl Restore<'_> {
    /// Changes a setting on the server.
    pub(super) async fn act(&mut self, kind: SettingKind, act: Act) -> Result<(), String> {
        match act {
            Act::Permissions(holder, set) => self.set_permissions(&holder, set).await,
            Act::Delegates(plan) => self.set_delegates(*plan).await,
            Act::Rules(plan) => self.set_rules(plan).await,
            Act::Oof(settings) => {
                let request = SetUserOofSettings {
                    mailbox: self.address()?,
                    settings: *settings,
                };
                let done = self
                    .routes
                    .hierarchy()
                    .set_user_oof_settings(&request)
                    .await;
                done.map_err(|error| error.to_string())
            }
            Act::Configuration(configuration, is_new) => {
                let configuration = *configuration;
                let done = if is_new {
                    let request = CreateUserConfiguration { configuration };
                    self.routes
                        .hierarchy()
                        .create_user_configuration(&request)
                        .await
                } else {
                    let request = UpdateUserConfiguration { configuration };
                    self.routes
                        .hierarchy()
                        .update_user_configuration(&request)
                        .await
                };
                done.map_err(|error| format!("{}: {error}", kind.title()))
            }
            Act::DeleteConfiguration(name) => {
                let request = DeleteUserConfiguration { name };
                let done = self
                    .routes
                    .hierarchy()
                    .delete_user_configuration(&request)
                    .await;
                done.map_err(|error| error.to_string())
            }
        }
    }

    fn address(&self) -> Result<String, String> {
        let address = self.mailbox.address().map(str::to_owned);
        address.ok_or_else(|| "the mailbox has no address".to_owned())
    }

    async fn set_permissions(&self, holder: &Holder, set: FolderPermissions) -> Result<(), String> {
        let kinds = &self.live.folder_kinds;
        let kind = kinds
            .get(&holder.key)
            .copied()
            .unwrap_or(FolderKind::Folder);
        let update = FolderUpdate {
            id: FolderIdRef::Id(FolderId::new(holder.id.clone())),
            kind,
            changes: vec![FolderFieldChange::Permissions(set)],
        };
        let request = UpdateFolder {
            folders: vec![update],
        };
        let done = self.routes.hierarchy().update_folder(&request).await;
        match done.map_err(|error| error.to_string())?.into_iter().next() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the server did not answer for the folder".to_owned()),
        }
    }

    /// Adds, changes and removes delegates; one that the server refuses is left out.
    async fn set_delegates(&mut self, plan: DelegatePlan) -> Result<(), String> {
        let mailbox = self.address()?;
        let said = |error: ews_client::Error| error.to_string();
        let mut refused = Vec::new();
        let names = |delegates: &[Delegate]| -> Vec<String> {
            delegates.iter().map(|d| words::who(&d.user)).collect()
        };
        if !plan.add.is_empty() {
            let who = names(&plan.add);
            let request = AddDelegate {
                mailbox: mailbox.clone(),
                delegates: plan.add,
                deliver_meeting_requests: None,
            };
            let outcomes = self
                .routes
                .hierarchy()
                .add_delegate(&request)
                .await
                .map_err(said)?;
            refused.extend(who.into_iter().zip(outcomes.into_iter().map(Result::err)));
        }
        if !plan.update.is_empty() || plan.deliver.is_some() {
            let who = names(&plan.update);
            let request = UpdateDelegate {
                mailbox: mailbox.clone(),
                delegates: plan.update,
                deliver_meeting_requests: plan.deliver,
            };
            let outcomes = self
                .routes
                .hierarchy()
                .update_delegate(&request)
                .await
                .map_err(said)?;
            refused.extend(who.into_iter().zip(outcomes.into_iter().map(Result::err)));
        }
        if !plan.remove.is_empty() {
            let who: Vec<String> = plan.remove.iter().map(words::who).collect();
            let request = RemoveDelegate {
                mailbox,
                users: plan.remove,
            };
            let outcomes = self
                .routes
                .hierarchy()
                .remove_delegate(&request)
                .await
                .map_err(said)?;
            refused.extend(who.into_iter().zip(outcomes.into_iter().map(Result::err)));
        }
        for (who, error) in refused {
            if let Some(error) = error {
                let why = error.to_string();
                self.leave_out(SettingKind::Delegates, None, &who, &why);
            }
        }
        Ok(())
    }

    /// Changes the rules: all at once, as EWS has it. Rules that the server finds wrong are left
    /// out, and the others tried again.
    async fn set_rules(&mut self, plan: rules::RulePlan) -> Result<(), String> {
        let mut operations = plan.operations;
        while !operations.is_empty() {
            let request = UpdateInboxRules {
                mailbox: self.mailbox.address().map(str::to_owned),
                remove_outlook_rule_blob: self.options.discards_outlook_rules,
                operations: operations.clone(),
            };
            let errors = self.routes.hierarchy().update_inbox_rules(&request).await;
            let errors = errors.map_err(|error| error.to_string())?;
            if errors.is_empty() {
                return Ok(());
            }
            let before = operations.len();
            let mut at = 0;
            operations.retain(|operation| {
                let wrong = errors.iter().find(|error| error.operation == at);
                at += 1;
                if let Some(error) = wrong {
                    let what = rules::title(operation);
                    self.leave_out(SettingKind::Rules, None, &what, &said_of(error));
                }
                wrong.is_none()
            });
            if operations.len() == before {
                let said: Vec<String> = errors.iter().map(said_of).collect();
                return Err(said.join("; "));
            }
        }
        Ok(())
    }
}

fn said_of(error: &RuleError) -> String {
    format!("{} {}: {}", error.field, error.code, error.message)
}
