//! What a portable mail says in its MIME text, as properties, for files that are made of these.

use fasttransfer::{Attachment, FileTime, Message, PropertyBag, tag};
use mail_parser::{Address, MessageParser, MessagePart, MimeHeaders, PartType};

/// Messages within messages that are taken apart; deeper ones stay files.
const MAX_DEPTH: usize = 16;
/// Windows code page of UTF-8.
const UTF_8: i32 = 65001;
/// Values of PidTagAttachMethod.
const BY_VALUE: i32 = 1;
const EMBEDDED: i32 = 5;

/// Adds people, bodies and attachments of a MIME text to a message that has none of them, and
/// leaves out the text itself, which says the same.
pub(super) fn fill(message: &mut Message, mime: &[u8]) {
    if let Some(mail) = MessageParser::default().parse(mime) {
        message.props.remove(tag::MIME_SKELETON);
        put(message, &mail, mime, 0);
    }
}

fn put(message: &mut Message, mail: &mail_parser::Message<'_>, raw: &[u8], depth: usize) {
    let props = &mut message.props;
    let headers = header_text(raw);
    add(props, tag::TRANSPORT_MESSAGE_HEADERS, Some(headers));
    add(props, tag::SUBJECT, mail.subject().map(Into::into));
    add(
        props,
        tag::INTERNET_MESSAGE_ID,
        mail.message_id().map(|id| format!("<{id}>")),
    );
    if let Some(time) = mail
        .date()
        .filter(|_| !props.contains(tag::CLIENT_SUBMIT_TIME))
        .and_then(|date| ews_client::Timestamp::from_second(date.to_timestamp()).ok())
    {
        props.set(tag::CLIENT_SUBMIT_TIME, FileTime::from_timestamp(time));
    }
    let from = mail.from().and_then(Address::first);
    let sender = mail.sender().and_then(Address::first).or(from);
    for (person, ids) in [
        (
            from,
            [
                tag::SENT_REPRESENTING_NAME,
                tag::SENT_REPRESENTING_SMTP_ADDRESS,
            ],
        ),
        (sender, [tag::SENDER_NAME, tag::SENDER_SMTP_ADDRESS]),
    ] {
        let Some(person) = person else { continue };
        let texts = [person.name(), person.address()];
        for (id, text) in ids.into_iter().zip(texts) {
            add(props, id, text.map(Into::into));
        }
    }
    for (kind, list) in [(1, mail.to()), (2, mail.cc()), (3, mail.bcc())] {
        let people = list.into_iter().flat_map(Address::iter);
        message
            .recipients
            .extend(people.map(|person| recipient(person, kind)));
    }
    bodies(&mut message.props, mail);
    for part in mail.attachments() {
        message.attachments.push(attachment(part, depth));
    }
}

/// Everything before the first empty line.
fn header_text(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let lines = text.lines().take_while(|line| !line.is_empty());
    let mut headers = String::new();
    for line in lines {
        headers.push_str(line);
        headers.push_str("\r\n");
    }
    headers
}

fn add(props: &mut PropertyBag, id: u16, text: Option<String>) {
    if let Some(text) = text.filter(|_| props.text(id).is_none_or(|text| text.is_empty())) {
        props.set(id, text);
    }
}

fn recipient(person: &mail_parser::Addr<'_>, kind: i32) -> PropertyBag {
    let mut props = PropertyBag::new();
    let address = person.address().unwrap_or_default();
    props.set(tag::RECIPIENT_TYPE, kind);
    props.set(tag::DISPLAY_NAME, person.name().unwrap_or(address));
    props.set(tag::ADDRESS_TYPE, "SMTP");
    props.set(tag::EMAIL_ADDRESS, address);
    props.set(tag::SMTP_ADDRESS, address);
    props
}

fn bodies(props: &mut PropertyBag, mail: &mail_parser::Message<'_>) {
    let part = |id: &u32| mail.parts.get(*id as usize);
    let plain: Vec<&str> = mail
        .text_body
        .iter()
        .filter_map(part)
        .filter_map(|part| match &part.body {
            PartType::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    let page = mail
        .html_body
        .iter()
        .filter_map(part)
        .find_map(|part| match &part.body {
            PartType::Html(text) => Some(text.as_ref()),
            _ => None,
        });
    if !plain.is_empty() {
        props.set(tag::BODY, plain.join("\r\n"));
    }
    if let Some(page) = page {
        props.set(tag::HTML, page.as_bytes().to_vec());
        props.set(tag::INTERNET_CODEPAGE, UTF_8);
    }
}

fn attachment(part: &MessagePart<'_>, depth: usize) -> Attachment {
    let mut props = PropertyBag::new();
    if let Some(name) = part.attachment_name() {
        props.set(tag::ATTACH_LONG_FILENAME, name);
        props.set(tag::DISPLAY_NAME, name);
    }
    if let Some(kind) = part.content_type() {
        let sub = kind.subtype().unwrap_or("octet-stream");
        let kind = format!("{}/{sub}", kind.ctype()).to_ascii_lowercase();
        props.set(tag::ATTACH_MIME_TAG, kind);
    }
    if let Some(id) = part.content_id() {
        props.set(tag::ATTACH_CONTENT_ID, id);
    }
    let inner = part.message().filter(|_| depth < MAX_DEPTH);
    let embedded = inner.map(|inner| {
        let mut message = Message::default();
        message.props.set(tag::MESSAGE_CLASS, "IPM.Note");
        let raw = inner.raw_message();
        put(&mut message, inner, raw, depth + 1);
        Box::new(message)
    });
    if embedded.is_some() {
        props.set(tag::ATTACH_METHOD, EMBEDDED);
    } else {
        props.set(tag::ATTACH_METHOD, BY_VALUE);
        props.set(tag::ATTACH_DATA_BINARY, part.contents().to_vec());
    }
    Attachment { props, embedded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_s_people_texts_and_files_become_properties() {
        let mime = b"From: Ann <ann@example.test>\r\nTo: b@example.test, Carl <c@example.test>\r\n\
            Cc: d@example.test\r\nSubject: Plans\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\
            Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x\r\n\
            Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\
            Content-Disposition: attachment\r\n\r\nAAEC\r\n--x\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nword\r\n--x--\r\n";
        let mut message = Message::default();
        message.props.set(tag::MIME_SKELETON, vec![1]);
        message
            .props
            .set(tag::SUBJECT, "Plans, as the server has it");
        fill(&mut message, mime);
        let props = &message.props;
        assert!(!props.contains(tag::MIME_SKELETON));
        assert_eq!(props.str(tag::SUBJECT), Some("Plans, as the server has it"));
        assert_eq!(props.str(tag::BODY).map(str::trim), Some("hello"));
        assert_eq!(
            props.str(tag::SENDER_SMTP_ADDRESS),
            Some("ann@example.test")
        );
        let kinds: Vec<_> = message
            .recipients
            .iter()
            .map(|r| (r.i32(tag::RECIPIENT_TYPE), r.str(tag::SMTP_ADDRESS)))
            .collect();
        let expected = [
            (Some(1), Some("b@example.test")),
            (Some(1), Some("c@example.test")),
            (Some(2), Some("d@example.test")),
        ];
        assert_eq!(kinds, expected);
        let [file, inner] = message.attachments.as_slice() else {
            panic!("{:?}", message.attachments);
        };
        let data = file.props.binary(tag::ATTACH_DATA_BINARY);
        assert_eq!(data, Some(&[0, 1, 2][..]));
        let inner = inner.embedded.as_deref().unwrap();
        assert_eq!(inner.props.str(tag::SUBJECT), Some("inner"));
        assert_eq!(inner.props.str(tag::BODY).map(str::trim), Some("word"));
    }
}
