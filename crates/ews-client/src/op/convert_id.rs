//! ConvertId (MS-OXWSCVTID 3.1.4.1).

use crate::answer;
use crate::error::{Error, Result};
use crate::model::Outcome;
use crate::model::property::named;
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

named! {
    /// The forms an id takes (`IdFormatType`, MS-OXWSCVTID 3.1.4.1.4.1).
    IdFormat {
        EwsLegacyId, EwsId, EntryId, HexEntryId, StoreId, OwaId,
    }
}

/// Converts ids between forms (ConvertId, MS-OXWSCVTID 3.1.4.1).
#[derive(Clone, Debug)]
pub struct ConvertId {
    /// The ids; at least one.
    pub ids: Vec<AlternateId>,
    /// The form wanted.
    pub destination: IdFormat,
}

/// An id in some form, with the mailbox it belongs to (`AlternateIdType`, MS-OXWSCVTID
/// 3.1.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlternateId {
    /// The id.
    pub id: String,
    /// Its form.
    pub format: IdFormat,
    /// The mailbox's SMTP address, not empty.
    pub mailbox: String,
    /// Whether it lies in the archive; `None` for no statement.
    pub is_archive: Option<bool>,
}

impl Operation for ConvertId {
    const NAME: &'static str = "ConvertId";
    const IDEMPOTENT: bool = true;
    type Answer = Vec<Outcome<AlternateId>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no id given")?;
        require(
            self.ids.iter().all(|id| !id.mailbox.is_empty()),
            "an id without its mailbox",
        )
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:ConvertId")
            .attribute("DestinationFormat", self.destination.as_str());
        writer.open("m:SourceIds");
        for id in &self.ids {
            writer
                .open("t:AlternateId")
                .attribute("Format", id.format.as_str())
                .attribute("Id", &id.id)
                .attribute("Mailbox", &id.mailbox);
            if let Some(is_archive) = id.is_archive {
                writer.attribute("IsArchive", if is_archive { "true" } else { "false" });
            }
            writer.close();
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.ids.len(), |message| {
            let node = answer::required(message, "AlternateId")?;
            // Public folder ids have their text in another attribute.
            let id = node.attribute("Id").or_else(|| node.attribute("FolderId"));
            let id = id.ok_or_else(|| Error::protocol("a converted id without its text"))?;
            Ok(AlternateId {
                id: id.to_owned(),
                format: node
                    .attribute("Format")
                    .and_then(IdFormat::parse)
                    .unwrap_or(self.destination),
                mailbox: node.attribute("Mailbox").unwrap_or_default().to_owned(),
                is_archive: node.attribute_bool("IsArchive"),
            })
        })
    }
}
