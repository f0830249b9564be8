//! What is indexed: texts, and the rows that say where and when they were.

/// What an item is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A mail.
    #[default]
    Mail = 0,
    /// An appointment of a calendar.
    Appointment = 1,
    /// A contact or a distribution list.
    Contact = 2,
    /// A task.
    Task = 3,
    /// A sticky note.
    Note = 4,
    /// A meeting request, response or cancellation.
    Meeting = 5,
    /// A journal entry.
    Journal = 6,
    /// A post in a folder.
    Post = 7,
    /// Anything else.
    Other = 8,
}

impl Kind {
    /// All kinds with the words a query names them by.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("mail", Self::Mail),
        ("appointment", Self::Appointment),
        ("contact", Self::Contact),
        ("task", Self::Task),
        ("note", Self::Note),
        ("meeting", Self::Meeting),
        ("journal", Self::Journal),
        ("post", Self::Post),
        ("other", Self::Other),
    ];

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::NAMES
            .into_iter()
            .map(|(_, kind)| kind)
            .find(|kind| *kind as u8 == byte)
            .unwrap_or(Self::Other)
    }

    /// The word a query names it by.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .into_iter()
            .find(|(_, kind)| *kind == self)
            .map_or("other", |(name, _)| name)
    }
}

/// The text of an item and what else a query can ask of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The subject.
    pub subject: String,
    /// Name and address of whom it is from.
    pub from: String,
    /// Names and addresses of all it is to, copies included.
    pub to: String,
    /// Body, attachment names, texts of attachments, each by itself.
    pub texts: Vec<String>,
    /// When it was received, otherwise sent, otherwise made; milliseconds since 1970 UTC.
    pub date_unix_ms: Option<i64>,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What it is.
    pub kind: Kind,
    /// Whether it has attachments.
    pub has_attachments: bool,
    /// Whether it is flagged for follow-up.
    pub is_flagged: bool,
    /// Whether it was not sent yet.
    pub is_draft: bool,
    /// Whether it is of high importance.
    pub is_important: bool,
}

/// The caller's name for an item; the index gives it back with each hit.
pub type RowKey = [u8; 24];

/// The caller's fingerprint of an item's content: equal ones have equal documents.
pub type ContentKey = [u8; 10];

/// An item in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The item; unique in a snapshot.
    pub key: RowKey,
    /// Its content.
    pub content: ContentKey,
    /// The path of its folder, parts separated by `/`.
    pub folder: String,
    /// Whether it was read.
    pub is_read: Option<bool>,
}

/// A snapshot that the index covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its id.
    pub id: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
}
