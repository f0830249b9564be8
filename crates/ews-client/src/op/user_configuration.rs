//! GetUserConfiguration, CreateUserConfiguration, UpdateUserConfiguration and
//! DeleteUserConfiguration (MS-OXWSUSRCFG 3.1.4).

use crate::answer;
use crate::error::Result;
use crate::model::{UserConfiguration, UserConfigurationName, XmlElement};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks for a user configuration object with everything in it (GetUserConfiguration,
/// MS-OXWSUSRCFG 3.1.4.3).
#[derive(Clone, Debug)]
pub struct GetUserConfiguration {
    /// Its name and folder.
    pub name: UserConfigurationName,
}

/// Creates a user configuration object; refused where there is one of its name
/// (CreateUserConfiguration, MS-OXWSUSRCFG 3.1.4.1).
#[derive(Clone, Debug)]
pub struct CreateUserConfiguration {
    /// The object.
    pub configuration: UserConfiguration,
}

/// Replaces what a user configuration object holds (UpdateUserConfiguration, MS-OXWSUSRCFG
/// 3.1.4.4): the parts that are given, as wholes.
#[derive(Clone, Debug)]
pub struct UpdateUserConfiguration {
    /// The object.
    pub configuration: UserConfiguration,
}

/// Deletes a user configuration object (DeleteUserConfiguration, MS-OXWSUSRCFG 3.1.4.2).
#[derive(Clone, Debug)]
pub struct DeleteUserConfiguration {
    /// Its name and folder.
    pub name: UserConfigurationName,
}

impl Operation for GetUserConfiguration {
    const NAME: &'static str = "GetUserConfiguration";
    const IDEMPOTENT: bool = true;
    type Answer = UserConfiguration;

    fn validate(&self) -> Result<()> {
        named(&self.name)
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:GetUserConfiguration");
        in_messages(writer, &self.name.to_element());
        writer.leaf("m:UserConfigurationProperties", "All").close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let node = answer::required(message, "UserConfiguration")?;
        UserConfiguration::from_element(&XmlElement::from_node(node)?)
    }
}

impl Operation for CreateUserConfiguration {
    const NAME: &'static str = "CreateUserConfiguration";
    // A repeat finds the object there already.
    const IDEMPOTENT: bool = false;
    type Answer = ();

    fn validate(&self) -> Result<()> {
        named(&self.configuration.name)
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:CreateUserConfiguration");
        in_messages(writer, &self.configuration.to_update());
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::single(response).map(drop)
    }
}

impl Operation for UpdateUserConfiguration {
    const NAME: &'static str = "UpdateUserConfiguration";
    const IDEMPOTENT: bool = true;
    type Answer = ();

    fn validate(&self) -> Result<()> {
        named(&self.configuration.name)
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:UpdateUserConfiguration");
        in_messages(writer, &self.configuration.to_update());
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::single(response).map(drop)
    }
}

impl Operation for DeleteUserConfiguration {
    const NAME: &'static str = "DeleteUserConfiguration";
    // A repeat finds the object gone.
    const IDEMPOTENT: bool = false;
    type Answer = ();

    fn validate(&self) -> Result<()> {
        named(&self.name)
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:DeleteUserConfiguration");
        in_messages(writer, &self.name.to_element());
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::single(response).map(drop)
    }
}

fn named(name: &UserConfigurationName) -> Result<()> {
    require(!name.name.is_empty(), "a user configuration without a name")
}

/// Writes an element whose own name is in the messages namespace, unlike what is in it.
fn in_messages(writer: &mut Writer, element: &XmlElement) {
    writer.open(format!("m:{}", element.name));
    for (name, value) in &element.attributes {
        writer.attribute(name, value);
    }
    for child in &element.children {
        child.write(writer);
    }
    writer.close();
}
