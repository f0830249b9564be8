//! Items as XML: which properties a client asked for, and each property's element in the order of
//! the schema.

mod address;
mod attachment;
mod body;
mod calendar;
mod contact;
mod folder;
mod item;
mod message;
mod task;

pub(crate) use address::{Address, people_of, sender_of, write_reply_to};
pub(crate) use attachment::{
    attachment_id, has_visible, numbers, settle_numbers, write_attachment, write_attachment_id,
};
pub(crate) use body::{html_of, text_of};
pub(crate) use calendar::uid_of;
pub(crate) use contact::PHONES as CONTACT_PHONES;
pub(crate) use folder::{FolderShape, extended_value as folder_value, write_folder};
pub(crate) use item::{FLAG_COMPLETE_TIME, FLAG_STATUS, conversation_of, pick};
pub(crate) use task::STATUS as TASK_STATUS;

use std::borrow::Cow;

use fasttransfer::{Message, PropId, PropValue, tag};

use crate::id::{KeyKind, ObjectId, change_key};
use crate::item::{FLAG_READ, Item, Occurrence, has_class, item_class, key_kind};
use crate::load;
use crate::mailbox::Store;
use crate::op::{Failure, Oops};
use crate::prop::{Extended, Path, parse_bool};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

/// How much a shape asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Base {
    IdOnly,
    Default,
    All,
}

/// What form of the body a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyForm {
    Best,
    Html,
    Text,
}

/// An ItemShape element.
#[derive(Clone, Debug)]
pub(crate) struct ItemShape {
    base: Base,
    include_mime: bool,
    body: BodyForm,
    paths: Vec<Path>,
    /// Whether the operation lists many items and so leaves out bodies and recipients.
    listing: bool,
    /// Where MIME texts are made anew each time: how often that was done.
    made_anew: Option<u64>,
}

/// An item to be written.
pub(crate) struct View<'a> {
    /// What only items in folders have.
    pub(crate) place: Option<Place>,
    /// The item in a folder that attachments belong to, and the way to them inside it.
    pub(crate) owner: Option<(ObjectId, Vec<u32>)>,
    pub(crate) message: &'a Message,
    pub(crate) class: Cow<'a, str>,
    pub(crate) is_read: bool,
    pub(crate) associated: bool,
    pub(crate) size: u64,
    pub(crate) body: BodyForm,
    /// Which occurrence of a series it is.
    pub(crate) occurrence: Option<Occurrence>,
}

/// Where an item is.
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) change_key: String,
    pub(crate) object: ObjectId,
    pub(crate) parent_id: String,
    pub(crate) parent_change_key: String,
    /// The item's number, which also serves as its article number.
    pub(crate) key: u64,
}

/// One property with the way to write it.
pub(crate) struct Field {
    pub(crate) uri: &'static str,
    pub(crate) base: Base,
    /// Left out of listings, where Exchange refuses it.
    pub(crate) heavy: bool,
    pub(crate) write: fn(&mut XmlWriter, &View<'_>),
}

/// A property in the Default shape.
pub(crate) const fn usual(uri: &'static str, write: fn(&mut XmlWriter, &View<'_>)) -> Field {
    Field {
        uri,
        base: Base::Default,
        heavy: false,
        write,
    }
}

/// A property in the AllProperties shape.
pub(crate) const fn full(uri: &'static str, write: fn(&mut XmlWriter, &View<'_>)) -> Field {
    Field {
        uri,
        base: Base::All,
        heavy: false,
        write,
    }
}

/// A property that listings do not have.
pub(crate) const fn heavy(uri: &'static str, write: fn(&mut XmlWriter, &View<'_>)) -> Field {
    Field {
        uri,
        base: Base::Default,
        heavy: true,
        write,
    }
}

/// Reads a BaseShape.
pub(crate) fn read_base(shape: &Element<'_>) -> Result<Base, Fault> {
    match shape.child_text("BaseShape") {
        Some("IdOnly" | "PcxPeopleSearch") => Ok(Base::IdOnly),
        Some("Default") => Ok(Base::Default),
        Some("AllProperties") => Ok(Base::All),
        other => Err(Fault::schema(format!(
            "The 'BaseShape' element is invalid - The value '{}' is invalid.",
            other.unwrap_or_default()
        ))),
    }
}

impl ItemShape {
    /// Ids only.
    pub(crate) fn id_only() -> ItemShape {
        ItemShape {
            base: Base::IdOnly,
            include_mime: false,
            body: BodyForm::Best,
            paths: Vec::new(),
            listing: true,
            made_anew: None,
        }
    }

    /// All properties, in whole.
    pub(crate) fn everything() -> ItemShape {
        ItemShape {
            base: Base::All,
            listing: false,
            ..ItemShape::id_only()
        }
    }

    /// Reads the ItemShape (or AttachmentShape) element of a request.
    pub(crate) fn read(
        request: &Element<'_>,
        name: &str,
        listing: bool,
    ) -> Result<ItemShape, Oops> {
        let shape = request
            .child(name)
            .ok_or_else(|| Fault::schema(format!("'{name}' is missing.")))?;
        Ok(ItemShape {
            base: match shape.child("BaseShape") {
                Some(_) => read_base(shape)?,
                None if name == "AttachmentShape" => Base::All,
                None => return Err(Fault::schema("'BaseShape' is missing.").into()),
            },
            include_mime: shape.child_text("IncludeMimeContent").and_then(parse_bool) == Some(true),
            body: match shape.child_text("BodyType") {
                Some("HTML") => BodyForm::Html,
                Some("Text") => BodyForm::Text,
                _ => BodyForm::Best,
            },
            paths: Path::read_all(shape.list("AdditionalProperties"))?,
            listing,
            made_anew: None,
        })
    }

    /// Makes the MIME text another one than any before, where there is a number.
    pub(crate) fn making_mime_anew(mut self, number: Option<u64>) -> ItemShape {
        self.made_anew = number;
        self
    }

    fn wants(&self, field: &Field) -> bool {
        if field.heavy && self.listing {
            return false;
        }
        self.base >= field.base || self.names(field.uri)
    }

    fn names(&self, uri: &str) -> bool {
        self.paths
            .iter()
            .any(|path| matches!(path, Path::Field(name) if name == uri))
    }

    /// Whether the shape asks for MIME text by its own element.
    pub(crate) fn includes_mime(&self) -> bool {
        self.include_mime
    }

    fn wants_mime(&self) -> bool {
        !self.listing && (self.include_mime || self.names("item:MimeContent"))
    }

    /// Writes the item with its element.
    pub(crate) fn write(&self, w: &mut XmlWriter, view: &View<'_>) {
        let name = element_name(&view.class);
        w.start(name);
        if self.wants_mime() {
            w.start("t:MimeContent");
            w.attr("CharacterSet", "UTF-8");
            let mut mime = load::mime_of(view.message);
            if let Some(number) = self.made_anew {
                mime.splice(0..0, format!("X-Made-Anew: {number}\r\n").into_bytes());
            }
            base64_simd::STANDARD.encode_append(&mime, w.raw());
            w.end("t:MimeContent");
        }
        if let Some(place) = &view.place {
            write_id(w, "t:ItemId", &place.id, &place.change_key);
        }
        let mut extended = false;
        for field in item::FIELDS {
            // The schema has extended properties in the middle.
            if field.uri == "item:Culture" {
                self.write_extended(w, view);
                extended = true;
            }
            if self.wants(field) {
                (field.write)(w, view);
            }
        }
        if !extended {
            self.write_extended(w, view);
        }
        for table in tables(name) {
            for field in *table {
                if self.wants(field) || self.wants_member(field) {
                    (field.write)(w, view);
                }
            }
        }
        w.end(name);
    }

    /// Dictionary members are written with their whole dictionary.
    fn wants_member(&self, field: &Field) -> bool {
        let table = match field.uri {
            "contacts:EmailAddresses" => "contacts:EmailAddress",
            "contacts:PhoneNumbers" => "contacts:PhoneNumber",
            "contacts:PhysicalAddresses" => "contacts:PhysicalAddress",
            "contacts:ImAddresses" => "contacts:ImAddress",
            _ => return false,
        };
        self.paths
            .iter()
            .any(|path| matches!(path, Path::Indexed { uri, .. } if uri.starts_with(table)))
    }

    fn write_extended(&self, w: &mut XmlWriter, view: &View<'_>) {
        for path in &self.paths {
            if let Path::Extended(extended) = path
                && let Some(value) = view.extended(extended)
            {
                extended.write(w, &value);
            }
        }
    }
}

fn tables(element: &str) -> &'static [&'static [Field]] {
    match element {
        "t:CalendarItem" => &[calendar::FIELDS],
        "t:Contact" => &[contact::FIELDS],
        "t:DistributionList" => &[contact::LIST_FIELDS],
        "t:Task" => &[task::FIELDS],
        "t:PostItem" => &[message::POST_FIELDS],
        "t:MeetingRequest" => &[
            message::FIELDS,
            calendar::MEETING_FIELDS,
            calendar::REQUEST_FIELDS,
        ],
        "t:MeetingMessage" | "t:MeetingResponse" | "t:MeetingCancellation" => {
            &[message::FIELDS, calendar::MEETING_FIELDS]
        }
        _ => &[message::FIELDS],
    }
}

/// The element that stands for an item of a class.
pub(crate) fn element_name(class: &str) -> &'static str {
    const NAMES: &[(&str, &str)] = &[
        ("IPM.Appointment", "t:CalendarItem"),
        ("IPM.Contact", "t:Contact"),
        ("IPM.DistList", "t:DistributionList"),
        ("IPM.Task", "t:Task"),
        ("IPM.Post", "t:PostItem"),
        ("IPM.Schedule.Meeting.Request", "t:MeetingRequest"),
        ("IPM.Schedule.Meeting.Resp", "t:MeetingResponse"),
        ("IPM.Schedule.Meeting.Canceled", "t:MeetingCancellation"),
        ("IPM.Schedule.Meeting", "t:MeetingMessage"),
    ];
    NAMES
        .iter()
        .find(|(base, _)| has_class(class, base))
        .map_or("t:Message", |(_, name)| name)
}

/// Writes an element with an Id and a ChangeKey.
pub(crate) fn write_id(w: &mut XmlWriter, name: &str, id: &str, change_key: &str) {
    w.start(name);
    w.attr("Id", id);
    w.attr("ChangeKey", change_key);
    w.end(name);
}

impl Place {
    pub(crate) fn new(
        store: &Store,
        folder: u64,
        folder_change: u64,
        item: &Item,
        class: &str,
    ) -> Place {
        let (store_guid, key) = (store.guid, item.key);
        let object = match item.occurrence {
            None => ObjectId::Item {
                store: store_guid,
                folder,
                key,
            },
            Some(occurrence) => ObjectId::Occurrence {
                store: store_guid,
                folder,
                key,
                day: occurrence.day,
            },
        };
        Place {
            id: object.encode(),
            change_key: change_key(key_kind(class), store.guid, item.change()),
            object,
            parent_id: store.folder_id(folder),
            parent_change_key: change_key(KeyKind::Folder, store.guid, folder_change),
            key: item.key,
        }
    }
}

impl<'a> View<'a> {
    /// An item in a folder.
    pub(crate) fn of_item(
        store: &Store,
        folder: (u64, u64),
        item: &Item,
        message: &'a Message,
        shape: &ItemShape,
    ) -> View<'a> {
        let class = item_class(message);
        let place = Place::new(store, folder.0, folder.1, item, &class);
        View {
            owner: Some((place.object.clone(), Vec::new())),
            place: Some(place),
            message,
            is_read: item.is_read,
            associated: item.associated,
            size: item.size(message),
            class,
            body: shape.body,
            occurrence: item.occurrence,
        }
    }

    /// A message inside another.
    pub(crate) fn of_embedded(
        message: &'a Message,
        shape: &ItemShape,
        owner: (ObjectId, Vec<u32>),
    ) -> View<'a> {
        let flags = message.props.i32(tag::MESSAGE_FLAGS).unwrap_or(FLAG_READ);
        View {
            place: None,
            owner: Some(owner),
            message,
            class: item_class(message),
            is_read: flags & FLAG_READ != 0,
            associated: false,
            size: crate::item::message_bytes(message),
            body: shape.body,
            occurrence: None,
        }
    }

    pub(crate) fn text(&self, id: impl Into<PropId>) -> Option<Cow<'_, str>> {
        self.message.props.text(id).filter(|text| !text.is_empty())
    }

    pub(crate) fn i32(&self, id: impl Into<PropId>) -> Option<i32> {
        self.message.props.i32(id)
    }

    pub(crate) fn flag(&self, id: impl Into<PropId>) -> Option<bool> {
        self.message.props.boolean(id)
    }

    pub(crate) fn time(&self, id: impl Into<PropId>) -> Option<u64> {
        self.message.props.time(id).map(|time| time.0)
    }

    /// The value of a MAPI property, stored or computed.
    pub(crate) fn extended(&self, extended: &Extended) -> Option<Cow<'_, PropValue>> {
        if let PropId::Tag(id) = &extended.id
            && let Some(value) = self.computed(*id)
        {
            return Some(Cow::Owned(value));
        }
        self.message.props.get(&extended.id).map(Cow::Borrowed)
    }

    /// Properties that a store computes.
    fn computed(&self, id: u16) -> Option<PropValue> {
        let place = self.place.as_ref();
        Some(match id {
            tag::MESSAGE_SIZE => PropValue::Int32(i32::try_from(self.size).unwrap_or(i32::MAX)),
            tag::HAS_ATTACHMENTS => PropValue::Boolean(!self.message.attachments.is_empty()),
            tag::READ => PropValue::Boolean(self.is_read),
            tag::ENTRY_ID | tag::RECORD_KEY => PropValue::Binary(place?.object.entry_id().into()),
            tag::PARENT_ENTRY_ID => {
                PropValue::Binary(ObjectId::parse(&place?.parent_id)?.entry_id().into())
            }
            // PidTagInternetArticleNumber, which IMAP gateways use as the UID.
            0x0E23 => PropValue::Int32(i32::try_from(place?.key).ok()?),
            tag::MESSAGE_CLASS => PropValue::Unicode(self.class.clone().into_owned()),
            _ => return None,
        })
    }
}

impl Failure {
    /// An item that is no mail, where only mail will do.
    pub(crate) const WRONG_KIND: Failure = Failure::new(
        "ErrorInvalidItemForOperationSendItem",
        "The item is not one that can be sent.",
    );
}
