//! The way of one entry from one repository into another.

use std::sync::Arc;

use chunkstore::{
    ChunkKind, Content, Entry, Format, ItemWriter, Opaque, PendingContent, SegmentOptions,
    SegmentStore, Session,
};
use futures::TryStreamExt;

use super::join::Step;
use crate::backup::one_line;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::vault::Vault;

/// The segment group of all that is copied: a session copies one mailbox after the other.
const GROUP: u64 = 0;

/// Reads from one repository, writes to a session of the other.
pub(super) struct Carrier {
    pub(super) from: Vault,
    skeletons: SegmentStore,
    summaries: SegmentStore,
}

/// An entry of the new tree.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) contents: Vec<StagedContent>,
}

/// A content that is there, or will be when its segment is closed.
#[derive(Debug)]
pub(crate) enum StagedContent {
    There(Content),
    Coming(PendingContent),
}

impl Staged {
    /// The entry, when all its segments are closed.
    pub(super) fn settle(self) -> Result<Entry> {
        let contents = self.contents.into_iter().map(|content| match content {
            StagedContent::There(content) => Ok(content),
            StagedContent::Coming(pending) => pending
                .try_content()
                .ok_or_else(|| Error::new(ErrorKind::Internal, "an item's segment was not closed")),
        });
        Ok(Entry {
            key: self.key,
            value: self.value,
            contents: contents.collect::<Result<_>>()?,
        })
    }
}

/// What became of one key.
pub(super) enum Carried {
    /// The destination's tree has the same.
    Same,
    /// It is no longer there.
    Removed(Vec<u8>),
    /// Only the value is new, or where it stands; the bytes are there.
    Reused(Staged),
    /// Copied, with so many bytes.
    Copied(Staged, u64),
    /// It cannot be read.
    Failed(Box<Failed>),
}

/// An entry that cannot be read.
pub(super) struct Failed {
    pub(super) entry: Entry,
    pub(super) reason: String,
    /// Whether the destination's tree has something under its key.
    pub(super) there: bool,
}

/// Why an item could not be carried.
enum Fault {
    /// The source cannot give it.
    Unreadable(String),
    Stop(Error),
}

impl Carrier {
    pub(super) fn new(from: &Vault, session: &Session) -> Self {
        let session: Arc<Session> = Arc::new(session.clone());
        let summaries = SegmentOptions {
            kind: ChunkKind::Meta,
            ..SegmentOptions::default()
        };
        Self {
            from: from.clone(),
            skeletons: SegmentStore::new(session.clone(), SegmentOptions::default()),
            summaries: SegmentStore::new(session, summaries),
        }
    }

    pub(super) async fn carry(&self, step: Step) -> Result<Carried> {
        let reusable = step.reusable();
        let Some(new) = step.new else {
            let there = step.there.map(|entry| entry.key);
            return Ok(there.map_or(Carried::Same, Carried::Removed));
        };
        if let Some(contents) = reusable {
            let same = |there: &Entry| there.value == new.value && there.contents == contents;
            if step.there.as_ref().is_some_and(same) {
                return Ok(Carried::Same);
            }
            let contents = contents.into_iter().map(StagedContent::There);
            return Ok(Carried::Reused(Staged {
                contents: contents.collect(),
                key: new.key,
                value: new.value,
            }));
        }
        let is_there = step.there.is_some();
        let there = step.there.map(|entry| entry.contents).unwrap_or_default();
        let mut contents = Vec::with_capacity(new.contents.len());
        let mut bytes = 0;
        for (n, content) in new.contents.iter().enumerate() {
            let pending = match self.content(n, content).await {
                Ok(pending) => pending,
                Err(Fault::Unreadable(reason)) => {
                    let there = is_there;
                    let entry = new;
                    return Ok(Carried::Failed(Box::new(Failed {
                        entry,
                        reason,
                        there,
                    })));
                }
                Err(Fault::Stop(error)) => return Err(error),
            };
            bytes += content.len;
            let known = there.get(n).filter(|known| {
                known.hash == pending.item_hash() && known.len == pending.item_bytes()
            });
            contents.push(match known {
                Some(known) => StagedContent::There(known.clone()),
                None => StagedContent::Coming(pending),
            });
        }
        let staged = Staged {
            key: new.key,
            value: new.value,
            contents,
        };
        Ok(Carried::Copied(staged, bytes))
    }

    /// Copies a content, with the format it has; the first is the item, others are small.
    async fn content(&self, number: usize, content: &Content) -> Result<PendingContent, Fault> {
        let opaque: Arc<dyn Format> = Arc::new(Opaque);
        let format = self.from.formats.get(content.format);
        match self
            .write(number, content, format.unwrap_or_else(|| opaque.clone()))
            .await
        {
            Err(Fault::Stop(error)) if is_mismatch(&error) => {
                self.write(number, content, opaque).await
            }
            done => done,
        }
    }

    async fn write(
        &self,
        number: usize,
        content: &Content,
        format: Arc<dyn Format>,
    ) -> Result<PendingContent, Fault> {
        let store = match number {
            0 => &self.skeletons,
            _ => &self.summaries,
        };
        let stop = |error: chunkstore::Error| {
            let stopped = Err::<(), _>(error).doing(|| "store a copy".into());
            Fault::Stop(
                stopped
                    .err()
                    .unwrap_or_else(|| Error::new(ErrorKind::Internal, "")),
            )
        };
        let mut writer = ItemWriter::new(store, GROUP, format);
        let mut pieces = self.from.read(content);
        loop {
            match pieces.try_next().await {
                Ok(Some(piece)) => writer.push(&piece).await.map_err(stop)?,
                Ok(None) => break,
                Err(error) => return Err(unreadable(error)),
            }
        }
        writer.finish().await.map_err(stop)
    }

    /// Closes all segments: every content is then known.
    pub(super) async fn flush(&self) -> Result<()> {
        let flushed = self.skeletons.flush_all().await;
        flushed.doing(|| "store copies".into())?;
        let flushed = self.summaries.flush_all().await;
        flushed.doing(|| "store copies".into())
    }
}

/// Damage costs one item; a destination that cannot be reached ends the copy.
fn unreadable(error: chunkstore::Error) -> Fault {
    use chunkstore::ErrorKind as Kind;
    let damage = matches!(
        error.kind(),
        Kind::Corrupt | Kind::NotFound | Kind::Unsupported
    );
    let error = match Err::<(), _>(error).doing(|| "read the item".into()) {
        Err(error) => error,
        Ok(()) => Error::new(ErrorKind::Internal, "read the item"),
    };
    match damage {
        true => Fault::Unreadable(one_line(&error)),
        false => Fault::Stop(error),
    }
}

fn is_mismatch(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<chunkstore::Error>());
    cause.is_some_and(|cause| cause.kind() == chunkstore::ErrorKind::SplitMismatch)
}
