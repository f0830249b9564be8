//! Inbox rules (MS-OXWSRULES).

use crate::error::{Error, Result};
use crate::model::xml_element::{Parts, XmlElement, expect_name, flag_of, text_of};
use crate::xml::Writer;

/// What `RulePredicatesType` may hold, in its order.
const PREDICATES: &[&str] = &[
    "Categories",
    "ContainsBodyStrings",
    "ContainsHeaderStrings",
    "ContainsRecipientStrings",
    "ContainsSenderStrings",
    "ContainsSubjectOrBodyStrings",
    "ContainsSubjectStrings",
    "FlaggedForAction",
    "FromAddresses",
    "FromConnectedAccounts",
    "HasAttachments",
    "Importance",
    "IsApprovalRequest",
    "IsAutomaticForward",
    "IsAutomaticReply",
    "IsEncrypted",
    "IsMeetingRequest",
    "IsMeetingResponse",
    "IsNDR",
    "IsPermissionControlled",
    "IsReadReceipt",
    "IsSigned",
    "IsVoicemail",
    "ItemClasses",
    "MessageClassifications",
    "NotSentToMe",
    "SentCcMe",
    "SentOnlyToMe",
    "SentToAddresses",
    "SentToMe",
    "SentToOrCcMe",
    "Sensitivity",
    "WithinDateRange",
    "WithinSizeRange",
];

/// What `RuleActionsType` may hold, in its order.
const ACTIONS: &[&str] = &[
    "AssignCategories",
    "CopyToFolder",
    "Delete",
    "ForwardAsAttachmentToRecipients",
    "ForwardToRecipients",
    "MarkImportance",
    "MarkAsRead",
    "MoveToFolder",
    "PermanentDelete",
    "RedirectToRecipients",
    "SendSMSAlertToRecipients",
    "ServerReplyWithMessage",
    "StopProcessingRules",
];

/// A rule (`RuleType`, MS-OXWSRULES 2.2.4.5). Conditions, exceptions and actions are kept as they
/// came; of those, what the schema knows can be written again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InboxRule {
    /// Its id; `None` for a rule to be created.
    pub id: Option<String>,
    /// Its name.
    pub display_name: String,
    /// Its place in the order, from 1.
    pub priority: i32,
    /// Whether it is in force.
    pub is_enabled: bool,
    /// Whether it has parts that EWS cannot express; such a rule cannot be set.
    pub is_not_supported: Option<bool>,
    /// Whether the server found it broken.
    pub is_in_error: Option<bool>,
    /// When it applies, as `Conditions`; `None`: always.
    pub conditions: Option<XmlElement>,
    /// When it does not, as `Exceptions`.
    pub exceptions: Option<XmlElement>,
    /// What it does, as `Actions`.
    pub actions: Option<XmlElement>,
}

impl InboxRule {
    /// The schema's form, as `Rule`, with everything that was read.
    pub fn to_element(&self) -> XmlElement {
        let mut parts = self.head(self.id.as_deref());
        parts.flag("IsNotSupported", self.is_not_supported);
        parts.flag("IsInError", self.is_in_error);
        let rest = [&self.conditions, &self.exceptions, &self.actions];
        parts.0.extend(rest.into_iter().flatten().cloned());
        parts.of("Rule")
    }

    /// Reads the schema's form.
    ///
    /// # Errors
    ///
    /// `Protocol` for another element.
    pub fn from_element(element: &XmlElement) -> Result<InboxRule> {
        expect_name(element, &["Rule"])?;
        let priority = element.child_text("Priority").map(str::trim);
        Ok(InboxRule {
            id: text_of(element, "RuleId"),
            display_name: element
                .child_text("DisplayName")
                .unwrap_or_default()
                .to_owned(),
            priority: match priority {
                Some(text) => text
                    .parse()
                    .map_err(|_| Error::protocol("a rule's Priority is no number"))?,
                None => 1,
            },
            is_enabled: flag_of(element, "IsEnabled").unwrap_or(true),
            is_not_supported: flag_of(element, "IsNotSupported"),
            is_in_error: flag_of(element, "IsInError"),
            conditions: element.child("Conditions").cloned(),
            exceptions: element.child("Exceptions").cloned(),
            actions: element.child("Actions").cloned(),
        })
    }

    /// The ids of the folders that the actions name, in order; folders named by their fixed name
    /// are not among them.
    pub fn folder_ids(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut copy = self.actions.clone();
        visit_folder_ids(copy.as_mut(), &mut |id| found.push(id.clone()));
        found
    }

    /// Replaces the ids of the folders that the actions name, for another mailbox. Change keys
    /// are dropped.
    pub fn map_folder_ids(&mut self, mut map: impl FnMut(&str) -> String) {
        visit_folder_ids(self.actions.as_mut(), &mut |id| *id = map(id));
    }

    fn head(&self, id: Option<&str>) -> Parts {
        let mut parts = Parts::default();
        parts.text("RuleId", id);
        parts.text("DisplayName", Some(&self.display_name));
        parts.text("Priority", Some(&self.priority.to_string()));
        parts.flag("IsEnabled", Some(self.is_enabled));
        parts
    }

    /// Writes what a server takes; without its id where the rule is new.
    pub(crate) fn write(&self, writer: &mut Writer, is_new: bool) {
        writer.open("t:Rule");
        for part in self.head(self.id.as_deref().filter(|_| !is_new)).0 {
            part.write(writer);
        }
        for (element, known) in [
            (&self.conditions, PREDICATES),
            (&self.exceptions, PREDICATES),
            (&self.actions, ACTIONS),
        ] {
            if let Some(element) = element {
                element.write_known(writer, known);
            }
        }
        writer.close();
    }
}

fn visit_folder_ids(actions: Option<&mut XmlElement>, visit: &mut impl FnMut(&mut String)) {
    let Some(actions) = actions else { return };
    actions.visit_mut("FolderId", &mut |element| {
        element.attributes.retain(|(name, _)| name != "ChangeKey");
        for (name, value) in &mut element.attributes {
            if name == "Id" {
                visit(value);
            }
        }
    });
}
