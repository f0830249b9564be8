//! GetInboxRules and UpdateInboxRules (MS-OXWSRULES 3.1.4).

use crate::answer;
use crate::error::{Result, quote};
use crate::model::{InboxRule, ItemError, XmlElement};
use crate::op::{Operation, require};
use crate::response_code::ResponseCode;
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks for a mailbox's inbox rules (GetInboxRules, MS-OXWSRULES 3.1.4.1).
#[derive(Clone, Debug, Default)]
pub struct GetInboxRules {
    /// The mailbox's SMTP address; `None` for the caller's (or the impersonated) one.
    pub mailbox: Option<String>,
}

/// A mailbox's rules (GetInboxRules' answer, MS-OXWSRULES 3.1.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxRules {
    /// Whether Outlook keeps rules of its own there, which any change by EWS throws away.
    pub outlook_rule_blob_exists: Option<bool>,
    /// The rules in their order.
    pub rules: Vec<InboxRule>,
}

/// Changes a mailbox's rules (UpdateInboxRules, MS-OXWSRULES 3.1.4.2): all operations, or none
/// of them.
#[derive(Clone, Debug)]
pub struct UpdateInboxRules {
    /// The mailbox's SMTP address; `None` for the caller's (or the impersonated) one.
    pub mailbox: Option<String>,
    /// Whether Outlook's own rules may be thrown away; refused otherwise where there are some.
    pub remove_outlook_rule_blob: bool,
    /// What to do; at least one.
    pub operations: Vec<RuleOperation>,
}

/// One change of the rules (`RuleOperationType`, MS-OXWSRULES 3.1.4.2.3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOperation {
    /// A new rule; its id is not sent.
    Create(InboxRule),
    /// Replaces the rule of that id.
    Set(InboxRule),
    /// Removes the rule of that id.
    Delete(String),
}

/// Why the server refused a change (`RuleValidationErrorType`, MS-OXWSRULES 3.1.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleError {
    /// Which of the operations, from 0.
    pub operation: usize,
    /// The part of the rule, for example `Action:MoveToFolder`.
    pub field: String,
    /// The server's code, for example `FolderDoesNotExist`.
    pub code: String,
    /// The server's text, one line.
    pub message: String,
}

impl Operation for GetInboxRules {
    const NAME: &'static str = "GetInboxRules";
    const IDEMPOTENT: bool = true;
    type Answer = InboxRules;

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:GetInboxRules");
        if let Some(mailbox) = &self.mailbox {
            writer.leaf("m:MailboxSmtpAddress", mailbox);
        }
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let list = message.child("InboxRules").into_iter();
        let rules = list.flat_map(Node::children).map(|rule| {
            let element = XmlElement::from_node(rule)?;
            InboxRule::from_element(&element)
        });
        Ok(InboxRules {
            outlook_rule_blob_exists: message.child_bool("OutlookRuleBlobExists"),
            rules: rules.collect::<Result<_>>()?,
        })
    }
}

impl Operation for UpdateInboxRules {
    const NAME: &'static str = "UpdateInboxRules";
    // A repeat would create the rules twice.
    const IDEMPOTENT: bool = false;
    /// Empty when everything was done; otherwise why nothing was.
    type Answer = Vec<RuleError>;

    fn validate(&self) -> Result<()> {
        require(!self.operations.is_empty(), "no rule operation given")?;
        let named = self.operations.iter().all(|operation| match operation {
            RuleOperation::Set(rule) => rule.id.is_some(),
            _ => true,
        });
        require(named, "a rule to be replaced without its id")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:UpdateInboxRules");
        if let Some(mailbox) = &self.mailbox {
            writer.leaf("m:MailboxSmtpAddress", mailbox);
        }
        writer.leaf("m:RemoveOutlookRuleBlob", self.remove_outlook_rule_blob);
        writer.open("m:Operations");
        for operation in &self.operations {
            match operation {
                RuleOperation::Create(rule) => {
                    writer.open("t:CreateRuleOperation");
                    rule.write(writer, true);
                }
                RuleOperation::Set(rule) => {
                    writer.open("t:SetRuleOperation");
                    rule.write(writer, false);
                }
                RuleOperation::Delete(id) => {
                    writer.open("t:DeleteRuleOperation").leaf("t:RuleId", id);
                }
            }
            writer.close();
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::messages(response).into_iter().next();
        let message = message.unwrap_or(response);
        match answer::outcome(message) {
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.code == ResponseCode::ErrorInboxRulesValidationError => {
                let errors = rule_errors(message);
                if errors.is_empty() {
                    return Err(error.into_error());
                }
                Ok(errors)
            }
            Err(error) => Err(ItemError::into_error(error)),
        }
    }
}

fn rule_errors(message: Node<'_>) -> Vec<RuleError> {
    let mut found = Vec::new();
    let list = message.child("RuleOperationErrors").into_iter();
    for operation in list.flat_map(Node::children) {
        let index = operation.child_value("OperationIndex").unwrap_or(0);
        let errors = operation.child("ValidationErrors").into_iter();
        for error in errors.flat_map(Node::children) {
            let text = |name| error.child_text(name).map(quote).unwrap_or_default();
            found.push(RuleError {
                operation: index,
                field: text("FieldURI"),
                code: text("ErrorCode"),
                message: text("ErrorMessage"),
            });
        }
    }
    found
}
