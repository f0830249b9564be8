//! Items computed on demand.

use fasttransfer::{Message, tag};

use super::rng::Rng;
use super::words::{self, TOPICS};
use crate::load::{
    Mailbox, RecipientType, add_recipients, display_names, put_bool, put_i32, put_sender, put_str,
    put_time,
};

/// Number of people a synthetic mailbox corresponds with.
const PEOPLE: u64 = 400;
/// 2020-01-01 00:00 UTC, in seconds since 1970: the time of item 0.
const FIRST_TIME: i64 = 1_577_836_800;
/// Seconds between two items.
const STEP: i64 = 97;

/// Item number `n` of the endless mailbox with that seed: a small plain-text mail.
///
/// Nothing is remembered between calls; the same arguments give the same item on every machine.
/// The item has no original MIME, so its MIME is generated from its properties.
pub fn synthetic(seed: u64, n: u64) -> Message {
    let mut rng = Rng::new(seed, &[0x53, n]);
    let mut message = Message::default();
    let from = words::person(seed, rng.next() % PEOPLE);
    let to = words::person(seed, rng.next() % PEOPLE);
    let subject = format!("{} #{n}", rng.pick(TOPICS));
    let props = &mut message.props;
    put_str(props, tag::MESSAGE_CLASS, "IPM.Note");
    put_str(props, tag::SUBJECT, &subject);
    put_str(props, tag::NORMALIZED_SUBJECT, &subject);
    put_str(props, tag::CONVERSATION_TOPIC, &subject);
    let id = format!("<{n:x}.{:016x}@synthetic.example.test>", rng.next());
    put_str(props, tag::INTERNET_MESSAGE_ID, &id);
    let age = i64::try_from(n % 20_000_000).unwrap_or(0) * STEP;
    put_time(props, tag::CLIENT_SUBMIT_TIME, FIRST_TIME + age);
    put_time(props, tag::MESSAGE_DELIVERY_TIME, FIRST_TIME + age + 2);
    put_i32(props, tag::IMPORTANCE, if rng.chance(3) { 2 } else { 1 });
    put_i32(props, tag::SENSITIVITY, 0);
    put_i32(props, tag::MESSAGE_FLAGS, 0);
    put_bool(props, tag::HAS_ATTACHMENTS, false);
    put_i32(props, tag::INTERNET_CODEPAGE, 65001);
    put_i32(props, tag::NATIVE_BODY, 1);
    let mut text = words::letter(&mut rng, &to, &from).join("\r\n\r\n");
    text.push_str("\r\n");
    props.set(tag::BODY, text);
    let sender = mailbox(&from);
    put_sender(props, &sender, &sender);
    let people = [mailbox(&to)];
    put_str(props, tag::DISPLAY_TO, &display_names(&people));
    add_recipients(&mut message, RecipientType::To, &people);
    message
}

fn mailbox(person: &words::Person) -> Mailbox {
    Mailbox {
        name: person.name(),
        address: person.address.clone(),
    }
}
