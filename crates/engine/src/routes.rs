//! Which of a server's mailboxes is asked for what. A mailbox of somebody is one; the public
//! folders of Exchange 2013 and later lie in several, on several servers: one holds the hierarchy,
//! and each folder says which one holds its content.

use std::collections::HashMap;
use std::sync::Arc;

use ews_client::{Client, Folder, Routing};
use futures::{StreamExt, TryStreamExt, stream};
use mailindex::FolderKey;
use tokio::sync::Mutex;

use crate::error::{Doing, Result};
use crate::keys::{associated_key, folder_key};
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::source::Exchange;

/// Content mailboxes asked for at the same time.
const AT_ONCE: usize = 4;

/// What was learnt of public folders; shared by all clones of an [`Exchange`], so that a daemon
/// asks Autodiscover once.
#[derive(Debug, Default)]
pub(crate) struct PublicRoutes {
    /// The headers for the hierarchy, by the user who reads it.
    hierarchy: Mutex<HashMap<String, Option<Routing>>>,
    /// The headers for contents, by the GUID in front of its domain.
    content: Mutex<HashMap<String, Routing>>,
}

/// The clients for one mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    main: Client,
    /// The organisation whose content mailboxes are meant; `None` where requests need no headers.
    domain: Option<String>,
    /// For the contents of folders that lie elsewhere, their associated items included.
    content: HashMap<FolderKey, Client>,
}

impl Routes {
    /// One client for everything.
    pub(crate) fn plain(main: Client) -> Self {
        Self {
            main,
            domain: None,
            content: HashMap::new(),
        }
    }

    /// For folders themselves: listing, creating, changing and deleting them.
    pub(crate) fn hierarchy(&self) -> &Client {
        &self.main
    }

    /// For what lies in a folder.
    pub(crate) fn of(&self, folder: FolderKey) -> &Client {
        self.content.get(&folder).unwrap_or(&self.main)
    }

    /// All that contents may have to be asked for, each once.
    pub(crate) fn all(&self) -> Vec<&Client> {
        let mut all = vec![&self.main];
        for client in self.content.values() {
            if !all.iter().any(|known| known.routing() == client.routing()) {
                all.push(client);
            }
        }
        all
    }

    /// Cuts a list into those that the same client is asked for, in their order.
    pub(crate) fn split<T>(
        &self,
        list: impl IntoIterator<Item = T>,
        folder_of: impl Fn(&T) -> FolderKey,
    ) -> Vec<(Client, Vec<T>)> {
        let mut parts: Vec<(Client, Vec<T>)> = Vec::new();
        for one in list {
            let client = self.of(folder_of(&one));
            let known = parts
                .iter_mut()
                .find(|(other, _)| other.routing() == client.routing());
            match known {
                Some((_, part)) => part.push(one),
                None => parts.push((client.clone(), vec![one])),
            }
        }
        parts
    }

    /// Whether folders have to say where their contents lie.
    pub(crate) fn are_several(&self) -> bool {
        self.domain.is_some()
    }

    /// Learns where the contents of folders lie, from the property that they were listed with.
    pub(crate) async fn learn(&mut self, exchange: &Exchange, folders: &[Folder]) -> Result<()> {
        let Some(domain) = self.domain.clone() else {
            return Ok(());
        };
        let mut by_mailbox: HashMap<String, Vec<&Folder>> = HashMap::new();
        for folder in folders {
            if let Some(mailbox) = folder.content_mailbox() {
                by_mailbox.entry(mailbox).or_default().push(folder);
            }
        }
        let asked: Vec<_> = by_mailbox
            .keys()
            .map(|mailbox| exchange.content_routing(&self.main, mailbox, &domain))
            .collect();
        let routings: Vec<Routing> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        for (folders, routing) in by_mailbox.values().zip(routings) {
            let client = self.main.routed(routing);
            for folder in folders {
                let id = &folder.id.id;
                self.content.insert(folder_key(id), client.clone());
                self.content.insert(associated_key(id), client.clone());
            }
        }
        Ok(())
    }
}

impl Exchange {
    /// The clients for a part of somebody's mail, as far as they are known before its folders.
    pub(crate) async fn routes(&self, name: &MailboxName) -> Result<Routes> {
        let client = self.open(name);
        if name.part() != MailboxPart::Public {
            return Ok(Routes::plain(client));
        }
        let user = name.address().unwrap_or(self.account()).to_lowercase();
        let learnt: &Arc<PublicRoutes> = self.public_routes();
        let mut known = learnt.hierarchy.lock().await;
        let routing = match known.get(&user) {
            Some(routing) => routing.clone(),
            None => {
                let found = client
                    .public_folder_hierarchy(&user)
                    .await
                    .doing(|| "find the mailboxes of the public folders".into())?;
                known.insert(user.clone(), found.clone());
                found
            }
        };
        drop(known);
        let Some(routing) = routing else {
            return Ok(Routes::plain(client));
        };
        let named = routing.public_folder_mailbox.as_deref().unwrap_or(&user);
        let domain = named.rsplit('@').next().map(str::to_owned);
        Ok(Routes {
            main: client.routed(routing),
            domain,
            content: HashMap::new(),
        })
    }

    async fn content_routing(
        &self,
        client: &Client,
        mailbox: &str,
        domain: &str,
    ) -> Result<Routing> {
        let key = format!("{mailbox}@{domain}");
        let learnt = self.public_routes();
        if let Some(routing) = learnt.content.lock().await.get(&key) {
            return Ok(routing.clone());
        }
        let routing = client
            .public_folder_content(mailbox, domain)
            .await
            .doing(|| format!("find the public folder mailbox {mailbox}"))?;
        learnt.content.lock().await.insert(key, routing.clone());
        Ok(routing)
    }
}
