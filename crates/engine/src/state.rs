//! A mailbox's state as rows: between a snapshot's tree entries and the local index's rows.

use std::collections::BTreeMap;

use bytes::Bytes;
use chunkstore::{Content, Entry};
use fasttransfer::Summary;
use mailindex::{FolderKey, FolderRow, ItemKey, ItemRow};
use serde::Serialize;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::TreeKey;
use crate::origin::Origin;
use crate::record::{FieldWriter, Fields, put_varint, take_varint};
use crate::selection::ItemVerdict;

/// An item can have at most this many contents; today there are two, the stream and the summary.
const MAX_CONTENTS: u64 = 16;

/// The fields of a folder's value. `FAILED` repeats, once an item to be tried again.
mod folder_field {
    pub(super) const ID: u8 = 1;
    pub(super) const PARENT: u8 = 3;
    pub(super) const NAME: u8 = 4;
    pub(super) const CLASS: u8 = 5;
    pub(super) const DISTINGUISHED: u8 = 6;
    pub(super) const TOTAL: u8 = 7;
    pub(super) const SYNC_STATE: u8 = 8;
    pub(super) const SYNC_DONE: u8 = 10;
    pub(super) const COMMIT_TIME: u8 = 11;
    pub(super) const DELETED: u8 = 12;
    pub(super) const FULL_SYNC: u8 = 13;
    pub(super) const EXTRA: u8 = 14;
}

mod item_field {
    pub(super) const ID: u8 = 1;
    pub(super) const CHANGE_KEY: u8 = 3;
    pub(super) const CLASS: u8 = 5;
    pub(super) const READ: u8 = 6;
    pub(super) const SIZE: u8 = 7;
    pub(super) const FORM: u8 = 8;
    pub(super) const FIRST_SEEN: u8 = 20;
    pub(super) const LAST_SEEN: u8 = 21;
    pub(super) const GONE: u8 = 22;
    pub(super) const ORIGIN: u8 = 23;
    pub(super) const REPLACED: u8 = 24;
}

mod summary_field {
    pub(super) const SUBJECT: u8 = 1;
    pub(super) const SENDER: u8 = 2;
    pub(super) const SENDER_ADDRESS: u8 = 3;
    pub(super) const TO: u8 = 4;
    pub(super) const SENT: u8 = 5;
    pub(super) const RECEIVED: u8 = 6;
    pub(super) const MESSAGE_ID: u8 = 7;
    pub(super) const IMPORTANCE: u8 = 8;
    pub(super) const ATTACHMENTS: u8 = 9;
}

/// What a listing shows of an item, kept apart from the item's body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ItemSummary {
    /// PidTagSubject.
    pub subject: String,
    /// PidTagSenderName.
    pub sender: String,
    /// PidTagSenderSmtpAddress or PidTagSenderEmailAddress.
    pub sender_address: String,
    /// PidTagDisplayTo.
    pub to: String,
    /// PidTagClientSubmitTime, milliseconds since 1970 UTC.
    pub sent_unix_ms: Option<i64>,
    /// PidTagMessageDeliveryTime, milliseconds since 1970 UTC.
    pub received_unix_ms: Option<i64>,
    /// PidTagInternetMessageId.
    pub message_id: String,
    /// PidTagImportance: 0 low, 1 normal, 2 high.
    pub importance: Option<u64>,
    /// Whether there are attachments.
    pub has_attachments: bool,
}

impl ItemSummary {
    /// Takes over what the native stream says.
    pub(crate) fn from_stream(summary: &Summary) -> Self {
        Self {
            subject: summary.subject.clone().unwrap_or_default(),
            sender: summary.sender_name.clone().unwrap_or_default(),
            sender_address: summary.sender_address.clone().unwrap_or_default(),
            to: summary.display_to.clone().unwrap_or_default(),
            sent_unix_ms: summary.sent.map(|time| time.as_millisecond()),
            received_unix_ms: summary.received.map(|time| time.as_millisecond()),
            message_id: summary.internet_message_id.clone().unwrap_or_default(),
            importance: summary
                .importance
                .and_then(|value| u64::try_from(value).ok()),
            has_attachments: summary.has_attachments,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        use summary_field as field;
        let mut writer = FieldWriter::default();
        writer
            .text(field::SUBJECT, &self.subject)
            .text(field::SENDER, &self.sender)
            .text(field::SENDER_ADDRESS, &self.sender_address)
            .text(field::TO, &self.to)
            .optional_signed(field::SENT, self.sent_unix_ms)
            .optional_signed(field::RECEIVED, self.received_unix_ms)
            .text(field::MESSAGE_ID, &self.message_id)
            .optional_number(field::IMPORTANCE, self.importance);
        if self.has_attachments {
            writer.number(field::ATTACHMENTS, 1);
        }
        writer.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        use summary_field as field;
        let fields = Fields::parse(bytes)?;
        Ok(Self {
            subject: fields.text(field::SUBJECT),
            sender: fields.text(field::SENDER),
            sender_address: fields.text(field::SENDER_ADDRESS),
            to: fields.text(field::TO),
            sent_unix_ms: fields.optional_signed(field::SENT)?,
            received_unix_ms: fields.optional_signed(field::RECEIVED)?,
            message_id: fields.text(field::MESSAGE_ID),
            importance: fields.optional_number(field::IMPORTANCE)?,
            has_attachments: fields.number(field::ATTACHMENTS)? != 0,
        })
    }
}

/// What is remembered of reading a folder, beside its sync state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Items that the folder still owes us, to be tried on the next run: ids and subjects.
    pub(crate) owed: Vec<(String, String)>,
    /// The conditions on items under which it was read, in words; empty for none.
    pub(crate) conditions: String,
    /// What of it these left out.
    pub(crate) left_out: LeftOut,
}

/// Items that a selection's conditions left out of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// How many, by reason.
    pub(crate) counts: BTreeMap<String, u64>,
    /// When the first of them will be old enough, milliseconds since 1970.
    pub(crate) ripe_unix_ms: Option<i64>,
}

impl LeftOut {
    pub(crate) fn add(&mut self, verdict: ItemVerdict) {
        *self.counts.entry(verdict.reason().to_owned()).or_default() += 1;
        if let ItemVerdict::TooYoung(Some(ripe)) = verdict {
            self.ripe_unix_ms = Some(self.ripe_unix_ms.map_or(ripe, |first| first.min(ripe)));
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

mod reading_field {
    pub(super) const OWED: u8 = 1;
    pub(super) const CONDITIONS: u8 = 2;
    pub(super) const LEFT_OUT: u8 = 3;
    pub(super) const RIPE: u8 = 4;
    pub(super) const OWED_ID: u8 = 1;
    pub(super) const OWED_SUBJECT: u8 = 3;
    pub(super) const REASON: u8 = 1;
    pub(super) const COUNT: u8 = 2;
}

impl Reading {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        use reading_field as field;
        let mut writer = FieldWriter::default();
        for (id, subject) in &self.owed {
            let mut item = FieldWriter::default();
            item.id(field::OWED_ID, id)
                .text(field::OWED_SUBJECT, subject);
            writer.bytes(field::OWED, &item.finish());
        }
        writer.text(field::CONDITIONS, &self.conditions);
        for (reason, count) in &self.left_out.counts {
            let mut line = FieldWriter::default();
            line.text(field::REASON, reason)
                .number(field::COUNT, *count);
            writer.bytes(field::LEFT_OUT, &line.finish());
        }
        writer.optional_signed(field::RIPE, self.left_out.ripe_unix_ms);
        writer.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        use reading_field as field;
        let fields = Fields::parse(bytes)?;
        let owed = fields.all(field::OWED).map(|item| {
            let fields = Fields::parse(item)?;
            Ok((fields.id(field::OWED_ID), fields.text(field::OWED_SUBJECT)))
        });
        let counts = fields.all(field::LEFT_OUT).map(|line| {
            let fields = Fields::parse(line)?;
            Ok((fields.text(field::REASON), fields.number(field::COUNT)?))
        });
        Ok(Self {
            owed: owed.collect::<Result<_>>()?,
            conditions: fields.text(field::CONDITIONS),
            left_out: LeftOut {
                counts: counts.collect::<Result<_>>()?,
                ripe_unix_ms: fields.optional_signed(field::RIPE)?,
            },
        })
    }
}

/// In which form an item's bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// What ExportItems gave.
    #[default]
    Native,
    /// MIME text and properties; see `portable`.
    Portable,
}

impl Form {
    /// The stored number; native is not written.
    fn number(self) -> Option<u64> {
        match self {
            Self::Native => None,
            Self::Portable => Some(1),
        }
    }

    fn of_number(number: Option<u64>) -> Result<Self> {
        match number.unwrap_or(0) {
            0 => Ok(Self::Native),
            1 => Ok(Self::Portable),
            _ => {
                let message = "an item is stored in a form that this version does not know";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }
}

/// The contents of an item and their form as the local index keeps them: opaque bytes to it.
pub(crate) fn contents_to_bytes(contents: &[Content], form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, contents.len() as u64);
    for content in contents {
        let bytes = content.encode();
        put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(&bytes);
    }
    if let Some(number) = form.number() {
        put_varint(&mut out, number);
    }
    out
}

pub(crate) fn contents_from_bytes(bytes: &[u8]) -> Result<(Vec<Content>, Form)> {
    let damaged = || {
        Error::new(
            ErrorKind::Corrupt,
            "an item's reference to its content is damaged",
        )
    };
    let (count, mut rest) = take_varint(bytes)?;
    if count > MAX_CONTENTS {
        return Err(damaged());
    }
    let mut contents = Vec::new();
    for _ in 0..count {
        let (length, after) = take_varint(rest)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|l| *l <= after.len())
            .ok_or_else(damaged)?;
        let (content, after) = after.split_at(length);
        contents.push(Content::decode(content).doing(|| "read a content reference".into())?);
        rest = after;
    }
    let form = match rest {
        [] => None,
        rest => Some(take_varint(rest)?.0),
    };
    Ok((contents, Form::of_number(form)?))
}

/// A folder's tree entry.
pub(crate) fn folder_entry(key: FolderKey, row: &FolderRow) -> Entry {
    use folder_field as field;
    let mut writer = FieldWriter::default();
    writer.id(field::ID, &row.folder_id);
    if let Some(parent) = row.parent {
        writer.bytes(field::PARENT, &parent.0);
    }
    writer
        .text(field::NAME, &row.display_name)
        .text(field::CLASS, &row.folder_class)
        .optional_text(field::DISTINGUISHED, row.distinguished.as_deref())
        .number(field::TOTAL, u64::from(row.total_count));
    if let Some(state) = &row.sync_state {
        writer.id(field::SYNC_STATE, state);
    }
    writer
        .number(field::SYNC_DONE, u64::from(row.sync_done))
        .optional_signed(field::COMMIT_TIME, row.commit_time)
        .optional_number(field::DELETED, row.deleted_count.map(u64::from))
        .optional_signed(field::FULL_SYNC, Some(row.last_full_sync_unix_ms));
    if !row.extra.is_empty() {
        writer.bytes(field::EXTRA, &row.extra);
    }
    Entry {
        key: TreeKey::Folder(key).to_bytes(),
        value: writer.finish(),
        contents: Vec::new(),
    }
}

/// The folder a tree entry describes.
pub(crate) fn folder_row(entry: &Entry) -> Result<FolderRow> {
    use folder_field as field;
    let fields = Fields::parse(&entry.value)?;
    let parent = fields
        .bytes(field::PARENT)
        .and_then(|bytes| bytes.try_into().ok())
        .map(FolderKey);
    let has_state = fields
        .bytes(field::SYNC_STATE)
        .or(fields.bytes(field::SYNC_STATE + 1))
        .is_some();
    Ok(FolderRow {
        folder_id: fields.id(field::ID),
        parent,
        display_name: fields.text(field::NAME),
        folder_class: fields.text(field::CLASS),
        distinguished: fields.optional_text(field::DISTINGUISHED),
        total_count: u32::try_from(fields.number(field::TOTAL)?).unwrap_or(u32::MAX),
        sync_state: has_state.then(|| fields.id(field::SYNC_STATE)),
        sync_done: fields.number(field::SYNC_DONE)? != 0,
        commit_time: fields.optional_signed(field::COMMIT_TIME)?,
        deleted_count: fields
            .optional_number(field::DELETED)?
            .and_then(|count| u32::try_from(count).ok()),
        last_full_sync_unix_ms: fields.optional_signed(field::FULL_SYNC)?.unwrap_or(0),
        extra: fields.bytes(field::EXTRA).unwrap_or_default().to_vec(),
    })
}

/// The part of an item that a snapshot's tree holds itself.
#[derive(Clone, Debug)]
pub(crate) struct ItemState {
    pub(crate) item_id: String,
    pub(crate) change_key: String,
    pub(crate) item_class: String,
    pub(crate) is_read: Option<bool>,
    pub(crate) size_bytes: u64,
    pub(crate) form: Form,
    /// In a tree of items that outlived their snapshots: which snapshots had it.
    pub(crate) seen: Option<Seen>,
}

/// Which snapshots had a version of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) first_unix_ms: i64,
    pub(crate) last_unix_ms: i64,
    /// The first snapshot without it.
    pub(crate) gone_unix_ms: Option<i64>,
}

/// An item's tree entry.
pub(crate) fn item_entry(key: ItemKey, row: &ItemRow) -> Result<Entry> {
    use item_field as field;
    let (contents, form) = contents_from_bytes(&row.content)?;
    let mut writer = FieldWriter::default();
    writer
        .id(field::ID, &row.item_id)
        .id(field::CHANGE_KEY, &row.change_key)
        .text(field::CLASS, &row.item_class)
        .optional_number(field::READ, row.is_read.map(u64::from))
        .number(field::SIZE, row.size_bytes)
        .optional_number(field::FORM, form.number());
    Ok(Entry {
        key: TreeKey::Item(key).to_bytes(),
        value: writer.finish(),
        contents,
    })
}

/// What the tree itself says of an item.
pub(crate) fn item_state(entry: &Entry) -> Result<ItemState> {
    use item_field as field;
    let fields = Fields::parse(&entry.value)?;
    Ok(ItemState {
        item_id: fields.id(field::ID),
        change_key: fields.id(field::CHANGE_KEY),
        item_class: fields.text(field::CLASS),
        is_read: fields.optional_number(field::READ)?.map(|value| value != 0),
        size_bytes: fields.number(field::SIZE)?,
        form: Form::of_number(fields.optional_number(field::FORM)?)?,
        seen: match fields.optional_signed(field::FIRST_SEEN)? {
            Some(first_unix_ms) => Some(Seen {
                first_unix_ms,
                last_unix_ms: fields
                    .optional_signed(field::LAST_SEEN)?
                    .unwrap_or(first_unix_ms),
                gone_unix_ms: fields.optional_signed(field::GONE)?,
            }),
            None => None,
        },
    })
}

/// The entry with a note of which snapshots had it, in place of one it has.
pub(crate) fn with_seen(mut entry: Entry, seen: Seen) -> Result<Entry> {
    use item_field as field;
    let mut writer = FieldWriter::default();
    let fields = Fields::parse(&entry.value)?;
    for (tag, value) in fields.iter().filter(|(tag, _)| *tag < field::FIRST_SEEN) {
        writer.bytes(tag, value);
    }
    writer
        .optional_signed(field::FIRST_SEEN, Some(seen.first_unix_ms))
        .optional_signed(field::LAST_SEEN, Some(seen.last_unix_ms))
        .optional_signed(field::GONE, seen.gone_unix_ms);
    for (tag, value) in fields.iter().filter(|(tag, _)| *tag > field::GONE) {
        writer.bytes(tag, value);
    }
    entry.value = writer.finish();
    Ok(entry)
}

/// What the tree of a restore's run says of an item.
pub(crate) struct RunMark {
    /// The origin of the item that was made.
    pub(crate) origin: Origin,
    /// Whether it took the place of another.
    pub(crate) replaced: bool,
}

/// The entry of an item with what a run did about it.
pub(crate) fn with_run(mut entry: Entry, mark: &RunMark) -> Entry {
    use item_field as field;
    let mut writer = FieldWriter::default();
    writer
        .text(field::ORIGIN, mark.origin.as_str())
        .optional_number(field::REPLACED, mark.replaced.then_some(1));
    entry.value.extend(writer.finish());
    entry
}

/// What the tree of a run says of an item.
pub(crate) fn run_mark(entry: &Entry) -> Result<RunMark> {
    use item_field as field;
    let fields = Fields::parse(&entry.value)?;
    let origin = Origin::parse(&fields.text(field::ORIGIN)).ok_or_else(|| {
        let message = "a run of a restore does not say what it made";
        Error::new(ErrorKind::Corrupt, message)
    })?;
    Ok(RunMark {
        origin,
        replaced: fields.number(field::REPLACED)? != 0,
    })
}

/// The local index's row for an item, from its tree entry and its summary.
pub(crate) fn item_row(entry: &Entry, summary: &ItemSummary) -> Result<ItemRow> {
    let state = item_state(entry)?;
    Ok(ItemRow {
        item_id: state.item_id,
        change_key: state.change_key,
        item_class: state.item_class,
        is_read: state.is_read,
        size_bytes: state.size_bytes,
        received_unix_ms: summary.received_unix_ms,
        sent_unix_ms: summary.sent_unix_ms,
        subject: summary.subject.clone(),
        sender: summary.sender.clone(),
        content: contents_to_bytes(&entry.contents, state.form),
    })
}

/// A summary's bytes, ready to be stored.
pub(crate) fn summary_bytes(summary: &ItemSummary) -> Bytes {
    Bytes::from(summary.to_bytes())
}
