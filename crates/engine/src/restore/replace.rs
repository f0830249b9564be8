//! Does what was decided: creates items, and replaces live ones after it has kept them.

use std::collections::HashSet;

use chunkstore::{ChunkId, ChunkPlace, ChunkRefs, Content, Skeleton};

use super::compare;
use super::live::{LiveRead, LiveReader, Wanted};
use super::mode::RestoreMode;
use super::plan::{Act, Candidate, Work};
use super::portable::item_difference;
use super::{Restore, Vault};
use crate::error::Result;
use crate::list::StoredItem;
use crate::portable;
use crate::report::ItemFailure;
use crate::runs::{Keeping, Kept};
use crate::state::Form;

/// Live items that are kept with one commit, and their bytes by the sizes in the snapshot.
const KEPT_ITEMS: usize = 200;
const KEPT_BYTES: u64 = 32 << 20;

/// Live items that are read with one request, and their bytes.
const READ_ITEMS: usize = 25;
const READ_BYTES: u64 = 8 << 20;

/// The largest item that is compared; EWS cannot carry larger ones.
const MAX_ITEM_BYTES: u64 = 256 << 20;

/// Bytes of the repository's segments from which items are sent at the same time. A few times as
/// much stays in the store's cache, so that no segment is read twice.
const READ_AHEAD_BYTES: u64 = 8 << 20;

/// How much larger than what is stored of it a segment is taken to be, at most.
const EXPANSION: u64 = 6;

/// Plain bytes of the largest segment.
const SEGMENT_BYTES: u64 = 4 << 20;

/// What a comparison says to do.
enum Verdict {
    /// One of the live items is what the snapshot has.
    Same,
    Create,
    Replace(Candidate, Vec<u8>, Form),
    Failed(String),
}

impl Restore<'_> {
    /// Does what was decided, in the order in which the items lie in the repository.
    pub(super) async fn carry_out(&mut self) -> Result<()> {
        let mut work = std::mem::take(&mut self.work);
        work.sort_by_cached_key(|work| self.vault.place_of(&work.item));
        let (create, compare): (Vec<Work>, Vec<Work>) = work
            .into_iter()
            .partition(|work| matches!(work.act, Act::Create));
        let mut chunk = Vec::new();
        let mut bytes = 0;
        for work in compare {
            let size = work.item.state.size_bytes;
            if chunk.len() >= KEPT_ITEMS || (bytes + size > KEPT_BYTES && !chunk.is_empty()) {
                self.compare(std::mem::take(&mut chunk)).await?;
                bytes = 0;
            }
            if self.is_cancelled() {
                return Ok(());
            }
            bytes += size;
            chunk.push(work);
        }
        self.compare(chunk).await?;
        self.create_all(create).await
    }

    /// Sends items to be created. Those that lie near one another in the repository go together.
    async fn create_all(&mut self, create: Vec<Work>) -> Result<()> {
        if self.options.dry_run || create.is_empty() {
            return Ok(());
        }
        self.log.begin().await?;
        let mut near = HashSet::new();
        let mut bytes = 0;
        for work in create {
            if self.is_cancelled() {
                return Ok(());
            }
            if let Some((segment, place)) = self.vault.segment_of(&work.item)
                && near.insert(segment)
            {
                let size = (u64::from(place.stored_bytes) * EXPANSION).min(SEGMENT_BYTES);
                if bytes + size > READ_AHEAD_BYTES && bytes > 0 {
                    self.uploads.flush().await?;
                    near = HashSet::from([segment]);
                    bytes = 0;
                }
                bytes += size;
            }
            self.send(work, None).await?;
        }
        self.uploads.flush().await?;
        self.take().await
    }

    async fn send(&mut self, work: Work, replaces: Option<ews_client::ItemId>) -> Result<()> {
        let line = work.line;
        let place = self.places.get(line).and_then(Option::as_ref);
        if let Some(place) = place.filter(|_| !self.options.dry_run) {
            let piece = Self::piece(work, replaces)?;
            self.uploads.add(line, place, piece).await?;
        }
        self.take().await
    }

    /// Compares live items with those of the snapshot, keeps what is to be replaced, and only then
    /// replaces it.
    async fn compare(&mut self, chunk: Vec<Work>) -> Result<()> {
        let mut replace = Vec::new();
        let mut keeping: Option<Keeping> = None;
        for batch in batches(chunk) {
            let verdicts = self.verdicts(&batch).await?;
            for (work, verdict) in batch.into_iter().zip(verdicts) {
                match verdict {
                    Verdict::Same => self.count(&work, |line| line.skipped += 1),
                    Verdict::Failed(reason) => self.failed(&work, reason).await,
                    Verdict::Create if self.options.mode == RestoreMode::Changed => {
                        self.count(&work, |line| line.absent += 1);
                    }
                    Verdict::Create => {
                        self.count(&work, |line| line.items += 1);
                        if !self.options.dry_run {
                            self.log.begin().await?;
                        }
                        self.send(work, None).await?;
                    }
                    Verdict::Replace(live, bytes, form) => {
                        self.count(&work, |line| line.replaced += 1);
                        if self.options.dry_run {
                            continue;
                        }
                        let Some(kept) = self.kept(&work, &live) else {
                            continue;
                        };
                        if keeping.is_none() {
                            keeping = Some(Keeping::open(self.vault).await?);
                        }
                        if let Some(keeping) = &mut keeping {
                            keeping.add(kept, &bytes, form).await?;
                        }
                        replace.push((work, live.wanted.id));
                    }
                }
            }
        }
        if let Some(keeping) = keeping {
            self.log.begin().await?;
            let folders = &self.target.remote.folders;
            keeping.commit(&self.log, folders).await?;
        }
        for (work, id) in replace {
            self.send(work, Some(id)).await?;
        }
        self.uploads.flush().await?;
        self.take().await
    }

    fn count(&mut self, work: &Work, add: impl FnOnce(&mut crate::report::FolderRestore)) {
        if let Some(line) = self.report.folders.get_mut(work.line) {
            add(line);
        }
    }

    fn kept(&self, work: &Work, live: &Candidate) -> Option<Kept> {
        let place = self.places.get(work.line)?.as_ref()?;
        let id = &live.wanted.id;
        Some(Kept {
            folder_id: place.folder.id.clone(),
            holds: place.holds,
            item_id: id.id.clone(),
            change_key: id.change_key.clone().unwrap_or_default(),
            class: live.wanted.class.clone(),
            is_read: live.is_read,
            origin: work.origin.clone(),
        })
    }

    async fn failed(&mut self, work: &Work, reason: String) {
        let summary = self.vault.summary(&work.item.entry).await;
        let line = self.report.folders.get(work.line);
        let failure = ItemFailure {
            mailbox: self.snapshot.mailbox.clone(),
            folder: line.map(|line| line.path.clone()).unwrap_or_default(),
            subject: summary.unwrap_or_default().subject,
            item_id: work.item.state.item_id.clone(),
            reason,
        };
        let event = crate::monitor::Event::ItemFailed { failure: &failure };
        self.monitor.event(event);
        self.report.failures.push(failure);
    }

    /// Reads the live items of a batch and compares each with the snapshot's.
    async fn verdicts(&self, batch: &[Work]) -> Result<Vec<Verdict>> {
        let mut wanted = Vec::new();
        for work in batch {
            if let Act::Compare(candidates) = &work.act {
                wanted.extend(candidates.iter().map(|live| Wanted {
                    id: live.wanted.id.clone(),
                    folder: live.wanted.folder,
                    class: live.wanted.class.clone(),
                }));
            }
        }
        let reader = LiveReader {
            exchange: &self.target.exchange,
            routes: &self.target.remote.routes,
            permits: &self.target.permits,
        };
        let mut reads = reader.read(&wanted).await?.into_iter();
        let mut verdicts = Vec::with_capacity(batch.len());
        for work in batch {
            let Act::Compare(candidates) = &work.act else {
                verdicts.push(Verdict::Create);
                continue;
            };
            let reads: Vec<LiveRead> = reads.by_ref().take(candidates.len()).collect();
            verdicts.push(self.verdict(&work.item, candidates, reads).await);
        }
        Ok(verdicts)
    }

    async fn verdict(
        &self,
        item: &StoredItem,
        candidates: &[Candidate],
        reads: Vec<LiveRead>,
    ) -> Verdict {
        let stored = match self.vault.stored_bytes(item).await {
            Ok(stored) => stored,
            Err(error) => return Verdict::Failed(crate::backup::one_line(&error)),
        };
        let mut differing = None;
        for (live, read) in candidates.iter().zip(reads) {
            match read {
                LiveRead::Gone => {}
                LiveRead::Failed(reason) => {
                    let reason = format!("the live item cannot be read: {reason}");
                    return Verdict::Failed(reason);
                }
                LiveRead::Item(bytes, form) => {
                    if differs(item, &stored, &bytes, form).is_none() {
                        return Verdict::Same;
                    }
                    differing.get_or_insert((live, bytes, form));
                }
            }
        }
        match differing {
            Some((live, bytes, form)) if self.options.mode.replaces() => {
                let wanted = Wanted {
                    id: live.wanted.id.clone(),
                    folder: live.wanted.folder,
                    class: live.wanted.class.clone(),
                };
                let is_read = live.is_read;
                Verdict::Replace(Candidate { wanted, is_read }, bytes, form)
            }
            _ => Verdict::Create,
        }
    }
}

/// Says how a live item differs from a stored one, or nothing if it does not.
pub(crate) fn differs(item: &StoredItem, stored: &[u8], live: &[u8], form: Form) -> Option<String> {
    let is_read = item.state.is_read;
    if item.state.form == Form::Native && form == Form::Native {
        return compare::difference(stored, live, is_read);
    }
    differs_as_portable(item, stored, live)
}

/// The same of what items in their portable forms say.
pub(crate) fn differs_as_portable(item: &StoredItem, stored: &[u8], live: &[u8]) -> Option<String> {
    let is_read = item.state.is_read;
    let item = |bytes: &[u8]| match portable::is_portable(bytes) {
        true => portable::from_bytes(bytes),
        false => portable::read_any(bytes).map(|read| portable::from_message(&read.message)),
    };
    match (item(stored), item(live)) {
        (Ok(stored), Ok(live)) => item_difference(&stored, &live, is_read),
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
    }
}

/// Cuts work into batches that are read with one request each.
fn batches(work: Vec<Work>) -> Vec<Vec<Work>> {
    let mut batches: Vec<Vec<Work>> = Vec::new();
    let mut bytes = 0;
    for work in work {
        let size = work.item.state.size_bytes;
        match batches.last_mut() {
            Some(batch) if batch.len() < READ_ITEMS && bytes + size <= READ_BYTES => {
                bytes += size;
                batch.push(work);
            }
            _ => {
                bytes = size;
                batches.push(vec![work]);
            }
        }
    }
    batches
}

impl Vault {
    /// A stored item's bytes, if it is not larger than any that EWS can carry.
    pub(crate) async fn stored_bytes(&self, item: &StoredItem) -> Result<Vec<u8>> {
        self.read_whole(item.content()?, MAX_ITEM_BYTES).await
    }

    /// Where an item lies in the repository, to sort by.
    fn place_of(&self, item: &StoredItem) -> (Option<ChunkPlace>, u32) {
        let first = item.content().ok().and_then(first_chunk);
        let index = match item.content().ok().map(|content| &content.skeleton) {
            Some(Skeleton::InSegment { index, .. }) => *index,
            _ => 0,
        };
        let place = first.and_then(|chunk| self.repository.chunk_place(&chunk));
        (place, index)
    }

    /// The segment that an item shares with others, and where it lies.
    fn segment_of(&self, item: &StoredItem) -> Option<(ChunkId, ChunkPlace)> {
        let Skeleton::InSegment { segment, .. } = item.content().ok()?.skeleton else {
            return None;
        };
        Some((segment, self.repository.chunk_place(&segment)?))
    }
}

fn first_chunk(content: &Content) -> Option<ChunkId> {
    match &content.skeleton {
        Skeleton::InSegment { segment, .. } => Some(*segment),
        Skeleton::Chunks(pieces) => match &pieces.chunks {
            ChunkRefs::Inline(ids) => ids.first().copied(),
            ChunkRefs::List(id) => Some(*id),
        },
    }
}
