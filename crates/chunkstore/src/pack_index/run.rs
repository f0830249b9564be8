//! One sorted run of the index, wherever it is kept.

use std::sync::Arc;

use super::Slot;
use super::disk_run::DiskRun;

/// Sorted entries, shared by all views of an index.
#[derive(Clone, Debug)]
pub(crate) enum Run {
    Memory(Arc<Vec<Slot>>),
    Disk(Arc<DiskRun>),
}

impl Run {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Memory(slots) => slots.len(),
            Self::Disk(run) => run.len(),
        }
    }

    /// The entries of an id, with their positions.
    pub(crate) fn find(&self, id: [u8; 16]) -> impl Iterator<Item = (usize, Slot)> + '_ {
        let (memory, disk) = match self {
            Self::Memory(slots) => {
                let start = slots.partition_point(|slot| slot.id < id);
                let same = slots.iter().enumerate().skip(start);
                (
                    Some(same.take_while(move |(_, slot)| slot.id == id)),
                    Vec::new(),
                )
            }
            Self::Disk(run) => (None, run.find(&id)),
        };
        let memory = memory.into_iter().flatten();
        memory.map(|(at, slot)| (at, *slot)).chain(disk)
    }

    /// All entries in order.
    pub(crate) fn slots(&self) -> Box<dyn Iterator<Item = Slot> + Send + '_> {
        match self {
            Self::Memory(slots) => Box::new(slots.iter().copied()),
            Self::Disk(run) => Box::new(run.slots()),
        }
    }

    fn is_broken(&self) -> bool {
        matches!(self, Self::Disk(run) if run.is_broken())
    }
}

/// Whether what was found in these runs may lack something.
pub(crate) fn any_broken(runs: &[Run]) -> bool {
    runs.iter().any(Run::is_broken)
}

/// Merges sorted entries into one sorted sequence.
pub(crate) struct Merged<'a> {
    heads: Vec<(Option<Slot>, Box<dyn Iterator<Item = Slot> + Send + 'a>)>,
}

impl<'a> Merged<'a> {
    pub(crate) fn of(runs: &'a [Run]) -> Self {
        let heads = runs.iter().map(|run| {
            let mut slots = run.slots();
            (slots.next(), slots)
        });
        Self {
            heads: heads.collect(),
        }
    }
}

impl Iterator for Merged<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let least = self.heads.iter_mut().filter(|(next, _)| next.is_some());
        let (next, slots) = least.min_by_key(|(next, _)| *next)?;
        std::mem::replace(next, slots.next())
    }
}
