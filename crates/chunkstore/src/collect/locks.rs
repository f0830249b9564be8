//! Locks of what is still needed, renewed.

use std::collections::HashSet;

use futures::StreamExt;
use ulid::Ulid;

use crate::destination::ObjectLock;
use crate::error::{ErrorKind, Result};
use crate::layout::{self, CHECKPOINT, DICTS, FORGET, GC, INDEX, KEYS, PACKS, SEALED, SESSIONS};
use crate::repository::Repository;

/// Objects looked at at the same time.
const PARALLEL: usize = 16;

/// What became of the locks of a repository's objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockReport {
    /// Objects that are needed.
    pub objects: u64,
    /// Those among them that are kept longer now.
    pub extended: u64,
    /// Those whose lock the destination did not let change.
    pub refused: u64,
}

impl Repository {
    /// Sees to it that everything that is needed is kept for at least half of the time that new
    /// objects are. Packs and index objects that nothing needs any more are left out, so that they
    /// can go when their time is over; notes are, too. `progress` is told how many objects are done,
    /// of how many.
    ///
    /// # Errors
    /// Those of the destination; `Unsupported` where it has no object lock.
    ///
    /// # Cancellation
    /// Some objects are kept longer; the next call goes on.
    pub async fn renew_locks(
        &self,
        lock: &ObjectLock,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<LockReport> {
        self.refresh().await?;
        let names = self.needed_objects().await?;
        let mut report = LockReport {
            objects: names.len() as u64,
            ..LockReport::default()
        };
        let mut renewals = futures::stream::iter(names)
            .map(|name| async move { lock.renew(&name).await })
            .buffer_unordered(PARALLEL);
        let mut done = 0;
        while let Some(renewed) = renewals.next().await {
            match renewed {
                Ok(extended) => report.extended += u64::from(extended),
                Err(error) if error.kind() == ErrorKind::Denied => report.refused += 1,
                // Deleted by another custodian since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => report.objects -= 1,
                Err(error) => return Err(error),
            }
            done += 1;
            progress(done, report.objects);
        }
        Ok(report)
    }

    /// The names of the packs and index objects that are in use, as far as they are known.
    pub(crate) fn packs_and_index(&self) -> HashSet<String> {
        let catalogue = self.catalogue();
        let packs = catalogue.packs();
        let packs = packs.keys().map(|name| name.object());
        let index = catalogue.index_objects();
        let index = index.iter();
        let index = index.map(|id| layout::index_name(Ulid::from_bytes(*id)));
        packs.chain(index).collect()
    }

    /// The names of all objects that the repository cannot do without.
    async fn needed_objects(&self) -> Result<Vec<String>> {
        let objects = &self.store().objects;
        let counts = self.packs_and_index();
        let mut names = vec![layout::REPOSITORY.to_owned()];
        for folder in [
            KEYS, DICTS, SEALED, SESSIONS, FORGET, GC, CHECKPOINT, PACKS, INDEX,
        ] {
            let is_listed_elsewhere = [PACKS, INDEX].contains(&folder);
            let listed = objects.list(folder).await?;
            let listed = listed.into_iter().map(|meta| meta.location.to_string());
            names.extend(listed.filter(|name| !is_listed_elsewhere || counts.contains(name)));
        }
        Ok(names)
    }
}
