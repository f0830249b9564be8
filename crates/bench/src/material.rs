//! What is measured with: made up, the same every time.

use fasttransfer::{Attachment, Message, WriteOptions, tag, write_message};

const WORDS: &str = "the of and to in a is for that on with as it be are this by or from at we an \
    not will have which if you can all has one our more their time new report meeting project \
    budget customer please find attached regards quarter figures review before Friday schedule \
    server backup mailbox folder message agreement contract delivery invoice number department";

/// Numbers that look random.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Sentences of at least so many bytes.
pub(crate) fn text(len: usize, seed: u64) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut numbers = Numbers(seed);
    let mut text = String::with_capacity(len + 80);
    while text.len() < len {
        for _ in 0..4 + numbers.next() % 9 {
            // Squaring prefers the first words, as languages do.
            let share = (numbers.next() % 1000) as f64 / 1000.0;
            text.push_str(words[(share * share * words.len() as f64) as usize]);
            text.push(' ');
        }
        text.push_str(&(numbers.next() % 10_000).to_string());
        text.push_str(".\r\n");
    }
    text
}

/// Bytes that do not compress.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A mail with headers, two texts and an attachment of so many bytes.
pub(crate) fn message(attachment: usize) -> Message {
    let mut message = Message::default();
    let plain = text(6_000, 1);
    let html = format!(
        "<html><body><p>{}</p></body></html>",
        plain.replace("\r\n", "<br>\r\n")
    );
    message.props.set(tag::MESSAGE_CLASS, "IPM.Note");
    message
        .props
        .set(tag::SUBJECT, "Figures of the third quarter");
    message.props.set(tag::SENDER_NAME, "Alice Example");
    message
        .props
        .set(tag::TRANSPORT_MESSAGE_HEADERS, text(2_500, 2).as_str());
    message.props.set(tag::BODY, plain.as_str());
    message.props.set(tag::HTML, html.into_bytes());
    if attachment > 0 {
        let mut file = Attachment::default();
        file.props.set(tag::ATTACH_DATA_BINARY, noise(attachment));
        message.attachments.push(file);
    }
    message
}

/// The same as a native stream.
pub(crate) fn stream(attachment: usize) -> Vec<u8> {
    write_message(&message(attachment), &WriteOptions::default())
}
