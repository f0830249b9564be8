use std::path::{Path, PathBuf};

use mailindex::{FolderKey, FolderRow, Identity, ItemKey, ItemRow, MailIndex, Opened};
use tempfile::TempDir;

pub fn identity() -> Identity {
    Identity {
        repository: [7; 16],
        mailbox: "alice@example.test".into(),
    }
}

pub fn folder(number: u8) -> FolderKey {
    FolderKey([number; 8])
}

pub fn item(folder_number: u8, number: u32) -> ItemKey {
    let mut item = [0; 16];
    item[..4].copy_from_slice(&number.to_be_bytes());
    ItemKey {
        folder: folder(folder_number),
        item,
    }
}

pub fn folder_row(name: &str) -> FolderRow {
    FolderRow {
        folder_id: format!("id-of-{name}"),
        display_name: name.into(),
        ..FolderRow::default()
    }
}

pub fn item_row(subject: &str, content: &[u8]) -> ItemRow {
    ItemRow {
        item_id: format!("id-of-{subject}"),
        change_key: "ck".into(),
        item_class: "IPM.Note".into(),
        size_bytes: 100,
        subject: subject.into(),
        content: content.to_vec(),
        ..ItemRow::default()
    }
}

/// A folder on disk with the path of an index in it.
pub struct Place {
    _folder: TempDir,
    pub path: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/alice.redb");
        Self {
            _folder: folder,
            path,
        }
    }

    /// Opens a file that must be new or sound.
    #[track_caller]
    pub fn open(&self) -> MailIndex {
        let (index, opened) = MailIndex::open(&self.path, &identity()).unwrap();
        assert!(
            matches!(opened, Opened::Existing | Opened::Created),
            "{opened:?}"
        );
        index
    }

    pub fn damaged(&self) -> PathBuf {
        with_suffix(&self.path, ".damaged")
    }
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The whole text of an error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
