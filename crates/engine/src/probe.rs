//! Short looks at a server, to find out what an account may do there.

use std::fmt::Write as _;

use ews_client::{BaseShape, DistinguishedFolder, FindFolder, FolderShape};

use tokio::sync::Semaphore;

use crate::error::{Doing, Result};
use crate::folders::RemoteFolders;
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::source::Exchange;

/// What a server told of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxLook {
    /// The server's version, as it calls itself.
    pub server_version: Option<String>,
    /// Folders in the mailbox; at least, where there are very many.
    pub folders: u64,
}

impl Exchange {
    /// Lists a mailbox's folders, as the beginning of a backup would.
    ///
    /// # Errors
    /// `Auth`, `Denied`, `NotFound`, `Unreachable`, `NotEws`, as a backup would meet them.
    pub async fn look_at_mailbox(&self, mailbox: &str) -> Result<MailboxLook> {
        self.look(mailbox, DistinguishedFolder::MsgFolderRoot).await
    }

    /// Looks at the public folders as a mailbox's user sees them.
    ///
    /// # Errors
    /// As [`Exchange::look_at_mailbox`].
    pub async fn look_at_public_folders(&self, mailbox: &str) -> Result<MailboxLook> {
        self.look(mailbox, DistinguishedFolder::PublicFoldersRoot)
            .await
    }

    /// A mark of all that tells whether anything in a mailbox changed: what differs from an earlier
    /// one is worth a backup. Two requests; `None` from servers whose folders tell nothing.
    ///
    /// # Errors
    /// As [`Exchange::look_at_mailbox`].
    pub async fn change_mark(&self, mailbox: &str) -> Result<Option<String>> {
        let permits = Semaphore::new(1);
        let name = MailboxName::new(mailbox, MailboxPart::Primary);
        let remote = RemoteFolders::read(self, &name, &permits).await?;
        let mut all = blake3::Hasher::new();
        let mut line = String::new();
        for folder in &remote.folders {
            if folder.is_search {
                continue;
            }
            if folder.commit_time.is_none() {
                return Ok(None);
            }
            line.clear();
            // Writing to a String cannot fail.
            let _ = writeln!(
                line,
                "{} {:?} {:?} {:?} {:?} {:?} {:?}",
                folder.id,
                folder.path,
                folder.class,
                folder.total,
                folder.commit_time,
                folder.deleted,
                folder.associated
            );
            all.update(line.as_bytes());
        }
        Ok(Some(all.finalize().to_hex().to_string()))
    }

    async fn look(&self, mailbox: &str, root: DistinguishedFolder) -> Result<MailboxLook> {
        let is_public = root == DistinguishedFolder::PublicFoldersRoot;
        let client = if is_public {
            let name = MailboxName::new(mailbox, MailboxPart::Public);
            self.routes(&name).await?.hierarchy().clone()
        } else {
            self.mailbox(mailbox)
        };
        let mut request = FindFolder::deep(root, FolderShape::new(BaseShape::IdOnly));
        if is_public {
            // Public folders cannot be asked for all levels at once.
            request.traversal = ews_client::FolderTraversal::Shallow;
        }
        let page = client
            .find_folder(&request)
            .await
            .doing(|| format!("open {mailbox}"))?;
        Ok(MailboxLook {
            server_version: client.server_version().map(|version| version.to_string()),
            folders: page.folders.len() as u64,
        })
    }
}
