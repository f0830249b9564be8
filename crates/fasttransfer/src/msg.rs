//! Items as Outlook message files (MS-OXMSG): every property, recipient and attachment, in a
//! compound file.

mod compound;
mod names;
mod properties;

use std::borrow::Cow;

use compound::Storage;
use names::NameMap;
use properties::Properties;

use crate::{Attachment, Error, Message, PropId, PropValue, PropertyBag, tag};

/// Messages inside one another; deeper ones are attached without their content.
const DEPTH_LIMIT: usize = 32;
/// Header of a property stream (MS-OXMSG 2.4.1): of the file's message, of an attached message,
/// of recipients and attachments.
const TOP_HEADER: usize = 32;
const EMBEDDED_HEADER: usize = 24;
const ROW_HEADER: usize = 8;
/// PidTagStoreSupportMask: strings are Unicode, and what else a message file supports.
const STORE_SUPPORT_MASK: u16 = 0x340D;
const STORE_SUPPORT: i32 = 0x0004_0E79;
/// Values of PidTagAttachMethod.
const ATTACH_BY_VALUE: i32 = 1;
const ATTACH_EMBEDDED: i32 = 5;
const ATTACH_OLE: i32 = 6;

/// Writes an item as an Outlook message file.
///
/// All properties are kept, named ones under their names; strings of code pages become Unicode,
/// since a message file has one kind of string only. What readers need and the native stream
/// leaves to the server (the display lists, the subject of its two halves, row numbers) is added
/// where it is missing. The same item gives the same bytes.
///
/// # Errors
///
/// [`ErrorKind::Limit`](crate::ErrorKind::Limit) for more names or bytes than the format holds.
pub fn to_msg(message: &Message) -> Result<Vec<u8>, Error> {
    let names = NameMap::of(message)?;
    let mut root = message_storage(message, &names, TOP_HEADER, 0)?;
    root.add_storage("__nameid_version1.0", names.storage());
    root.into_compound_file()
}

fn message_storage<'a>(
    message: &'a Message,
    names: &NameMap,
    header: usize,
    depth: usize,
) -> Result<Storage<'a>, Error> {
    let mut storage = Storage::default();
    let recipients = count(message.recipients.len())?;
    let attachments = count(message.attachments.len())?;
    let mut properties = Properties::new(header);
    for (at, number) in [
        (8, recipients),
        (12, attachments),
        (16, recipients),
        (20, attachments),
    ] {
        properties.header(at, number);
    }
    for property in &message.props {
        properties.put(names.id(&property.id), Cow::Borrowed(&property.value))?;
    }
    for (id, value) in missing(message) {
        properties.put(Some(id), Cow::Owned(value))?;
    }
    properties.finish(&mut storage);
    for (number, recipient) in (0..).zip(&message.recipients) {
        let row = recipient_storage(recipient, names, number)?;
        storage.add_storage(&format!("__recip_version1.0_#{number:08X}"), row);
    }
    for (number, attachment) in (0..).zip(&message.attachments) {
        let row = attachment_storage(attachment, names, number, depth)?;
        storage.add_storage(&format!("__attach_version1.0_#{number:08X}"), row);
    }
    Ok(storage)
}

fn count(rows: usize) -> Result<u32, Error> {
    i32::try_from(rows)
        .map(i32::cast_unsigned)
        .map_err(|_| Error::limit("recipients or attachments"))
}

/// Properties a reader of message files expects, as far as this message does not have them.
fn missing(message: &Message) -> Vec<(u16, PropValue)> {
    let props = &message.props;
    let mut added = vec![(STORE_SUPPORT_MASK, PropValue::Int32(STORE_SUPPORT))];
    added.push((tag::MESSAGE_CLASS, "IPM.Note".into()));
    // Exchange keeps a subject in two halves and joins them on demand.
    if let Some(normalized) = props.text(tag::NORMALIZED_SUBJECT) {
        let prefix = props.text(tag::SUBJECT_PREFIX).unwrap_or_default();
        added.push((tag::SUBJECT, format!("{prefix}{normalized}").into()));
    }
    for (id, kind) in [
        (tag::DISPLAY_TO, 1),
        (tag::DISPLAY_CC, 2),
        (tag::DISPLAY_BCC, 3),
    ] {
        let people: Vec<Cow<'_, str>> = message
            .recipients
            .iter()
            .filter(|r| r.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF == kind)
            .filter_map(|r| {
                r.text(tag::DISPLAY_NAME)
                    .or_else(|| r.text(tag::EMAIL_ADDRESS))
            })
            .collect();
        if !people.is_empty() {
            added.push((id, people.join("; ").into()));
        }
    }
    added.retain(|(id, _)| !props.contains(*id));
    added
}

fn recipient_storage<'a>(
    recipient: &'a PropertyBag,
    names: &NameMap,
    number: i32,
) -> Result<Storage<'a>, Error> {
    let mut properties = Properties::new(ROW_HEADER);
    for property in recipient {
        if property.id != PropId::Tag(tag::ROWID) {
            properties.put(names.id(&property.id), Cow::Borrowed(&property.value))?;
        }
    }
    properties.put(Some(tag::ROWID), Cow::Owned(number.into()))?;
    if !recipient.contains(tag::RECIPIENT_TYPE) {
        properties.put(Some(tag::RECIPIENT_TYPE), Cow::Owned(1.into()))?;
    }
    let mut storage = Storage::default();
    properties.finish(&mut storage);
    Ok(storage)
}

fn attachment_storage<'a>(
    attachment: &'a Attachment,
    names: &NameMap,
    number: i32,
    depth: usize,
) -> Result<Storage<'a>, Error> {
    let mut storage = Storage::default();
    let mut properties = Properties::new(ROW_HEADER);
    let method = attachment.props.i32(tag::ATTACH_METHOD);
    for property in &attachment.props {
        let skipped = match property.id {
            PropId::Tag(tag::ATTACH_NUMBER) => true,
            PropId::Tag(tag::ATTACH_DATA_BINARY) => {
                attachment.embedded.is_some() || matches!(property.value, PropValue::Object(_))
            }
            _ => false,
        };
        if !skipped {
            properties.put(names.id(&property.id), Cow::Borrowed(&property.value))?;
        }
    }
    properties.put(Some(tag::ATTACH_NUMBER), Cow::Owned(number.into()))?;
    let data = attachment.props.get(tag::ATTACH_DATA_BINARY);
    if let Some(embedded) = &attachment.embedded {
        if depth < DEPTH_LIMIT {
            let inner = message_storage(embedded, names, EMBEDDED_HEADER, depth + 1)?;
            properties.object(tag::ATTACH_DATA_OBJECT, properties::OBJECT_MESSAGE);
            storage.add_storage("__substg1.0_3701000D", inner);
        }
        if method.is_none() {
            properties.put(Some(tag::ATTACH_METHOD), Cow::Owned(ATTACH_EMBEDDED.into()))?;
        }
    } else if let Some(PropValue::Object(bytes)) = data {
        // An OLE object is a compound file of its own, and stands in this one unpacked.
        match Storage::from_compound_file(bytes) {
            Some(object) if method == Some(ATTACH_OLE) => {
                properties.object(tag::ATTACH_DATA_OBJECT, properties::OBJECT_STORAGE);
                storage.add_storage("__substg1.0_3701000D", object);
            }
            _ => {
                let value = Cow::Owned(PropValue::Binary(bytes.clone()));
                properties.put(Some(tag::ATTACH_DATA_BINARY), value)?;
            }
        }
    } else if method.is_none() && data.is_some() {
        properties.put(Some(tag::ATTACH_METHOD), Cow::Owned(ATTACH_BY_VALUE.into()))?;
    }
    properties.finish(&mut storage);
    Ok(storage)
}
