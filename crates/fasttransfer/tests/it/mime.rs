use std::io::Write as _;
use std::process::{Command, Stdio};

use fasttransfer::{Attachment, FileTime, Message, PropValue, PropertyBag, named, tag, to_mime};

use crate::arbitrary::noise;

/// Asks Python's email package; `None` where there is no python3 outside CI.
fn python(mime: &[u8], script: &str) -> Option<String> {
    let prelude = "import sys,email,email.policy,hashlib\n\
        m=email.message_from_bytes(sys.stdin.buffer.read(),policy=email.policy.default)\n\
        assert not [p for p in m.walk() if p.defects], [p.defects for p in m.walk()]\n";
    let child = Command::new("python3")
        .args(["-c", &format!("{prelude}{script}")])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("CI").is_none(), "python3 is missing");
        println!("skipped: no python3");
        return None;
    };
    child.stdin.take().unwrap().write_all(mime).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(mime));
    Some(
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .replace("\r\n", "\n"),
    )
}

#[track_caller]
fn check(message: &Message, script: &str, expected: &str) {
    let mime = to_mime(message);
    for line in mime.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 999);
    }
    if let Some(answer) = python(&mime, script) {
        assert_eq!(answer, expected, "{}", String::from_utf8_lossy(&mime));
    }
}

fn recipient(kind: i32, name: &str, address: &str) -> PropertyBag {
    let mut bag = PropertyBag::new();
    bag.set(tag::RECIPIENT_TYPE, kind);
    bag.set(tag::DISPLAY_NAME, name);
    bag.set(tag::SMTP_ADDRESS, address);
    bag
}

fn draft() -> Message {
    let mut message = Message::default();
    let props = &mut message.props;
    props.set(tag::MESSAGE_CLASS, "IPM.Note");
    props.set(
        tag::SUBJECT,
        "Gr\u{fc}\u{df}e an alle, die dieses sehr lange Thema lesen \u{1F600} bis zum Ende",
    );
    props.set(tag::SENDER_NAME, "Beispiel, Ana \"A.\"");
    props.set(tag::SENDER_SMTP_ADDRESS, "ana@example.test");
    props.set(tag::INTERNET_MESSAGE_ID, "<1@example.test>");
    props.set(tag::BODY, "Hallo,\nstra\u{df}e\r\nEnde ");
    let time: jiff::Timestamp = "2024-05-06T07:08:09Z".parse().unwrap();
    props.set(tag::CLIENT_SUBMIT_TIME, FileTime::from_timestamp(time));
    message.recipients = vec![
        recipient(1, "Karl \u{c4}rger", "karl@example.test"),
        recipient(1, "eva@example.test", "eva@example.test"),
        recipient(2, "Nobody", "/o=EX/cn=nobody"),
    ];
    message
}

#[test]
fn a_draft_gets_its_headers_from_properties() {
    check(
        &draft(),
        "for h in ['From','To','Cc','Subject','Date','Message-ID']: print(h, m[h])\n\
         print([a.display_name for a in m['From'].addresses])",
        "From \"Beispiel, Ana \\\"A.\\\"\" <ana@example.test>\n\
         To Karl \u{c4}rger <karl@example.test>, eva@example.test\n\
         Cc Nobody:;\n\
         Subject Gr\u{fc}\u{df}e an alle, die dieses sehr lange Thema lesen \u{1F600} bis zum Ende\n\
         Date Mon, 06 May 2024 07:08:09 +0000\n\
         Message-ID <1@example.test>\n\
         ['Beispiel, Ana \"A.\"']",
    );
    check(
        &draft(),
        "print(m.get_content_type(), repr(m.get_content().replace(chr(13), '')))",
        "text/plain 'Hallo,\\nstra\u{df}e\\nEnde '",
    );
}

#[test]
fn all_kinds_of_parts_stand_in_their_places() {
    let mut message = draft();
    message
        .props
        .set(tag::HTML, b"<p>hi <img src=\"cid:pic@1\">\xe4</p>".to_vec());
    message.props.set(tag::INTERNET_CODEPAGE, 28_591);
    let picture = noise(1, 500);
    let mut inline = Attachment::default();
    inline.props.set(tag::ATTACH_CONTENT_ID, "pic@1");
    inline.props.set(tag::ATTACH_MIME_TAG, "image/png");
    inline.props.set(tag::ATTACH_DATA_BINARY, picture);
    let mut file = Attachment::default();
    let name = "\u{dc}bersicht der sehr ausf\u{fc}hrlichen Kostenaufstellung f\u{fc}r das Dach \u{2014} Teil 1.pdf";
    file.props.set(tag::ATTACH_LONG_FILENAME, name);
    file.props
        .set(tag::ATTACH_MIME_TAG, "evil\r\nX-Injected: 1");
    file.props.set(tag::ATTACH_DATA_BINARY, noise(2, 5000));
    let embedded = Attachment {
        embedded: Some(Box::new(draft())),
        ..Attachment::default()
    };
    message.attachments = vec![inline, file, embedded];
    check(
        &message,
        "print([p.get_content_type() for p in m.walk()])\n\
         h=m.get_body(('html',)); print(h.get_content().strip(), h.get_content_charset())\n\
         a=list(m.iter_attachments()); print(a[0].get_filename(), len(a[0].get_content()), a[1].get_content()['Subject'][:5])\n\
         print([p['Content-ID'] for p in m.walk() if p['Content-ID']], m['X-Injected'])",
        &format!(
            "['multipart/mixed', 'multipart/alternative', 'text/plain', 'multipart/related', \
             'text/html', 'image/png', 'application/octet-stream', 'message/rfc822', 'text/plain']\n\
             <p>hi <img src=\"cid:pic@1\">\u{e4}</p> windows-1252\n{name} 5000 Gr\u{fc}\u{df}e\n['<pic@1>'] None"
        ),
    );
}

#[test]
fn transport_headers_are_reused_without_content_fields() {
    let mut message = draft();
    message.props.set(
        tag::TRANSPORT_MESSAGE_HEADERS,
        "Microsoft Mail Internet Headers Version 2.0\r\nReceived: from a\r\n\tby b; x\r\n\
         From: other@example.test\r\nContent-Type: multipart/mixed;\r\n\tboundary=x\r\n\
         Subject: old\r\n subject\r\nMIME-Version: 1.0\r\nX-Last: 1\r\n\r\nnot a header: 1\r\n",
    );
    message.props.set(tag::SUBJECT, "new subject");
    check(
        &message,
        "print(m.keys()); print(m['Subject']); print(m['Received'])",
        "['Received', 'From', 'Subject', 'X-Last', 'MIME-Version', 'Content-Type', \
         'Content-Transfer-Encoding']\nnew subject\nfrom a\tby b; x",
    );
}

#[test]
fn odd_transport_headers_become_valid_ones() {
    let mut message = draft();
    message.props.remove(tag::SUBJECT);
    message.props.set(
        tag::TRANSPORT_MESSAGE_HEADERS,
        "From : a@example.test\rContent-Type: multipart/report;\r\tboundary=x\rInval\u{ec}d: 1\r\
         two words: 2\rTo: b@example.test\r\r",
    );
    check(
        &message,
        "print(m.keys())",
        "['From', 'To', 'MIME-Version', 'Content-Type', 'Content-Transfer-Encoding']",
    );
}

#[test]
fn overlong_header_lines_are_folded() {
    let mut message = draft();
    let people = "<someone@example.test>, ".repeat(200);
    message
        .props
        .set(tag::TRANSPORT_MESSAGE_HEADERS, format!("X-To: {people}x"));
    check(
        &message,
        "print(m['X-To'].count('<someone@example.test>, '))",
        "200",
    );
}

#[test]
fn an_rtf_only_message_keeps_its_body_as_a_file() {
    let mut message = draft();
    message.props.remove(tag::BODY);
    message.props.set(tag::RTF_COMPRESSED, noise(1, 300));
    check(
        &message,
        "print([(p.get_content_type(), p.get_filename()) for p in m.walk()])",
        "[('multipart/mixed', None), ('text/plain', None), ('application/x-rtf-compressed', 'body.rtf')]",
    );
}

#[test]
fn header_injection_is_impossible() {
    let mut message = draft();
    message
        .props
        .set(tag::SUBJECT, "a\r\nBcc: evil@example.test\r\n\r\nbody");
    message.recipients = vec![recipient(1, "x\r\nX-Evil: 1", "a@b\r\nX-Evil: 2")];
    check(&message, "print(m['Bcc'], m['X-Evil'])", "None None");
}

#[test]
fn an_empty_message_is_valid() {
    check(
        &Message::default(),
        "print(m.get_content_type())",
        "text/plain",
    );
}

#[test]
fn a_contact_becomes_a_card() {
    let mut message = Message::default();
    let props = &mut message.props;
    props.set(tag::MESSAGE_CLASS, "IPM.Contact");
    props.set(tag::DISPLAY_NAME, "Ana Beispiel");
    props.set(tag::SURNAME, "Beispiel; sic");
    props.set(tag::GIVEN_NAME, "Ana");
    props.set(named::EMAIL1_EMAIL_ADDRESS, "ana@example.test");
    props.set(tag::MOBILE_TELEPHONE_NUMBER, "+49 1");
    props.set(tag::BODY, "line one\r\nline, two");
    props.set(named::WORK_ADDRESS_CITY, "Z\u{fc}rich");
    let card = String::from_utf8(to_mime(&message)).unwrap();
    assert_eq!(
        card,
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ana Beispiel\r\nN:Beispiel\\; sic;Ana;;;\r\n\
         EMAIL;TYPE=INTERNET:ana@example.test\r\nTEL;TYPE=CELL,VOICE:+49 1\r\n\
         ADR;TYPE=WORK:;;;Z\u{fc}rich;;;\r\nNOTE:line one\\nline\\, two\r\nEND:VCARD\r\n"
    );
}

#[test]
fn an_appointment_becomes_an_event() {
    let mut message = Message::default();
    let time = |text: &str| {
        let time: jiff::Timestamp = text.parse().unwrap();
        FileTime::from_timestamp(time)
    };
    let props = &mut message.props;
    props.set(tag::MESSAGE_CLASS, "IPM.Appointment");
    props.set(tag::SUBJECT, "Roof ".repeat(20).trim());
    props.set(named::APPOINTMENT_START_WHOLE, time("2024-05-06T07:00:00Z"));
    props.set(named::APPOINTMENT_END_WHOLE, time("2024-05-06T08:30:00Z"));
    props.set(named::LOCATION, "Roof, north");
    let mut uid = vec![4; 40];
    uid.extend_from_slice(b"vCal-Uid\x01\0\0\0abc@example.test\0");
    props.set(named::GLOBAL_OBJECT_ID, uid);
    props.set(
        named::keywords(),
        PropValue::MultiUnicode(vec!["a,b".into()]),
    );
    props.set(tag::SENT_REPRESENTING_SMTP_ADDRESS, "ana@example.test");
    message.recipients = vec![recipient(1, "Karl \"K\"", "karl@example.test")];
    let event = String::from_utf8(to_mime(&message)).unwrap();
    assert!(event.lines().all(|line| line.len() <= 75));
    let unfolded = event.replace("\r\n ", "");
    for line in [
        "UID:abc@example.test",
        "DTSTART:20240506T070000Z",
        "DTEND:20240506T083000Z",
        "LOCATION:Roof\\, north",
        "CATEGORIES:a\\,b",
        "ORGANIZER:mailto:ana@example.test",
        "ATTENDEE;ROLE=REQ-PARTICIPANT;CN=\"Karl 'K'\":mailto:karl@example.test",
    ] {
        assert!(
            unfolded.contains(&format!("\r\n{line}\r\n")),
            "{line}\n{event}"
        );
    }
}
