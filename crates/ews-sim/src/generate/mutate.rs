//! Changes a user would make, for demonstrations and tests.

use fasttransfer::{Message, tag};

use super::mail::{Draft, compose, encoded_word};
use super::rng::Rng;
use super::words::{self, TOPICS};
use crate::load::{forget_original, message_from_mime, put_i32, put_str, split_prefix};

/// PidTagNativeBody of plain text.
const NATIVE_TEXT: i32 = 1;

/// A fresh mail to `address`, number `n` of its seed.
pub fn new_mail(seed: u64, n: u64, address: &str) -> Message {
    let mut rng = Rng::new(seed, &[0x4E, n]);
    let from = words::person(seed, rng.next() % 500);
    let mut to = words::person(seed, 1_000_000);
    to.address = address.to_owned();
    let draft = Draft {
        seed,
        subject: format!("{} (new {n})", rng.pick(TOPICS)),
        from,
        to: vec![to],
        time: 1_760_000_000 + i64::try_from(n % 1_000_000).unwrap_or(0) * 61,
        history: Vec::new(),
        attachment: None,
    };
    message_from_mime(&compose(&mut rng, &draft))
}

/// Changes the subject, as a user editing the open item does: the item's MIME is from then on
/// generated from its properties.
pub fn edit_subject(message: &mut Message, subject: &str) {
    forget_original(message);
    let (prefix, normal) = split_prefix(subject);
    for (slot, text) in [
        (tag::SUBJECT, subject),
        (tag::SUBJECT_PREFIX, prefix),
        (tag::NORMALIZED_SUBJECT, normal),
    ] {
        message.props.remove(slot);
        put_str(&mut message.props, slot, text);
    }
    if let Some(headers) = message.props.str(tag::TRANSPORT_MESSAGE_HEADERS) {
        let headers = replace_subject(headers, subject);
        message.props.set(tag::TRANSPORT_MESSAGE_HEADERS, headers);
    }
}

/// The header block with another Subject field: generated MIME starts from this block.
fn replace_subject(headers: &str, subject: &str) -> String {
    let mut out = String::with_capacity(headers.len() + subject.len());
    let mut skipping = false;
    for line in headers.split_inclusive('\n') {
        if !line.starts_with([' ', '\t']) {
            let name = line.split(':').next().unwrap_or_default();
            skipping = name.trim_end().eq_ignore_ascii_case("subject");
        }
        if !skipping {
            out.push_str(line);
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push_str("\r\n");
    }
    let line: String = subject.chars().filter(|c| !c.is_control()).collect();
    out.push_str(&format!("Subject: {}\r\n", encoded_word(&line)));
    out
}

/// Replaces the body by plain text; the item's MIME is from then on generated from its
/// properties.
pub fn edit_body(message: &mut Message, text: &str) {
    forget_original(message);
    for slot in [tag::HTML, tag::RTF_COMPRESSED, tag::RTF_IN_SYNC] {
        message.props.remove(slot);
    }
    message.props.set(tag::BODY, text);
    put_i32(&mut message.props, tag::NATIVE_BODY, NATIVE_TEXT);
}
