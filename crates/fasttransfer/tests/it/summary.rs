use fasttransfer::{
    FileTime, Message, PropValue, Summariser, WriteOptions, named, summarise, tag, write_message,
};
use proptest::prelude::*;

use crate::arbitrary::{mail, message};

fn time(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn full() -> Message {
    let mut message = mail(&[100_000]);
    let props = &mut message.props;
    props.set(tag::SENDER_SMTP_ADDRESS, "ana@example.test");
    props.set(tag::SENT_REPRESENTING_NAME, "The Roofers");
    props.set(tag::DISPLAY_TO, "Karl Muster; Eva Muster");
    props.set(
        tag::CLIENT_SUBMIT_TIME,
        FileTime::from_timestamp(time("2024-05-06T07:08:09Z")),
    );
    props.set(
        tag::MESSAGE_DELIVERY_TIME,
        FileTime::from_timestamp(time("2024-05-06T07:08:11Z")),
    );
    props.set(tag::MESSAGE_FLAGS, 1);
    props.set(tag::IMPORTANCE, 2);
    props.set(tag::INTERNET_MESSAGE_ID, "<1@example.test>");
    props.set(tag::CONVERSATION_TOPIC, "Offer");
    message
}

#[test]
fn a_mail_is_summarised() {
    let data = write_message(&full(), &WriteOptions::default());
    let summary = summarise(&data);
    assert_eq!(summary.item_class.as_deref(), Some("IPM.Note"));
    assert_eq!(summary.subject.as_deref(), Some("Offer for the new roof"));
    assert_eq!(summary.sender_name.as_deref(), Some("The Roofers"));
    assert_eq!(summary.sender_address.as_deref(), Some("ana@example.test"));
    assert_eq!(
        summary.display_to.as_deref(),
        Some("Karl Muster; Eva Muster")
    );
    assert_eq!(summary.sent, Some(time("2024-05-06T07:08:09Z")));
    assert_eq!(summary.received, Some(time("2024-05-06T07:08:11Z")));
    assert_eq!(summary.read, Some(true));
    assert_eq!(summary.importance, Some(2));
    assert_eq!(
        summary.internet_message_id.as_deref(),
        Some("<1@example.test>")
    );
    assert_eq!(summary.conversation_topic.as_deref(), Some("Offer"));
    assert_eq!(summary.categories, ["roof"]);
    assert!(summary.has_attachments && !summary.partial);
    assert_eq!(summary.size, data.len() as u64);
}

#[test]
fn what_an_embedded_message_says_is_not_the_items() {
    let mut outer = mail(&[]);
    outer.attachments.push(fasttransfer::Attachment {
        embedded: Some(Box::new(full())),
        ..Default::default()
    });
    let summary = summarise(&write_message(&outer, &WriteOptions::default()));
    assert_eq!(summary.received, None);
    assert_eq!(summary.read, None);
    assert!(!summary.partial);
}

#[test]
fn an_appointment_has_its_times_and_hidden_attachments_do_not_count() {
    let mut message = mail(&[10]);
    let start = FileTime::from_timestamp(time("2024-05-06T07:00:00Z"));
    message.props.set(named::APPOINTMENT_START_WHOLE, start);
    message.props.set(named::LOCATION, "Roof");
    message.attachments[0]
        .props
        .set(tag::ATTACHMENT_HIDDEN, true);
    let summary = summarise(&write_message(&message, &WriteOptions::default()));
    assert_eq!(summary.start, start.to_timestamp());
    assert_eq!(summary.location.as_deref(), Some("Roof"));
    assert!(!summary.has_attachments);
}

#[test]
fn a_truncated_stream_gives_what_it_has() {
    let data = write_message(&full(), &WriteOptions::default());
    let summary = summarise(&data[..data.len() / 2]);
    assert!(summary.partial);
    assert_eq!(summary.subject.as_deref(), Some("Offer for the new roof"));
    assert!(summarise(b"nonsense").partial);
}

#[test]
fn a_very_long_subject_is_cut() {
    let mut message = Message::default();
    message
        .props
        .set(tag::SUBJECT, PropValue::Unicode("ab".repeat(1 << 20)));
    let summary = summarise(&write_message(&message, &WriteOptions::default()));
    assert!(summary.subject.unwrap().len() <= 8192);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_summary_does_not_depend_on_the_pieces(message in message(), step in 1usize..200) {
        let data = write_message(&message, &WriteOptions::default());
        let mut summariser = Summariser::new();
        data.chunks(step).for_each(|piece| summariser.feed(piece));
        prop_assert_eq!(summariser.finish(), summarise(&data));
    }
}
