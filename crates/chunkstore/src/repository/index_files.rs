//! Keeping a large index in local files.

use super::Repository;
use crate::catalogue::Catalogue;
use crate::error::Result;
use crate::offload::offload;
use crate::pack_index::IndexCache;

impl Repository {
    pub(super) async fn load_cached_index(&self) -> Result<()> {
        if let Some(cache) = self.inner.index_cache.clone() {
            let (index, cached) = offload(move || cache.load()).await?;
            self.catalogue_mut().set_cached(index, cached);
        }
        Ok(())
    }

    /// Where a local file turned out to be damaged, everything is read anew.
    pub(super) fn drop_broken_index(&self) {
        let mut catalogue = self.catalogue_mut();
        if catalogue.index.is_broken() {
            tracing::warn!("a local file of the index is damaged; the index is read anew");
            if let Some(cache) = &self.inner.index_cache {
                cache.clear();
            }
            *catalogue = Catalogue::default();
        }
    }

    /// Puts what is in memory of a large index into a local file. A failure costs memory alone.
    pub(super) async fn store_index(&self) {
        let Some(cache) = self.inner.index_cache.clone() else {
            return;
        };
        let (index, segments) = {
            let catalogue = self.catalogue();
            if !IndexCache::is_worth_storing(&catalogue.index) {
                return;
            }
            (catalogue.index.clone(), catalogue.segments().clone())
        };
        let name = self.store().env.ulid().to_string();
        let stored = offload(move || {
            cache.store(&index, &segments, &name)?;
            Ok::<_, std::io::Error>(cache.load())
        });
        match stored.await {
            Ok(Ok((index, cached))) if !cached.is_empty() => {
                self.catalogue_mut().set_cached(index, cached);
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the index could not be kept in a file"),
            Err(error) => tracing::warn!(%error, "the index could not be kept in a file"),
        }
    }
}
