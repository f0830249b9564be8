//! GetUserConfiguration, CreateUserConfiguration, UpdateUserConfiguration and
//! DeleteUserConfiguration (MS-OXWSUSRCFG 3.1.4).
//!
//! An object is a folder-associated item of the class `IPM.Configuration.<name>`, with its data in
//! the roaming properties (MS-OXOCFG 2.2.2), so that it is also exported and uploaded as one.

use fasttransfer::{Message, PropId, PropValue, tag};

use super::resolve::FolderRef;
use super::{Answer, Context, Failure, Oops, Reply};
use crate::id::{KeyKind, change_key};
use crate::item::{Item, item_class};
use crate::mailbox::NewItem;
use crate::shape::write_id;
use crate::soap::Fault;
use crate::tree::Tree;
use crate::xml::{self, Element, XmlWriter};

/// PidTagRoamingDatatypes: which of the three kinds of data there are.
const DATATYPES: u16 = 0x7C06;
/// PidTagRoamingDictionary.
const DICTIONARY: u16 = 0x7C07;
/// PidTagRoamingXmlStream.
const XML_STREAM: u16 = 0x7C08;
/// PidTagRoamingBinary.
const BINARY: u16 = 0x7C09;
const CLASS: &str = "IPM.Configuration.";

/// The types of dictionary objects with their numbers in a stored dictionary. MS-OXOCFG 2.2.5.1
/// gives those of boolean, 32-bit integer and string; the others follow the same table.
const TYPES: &[(&str, &str)] = &[
    ("Boolean", "3"),
    ("Byte", "6"),
    ("Integer32", "9"),
    ("UnsignedInteger32", "10"),
    ("Integer64", "11"),
    ("UnsignedInteger64", "12"),
    ("DateTime", "16"),
    ("String", "18"),
    ("ByteArray", "100"),
    ("StringArray", "101"),
];

/// A name in a folder.
struct Place {
    folder: FolderRef,
    name: String,
}

impl Place {
    fn read(context: &Context<'_>, holder: &Element<'_>) -> Result<Place, Oops> {
        let element = holder
            .child("UserConfigurationName")
            .ok_or_else(|| Fault::schema("'UserConfigurationName' is missing."))?;
        let name = element.attr("Name").unwrap_or_default();
        if name.is_empty() {
            return Err(Fault::schema("The 'Name' attribute is invalid.").into());
        }
        Ok(Place {
            folder: context.target_folder(element)?,
            name: name.to_owned(),
        })
    }

    fn find(&self) -> Option<Item> {
        let state = self.folder.store.read();
        let folder = state.folder(self.folder.number)?;
        let class = format!("{CLASS}{}", self.name);
        let mut items = folder.items_from(0, true);
        items.find(|item| item_class(&item.message()).eq_ignore_ascii_case(&class))
    }

    fn existing(&self) -> Result<Item, Failure> {
        self.find().ok_or(Failure::NO_ITEM)
    }
}

pub(super) fn get(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|w| {
        let place = Place::read(context, request)?;
        let item = place.existing()?;
        let wanted = request
            .child_text("UserConfigurationProperties")
            .ok_or_else(|| Fault::schema("'UserConfigurationProperties' is missing."))?;
        let wants = |name| wanted.split_whitespace().any(|w| w == name || w == "All");
        let store = &place.folder.store;
        let message = item.message();
        w.start("m:UserConfiguration");
        w.start("t:UserConfigurationName");
        w.attr("Name", &place.name);
        let state = store.read();
        let number = place.folder.number;
        let change = state.folder(number).map_or(0, |folder| folder.change);
        let key = change_key(KeyKind::Folder, store.guid, change);
        write_id(w, "t:FolderId", &store.folder_id(number), &key);
        w.end("t:UserConfigurationName");
        if wants("Id") {
            let key = change_key(KeyKind::Message, store.guid, item.change());
            write_id(w, "t:ItemId", &store.item_id(number, item.key), &key);
        }
        let bytes = |id: u16| message.props.get(id).and_then(PropValue::bytes);
        if wants("Dictionary")
            && let Some(bytes) = bytes(DICTIONARY)
        {
            write_dictionary(w, bytes);
        }
        for (property, id) in [("XmlData", XML_STREAM), ("BinaryData", BINARY)] {
            if wants(property)
                && let Some(bytes) = bytes(id)
            {
                w.base64(&format!("t:{property}"), bytes);
            }
        }
        w.end("m:UserConfiguration");
        Ok(())
    })?;
    answer.finish()
}

pub(super) fn create(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|_| {
        let holder = configuration(request)?;
        let place = Place::read(context, holder)?;
        if place.find().is_some() {
            return Err(Failure::new(
                "ErrorItemSave",
                "A user configuration object of that name exists.",
            )
            .into());
        }
        let mut message = Message::default();
        let class = format!("{CLASS}{}", place.name);
        message
            .props
            .set(tag::MESSAGE_CLASS, PropValue::Unicode(class));
        fill(&mut message, holder)?;
        let mut new = NewItem::from_message(message);
        new.associated = true;
        let mut state = place.folder.store.write();
        state.add_item(place.folder.number, new)?;
        Ok(())
    })?;
    answer.finish()
}

pub(super) fn update(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|_| {
        let holder = configuration(request)?;
        let place = Place::read(context, holder)?;
        let item = place.existing()?;
        let mut parts = Message::default();
        fill(&mut parts, holder)?;
        let mut state = place.folder.store.write();
        state.edit_item(place.folder.number, item.key, |message| {
            for property in parts.props.iter() {
                if property.id != PropId::Tag(DATATYPES) {
                    message
                        .props
                        .set(property.id.clone(), property.value.clone());
                }
            }
            set_datatypes(message);
        })?;
        Ok(())
    })?;
    answer.finish()
}

pub(super) fn delete(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|_| {
        let place = Place::read(context, request)?;
        let item = place.existing()?;
        let mut state = place.folder.store.write();
        state.remove_item(place.folder.number, item.key)?;
        Ok(())
    })?;
    answer.finish()
}

fn configuration<'r, 'a>(request: &'r Element<'a>) -> Result<&'r Element<'a>, Fault> {
    request
        .child("UserConfiguration")
        .ok_or_else(|| Fault::schema("'UserConfiguration' is missing."))
}

/// Puts the data of a request into the roaming properties.
fn fill(message: &mut Message, holder: &Element<'_>) -> Result<(), Oops> {
    if let Some(dictionary) = holder.child("Dictionary") {
        let bytes = pack_dictionary(&Tree::read(dictionary))?;
        let value = PropValue::Binary(bytes.into());
        message.props.set(DICTIONARY, value);
    }
    for (name, id) in [("XmlData", XML_STREAM), ("BinaryData", BINARY)] {
        let Some(text) = holder.child_text(name) else {
            continue;
        };
        let bytes = base64_simd::forgiving_decode_to_vec(text.as_bytes());
        let bytes = bytes.map_err(|_| Fault::schema(format!("'{name}' is not base64.")))?;
        message.props.set(id, PropValue::Binary(bytes.into()));
    }
    set_datatypes(message);
    Ok(())
}

fn set_datatypes(message: &mut Message) {
    let kinds = [(BINARY, 1), (XML_STREAM, 2), (DICTIONARY, 4)];
    let kinds = kinds
        .into_iter()
        .filter(|kind| message.props.contains(kind.0));
    let types = kinds.map(|kind| kind.1).sum();
    message.props.set(DATATYPES, PropValue::Int32(types));
}

/// The stored form of a Dictionary element (MS-OXOCFG 2.2.5.1).
fn pack_dictionary(dictionary: &Tree) -> Result<Vec<u8>, Oops> {
    let mut w = XmlWriter::new();
    w.raw()
        .push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    w.start("UserConfiguration");
    w.attr("xmlns", "dictionary.xsd");
    w.start("Info");
    w.attr("version", "Exchange.12");
    w.end("Info");
    w.start("Data");
    for entry in &dictionary.children {
        let key = entry.child("DictionaryKey").and_then(pack_object);
        let key = key.ok_or_else(|| Fault::schema("a dictionary entry without a key."))?;
        w.start("e");
        w.attr("k", &key);
        if let Some(value) = entry.child("DictionaryValue").and_then(pack_object) {
            w.attr("v", &value);
        }
        w.end("e");
    }
    w.end("Data");
    w.end("UserConfiguration");
    Ok(w.into_bytes())
}

fn pack_object(object: &Tree) -> Option<String> {
    let kind = object.child_text("Type")?;
    let (_, number) = TYPES.iter().find(|known| known.0 == kind)?;
    let values = object.children.iter().filter(|child| child.name == "Value");
    let text = if kind.ends_with("Array") {
        let part = |value: &Tree| format!("{}:{}", value.text.len(), value.text);
        values.map(part).collect()
    } else {
        values.map(|value| value.text.as_str()).collect::<String>()
    };
    // Booleans are told in XML's form, however they were written.
    let text = match (kind, text.as_str()) {
        ("Boolean", "True" | "1") => "true".to_owned(),
        ("Boolean", "False" | "0") => "false".to_owned(),
        _ => text,
    };
    Some(format!("{number}-{text}"))
}

/// Writes a stored dictionary; one that cannot be read is left out.
fn write_dictionary(w: &mut XmlWriter, bytes: &[u8]) {
    let Ok(root) = xml::parse(bytes) else { return };
    w.start("t:Dictionary");
    for entry in root.list("Data").iter().filter(|entry| entry.name == "e") {
        let Some(key) = entry.attr("k") else { continue };
        w.start("t:DictionaryEntry");
        write_object(w, "t:DictionaryKey", key);
        match entry.attr("v") {
            Some(value) => write_object(w, "t:DictionaryValue", value),
            None => {
                w.start("t:DictionaryValue");
                w.attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
                w.attr("xsi:nil", "true");
                w.end("t:DictionaryValue");
            }
        }
        w.end("t:DictionaryEntry");
    }
    w.end("t:Dictionary");
}

fn write_object(w: &mut XmlWriter, name: &str, packed: &str) {
    let (number, text) = packed.split_once('-').unwrap_or(("18", packed));
    let kind = TYPES.iter().find(|known| known.1 == number);
    let kind = kind.map_or("String", |known| known.0);
    w.start(name);
    w.leaf("t:Type", kind);
    if kind.ends_with("Array") {
        let mut rest = text;
        while let Some((length, after)) = rest.split_once(':') {
            let Some((value, after)) = length
                .parse()
                .ok()
                .and_then(|length| after.split_at_checked(length))
            else {
                break;
            };
            w.leaf("t:Value", value);
            rest = after;
        }
    } else {
        w.leaf("t:Value", text);
    }
    w.end(name);
}
