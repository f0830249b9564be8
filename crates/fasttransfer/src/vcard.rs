//! Contacts as vCard 3.0 (RFC 2426; MS-OXVCARD for what goes where).

use jiff::tz::TimeZone;

use crate::content_line::{ContentLines, escape};
use crate::{Message, PropId, PropValue, PropertyBag, body, named, tag};

/// Telephone properties and the types they get.
const TELEPHONES: [(u16, &str); 19] = [
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
    (tag::CALLBACK_TELEPHONE_NUMBER, "X-MS-TEL;TYPE=CALLBACK"),
    (tag::RADIO_TELEPHONE_NUMBER, "X-MS-TEL;TYPE=RADIO"),
    (tag::TELEX_NUMBER, "X-MS-TEL;TYPE=TLX"),
    (
        tag::TELECOMMUNICATIONS_DEVICE_FOR_DEAF_TELEPHONE_NUMBER,
        "X-MS-TEL;TYPE=TTYTDD",
    ),
];

/// Texts with a property of their own, most of them from MS-OXVCARD.
const TEXTS: [(u16, &str); 12] = [
    (tag::TITLE, "TITLE"),
    (tag::PROFESSION, "ROLE"),
    (tag::INITIALS, "X-INITIALS"),
    (tag::SPOUSE_NAME, "X-MS-SPOUSE;TYPE=N"),
    (tag::MANAGER_NAME, "X-MS-MANAGER"),
    (tag::ASSISTANT, "X-MS-ASSISTANT"),
    (tag::HOBBIES, "X-MS-INTERESTS"),
    (tag::REFERRED_BY_NAME, "X-REFERRED-BY"),
    (tag::CUSTOMER_ID, "X-CUSTOMER-ID"),
    (tag::ACCOUNT, "X-ACCOUNT"),
    (tag::COMPUTER_NETWORK_NAME, "X-COMPUTER-NETWORK-NAME"),
    (tag::LOCATION, "X-LOCATION"),
];

/// The e-mail addresses: the address, and the name it goes by, which for people of the same
/// organisation is where the Internet address is.
fn emails() -> [[crate::NamedProp; 2]; 3] {
    [
        [
            named::EMAIL1_EMAIL_ADDRESS,
            named::EMAIL1_ORIGINAL_DISPLAY_NAME,
        ],
        [
            named::EMAIL2_EMAIL_ADDRESS,
            named::EMAIL2_ORIGINAL_DISPLAY_NAME,
        ],
        [
            named::EMAIL3_EMAIL_ADDRESS,
            named::EMAIL3_ORIGINAL_DISPLAY_NAME,
        ],
    ]
}

/// Writes a contact.
pub(crate) fn generate(message: &Message) -> Vec<u8> {
    let props = &message.props;
    let text = |id: u16| props.text(id).unwrap_or_default();
    let mut lines = ContentLines::default();
    lines.raw("BEGIN", "VCARD");
    lines.raw("VERSION", "3.0");
    names(props, &mut lines);
    lines.optional("NICKNAME", props.text(tag::NICKNAME));
    let organization = [
        text(tag::COMPANY_NAME),
        text(tag::DEPARTMENT_NAME),
        text(tag::OFFICE_LOCATION),
    ];
    if let Some(last) = organization.iter().rposition(|part| !part.is_empty()) {
        let parts: Vec<&str> = organization.iter().map(AsRef::as_ref).collect();
        structured(&mut lines, "ORG", parts.get(..=last).unwrap_or_default());
    }
    for (id, name) in TEXTS {
        lines.optional(name, props.text(id));
    }
    for ids in emails() {
        let texts = ids.map(|id| props.text(id).unwrap_or_default());
        let internet = texts.iter().find(|text| text.contains('@'));
        lines.optional("EMAIL;TYPE=INTERNET", internet.or(texts.first()));
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
    urls_and_days(props, &mut lines);
    if let Some(PropValue::MultiUnicode(children)) = props.get(tag::CHILDRENS_NAMES) {
        for child in children {
            lines.text("X-MS-CHILD", child);
        }
    }
    if let Some(PropValue::MultiUnicode(words)) = props.get(named::keywords()) {
        let words: Vec<String> = words.iter().map(|word| escape(word)).collect();
        lines.raw("CATEGORIES", &words.join(","));
    }
    match props.i32(tag::SENSITIVITY) {
        Some(1 | 2) => lines.raw("CLASS", "PRIVATE"),
        Some(3) => lines.raw("CLASS", "CONFIDENTIAL"),
        _ => {}
    }
    lines.optional("NOTE", body::plain(message));
    certificates(props, &mut lines);
    photo(message, &mut lines);
    lines.raw("END", "VCARD");
    lines.finish()
}

fn names(props: &PropertyBag, lines: &mut ContentLines) {
    let text = |id: u16| props.text(id).unwrap_or_default();
    let name = [tag::DISPLAY_NAME, tag::SUBJECT, tag::COMPANY_NAME]
        .into_iter()
        .filter_map(|id| props.text(id))
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    lines.text("FN", &name);
    structured(
        lines,
        "N",
        &[
            &text(tag::SURNAME),
            &text(tag::GIVEN_NAME),
            &text(tag::MIDDLE_NAME),
            &text(tag::DISPLAY_NAME_PREFIX),
            &text(tag::GENERATION),
        ],
    );
}

fn urls_and_days(props: &PropertyBag, lines: &mut ContentLines) {
    for (id, name) in [
        (named::INSTANT_MESSAGING_ADDRESS, "X-MS-IMADDRESS"),
        (named::YOMI_FIRST_NAME, "X-PHONETIC-FIRST-NAME"),
        (named::YOMI_LAST_NAME, "X-PHONETIC-LAST-NAME"),
        (named::FILE_UNDER, "X-FILE-AS"),
    ] {
        lines.optional(name, props.text(id));
    }
    for (id, name) in [(named::HTML, "URL"), (named::FREE_BUSY_LOCATION, "FBURL")] {
        if let Some(url) = props.text(id).filter(|url| !url.is_empty()) {
            lines.raw(name, &url);
        }
    }
    let day = |id: u16| {
        let time = props.time(id)?.to_timestamp()?;
        Some(
            time.to_zoned(TimeZone::UTC)
                .strftime("%Y-%m-%d")
                .to_string(),
        )
    };
    for (id, name) in [
        (tag::BIRTHDAY, "BDAY"),
        (tag::WEDDING_ANNIVERSARY, "X-MS-ANNIVERSARY"),
    ] {
        if let Some(day) = day(id) {
            lines.raw(name, &day);
        }
    }
    let changed = props.time(tag::LAST_MODIFICATION_TIME);
    if let Some(changed) = changed.and_then(|time| time.to_timestamp()) {
        let text = changed.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        lines.raw("REV", &text.to_string());
    }
}

/// Certificates for signed and encrypted mail.
fn certificates(props: &PropertyBag, lines: &mut ContentLines) {
    if let Some(PropValue::MultiBinary(keys)) = props.get(tag::USER_X509_CERTIFICATE) {
        for key in keys {
            let text = base64_simd::STANDARD.encode_to_string(key);
            lines.raw("KEY;ENCODING=b;TYPE=X509", &text);
        }
    }
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
