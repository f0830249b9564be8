//! User configuration objects: named settings hidden in a folder (MS-OXWSUSRCFG).

use bytes::Bytes;

use crate::error::{Error, Result, quote};
use crate::model::property::named;
use crate::model::xml_element::{Parts, XmlElement, expect_name};
use crate::model::{DistinguishedFolder, FolderId, FolderIdRef, ItemId};

named! {
    /// The type of a dictionary's key or value (`UserConfigurationDictionaryObjectTypesType`,
    /// MS-OXWSUSRCFG 2.2.5.1).
    DictionaryType {
        DateTime, Boolean, Byte, String, Integer32, UnsignedInteger32, Integer64,
        UnsignedInteger64, StringArray, ByteArray,
    }
}

/// A key or a value of a dictionary (`UserConfigurationDictionaryObjectType`, MS-OXWSUSRCFG
/// 2.2.4.2). Only `StringArray` and `ByteArray` have several texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DictionaryObject {
    /// Its type.
    pub kind: DictionaryType,
    /// Its text in XML's lexical form; a byte array is base64.
    pub values: Vec<String>,
}

/// An entry of a dictionary (`UserConfigurationDictionaryEntryType`, MS-OXWSUSRCFG 2.2.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DictionaryEntry {
    /// The key.
    pub key: DictionaryObject,
    /// The value; `None` for null.
    pub value: Option<DictionaryObject>,
}

/// The name of a user configuration object, and the folder it lies in (`UserConfigurationNameType`,
/// MS-OXWSUSRCFG 2.2.4.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserConfigurationName {
    /// The folder.
    pub folder: FolderIdRef,
    /// The name, for example `CategoryList`; its item's class is `IPM.Configuration.` and this.
    pub name: String,
}

impl UserConfigurationName {
    /// A name in a folder.
    pub fn new(folder: impl Into<FolderIdRef>, name: impl Into<String>) -> UserConfigurationName {
        UserConfigurationName {
            folder: folder.into(),
            name: name.into(),
        }
    }

    /// The schema's form, as `UserConfigurationName`. The mailbox of a fixed name is kept.
    pub fn to_element(&self) -> XmlElement {
        let folder = match &self.folder {
            FolderIdRef::Id(id) => {
                let folder = XmlElement::new("FolderId").with_attribute("Id", &id.id);
                match &id.change_key {
                    Some(key) => folder.with_attribute("ChangeKey", key),
                    None => folder,
                }
            }
            FolderIdRef::Distinguished { folder, mailbox } => {
                let element = XmlElement::new("DistinguishedFolderId");
                let element = element.with_attribute("Id", folder.as_str());
                element.with_children(mailbox.iter().map(|address| {
                    let address = XmlElement::leaf("EmailAddress", address);
                    XmlElement::new("Mailbox").with_children([address])
                }))
            }
        };
        XmlElement::new("UserConfigurationName")
            .with_attribute("Name", &self.name)
            .with_children([folder])
    }

    fn from_element(element: &XmlElement) -> Result<UserConfigurationName> {
        let name = element.attribute("Name").unwrap_or_default().to_owned();
        let by_id = || {
            let id = element.child("FolderId")?;
            Some(FolderIdRef::Id(FolderId {
                id: id.attribute("Id")?.to_owned(),
                change_key: id.attribute("ChangeKey").map(str::to_owned),
            }))
        };
        let by_name = || {
            let id = element.child("DistinguishedFolderId")?;
            let address =
                |mailbox: &XmlElement| mailbox.child_text("EmailAddress").map(str::to_owned);
            Some(FolderIdRef::Distinguished {
                folder: DistinguishedFolder::parse(id.attribute("Id")?)?,
                mailbox: id.child("Mailbox").and_then(address),
            })
        };
        let folder = by_id().or_else(by_name);
        let folder = folder.ok_or_else(|| {
            Error::protocol(format!(
                "the user configuration {} has no folder",
                quote(&name)
            ))
        })?;
        Ok(UserConfigurationName { folder, name })
    }
}

/// A user configuration object (`UserConfigurationType`, MS-OXWSUSRCFG 2.2.4.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserConfiguration {
    /// Its name and folder.
    pub name: UserConfigurationName,
    /// The id of the item that holds it; cannot be set.
    pub item_id: Option<ItemId>,
    /// Its dictionary; `None` where it has none, or was not asked for.
    pub dictionary: Option<Vec<DictionaryEntry>>,
    /// Its XML data, as bytes.
    pub xml_data: Option<Bytes>,
    /// Its binary data.
    pub binary_data: Option<Bytes>,
}

impl UserConfiguration {
    /// An object without content.
    pub fn new(name: UserConfigurationName) -> UserConfiguration {
        UserConfiguration {
            name,
            item_id: None,
            dictionary: None,
            xml_data: None,
            binary_data: None,
        }
    }

    /// The schema's form, as `UserConfiguration`, with everything that was read.
    pub fn to_element(&self) -> XmlElement {
        let mut element = self.to_update();
        if let Some(id) = &self.item_id {
            let item = XmlElement::new("ItemId").with_attribute("Id", &id.id);
            let item = match &id.change_key {
                Some(key) => item.with_attribute("ChangeKey", key),
                None => item,
            };
            element.children.insert(1, item);
        }
        element
    }

    /// The form a server takes.
    pub(crate) fn to_update(&self) -> XmlElement {
        let mut parts = Parts(vec![self.name.to_element()]);
        if let Some(entries) = &self.dictionary {
            let entries = entries.iter().map(entry_to_element);
            let dictionary = XmlElement::new("Dictionary").with_children(entries);
            parts.0.push(dictionary);
        }
        let base64 = |bytes: &Bytes| base64_simd::STANDARD.encode_to_string(bytes);
        parts.text("XmlData", self.xml_data.as_ref().map(base64).as_deref());
        let binary = self.binary_data.as_ref().map(base64);
        parts.text("BinaryData", binary.as_deref());
        parts.of("UserConfiguration")
    }

    /// Reads the schema's form.
    ///
    /// # Errors
    ///
    /// `Protocol` for another element, data that is no base64, and a type that the schema lacks:
    /// a setting read half would be restored half.
    pub fn from_element(element: &XmlElement) -> Result<UserConfiguration> {
        expect_name(element, &["UserConfiguration"])?;
        let name = element.child("UserConfigurationName");
        let name = name.ok_or_else(|| Error::protocol("a user configuration without a name"))?;
        let dictionary = element.child("Dictionary").map(|dictionary| {
            let entries = dictionary.children.iter();
            entries.map(entry_from_element).collect::<Result<Vec<_>>>()
        });
        let id = element.child("ItemId");
        Ok(UserConfiguration {
            name: UserConfigurationName::from_element(name)?,
            item_id: id.and_then(|id| {
                Some(ItemId {
                    id: id.attribute("Id")?.to_owned(),
                    change_key: id.attribute("ChangeKey").map(str::to_owned),
                })
            }),
            dictionary: dictionary.transpose()?,
            xml_data: bytes_of(element, "XmlData")?,
            binary_data: bytes_of(element, "BinaryData")?,
        })
    }
}

fn bytes_of(element: &XmlElement, name: &str) -> Result<Option<Bytes>> {
    let Some(text) = element.child_text(name) else {
        return Ok(None);
    };
    match base64_simd::forgiving_decode_to_vec(text.as_bytes()) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(_) => Err(Error::protocol(format!("{name} is not base64"))),
    }
}

fn entry_to_element(entry: &DictionaryEntry) -> XmlElement {
    let value = match &entry.value {
        Some(value) => object_to_element("DictionaryValue", value),
        None => XmlElement::new("DictionaryValue").with_attribute("nil", "true"),
    };
    let key = object_to_element("DictionaryKey", &entry.key);
    XmlElement::new("DictionaryEntry").with_children([key, value])
}

fn object_to_element(name: &str, object: &DictionaryObject) -> XmlElement {
    let values = object.values.iter();
    let values = values.map(|value| XmlElement::leaf("Value", value));
    XmlElement::new(name)
        .with_children([XmlElement::leaf("Type", object.kind.as_str())])
        .with_children(values)
}

fn entry_from_element(element: &XmlElement) -> Result<DictionaryEntry> {
    let key = element.child("DictionaryKey").map(object_from_element);
    let key = key.transpose()?.flatten();
    let value = element.child("DictionaryValue").map(object_from_element);
    Ok(DictionaryEntry {
        key: key.ok_or_else(|| Error::protocol("a dictionary entry without a key"))?,
        value: value.transpose()?.flatten(),
    })
}

/// Reads a key or a value; one without a type is null.
fn object_from_element(element: &XmlElement) -> Result<Option<DictionaryObject>> {
    let Some(kind) = element.child_text("Type") else {
        return Ok(None);
    };
    let kind = DictionaryType::parse(kind)
        .ok_or_else(|| Error::protocol(format!("a dictionary object of type {}", quote(kind))))?;
    let values = element
        .children
        .iter()
        .filter(|child| child.name == "Value");
    Ok(Some(DictionaryObject {
        kind,
        values: values.map(|value| value.text.clone()).collect(),
    }))
}
