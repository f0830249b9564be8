//! The only bridge from async code to the synchronous local index.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mailindex::{Identity, MailIndex, Opened};

use crate::error::{Doing, Error, ErrorKind, Result};

/// Waits for an index that is open elsewhere; together two seconds.
const LOCK_WAITS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_millis(1_000),
];

/// A mailbox's index, used from many tasks.
#[derive(Clone)]
pub(crate) struct IndexHandle {
    index: Arc<MailIndex>,
    mailbox: Arc<str>,
}

impl IndexHandle {
    /// Opens or creates the index file of a mailbox; waits a little for whoever has it open.
    ///
    /// A run that failed may have left calls behind that cannot be taken back, and which hold the
    /// file for as long as they last. The next run must not fail for that.
    pub(crate) async fn open(path: PathBuf, identity: Identity) -> Result<(Self, Opened)> {
        for wait in LOCK_WAITS {
            match Self::open_now(path.clone(), identity.clone()).await {
                Err(error) if error.kind() == ErrorKind::Busy => tokio::time::sleep(wait).await,
                other => return other,
            }
        }
        Self::open_now(path, identity).await
    }

    async fn open_now(path: PathBuf, identity: Identity) -> Result<(Self, Opened)> {
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
