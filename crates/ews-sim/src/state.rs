//! State on disk: what makes a simulator that is stopped and started the same one.
//!
//! One file, `ews-sim.state`, in a folder of the caller's. It holds the mailboxes: folders, items,
//! ids, change numbers, the logs that synchronisation states refer to, permissions and other
//! settings, and the logical clock. Accounts, faults and limits are the builder's each time, and
//! subscriptions end as they do with any server that restarts.
//!
//! ```text
//! 16 bytes    "ews-sim state 1\n"
//!  8 bytes    length of the description, little-endian
//!             the description, JSON: stores, folders, items without their properties
//!             the items' properties as native streams, one behind the other, in the order of the
//!             description, which tells their lengths
//! 32 bytes    BLAKE3 hash of everything before it
//! ```

mod document;

use std::io::Write;
use std::path::Path;

use fasttransfer::{Limits, Message, read_message};

use crate::clock::Clock;
use crate::error::Error;
use crate::language::Language;
use crate::sim::Sim;
use document::WorldDocument;

pub(crate) use document::{Restored, bag_as_stream, known_folder_id, known_word};

/// The file in the folder.
const FILE: &str = "ews-sim.state";
/// Where it is written before it takes the old one's place.
const NEW_FILE: &str = "ews-sim.state.new";
const MAGIC: &[u8; 16] = b"ews-sim state 1\n";
const HASH_BYTES: usize = 32;

impl Sim {
    /// Writes all mailboxes into a folder, which is created if missing, for
    /// [`crate::SimBuilder::state`]. An older state is replaced once the new one is whole.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Io`] if the folder cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = folder.as_ref();
        let failed = |error| Error::io(format!("cannot write {}", folder.display()), error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut streams = Vec::new();
        let world = WorldDocument::of(&self.0, &mut streams);
        let description = serde_json::to_vec(&world)
            .map_err(|error| Error::invalid("the state cannot be described").with_source(error))?;
        let mut hasher = blake3::Hasher::new();
        let new = folder.join(NEW_FILE);
        let mut file = std::fs::File::create(&new).map_err(failed)?;
        let length = (description.len() as u64).to_le_bytes();
        for piece in [&MAGIC[..], &length, &description, &streams] {
            hasher.update(piece);
            file.write_all(piece).map_err(failed)?;
        }
        file.write_all(hasher.finalize().as_bytes())
            .map_err(failed)?;
        file.sync_all().map_err(failed)?;
        drop(file);
        std::fs::rename(&new, folder.join(FILE)).map_err(failed)
    }

    /// Returns a number that grows with every change of a mailbox; for knowing whether there is
    /// anything to save.
    pub fn changes(&self) -> u64 {
        let stores = self.0.stores();
        stores.iter().map(|store| store.read().change()).sum()
    }
}

/// What was saved in a folder; `None` if nothing was.
pub(crate) fn load(
    folder: &Path,
    clock: &Clock,
    language: Language,
) -> Result<Option<Restored>, Error> {
    let path = folder.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format!("cannot read {}", path.display()), error)),
    };
    let damaged = |what: &str| Error::invalid(format!("{}: {what}", path.display()));
    let (content, hash) = bytes
        .len()
        .checked_sub(HASH_BYTES)
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or_else(|| damaged("the file is too short"))?;
    let rest = content
        .strip_prefix(MAGIC)
        .ok_or_else(|| damaged("no state of this simulator, or one of another version"))?;
    if blake3::hash(content).as_bytes() != hash {
        return Err(damaged("the file is damaged"));
    }
    let (length, rest) = rest
        .split_first_chunk::<8>()
        .ok_or_else(|| damaged("the file is too short"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (description, streams) = rest
        .split_at_checked(length)
        .ok_or_else(|| damaged("the file is too short"))?;
    let world: WorldDocument = serde_json::from_slice(description)
        .map_err(|error| damaged("the description is not valid").with_source(error))?;
    let restored = world.restore(&mut Streams(streams), clock, language);
    restored
        .map(Some)
        .ok_or_else(|| damaged("an item is missing or damaged"))
}

/// The properties of items, taken one after the other.
struct Streams<'a>(&'a [u8]);

impl Streams<'_> {
    fn take(&mut self, bytes: u64) -> Option<Message> {
        let (stream, rest) = self.0.split_at_checked(usize::try_from(bytes).ok()?)?;
        self.0 = rest;
        message_of(stream)
    }
}

/// The message of a native stream that this module wrote.
fn message_of(stream: &[u8]) -> Option<Message> {
    let parsed = read_message(stream, &Limits::default()).ok()?;
    parsed.problems.is_empty().then_some(parsed.message)
}
