//! One item of every kind: real ones from the corpus where it has them, the others made.

use bytes::Bytes;
use fasttransfer::{FileTime, Message, NamedProp, PropValue, guid, named, tag};

/// An item to be put into a mailbox.
pub struct Kind {
    pub name: &'static str,
    /// The folder it belongs into, by the distinguished name of a primary mailbox.
    pub folder: &'static str,
    pub message: Message,
    /// Whether it is one that folders hold beside what users see.
    pub associated: bool,
}

/// A weekly series in Berlin time, through a change of the clocks: one occurrence is deleted, one
/// moved to another day and room, one renamed.
const SERIES: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\n\
BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n\
BEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n\
TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n\
BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n\
TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n\
BEGIN:VEVENT\r\nUID:series-1@example.test\r\nDTSTAMP:20260901T080000Z\r\nSEQUENCE:3\r\n\
DTSTART;TZID=Europe/Berlin:20261005T090000\r\nDTEND;TZID=Europe/Berlin:20261005T093000\r\n\
RRULE:FREQ=WEEKLY;COUNT=8;BYDAY=MO\r\nEXDATE;TZID=Europe/Berlin:20261012T090000\r\n\
SUMMARY:Weekly review\r\nLOCATION:Room 1\r\nDESCRIPTION:Bring numbers.\r\n\
ORGANIZER;CN=Ann:mailto:ann@example.test\r\n\
ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.test\r\n\
ATTENDEE;CN=Cem;PARTSTAT=DECLINED:mailto:cem@example.test\r\n\
ATTENDEE;CN=Dora;ROLE=OPT-PARTICIPANT;PARTSTAT=TENTATIVE:mailto:dora@example.test\r\n\
BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:series-1@example.test\r\nDTSTAMP:20260901T080000Z\r\n\
RECURRENCE-ID;TZID=Europe/Berlin:20261026T090000\r\n\
DTSTART;TZID=Europe/Berlin:20261027T140000\r\nDTEND;TZID=Europe/Berlin:20261027T150000\r\n\
SUMMARY:Weekly review\r\nLOCATION:Raum Zürich\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:series-1@example.test\r\nDTSTAMP:20260901T080000Z\r\n\
RECURRENCE-ID;TZID=Europe/Berlin:20261102T090000\r\n\
DTSTART;TZID=Europe/Berlin:20261102T090000\r\nDTEND;TZID=Europe/Berlin:20261102T093000\r\n\
SUMMARY:Quarterly review\r\nLOCATION:Room 1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// A single meeting whose answers are known.
const MEETING: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\n\
BEGIN:VEVENT\r\nUID:040000008200E00074C5B7101A82E00800000000A0B1C2D3E4F5D801000000000000000010000000AABBCCDDEEFF00112233445566778899\r\n\
DTSTAMP:20261001T080000Z\r\nDTSTART:20261120T130000Z\r\nDTEND:20261120T141500Z\r\n\
SUMMARY:Budget\r\nLOCATION:Hall\r\nCLASS:PRIVATE\r\nPRIORITY:1\r\n\
ORGANIZER;CN=Eve:mailto:eve@example.test\r\n\
ATTENDEE;CN=Alice;PARTSTAT=ACCEPTED:mailto:alice@example.test\r\n\
ATTENDEE;CN=Projector;CUTYPE=RESOURCE:mailto:projector@example.test\r\n\
END:VEVENT\r\nEND:VCALENDAR\r\n";

/// All kinds; `None` where the corpus is not there.
pub fn all() -> Option<Vec<Kind>> {
    let corpus = testkit::shared_dir()?.join("corpus");
    let read = |path: &str| std::fs::read(corpus.join(path)).unwrap();
    let mail = |path: &str| ews_sim::message_from_mime(&read(path));
    let mut kinds = vec![
        visible(
            "mail",
            "inbox",
            mail("mail/openbmc/2020-08/006407-283606ad9642.eml"),
        ),
        visible("mail with attachments", "inbox", with_attachments()),
        visible("draft", "drafts", draft()),
        visible(
            "meeting request",
            "inbox",
            mail(&invitation("single-event")),
        ),
        visible(
            "meeting request of a series",
            "inbox",
            mail(&invitation("repeat-event")),
        ),
        visible(
            "meeting cancellation",
            "inbox",
            mail(&invitation("cancel-single-event")),
        ),
        visible("meeting response", "inbox", response()),
        visible(
            "appointment",
            "calendar",
            ews_sim::from_ics(&read("calendar/calcard-032.ics")),
        ),
        visible("meeting", "calendar", ews_sim::from_ics(MEETING.as_bytes())),
        visible("series", "calendar", ews_sim::from_ics(SERIES.as_bytes())),
        visible(
            "contact",
            "contacts",
            ews_sim::from_vcf(&read("contacts/ezvcard-gmail-single2.vcf")),
        ),
        visible(
            "non-delivery report",
            "inbox",
            mail("mail/sisimai-bounces/CRLF/lhost-amavis-01.eml"),
        ),
        visible(
            "read receipt",
            "inbox",
            ews_sim::message_from_mime(READ_RECEIPT.as_bytes()),
        ),
    ];
    kinds.extend(made());
    for (number, kind) in kinds.iter_mut().enumerate() {
        mark(&mut kind.message, number);
    }
    kinds.extend(hidden());
    Some(kinds)
}

fn visible(name: &'static str, folder: &'static str, message: Message) -> Kind {
    Kind {
        name,
        folder,
        message,
        associated: false,
    }
}

fn invitation(name: &str) -> String {
    format!("difficult/thunderbird-calendar__test__browser__invitations__data__{name}.eml")
}

const READ_RECEIPT: &str = "From: Bob <bob@example.test>\r\nTo: alice@example.test\r\n\
Subject: Read: the plan\r\nDate: Tue, 03 Nov 2026 08:15:00 +0100\r\n\
Message-ID: <receipt@example.test>\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/report; report-type=disposition-notification; boundary=r\r\n\r\n\
--r\r\nContent-Type: text/plain\r\n\r\nYour message was read.\r\n\
--r\r\nContent-Type: message/disposition-notification\r\n\r\n\
Final-Recipient: rfc822;bob@example.test\r\nOriginal-Message-ID: <plan@example.test>\r\n\
Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--r--\r\n";

/// A mail with a file, and a mail inside.
fn with_attachments() -> Message {
    let file = base64_simd::STANDARD.encode_to_string([7u8; 30_000]);
    let lines: Vec<&str> = file
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let text = format!(
        "From: Ann <ann@example.test>\r\nTo: alice@example.test\r\nCc: Bob <bob@example.test>\r\n\
         Subject: two files\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <files@example.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <p>Gr\u{fc}\u{df}e</p>\r\n--x\r\nContent-Type: application/pdf; name=a.pdf\r\n\
         Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n\
         --x\r\nContent-Type: message/rfc822\r\n\r\nFrom: Cem <cem@example.test>\r\nSubject: inner\r\n\r\nInner.\r\n--x--\r\n",
        lines.join("\r\n")
    );
    ews_sim::message_from_mime(text.as_bytes())
}

fn response() -> Message {
    let text = "From: Bob <bob@example.test>\r\nTo: Ann <ann@example.test>\r\nSubject: Accepted: Budget\r\n\
        Date: Wed, 04 Nov 2026 07:00:00 +0000\r\nMessage-ID: <answer@example.test>\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/calendar; method=REPLY; charset=utf-8\r\n\r\n\
        BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:budget@example.test\r\n\
        DTSTAMP:20261104T070000Z\r\nDTSTART:20261120T130000Z\r\nDTEND:20261120T141500Z\r\n\
        ORGANIZER:mailto:ann@example.test\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@example.test\r\n\
        SUMMARY:Budget\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    ews_sim::message_from_mime(text.as_bytes())
}

fn draft() -> Message {
    let mut message = ews_sim::message_from_mime(
        b"From: Alice <alice@example.test>\r\nTo: Bob <bob@example.test>\r\nSubject: not ready\r\n\
          Content-Type: text/plain\r\n\r\nDear Bob,\r\n",
    );
    // mfUnsent and mfUnmodified (MS-OXCMSG 2.2.1.6).
    message.props.set(tag::MESSAGE_FLAGS, 0x0A);
    message
}

fn made_of(class: &str, subject: &str) -> Message {
    let mut message = Message::default();
    message.props.set(tag::MESSAGE_CLASS, class);
    message.props.set(tag::SUBJECT, subject);
    message.props.set(tag::NORMALIZED_SUBJECT, subject);
    message
}

fn at(day: u64) -> PropValue {
    PropValue::Time(FileTime(133_000_000_000_000_000 + day * 864_000_000_000))
}

/// The kinds without any file form of their own.
fn made() -> Vec<Kind> {
    let mut list = made_of("IPM.DistList", "friends");
    list.props.set(tag::DISPLAY_NAME, "friends");
    list.props.set(named::DISTRIBUTION_LIST_NAME, "friends");
    let members = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
    list.props.set(
        named::DISTRIBUTION_LIST_MEMBERS,
        PropValue::MultiBinary(members),
    );

    let mut task = made_of("IPM.Task", "pay");
    task.props.set(tag::BODY, "the bill");
    task.props.set(named::TASK_START_DATE, at(1));
    task.props.set(named::TASK_DUE_DATE, at(9));
    task.props.set(named::TASK_STATUS, 1);
    task.props
        .set(named::PERCENT_COMPLETE, PropValue::Double(0.5));
    task.props.set(named::TASK_COMPLETE, false);
    task.props.set(named::TASK_OWNER, "Ann");
    task.props.set(named::REMINDER_SET, true);
    task.props.set(named::REMINDER_TIME, at(8));

    let mut note = made_of("IPM.StickyNote", "a note");
    note.props.set(tag::BODY, "a note\r\nof two lines");
    note.props.set(named::NOTE_COLOR, 3);
    note.props.set(named::NOTE_WIDTH, 200);

    let mut journal = made_of("IPM.Activity", "called Bob");
    journal.props.set(tag::BODY, "He will call back.");
    journal.props.set(named::LOG_TYPE, "Phone call");
    journal.props.set(named::LOG_START, at(3));
    journal.props.set(named::LOG_END, at(4));
    journal.props.set(named::LOG_DURATION, 30);

    let mut post = made_of("IPM.Post", "posted");
    post.props.set(tag::BODY, "To all readers.");
    post.props.set(tag::CONVERSATION_TOPIC, "posted");

    let mut custom = made_of("IPM.Note.Example.Invoice", "invoice 4711");
    custom.props.set(tag::BODY, "See the fields.");
    custom.props.set(
        NamedProp::named(guid::PS_PUBLIC_STRINGS, "InvoiceNumber"),
        "4711",
    );
    custom.props.set(
        NamedProp::named(guid::PS_PUBLIC_STRINGS, "Total"),
        PropValue::Double(99.5),
    );
    custom.props.set(named::MILEAGE, "12 km");
    vec![
        visible("distribution list", "contacts", list),
        visible("task", "tasks", task),
        visible("note", "notes", note),
        visible("journal entry", "journal", journal),
        visible("post", "inbox", post),
        visible("custom class", "inbox", custom),
    ]
}

fn hidden() -> Vec<Kind> {
    let mut categories = made_of("IPM.Configuration.CategoryList", "Categories");
    // PidTagRoamingDatatypes and PidTagRoamingXmlStream (MS-OXOCFG 2.2.2).
    categories.props.set(0x7C06, 2);
    let xml = b"<categories default=\"Red\" xmlns=\"CategoryList.xsd\"/>".to_vec();
    categories.props.set(0x7C08, xml);
    let mut view = made_of("IPM.Microsoft.FolderDesign.NamedView", "By sender");
    // PidTagViewDescriptorBinary and its version.
    view.props.set(0x7001, vec![9u8; 400]);
    view.props.set(0x7007, 8);
    let hidden = |name, folder, mut message: Message| {
        message.props.set(tag::MESSAGE_DELIVERY_TIME, at(50));
        message.props.set(tag::CLIENT_SUBMIT_TIME, at(50));
        Kind {
            associated: true,
            ..visible(name, folder, message)
        }
    };
    vec![
        hidden("list of categories", "calendar", categories),
        hidden("view", "inbox", view),
    ]
}

/// Read state, importance, sensitivity, categories, follow-up and times, all different.
fn mark(message: &mut Message, number: usize) {
    let props = &mut message.props;
    let flags = props.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
    let is_read = i32::from(number.is_multiple_of(2));
    props.set(tag::MESSAGE_FLAGS, flags & !1 | is_read);
    props.set(tag::IMPORTANCE, [2, 0, 1][number % 3]);
    let words = vec![format!("Kategorie {number}"), "R&D <all>".to_owned()];
    props.set(named::keywords(), PropValue::MultiUnicode(words));
    if number.is_multiple_of(4) {
        props.set(tag::FLAG_STATUS, 2);
        props.set(tag::FOLLOWUP_ICON, 6);
        props.set(named::FLAG_REQUEST, "Call back");
    }
    if number % 4 == 1 {
        props.set(tag::FLAG_STATUS, 1);
        props.set(tag::FLAG_COMPLETE_TIME, at(20));
    }
    props.set(tag::MESSAGE_DELIVERY_TIME, at(100 + number as u64));
    props.set(tag::CLIENT_SUBMIT_TIME, at(99 + number as u64));
}
