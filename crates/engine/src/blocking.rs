//! The only bridge from async code to the synchronous local index.

use std::path::PathBuf;
use std::sync::Arc;

use mailindex::{Identity, MailIndex, Opened};

use crate::error::{Doing, Error, ErrorKind, Result};

/// A mailbox's index, used from many tasks.
#[derive(Clone)]
pub(crate) struct IndexHandle {
    index: Arc<MailIndex>,
    mailbox: Arc<str>,
}

impl IndexHandle {
    /// Opens or creates the index file of a mailbox.
    pub(crate) async fn open(path: PathBuf, identity: Identity) -> Result<(Self, Opened)> {
        let mailbox: Arc<str> = identity.mailbox.as_str().into();
        let what = format!("open the local index {}", path.display());
        let (index, opened) = in_background(move || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .doing(|| format!("create the cache folder {}", folder.display()))?;
            }
            MailIndex::open(&path, &identity).doing(|| what)
        })
        .await?;
        Ok((
            Self {
                index: Arc::new(index),
                mailbox,
            },
            opened,
        ))
    }

    /// Runs one call on the index, away from the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&MailIndex) -> Result<T, mailindex::Error> + Send + 'static,
    ) -> Result<T> {
        let index = Arc::clone(&self.index);
        let mailbox = Arc::clone(&self.mailbox);
        in_background(move || call(&index).doing(|| format!("use the local index of {mailbox}")))
            .await
    }
}

/// Runs work that blocks on a thread of its own.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|failure| {
            Err(Error::with_source(
                ErrorKind::Internal,
                "a background task ended early",
                failure,
            ))
        })
}
