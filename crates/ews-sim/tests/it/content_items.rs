//! What loaded items say in MAPI terms.

use ews_sim::{edit_body, edit_subject, from_ics, from_vcf, message_from_mime, mime_of};
use fasttransfer::{FileTime, Message, NamedProp, PropId, PropValue, named, tag};

const MAIL: &[u8] = b"Received: from a.test by b.test; Fri, 02 Feb 2024 10:00:05 +0100\r\n\
From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.test>\r\n\
Sender: office@example.test\r\n\
To: \"Alice A.\" <alice@example.test>, bob@example.test\r\n\
Cc: Team: carol@example.test, dave@example.test;\r\n\
Subject: RE: =?iso-8859-1?Q?Gr=FC=DFe?= aus\r\n =?utf-8?B?S8O2bG4=?=\r\n\
Date: Fri, 02 Feb 2024 10:00:00 +0100\r\n\
Message-ID: <1@example.test>\r\n\
In-Reply-To: <0@example.test>\r\n\
References: <a@example.test>\r\n <0@example.test>\r\n\
X-Priority: 1 (Highest)\r\n\
Sensitivity: Private\r\n\
Keywords: Red, Blue\r\n\
MIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=m\r\n\
\r\n\
preamble\r\n\
--m\r\n\
Content-Type: multipart/related; boundary=r\r\n\
\r\n\
--r\r\n\
Content-Type: multipart/alternative; boundary=a\r\n\
\r\n\
--a\r\n\
Content-Type: text/plain; charset=iso-8859-1\r\n\
Content-Transfer-Encoding: quoted-printable\r\n\
\r\n\
Gr=FC=DFe\r\n\
--a\r\n\
Content-Type: text/html; charset=utf-8\r\n\
\r\n\
<p>Gr\xC3\xBC\xC3\x9Fe <img src=\"cid:logo\"></p>\r\n\
--a--\r\n\
--r\r\n\
Content-Type: image/png; name=logo.png\r\n\
Content-ID: <logo>\r\n\
Content-Transfer-Encoding: base64\r\n\
\r\n\
iVBORw0KGgo=\r\n\
--r--\r\n\
--m\r\n\
Content-Type: application/pdf\r\n\
Content-Disposition: attachment;\r\n filename*0*=utf-8''%C3%9Cbersicht;\r\n filename*1=\"-2024.pdf\"\r\n\
Content-Transfer-Encoding: base64\r\n\
\r\n\
JVBERi0=\r\n\
--m\r\n\
Content-Type: message/rfc822\r\n\
\r\n\
From: eve@example.test\r\n\
Subject: inner\r\n\
\r\n\
inner text\r\n\
--m--\r\n";

fn text(message: &Message, id: impl Into<PropId>) -> &str {
    message.props.str(id).unwrap_or_default()
}

fn time(text: &str) -> Option<FileTime> {
    Some(text.parse::<jiff::Timestamp>().unwrap().into())
}

#[test]
fn a_mail_becomes_the_properties_exchange_gives_it() {
    let mail = message_from_mime(MAIL);
    assert_eq!(text(&mail, tag::MESSAGE_CLASS), "IPM.Note");
    assert_eq!(text(&mail, tag::SUBJECT), "RE: Grüße aus Köln");
    assert_eq!(text(&mail, tag::SUBJECT_PREFIX), "RE: ");
    assert_eq!(text(&mail, tag::NORMALIZED_SUBJECT), "Grüße aus Köln");
    assert_eq!(
        text(&mail, tag::SENDER_EMAIL_ADDRESS),
        "office@example.test"
    );
    assert_eq!(text(&mail, tag::SENT_REPRESENTING_NAME), "Jörg");
    assert_eq!(
        text(&mail, tag::SENT_REPRESENTING_SMTP_ADDRESS),
        "joerg@example.test"
    );
    assert_eq!(text(&mail, tag::DISPLAY_TO), "Alice A.; bob@example.test");
    assert_eq!(
        text(&mail, tag::DISPLAY_CC),
        "carol@example.test; dave@example.test"
    );
    assert_eq!(text(&mail, tag::INTERNET_MESSAGE_ID), "<1@example.test>");
    assert_eq!(
        text(&mail, tag::INTERNET_REFERENCES),
        "<a@example.test> <0@example.test>"
    );
    assert_eq!(
        mail.props.time(tag::CLIENT_SUBMIT_TIME),
        time("2024-02-02T09:00:00Z")
    );
    assert_eq!(
        mail.props.time(tag::MESSAGE_DELIVERY_TIME),
        time("2024-02-02T09:00:05Z")
    );
    assert_eq!(mail.props.i32(tag::IMPORTANCE), Some(2));
    assert_eq!(mail.props.i32(tag::SENSITIVITY), Some(2));
    let keywords = vec!["Red".to_owned(), "Blue".to_owned()];
    assert_eq!(
        mail.props.get(named::keywords()),
        Some(&PropValue::MultiUnicode(keywords))
    );
    let headers = text(&mail, tag::TRANSPORT_MESSAGE_HEADERS);
    assert!(headers.starts_with("Received:") && headers.ends_with("boundary=m\r\n"));
    assert_eq!(mime_of(&mail), MAIL);
}

#[test]
fn bodies_and_recipients_and_attachments_are_told_apart() {
    let mail = message_from_mime(MAIL);
    assert_eq!(text(&mail, tag::BODY), "Grüße");
    let html = mail.props.binary(tag::HTML).unwrap();
    assert!(html.starts_with("<p>Grüße".as_bytes()));
    assert_eq!(mail.props.i32(tag::INTERNET_CODEPAGE), Some(65001));
    let kinds: Vec<_> = mail
        .recipients
        .iter()
        .map(|r| r.i32(tag::RECIPIENT_TYPE))
        .collect();
    assert_eq!(kinds, [Some(1), Some(1), Some(2), Some(2)]);
    assert_eq!(mail.recipients[0].str(tag::DISPLAY_NAME), Some("Alice A."));
    let [logo, pdf, inner] = &mail.attachments[..] else {
        panic!("{} attachments", mail.attachments.len())
    };
    assert_eq!(logo.props.str(tag::ATTACH_CONTENT_ID), Some("logo"));
    assert_eq!(logo.props.boolean(tag::ATTACHMENT_HIDDEN), Some(true));
    assert_eq!(
        logo.props.binary(tag::ATTACH_DATA_BINARY),
        Some(&b"\x89PNG\r\n\x1A\n"[..])
    );
    assert_eq!(
        pdf.props.str(tag::ATTACH_LONG_FILENAME),
        Some("Übersicht-2024.pdf")
    );
    assert_eq!(pdf.props.str(tag::ATTACH_EXTENSION), Some(".pdf"));
    assert_eq!(
        pdf.props.binary(tag::ATTACH_DATA_BINARY),
        Some(&b"%PDF-"[..])
    );
    assert_eq!(inner.props.i32(tag::ATTACH_METHOD), Some(5));
    let embedded = inner.embedded.as_deref().unwrap();
    assert_eq!(text(embedded, tag::SUBJECT), "inner");
    assert_eq!(text(embedded, tag::BODY), "inner text");
    assert_eq!(mail.props.boolean(tag::HAS_ATTACHMENTS), Some(true));
}

#[test]
fn an_edited_mail_forgets_its_original() {
    let mut mail = message_from_mime(MAIL);
    edit_subject(&mut mail, "RE: Änderung");
    assert_eq!(text(&mail, tag::NORMALIZED_SUBJECT), "Änderung");
    assert!(mail.props.get(tag::MIME_SKELETON).is_none());
    let headers = text(&mail, tag::TRANSPORT_MESSAGE_HEADERS);
    assert!(!headers.contains("=?iso-8859-1?Q?Gr=FC=DFe?=") && headers.contains("Date: "));
    edit_body(&mut mail, "new text");
    assert!(mail.props.get(tag::HTML).is_none());
    let mime = String::from_utf8_lossy(&mime_of(&mail)).into_owned();
    assert!(mime.contains("new text"), "{mime}");
    let again = message_from_mime(mime.as_bytes());
    assert_eq!(text(&again, tag::SUBJECT), "RE: Änderung");
    assert_eq!(again.attachments.len(), 3);
}

#[test]
fn a_message_without_any_header_is_all_body() {
    let raw = b"\r\njust text\r\n\r\nwith: colons\r\n";
    let mail = message_from_mime(raw);
    assert_eq!(text(&mail, tag::BODY), "just text\r\n\r\nwith: colons\r\n");
    assert_eq!(mime_of(&mail), raw);
}

#[test]
fn a_message_of_carriage_returns_only_has_lines_all_the_same() {
    let raw = b"From: postmaster\rSubject: a\r b\rContent-Type: multipart/mixed; boundary=x\r\r\
--x\r\rone\r--x\rContent-Type: text/x-log\r\rtwo\r--x--\r";
    let mail = message_from_mime(raw);
    assert_eq!(text(&mail, tag::SUBJECT), "a b");
    assert_eq!(text(&mail, tag::SENDER_EMAIL_ADDRESS), "postmaster");
    assert_eq!(text(&mail, tag::BODY), "one");
    assert_eq!(mail.attachments.len(), 1);
    assert_eq!(mime_of(&mail), raw);
}

#[test]
fn a_multipart_whose_boundary_never_comes_is_text() {
    let raw = b"Content-Type: multipart/mixed; boundary=x\n\nnothing to cut\n";
    let mail = message_from_mime(raw);
    assert_eq!(text(&mail, tag::BODY), "nothing to cut\n");
    assert_eq!(mime_of(&mail), raw);
}

#[test]
fn a_bounce_is_a_report() {
    let raw = b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n\
--x\n\nfailed\n--x\nContent-Type: message/delivery-status\n\nAction: failed\n--x\n\
Content-Type: message/rfc822\n\nSubject: lost\n\nhi\n--x--\n";
    let mail = message_from_mime(raw);
    assert_eq!(text(&mail, tag::MESSAGE_CLASS), "REPORT.IPM.Note.NDR");
    assert_eq!(mail.attachments.len(), 2);
    assert_eq!(mime_of(&mail), raw);
}

#[test]
fn text_that_its_charset_cannot_hold_is_read_and_kept() {
    for raw in [
        &b"Content-Type: text/plain; charset=utf-8\n\n\xFF\xC3\xBC"[..],
        b"Content-Type: text/plain; charset=utf-16\n\nab",
        b"Content-Type: text/plain\n\nnul \0 inside",
        b"Content-Type: text/plain; charset=x-unknown\n\n\xE9t\xE9",
        b"Subject: raw \xE9\n\n",
        b"Subject: nul \0\n\n",
    ] {
        let mail = message_from_mime(raw);
        assert!(!text(&mail, tag::BODY).contains('\0'));
        assert_eq!(mime_of(&mail), raw);
    }
}

#[test]
fn a_meeting_request_by_mail_has_the_meeting_class_and_times() {
    let raw = b"From: a@example.test\nSubject: Invitation\n\
Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/plain\n\nhi\n--x\n\
Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\n\
UID:u1\nDTSTART:20240506T070000Z\nDTEND:20240506T080000Z\nSUMMARY:Invitation\nEND:VEVENT\n\
END:VCALENDAR\n--x--\n";
    let mail = message_from_mime(raw);
    assert_eq!(
        text(&mail, tag::MESSAGE_CLASS),
        "IPM.Schedule.Meeting.Request"
    );
    let start = mail.props.time(named::APPOINTMENT_START_WHOLE);
    assert_eq!(start, time("2024-05-06T07:00:00Z"));
    assert_eq!(mime_of(&mail), raw);
}

fn event(lines: &str) -> Message {
    let lines = lines.trim().replace("\n            ", "\r\n");
    let raw = format!("BEGIN:VCALENDAR\r\n{lines}\r\nEND:VCALENDAR\r\n");
    let item = from_ics(raw.as_bytes());
    assert_eq!(mime_of(&item), raw.as_bytes());
    item
}

#[test]
fn an_event_becomes_an_appointment() {
    let item = event(
        "BEGIN:VEVENT
            UID:abc
            SUMMARY:Review\\, second part
            LOCATION:Room 5
            DTSTART:20240506T070000Z
            DURATION:PT1H30M
            ORGANIZER;CN=\"Alice A.\":MAILTO:alice@example.test
            ATTENDEE;CN=Bob:mailto:bob@example.test
            ATTENDEE;CUTYPE=ROOM:mailto:room5@example.test
            CLASS:PRIVATE
            BEGIN:VALARM
            TRIGGER:-PT15M
            END:VALARM
            END:VEVENT",
    );
    assert_eq!(text(&item, tag::MESSAGE_CLASS), "IPM.Appointment");
    assert_eq!(text(&item, tag::SUBJECT), "Review, second part");
    assert_eq!(text(&item, named::LOCATION), "Room 5");
    assert_eq!(
        item.props.time(named::APPOINTMENT_END_WHOLE),
        time("2024-05-06T08:30:00Z")
    );
    assert_eq!(item.props.i32(named::APPOINTMENT_DURATION), Some(90));
    assert_eq!(item.props.i32(named::APPOINTMENT_STATE_FLAGS), Some(1));
    assert_eq!(item.props.i32(named::REMINDER_DELTA), Some(15));
    assert_eq!(item.props.boolean(named::PRIVATE), Some(true));
    let kinds: Vec<_> = item
        .recipients
        .iter()
        .map(|r| r.i32(tag::RECIPIENT_TYPE))
        .collect();
    assert_eq!(kinds, [Some(0), Some(1), Some(3)]);
    let id = item.props.binary(named::GLOBAL_OBJECT_ID).unwrap();
    assert!(id.ends_with(b"vCal-Uid\x01\0\0\0abc\0"));
    assert_eq!(id.len(), 40 + 12 + 4);
}

#[test]
fn an_exchange_uid_is_the_global_object_id_itself() {
    let uid = "040000008200E00074C5B7101A82E00800000000B0C2E1F4C8C2D901000000000000000010000000\
               00112233445566778899AABBCCDDEEFF";
    let item = event(&format!("BEGIN:VEVENT\r\nUID:{uid}\r\nEND:VEVENT"));
    let id = item.props.binary(named::GLOBAL_OBJECT_ID).unwrap();
    assert_eq!((id.len(), id.last()), (56, Some(&0xFF)));
}

#[test]
fn local_times_follow_the_zone_the_file_defines() {
    let zone = "BEGIN:VTIMEZONE
            TZID:Here
            BEGIN:STANDARD
            DTSTART:19701025T030000
            RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
            TZOFFSETFROM:+0200
            TZOFFSETTO:+0100
            END:STANDARD
            BEGIN:DAYLIGHT
            DTSTART:19700329T020000
            RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
            TZOFFSETFROM:+0100
            TZOFFSETTO:+0200
            END:DAYLIGHT
            END:VTIMEZONE";
    for (local, utc) in [
        ("20240115T120000", "2024-01-15T11:00:00Z"),
        ("20240331T120000", "2024-03-31T10:00:00Z"),
        ("20241027T120000", "2024-10-27T11:00:00Z"),
        ("20241026T120000", "2024-10-26T10:00:00Z"),
    ] {
        let item = event(&format!(
            "{zone}\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Here:{local}\r\nEND:VEVENT"
        ));
        assert_eq!(item.props.time(named::COMMON_START), time(utc), "{local}");
    }
}

/// The blobs are those of items that Outlook wrote.
#[test]
fn recurrence_blobs_equal_those_outlook_wrote() {
    for (rule, start, end, expected) in [
        (
            "FREQ=DAILY;UNTIL=20221207",
            "DTSTART;VALUE=DATE:20221201",
            "DTEND;VALUE=DATE:20221202",
            "043004300a200000000000000000a005000000000000212000000700000000000000000000000000000020023a0de0233a0d063000000930000000000000a005000000000000000000000000",
        ),
        (
            "FREQ=DAILY;COUNT=1;BYDAY=MO,TU,WE,TH,FR",
            "DTSTART;VALUE=DATE:20221212",
            "DTEND;VALUE=DATE:20221213",
            "043004300a2001000000c021000001000000000000003e000000222000000100000000000000000000000000000000403a0d00403a0d063000000930000000000000a005000000000000000000000000",
        ),
        (
            "FREQ=WEEKLY;COUNT=1;BYDAY=MO",
            "DTSTART:20221212T160000",
            "DTEND:20221212T163000",
            "043004300b2001000000c0210000010000000000000002000000222000000100000000000000000000000000000000403a0d00403a0d0630000009300000c0030000de03000000000000000000000000",
        ),
        (
            "FREQ=WEEKLY;UNTIL=20231231T030000Z;BYDAY=FR",
            "DTSTART:20230106T120000",
            "DTEND:20230106T130000",
            "043004300b2001000000c02100000100000000000000200000002120000034000000000000000000000000000000a0cc3a0d00b0420d0630000009300000d00200000c03000000000000000000000000",
        ),
    ] {
        let item = event(&format!(
            "BEGIN:VEVENT\r\n{start}\r\n{end}\r\nRRULE:{rule}\r\nEND:VEVENT"
        ));
        assert_eq!(item.props.boolean(named::RECURRING), Some(true));
        let blob = item.props.binary(named::APPOINTMENT_RECUR).unwrap();
        let hex: String = blob.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, expected, "{rule}");
    }
}

#[test]
fn a_rule_without_a_blob_keeps_its_text() {
    let item = event(
        "BEGIN:VEVENT
            DTSTART:20240101T100000Z
            RRULE:FREQ=YEARLY;BYWEEKNO=20
            END:VEVENT",
    );
    assert_eq!(item.props.boolean(named::RECURRING), Some(true));
    assert_eq!(
        text(&item, named::RECURRENCE_PATTERN),
        "FREQ=YEARLY;BYWEEKNO=20"
    );
    assert!(item.props.get(named::APPOINTMENT_RECUR).is_none());
}

#[test]
fn a_to_do_becomes_a_task() {
    let item = event(
        "BEGIN:VTODO
            SUMMARY:Pay
            DUE:20240201T120000Z
            STATUS:COMPLETED
            END:VTODO",
    );
    assert_eq!(text(&item, tag::MESSAGE_CLASS), "IPM.Task");
    assert_eq!(item.props.boolean(named::TASK_COMPLETE), Some(true));
    assert_eq!(
        item.props.time(named::TASK_DUE_DATE),
        time("2024-02-01T12:00:00Z")
    );
}

#[test]
fn a_card_becomes_a_contact() {
    let raw = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Gump;Forrest;;Mr.;\r\nFN:Forrest Gump\r\n\
        ORG:Bubba Gump\\, Ltd.;Shrimps\r\nTITLE:Boss\r\nTEL;TYPE=WORK,VOICE:1\r\nTEL;TYPE=HOME:2\r\n\
        TEL;TYPE=CELL:3\r\nTEL;TYPE=WORK,FAX:4\r\nEMAIL:other@example.test\r\n\
        EMAIL;TYPE=PREF:forrest@example.test\r\nADR;TYPE=HOME:;;42 Plantation St.;Baytown;LA;30314;USA\r\n\
        BDAY:1944-06-06\r\nNOTE:first\\nsecond\r\nCATEGORIES:A,B\r\nEND:VCARD\r\n";
    let card = from_vcf(raw.as_bytes());
    let is = |id: NamedProp, expected| assert_eq!(text(&card, id), expected);
    assert_eq!(text(&card, tag::MESSAGE_CLASS), "IPM.Contact");
    assert_eq!(text(&card, tag::DISPLAY_NAME), "Forrest Gump");
    assert_eq!(text(&card, tag::SURNAME), "Gump");
    assert_eq!(text(&card, tag::COMPANY_NAME), "Bubba Gump, Ltd.");
    assert_eq!(text(&card, tag::DEPARTMENT_NAME), "Shrimps");
    for (slot, number) in [
        (tag::BUSINESS_TELEPHONE_NUMBER, "1"),
        (tag::HOME_TELEPHONE_NUMBER, "2"),
        (tag::MOBILE_TELEPHONE_NUMBER, "3"),
        (tag::BUSINESS_FAX_NUMBER, "4"),
        (tag::HOME_ADDRESS_CITY, "Baytown"),
    ] {
        assert_eq!(text(&card, slot), number);
    }
    is(named::EMAIL1_EMAIL_ADDRESS, "forrest@example.test");
    is(named::EMAIL2_EMAIL_ADDRESS, "other@example.test");
    is(named::FILE_UNDER, "Gump, Forrest");
    assert_eq!(card.props.time(tag::BIRTHDAY), time("1944-06-06T00:00:00Z"));
    assert_eq!(text(&card, tag::BODY), "first\r\nsecond");
    assert_eq!(mime_of(&card), raw.as_bytes());
}
