//! Objects that were deleted and that a destination with object lock keeps all the same.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};

use crate::destination::{Deleted, Hidden, ObjectLock};
use crate::error::Result;
use crate::layout::{CHECKPOINT, FORGET, GC, INDEX, NOTES, PACKS, SESSIONS};
use crate::repository::Repository;

/// Objects deleted at the same time.
const PARALLEL: usize = 16;

/// An object that was deleted and is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptObject {
    /// Its name.
    pub name: String,
    /// Until when a lock keeps it, milliseconds since 1970 UTC; `None` where the destination refused
    /// to delete it and names no time.
    pub until_unix_ms: Option<i64>,
}

/// What became of objects that were deleted and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HiddenReport {
    /// Those that are gone for good now.
    pub deleted: u64,
    /// Those that are kept still, by name.
    pub kept: Vec<KeptObject>,
}

impl Repository {
    /// The names of the objects that were deleted and that the destination keeps versions of. Those
    /// that the repository needs are left out: somebody else deleted them, and the versions are what
    /// can be gone back to.
    ///
    /// # Errors
    /// `Denied` where the versions may not be listed, otherwise from the destination.
    pub async fn hidden(&self, lock: &ObjectLock) -> Result<HashSet<String>> {
        let hidden = self.hidden_objects(lock).await?;
        Ok(hidden.into_iter().map(|hidden| hidden.name).collect())
    }

    /// Deletes for good what the destination keeps of deleted objects, as far as locks let it go;
    /// with `among` only of these. See [`Repository::hidden`].
    ///
    /// # Errors
    /// As for [`Repository::hidden`].
    ///
    /// # Cancellation
    /// Some objects are gone; the next call goes on.
    pub async fn delete_hidden(
        &self,
        lock: &ObjectLock,
        among: Option<&HashSet<String>>,
    ) -> Result<HiddenReport> {
        let mut hidden = self.hidden_objects(lock).await?;
        hidden.retain(|hidden| among.is_none_or(|among| among.contains(&hidden.name)));
        let mut deletions = futures::stream::iter(hidden)
            .map(|hidden| async move {
                let deleted = lock.delete_hidden(&hidden).await?;
                Ok::<_, crate::error::Error>((hidden.name, deleted))
            })
            .buffered(PARALLEL);
        let mut report = HiddenReport::default();
        while let Some((name, deleted)) = deletions.try_next().await? {
            match deleted {
                Deleted::Gone => report.deleted += 1,
                Deleted::Kept(until_unix_ms) => report.kept.push(KeptObject {
                    name,
                    until_unix_ms,
                }),
            }
        }
        Ok(report)
    }

    async fn hidden_objects(&self, lock: &ObjectLock) -> Result<Vec<Hidden>> {
        let mut hidden = lock.hidden().await?;
        self.refresh().await?;
        let needed = self.packs_and_index();
        // Keys, dictionaries and the configuration hold nothing of anybody's.
        let concerns = |name: &str| {
            [PACKS, INDEX, SESSIONS, FORGET, GC, CHECKPOINT, NOTES]
                .iter()
                .any(|folder| {
                    name.strip_prefix(folder)
                        .is_some_and(|rest| rest.starts_with('/'))
                })
        };
        hidden.retain(|hidden| concerns(&hidden.name) && !needed.contains(&hidden.name));
        Ok(hidden)
    }
}
