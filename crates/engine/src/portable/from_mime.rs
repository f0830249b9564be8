//! What a portable mail says in its MIME text, as properties, for files that are made of these.

use std::borrow::Cow;

use fasttransfer::{Attachment, FileTime, Message, PropertyBag, tag};
use mail_parser::{Addr, Address, MimeHeaders};

use super::mime_part::{Part, cut_line, header_text};

/// Messages within messages that are taken apart; deeper ones stay files.
const MAX_DEPTH: usize = 16;
/// Windows code page of UTF-8.
const UTF_8: i32 = 65001;
/// Values of PidTagAttachMethod.
const BY_VALUE: i32 = 1;
const EMBEDDED: i32 = 5;
/// Values of PidTagNativeBody.
const NATIVE_TEXT: i32 = 1;
const NATIVE_HTML: i32 = 3;

/// Adds people, bodies and attachments of a MIME text to a message that has none of them, and
/// leaves out the text itself, which says the same.
pub(super) fn fill(message: &mut Message, mime: &[u8]) {
    message.props.remove(tag::MIME_SKELETON);
    put(message, mime, 0);
}

fn put(message: &mut Message, raw: &[u8], depth: usize) {
    let raw = with_line_feeds(raw);
    let root = Part::parse(&raw);
    headers(message, &raw, &root);
    let mut content = Content {
        depth,
        text: None,
        html: None,
        files: Vec::new(),
    };
    content.take(&root, false);
    let props = &mut message.props;
    if let Some(text) = &content.text {
        props.set(tag::BODY, text.as_str());
        props.set(tag::NATIVE_BODY, NATIVE_TEXT);
    }
    if let Some(page) = content.html {
        props.set(tag::HTML, page.into_bytes());
        props.set(tag::INTERNET_CODEPAGE, UTF_8);
        props.set(tag::NATIVE_BODY, NATIVE_HTML);
    }
    message.attachments.append(&mut content.files);
}

/// Mail that came from old Macintoshes has carriage returns alone.
fn with_line_feeds(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.contains(&b'\n') || !raw.contains(&b'\r') {
        return Cow::Borrowed(raw);
    }
    let feeds = raw.iter().map(|byte| match byte {
        b'\r' => b'\n',
        other => *other,
    });
    Cow::Owned(feeds.collect())
}

fn headers(message: &mut Message, raw: &[u8], root: &Part<'_>) {
    let Some(fields) = &root.fields else { return };
    let props = &mut message.props;
    add(
        props,
        tag::TRANSPORT_MESSAGE_HEADERS,
        Some(header_lines(raw)),
    );
    add(props, tag::SUBJECT, fields.subject().map(Into::into));
    let id = fields.message_id().map(|id| format!("<{id}>"));
    add(props, tag::INTERNET_MESSAGE_ID, id);
    if let Some(time) = fields
        .date()
        .filter(|_| !props.contains(tag::CLIENT_SUBMIT_TIME))
        .and_then(|date| ews_client::Timestamp::from_second(date.to_timestamp()).ok())
    {
        props.set(tag::CLIENT_SUBMIT_TIME, FileTime::from_timestamp(time));
    }
    let from = fields.from().and_then(Address::first);
    let sender = fields.sender().and_then(Address::first).or(from);
    let represented = [
        tag::SENT_REPRESENTING_NAME,
        tag::SENT_REPRESENTING_SMTP_ADDRESS,
    ];
    let sent = [tag::SENDER_NAME, tag::SENDER_SMTP_ADDRESS];
    for (person, ids) in [(from.or(sender), represented), (sender, sent)] {
        let Some(person) = person else { continue };
        let texts = [person.name(), person.address()];
        for (id, text) in ids.into_iter().zip(texts) {
            add(props, id, text.map(Into::into));
        }
    }
    let people = |list: Vec<&Address<'static>>, kind| -> Vec<PropertyBag> {
        let all = list.into_iter().flat_map(Address::iter);
        all.filter_map(|person| recipient(person, kind)).collect()
    };
    for list in [
        people(fields.all_to().collect(), 1),
        people(fields.all_cc().collect(), 2),
        people(fields.all_bcc().collect(), 3),
    ] {
        message.recipients.extend(list);
    }
}

/// Everything before the first empty line.
fn header_lines(raw: &[u8]) -> String {
    let mut lines = String::new();
    let mut rest = raw;
    loop {
        let (line, behind) = cut_line(rest);
        if line.is_empty() {
            // A NUL would end the text in the eyes of mail programs.
            return lines.replace('\0', "\u{FFFD}");
        }
        lines.push_str(&header_text(line));
        lines.push_str("\r\n");
        rest = behind;
    }
}

fn add(props: &mut PropertyBag, id: u16, text: Option<String>) {
    if let Some(text) = text.filter(|_| props.text(id).is_none_or(|text| text.is_empty())) {
        props.set(id, text);
    }
}

fn recipient(person: &Addr<'_>, kind: i32) -> Option<PropertyBag> {
    // A word alone is the name of a local account.
    let word = person.name().filter(|name| !name.contains(' '));
    let address = person.address().or(word).unwrap_or_default();
    let name = person.name().unwrap_or(address);
    if name.is_empty() {
        return None;
    }
    let mut props = PropertyBag::new();
    props.set(tag::RECIPIENT_TYPE, kind);
    props.set(tag::DISPLAY_NAME, name);
    props.set(tag::ADDRESS_TYPE, "SMTP");
    props.set(tag::EMAIL_ADDRESS, address);
    props.set(tag::SMTP_ADDRESS, address);
    Some(props)
}

/// Texts and files of a mail, as its parts are passed in their order.
struct Content {
    depth: usize,
    text: Option<String>,
    html: Option<String>,
    files: Vec<Attachment>,
}

impl Content {
    /// The first text is the body, in each of its forms; what follows, such as the footers that
    /// mailing lists add, are files.
    fn take(&mut self, part: &Part<'_>, is_alternative: bool) {
        let kind = part.media_type();
        if !part.parts.is_empty() {
            let is_alternative = is_alternative || kind == "multipart/alternative";
            for inner in &part.parts {
                self.take(inner, is_alternative);
            }
            return;
        }
        let is_first = self.text.is_none() && self.html.is_none();
        let is_body =
            !part.is_attachment() && part.file_name().is_none() && (is_alternative || is_first);
        match kind.as_str() {
            "text/plain" if is_body && self.text.is_none() => self.text = Some(part.text()),
            "text/html" if is_body && self.html.is_none() => self.html = Some(part.text()),
            // No part of it was found: it is text.
            kind if kind.starts_with("multipart/") && self.text.is_none() => {
                self.text = Some(part.text());
            }
            // Nothing, and not even a name.
            _ if part.is_empty() && part.file_name().is_none() => {}
            kind => self.files.push(attachment(part, kind, self.depth)),
        }
    }
}

fn attachment(part: &Part<'_>, kind: &str, depth: usize) -> Attachment {
    let mut props = PropertyBag::new();
    props.set(tag::ATTACH_MIME_TAG, kind);
    if let Some(name) = part.file_name() {
        props.set(tag::ATTACH_LONG_FILENAME, name.as_str());
        props.set(tag::DISPLAY_NAME, name);
    }
    let fields = part.fields.as_ref();
    for (id, text) in [
        (
            tag::ATTACH_CONTENT_ID,
            fields.and_then(MimeHeaders::content_id),
        ),
        (
            tag::ATTACH_CONTENT_LOCATION,
            fields.and_then(MimeHeaders::content_location),
        ),
    ] {
        add(&mut props, id, text.map(Into::into));
    }
    let bytes = part.bytes();
    let is_message = matches!(kind, "message/rfc822" | "message/global");
    let embedded = (is_message && depth < MAX_DEPTH).then(|| {
        let mut message = Message::default();
        message.props.set(tag::MESSAGE_CLASS, "IPM.Note");
        put(&mut message, &bytes, depth + 1);
        Box::new(message)
    });
    if let Some(inner) = &embedded {
        props.set(tag::ATTACH_METHOD, EMBEDDED);
        add(
            &mut props,
            tag::DISPLAY_NAME,
            inner.props.text(tag::SUBJECT).map(Into::into),
        );
    } else {
        props.set(tag::ATTACH_METHOD, BY_VALUE);
        props.set(tag::ATTACH_DATA_BINARY, bytes.into_owned());
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

    #[test]
    fn the_first_text_is_the_body_and_a_footer_is_a_file() {
        let mime = b"Subject: list\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
            Content-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\n\r\nplain\r\n--y\r\n\
            Content-Type: text/html\r\n\r\n<p>page</p>\r\n--y--\r\n--x\r\n\
            Content-Type: text/plain\r\n\r\nfooter\r\n--x--\r\n";
        let mut message = Message::default();
        fill(&mut message, mime);
        assert_eq!(message.props.str(tag::BODY), Some("plain"));
        let page = message.props.binary(tag::HTML);
        assert_eq!(page, Some(&b"<p>page</p>"[..]));
        let [footer] = message.attachments.as_slice() else {
            panic!("{:?}", message.attachments);
        };
        let data = footer.props.binary(tag::ATTACH_DATA_BINARY);
        assert_eq!(data, Some(&b"footer"[..]));
    }

    #[test]
    fn carriage_returns_alone_end_lines_too() {
        let mut message = Message::default();
        fill(
            &mut message,
            b"To: a@example.test\rSubject: old\r\rtwo\rlines",
        );
        assert_eq!(message.recipients.len(), 1);
        assert_eq!(message.props.str(tag::BODY), Some("two\nlines"));
    }
}
