//! What Outlook and Exchange call well-known folders in other languages.

use crate::error::Error;

/// The language in which mailboxes are created; it decides what well-known folders are called.
///
/// Recoverable items and what else users do not see have English names everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// `en`.
    #[default]
    English,
    /// `de`.
    German,
    /// `fr`.
    French,
    /// `ja`.
    Japanese,
}

/// English, German, French, Japanese.
const NAMES: &[[&str; 4]] = &[
    [
        "Top of Information Store",
        "Oberste Ebene des Informationsspeichers",
        "Haut de la banque d'informations",
        "インフォメーション ストアの先頭",
    ],
    ["Calendar", "Kalender", "Calendrier", "予定表"],
    ["Contacts", "Kontakte", "Contacts", "連絡先"],
    [
        "Deleted Items",
        "Gelöschte Elemente",
        "Éléments supprimés",
        "削除済みアイテム",
    ],
    ["Drafts", "Entwürfe", "Brouillons", "下書き"],
    ["Inbox", "Posteingang", "Boîte de réception", "受信トレイ"],
    ["Journal", "Journal", "Journal", "履歴"],
    [
        "Junk Email",
        "Junk-E-Mail",
        "Courrier indésirable",
        "迷惑メール",
    ],
    ["Notes", "Notizen", "Notes", "メモ"],
    ["Outbox", "Postausgang", "Boîte d'envoi", "送信トレイ"],
    [
        "Sent Items",
        "Gesendete Elemente",
        "Éléments envoyés",
        "送信済みアイテム",
    ],
    ["Tasks", "Aufgaben", "Tâches", "タスク"],
];

impl Language {
    /// The language of this code: `en`, `de`, `fr` or `ja`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] for any other.
    pub fn named(code: &str) -> Result<Language, Error> {
        match code {
            "en" => Ok(Language::English),
            "de" => Ok(Language::German),
            "fr" => Ok(Language::French),
            "ja" => Ok(Language::Japanese),
            _ => Err(Error::invalid(format!(
                "there is no language '{code}', only en, de, fr and ja"
            ))),
        }
    }

    /// What a folder of this English name is called.
    pub(crate) fn name(self, english: &'static str) -> &'static str {
        let row = NAMES.iter().find(|row| row[0] == english);
        row.and_then(|row| row.get(self as usize).copied())
            .unwrap_or(english)
    }
}
