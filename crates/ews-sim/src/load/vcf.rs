//! vCard files as contacts ([MS-OXOCNTC]).

use fasttransfer::{Message, NamedProp, PropertyBag, named, tag};

use super::content_line::{Component, ContentLine, structured};
use super::header::Mailbox;
use super::ics::calendar_date;
use super::props::{put_i32, put_list, put_opt, put_str, put_time};
use super::recipients::one_off_entry_id;
use super::skeleton::keep_literally;

/// Icon of a contact in PidTagIconIndex.
const ICON_CONTACT: i32 = 0x200;
/// The most addresses a contact holds (PidLidEmail1… to 3).
const MAX_EMAILS: usize = 3;

/// Loads a vCard file (2.1, 3.0 or 4.0) as one contact, or as a distribution list when its kind is
/// `group`. Of a file with several cards the first counts; all bytes are kept.
pub fn from_vcf(raw: &[u8]) -> Message {
    let mut message = Message::default();
    let file = Component::read(raw);
    let empty = Component::default();
    let card = file.find("VCARD").unwrap_or(&empty);
    let bag = &mut message.props;
    let is_group = card
        .text("KIND")
        .is_some_and(|k| k.eq_ignore_ascii_case("group"));
    let class = if is_group {
        "IPM.DistList"
    } else {
        "IPM.Contact"
    };
    put_str(bag, tag::MESSAGE_CLASS, class);
    put_i32(bag, tag::ICON_INDEX, ICON_CONTACT);
    let name = names(bag, card);
    put_str(bag, tag::DISPLAY_NAME, &name);
    put_str(bag, tag::SUBJECT, &name);
    put_str(bag, tag::NORMALIZED_SUBJECT, &name);
    put_str(bag, tag::CONVERSATION_TOPIC, &name);
    put_str(bag, named::FILE_UNDER, &file_under(bag, &name));
    if is_group {
        put_str(bag, named::DISTRIBUTION_LIST_NAME, &name);
    }
    work(bag, card);
    emails(bag, card, &name);
    phones(bag, card);
    addresses(bag, card);
    rest(bag, card);
    keep_literally(&mut message, raw);
    message
}

/// Sets the name parts and gives the name people see.
fn names(bag: &mut PropertyBag, card: &Component) -> String {
    let parts = card
        .line("N")
        .map(|l| structured(&l.value))
        .unwrap_or_default();
    let part = |n: usize| parts.get(n).cloned().unwrap_or_default();
    put_str(bag, tag::SURNAME, &part(0));
    put_str(bag, tag::GIVEN_NAME, &part(1));
    put_str(bag, tag::MIDDLE_NAME, &part(2));
    put_str(bag, tag::DISPLAY_NAME_PREFIX, &part(3));
    put_str(bag, tag::GENERATION, &part(4));
    put_opt(bag, tag::NICKNAME, card.text("NICKNAME"));
    card.text("FN").unwrap_or_else(|| {
        let spoken: Vec<String> = [3, 1, 2, 0, 4]
            .map(part)
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect();
        if spoken.is_empty() {
            card.text("ORG")
                .or_else(|| card.text("EMAIL"))
                .unwrap_or_default()
        } else {
            spoken.join(" ")
        }
    })
}

fn file_under(bag: &PropertyBag, name: &str) -> String {
    match (bag.str(tag::SURNAME), bag.str(tag::GIVEN_NAME)) {
        (Some(last), Some(first)) => format!("{last}, {first}"),
        _ => name.to_owned(),
    }
}

fn work(bag: &mut PropertyBag, card: &Component) {
    let organisation = card
        .line("ORG")
        .map(|l| structured(&l.value))
        .unwrap_or_default();
    put_opt(bag, tag::COMPANY_NAME, organisation.first().cloned());
    put_opt(bag, tag::DEPARTMENT_NAME, organisation.get(1).cloned());
    put_opt(bag, tag::OFFICE_LOCATION, organisation.get(2).cloned());
    put_opt(bag, tag::TITLE, card.text("TITLE"));
    put_opt(bag, tag::PROFESSION, card.text("ROLE"));
    put_opt(bag, tag::BUSINESS_HOME_PAGE, card.text("URL"));
}

fn emails(bag: &mut PropertyBag, card: &Component, name: &str) {
    const SLOTS: [[NamedProp; 4]; MAX_EMAILS] = [
        [
            named::EMAIL1_DISPLAY_NAME,
            named::EMAIL1_ADDRESS_TYPE,
            named::EMAIL1_EMAIL_ADDRESS,
            named::EMAIL1_ORIGINAL_DISPLAY_NAME,
        ],
        [
            named::EMAIL2_DISPLAY_NAME,
            named::EMAIL2_ADDRESS_TYPE,
            named::EMAIL2_EMAIL_ADDRESS,
            named::EMAIL2_ORIGINAL_DISPLAY_NAME,
        ],
        [
            named::EMAIL3_DISPLAY_NAME,
            named::EMAIL3_ADDRESS_TYPE,
            named::EMAIL3_EMAIL_ADDRESS,
            named::EMAIL3_ORIGINAL_DISPLAY_NAME,
        ],
    ];
    let mut found: Vec<&ContentLine> = card.all("EMAIL").collect();
    // The preferred address becomes Email1, whatever its place in the file.
    found.sort_by_key(|line| !(line.has_type("PREF") || line.param("PREF").is_some()));
    let addresses = found
        .iter()
        .map(|line| line.text().trim().trim_start_matches("mailto:").to_owned())
        .filter(|address| !address.is_empty());
    for (address, [display, kind, email, original]) in addresses.zip(SLOTS) {
        let person = Mailbox {
            name: name.to_owned(),
            address,
        };
        put_str(
            bag,
            display,
            &format!("{} ({})", person.display(), person.address),
        );
        put_str(bag, kind, "SMTP");
        put_str(bag, email.clone(), &person.address);
        put_str(bag, original, &person.address);
        if email == named::EMAIL1_EMAIL_ADDRESS {
            bag.set(named::EMAIL1_ORIGINAL_ENTRY_ID, one_off_entry_id(&person));
        }
    }
}

fn phones(bag: &mut PropertyBag, card: &Component) {
    for line in card.all("TEL") {
        let number = line.text();
        let number = number.trim().trim_start_matches("tel:");
        let home = line.has_type("HOME");
        let wanted: &[u16] = if line.has_type("FAX") && home {
            &[tag::HOME_FAX_NUMBER]
        } else if line.has_type("FAX") {
            &[tag::BUSINESS_FAX_NUMBER, tag::PRIMARY_FAX_NUMBER]
        } else if line.has_type("CELL") {
            &[tag::MOBILE_TELEPHONE_NUMBER, tag::OTHER_TELEPHONE_NUMBER]
        } else if line.has_type("PAGER") {
            &[tag::PAGER_TELEPHONE_NUMBER]
        } else if line.has_type("CAR") {
            &[tag::CAR_TELEPHONE_NUMBER]
        } else if home {
            &[tag::HOME_TELEPHONE_NUMBER, tag::HOME2_TELEPHONE_NUMBER]
        } else if line.has_type("WORK") {
            &[
                tag::BUSINESS_TELEPHONE_NUMBER,
                tag::BUSINESS2_TELEPHONE_NUMBER,
            ]
        } else {
            &[tag::OTHER_TELEPHONE_NUMBER, tag::PRIMARY_TELEPHONE_NUMBER]
        };
        if let Some(free) = wanted.iter().find(|tag| !bag.contains(**tag)) {
            put_str(bag, *free, number);
        }
    }
}

fn addresses(bag: &mut PropertyBag, card: &Component) {
    for line in card.all("ADR") {
        let parts = structured(&line.value);
        let part = |n: usize| parts.get(n).cloned().unwrap_or_default();
        let street: Vec<String> = [1, 2]
            .map(part)
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect();
        let values = [
            part(0),
            street.join("\r\n"),
            part(3),
            part(4),
            part(5),
            part(6),
        ];
        if line.has_type("HOME") {
            put_address(bag, &values, HOME);
            put_str(bag, named::HOME_ADDRESS, &one_text(&values));
        } else if line.has_type("WORK") {
            let slots = [
                named::WORK_ADDRESS_POST_OFFICE_BOX,
                named::WORK_ADDRESS_STREET,
                named::WORK_ADDRESS_CITY,
                named::WORK_ADDRESS_STATE,
                named::WORK_ADDRESS_POSTAL_CODE,
                named::WORK_ADDRESS_COUNTRY,
            ];
            for (slot, value) in slots.into_iter().zip(&values) {
                put_str(bag, slot, value);
            }
            put_str(bag, named::WORK_ADDRESS, &one_text(&values));
        } else {
            put_address(bag, &values, OTHER);
            put_str(bag, named::OTHER_ADDRESS, &one_text(&values));
        }
    }
}

/// Tags of a home address: box, street, city, state, postal code, country.
const HOME: [u16; 6] = [
    tag::HOME_ADDRESS_POST_OFFICE_BOX,
    tag::HOME_ADDRESS_STREET,
    tag::HOME_ADDRESS_CITY,
    tag::HOME_ADDRESS_STATE_OR_PROVINCE,
    tag::HOME_ADDRESS_POSTAL_CODE,
    tag::HOME_ADDRESS_COUNTRY,
];
/// The same of any other address.
const OTHER: [u16; 6] = [
    tag::OTHER_ADDRESS_POST_OFFICE_BOX,
    tag::OTHER_ADDRESS_STREET,
    tag::OTHER_ADDRESS_CITY,
    tag::OTHER_ADDRESS_STATE_OR_PROVINCE,
    tag::OTHER_ADDRESS_POSTAL_CODE,
    tag::OTHER_ADDRESS_COUNTRY,
];

fn put_address(bag: &mut PropertyBag, values: &[String; 6], slots: [u16; 6]) {
    for (slot, value) in slots.into_iter().zip(values) {
        put_str(bag, slot, value);
    }
}

fn one_text(values: &[String; 6]) -> String {
    let [_, street, city, state, code, country] = values;
    let town: Vec<&str> = [city, state, code]
        .into_iter()
        .filter(|v| !v.is_empty())
        .map(String::as_str)
        .collect();
    let town = town.join(" ");
    let lines: Vec<&str> = [street.as_str(), &town, country]
        .into_iter()
        .filter(|v| !v.is_empty())
        .collect();
    lines.join("\r\n")
}

fn rest(bag: &mut PropertyBag, card: &Component) {
    for (name, slot) in [
        ("BDAY", tag::BIRTHDAY),
        ("ANNIVERSARY", tag::WEDDING_ANNIVERSARY),
    ] {
        if let Some(seconds) = card.line(name).and_then(|l| calendar_date(&l.value)) {
            put_time(bag, slot, seconds);
        }
    }
    if let Some(im) = card.text("IMPP").or_else(|| card.text("X-JABBER")) {
        put_str(bag, named::INSTANT_MESSAGING_ADDRESS, &im);
    }
    if let Some(note) = card.text("NOTE") {
        bag.set(tag::BODY, note);
        put_i32(bag, tag::NATIVE_BODY, 1);
    }
    let categories = card
        .all("CATEGORIES")
        .flat_map(|line| {
            let text = line.text();
            text.split(',')
                .map(|c| c.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|c| !c.is_empty())
        .collect();
    put_list(bag, named::keywords(), categories);
}
