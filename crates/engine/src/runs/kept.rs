//! Keeps the versions that items had before a restore replaces them.

use std::sync::Arc;

use chunkstore::{
    ChunkKind, Entry, Format, ItemWriter, Opaque, PendingContent, SegmentOptions, SegmentStore,
    Session,
};
use fasttransfer::Summariser;
use mailindex::ItemRow;

use super::What;
use super::log::{RunLog, Tree};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::RemoteFolder;
use crate::keys::{Holds, item_key};
use crate::origin::Origin;
use crate::portable;
use crate::split::FtsFormat;
use crate::split_mime::MimeFormat;
use crate::state::{
    Form, ItemSummary, RunMark, contents_to_bytes, item_entry, summary_bytes, with_run,
};
use crate::vault::Vault;

/// A live item about to be replaced.
pub(crate) struct Kept {
    pub(crate) folder_id: String,
    pub(crate) holds: Holds,
    pub(crate) item_id: String,
    pub(crate) change_key: String,
    pub(crate) class: String,
    pub(crate) is_read: Option<bool>,
    /// The origin of what takes its place.
    pub(crate) origin: Origin,
}

/// Live items on their way into the repository.
pub(crate) struct Keeping {
    vault: Vault,
    session: Session,
    skeletons: SegmentStore,
    summaries: SegmentStore,
    pending: Vec<(Kept, Form, u64, PendingContent, PendingContent)>,
}

impl Keeping {
    pub(crate) async fn open(vault: &Vault) -> Result<Self> {
        let session = vault.ledger_session().await?;
        let sink = Arc::new(session.clone());
        let summaries = SegmentOptions {
            kind: ChunkKind::Meta,
            ..SegmentOptions::default()
        };
        Ok(Self {
            vault: vault.clone(),
            skeletons: SegmentStore::new(sink.clone(), SegmentOptions::default()),
            summaries: SegmentStore::new(sink, summaries),
            session,
            pending: Vec::new(),
        })
    }

    /// Stores what a live item holds.
    pub(crate) async fn add(&mut self, kept: Kept, bytes: &[u8], form: Form) -> Result<()> {
        let format: Arc<dyn Format> = match form {
            Form::Native => Arc::new(FtsFormat),
            Form::Portable => Arc::new(MimeFormat),
        };
        let stored = match store(&self.skeletons, bytes, format).await {
            Err(error) if error.kind() == chunkstore::ErrorKind::SplitMismatch => {
                store(&self.skeletons, bytes, Arc::new(Opaque)).await
            }
            stored => stored,
        };
        let content = stored.doing(|| "keep an item that is to be replaced".into())?;
        let summary = summary_bytes(&summary_of(bytes, form));
        let summary = store(&self.summaries, &summary, Arc::new(Opaque))
            .await
            .doing(|| "keep an item that is to be replaced".into())?;
        let len = bytes.len() as u64;
        self.pending.push((kept, form, len, content, summary));
        Ok(())
    }

    /// Makes all of it durable, under the run. Only then may the items be replaced.
    pub(crate) async fn commit(self, log: &RunLog, folders: &[RemoteFolder]) -> Result<()> {
        if self.pending.is_empty() {
            let dropped = self.session.abandon().await;
            return dropped.doing(|| "close the session".into());
        }
        for store in [&self.skeletons, &self.summaries] {
            store
                .flush_all()
                .await
                .doing(|| "keep items that are to be replaced".into())?;
        }
        let mut tree = Tree::default();
        let items = self.pending.len() as u64;
        for (kept, form, bytes, content, summary) in self.pending {
            let contents = [content, summary].map(|content| content.try_content());
            let [Some(content), Some(summary)] = contents else {
                let message = "an item that is to be replaced was not stored";
                return Err(Error::new(ErrorKind::Internal, message));
            };
            let folder = tree.add_folder(&kept.folder_id, kept.holds, folders);
            let row = ItemRow {
                item_id: kept.item_id.clone(),
                change_key: kept.change_key,
                item_class: kept.class,
                is_read: kept.is_read,
                size_bytes: bytes,
                content: contents_to_bytes(&[content, summary], form),
                ..ItemRow::default()
            };
            let entry: Entry = item_entry(item_key(folder, &kept.item_id), &row)?;
            let mark = RunMark {
                origin: kept.origin,
                replaced: true,
            };
            tree.add(with_run(entry, &mark));
        }
        let root = tree.write(&self.vault, &self.session).await?;
        log.record(What::Kept { items }, root)?.add(&self.session)?;
        let committed = self.session.commit().await;
        committed.doing(|| "keep items that are to be replaced".into())?;
        Ok(())
    }
}

async fn store(
    segments: &SegmentStore,
    bytes: &[u8],
    format: Arc<dyn Format>,
) -> chunkstore::Result<PendingContent> {
    let mut writer = ItemWriter::new(segments, 0, format);
    writer.push(bytes).await?;
    writer.finish().await
}

fn summary_of(bytes: &[u8], form: Form) -> ItemSummary {
    if form == Form::Portable {
        let item = portable::from_bytes(bytes);
        return item
            .map(|item| portable::summary(&item))
            .unwrap_or_default();
    }
    let mut summariser = Summariser::new();
    summariser.feed(bytes);
    ItemSummary::from_stream(&summariser.finish())
}
