//! Notes: small sealed records of the caller's, beside the snapshots and independent of them.

use std::fmt;

use ulid::Ulid;

use crate::error::{Error, Result};
use crate::layout::{self, NOTES, parse_ulid};
use crate::objects::Created;
use crate::record::{RecordReader, RecordWriter};
use crate::repository::Repository;
use crate::seal::ObjectKind;
use crate::store::Store;

/// Longest topic, in letters.
const MAX_TOPIC: usize = 16;
/// Longest note, in bytes: it is held in memory as a whole.
pub const MAX_NOTE_BYTES: usize = 64 << 20;

/// Names a note; notes of one topic sort by the time they were written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteId {
    topic: String,
    id: Ulid,
}

impl NoteId {
    /// When it was written by its writer's clock, milliseconds since 1970 UTC.
    pub fn time_unix_ms(&self) -> i64 {
        i64::try_from(self.id.timestamp_ms()).unwrap_or(i64::MAX)
    }

    fn object(&self) -> String {
        format!("{NOTES}/{}/{}", self.topic, self.id)
    }
}

impl fmt::Display for NoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id.to_string())
    }
}

impl Repository {
    /// Keeps a note of up to 64 MiB. Its topic, up to 16 lower-case letters, is stored in clear.
    ///
    /// # Errors
    /// `Invalid` for a topic of another form and a note that is too long, otherwise from the
    /// destination.
    pub async fn add_note(&self, topic: &str, body: &[u8]) -> Result<NoteId> {
        check_topic(topic)?;
        if body.len() > MAX_NOTE_BYTES {
            return Err(Error::invalid("a note has at most 64 MiB"));
        }
        let store = self.store();
        let note = NoteId {
            topic: topic.to_owned(),
            id: store.env.ulid(),
        };
        let mut record = RecordWriter::default();
        record.i64(store.env.now()).bytes(body);
        store
            .write_sealed(&note.object(), ObjectKind::Note, &record.0)
            .await?;
        Ok(note)
    }

    /// Keeps a note of another repository under the id it has there; `false` if it is here already.
    ///
    /// # Errors
    /// `Invalid` for a note that is too long, otherwise from the destination.
    pub async fn add_note_as(&self, note: &NoteId, body: &[u8]) -> Result<bool> {
        if body.len() > MAX_NOTE_BYTES {
            return Err(Error::invalid("a note has at most 64 MiB"));
        }
        let store = self.store();
        let name = note.object();
        let mut record = RecordWriter::default();
        record.i64(note.time_unix_ms()).bytes(body);
        let sealed = store.seal(&name, ObjectKind::Note, &record.0)?;
        Ok(store.objects.create(&name, sealed).await? == Created::New)
    }

    /// The notes of a topic, oldest first.
    ///
    /// # Errors
    /// `Invalid` for a topic of another form, otherwise from the destination.
    pub async fn notes(&self, topic: &str) -> Result<Vec<NoteId>> {
        check_topic(topic)?;
        let listed = self
            .store()
            .objects
            .list(&format!("{NOTES}/{topic}"))
            .await?;
        let mut notes: Vec<NoteId> = listed
            .iter()
            .filter_map(|meta| parse_ulid(meta.location.filename()?))
            .map(|id| NoteId {
                topic: topic.to_owned(),
                id,
            })
            .collect();
        notes.sort();
        Ok(notes)
    }

    /// The notes of all topics, by topic, then oldest first.
    ///
    /// # Errors
    /// From the destination.
    pub async fn all_notes(&self) -> Result<Vec<NoteId>> {
        let listed = self.store().objects.list(NOTES).await?;
        let note = |path: &str| {
            let (topic, file) = path
                .strip_prefix(NOTES)?
                .strip_prefix('/')?
                .split_once('/')?;
            check_topic(topic).ok()?;
            Some(NoteId {
                topic: topic.to_owned(),
                id: parse_ulid(file)?,
            })
        };
        let mut notes: Vec<NoteId> = listed
            .iter()
            .filter_map(|meta| note(meta.location.as_ref()))
            .collect();
        notes.sort();
        Ok(notes)
    }

    /// Writes a note anew with another body and the time it has, and deletes the old one; `None` as
    /// body only deletes it. Where the destination does not let it go (a lock, a missing right),
    /// nothing is written.
    ///
    /// # Errors
    /// `Denied`, otherwise from the destination.
    ///
    /// # Cancellation
    /// The note may be gone without its successor.
    pub async fn replace_note(&self, note: &NoteId, body: Option<&[u8]>) -> Result<()> {
        let store = self.store();
        store.objects.delete(&note.object()).await?;
        let Some(body) = body else { return Ok(()) };
        let successor = NoteId {
            topic: note.topic.clone(),
            id: Ulid::from_parts(note.id.timestamp_ms(), store.env.ulid().random()),
        };
        self.add_note_as(&successor, body).await.map(drop)
    }

    /// Reads a note.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, otherwise from the destination.
    pub async fn read_note(&self, note: &NoteId) -> Result<Vec<u8>> {
        read(self.store(), &note.object()).await
    }
}

fn check_topic(topic: &str) -> Result<()> {
    let fits = (1..=MAX_TOPIC).contains(&topic.len())
        && topic.bytes().all(|byte| byte.is_ascii_lowercase());
    match fits {
        true => Ok(()),
        false => Err(Error::invalid("a topic has 1 to 16 lower-case letters")),
    }
}

async fn read(store: &Store, name: &str) -> Result<Vec<u8>> {
    let record = store.read_sealed(name, ObjectKind::Note).await?;
    let mut fields = RecordReader::new(name, &record);
    fields.i64()?;
    Ok(fields.rest().to_vec())
}

/// Whether a folder holds notes of a topic.
pub(crate) fn is_folder(folder: &str) -> bool {
    folder
        .strip_prefix(NOTES)
        .and_then(|topic| topic.strip_prefix('/'))
        .is_some_and(|topic| check_topic(topic).is_ok())
}

/// Reads one note, to see whether it is good.
pub(crate) async fn inspect(store: &Store, name: &str) -> Result<()> {
    let file = name.rsplit('/').next().unwrap_or_default();
    match layout::parse_ulid(file) {
        Some(_) => read(store, name).await.map(drop),
        // Something else that lies there is nobody's damage.
        None => Ok(()),
    }
}
