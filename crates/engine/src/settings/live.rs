//! Reads settings from the server, in the form in which they are kept.

use std::collections::{BTreeMap, HashMap};

use ews_client::{
    BaseShape, Client, DictionaryEntry, Error as EwsError, Folder, FolderId, FolderIdRef,
    FolderKind, FolderShape, GetDelegate, GetFolder, GetInboxRules, GetUserConfiguration,
    GetUserOofSettings, OofSettings, OofState, PropertyPath, UserConfiguration, XmlElement,
};
use futures::{StreamExt, stream};
use mailindex::FolderKey;
use tokio::sync::Semaphore;

use super::kind::{SettingKey, SettingKind};
use super::stored::{MAX_SETTING_BYTES, StoredSetting};
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::routes::Routes;

/// Folders whose permissions are asked for in one request: with a hundred users each, the answer
/// stays below 10 MB.
const FOLDERS_A_REQUEST: usize = 100;

/// Requests under way at the same time for one mailbox's settings, within its own limit.
const AT_ONCE: usize = 4;

/// A folder whose permissions are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) key: FolderKey,
    pub(crate) id: String,
    /// Its path; of the top folder, nothing.
    pub(crate) path: String,
}

/// What of a mailbox's settings could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) key: SettingKey,
    /// What a report calls it.
    pub(crate) what: String,
    pub(crate) reason: String,
    /// Whether the setting itself was read, and only a part of it was not.
    pub(crate) is_partial: bool,
}

/// The settings of a live mailbox.
#[derive(Debug, Default)]
pub(crate) struct LiveSettings {
    pub(crate) found: BTreeMap<SettingKey, StoredSetting>,
    pub(crate) unread: Vec<Unread>,
    /// What the folders hold, where permissions were asked for.
    pub(crate) folder_kinds: HashMap<FolderKey, FolderKind>,
}

/// What one request told.
enum Told {
    Setting(XmlElement),
    /// A setting, and what of it could not be read.
    Part(XmlElement, Vec<String>),
    /// There is none.
    None,
}

impl LiveSettings {
    /// The kinds that a part of somebody's mail can have.
    pub(crate) fn kinds_of(part: MailboxPart) -> &'static [SettingKind] {
        match part {
            MailboxPart::Primary => &SettingKind::ALL,
            MailboxPart::Archive | MailboxPart::Public => &[SettingKind::Permissions],
            MailboxPart::Recoverable | MailboxPart::ArchiveRecoverable => &[],
        }
    }

    /// Asks for some kinds: a request each, and one for the permissions of a hundred folders. What
    /// fails is in the result.
    pub(crate) async fn read(
        routes: &Routes,
        permits: &Semaphore,
        mailbox: &MailboxName,
        kinds: &[SettingKind],
        folders: &[Holder],
    ) -> Self {
        let mut all = Self::default();
        let client = routes.hierarchy();
        let singles = kinds.iter().copied();
        let singles = singles.filter(|kind| *kind != SettingKind::Permissions);
        let reads: Vec<_> = singles
            .map(|kind| async move {
                let _permit = permits.acquire().await;
                (kind, ask(client, mailbox, kind).await)
            })
            .collect();
        let mut answers = stream::iter(reads).buffered(AT_ONCE);
        while let Some((kind, answer)) = answers.next().await {
            all.take(kind, answer);
        }
        drop(answers);
        if kinds.contains(&SettingKind::Permissions) {
            for (client, folders) in routes.split(folders, |folder| folder.key) {
                for some in folders.chunks(FOLDERS_A_REQUEST) {
                    all.permissions(&client, permits, some).await;
                }
            }
        }
        all
    }

    fn take(&mut self, kind: SettingKind, answer: Result<Told, String>) {
        let key = SettingKey::of(kind);
        let unread = |reason: String, is_partial| Unread {
            key,
            what: kind.title().to_owned(),
            reason,
            is_partial,
        };
        match answer {
            Ok(Told::None) => {}
            Ok(Told::Setting(element)) => self.put(key, kind.title(), String::new(), &element),
            Ok(Told::Part(element, reasons)) => {
                let reasons = reasons.into_iter();
                self.unread
                    .extend(reasons.map(|reason| unread(reason, true)));
                self.put(key, kind.title(), String::new(), &element);
            }
            Err(reason) => self.unread.push(unread(reason, false)),
        }
    }

    fn put(&mut self, key: SettingKey, what: &str, folder_id: String, element: &XmlElement) {
        let text = element.to_xml();
        if text.len() > MAX_SETTING_BYTES {
            self.unread.push(Unread {
                key,
                what: what.to_owned(),
                reason: format!("{} bytes are more than a setting may have", text.len()),
                is_partial: false,
            });
            return;
        }
        self.found.insert(key, StoredSetting { folder_id, text });
    }

    async fn permissions(&mut self, client: &Client, permits: &Semaphore, folders: &[&Holder]) {
        let shape =
            FolderShape::new(BaseShape::IdOnly).with([PropertyPath::field("folder:PermissionSet")]);
        let ids = folders.iter();
        let ids = ids.map(|folder| FolderIdRef::Id(FolderId::new(folder.id.clone())));
        let request = GetFolder {
            shape,
            ids: ids.collect(),
        };
        let outcomes = {
            let _permit = permits.acquire().await;
            client.get_folder(&request).await
        };
        match outcomes {
            Ok(outcomes) => {
                for (folder, outcome) in folders.iter().zip(outcomes) {
                    self.permission(folder, outcome.map_err(|error| error.to_string()));
                }
            }
            Err(error) => {
                for folder in folders {
                    self.permission(folder, Err(error.to_string()));
                }
            }
        }
    }

    fn permission(&mut self, folder: &Holder, outcome: Result<Folder, String>) {
        let key = SettingKey::permissions(folder.key);
        let title = format!("permissions of {}", shown_path(&folder.path));
        let set = outcome.and_then(|told| {
            self.folder_kinds.insert(folder.key, told.kind);
            let told = told.permissions;
            told.ok_or_else(|| "the server did not tell them".to_owned())
        });
        match set {
            Ok(set) => self.put(key, &title, folder.id.clone(), &set.to_element()),
            Err(reason) => self.unread.push(Unread {
                key,
                what: title,
                reason,
                is_partial: false,
            }),
        }
    }
}

/// How the top folder is called, which has no name of its own.
pub(crate) fn shown_path(path: &str) -> &str {
    if path.is_empty() {
        "(top of the mailbox)"
    } else {
        path
    }
}

async fn ask(client: &Client, mailbox: &MailboxName, kind: SettingKind) -> Result<Told, String> {
    if let Some(name) = kind.configuration() {
        let asked = GetUserConfiguration { name: name.clone() };
        return match client.get_user_configuration(&asked).await {
            Ok(found) => Ok(Told::Setting(plain_configuration(found, name).to_element())),
            Err(error) if error.kind() == ews_client::ErrorKind::NotFound => Ok(Told::None),
            Err(error) => Err(error.to_string()),
        };
    }
    let address = || {
        let address = mailbox.address().map(str::to_owned);
        address.ok_or_else(|| "the account's own address is not known: name the mailbox".to_owned())
    };
    let said = |error: EwsError| error.to_string();
    match kind {
        SettingKind::Delegates => {
            let asked = GetDelegate::all(address()?);
            let told = client.get_delegate(&asked).await.map_err(said)?;
            let mut lost = Vec::new();
            let mut children = Vec::new();
            for delegate in told.delegates {
                match delegate {
                    Ok(delegate) => children.push(delegate.to_element()),
                    Err(error) => lost.push(format!("one of them: {error}")),
                }
            }
            let deliver = told.deliver_meeting_requests.iter();
            let deliver = deliver.map(|d| XmlElement::leaf("DeliverMeetingRequests", d.as_str()));
            let element = XmlElement::new("Delegates");
            Ok(Told::Part(
                element.with_children(deliver.chain(children)),
                lost,
            ))
        }
        SettingKind::Rules => {
            let asked = GetInboxRules {
                mailbox: mailbox.address().map(str::to_owned),
            };
            let told = client.get_inbox_rules(&asked).await.map_err(said)?;
            let blob = told.outlook_rule_blob_exists;
            let blob = blob.map(|b| XmlElement::leaf("OutlookRuleBlobExists", b.to_string()));
            let rules = told.rules.iter().map(|rule| rule.to_element());
            let element = XmlElement::new("InboxRules");
            Ok(Told::Setting(
                element.with_children(blob.into_iter().chain(rules)),
            ))
        }
        SettingKind::Oof => {
            let asked = GetUserOofSettings {
                mailbox: address()?,
            };
            let told = client.get_user_oof_settings(&asked).await.map_err(said)?;
            Ok(Told::Setting(plain_oof(told.settings).to_element()))
        }
        _ => Ok(Told::None),
    }
}

/// Without times that mean nothing: servers fill in the current ones where no plan is set, and
/// every snapshot would have other settings.
pub(super) fn plain_oof(mut settings: OofSettings) -> OofSettings {
    if settings.state != OofState::Scheduled {
        settings.duration = None;
    }
    settings
}

/// Under the name it was asked for, without its item's id, its entries in order: the same text for
/// the same content.
pub(super) fn plain_configuration(
    mut found: UserConfiguration,
    name: ews_client::UserConfigurationName,
) -> UserConfiguration {
    found.name = name;
    found.item_id = None;
    if let Some(entries) = &mut found.dictionary {
        let key = |entry: &DictionaryEntry| entry.key.values.clone();
        entries.sort_by_key(key);
    }
    found
}
