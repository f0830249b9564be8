//! What snapshots refer to.

use std::collections::HashSet;

use futures::future::try_join_all;

use crate::admin::is_damage;
use crate::chunk_id::ChunkId;
use crate::chunks::ChunkSource;
use crate::content::list::ListReader;
use crate::content::{ChunkRefs, Content};
use crate::error::{Error, Result};
use crate::layout::PackName;
use crate::pack_index::{PackIndex, Slot};
use crate::repository::{Repository, SnapshotInfo};
use crate::tree::NodeRef;
use crate::tree_node::Node;
use crate::tree_reader::cursor::load;

/// Tree nodes read at the same time.
const PARALLEL_NODES: usize = 8;

/// Which chunks of an index are needed: a bit an entry.
pub(crate) struct Live {
    index: PackIndex,
    /// For each run of the index, a bit for each entry; of several places of one chunk the first
    /// has the bit.
    bits: Vec<Vec<u64>>,
    /// Needed chunks that the index does not know.
    pub(crate) missing: u64,
}

impl Live {
    pub(crate) fn new(index: PackIndex) -> Self {
        let bits = index.runs().iter();
        let bits = bits.map(|run| vec![0; run.len().div_ceil(64)]).collect();
        Self {
            index,
            bits,
            missing: 0,
        }
    }

    pub(crate) fn index(&self) -> &PackIndex {
        &self.index
    }

    /// Notes that a chunk is needed; returns whether that is news.
    pub(crate) fn mark(&mut self, id: [u8; 16]) -> bool {
        let first = self.index.ordinals(id).next();
        let Some((run, position, _)) = first else {
            self.missing += 1;
            return false;
        };
        let word = self
            .bits
            .get_mut(run)
            .and_then(|bits| bits.get_mut(position / 64));
        let Some(word) = word else { return false };
        let bit = 1u64 << (position % 64);
        let news = *word & bit == 0;
        *word |= bit;
        news
    }

    /// Whether a chunk is needed.
    pub(crate) fn contains(&self, id: [u8; 16]) -> bool {
        let first = self.index.ordinals(id).next();
        first.is_some_and(|(run, position, _)| self.bit(run, position))
    }

    fn bit(&self, run: usize, position: usize) -> bool {
        let word = self.bits.get(run).and_then(|bits| bits.get(position / 64));
        word.is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// The needed chunks, each once.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = [u8; 16]> {
        let runs = self.index.runs().iter().enumerate();
        runs.flat_map(move |(run, slots)| {
            let slots = slots.slots().enumerate();
            slots
                .filter(move |(position, _)| self.bit(run, *position))
                .map(|(_, slot)| slot.id)
        })
    }

    /// The sealed bytes of a chunk in its first place.
    pub(crate) fn bytes_of(&self, id: [u8; 16]) -> u64 {
        let first = self.index.ordinals(id).next();
        first.map_or(0, |(_, _, slot)| u64::from(slot.sealed_len()))
    }

    /// The places of a chunk, with the names of their packs.
    pub(crate) fn places(&self, id: [u8; 16]) -> impl Iterator<Item = (PackName, Slot)> {
        self.index.ordinals(id).filter_map(|(_, _, slot)| {
            let pack = self.index.packs().get(slot.pack as usize)?;
            Some((pack.name, slot))
        })
    }
}

/// Walks snapshots and reports every chunk they refer to; what snapshots share is walked once.
#[derive(Default)]
pub(crate) struct Marker {
    /// Tree nodes and chunk lists that were read. Apart from what is marked: the same bytes may
    /// also be a piece of an item, which is not read.
    walked: HashSet<[u8; 16]>,
}

impl Marker {
    /// Reports the chunks of a snapshot that no earlier one had: nodes, lists, segments, pieces.
    /// Below a node or list for which the answer is `false` nothing is read.
    ///
    /// # Errors
    /// When anything cannot be read: what it refers to is then unknown.
    pub(crate) async fn walk(
        &mut self,
        repository: &Repository,
        snapshot: &SnapshotInfo,
        needed: &mut (dyn FnMut([u8; 16]) -> bool + Send),
    ) -> Result<()> {
        let mut stack: Vec<NodeRef> = Vec::new();
        let root = &snapshot.root;
        for node in root.runs.iter().map(|run| &run.node).chain(&root.base) {
            self.push(node.clone(), &mut stack, needed);
        }
        while !stack.is_empty() {
            let batch = stack.split_off(stack.len().saturating_sub(PARALLEL_NODES));
            let loads = batch
                .into_iter()
                .map(|node| async move { load(repository, &node).await });
            let nodes = try_join_all(loads).await;
            for node in nodes.map_err(|e| unreadable(snapshot, e))? {
                match node {
                    Node::Inner(children) => {
                        for child in children {
                            self.push(child.node, &mut stack, needed);
                        }
                    }
                    Node::Leaf(changes) => {
                        for (_, contents) in changes.into_iter().filter_map(|c| c.entry) {
                            for content in &contents {
                                self.content(repository, content, needed)
                                    .await
                                    .map_err(|e| unreadable(snapshot, e))?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        node: NodeRef,
        stack: &mut Vec<NodeRef>,
        needed: &mut (dyn FnMut([u8; 16]) -> bool + Send),
    ) {
        let id = node.id.short();
        if self.walked.insert(id) && needed(id) {
            stack.push(node);
        }
    }

    async fn content(
        &mut self,
        repository: &Repository,
        content: &Content,
        needed: &mut (dyn FnMut([u8; 16]) -> bool + Send),
    ) -> Result<()> {
        // Where a repair put the bytes somewhere else, these are needed. Of what is lost, the parts
        // that are left are needed: a pack may still come back.
        let substitute = repository.substitute(content);
        let content = substitute.as_ref().unwrap_or(content);
        let lost = repository.is_lost(content);
        let mut below = HashSet::new();
        for id in content.chunk_ids() {
            if needed(id.short()) {
                below.insert(id);
            }
        }
        for part in content.parts() {
            if let ChunkRefs::List(id) = &part.chunks
                && below.contains(id)
                && self.walked.insert(id.short())
            {
                let mut list = ListReader::new(&part.chunks, true);
                loop {
                    match list.next(repository).await {
                        Ok(Some(id)) => drop(needed(ChunkId::short(&id))),
                        Ok(None) => break,
                        Err(error) if lost && is_damage(error.kind()) => break,
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }
}

fn unreadable(snapshot: &SnapshotInfo, error: Error) -> Error {
    Error::new(
        error.kind(),
        format!(
            "cannot tell what snapshot {} of {} refers to; repair or forget it",
            snapshot.id, snapshot.name
        ),
    )
    .with_source(error)
}

/// Marks what snapshots refer to.
pub(crate) async fn mark(
    repository: &Repository,
    snapshots: &[SnapshotInfo],
    on_done: &(dyn Fn(u64) + Send + Sync),
) -> Result<Live> {
    let mut live = Live::new(repository.catalogue().index.clone());
    let mut marker = Marker::default();
    for (done, snapshot) in (0..).zip(snapshots) {
        on_done(done);
        marker
            .walk(repository, snapshot, &mut |id| {
                live.mark(id);
                true
            })
            .await?;
    }
    Ok(live)
}
