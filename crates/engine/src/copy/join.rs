//! Three trees side by side, by key.

use std::sync::Arc;

use chunkstore::{ChunkSource, Content, Entry, TreeReader, TreeRoot};
use futures::StreamExt;
use futures::stream::BoxStream;

/// The entries under one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// In the tree that is copied.
    pub(super) new: Option<Entry>,
    /// In a snapshot that was copied before, as the source has it.
    pub(super) old: Option<Entry>,
    /// In that snapshot's copy, or another tree at the destination.
    pub(super) there: Option<Entry>,
}

impl Step {
    /// The contents that the destination has of the new entry already.
    ///
    /// Where the source says that both are the same, they are. Otherwise the value has to be the
    /// same, which holds the item's change key, and so have the lengths.
    pub(super) fn reusable(&self) -> Option<Vec<Content>> {
        let new = self.new.as_ref()?;
        if new.contents.is_empty() {
            return Some(Vec::new());
        }
        let there = self.there.as_ref()?;
        let unchanged = match &self.old {
            Some(old) => old.contents == new.contents,
            None => false,
        };
        let lens = |entry: &Entry| -> Vec<u64> {
            let contents = entry.contents.iter();
            contents.map(|content| content.len).collect()
        };
        let same = unchanged || there.value == new.value;
        (same && lens(there) == lens(new)).then(|| there.contents.clone())
    }
}

type Entries = BoxStream<'static, chunkstore::Result<Entry>>;

/// Reads trees in step.
pub(super) struct Join {
    trees: [Option<Entries>; 3],
    heads: [Option<Entry>; 3],
    begun: bool,
}

/// A tree with where to read it.
pub(super) type Tree = (Arc<dyn ChunkSource>, TreeRoot);

impl Join {
    /// Of the new tree, the old one and what is there.
    pub(super) fn new(new: Tree, old: Option<Tree>, there: Option<Tree>) -> Self {
        let open = |(source, root): Tree| TreeReader::new(source, root).all();
        Self {
            trees: [Some(open(new)), old.map(open), there.map(open)],
            heads: [None, None, None],
            begun: false,
        }
    }

    /// The next key that the new tree or what is there has.
    pub(super) async fn next(&mut self) -> chunkstore::Result<Option<Step>> {
        if !self.begun {
            self.begun = true;
            for n in 0..self.heads.len() {
                self.advance(n).await?;
            }
        }
        loop {
            let keys = self.heads.iter().flatten().map(|entry| &entry.key);
            let Some(key) = keys.min().cloned() else {
                return Ok(None);
            };
            let mut step = Step::default();
            for n in 0..self.heads.len() {
                if self.heads[n].as_ref().is_some_and(|head| head.key == key) {
                    let taken = self.heads[n].take();
                    match n {
                        0 => step.new = taken,
                        1 => step.old = taken,
                        _ => step.there = taken,
                    }
                    self.advance(n).await?;
                }
            }
            if step.new.is_some() || step.there.is_some() {
                return Ok(Some(step));
            }
        }
    }

    async fn advance(&mut self, n: usize) -> chunkstore::Result<()> {
        if let Some(tree) = &mut self.trees[n] {
            self.heads[n] = tree.next().await.transpose()?;
            if self.heads[n].is_none() {
                self.trees[n] = None;
            }
        }
        Ok(())
    }
}
