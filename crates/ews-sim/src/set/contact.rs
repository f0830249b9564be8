//! What contacts have several of: addresses of every kind, and telephones.

use fasttransfer::{Message, NamedProp, PropId, PropValue, guid, named, tag};

use crate::shape::CONTACT_PHONES;
use crate::xml::Element;

/// The property of one member of a contact's dictionary, as an indexed path names it.
pub(crate) fn member(uri: &str, index: &str) -> Option<PropId> {
    match uri {
        "contacts:EmailAddress" => Some(email(index)?.address.into()),
        "contacts:PhoneNumber" => {
            let phone = CONTACT_PHONES.iter().find(|(name, _)| *name == index);
            match (phone, index) {
                (Some(phone), _) => Some(PropId::Tag(phone.1)),
                // These have no MAPI property.
                (None, "BusinessMobile" | "IPPhone" | "Mms" | "Msn") => {
                    let name = NamedProp::named(guid::PS_PUBLIC_STRINGS, index);
                    Some(PropId::from(name))
                }
                _ => None,
            }
        }
        "contacts:ImAddress" => im_address(index),
        _ => address_part(index, uri.strip_prefix("contacts:PhysicalAddress:")?),
    }
}

/// The properties of one of a contact's addresses.
struct Email {
    address: NamedProp,
    kind: NamedProp,
    name: NamedProp,
}

fn email(key: &str) -> Option<Email> {
    let (address, kind, name) = match key {
        "EmailAddress1" => (
            named::EMAIL1_EMAIL_ADDRESS,
            named::EMAIL1_ADDRESS_TYPE,
            named::EMAIL1_DISPLAY_NAME,
        ),
        "EmailAddress2" => (
            named::EMAIL2_EMAIL_ADDRESS,
            named::EMAIL2_ADDRESS_TYPE,
            named::EMAIL2_DISPLAY_NAME,
        ),
        "EmailAddress3" => (
            named::EMAIL3_EMAIL_ADDRESS,
            named::EMAIL3_ADDRESS_TYPE,
            named::EMAIL3_DISPLAY_NAME,
        ),
        _ => return None,
    };
    Some(Email {
        address,
        kind,
        name,
    })
}

/// Where an instant messaging address is kept; the second and third have no MAPI property.
pub(crate) fn im_address(key: &str) -> Option<PropId> {
    let own = |name: &str| PropId::from(NamedProp::named(guid::PS_PUBLIC_STRINGS, name));
    match key {
        "ImAddress1" => Some((&named::INSTANT_MESSAGING_ADDRESS).into()),
        "ImAddress2" => Some(own("IMAddress2")),
        "ImAddress3" => Some(own("IMAddress3")),
        _ => None,
    }
}

fn address_part(key: &str, part: &str) -> Option<PropId> {
    let id: PropId = match (key, part) {
        ("Business", "Street") => (&named::WORK_ADDRESS_STREET).into(),
        ("Business", "City") => (&named::WORK_ADDRESS_CITY).into(),
        ("Business", "State") => (&named::WORK_ADDRESS_STATE).into(),
        ("Business", "CountryOrRegion") => (&named::WORK_ADDRESS_COUNTRY).into(),
        ("Business", "PostalCode") => (&named::WORK_ADDRESS_POSTAL_CODE).into(),
        ("Home", "Street") => tag::HOME_ADDRESS_STREET.into(),
        ("Home", "City") => tag::HOME_ADDRESS_CITY.into(),
        ("Home", "State") => tag::HOME_ADDRESS_STATE_OR_PROVINCE.into(),
        ("Home", "CountryOrRegion") => tag::HOME_ADDRESS_COUNTRY.into(),
        ("Home", "PostalCode") => tag::HOME_ADDRESS_POSTAL_CODE.into(),
        ("Other", "Street") => tag::OTHER_ADDRESS_STREET.into(),
        ("Other", "City") => tag::OTHER_ADDRESS_CITY.into(),
        ("Other", "State") => tag::OTHER_ADDRESS_STATE_OR_PROVINCE.into(),
        ("Other", "CountryOrRegion") => tag::OTHER_ADDRESS_COUNTRY.into(),
        ("Other", "PostalCode") => tag::OTHER_ADDRESS_POSTAL_CODE.into(),
        _ => return None,
    };
    Some(id)
}

/// Sets a text, or takes it away where it is empty.
fn put(message: &mut Message, id: PropId, text: &str) {
    match text {
        "" => drop(message.props.remove(id)),
        text => drop(message.props.set(id, PropValue::Unicode(text.to_owned()))),
    }
}

pub(super) fn set_emails(message: &mut Message, list: &Element<'_>) {
    for entry in &list.children {
        let Some(email) = entry.attr("Key").and_then(email) else {
            continue;
        };
        let kind = match entry.text.as_ref() {
            "" => "",
            _ => entry.attr("RoutingType").unwrap_or("SMTP"),
        };
        put(message, email.address.into(), &entry.text);
        put(message, email.kind.into(), kind);
        put(
            message,
            email.name.into(),
            entry.attr("Name").unwrap_or_default(),
        );
    }
}

pub(super) fn set_phones(message: &mut Message, list: &Element<'_>) {
    set_members(message, list, "contacts:PhoneNumber");
}

pub(super) fn set_im_addresses(message: &mut Message, list: &Element<'_>) {
    set_members(message, list, "contacts:ImAddress");
}

fn set_members(message: &mut Message, list: &Element<'_>, uri: &str) {
    for entry in &list.children {
        if let Some(id) = member(uri, entry.attr("Key").unwrap_or_default()) {
            put(message, id, &entry.text);
        }
    }
}

pub(super) fn set_addresses(message: &mut Message, list: &Element<'_>) {
    for entry in &list.children {
        let key = entry.attr("Key").unwrap_or_default();
        for part in &entry.children {
            if let Some(id) = address_part(key, &part.name) {
                put(message, id, &part.text);
            }
        }
    }
}
