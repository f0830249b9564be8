//! Contacts as vCard 3.0 (RFC 2426; MS-OXVCARD for what goes where).

use jiff::tz::TimeZone;

use crate::content_line::{ContentLines, escape};
use crate::{Message, PropId, PropValue, PropertyBag, named, tag};

/// Telephone properties and the types they get.
const TELEPHONES: [(u16, &str); 15] = [
    (tag::BUSINESS_TELEPHONE_NUMBER, "TEL;TYPE=WORK,VOICE"),
    (tag::BUSINESS2_TELEPHONE_NUMBER, "TEL;TYPE=WORK,VOICE"),
    (tag::HOME_TELEPHONE_NUMBER, "TEL;TYPE=HOME,VOICE"),
    (tag::HOME2_TELEPHONE_NUMBER, "TEL;TYPE=HOME,VOICE"),
    (tag::MOBILE_TELEPHONE_NUMBER, "TEL;TYPE=CELL,VOICE"),
    (tag::CAR_TELEPHONE_NUMBER, "TEL;TYPE=CAR,VOICE"),
    (tag::PAGER_TELEPHONE_NUMBER, "TEL;TYPE=PAGER"),
    (tag::PRIMARY_TELEPHONE_NUMBER, "TEL;TYPE=PREF"),
    (tag::OTHER_TELEPHONE_NUMBER, "TEL;TYPE=VOICE"),
    (tag::BUSINESS_FAX_NUMBER, "TEL;TYPE=WORK,FAX"),
    (tag::HOME_FAX_NUMBER, "TEL;TYPE=HOME,FAX"),
    (tag::PRIMARY_FAX_NUMBER, "TEL;TYPE=FAX"),
    (tag::ISDN_NUMBER, "TEL;TYPE=ISDN"),
    (tag::ASSISTANT_TELEPHONE_NUMBER, "X-MS-TEL;TYPE=ASSISTANT"),
    (tag::COMPANY_MAIN_TELEPHONE_NUMBER, "X-MS-TEL;TYPE=COMPANY"),
];

/// Writes a contact.
pub(crate) fn generate(message: &Message) -> Vec<u8> {
    let props = &message.props;
    let text = |id: u16| props.text(id).unwrap_or_default();
    let mut lines = ContentLines::default();
    lines.raw("BEGIN", "VCARD");
    lines.raw("VERSION", "3.0");
    let name = [tag::DISPLAY_NAME, tag::SUBJECT, tag::COMPANY_NAME]
        .into_iter()
        .filter_map(|id| props.text(id))
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    lines.text("FN", &name);
    structured(
        &mut lines,
        "N",
        &[
            &text(tag::SURNAME),
            &text(tag::GIVEN_NAME),
            &text(tag::MIDDLE_NAME),
            &text(tag::DISPLAY_NAME_PREFIX),
            &text(tag::GENERATION),
        ],
    );
    lines.optional("NICKNAME", props.text(tag::NICKNAME));
    let (company, department) = (text(tag::COMPANY_NAME), text(tag::DEPARTMENT_NAME));
    if !company.is_empty() || !department.is_empty() {
        structured(&mut lines, "ORG", &[&company, &department]);
    }
    lines.optional("TITLE", props.text(tag::TITLE));
    lines.optional("ROLE", props.text(tag::PROFESSION));
    for email in [
        named::EMAIL1_EMAIL_ADDRESS,
        named::EMAIL2_EMAIL_ADDRESS,
        named::EMAIL3_EMAIL_ADDRESS,
    ] {
        lines.optional("EMAIL;TYPE=INTERNET", props.text(email));
    }
    for (id, kind) in TELEPHONES {
        lines.optional(kind, props.text(id));
    }
    addresses(props, &mut lines);
    for (id, name) in [
        (tag::BUSINESS_HOME_PAGE, "URL;TYPE=WORK"),
        (tag::PERSONAL_HOME_PAGE, "URL;TYPE=HOME"),
    ] {
        if let Some(url) = props.text(id).filter(|url| !url.is_empty()) {
            lines.raw(name, &url);
        }
    }
    if let Some(day) = props
        .time(tag::BIRTHDAY)
        .and_then(|time| time.to_timestamp())
    {
        let day = day.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
        lines.raw("BDAY", &day);
    }
    if let Some(PropValue::MultiUnicode(words)) = props.get(named::keywords()) {
        let words: Vec<String> = words.iter().map(|word| escape(word)).collect();
        lines.raw("CATEGORIES", &words.join(","));
    }
    lines.optional("NOTE", props.text(tag::BODY));
    photo(message, &mut lines);
    lines.raw("END", "VCARD");
    lines.finish()
}

fn structured(lines: &mut ContentLines, name: &str, fields: &[&str]) {
    let fields: Vec<String> = fields.iter().map(|field| escape(field)).collect();
    lines.raw(name, &fields.join(";"));
}

fn addresses(props: &PropertyBag, lines: &mut ContentLines) {
    let work: [PropId; 6] = [
        named::WORK_ADDRESS_POST_OFFICE_BOX.into(),
        named::WORK_ADDRESS_STREET.into(),
        named::WORK_ADDRESS_CITY.into(),
        named::WORK_ADDRESS_STATE.into(),
        named::WORK_ADDRESS_POSTAL_CODE.into(),
        named::WORK_ADDRESS_COUNTRY.into(),
    ];
    let home: [PropId; 6] = [
        tag::HOME_ADDRESS_POST_OFFICE_BOX.into(),
        tag::HOME_ADDRESS_STREET.into(),
        tag::HOME_ADDRESS_CITY.into(),
        tag::HOME_ADDRESS_STATE_OR_PROVINCE.into(),
        tag::HOME_ADDRESS_POSTAL_CODE.into(),
        tag::HOME_ADDRESS_COUNTRY.into(),
    ];
    let other: [PropId; 6] = [
        tag::OTHER_ADDRESS_POST_OFFICE_BOX.into(),
        tag::OTHER_ADDRESS_STREET.into(),
        tag::OTHER_ADDRESS_CITY.into(),
        tag::OTHER_ADDRESS_STATE_OR_PROVINCE.into(),
        tag::OTHER_ADDRESS_POSTAL_CODE.into(),
        tag::OTHER_ADDRESS_COUNTRY.into(),
    ];
    for (kind, ids) in [("WORK", work), ("HOME", home), ("POSTAL", other)] {
        let [po_box, rest @ ..] = ids.map(|id| props.text(id).unwrap_or_default());
        if po_box.is_empty() && rest.iter().all(|field| field.is_empty()) {
            continue;
        }
        let [street, city, state, code, country] = &rest;
        structured(
            lines,
            &format!("ADR;TYPE={kind}"),
            &[&po_box, "", street, city, state, code, country],
        );
    }
}

fn photo(message: &Message, lines: &mut ContentLines) {
    let photo = message
        .attachments
        .iter()
        .find(|a| a.props.boolean(tag::ATTACHMENT_CONTACT_PHOTO) == Some(true))
        .and_then(|a| a.props.binary(tag::ATTACH_DATA_BINARY));
    if let Some(bytes) = photo {
        let kind = if bytes.starts_with(b"\x89PNG") {
            "PHOTO;ENCODING=b;TYPE=PNG"
        } else {
            "PHOTO;ENCODING=b;TYPE=JPEG"
        };
        lines.raw(kind, &base64_simd::STANDARD.encode_to_string(bytes));
    }
}
