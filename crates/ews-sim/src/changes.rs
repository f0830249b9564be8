//! Change numbers, the per-folder event log and sync states (MS-OXWSSYNC).
//!
//! Each store counts its changes; every event of an item gets the next number. A folder keeps
//! its events in order. A sync round covers the events from `base` (what the client had) to
//! `as_of` (the store's number when the round began); pages of a round never mix two states of
//! the mailbox, however it changes between them.

use serde::{Deserialize, Serialize};

use crate::id::StoreGuid;

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EventKind {
    Created,
    Updated,
    ReadFlag,
    /// Gone from the folder; carries the number of its creation, since a client that never saw
    /// the item need not hear of its end.
    Deleted {
        created: u64,
    },
}

/// An entry of a folder's event log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum LogEntry {
    /// One event of one item.
    One {
        change: u64,
        key: u64,
        kind: EventKind,
    },
    /// `count` items created at once: keys from `key`, change numbers from `change`.
    Range { change: u64, key: u64, count: u64 },
}

impl LogEntry {
    /// The last change number of the entry.
    fn last(&self) -> u64 {
        match self {
            LogEntry::One { change, .. } => *change,
            LogEntry::Range { change, count, .. } => change + count.saturating_sub(1),
        }
    }
}

/// A folder's events in the order of their change numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EventLog(Vec<LogEntry>);

/// One event, as the log is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) change: u64,
    pub(crate) key: u64,
    pub(crate) kind: EventKind,
}

impl EventLog {
    pub(crate) fn push(&mut self, entry: LogEntry) {
        self.0.push(entry);
    }

    /// Walks the events with `after < change <= until`.
    pub(crate) fn between(&self, after: u64, until: u64) -> impl Iterator<Item = Event> + '_ {
        let start = self.0.partition_point(|entry| entry.last() <= after);
        self.0[start..]
            .iter()
            .flat_map(move |entry| {
                let (first, key, count, kind) = match entry {
                    LogEntry::One { change, key, kind } => (*change, *key, 1, *kind),
                    LogEntry::Range { change, key, count } => {
                        (*change, *key, *count, EventKind::Created)
                    }
                };
                let skip = (after + 1).saturating_sub(first);
                (skip..count).map(move |offset| Event {
                    change: first + offset,
                    key: key + offset,
                    kind,
                })
            })
            .take_while(move |event| event.change <= until)
    }

    /// Tells whether anything happened after a change number.
    pub(crate) fn any_after(&self, after: u64) -> bool {
        self.0.last().is_some_and(|entry| entry.last() > after)
    }
}

/// A client's place in a folder's changes, as the opaque string it keeps for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncState {
    pub(crate) store: StoreGuid,
    /// The folder that is synchronised (for hierarchies: the root).
    pub(crate) folder: u64,
    pub(crate) scope: SyncScope,
    /// What the client had when the round began.
    pub(crate) base: u64,
    /// Where the round ends.
    pub(crate) as_of: u64,
    /// How far the round has come; `as_of` when it is complete.
    pub(crate) position: u64,
}

/// What a sync state is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncScope {
    Hierarchy = 1,
    Items = 2,
}

const STATE_MAGIC: &[u8; 4] = b"EWS1";
const STATE_BYTES: usize = 4 + 1 + 16 + 4 * 8;
const CHECK_BYTES: usize = 8;
/// Longest sync state looked at; ours have 84 characters.
const MAX_STATE_CHARS: usize = 256;

impl SyncState {
    /// Writes the state as text: self-contained, with a check sum.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(STATE_BYTES + CHECK_BYTES);
        bytes.extend_from_slice(STATE_MAGIC);
        bytes.push(self.scope as u8);
        bytes.extend_from_slice(&self.store.0);
        for number in [self.folder, self.base, self.as_of, self.position] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let check = check_of(&bytes);
        bytes.extend_from_slice(&check);
        base64_simd::STANDARD.encode_to_string(&bytes)
    }

    /// Reads a state; `None` if it is not one of ours, whole and untouched.
    pub(crate) fn decode(text: &str) -> Option<SyncState> {
        let text = text.trim();
        if text.len() > MAX_STATE_CHARS {
            return None;
        }
        let bytes = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok()?;
        if bytes.len() != STATE_BYTES + CHECK_BYTES {
            return None;
        }
        let (body, check) = bytes.split_at_checked(STATE_BYTES)?;
        if check_of(body) != check {
            return None;
        }
        let rest = body.strip_prefix(STATE_MAGIC)?;
        let (&scope, rest) = rest.split_first()?;
        let (store, rest) = rest.split_first_chunk::<16>()?;
        let mut numbers = rest.chunks_exact(8).map(|chunk| {
            let mut wide = [0; 8];
            wide.copy_from_slice(chunk);
            u64::from_le_bytes(wide)
        });
        let state = SyncState {
            store: StoreGuid(*store),
            scope: match scope {
                1 => SyncScope::Hierarchy,
                2 => SyncScope::Items,
                _ => return None,
            },
            folder: numbers.next()?,
            base: numbers.next()?,
            as_of: numbers.next()?,
            position: numbers.next()?,
        };
        (state.base <= state.position && state.position <= state.as_of).then_some(state)
    }

    /// The state to go on from: a finished round makes room for the next.
    pub(crate) fn next_round(self, current: u64) -> SyncState {
        if self.position < self.as_of {
            return self;
        }
        SyncState {
            base: self.as_of,
            position: self.as_of,
            as_of: current.max(self.as_of),
            ..self
        }
    }
}

fn check_of(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_and_damage_is_noticed() {
        let state = SyncState {
            store: StoreGuid([7; 16]),
            folder: 3,
            scope: SyncScope::Items,
            base: 1,
            as_of: 900,
            position: 512,
        };
        let text = state.encode();
        assert_eq!(SyncState::decode(&text), Some(state));
        let damaged = text.replacen('A', "B", 1);
        assert_eq!(SyncState::decode(&damaged), None);
        assert_eq!(SyncState::decode("garbage"), None);
    }

    #[test]
    fn ranges_are_walked_like_single_events() {
        let mut log = EventLog::default();
        log.push(LogEntry::One {
            change: 4,
            key: 1,
            kind: EventKind::Created,
        });
        log.push(LogEntry::Range {
            change: 5,
            key: 100,
            count: 10,
        });
        log.push(LogEntry::One {
            change: 15,
            key: 103,
            kind: EventKind::Updated,
        });
        let keys: Vec<u64> = log.between(6, 9).map(|event| event.key).collect();
        assert_eq!(keys, [102, 103, 104]);
        assert_eq!(log.between(0, 99).count(), 12);
        assert_eq!(log.between(14, 99).count(), 1);
        assert!(log.any_after(14) && !log.any_after(15));
    }
}
