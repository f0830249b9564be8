//! MIME messages as mail items ([MS-OXCMAIL]).

use std::ops::Range;

use bytes::Bytes;
use fasttransfer::mime_skeleton::{decode_text, expand};
use fasttransfer::{Message, PropertyBag, Transfer, named, tag};

use super::attach;
use super::body::{charset, lenient_base64, lenient_quoted_printable};
use super::header::{Headers, Mailbox, decode_date, to_utf8};
use super::ics::put_meeting;
use super::mime_tree::{self, Entity, TransferEncoding};
use super::props::{file_time, put_bool, put_i32, put_list, put_opt, put_str, put_time};
use super::recipients::{RecipientType, add_recipients, display_names, put_sender};
use super::skeleton::{Piece, Plan, keep_literally, strip};

/// Deepest nesting of messages in messages; a message nested deeper is a file attachment.
const MAX_EMBED_DEPTH: usize = 8;
/// Most attachments of one message; further parts stay literal bytes of the skeleton.
const MAX_ATTACHMENTS: usize = 2_000;
/// Longest message the skeleton is proved for when it is loaded, in bytes.
const MAX_PROOF_BYTES: u64 = 1 << 30;
/// PidTagMessageFlags: has attachments.
const MSGFLAG_HASATTACH: i32 = 0x10;
/// PidTagMessageFlags: a draft.
const MSGFLAG_UNSENT: i32 = 0x08;
/// PidTagNativeBody: plain text, HTML.
const NATIVE_TEXT: i32 = 1;
const NATIVE_HTML: i32 = 3;

/// Loads a message in Internet format. Never fails: what cannot be understood is kept literally,
/// and [`mime_of`](super::mime_of) gives back exactly `raw`.
pub fn message_from_mime(raw: &[u8]) -> Message {
    let (mut message, plan) = load(raw, 0);
    plan.store(&mut message, raw);
    // The promise does not rest on every rule above being right.
    if !matches!(expand(&message, MAX_PROOF_BYTES), Some(Ok(mime)) if mime == raw) {
        keep_literally(&mut message, raw);
    }
    message
}

fn load(raw: &[u8], depth: usize) -> (Message, Plan) {
    let root = mime_tree::parse(raw);
    let mut loader = Loader {
        raw,
        depth,
        message: Message::default(),
        plan: Plan::default(),
        has_text: false,
        has_html: false,
        calendar: None,
    };
    loader.headers(&root);
    loader.entity(&root, Context::default());
    loader.finish();
    (loader.message, loader.plan)
}

struct Loader<'a> {
    raw: &'a [u8],
    depth: usize,
    message: Message,
    plan: Plan,
    has_text: bool,
    has_html: bool,
    /// Attachment and method of a `text/calendar` part.
    calendar: Option<(usize, String)>,
}

/// What the multiparts around a part say about it.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    in_related: bool,
    in_alternative: bool,
    /// Whether only first parts lead here, so that the part can be the message's text.
    leading: bool,
}

impl Loader<'_> {
    fn headers(&mut self, root: &Entity<'_>) {
        let headers = &root.headers;
        put_str(&mut self.message.props, tag::MESSAGE_CLASS, class(root));
        put_subject(&mut self.message.props, headers);
        self.people(headers);
        put_times(&mut self.message.props, headers);
        put_ids(&mut self.message.props, headers);
        put_importance(&mut self.message.props, headers);
        let block = headers.block();
        if headers.is_empty() {
            return;
        }
        // Text that is not the bytes themselves cannot give them back, and a NUL would end it in
        // the eyes of MAPI clients.
        let text = to_utf8(block);
        if text.as_bytes() == block && !text.contains('\0') {
            self.plan
                .add(headers.range.clone(), Piece::TransportHeaders);
        }
        let text = text.replace('\0', "\u{FFFD}");
        self.message.props.set(tag::TRANSPORT_MESSAGE_HEADERS, text);
    }

    fn people(&mut self, headers: &Headers<'_>) {
        let from = headers.mailboxes("From").into_iter().next();
        let sender = headers.mailboxes("Sender").into_iter().next();
        if let Some(from) = from.clone().or_else(|| sender.clone()) {
            let sender = sender.unwrap_or_else(|| from.clone());
            put_sender(&mut self.message.props, &sender, &from);
        }
        for (name, kind, display) in [
            ("To", RecipientType::To, tag::DISPLAY_TO),
            ("Cc", RecipientType::Cc, tag::DISPLAY_CC),
            ("Bcc", RecipientType::Bcc, tag::DISPLAY_BCC),
        ] {
            let people = headers.mailboxes(name);
            add_recipients(&mut self.message, kind, &people);
            put_str(&mut self.message.props, display, &display_names(&people));
        }
        let reply_to: Vec<Mailbox> = headers.mailboxes("Reply-To");
        put_str(
            &mut self.message.props,
            tag::REPLY_RECIPIENT_NAMES,
            &display_names(&reply_to),
        );
    }

    fn entity(&mut self, entity: &Entity<'_>, context: Context) {
        if entity.parts.is_empty() {
            self.leaf(entity, context);
            return;
        }
        let related = entity.media_type == "multipart/related";
        let alternative = entity.media_type == "multipart/alternative";
        for (n, part) in entity.parts.iter().enumerate() {
            let inside = Context {
                in_related: context.in_related || related,
                in_alternative: context.in_alternative || alternative,
                leading: context.leading && (n == 0 || alternative),
            };
            self.entity(part, inside);
        }
    }

    fn leaf(&mut self, entity: &Entity<'_>, context: Context) {
        let is_body = !entity.is_attachment()
            && (context.in_alternative || context.leading || !(self.has_text || self.has_html))
            && (entity.file_name().is_none() || entity.headers.range.start == 0);
        match entity.media_type.as_str() {
            "text/plain" if is_body && !self.has_text => self.text(entity),
            "text/html" if is_body && !self.has_html => self.html(entity),
            "message/rfc822" | "message/global" if self.depth < MAX_EMBED_DEPTH => {
                self.embedded(entity);
            }
            // A multipart without a single part is text that its boundary does not cut.
            kind if kind.starts_with("multipart/") && !self.has_text => self.text(entity),
            _ if entity.body.is_empty() && entity.file_name().is_none() => {}
            _ => self.file(entity, context),
        }
    }

    fn text(&mut self, entity: &Entity<'_>) {
        self.has_text = true;
        let (bytes, transfer) = self.decode(entity);
        let charset = charset(entity.parameter("charset"), &bytes);
        let name = charset.encoding.name();
        let text = decode_text(&bytes, name);
        if let (Some(_), Some(transfer)) = (&text, transfer) {
            let charset = name;
            self.plan
                .add(entity.body.clone(), Piece::Text { charset, transfer });
        }
        // Text that does not encode back is read as well as it goes; its bytes stay literal.
        let text = text.unwrap_or_else(|| {
            let (text, _) = charset.encoding.decode_without_bom_handling(&bytes);
            text.replace('\0', "\u{FFFD}")
        });
        let props = &mut self.message.props;
        props.set(tag::BODY, text);
        if !self.has_html {
            put_i32(props, tag::INTERNET_CODEPAGE, charset.code_page);
        }
    }

    fn html(&mut self, entity: &Entity<'_>) {
        self.has_html = true;
        let (bytes, transfer) = self.decode(entity);
        let charset = charset(entity.parameter("charset"), &bytes);
        if let Some(transfer) = transfer {
            self.plan.add(entity.body.clone(), Piece::Html { transfer });
        }
        let props = &mut self.message.props;
        props.set(tag::HTML, bytes);
        put_i32(props, tag::INTERNET_CODEPAGE, charset.code_page);
    }

    fn embedded(&mut self, entity: &Entity<'_>) {
        let number = self.message.attachments.len();
        if number >= MAX_ATTACHMENTS {
            return;
        }
        let (bytes, transfer) = self.decode(entity);
        let (mut inner, plan) = load(&bytes, self.depth + 1);
        plan.store(&mut inner, &bytes);
        if let Some(transfer) = transfer {
            self.plan
                .add(entity.body.clone(), Piece::Embedded { number, transfer });
        }
        self.message
            .attachments
            .push(attach::message(entity, number, inner));
    }

    fn file(&mut self, entity: &Entity<'_>, context: Context) {
        let number = self.message.attachments.len();
        if number >= MAX_ATTACHMENTS {
            return;
        }
        let (bytes, transfer) = self.decode(entity);
        if let Some(transfer) = transfer {
            self.plan
                .add(entity.body.clone(), Piece::File { number, transfer });
        }
        if entity.media_type == "text/calendar" && self.calendar.is_none() {
            let method = entity.parameter("method").unwrap_or_default().to_owned();
            self.calendar = Some((number, method));
        }
        self.message
            .attachments
            .push(attach::file(entity, number, context.in_related, bytes));
    }

    /// The decoded body, and how to encode it again; `None` when only the raw bytes can do that.
    fn decode(&self, entity: &Entity<'_>) -> (Bytes, Option<Transfer>) {
        let raw = self.slice(entity.body.clone());
        if let Some((bytes, transfer)) = strip(raw, entity.encoding) {
            return (bytes.into(), Some(transfer));
        }
        let bytes = match entity.encoding {
            TransferEncoding::Identity => raw.to_vec(),
            TransferEncoding::Base64 => lenient_base64(raw),
            TransferEncoding::QuotedPrintable => lenient_quoted_printable(raw),
        };
        (bytes.into(), None)
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.raw.get(range).unwrap_or_default()
    }

    fn finish(&mut self) {
        if let Some((number, method)) = self.calendar.take() {
            let data = self.message.attachments.get(number);
            let data = data.and_then(|a| a.props.binary(tag::ATTACH_DATA_BINARY));
            if let Some(data) = data.map(<[u8]>::to_vec) {
                put_meeting(&mut self.message, &data, &method);
            }
        }
        let native = if self.has_html {
            NATIVE_HTML
        } else {
            NATIVE_TEXT
        };
        let visible = self
            .message
            .attachments
            .iter()
            .any(|a| a.props.boolean(tag::ATTACHMENT_HIDDEN) != Some(true));
        let has_any = !self.message.attachments.is_empty();
        let props = &mut self.message.props;
        if self.has_text || self.has_html {
            put_i32(props, tag::NATIVE_BODY, native);
        }
        put_bool(props, tag::HAS_ATTACHMENTS, visible);
        let flags = props.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
        let attached = if has_any { MSGFLAG_HASATTACH } else { 0 };
        put_i32(props, tag::MESSAGE_FLAGS, flags | attached);
    }
}

/// PidTagMessageClass ([MS-OXCMAIL] 2.2.3.2.8 and 2.2.3.4).
fn class(root: &Entity<'_>) -> &'static str {
    let report = root.parameter("report-type").unwrap_or_default();
    match root.media_type.as_str() {
        "multipart/report" if report.eq_ignore_ascii_case("delivery-status") => {
            "REPORT.IPM.Note.NDR"
        }
        "multipart/report" if report.eq_ignore_ascii_case("disposition-notification") => {
            "REPORT.IPM.Note.IPNRN"
        }
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "IPM.Note.SMIME",
        _ => "IPM.Note",
    }
}

fn put_subject(props: &mut PropertyBag, headers: &Headers<'_>) {
    let subject = headers.text("Subject").unwrap_or_default();
    let (prefix, normal) = split_prefix(&subject);
    put_str(props, tag::SUBJECT, &subject);
    put_str(props, tag::SUBJECT_PREFIX, prefix);
    put_str(props, tag::NORMALIZED_SUBJECT, normal);
    let topic = headers.text("Thread-Topic");
    let topic = topic.as_deref().unwrap_or(normal);
    put_str(props, tag::CONVERSATION_TOPIC, topic);
    let index = headers
        .plain("Thread-Index")
        .map(|text| lenient_base64(text.as_bytes()))
        .filter(|index| (22..=4_096).contains(&index.len()))
        .unwrap_or_else(|| conversation_index(topic, headers.date("Date").unwrap_or(0)));
    props.set(tag::CONVERSATION_INDEX, index);
}

/// Splits `RE: ` and its like off ([MS-OXCMSG] 3.2.4.8): one to three non-digits, colon, space.
pub(crate) fn split_prefix(subject: &str) -> (&str, &str) {
    if let Some((word, rest)) = subject.split_once(": ") {
        let letters = word.chars().count();
        let plain = word
            .chars()
            .all(|c| !c.is_ascii_digit() && !c.is_whitespace());
        if (1..=3).contains(&letters) && plain {
            return subject.split_at(subject.len() - rest.len());
        }
    }
    ("", subject)
}

/// A conversation header block ([MS-OXOMSG] 2.2.1.3): time, and a GUID by the topic.
fn conversation_index(topic: &str, seconds: i64) -> Vec<u8> {
    let time = file_time(seconds).map_or(0, |t| t.0).to_be_bytes();
    let mut index = vec![1];
    index.extend(&time[1..6]);
    index.extend(&blake3::hash(topic.to_lowercase().as_bytes()).as_bytes()[..16]);
    index
}

fn put_times(props: &mut PropertyBag, headers: &Headers<'_>) {
    let sent = headers.date("Date");
    // The topmost Received field is the last hop's.
    let received = headers.first("Received").and_then(|value| {
        let at = value.iter().rposition(|&b| b == b';')?;
        decode_date(value.get(at + 1..)?)
    });
    if let Some(sent) = sent.or(received) {
        put_time(props, tag::CLIENT_SUBMIT_TIME, sent);
    }
    if let Some(received) = received.or(sent) {
        put_time(props, tag::MESSAGE_DELIVERY_TIME, received);
    }
}

fn put_ids(props: &mut PropertyBag, headers: &Headers<'_>) {
    put_opt(props, tag::INTERNET_MESSAGE_ID, headers.plain("Message-ID"));
    put_opt(props, tag::IN_REPLY_TO_ID, headers.plain("In-Reply-To"));
    put_opt(props, tag::INTERNET_REFERENCES, headers.plain("References"));
    put_opt(props, tag::LIST_HELP, headers.plain("List-Help"));
    put_opt(props, tag::LIST_SUBSCRIBE, headers.plain("List-Subscribe"));
    put_opt(
        props,
        tag::LIST_UNSUBSCRIBE,
        headers.plain("List-Unsubscribe"),
    );
    let keywords = headers.text("Keywords").unwrap_or_default();
    let keywords = keywords
        .split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    put_list(props, named::keywords(), keywords);
    if headers.plain("X-Unsent").is_some_and(|v| v == "1") {
        put_i32(props, tag::MESSAGE_FLAGS, MSGFLAG_UNSENT);
    }
}

fn put_importance(props: &mut PropertyBag, headers: &Headers<'_>) {
    let word = |name: &str| headers.plain(name).unwrap_or_default().to_ascii_lowercase();
    let stated = [
        word("Importance"),
        word("X-MSMail-Priority"),
        word("Priority"),
    ];
    let digit = word("X-Priority");
    let is = |wanted: &[&str]| stated.iter().any(|v| wanted.contains(&v.as_str()));
    let importance = if is(&["high", "urgent"]) || digit.starts_with(['1', '2']) {
        2
    } else if is(&["low", "non-urgent"]) || digit.starts_with(['4', '5']) {
        0
    } else {
        1
    };
    put_i32(props, tag::IMPORTANCE, importance);
    put_i32(props, tag::PRIORITY, importance - 1);
    let sensitivity = match word("Sensitivity").as_str() {
        "personal" => 1,
        "private" => 2,
        "company-confidential" => 3,
        _ => 0,
    };
    put_i32(props, tag::SENSITIVITY, sensitivity);
    let receipt = headers.first("Disposition-Notification-To").is_some();
    put_bool(props, tag::READ_RECEIPT_REQUESTED, receipt);
}
