//! Puts settings of a snapshot back into a live mailbox, one kind at a time.
//!
//! What is there now is read first and told, so that the report says what was replaced. Nothing is
//! taken away unless exactly the snapshot's settings are asked for. What cannot be restored (a user
//! that is gone, a folder that is missing, a rule that EWS cannot express) is named and left out;
//! the rest goes on.

mod act;

use std::collections::BTreeMap;

use act::Act;
use ews_client::{
    FolderPermissions, InboxRule, OofSettings, UserConfiguration, UserId, XmlElement,
};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::kind::{SettingKey, SettingKind};
use super::live::{Holder, LiveSettings, plain_configuration, plain_oof, shown_path};
use super::look::{SettingsOptions, meant, shown};
use super::place::Places;
use super::stored::StoredSetting;
use super::wanted::{self, DelegateList, Without};
use super::{rules, users, words};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::RemoteFolders;
use crate::mailbox_name::MailboxName;
use crate::restore::UserMap;
use crate::routes::Routes;
use crate::snapshot::Snapshot;
use crate::source::Exchange;
use crate::vault::Vault;

/// Requests under way at the same time.
const REQUESTS_AT_ONCE: usize = 4;

/// Which settings to restore and where to.
#[derive(Clone, Debug, Default)]
pub struct SettingsRestoreOptions {
    /// Which of them.
    pub settings: SettingsOptions,
    /// The name of the mailbox to write to; the snapshot's own if `None`.
    pub to_mailbox: Option<String>,
    /// Which users of the snapshot are which of the server's; others keep their address.
    pub user_map: Option<UserMap>,
    /// Whether to take away what the snapshot does not have: others' permissions, delegates, rules,
    /// configurations. Default no.
    pub is_exact: bool,
    /// Whether rules that Outlook keeps for itself may go: EWS changes no rules where there are
    /// some. Default no.
    pub discards_outlook_rules: bool,
    /// Plan only: nothing is written.
    pub dry_run: bool,
}

/// What became of a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SettingOutcome {
    /// It was so already.
    #[default]
    Same,
    /// It was changed; in a dry run, it would be.
    Changed,
    /// It could not be restored.
    Failed,
}

/// One setting of a restore.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SettingRestored {
    /// Its kind's name.
    pub kind: String,
    /// Of permissions, the folder's path in the target mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What became of it.
    pub outcome: SettingOutcome,
    /// Lines that it said before and no longer says.
    pub removed: Vec<String>,
    /// Lines that it did not say before.
    pub added: Vec<String>,
    /// What was there before, as XML, where it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_xml: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something that was not restored.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct SettingLeftOut {
    /// The kind's name.
    pub kind: String,
    /// Of permissions, the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Who or what.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// What a restore of settings did, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SettingsRestoreReport {
    /// Where to: the mailbox.
    pub mailbox: String,
    /// Whether nothing was written because only a plan was asked for.
    pub dry_run: bool,
    /// One entry a setting.
    pub settings: Vec<SettingRestored>,
    /// What is not among them, or not wholly.
    pub left_out: Vec<SettingLeftOut>,
    /// Requests made to the server, retries included.
    pub requests: u64,
}

impl SettingsRestoreReport {
    /// Whether everything asked for is as it was in the snapshot.
    pub fn is_complete(&self) -> bool {
        let failed = |setting: &SettingRestored| setting.outcome == SettingOutcome::Failed;
        self.left_out.is_empty() && !self.settings.iter().any(failed)
    }
}

impl Vault {
    /// Restores settings of a snapshot.
    ///
    /// # Errors
    /// `NotFound` for a mailbox that does not exist, a snapshot without settings, or a folder that
    /// is not in it, `Auth`, `Denied`, `Unreachable`, `NotEws`. Single settings that fail are in
    /// the report.
    ///
    /// # Cancellation
    /// Dropping the future leaves some settings restored and others not; running it again does the
    /// rest.
    pub async fn restore_settings(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        options: &SettingsRestoreOptions,
    ) -> Result<SettingsRestoreReport> {
        let requests_before = exchange.client().stats().requests;
        if snapshot.about.settings.is_none() {
            let message = format!("snapshot {} holds no settings", snapshot.short_id());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let mailbox: MailboxName = match &options.to_mailbox {
            Some(wanted) => wanted.parse()?,
            None => snapshot.mailbox_name()?,
        };
        let folders = self.stored_folders(snapshot).await?;
        let stored = self.stored_settings(snapshot).await?;
        let stored = meant(stored, &folders, &options.settings)?;
        let permits = Semaphore::new(REQUESTS_AT_ONCE);
        let remote = RemoteFolders::read(exchange, &mailbox, &permits)
            .await
            .doing(|| format!("open the mailbox {mailbox}"))?;
        let mut restore = Restore {
            options,
            routes: remote.routes.clone(),
            permits,
            places: Places::new(&folders, &remote),
            live: LiveSettings::default(),
            report: SettingsRestoreReport {
                mailbox: mailbox.stored(),
                dry_run: options.dry_run,
                ..SettingsRestoreReport::default()
            },
            mailbox,
        };
        restore.all(snapshot, stored, &remote).await;
        let mut report = restore.report;
        report.requests = exchange.client().stats().requests - requests_before;
        Ok(report)
    }
}

/// A restore in progress.
struct Restore<'a> {
    options: &'a SettingsRestoreOptions,
    mailbox: MailboxName,
    routes: Routes,
    permits: Semaphore,
    places: Places,
    live: LiveSettings,
    report: SettingsRestoreReport,
}

/// What is to be done to one setting, and what it is like then.
struct Step {
    after: Option<XmlElement>,
    /// `None` where nothing is to be done.
    act: Option<Act>,
    without: Without,
}

impl Restore<'_> {
    async fn all(
        &mut self,
        snapshot: &Snapshot,
        stored: BTreeMap<(SettingKey, Option<String>), StoredSetting>,
        remote: &RemoteFolders,
    ) {
        let kinds: Vec<SettingKind> = SettingKind::ALL
            .into_iter()
            .filter(|kind| self.options.settings.has(*kind))
            .collect();
        let possible = LiveSettings::kinds_of(self.mailbox.part());
        self.name_unread(snapshot, &kinds);
        let mut holders = Vec::new();
        for ((key, path), setting) in &stored {
            let Some(folder) = key.folder else { continue };
            let is_top = path.as_deref() == Some("") && !setting.folder_id.is_empty();
            match self.places.holder(folder, remote, is_top) {
                Ok(holder) => holders.push(holder),
                Err(why) => self.leave_out(key.kind, path.clone(), "all of them", &why),
            }
        }
        holders.sort_by(|a, b| a.path.cmp(&b.path));
        let asked: Vec<SettingKind> = kinds
            .iter()
            .copied()
            .filter(|kind| possible.contains(kind))
            .collect();
        let (routes, permits) = (&self.routes, &self.permits);
        self.live = LiveSettings::read(routes, permits, &self.mailbox, &asked, &holders).await;
        for kind in kinds {
            if !possible.contains(&kind) {
                if stored.keys().any(|(key, _)| key.kind == kind) {
                    let why = "there are none in this part of somebody's mail";
                    self.leave_out(kind, None, kind.title(), why);
                }
                continue;
            }
            if kind == SettingKind::Permissions {
                for holder in &holders {
                    let key = SettingKey::permissions(holder.key);
                    let found = stored.iter().find(|((known, _), _)| *known == key);
                    self.one(key, found.map(|(_, setting)| setting), Some(holder))
                        .await;
                }
            } else {
                let key = SettingKey::of(kind);
                self.one(key, stored.get(&(key, None)), None).await;
            }
        }
    }

    /// What the backup could not read cannot be restored.
    fn name_unread(&mut self, snapshot: &Snapshot, kinds: &[SettingKind]) {
        let unread = snapshot.about.settings.iter().flat_map(|read| &read.unread);
        for gap in unread {
            if let Some(kind) = kinds.iter().find(|kind| kind.name() == gap.kind) {
                let why = format!("the backup could not read it: {}", gap.reason);
                self.leave_out(*kind, None, &gap.what, &why);
            }
        }
    }

    fn leave_out(&mut self, kind: SettingKind, folder: Option<String>, what: &str, why: &str) {
        self.report.left_out.push(SettingLeftOut {
            kind: kind.name().to_owned(),
            folder: folder.map(|path| shown_path(&path).to_owned()),
            what: what.to_owned(),
            reason: why.to_owned(),
        });
    }

    /// Restores one setting.
    async fn one(
        &mut self,
        key: SettingKey,
        stored: Option<&StoredSetting>,
        holder: Option<&Holder>,
    ) {
        let folder = holder.map(|holder| shown_path(&holder.path).to_owned());
        let mut entry = SettingRestored {
            kind: key.kind.name().to_owned(),
            folder: folder.clone(),
            ..SettingRestored::default()
        };
        let unread = self.live.unread.iter();
        let unread = unread.filter(|unread| unread.key == key && !unread.is_partial);
        let unread = unread.map(|unread| unread.reason.clone()).next();
        let step = match unread {
            Some(reason) => Err(Error::new(ErrorKind::Internal, reason)),
            None => self.step(key, stored, holder).await,
        };
        let outcome = match step {
            Ok(None) => return,
            Ok(Some(step)) => self.carry_out(key, step, &folder, &mut entry).await,
            Err(error) => Err(crate::backup::one_line(&error)),
        };
        if let Err(reason) = outcome {
            entry.outcome = SettingOutcome::Failed;
            entry.reason = Some(reason);
        }
        self.report.settings.push(entry);
    }

    async fn carry_out(
        &mut self,
        key: SettingKey,
        step: Step,
        folder: &Option<String>,
        entry: &mut SettingRestored,
    ) -> Result<(), String> {
        for (what, why) in &step.without {
            self.leave_out(key.kind, folder.clone(), what, why);
        }
        let Some(act) = step.act else {
            return Ok(());
        };
        let before = self.live.found.get(&key);
        let lines = |element: Option<XmlElement>| -> Result<Vec<String>> {
            let Some(element) = element else {
                return Ok(Vec::new());
            };
            words::lines(key.kind, &shown(element, self.places.paths()))
        };
        let now = before.map(StoredSetting::element).transpose();
        let said = now
            .and_then(lines)
            .and_then(|now| Ok((now, lines(step.after)?)));
        let (now, after) = said.map_err(|error| crate::backup::one_line(&error))?;
        (entry.removed, entry.added) = words::difference(&now, &after);
        entry.before_xml = before.map(|setting| setting.text.clone());
        entry.outcome = SettingOutcome::Changed;
        if self.options.dry_run {
            return Ok(());
        }
        self.act(key.kind, act).await
    }

    /// What has to be done; `None` where there is nothing to say about the setting.
    async fn step(
        &self,
        key: SettingKey,
        stored: Option<&StoredSetting>,
        holder: Option<&Holder>,
    ) -> Result<Option<Step>> {
        let live = self.live.found.get(&key);
        let live = live.map(StoredSetting::element).transpose()?;
        let Some(stored) = stored else {
            return Ok(self.absent(key.kind, live.is_some()));
        };
        let stored = stored.element()?;
        let step = match (key.kind, holder) {
            (SettingKind::Permissions, Some(holder)) => {
                self.permissions(&stored, live, holder).await?
            }
            (SettingKind::Delegates, _) => self.delegates(&stored, live).await?,
            (SettingKind::Rules, _) => self.rules(&stored, live)?,
            (SettingKind::Oof, _) => oof(&stored, live)?,
            _ => configuration(key.kind, &stored, live)?,
        };
        Ok(Some(step))
    }

    /// A setting that the snapshot does not have goes only where exactness is asked for.
    fn absent(&self, kind: SettingKind, is_live: bool) -> Option<Step> {
        let name = kind
            .configuration()
            .filter(|_| is_live && self.options.is_exact)?;
        let unread = self.report.left_out.iter();
        // What the backup could not read may have been there.
        if unread.into_iter().any(|left| left.kind == kind.name()) {
            return None;
        }
        Some(Step {
            after: None,
            act: Some(Act::DeleteConfiguration(name)),
            without: Without::new(),
        })
    }

    async fn find(&self, wanted: impl IntoIterator<Item = UserId>) -> users::Users {
        let map = self.options.user_map.as_ref();
        users::find(self.routes.hierarchy(), &self.permits, map, wanted).await
    }

    async fn permissions(
        &self,
        stored: &XmlElement,
        live: Option<XmlElement>,
        holder: &Holder,
    ) -> Result<Step> {
        let read = |element: &XmlElement| {
            FolderPermissions::from_element(element).doing(|| "read the permissions".to_owned())
        };
        let stored = read(stored)?;
        let live = live.as_ref().map(read).transpose()?.unwrap_or_default();
        if stored.is_calendar != live.is_calendar {
            let message = "the folder is of another kind than in the snapshot";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let named = stored.permissions.iter().map(|p| p.user.clone());
        let users = self.find(named).await;
        let (set, without) = wanted::permissions(&stored, &live, &users, self.options.is_exact);
        let is_same = wanted::comparable(&set) == wanted::comparable(&live);
        Ok(Step {
            after: Some(set.to_element()),
            act: (!is_same).then(|| Act::Permissions(holder.clone(), set)),
            without,
        })
    }

    async fn delegates(&self, stored: &XmlElement, live: Option<XmlElement>) -> Result<Step> {
        let stored = DelegateList::from_element(stored)?;
        let live = live.map(|live| DelegateList::from_element(&live));
        let live = live.transpose()?.unwrap_or_default();
        let users = self
            .find(stored.delegates.iter().map(|d| d.user.clone()))
            .await;
        let (plan, without) = wanted::delegates(&stored, &live, &users, self.options.is_exact);
        Ok(Step {
            after: Some(plan.after.to_element()),
            act: (!plan.is_empty()).then(|| Act::Delegates(Box::new(plan))),
            without,
        })
    }

    fn rules(&self, stored: &XmlElement, live: Option<XmlElement>) -> Result<Step> {
        let stored = words::rules(stored)?;
        let live_rules = live
            .as_ref()
            .map(words::rules)
            .transpose()?
            .unwrap_or_default();
        let map = self.options.user_map.as_ref();
        let (plan, without) = rules::plan(
            &stored,
            &live_rules,
            &self.places,
            map,
            self.options.is_exact,
        );
        let has_own = live
            .as_ref()
            .and_then(|live| live.child_text("OutlookRuleBlobExists"))
            == Some("true");
        if has_own && !plan.operations.is_empty() && !self.options.discards_outlook_rules {
            let message = "Outlook keeps rules of its own in the mailbox, and EWS changes no rules \
                           without throwing these away";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let after = plan.after.iter().map(InboxRule::to_element);
        Ok(Step {
            after: Some(XmlElement::new("InboxRules").with_children(after)),
            act: (!plan.operations.is_empty()).then_some(Act::Rules(plan)),
            without,
        })
    }
}

fn oof(stored: &XmlElement, live: Option<XmlElement>) -> Result<Step> {
    let read = |element: &XmlElement| {
        let settings = OofSettings::from_element(element);
        settings.doing(|| "read the out-of-office replies".to_owned())
    };
    let mut stored = plain_oof(read(stored)?);
    // What newer servers add is not sent, and so no difference.
    stored.other.clear();
    let live = live.as_ref().map(read).transpose()?;
    let is_same = live.is_some_and(|live| {
        let mut live = plain_oof(live);
        live.other.clear();
        live == stored
    });
    Ok(Step {
        after: Some(stored.to_element()),
        act: (!is_same).then(|| Act::Oof(Box::new(stored))),
        without: Without::new(),
    })
}

fn configuration(kind: SettingKind, stored: &XmlElement, live: Option<XmlElement>) -> Result<Step> {
    let name = kind.configuration();
    let name = name.ok_or_else(|| Error::new(ErrorKind::Internal, "no user configuration"))?;
    let read = |element: &XmlElement| {
        let found = UserConfiguration::from_element(element);
        let found = found.doing(|| format!("read the {}", kind.title()))?;
        Ok::<_, Error>(plain_configuration(found, name.clone()))
    };
    let stored = read(stored)?;
    let live = live.as_ref().map(read).transpose()?;
    let is_new = live.is_none();
    let is_same = live.is_some_and(|live| live == stored);
    Ok(Step {
        after: Some(stored.to_element()),
        act: (!is_same).then(|| Act::Configuration(Box::new(stored), is_new)),
        without: Without::new(),
    })
}
