//! Reading the elements that several operations share: leniently, what is missing stays empty.

use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, Result, quote};
use crate::model::time;
use crate::model::{
    Body, DistinguishedPropertySet, EmailAddress, ExtendedKey, ExtendedPath, ExtendedProperty,
    Folder, FolderId, FolderKind, FolderPermissions, Importance, Item, ItemError, ItemId, ItemKind,
    MapiType, Outcome, PropertySet, PropertyValue, Sensitivity, SyncState, XmlElement,
};
use crate::op::item_fields;
use crate::response_code::ResponseCode;
use crate::xml::Node;

/// Longest back-off believed: a server asking for more is asked again after this.
pub(crate) const MAX_BACK_OFF: Duration = Duration::from_secs(3600);
/// Most named values of a MessageXml kept.
const MAX_VALUES: usize = 32;

/// The response messages of a response element.
pub(crate) fn messages<'d>(response: Node<'d>) -> Vec<Node<'d>> {
    match response.child("ResponseMessages") {
        Some(list) => list.children().collect(),
        // Operations of one message, and servers that leave the wrapper out.
        None => {
            let found: Vec<Node<'_>> = response
                .children()
                .filter(|child| child.name().ends_with("ResponseMessage"))
                .collect();
            // The answers about rules and delegates are messages themselves.
            if found.is_empty() && response.attribute("ResponseClass").is_some() {
                return vec![response];
            }
            found
        }
    }
}

/// Splits a response message into success and failure.
pub(crate) fn outcome(message: Node<'_>) -> Outcome<Node<'_>> {
    let code = message.child_text("ResponseCode").map(ResponseCode::parse);
    let failed = match message.attribute("ResponseClass").map(str::trim) {
        Some("Success") => false,
        // A stopped batch comes as a warning, though nothing was done for this entry.
        Some("Warning") => code == Some(ResponseCode::ErrorBatchProcessingStopped),
        Some("Error") => true,
        _ => code.as_ref().is_some_and(|code| !code.is_success()),
    };
    if failed {
        Err(item_error(message, code))
    } else {
        Ok(message)
    }
}

fn item_error(message: Node<'_>, code: Option<ResponseCode>) -> ItemError {
    let text = message
        .child_text("MessageText")
        .map(quote)
        .unwrap_or_default();
    let code = code.unwrap_or_else(|| ResponseCode::Other("".into()));
    let mut error = ItemError::new(code, text);
    if let Some(xml) = message.child("MessageXml") {
        error.values = message_values(xml);
        error.back_off = back_off(&error.values);
    }
    error
}

/// The named values of a `MessageXml` element.
pub(crate) fn message_values(xml: Node<'_>) -> Vec<(String, String)> {
    xml.children()
        .take(MAX_VALUES)
        .map(|value| {
            (
                value.attribute("Name").unwrap_or(value.name()).to_owned(),
                quote(value.text()),
            )
        })
        .collect()
}

/// The server's own number of milliseconds, if it gave one.
pub(crate) fn back_off(values: &[(String, String)]) -> Option<Duration> {
    let (_, text) = values
        .iter()
        .find(|(name, _)| name == "BackOffMilliseconds")?;
    Some(Duration::from_millis(text.trim().parse().ok()?).min(MAX_BACK_OFF))
}

/// One outcome per request entry, in the request's order.
///
/// Servers that answer a whole batch with one error mean it for every entry; entries without any
/// answer say so, rather than letting a later answer slip into their place.
pub(crate) fn outcomes<T>(
    response: Node<'_>,
    requested: usize,
    mut read: impl FnMut(Node<'_>) -> Result<T>,
) -> Result<Vec<Outcome<T>>> {
    let messages = messages(response);
    if messages.is_empty() {
        return Err(Error::protocol("the answer holds no response message"));
    }
    if messages.len() > requested {
        return Err(Error::protocol(format!(
            "{} answers to {requested} request entries",
            messages.len()
        )));
    }
    let mut outcomes = Vec::with_capacity(requested);
    for message in &messages {
        outcomes.push(match outcome(*message) {
            // An entry that cannot be read is that entry's failure alone.
            Ok(node) => read(node)
                .map_err(|error| ItemError::new(ResponseCode::CorruptData, error.to_string())),
            Err(error) => Err(error),
        });
    }
    let rest = match outcomes.as_slice() {
        [Err(only)] => only.clone(),
        _ => not_answered(),
    };
    outcomes.resize_with(requested, || Err(rest.clone()));
    Ok(outcomes)
}

pub(crate) fn not_answered() -> ItemError {
    ItemError::new(
        ResponseCode::NotAnswered,
        "the server did not answer for this entry",
    )
}

/// The only response message of an operation that has one; its failure is the call's.
pub(crate) fn single(response: Node<'_>) -> Result<Node<'_>> {
    let message = messages(response).into_iter().next();
    let message = message.ok_or_else(|| Error::protocol("the answer holds no response message"))?;
    outcome(message).map_err(ItemError::into_error)
}

/// The state to continue a sync from. Where nothing changed, a missing one is the one given.
pub(crate) fn sync_state(
    message: Node<'_>,
    given: Option<&SyncState>,
    unchanged: bool,
) -> Result<SyncState> {
    let text = message
        .child_text("SyncState")
        .map(str::trim)
        .filter(|text| !text.is_empty());
    match (text, given) {
        (Some(text), _) => Ok(SyncState(text.to_owned())),
        (None, Some(given)) if unchanged => Ok(given.clone()),
        _ => Err(Error::protocol(format!(
            "{} lacks SyncState",
            message.name()
        ))),
    }
}

/// An element that must be there.
pub(crate) fn required<'d>(node: Node<'d>, name: &str) -> Result<Node<'d>> {
    node.child(name)
        .ok_or_else(|| Error::protocol(format!("{} lacks {name}", node.name())))
}

pub(crate) fn item_id(node: Node<'_>) -> Option<ItemId> {
    let id = node.attribute("Id")?;
    let change_key = node.attribute("ChangeKey").filter(|key| !key.is_empty());
    Some(ItemId {
        id: id.to_owned(),
        change_key: change_key.map(str::to_owned),
    })
}

pub(crate) fn folder_id(node: Node<'_>) -> Option<FolderId> {
    item_id(node).map(|ItemId { id, change_key }| FolderId { id, change_key })
}

/// Reads a folder element; `None` if the element is none.
pub(crate) fn folder(node: Node<'_>) -> Option<Folder> {
    let kind = match node.name() {
        "CalendarFolder" => FolderKind::Calendar,
        "ContactsFolder" => FolderKind::Contacts,
        "TasksFolder" => FolderKind::Tasks,
        "SearchFolder" => FolderKind::Search,
        _ => FolderKind::Folder,
    };
    let text = |name| node.child_text(name).map(str::to_owned);
    Some(Folder {
        id: folder_id(node.child("FolderId")?)?,
        parent: node.child("ParentFolderId").and_then(folder_id),
        display_name: text("DisplayName").unwrap_or_default(),
        class: text("FolderClass"),
        distinguished_id: text("DistinguishedFolderId").filter(|id| !id.trim().is_empty()),
        kind,
        total_count: node.child_value("TotalCount"),
        unread_count: node.child_value("UnreadCount"),
        child_folder_count: node.child_value("ChildFolderCount"),
        permissions: node.child("PermissionSet").and_then(permissions),
        replica_list: node
            .child("ReplicaList")
            .into_iter()
            .flat_map(Node::children)
            .map(|entry| entry.text().to_owned())
            .collect(),
        extended: extended_properties(node),
    })
}

/// Reads permissions; a set that nests beyond all bounds is left out.
fn permissions(node: Node<'_>) -> Option<FolderPermissions> {
    let element = XmlElement::from_node(node).ok()?;
    FolderPermissions::from_element(&element).ok()
}

/// Reads an item element.
pub(crate) fn item(node: Node<'_>) -> Result<Item> {
    let mut item = Item::default();
    fill(&mut item, node)?;
    Ok(item)
}

/// Reads an item into its place: there are many, and each is large.
pub(crate) fn fill(item: &mut Item, node: Node<'_>) -> Result<()> {
    item.kind = ItemKind::parse(node.name());
    for child in node.children() {
        let text = || Some(child.text().to_owned());
        match child.name() {
            "ItemId" => item.id = item_id(child),
            "ParentFolderId" => item.parent_folder_id = folder_id(child),
            "ItemClass" => item.item_class = text(),
            "Subject" => item.subject = text(),
            "Size" => item.size = child.text().trim().parse().ok(),
            "DateTimeReceived" => item.date_time_received = time::parse(child.text()),
            "DateTimeSent" => item.date_time_sent = time::parse(child.text()),
            "DateTimeCreated" => item.date_time_created = time::parse(child.text()),
            "LastModifiedTime" => item.last_modified = time::parse(child.text()),
            "IsRead" => item.is_read = crate::xml::parse_bool(child.text()),
            "IsDraft" => item.is_draft = crate::xml::parse_bool(child.text()),
            "HasAttachments" => item.has_attachments = crate::xml::parse_bool(child.text()),
            "IsAssociated" => item.is_associated = crate::xml::parse_bool(child.text()),
            "InternetMessageId" => item.internet_message_id = text(),
            "From" => item.from = child.child("Mailbox").map(email_address),
            "Importance" => item.importance = Importance::parse(child.text()),
            "Sensitivity" => item.sensitivity = Sensitivity::parse(child.text()),
            "Body" => item.body = Some(body(child)),
            "MimeContent" => item.mime_content = Some(mime_content(child)?),
            "Categories" => {
                item.categories = child.children().map(|c| c.text().to_owned()).collect()
            }
            "UID" => item.uid = text(),
            "ExtendedProperty" => item.extended.extend(extended_property(child)),
            _ => item.fields.extend(item_fields::read(&item.kind, child)),
        }
    }
    Ok(())
}

fn body(node: Node<'_>) -> Body {
    let kind = node.attribute("BodyType").unwrap_or_default();
    Body {
        is_html: kind.eq_ignore_ascii_case("HTML"),
        text: node.text().to_owned(),
    }
}

fn mime_content(node: Node<'_>) -> Result<Bytes> {
    base64_simd::forgiving_decode_to_vec(node.text().as_bytes())
        .map(Bytes::from)
        .map_err(|_| Error::protocol("MimeContent is not base64"))
}

/// The items of an `Items` element, or of whatever wraps them.
pub(crate) fn items(list: Node<'_>) -> Result<Vec<Item>> {
    list.children().map(item).collect()
}

pub(crate) fn email_address(node: Node<'_>) -> EmailAddress {
    let text = |name| {
        node.child_text(name)
            .map(str::to_owned)
            .filter(|text| !text.is_empty())
    };
    EmailAddress {
        name: text("Name"),
        address: text("EmailAddress"),
        routing_type: text("RoutingType"),
        mailbox_type: text("MailboxType"),
    }
}

fn extended_properties(node: Node<'_>) -> Vec<ExtendedProperty> {
    let children = node
        .children()
        .filter(|child| child.name() == "ExtendedProperty");
    children.filter_map(extended_property).collect()
}

/// Reads an extended property; one with a path this client cannot express is left out.
fn extended_property(node: Node<'_>) -> Option<ExtendedProperty> {
    let path = extended_path(node.child("ExtendedFieldURI")?)?;
    let value = match node.child("Values") {
        Some(values) => {
            PropertyValue::Multiple(values.children().map(|v| v.text().to_owned()).collect())
        }
        None => PropertyValue::Single(node.child_text("Value").unwrap_or_default().to_owned()),
    };
    Some(ExtendedProperty { path, value })
}

pub(crate) fn extended_path(node: Node<'_>) -> Option<ExtendedPath> {
    let kind = MapiType::parse(node.attribute("PropertyType")?)?;
    if let Some(tag) = node.attribute("PropertyTag") {
        return Some(ExtendedPath {
            key: ExtendedKey::Tag(property_tag(tag)?),
            kind,
        });
    }
    let set = match (
        node.attribute("DistinguishedPropertySetId"),
        node.attribute("PropertySetId"),
    ) {
        (Some(name), _) => PropertySet::Distinguished(DistinguishedPropertySet::parse(name)?),
        (None, Some(guid)) => PropertySet::Guid(guid.trim_matches(['{', '}']).to_owned()),
        (None, None) => return None,
    };
    let key = match (node.attribute("PropertyName"), node.attribute("PropertyId")) {
        (Some(name), _) => ExtendedKey::Name {
            set,
            name: name.to_owned(),
        },
        (None, Some(id)) => ExtendedKey::Id {
            set,
            id: id.trim().parse::<i64>().ok()?.try_into().ok()?,
        },
        (None, None) => return None,
    };
    Some(ExtendedPath { key, kind })
}

/// A tag in hexadecimal of any length or in decimal; some servers send the whole 32-bit tag.
fn property_tag(text: &str) -> Option<u16> {
    let text = text.trim();
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => text.parse::<u32>().ok()?,
    };
    u16::try_from(number)
        .or_else(|_| u16::try_from(number >> 16))
        .ok()
}
