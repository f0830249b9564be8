//! GetDelegate, AddDelegate, UpdateDelegate and RemoveDelegate (MS-OXWSDLGM 3.1.4).

use crate::answer;
use crate::error::{Error, Result};
use crate::model::{Delegate, DeliverMeetingRequests, ItemError, Outcome, UserId, XmlElement};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks who acts for a mailbox's owner (GetDelegate, MS-OXWSDLGM 3.1.4).
#[derive(Clone, Debug)]
pub struct GetDelegate {
    /// The mailbox's SMTP address.
    pub mailbox: String,
    /// Whom to tell about; empty for all.
    pub users: Vec<UserId>,
    /// Whether to tell the roles too.
    pub include_permissions: bool,
}

impl GetDelegate {
    /// All delegates of a mailbox with their roles.
    pub fn all(mailbox: impl Into<String>) -> GetDelegate {
        GetDelegate {
            mailbox: mailbox.into(),
            users: Vec::new(),
            include_permissions: true,
        }
    }
}

/// A mailbox's delegates (GetDelegate's answer, MS-OXWSDLGM 3.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegates {
    /// The delegates; one whose account is gone is an error in its place.
    pub delegates: Vec<Outcome<Delegate>>,
    /// Who gets meeting requests.
    pub deliver_meeting_requests: Option<DeliverMeetingRequests>,
}

/// Makes somebody a delegate (AddDelegate, MS-OXWSDLGM 3.1.4.1).
#[derive(Clone, Debug)]
pub struct AddDelegate {
    /// The mailbox's SMTP address.
    pub mailbox: String,
    /// The delegates; at least one. Those the mailbox has are refused.
    pub delegates: Vec<Delegate>,
    /// Who gets meeting requests; `None` leaves it.
    pub deliver_meeting_requests: Option<DeliverMeetingRequests>,
}

/// Changes delegates (UpdateDelegate, MS-OXWSDLGM 3.1.4).
#[derive(Clone, Debug)]
pub struct UpdateDelegate {
    /// The mailbox's SMTP address.
    pub mailbox: String,
    /// The delegates; what is `None` stays.
    pub delegates: Vec<Delegate>,
    /// Who gets meeting requests; `None` leaves it.
    pub deliver_meeting_requests: Option<DeliverMeetingRequests>,
}

/// Ends delegations (RemoveDelegate, MS-OXWSDLGM 3.1.4).
#[derive(Clone, Debug)]
pub struct RemoveDelegate {
    /// The mailbox's SMTP address.
    pub mailbox: String,
    /// The delegates; at least one.
    pub users: Vec<UserId>,
}

impl Operation for GetDelegate {
    const NAME: &'static str = "GetDelegate";
    const IDEMPOTENT: bool = true;
    type Answer = Delegates;

    fn validate(&self) -> Result<()> {
        mailbox_given(&self.mailbox)
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        let include = if self.include_permissions {
            "true"
        } else {
            "false"
        };
        writer
            .open("m:GetDelegate")
            .attribute("IncludePermissions", include);
        mailbox(writer, &self.mailbox);
        if !self.users.is_empty() {
            user_ids(writer, &self.users);
        }
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let deliver = response.child_text("DeliverMeetingRequests");
        let mut delegates = Vec::new();
        for message in user_messages(response)? {
            delegates.push(match answer::outcome(message) {
                Ok(message) => Ok(delegate(message)?),
                Err(error) => Err(error),
            });
        }
        Ok(Delegates {
            delegates,
            deliver_meeting_requests: deliver.and_then(DeliverMeetingRequests::parse),
        })
    }
}

impl Operation for AddDelegate {
    const NAME: &'static str = "AddDelegate";
    // A repeat finds the delegates there already.
    const IDEMPOTENT: bool = false;
    /// The delegates as the server has them now.
    type Answer = Vec<Outcome<Delegate>>;

    fn validate(&self) -> Result<()> {
        mailbox_given(&self.mailbox)?;
        require(!self.delegates.is_empty(), "no delegate given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:AddDelegate");
        mailbox(writer, &self.mailbox);
        delegate_users(writer, &self.delegates, self.deliver_meeting_requests);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.delegates.len(), delegate)
    }
}

impl Operation for UpdateDelegate {
    const NAME: &'static str = "UpdateDelegate";
    const IDEMPOTENT: bool = true;
    /// The delegates as the server has them now.
    type Answer = Vec<Outcome<Delegate>>;

    fn validate(&self) -> Result<()> {
        mailbox_given(&self.mailbox)?;
        require(
            !self.delegates.is_empty() || self.deliver_meeting_requests.is_some(),
            "nothing to change",
        )
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:UpdateDelegate");
        mailbox(writer, &self.mailbox);
        delegate_users(writer, &self.delegates, self.deliver_meeting_requests);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        if self.delegates.is_empty() {
            answer::single(response)?;
            return Ok(Vec::new());
        }
        answer::outcomes(response, self.delegates.len(), delegate)
    }
}

impl Operation for RemoveDelegate {
    const NAME: &'static str = "RemoveDelegate";
    // A repeat finds the delegates gone.
    const IDEMPOTENT: bool = false;
    type Answer = Vec<Outcome<()>>;

    fn validate(&self) -> Result<()> {
        mailbox_given(&self.mailbox)?;
        require(!self.users.is_empty(), "no delegate given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:RemoveDelegate");
        mailbox(writer, &self.mailbox);
        user_ids(writer, &self.users);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.users.len(), |_| Ok(()))
    }
}

fn mailbox_given(mailbox: &str) -> Result<()> {
    require(!mailbox.trim().is_empty(), "no mailbox given")
}

fn mailbox(writer: &mut Writer, address: &str) {
    writer
        .open("m:Mailbox")
        .leaf("t:EmailAddress", address)
        .close();
}

fn user_ids(writer: &mut Writer, users: &[UserId]) {
    writer.open("m:UserIds");
    for user in users {
        user.to_element().write(writer);
    }
    writer.close();
}

fn delegate_users(
    writer: &mut Writer,
    delegates: &[Delegate],
    deliver: Option<DeliverMeetingRequests>,
) {
    if !delegates.is_empty() {
        writer.open("m:DelegateUsers");
        for delegate in delegates {
            delegate.to_element().write(writer);
        }
        writer.close();
    }
    if let Some(deliver) = deliver {
        writer.leaf("m:DeliverMeetingRequests", deliver);
    }
}

/// The messages about single delegates; a failure of the whole is the call's.
fn user_messages(response: Node<'_>) -> Result<Vec<Node<'_>>> {
    match response.child("ResponseMessages") {
        Some(list) => Ok(list.children().collect()),
        None => {
            answer::outcome(response).map_err(ItemError::into_error)?;
            Ok(Vec::new())
        }
    }
}

fn delegate(message: Node<'_>) -> Result<Delegate> {
    let user = message.child("DelegateUser");
    let user = user.ok_or_else(|| Error::protocol("an answer without its DelegateUser"))?;
    Delegate::from_element(&XmlElement::from_node(user)?)
}
