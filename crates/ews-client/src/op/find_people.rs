//! FindPeople (MS-OXWSPERS 3.1.4.1).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{BaseShape, EmailAddress, FolderIdRef};
use crate::op::{Operation, Paging};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Looks for people in the address book, or in a folder of contacts (FindPeople, MS-OXWSPERS
/// 3.1.4.1).
#[derive(Clone, Debug)]
pub struct FindPeople {
    /// Where: [`DistinguishedFolder::Directory`](crate::DistinguishedFolder::Directory) is the
    /// organisation's address book.
    pub folder: FolderIdRef,
    /// Part of a name or address; `None` for everybody. Some servers want one for the directory.
    pub query: Option<String>,
    /// Which rows.
    pub paging: Paging,
}

/// Somebody (`PersonaType`, MS-OXWSPERS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persona {
    /// The id.
    pub id: Option<String>,
    /// `Person`, `DistributionList`, `Room`…
    pub persona_type: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// The main address.
    pub email: Option<EmailAddress>,
}

/// A page of people (FindPeople's answer, MS-OXWSPERS 3.1.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeoplePage {
    /// The people.
    pub people: Vec<Persona>,
    /// How many there are in all pages, if the server says so.
    pub total: Option<u64>,
}

impl Operation for FindPeople {
    const NAME: &'static str = "FindPeople";
    const IDEMPOTENT: bool = true;
    type Answer = PeoplePage;

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:FindPeople");
        writer
            .open("m:PersonaShape")
            .leaf("t:BaseShape", BaseShape::Default)
            .close();
        element::paging(writer, "m:IndexedPageItemView", Some(self.paging));
        element::target_folder(writer, "m:ParentFolderId", &self.folder);
        if let Some(query) = &self.query {
            writer.leaf("m:QueryString", query);
        }
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let people = message.child("People").into_iter();
        Ok(PeoplePage {
            people: people.flat_map(Node::children).map(persona).collect(),
            total: message.child_value("TotalNumberOfPeopleInView"),
        })
    }
}

pub(super) fn persona(node: Node<'_>) -> Persona {
    let text = |name| node.child_text(name).map(str::to_owned);
    let id = node.child("PersonaId");
    Persona {
        id: id.and_then(|id| Some(id.attribute("Id")?.to_owned())),
        persona_type: text("PersonaType"),
        display_name: text("DisplayName"),
        email: node.child("EmailAddress").map(answer::email_address),
    }
}
