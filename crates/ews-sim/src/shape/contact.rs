//! Properties of contacts.

use fasttransfer::{NamedProp, named, tag};

use super::item::{pick, strings, text, time};
use super::{Field, View, full, usual};
use crate::set::{FILE_AS, im_address};
use crate::xml::XmlWriter;

/// In the order of the schema's ContactItemType.
pub(crate) const FIELDS: &[Field] = &[
    usual("contacts:FileAs", |w, v| {
        text(w, "t:FileAs", v, &named::FILE_UNDER)
    }),
    full("contacts:FileAsMapping", |w, v| {
        let number = v.i32(&named::FILE_UNDER_ID);
        let known = FILE_AS.iter().find(|(_, known)| Some(*known) == number);
        if let Some((name, _)) = known {
            w.leaf("t:FileAsMapping", name);
        }
    }),
    usual("contacts:DisplayName", |w, v| {
        text(w, "t:DisplayName", v, tag::DISPLAY_NAME)
    }),
    usual("contacts:GivenName", |w, v| {
        text(w, "t:GivenName", v, tag::GIVEN_NAME)
    }),
    full("contacts:Initials", |w, v| {
        text(w, "t:Initials", v, tag::INITIALS)
    }),
    full("contacts:MiddleName", |w, v| {
        text(w, "t:MiddleName", v, tag::MIDDLE_NAME)
    }),
    full("contacts:Nickname", |w, v| {
        text(w, "t:Nickname", v, tag::NICKNAME)
    }),
    full("contacts:CompleteName", |w, v| {
        w.start("t:CompleteName");
        text(w, "t:Title", v, tag::DISPLAY_NAME_PREFIX);
        text(w, "t:FirstName", v, tag::GIVEN_NAME);
        text(w, "t:MiddleName", v, tag::MIDDLE_NAME);
        text(w, "t:LastName", v, tag::SURNAME);
        text(w, "t:Suffix", v, tag::GENERATION);
        text(w, "t:Initials", v, tag::INITIALS);
        text(w, "t:FullName", v, tag::DISPLAY_NAME);
        text(w, "t:Nickname", v, tag::NICKNAME);
        w.end("t:CompleteName");
    }),
    usual("contacts:CompanyName", |w, v| {
        text(w, "t:CompanyName", v, tag::COMPANY_NAME)
    }),
    usual("contacts:EmailAddresses", write_emails),
    usual("contacts:PhysicalAddresses", write_addresses),
    usual("contacts:PhoneNumbers", write_phones),
    full("contacts:AssistantName", |w, v| {
        text(w, "t:AssistantName", v, tag::ASSISTANT)
    }),
    full("contacts:Birthday", |w, v| {
        time(w, "t:Birthday", v.time(tag::BIRTHDAY))
    }),
    full("contacts:BusinessHomePage", |w, v| {
        // The schema wants a URI here.
        if let Some(page) = v.text(tag::BUSINESS_HOME_PAGE)
            && page.bytes().all(|byte| byte.is_ascii_graphic())
        {
            w.leaf("t:BusinessHomePage", &page);
        }
    }),
    full("contacts:Children", |w, v| {
        strings(w, "t:Children", v, tag::CHILDRENS_NAMES)
    }),
    full("contacts:Companies", |w, v| {
        strings(w, "t:Companies", v, &named::COMPANIES)
    }),
    full("contacts:Department", |w, v| {
        text(w, "t:Department", v, tag::DEPARTMENT_NAME)
    }),
    full("contacts:Generation", |w, v| {
        text(w, "t:Generation", v, tag::GENERATION)
    }),
    full("contacts:ImAddresses", |w, v| {
        let keys = ["ImAddress1", "ImAddress2", "ImAddress3"];
        let entries = keys.map(|key| {
            let text = im_address(key).and_then(|id| v.text(id));
            (key, text.map(|text| text.into_owned()))
        });
        dictionary(w, "t:ImAddresses", &entries);
    }),
    full("contacts:JobTitle", |w, v| {
        text(w, "t:JobTitle", v, tag::TITLE)
    }),
    full("contacts:Manager", |w, v| {
        text(w, "t:Manager", v, tag::MANAGER_NAME)
    }),
    full("contacts:Mileage", |w, v| {
        text(w, "t:Mileage", v, &named::MILEAGE)
    }),
    full("contacts:OfficeLocation", |w, v| {
        text(w, "t:OfficeLocation", v, tag::OFFICE_LOCATION)
    }),
    full("contacts:PostalAddressIndex", |w, v| {
        let names = ["None", "Home", "Business", "Other"];
        if let Some(number) = v.i32(&named::POSTAL_ADDRESS_ID) {
            w.leaf("t:PostalAddressIndex", pick(&names, number));
        }
    }),
    full("contacts:Profession", |w, v| {
        text(w, "t:Profession", v, tag::PROFESSION)
    }),
    full("contacts:SpouseName", |w, v| {
        text(w, "t:SpouseName", v, tag::SPOUSE_NAME)
    }),
    usual("contacts:Surname", |w, v| {
        text(w, "t:Surname", v, tag::SURNAME)
    }),
    full("contacts:WeddingAnniversary", |w, v| {
        time(w, "t:WeddingAnniversary", v.time(tag::WEDDING_ANNIVERSARY));
    }),
    full("contacts:HasPicture", |w, v| {
        w.flag("t:HasPicture", v.flag(&named::HAS_PICTURE).unwrap_or(false));
    }),
];

/// In the order of the schema's DistributionListType.
pub(crate) const LIST_FIELDS: &[Field] = &[
    usual("contacts:DisplayName", |w, v| {
        text(w, "t:DisplayName", v, tag::DISPLAY_NAME)
    }),
    usual("contacts:FileAs", |w, v| {
        text(w, "t:FileAs", v, &named::FILE_UNDER)
    }),
];

/// The phone numbers by their keys in the schema.
pub(crate) const PHONES: &[(&str, u16)] = &[
    ("AssistantPhone", tag::ASSISTANT_TELEPHONE_NUMBER),
    ("BusinessFax", tag::BUSINESS_FAX_NUMBER),
    ("BusinessPhone", tag::BUSINESS_TELEPHONE_NUMBER),
    ("BusinessPhone2", tag::BUSINESS2_TELEPHONE_NUMBER),
    ("Callback", tag::CALLBACK_TELEPHONE_NUMBER),
    ("CarPhone", tag::CAR_TELEPHONE_NUMBER),
    ("CompanyMainPhone", tag::COMPANY_MAIN_TELEPHONE_NUMBER),
    ("HomeFax", tag::HOME_FAX_NUMBER),
    ("HomePhone", tag::HOME_TELEPHONE_NUMBER),
    ("HomePhone2", tag::HOME2_TELEPHONE_NUMBER),
    ("Isdn", tag::ISDN_NUMBER),
    ("MobilePhone", tag::MOBILE_TELEPHONE_NUMBER),
    ("OtherFax", tag::PRIMARY_FAX_NUMBER),
    ("OtherTelephone", tag::OTHER_TELEPHONE_NUMBER),
    ("Pager", tag::PAGER_TELEPHONE_NUMBER),
    ("PrimaryPhone", tag::PRIMARY_TELEPHONE_NUMBER),
    ("RadioPhone", tag::RADIO_TELEPHONE_NUMBER),
    ("Telex", tag::TELEX_NUMBER),
    (
        "TtyTddPhone",
        tag::TELECOMMUNICATIONS_DEVICE_FOR_DEAF_TELEPHONE_NUMBER,
    ),
];

fn entry_text(view: &View<'_>, id: &NamedProp) -> Option<String> {
    view.text(id).map(|text| text.into_owned())
}

fn dictionary(w: &mut XmlWriter, name: &str, entries: &[(&str, Option<String>)]) {
    if entries.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    w.start(name);
    for (key, value) in entries {
        if let Some(value) = value {
            w.start("t:Entry");
            w.attr("Key", key);
            w.text(value);
            w.end("t:Entry");
        }
    }
    w.end(name);
}

fn write_emails(w: &mut XmlWriter, view: &View<'_>) {
    let entries = [
        (
            "EmailAddress1",
            &named::EMAIL1_EMAIL_ADDRESS,
            &named::EMAIL1_DISPLAY_NAME,
        ),
        (
            "EmailAddress2",
            &named::EMAIL2_EMAIL_ADDRESS,
            &named::EMAIL2_DISPLAY_NAME,
        ),
        (
            "EmailAddress3",
            &named::EMAIL3_EMAIL_ADDRESS,
            &named::EMAIL3_DISPLAY_NAME,
        ),
    ];
    if entries.iter().all(|(_, id, _)| view.text(*id).is_none()) {
        return;
    }
    w.start("t:EmailAddresses");
    for (key, id, name) in entries {
        if let Some(address) = view.text(id) {
            w.start("t:Entry");
            w.attr("Key", key);
            if let Some(name) = view.text(name) {
                w.attr("Name", &name);
                w.attr("RoutingType", "SMTP");
            }
            w.text(&address);
            w.end("t:Entry");
        }
    }
    w.end("t:EmailAddresses");
}

fn write_phones(w: &mut XmlWriter, view: &View<'_>) {
    let entries: Vec<(&str, Option<String>)> = PHONES
        .iter()
        .map(|(key, id)| (*key, view.text(*id).map(|text| text.into_owned())))
        .collect();
    dictionary(w, "t:PhoneNumbers", &entries);
}

fn write_addresses(w: &mut XmlWriter, view: &View<'_>) {
    let own = |text: Option<std::borrow::Cow<'_, str>>| text.map(|text| text.into_owned());
    let work = [
        entry_text(view, &named::WORK_ADDRESS_STREET),
        entry_text(view, &named::WORK_ADDRESS_CITY),
        entry_text(view, &named::WORK_ADDRESS_STATE),
        entry_text(view, &named::WORK_ADDRESS_COUNTRY),
        entry_text(view, &named::WORK_ADDRESS_POSTAL_CODE),
    ];
    let home = [
        tag::HOME_ADDRESS_STREET,
        tag::HOME_ADDRESS_CITY,
        tag::HOME_ADDRESS_STATE_OR_PROVINCE,
        tag::HOME_ADDRESS_COUNTRY,
        tag::HOME_ADDRESS_POSTAL_CODE,
    ]
    .map(|id| own(view.text(id)));
    let other = [
        tag::OTHER_ADDRESS_STREET,
        tag::OTHER_ADDRESS_CITY,
        tag::OTHER_ADDRESS_STATE_OR_PROVINCE,
        tag::OTHER_ADDRESS_COUNTRY,
        tag::OTHER_ADDRESS_POSTAL_CODE,
    ]
    .map(|id| own(view.text(id)));
    let all = [("Business", work), ("Home", home), ("Other", other)];
    if all
        .iter()
        .all(|(_, parts)| parts.iter().all(Option::is_none))
    {
        return;
    }
    w.start("t:PhysicalAddresses");
    for (key, parts) in all {
        if parts.iter().all(Option::is_none) {
            continue;
        }
        w.start("t:Entry");
        w.attr("Key", key);
        let names = ["Street", "City", "State", "CountryOrRegion", "PostalCode"];
        for (name, part) in names.into_iter().zip(parts) {
            if let Some(part) = part {
                w.leaf(&format!("t:{name}"), &part);
            }
        }
        w.end("t:Entry");
    }
    w.end("t:PhysicalAddresses");
}
