//! Writing the elements that several operations share.

use crate::model::{
    ExtendedKey, ExtendedPath, ExtendedProperty, FolderId, FolderIdRef, FolderShape, ItemId,
    ItemShape, PropertyPath, PropertySet, PropertyValue,
};
use crate::op::Paging;
use crate::xml::Writer;

pub(crate) fn folder_ref(writer: &mut Writer, folder: &FolderIdRef) {
    match folder {
        FolderIdRef::Id(id) => folder_id(writer, "t:FolderId", id),
        FolderIdRef::Distinguished { folder, mailbox } => {
            writer
                .open("t:DistinguishedFolderId")
                .attribute("Id", folder.as_str());
            if let Some(address) = mailbox {
                writer
                    .open("t:Mailbox")
                    .leaf("t:EmailAddress", address)
                    .close();
            }
            writer.close();
        }
    }
}

pub(crate) fn folder_refs(writer: &mut Writer, name: &'static str, folders: &[FolderIdRef]) {
    writer.open(name);
    for folder in folders {
        folder_ref(writer, folder);
    }
    writer.close();
}

pub(crate) fn target_folder(writer: &mut Writer, name: &'static str, folder: &FolderIdRef) {
    writer.open(name);
    folder_ref(writer, folder);
    writer.close();
}

pub(crate) fn folder_id(writer: &mut Writer, name: &'static str, id: &FolderId) {
    writer.open(name).attribute("Id", &id.id);
    if let Some(key) = &id.change_key {
        writer.attribute("ChangeKey", key);
    }
    writer.close();
}

pub(crate) fn item_id(writer: &mut Writer, id: &ItemId) {
    writer.open("t:ItemId").attribute("Id", &id.id);
    if let Some(key) = &id.change_key {
        writer.attribute("ChangeKey", key);
    }
    writer.close();
}

pub(crate) fn item_ids(writer: &mut Writer, name: &'static str, ids: &[ItemId]) {
    writer.open(name);
    for id in ids {
        item_id(writer, id);
    }
    writer.close();
}

pub(crate) fn folder_shape(writer: &mut Writer, shape: &FolderShape) {
    writer.open("m:FolderShape").leaf("t:BaseShape", shape.base);
    additional(writer, &shape.additional);
    writer.close();
}

pub(crate) fn item_shape(writer: &mut Writer, shape: &ItemShape) {
    writer.open("m:ItemShape").leaf("t:BaseShape", shape.base);
    if shape.include_mime {
        writer.leaf("t:IncludeMimeContent", true);
    }
    additional(writer, &shape.additional);
    writer.close();
}

fn additional(writer: &mut Writer, paths: &[PropertyPath]) {
    if paths.is_empty() {
        return;
    }
    writer.open("t:AdditionalProperties");
    for path in paths {
        property_path(writer, path);
    }
    writer.close();
}

pub(crate) fn property_path(writer: &mut Writer, path: &PropertyPath) {
    match path {
        PropertyPath::FieldUri(uri) => {
            writer.open("t:FieldURI").attribute("FieldURI", uri).close();
        }
        PropertyPath::Indexed { uri, index } => {
            writer
                .open("t:IndexedFieldURI")
                .attribute("FieldURI", uri)
                .attribute("FieldIndex", index)
                .close();
        }
        PropertyPath::Extended(path) => extended_path(writer, path),
    }
}

pub(crate) fn extended_path(writer: &mut Writer, path: &ExtendedPath) {
    writer.open("t:ExtendedFieldURI");
    match &path.key {
        ExtendedKey::Tag(tag) => {
            writer.attribute("PropertyTag", &format!("0x{tag:04x}"));
        }
        ExtendedKey::Name { set, name } => {
            property_set(writer, set);
            writer.attribute("PropertyName", name);
        }
        ExtendedKey::Id { set, id } => {
            property_set(writer, set);
            writer.attribute("PropertyId", &id.to_string());
        }
    }
    writer.attribute("PropertyType", path.kind.as_str()).close();
}

fn property_set(writer: &mut Writer, set: &PropertySet) {
    match set {
        PropertySet::Distinguished(set) => {
            writer.attribute("DistinguishedPropertySetId", set.as_str())
        }
        PropertySet::Guid(guid) => writer.attribute("PropertySetId", guid),
    };
}

pub(crate) fn extended_property(writer: &mut Writer, property: &ExtendedProperty) {
    writer.open("t:ExtendedProperty");
    extended_path(writer, &property.path);
    match &property.value {
        PropertyValue::Single(value) => {
            writer.leaf("t:Value", value);
        }
        PropertyValue::Multiple(values) => {
            writer.open("t:Values");
            for value in values {
                writer.leaf("t:Value", value);
            }
            writer.close();
        }
    }
    writer.close();
}

pub(crate) fn paging(writer: &mut Writer, name: &'static str, paging: Option<Paging>) {
    let Some(paging) = paging else { return };
    writer
        .open(name)
        .attribute("MaxEntriesReturned", &paging.max_entries.max(1).to_string())
        .attribute("Offset", &paging.offset.to_string())
        .attribute("BasePoint", "Beginning")
        .close();
}
