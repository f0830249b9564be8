//! Generated mails in Internet format.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::rng::Rng;
use super::words::{self, Person};

/// Characters of base64 per line.
const BASE64_LINE: usize = 76;
/// Longest quoted-printable line without its soft break.
const QP_LINE: usize = 75;
/// How many files the people of one world send around.
const SHARED_FILES: u64 = 60;

/// What a mail is to say.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) seed: u64,
    pub(crate) subject: String,
    pub(crate) from: Person,
    pub(crate) to: Vec<Person>,
    /// Seconds since 1970.
    pub(crate) time: i64,
    /// Earlier mails of the thread, newest first.
    pub(crate) history: Vec<Quoted>,
    /// Number of a file shared between the people of the world.
    pub(crate) attachment: Option<u64>,
}

/// An earlier mail of a thread.
#[derive(Debug, Clone)]
pub(crate) struct Quoted {
    pub(crate) from: Person,
    pub(crate) time: i64,
    pub(crate) id: String,
    pub(crate) paragraphs: Vec<String>,
}

/// Writes the mail: text and HTML alternatives with the thread quoted, in a mixed multipart when
/// there is a file.
pub(crate) fn compose(rng: &mut Rng, draft: &Draft) -> Vec<u8> {
    let nobody = words::person(draft.seed, 0);
    let to = draft.to.first().unwrap_or(&nobody);
    let paragraphs = words::letter(rng, to, &draft.from);
    compose_with(rng, draft, &paragraphs).1
}

/// Writes a mail with given paragraphs; also gives it as later mails quote it.
pub(crate) fn compose_with(
    rng: &mut Rng,
    draft: &Draft,
    paragraphs: &[String],
) -> (Quoted, Vec<u8>) {
    let id = format!("<{:016x}{:08x}@mail.example.test>", rng.next(), draft.time);
    let boundary = format!("_000_{:016x}{:016x}_", rng.next(), rng.next());
    let mut out = headers(rng, draft, &id);
    let body = alternative(draft, paragraphs, &format!("alt{boundary}"));
    match draft.attachment {
        None => out.push_str(&body),
        Some(number) => {
            let _ = write!(
                out,
                "Content-Type: multipart/mixed;\r\n\tboundary=\"mix{boundary}\"\r\n\r\n\
                 --mix{boundary}\r\n{body}\r\n--mix{boundary}\r\n"
            );
            out.push_str(&attachment(draft.seed, number));
            let _ = write!(out, "--mix{boundary}--\r\n");
        }
    }
    let quoted = Quoted {
        from: draft.from.clone(),
        time: draft.time,
        id,
        paragraphs: paragraphs.to_vec(),
    };
    (quoted, out.into_bytes())
}

fn headers(rng: &mut Rng, draft: &Draft, id: &str) -> String {
    let mut out = String::new();
    let date = rfc_date(draft.time);
    let host = rng.below(200);
    let _ = write!(
        out,
        "Received: from mx{host}.example.test (10.0.{}.{host}) by mail.example.test\r\n\
         \twith ESMTPS id {:012x}; {}\r\n",
        rng.below(250),
        rng.next() >> 16,
        rfc_date(draft.time + 3)
    );
    let _ = write!(out, "From: {}\r\n", address(&draft.from));
    let to: Vec<String> = draft.to.iter().map(address).collect();
    let _ = write!(out, "To: {}\r\n", to.join(",\r\n\t"));
    let _ = write!(out, "Subject: {}\r\n", encoded_word(&draft.subject));
    let _ = write!(out, "Date: {date}\r\nMessage-ID: {id}\r\n");
    if let Some(parent) = draft.history.first() {
        let references: Vec<&str> = draft.history.iter().rev().map(|q| q.id.as_str()).collect();
        let _ = write!(
            out,
            "In-Reply-To: {}\r\nReferences: {}\r\n",
            parent.id,
            references.join("\r\n\t")
        );
    }
    out.push_str("Accept-Language: en-US\r\nContent-Language: en-US\r\nMIME-Version: 1.0\r\n");
    out
}

fn alternative(draft: &Draft, paragraphs: &[String], boundary: &str) -> String {
    let mut text = paragraphs.join("\r\n\r\n");
    text.push_str("\r\n");
    let mut html = String::from(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; \
         charset=utf-8\">\r\n<style>p.MsoNormal { margin: 0cm; font-size: 11.0pt; font-family: \
         \"Calibri\",sans-serif }</style>\r\n</head>\r\n<body lang=\"EN-US\">\r\n",
    );
    html.push_str(&html_paragraphs(paragraphs));
    for quoted in &draft.history {
        let intro = format!(
            "From: {}\r\nSent: {}\r\nSubject: {}\r\n\r\n",
            quoted.from.name(),
            rfc_date(quoted.time),
            draft.subject
        );
        let _ = write!(text, "\r\n-----Original Message-----\r\n{intro}");
        text.push_str(&quoted.paragraphs.join("\r\n\r\n"));
        text.push_str("\r\n");
        html.push_str("<div style=\"border-top: solid #E1E1E1 1.0pt\">\r\n<p class=\"MsoNormal\">");
        html.push_str(&escape(&intro).replace("\r\n", "<br>\r\n"));
        html.push_str("</p></div>\r\n");
        html.push_str(&html_paragraphs(&quoted.paragraphs));
    }
    html.push_str("</body>\r\n</html>\r\n");
    let (text, html) = (quoted_printable(&text), quoted_printable(&html));
    let encoding = "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    format!(
        "Content-Type: multipart/alternative;\r\n\tboundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n{encoding}{text}\r\n\
         --{boundary}\r\nContent-Type: text/html; charset=\"utf-8\"\r\n{encoding}{html}\r\n\
         --{boundary}--\r\n"
    )
}

fn html_paragraphs(paragraphs: &[String]) -> String {
    let mut out = String::new();
    for paragraph in paragraphs {
        let text = escape(paragraph);
        let _ = write!(
            out,
            "<p class=\"MsoNormal\">{text}</p>\r\n<p class=\"MsoNormal\">&nbsp;</p>\r\n"
        );
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// One of the files people send around: the same number is the same bytes everywhere. Sizes run
/// from a kilobyte to about 400 kB, small ones being common.
fn attachment(seed: u64, number: u64) -> String {
    let mut rng = Rng::new(seed, &[0x46, number % SHARED_FILES]);
    let size = 1_024 << rng.below(9);
    let size = size + rng.below(size / 2);
    let (kind, extension) = *rng.pick(&[
        ("application/pdf", "pdf"),
        ("image/jpeg", "jpg"),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "docx",
        ),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
        ),
    ]);
    let name = format!("document-{}.{extension}", number % SHARED_FILES);
    let encoded = base64_simd::STANDARD.encode_to_string(rng.bytes(size));
    let mut out = format!(
        "Content-Type: {kind};\r\n\tname=\"{name}\"\r\nContent-Description: {name}\r\n\
         Content-Disposition: attachment; filename=\"{name}\"; size={size}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(BASE64_LINE));
        out.push_str(line);
        out.push_str("\r\n");
        rest = tail;
    }
    out.push_str("\r\n");
    out
}

fn address(person: &Person) -> String {
    let name = person.name();
    let name = if name.is_ascii() {
        format!("\"{name}\"")
    } else {
        encoded_word(&name)
    };
    format!("{name} <{}>", person.address)
}

/// Text as one or more encoded words (RFC 2047) when it is not ASCII.
pub(crate) fn encoded_word(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        // 45 bytes are 60 characters of base64, which keeps a word below the limit of 75.
        if word.len() + c.len_utf8() > 45 {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words: Vec<String> = words
        .iter()
        .map(|word| {
            let encoded = base64_simd::STANDARD.encode_to_string(word.as_bytes());
            format!("=?utf-8?B?{encoded}?=")
        })
        .collect();
    words.join("\r\n ")
}

/// Quoted-printable with CRLF line ends (RFC 2045, 6.7).
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split("\r\n") {
        let mut width = 0;
        let bytes = line.as_bytes();
        for (n, &b) in bytes.iter().enumerate() {
            let last = n + 1 == bytes.len();
            let plain = matches!(b, b'!'..=b'<' | b'>'..=b'~') || (b == b' ' && !last);
            let wanted = if plain { 1 } else { 3 };
            if width + wanted > QP_LINE {
                out.push_str("=\r\n");
                width = 0;
            }
            if plain {
                out.push(char::from(b));
            } else {
                let _ = write!(out, "={b:02X}");
            }
            width += wanted;
        }
        out.push_str("\r\n");
    }
    out.truncate(out.len().saturating_sub(2));
    out
}

/// An RFC 5322 date in UTC.
fn rfc_date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| String::new(),
        |time| time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
    )
}
