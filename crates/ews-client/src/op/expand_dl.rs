//! ExpandDL (MS-OXWSDLIST 3.1.4.1).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{EmailAddress, ItemId};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks for the direct members of a group (ExpandDL, MS-OXWSDLIST 3.1.4.1).
#[derive(Clone, Debug)]
pub struct ExpandDl {
    /// The group.
    pub group: GroupRef,
}

/// A group as a request names it (MS-OXWSDLIST 3.1.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupRef {
    /// A distribution group of the directory, by its SMTP address.
    Address(String),
    /// A personal distribution list, by its item.
    Item(ItemId),
}

/// A member of a group (an entry of `ArrayOfDLExpansionType`, MS-OXWSDLIST 3.1.4.1);
/// [`EmailAddress::mailbox_type`] tells what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// Name and address.
    pub mailbox: EmailAddress,
    /// The item of a personal list or contact.
    pub item: Option<ItemId>,
}

impl GroupMember {
    /// The member as a group to be expanded in its turn; `None` where it is none.
    pub fn as_group(&self) -> Option<GroupRef> {
        match self.mailbox.mailbox_type.as_deref()? {
            "PublicDL" | "GroupMailbox" => self.mailbox.address.clone().map(GroupRef::Address),
            "PrivateDL" => self.item.clone().map(GroupRef::Item),
            _ => None,
        }
    }
}

/// A group's members, as one answer tells them (`ArrayOfDLExpansionType`, MS-OXWSDLIST 3.1.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupPage {
    /// The members.
    pub members: Vec<GroupMember>,
    /// Whether these are all; a server may cut a large group off.
    pub is_complete: bool,
}

impl Operation for ExpandDl {
    const NAME: &'static str = "ExpandDL";
    const IDEMPOTENT: bool = true;
    type Answer = GroupPage;

    fn validate(&self) -> Result<()> {
        let given = match &self.group {
            GroupRef::Address(address) => !address.trim().is_empty(),
            GroupRef::Item(id) => !id.id.is_empty(),
        };
        require(given, "no group given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:ExpandDL").open("m:Mailbox");
        match &self.group {
            GroupRef::Address(address) => {
                writer.leaf("t:EmailAddress", address);
            }
            GroupRef::Item(id) => element::item_id(writer, id),
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let Some(list) = message.child("DLExpansion") else {
            return Ok(GroupPage {
                members: Vec::new(),
                is_complete: true,
            });
        };
        let members = list.children().map(|node| GroupMember {
            mailbox: answer::email_address(node),
            item: node.child("ItemId").and_then(answer::item_id),
        });
        let complete = list.attribute_bool("IncludesLastItemInRange");
        Ok(GroupPage {
            members: members.collect(),
            is_complete: complete.unwrap_or(true),
        })
    }
}
