//! GetItem (MS-OXWSCORE 3.1.4.4).

use crate::answer;
use crate::element;
use crate::error::{Error, Result};
use crate::model::{Item, ItemId, ItemShape, Outcome};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks for items by id (GetItem, MS-OXWSCORE 3.1.4.4).
#[derive(Clone, Debug)]
pub struct GetItem {
    /// The properties wanted.
    pub shape: ItemShape,
    /// The items; at least one.
    pub ids: Vec<ItemId>,
}

impl Operation for GetItem {
    const NAME: &'static str = "GetItem";
    const IDEMPOTENT: bool = true;
    // One item's MIME text may reach the server's message limit, 150 MB as a rule, in base64.
    const MAX_ANSWER_BYTES: u64 = 384 << 20;
    type Answer = Vec<Outcome<Item>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no item id given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:GetItem");
        element::item_shape(writer, &self.shape);
        element::item_ids(writer, "m:ItemIds", &self.ids);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.ids.len(), |message| {
            let items = answer::required(message, "Items")?;
            let first = items.children().next();
            answer::item(first.ok_or_else(|| Error::protocol("a success without an item"))?)
        })
    }
}
