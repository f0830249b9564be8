//! GetUserOofSettings and SetUserOofSettings (MS-OXWOOF 3.1.4).

use crate::answer;
use crate::error::Result;
use crate::model::{ExternalAudience, OofSettings, XmlElement};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks for a mailbox's out-of-office settings (GetUserOofSettings, MS-OXWOOF 3.1.4.1).
#[derive(Clone, Debug)]
pub struct GetUserOofSettings {
    /// The mailbox's SMTP address.
    pub mailbox: String,
}

/// A mailbox's out-of-office settings, and what the organisation allows (GetUserOofSettings'
/// answer, MS-OXWOOF 3.1.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserOof {
    /// The settings.
    pub settings: OofSettings,
    /// Who outside may get a reply at all.
    pub allow_external: Option<ExternalAudience>,
}

/// Sets a mailbox's out-of-office settings (SetUserOofSettings, MS-OXWOOF 3.1.4.2).
#[derive(Clone, Debug)]
pub struct SetUserOofSettings {
    /// The mailbox's SMTP address.
    pub mailbox: String,
    /// The settings.
    pub settings: OofSettings,
}

impl Operation for GetUserOofSettings {
    const NAME: &'static str = "GetUserOofSettings";
    const IDEMPOTENT: bool = true;
    type Answer = UserOof;

    fn validate(&self) -> Result<()> {
        require(!self.mailbox.trim().is_empty(), "no mailbox given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:GetUserOofSettingsRequest");
        mailbox(writer, &self.mailbox);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::single(response)?;
        let settings = answer::required(response, "OofSettings")?;
        let allow = response.child_text("AllowExternalOof");
        Ok(UserOof {
            settings: OofSettings::from_element(&XmlElement::from_node(settings)?)?,
            allow_external: allow.and_then(ExternalAudience::parse),
        })
    }
}

impl Operation for SetUserOofSettings {
    const NAME: &'static str = "SetUserOofSettings";
    const IDEMPOTENT: bool = true;
    type Answer = ();

    fn validate(&self) -> Result<()> {
        require(!self.mailbox.trim().is_empty(), "no mailbox given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:SetUserOofSettingsRequest");
        mailbox(writer, &self.mailbox);
        self.settings.to_update().write(writer);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::single(response).map(drop)
    }
}

fn mailbox(writer: &mut Writer, address: &str) {
    writer
        .open("t:Mailbox")
        .leaf("t:Address", address)
        .leaf("t:RoutingType", "SMTP")
        .close();
}
