//! DeleteItem (MS-OXWSCORE 3.1.4.3).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::property::named;
use crate::model::{ItemId, Outcome};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

named! {
    /// How to delete (`DisposalType`, MS-OXWSCDATA 2.2.5.9).
    DisposalType {
        HardDelete, SoftDelete, MoveToDeletedItems,
    }
}

/// Deletes items (DeleteItem, MS-OXWSCORE 3.1.4.3). Nobody is told: meeting cancellations and
/// read receipts are suppressed.
#[derive(Clone, Debug)]
pub struct DeleteItem {
    /// The items; at least one.
    pub ids: Vec<ItemId>,
    /// How.
    pub disposal: DisposalType,
}

impl Operation for DeleteItem {
    const NAME: &'static str = "DeleteItem";
    // A repeat finds the items gone, which would turn a success into an error.
    const IDEMPOTENT: bool = false;
    type Answer = Vec<Outcome<()>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no item id given")
    }

    fn write(&self, writer: &mut Writer, version: SchemaVersion) {
        writer
            .open("m:DeleteItem")
            .attribute("DeleteType", self.disposal.as_str())
            .attribute("SendMeetingCancellations", "SendToNone")
            .attribute("AffectedTaskOccurrences", "SpecifiedOccurrenceOnly");
        if version >= SchemaVersion::Exchange2013 {
            writer.attribute("SuppressReadReceipts", "true");
        }
        element::item_ids(writer, "m:ItemIds", &self.ids);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.ids.len(), |_| Ok(()))
    }
}
