//! GetPersona (MS-OXWSPERS 3.1.4.2).

use crate::answer;
use crate::error::Result;
use crate::model::XmlElement;
use crate::op::find_people::{Persona, persona};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks for all that is known of somebody, from all that speaks of the same person (GetPersona,
/// MS-OXWSPERS 3.1.4.2).
#[derive(Clone, Debug)]
pub struct GetPersona {
    /// The id, as [`FindPeople`](crate::FindPeople) gives it.
    pub id: String,
}

/// Somebody, in full (GetPersona's answer, MS-OXWSPERS 3.1.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonaDetails {
    /// What FindPeople tells too.
    pub persona: Persona,
    /// The given name.
    pub given_name: Option<String>,
    /// The surname.
    pub surname: Option<String>,
    /// The company.
    pub company_name: Option<String>,
    /// Everything that the server told (`PersonaType`): phone numbers and addresses with their
    /// origins among it.
    pub element: XmlElement,
}

impl Operation for GetPersona {
    const NAME: &'static str = "GetPersona";
    const IDEMPOTENT: bool = true;
    type Answer = PersonaDetails;

    fn validate(&self) -> Result<()> {
        require(!self.id.is_empty(), "no persona id given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:GetPersona");
        writer.open("m:PersonaId").attribute("Id", &self.id).close();
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let found = answer::required(message, "Persona")?;
        let text = |name| found.child_text(name).map(str::to_owned);
        Ok(PersonaDetails {
            persona: persona(found),
            given_name: text("GivenName"),
            surname: text("Surname"),
            company_name: text("CompanyName"),
            element: XmlElement::from_node(found)?,
        })
    }
}
