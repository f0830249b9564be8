//! ResolveNames (MS-OXWSRSLNM 3.1.4.1).

use crate::answer;
use crate::error::{Error, Result};
use crate::model::property::named;
use crate::model::{EmailAddress, ItemError};
use crate::op::{Operation, require};
use crate::response_code::ResponseCode;
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

named! {
    /// Where to look, in which order (`ResolveNamesSearchScopeType`, MS-OXWSRSLNM
    /// 3.1.4.1).
    SearchScope {
        ActiveDirectory, ActiveDirectoryContacts, Contacts, ContactsActiveDirectory,
    }
}

/// Looks up whom an ambiguous name means (ResolveNames, MS-OXWSRSLNM 3.1.4.1).
#[derive(Clone, Debug)]
pub struct ResolveNames {
    /// Part of a name or address, not empty. `smtp:` in front matches an address exactly.
    pub unresolved: String,
    /// Where to look.
    pub scope: SearchScope,
}

/// One who may be meant (`ResolutionType`, MS-OXWSRSLNM 3.1.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Name and address.
    pub mailbox: EmailAddress,
}

impl Operation for ResolveNames {
    const NAME: &'static str = "ResolveNames";
    const IDEMPOTENT: bool = true;
    /// Everyone it may mean; nobody found is an empty list. Exchange lists 100 at most.
    type Answer = Vec<Resolution>;

    fn validate(&self) -> Result<()> {
        require(!self.unresolved.trim().is_empty(), "no name given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:ResolveNames")
            .attribute("ReturnFullContactData", "false")
            .attribute("SearchScope", self.scope.as_str())
            .leaf("m:UnresolvedEntry", &self.unresolved)
            .close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::messages(response).into_iter().next();
        let message =
            message.ok_or_else(|| Error::protocol("the answer holds no response message"))?;
        match answer::outcome(message) {
            Ok(message) => {
                let set = message
                    .child("ResolutionSet")
                    .into_iter()
                    .flat_map(Node::children);
                Ok(set.map(resolution).collect())
            }
            Err(error) if error.code == ResponseCode::ErrorNameResolutionNoResults => {
                Ok(Vec::new())
            }
            Err(error) => Err(ItemError::into_error(error)),
        }
    }
}

fn resolution(node: Node<'_>) -> Resolution {
    let mailbox = node
        .child("Mailbox")
        .map(answer::email_address)
        .unwrap_or_default();
    Resolution { mailbox }
}
