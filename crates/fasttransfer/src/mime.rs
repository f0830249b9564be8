//! Messages as MIME (RFC 5322, 2045–2047; MS-OXCMAIL for what goes where).

use std::collections::HashSet;
use std::fmt::Write as _;

use base64_simd::STANDARD;

use crate::mime_header::{date, field, mailbox, one_line, parameter, unstructured};
use crate::{Attachment, Message, PropertyBag, body, file, tag};

/// Messages inside one another; deeper ones appear as empty messages.
const DEPTH_LIMIT: usize = 32;
/// Characters of base64 in a line.
const BASE64_LINE: usize = 76;
/// The longest line RFC 5322 allows, without its end.
const LINE_LIMIT: usize = 998;
/// Bit of PidTagAttachFlags: the attachment is shown within the HTML body.
const ATT_MHTML_REF: i32 = 4;

pub(crate) fn mail(message: &Message, depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    match message.props.text(tag::TRANSPORT_MESSAGE_HEADERS) {
        Some(headers) if headers.contains(':') => transport_headers(message, &headers, &mut out),
        _ => headers(message, &mut out),
    }
    out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    out.append(&mut body(message, depth).render());
    out
}

/// A mail that says who and when in its headers, shows the item's text, and carries its file.
pub(crate) fn carrier(message: &Message, subtype: &str, file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    headers(message, &mut out);
    out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    let charset = match str::from_utf8(file) {
        Ok(_) => "utf-8",
        Err(_) => "windows-1252",
    };
    let mut parts = Vec::new();
    if let Some(text) = body::plain(message) {
        parts.push(Part::text("plain", "utf-8", text.as_bytes()));
    }
    // As base64 the file's bytes stay as they are, line ends included.
    parts.push(Part {
        fields: format!(
            "Content-Type: text/{subtype}; charset={charset}\r\n\
             Content-Transfer-Encoding: base64\r\n"
        ),
        body: base64_lines(file),
    });
    out.append(&mut Part::multipart("mixed", parts).render());
    out
}

/// The headers the message arrived with, except those about its content, and the subject as it
/// is now.
fn transport_headers(message: &Message, headers: &str, out: &mut Vec<u8>) {
    let subject = message.props.text(tag::SUBJECT);
    let mut subject_written = false;
    let mut keep = false;
    // Some headers came with lone carriage returns for line ends.
    let headers = headers.replace("\r\n", "\n").replace('\r', "\n");
    for line in headers.split('\n') {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if keep {
                push_line(out, "", line);
            }
            continue;
        }
        // Exchange puts a line without a field name first.
        let Some((name, value)) = line.split_once(':') else {
            keep = false;
            continue;
        };
        let name = name.trim_end();
        let lower = name.to_ascii_lowercase();
        let is_subject = lower == "subject" && subject.is_some();
        if is_subject && !std::mem::replace(&mut subject_written, true) {
            unstructured(out, "Subject", subject.as_deref().unwrap_or_default());
        }
        keep = is_field_name(name)
            && !is_subject
            && lower != "mime-version"
            && !lower.starts_with("content-");
        if keep {
            push_line(out, &format!("{name}:"), value);
        }
    }
    if let Some(subject) = subject.filter(|subject| !subject_written && !subject.is_empty()) {
        unstructured(out, "Subject", &subject);
    }
}

/// Appends a header line as it came, or folded where it is longer than a line may be.
fn push_line(out: &mut Vec<u8>, start: &str, rest: &str) {
    out.extend_from_slice(start.as_bytes());
    let mut column = start.len();
    for (i, word) in rest.split(' ').enumerate() {
        let space = usize::from(i > 0);
        if column > 0 && column + space + word.len() > LINE_LIMIT && !word.trim().is_empty() {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
        column += space + word.len();
    }
    out.extend_from_slice(b"\r\n");
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Headers made from properties, for what never was transported.
fn headers(message: &Message, out: &mut Vec<u8>) {
    let props = &message.props;
    let from = sent_by(
        props,
        tag::SENT_REPRESENTING_NAME,
        [
            tag::SENT_REPRESENTING_SMTP_ADDRESS,
            tag::SENT_REPRESENTING_EMAIL_ADDRESS,
        ],
    );
    let sender = sent_by(
        props,
        tag::SENDER_NAME,
        [tag::SENDER_SMTP_ADDRESS, tag::SENDER_EMAIL_ADDRESS],
    );
    if let Some(from) = from.as_ref().or(sender.as_ref()) {
        field(out, "From", from);
    }
    if let Some(sender) = sender.filter(|sender| from.is_some() && from.as_ref() != Some(sender)) {
        field(out, "Sender", &sender);
    }
    for (name, kind) in [("To", 1), ("Cc", 2), ("Bcc", 3)] {
        let people: Vec<String> = message
            .recipients
            .iter()
            .filter(|r| r.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF == kind)
            .filter_map(recipient)
            .collect();
        if !people.is_empty() {
            field(out, name, &people.join(", "));
        }
    }
    if let Some(subject) = props.text(tag::SUBJECT) {
        unstructured(out, "Subject", &subject);
    }
    let time = [
        tag::CLIENT_SUBMIT_TIME,
        tag::MESSAGE_DELIVERY_TIME,
        tag::LAST_MODIFICATION_TIME,
        tag::CREATION_TIME,
    ]
    .into_iter()
    .find_map(|id| props.time(id)?.to_timestamp());
    if let Some(time) = time {
        field(out, "Date", &date(time));
    }
    for (name, id) in [
        ("Message-ID", tag::INTERNET_MESSAGE_ID),
        ("In-Reply-To", tag::IN_REPLY_TO_ID),
        ("References", tag::INTERNET_REFERENCES),
    ] {
        if let Some(ids) = props.text(id).filter(|ids| ids.is_ascii()) {
            let ids: Vec<&str> = ids.split_whitespace().collect();
            field(out, name, &ids.join(" "));
        }
    }
    match props.i32(tag::IMPORTANCE) {
        Some(0) => field(out, "Importance", "low"),
        Some(2) => field(out, "Importance", "high"),
        _ => {}
    }
}

fn sent_by(props: &PropertyBag, name: u16, addresses: [u16; 2]) -> Option<String> {
    let address = addresses
        .into_iter()
        .filter_map(|id| props.text(id))
        .find(|address| address.contains('@'));
    mailbox(props.text(name).as_deref(), address.as_deref())
}

fn recipient(props: &PropertyBag) -> Option<String> {
    let name = props
        .text(tag::DISPLAY_NAME)
        .or_else(|| props.text(tag::RECIPIENT_DISPLAY_NAME));
    mailbox(name.as_deref(), address(props).as_deref())
}

/// The Internet address of a recipient.
pub(crate) fn address(props: &PropertyBag) -> Option<String> {
    [tag::SMTP_ADDRESS, tag::EMAIL_ADDRESS]
        .into_iter()
        .filter_map(|id| props.text(id))
        .find(|address| address.contains('@'))
        .map(std::borrow::Cow::into_owned)
}

/// A MIME entity: its content fields, and its body in transfer encoding.
struct Part {
    fields: String,
    body: Vec<u8>,
}

impl Part {
    fn render(self) -> Vec<u8> {
        let mut out = self.fields.into_bytes();
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    /// Text of a charset, in whatever encoding suits it.
    fn text(subtype: &str, charset: &str, bytes: &[u8]) -> Self {
        let (encoding, body) = encode_text(bytes);
        Self {
            fields: format!(
                "Content-Type: text/{subtype}; charset={charset}\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n"
            ),
            body,
        }
    }

    fn multipart(subtype: &str, mut parts: Vec<Self>) -> Self {
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return only;
        }
        let rendered: Vec<Vec<u8>> = parts.into_iter().map(Self::render).collect();
        // `=_` occurs in neither base64 nor quoted-printable, and no entity contains the hash
        // of itself.
        let hash = rendered
            .iter()
            .flatten()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
            });
        let boundary = format!("=_{hash:016x}");
        let mut body = Vec::new();
        for part in rendered {
            body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            body.extend_from_slice(&part);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Self {
            fields: format!("Content-Type: multipart/{subtype};\r\n boundary=\"{boundary}\"\r\n"),
            body,
        }
    }

    fn attachment(attachment: &Attachment, depth: usize, inline: bool) -> Self {
        let props = &attachment.props;
        let name = [
            tag::ATTACH_LONG_FILENAME,
            tag::ATTACH_FILENAME,
            tag::DISPLAY_NAME,
        ]
        .into_iter()
        .find_map(|id| props.text(id))
        .filter(|name| !name.is_empty());
        let mut fields = String::new();
        let body = if let Some(embedded) = &attachment.embedded {
            let bytes = if depth < DEPTH_LIMIT {
                file::mail_inside(embedded, depth + 1)
            } else {
                Vec::new()
            };
            let encoding = if bytes.is_ascii() { "7bit" } else { "8bit" };
            let _ = write!(
                fields,
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n"
            );
            bytes
        } else {
            let data = props.binary(tag::ATTACH_DATA_BINARY).unwrap_or_default();
            let kind = props.text(tag::ATTACH_MIME_TAG);
            let kind = kind
                .as_deref()
                .filter(|kind| is_leaf_type(kind))
                .unwrap_or("application/octet-stream");
            let name = name.as_deref().map(|name| parameter("name", name));
            let _ = write!(
                fields,
                "Content-Type: {kind}{}\r\nContent-Transfer-Encoding: base64\r\n",
                name.unwrap_or_default()
            );
            base64_lines(data)
        };
        let disposition = if inline { "inline" } else { "attachment" };
        let name = name.as_deref().map(|name| parameter("filename", name));
        let name = name.unwrap_or_default();
        let _ = write!(fields, "Content-Disposition: {disposition}{name}\r\n");
        if let Some(id) = content_id(props) {
            let _ = write!(fields, "Content-ID: <{id}>\r\n");
        }
        Self { fields, body }
    }
}

fn body(message: &Message, depth: usize) -> Part {
    let props = &message.props;
    let html = body::html(props);
    let mentioned = html.as_ref().map(|(_, bytes)| mentioned_ids(bytes));
    let mut bodies = Vec::new();
    // Rich text beside a text or HTML says the same in another way.
    let is_rich = html.is_none() && body::own_text(props).is_none();
    let rich = body::rich_only(props).filter(|_| is_rich);
    let damaged = body::damaged_rich(props).filter(|_| is_rich);
    // The text itself where there is one, empty or not; else what other forms say.
    let text = match props.text(tag::BODY) {
        Some(text) if html.is_some() || !text.trim().is_empty() => Some(text.into_owned()),
        text if html.is_none() => body::plain(message).or(text.map(Into::into)),
        _ => None,
    };
    if let Some(text) = text {
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        bodies.push(Part::text("plain", charset, text.as_bytes()));
    }
    let (related, attached): (Vec<&Attachment>, Vec<&Attachment>) = message
        .attachments
        .iter()
        .partition(|attachment| is_related(attachment, mentioned.as_ref()));
    if let Some((charset, bytes)) = &html {
        let mut parts = vec![Part::text("html", charset, bytes)];
        parts.extend(related.iter().map(|a| Part::attachment(a, depth, true)));
        bodies.push(Part::multipart("related", parts));
    }
    let mut parts = Vec::new();
    if bodies.is_empty() {
        parts.push(Part::text("plain", "us-ascii", b""));
    } else {
        parts.push(Part::multipart("alternative", bodies));
    }
    if let Some((rtf, _)) = rich {
        parts.push(rtf_body("application/rtf", &rtf));
    }
    if let Some(packed) = damaged {
        parts.push(rtf_body("application/x-rtf-compressed", packed));
    }
    parts.extend(attached.iter().map(|a| Part::attachment(a, depth, false)));
    Part::multipart("mixed", parts)
}

/// Rich text, with what plain text cannot show of it.
fn rtf_body(kind: &str, rtf: &[u8]) -> Part {
    Part {
        fields: format!(
            "Content-Type: {kind}; name=\"body.rtf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"body.rtf\"\r\n"
        ),
        body: base64_lines(rtf),
    }
}

/// The content ids an HTML body refers to.
fn mentioned_ids(html: &[u8]) -> HashSet<&[u8]> {
    const SCHEME: &[u8] = b"cid:";
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'<>()".contains(byte);
    html.windows(SCHEME.len())
        .enumerate()
        .filter(|(_, window)| window.eq_ignore_ascii_case(SCHEME))
        .filter_map(|(at, _)| html[at + SCHEME.len()..].split(ends).next())
        .collect()
}

/// Whether an attachment belongs to the HTML body, if there is one.
fn is_related(attachment: &Attachment, mentioned: Option<&HashSet<&[u8]>>) -> bool {
    let (Some(mentioned), Some(id)) = (mentioned, content_id(&attachment.props)) else {
        return false;
    };
    let flags = attachment.props.i32(tag::ATTACH_FLAGS).unwrap_or(0);
    flags & ATT_MHTML_REF != 0 || mentioned.contains(id.as_bytes())
}

fn content_id(props: &PropertyBag) -> Option<String> {
    let id = one_line(&props.text(tag::ATTACH_CONTENT_ID)?);
    let id = id.trim_matches(['<', '>']).to_owned();
    (!id.is_empty() && id.bytes().all(|byte| matches!(byte, b'!'..=b'~'))).then_some(id)
}

/// Whether a text is a media type a leaf can have.
fn is_leaf_type(kind: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    kind.split_once('/').is_some_and(|(main, sub)| {
        let lower = main.to_ascii_lowercase();
        is_token(main) && is_token(sub) && lower != "multipart" && lower != "message"
    })
}

fn base64_lines(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 3 * 4 + data.len() / 28 + 8);
    for line in data.chunks(BASE64_LINE / 4 * 3) {
        out.extend_from_slice(STANDARD.encode_to_string(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Text with CRLF line ends in the first of 7bit, quoted-printable and base64 that suits it.
fn encode_text(bytes: &[u8]) -> (&'static str, Vec<u8>) {
    let text = crlf(bytes);
    let is_plain = text
        .split(|byte| *byte == b'\n')
        .all(|line| line.len() <= LINE_LIMIT && line.is_ascii() && !line.contains(&0));
    if is_plain {
        return ("7bit", text);
    }
    let foreign = text.iter().filter(|byte| !byte.is_ascii()).count();
    if foreign * 4 > text.len() {
        return ("base64", base64_lines(&text));
    }
    ("quoted-printable", quoted_printable(&text))
}

/// Every line end as CRLF.
fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut last = 0;
    for &byte in bytes {
        if byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        } else if last == b'\r' && byte != b'\n' {
            out.push(b'\n');
        }
        out.push(byte);
        last = byte;
    }
    if last == b'\r' {
        out.push(b'\n');
    }
    out
}

fn quoted_printable(text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    let mut column = 0;
    for (i, &byte) in text.iter().enumerate() {
        if byte == b'\r' || byte == b'\n' {
            out.push(byte);
            column = 0;
            continue;
        }
        let at_line_end = matches!(text.get(i + 1), None | Some(b'\r'));
        let literal = matches!(byte, b'!'..=b'<' | b'>'..=b'~')
            || (matches!(byte, b' ' | b'\t') && !at_line_end);
        let width = if literal { 1 } else { 3 };
        if column + width > BASE64_LINE - 1 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if literal {
            out.push(byte);
        } else {
            out.extend([
                b'=',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
        column += width;
    }
    out
}
