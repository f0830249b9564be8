//! Drills: proof that backups come back.
//!
//! A random sample of the newest snapshots is restored, read back and compared. The result is kept
//! in the repository as a sealed note and signed: whoever has the public half of the repository's
//! signing key can tell that it was made by someone with the repository's keys, and not changed since.

use std::collections::BTreeSet;
use std::sync::Arc;

use chunkstore::{Environment, verify_signature};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::catalog::shown_key;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::Holds;
use crate::monitor::Monitor;
use crate::report::ItemFailure;
use crate::restore::RestoreOptions;
use crate::selection::Selection;
use crate::snapshot::Snapshot;
use crate::source::Exchange;
use crate::vault::Vault;

/// The topic under which results are kept.
const TOPIC: &str = "drill";
/// The form of results that this version writes.
const VERSION: u32 = 1;
/// The form of the note around a result and its signature; notes of form 1 were the bare result.
const NOTE_VERSION: u32 = 2;

/// How a drill goes about it.
#[derive(Clone, Debug)]
pub struct DrillOptions {
    /// Items of all snapshots together, at least one of each that has any. Default 50.
    pub items: u64,
    /// The mailbox that they are restored into.
    pub to_mailbox: String,
    /// The folder of that mailbox below which each mailbox gets one of its own. It should be new:
    /// items that are there already prove nothing and count as failed.
    pub to_folder: String,
    /// Whether the restores are recorded as such, so that they can be taken back: no sense in a
    /// simulator that ends with the drill.
    pub recorded: bool,
    /// How the result calls the place: a server, or the program's own simulator.
    pub place: String,
    /// Who does it: a machine, a program.
    pub by: String,
}

/// What a drill found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drill {
    /// The form of this document.
    pub version: u32,
    /// When it began, milliseconds since 1970 UTC.
    pub started_unix_ms: i64,
    /// When it ended.
    pub ended_unix_ms: i64,
    /// The repository's id.
    pub repository: String,
    /// Where the items were restored to.
    pub place: String,
    /// Who did it.
    pub by: String,
    /// The snapshots.
    pub snapshots: Vec<DrilledSnapshot>,
    /// Whether every item of the sample came back as it was stored, and no snapshot was left out.
    pub passed: bool,
}

/// What became of one snapshot's sample.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrilledSnapshot {
    /// The mailbox.
    pub mailbox: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// Items in it.
    pub items: u64,
    /// Items of the sample.
    pub sampled: u64,
    /// Those that came back and were equal when read back.
    pub equal: u64,
    /// Those that did not, with the reason.
    pub failures: Vec<ItemFailure>,
    /// Why the sample could not be restored at all.
    pub error: Option<String>,
}

/// A result as it is kept, and what its signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDrill {
    /// The result.
    pub drill: Drill,
    /// The JSON text that was signed, byte for byte.
    pub document: String,
    /// The signature in minisign's format: what belongs into a file beside the document, named like
    /// it with `.minisig` behind. Empty for results kept before drills were signed.
    pub signature: String,
    /// What became of checking it.
    pub signed: SignatureState,
}

impl KeptDrill {
    fn note(&self) -> Vec<u8> {
        json(&SignedNote {
            version: NOTE_VERSION,
            document: self.document.clone(),
            signature: self.signature.clone(),
        })
    }
}

/// Whether a kept result is what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureState {
    /// Signed with a key of this repository.
    Good,
    /// Not signed, or by another repository from which it was copied.
    Unknown,
    /// It is not what was signed.
    Bad,
}

/// How a result is kept since it is signed.
#[derive(Serialize, Deserialize)]
pub(crate) struct SignedNote {
    version: u32,
    document: String,
    signature: String,
}

impl SignedNote {
    /// `None` for any other note.
    pub(crate) fn parse(note: &[u8]) -> Option<Self> {
        serde_json::from_slice(note).ok()
    }

    pub(crate) fn document(&self) -> &[u8] {
        self.document.as_bytes()
    }
}

impl DrilledSnapshot {
    fn passed(&self) -> bool {
        self.error.is_none() && self.failures.is_empty() && self.equal == self.sampled
    }
}

impl Vault {
    /// Restores a random sample of snapshots, compares it and keeps the result.
    ///
    /// # Errors
    /// Those of the destination, `Sealed` for a vault that a writer's key opened. What fails of a
    /// snapshot is in the result.
    ///
    /// # Cancellation
    /// Cancelling the token stops after the requests under way; a drill that was stopped has not
    /// passed.
    pub async fn drill(
        &self,
        snapshots: &[Snapshot],
        exchange: &Exchange,
        options: &DrillOptions,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<KeptDrill> {
        self.refuse_writer("a drill")?;
        let mut drill = Drill {
            version: VERSION,
            started_unix_ms: self.now_unix_ms(),
            repository: self.id(),
            place: options.place.clone(),
            by: options.by.clone(),
            ..Drill::default()
        };
        let all: u64 = snapshots.iter().map(|s| s.about.items).sum();
        for snapshot in snapshots {
            let mut line = DrilledSnapshot {
                mailbox: snapshot.mailbox.clone(),
                snapshot: snapshot.id.clone(),
                time_unix_ms: snapshot.time_unix_ms,
                ..DrilledSnapshot::default()
            };
            let share = share(options.items, snapshot.about.items, all);
            let exchange = (exchange, options);
            let done = self
                .drill_one(snapshot, exchange, share, (cancel, &monitor), &mut line)
                .await;
            if let Err(error) = done {
                line.error = Some(error.to_string());
            }
            drill.snapshots.push(line);
        }
        drill.ended_unix_ms = self.now_unix_ms();
        drill.passed = !cancel.is_cancelled()
            && !snapshots.is_empty()
            && drill.snapshots.iter().all(DrilledSnapshot::passed);
        let kept = self.signed(drill)?;
        self.add_note(TOPIC, &kept.note()).await?;
        Ok(kept)
    }

    /// The note of a result out of which something was taken.
    pub(crate) fn signed_anew(&self, document: &[u8]) -> Result<Vec<u8>> {
        let drill = serde_json::from_slice(document);
        let drill = drill.map_err(|error| {
            Error::with_source(ErrorKind::Corrupt, "a drill's result cannot be read", error)
        })?;
        Ok(self.signed(drill)?.note())
    }

    fn signed(&self, drill: Drill) -> Result<KeptDrill> {
        let document = String::from_utf8_lossy(&json(&drill)).into_owned();
        let comment = format!(
            "postkeep drill of repository {}, {}, {}",
            drill.repository,
            Timestamp::from_millisecond(drill.ended_unix_ms).unwrap_or_default(),
            if drill.passed { "passed" } else { "NOT passed" }
        );
        let signature = self.repository.sign(document.as_bytes(), &comment);
        Ok(KeptDrill {
            signature: signature.doing(|| "sign the drill's result".into())?,
            signed: SignatureState::Good,
            document,
            drill,
        })
    }

    async fn drill_one(
        &self,
        snapshot: &Snapshot,
        (exchange, options): (&Exchange, &DrillOptions),
        share: u64,
        (cancel, monitor): (&CancellationToken, &Arc<dyn Monitor>),
        line: &mut DrilledSnapshot,
    ) -> Result<()> {
        let chosen = self.chosen_of_all(snapshot, &Selection::default()).await?;
        let keys: Vec<String> = chosen
            .iter()
            .filter(|(folder, _)| folder.holds == Holds::Items)
            .flat_map(|(_, items)| items.iter().map(|item| shown_key(&item.key)))
            .collect();
        line.items = keys.len() as u64;
        let sample = sample(keys.len(), share, &self.environment);
        let sample: Vec<String> = sample
            .into_iter()
            .filter_map(|n| keys.get(n).cloned())
            .collect();
        line.sampled = sample.len() as u64;
        if sample.is_empty() {
            return Ok(());
        }
        let restore = RestoreOptions {
            selection: Selection::of_items(sample),
            to_mailbox: Some(options.to_mailbox.clone()),
            to_folder: Some(format!("{}/{}", options.to_folder, folder_name(snapshot))),
            command: format!("drill by {}", options.by),
            recorded: options.recorded,
            verify: true,
            ..RestoreOptions::default()
        };
        let report = self
            .restore(snapshot, exchange, &restore, cancel, Arc::clone(monitor))
            .await?;
        line.equal = report.items_verified;
        line.failures = report.failures;
        Ok(())
    }

    /// The results of drills, newest first, at most so many. What cannot be read is left out.
    ///
    /// # Errors
    /// Those of the destination.
    pub async fn drills(&self, limit: usize) -> Result<Vec<KeptDrill>> {
        let mut drills = Vec::new();
        for note in self.notes(TOPIC).await?.iter().rev().take(limit) {
            drills.extend(self.kept(&self.read_note(note).await?));
        }
        Ok(drills)
    }

    fn kept(&self, note: &[u8]) -> Option<KeptDrill> {
        let (document, signature) = match SignedNote::parse(note) {
            Some(note) => (note.document, note.signature),
            None => (String::from_utf8(note.to_vec()).ok()?, String::new()),
        };
        let trusted = self.repository.signers();
        let signed = match verify_signature(document.as_bytes(), &signature, &trusted) {
            Ok(_) => SignatureState::Good,
            Err(error) if error.kind() == chunkstore::ErrorKind::Corrupt => SignatureState::Bad,
            Err(_) => SignatureState::Unknown,
        };
        Some(KeptDrill {
            drill: serde_json::from_str(&document).ok()?,
            document,
            signature,
            signed,
        })
    }
}

/// What is kept is numbers and texts: nothing in it fails to become JSON.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

/// A mailbox's name as a folder's: no slashes.
fn folder_name(snapshot: &Snapshot) -> String {
    snapshot.mailbox.replace(['/', '\\'], " ")
}

/// How many of `wanted` items a snapshot with `items` of `all` gives.
fn share(wanted: u64, items: u64, all: u64) -> u64 {
    let part = u128::from(wanted) * u128::from(items) / u128::from(all.max(1));
    u64::try_from(part).unwrap_or(u64::MAX).max(1)
}

/// `wanted` different numbers below `length`, each as likely as another: Floyd's algorithm.
fn sample(length: usize, wanted: u64, environment: &Environment) -> BTreeSet<usize> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(length);
    let mut chosen = BTreeSet::new();
    for end in length - wanted..length {
        let mut bytes = [0; 8];
        (environment.random)(&mut bytes);
        // `end` is below 2^32 for any mailbox: what the remainder favours is immeasurable.
        let number = (u64::from_le_bytes(bytes) % (end as u64 + 1)) as usize;
        if !chosen.insert(number) {
            chosen.insert(end);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn environment(seed: u64) -> Environment {
        let drawn = AtomicU64::new(seed);
        Environment::new(
            || 0,
            move |bytes| {
                let number = drawn.fetch_add(1, Ordering::Relaxed);
                blake3::Hasher::new()
                    .update(&number.to_le_bytes())
                    .finalize_xof()
                    .fill(bytes);
            },
        )
    }

    proptest! {
        #[test]
        fn a_sample_has_as_many_as_wanted_and_none_twice(
            length in 0_usize..300, wanted in 0_u64..400, seed in any::<u64>(),
        ) {
            let chosen = sample(length, wanted, &environment(seed));
            prop_assert_eq!(chosen.len() as u64, wanted.min(length as u64));
            prop_assert!(chosen.iter().all(|number| *number < length));
        }

        #[test]
        fn shares_are_at_least_one_and_no_more_than_wanted(
            wanted in 1_u64..1000, items in 0_u64..1_000_000, more in 0_u64..1_000_000,
        ) {
            let share = share(wanted, items, items + more);
            prop_assert!((1..=wanted).contains(&share));
        }
    }

    #[test]
    fn every_item_has_its_chance() {
        let environment = environment(7);
        let mut seen = [0; 10];
        for _ in 0..2000 {
            for number in sample(10, 3, &environment) {
                seen[number] += 1;
            }
        }
        // 600 expected each; six standard deviations are some 123.
        assert!(
            seen.iter().all(|count| (470..730).contains(count)),
            "{seen:?}"
        );
    }
}
