use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use cfb::CompoundFile;
use fasttransfer::{
    Attachment, FileTime, Guid, Message, NamedProp, PropId, PropName, PropValue, html_body, named,
    plain_text, tag, to_mime,
};

use crate::samples::shared;

type File = CompoundFile<std::fs::File>;

/// What compressed-rtf and RTFDE, two Python packages, find in the rich text of real Outlook
/// messages: whether it is HTML, and the FNV-1a hash of its characters but blanks.
const CARRIED: &[(&str, bool, u64)] = &[
    ("hirao-Hello_+CJK.msg", true, 0x2016_2E34_4EF8_8174),
    ("hirao-attachAndInline.msg", true, 0x1382_D51C_A31C_F73B),
    ("hirao-msgInMsg.msg", true, 0xB899_6362_CFC9_AF63),
    ("hirao-nonUnicodeMail.msg", true, 0xC73F_5D42_C92B_9E9D),
    ("hirao-voteItems.msg", true, 0x1A68_5B3D_66C8_FD7C),
    ("msgconvert-gpg_signed.msg", false, 0x4F7E_B670_B6D7_BEFD),
    (
        "msgconvert-plain_jpeg_attached.msg",
        false,
        0xf9e6e6ef197c2b25,
    ),
    (
        "msgconvert-plain_uc_unsent.msg",
        false,
        0xB3C1_E871_3ED8_1CD3,
    ),
    (
        "msgconvert-plain_uc_wc_unsent.msg",
        false,
        0xb3c1e8713ed81cd3,
    ),
    ("msgconvert-plain_unsent.msg", false, 0xB3C1_E871_3ED8_1CD3),
    (
        "msgreader-EmailWith2Attachments.msg",
        true,
        0xa6e1d016b761b9a5,
    ),
    (
        "msgreader-EmailWithInnerMailAndAttachments.msg",
        true,
        0x52dc17bc801ecba5,
    ),
    (
        "msgreader-EmailWithMsgAttachment.msg",
        true,
        0x35ca596323d2e148,
    ),
    (
        "msgreader-EmailWithReactions.msg",
        true,
        0x0754_7C91_BF3B_7C79,
    ),
    (
        "msgreader-EmailWithSpecialCharsInSubject.msg",
        true,
        0x36b23483bbe50eb6,
    ),
    (
        "msgreader-EmailWithSpecialCharsInSubject_2.msg",
        true,
        0x1794d5e4954f6b22,
    ),
    ("msgreader-HtmlSampleEmail.msg", true, 0x2356_CCCC_FF3D_1250),
    (
        "msgreader-HtmlSampleEmailWithAttachment.msg",
        true,
        0x9f87e04a9684563f,
    ),
    (
        "msgreader-RtfWithShortRussianString.msg",
        true,
        0xd263c1e4e8afd2ba,
    ),
    ("msgreader-TxtSampleEmail.msg", false, 0x0E60_3836_4F39_F037),
    (
        "msgreader-TxtSampleEmailWithAttachment.msg",
        false,
        0x3af8b4fe0a1af17b,
    ),
    (
        "msgreader-sender_not_found_from_exchange.msg",
        true,
        0x7f670308f3afae1a,
    ),
    (
        "omp-CC_duplicate_recipients_bug.msg",
        true,
        0x2500d38f27b1a730,
    ),
    (
        "omp-HTML_mail_with_replyto_and_attachment_and_embedded_image.msg",
        true,
        0x1d73e2ed942a2856,
    ),
    (
        "omp-S_MIME_test_message_signed.msg",
        true,
        0xd7f201183b76726c,
    ),
    (
        "omp-Test_at_sign_in_personal_From_header.msg",
        true,
        0xde8b19cf6323780c,
    ),
    (
        "omp-attachment_with_a_bracket_in_the_name.msg",
        true,
        0x13c07f37b440feb2,
    ),
    ("omp-attachments.msg", true, 0x52E2_9556_1F37_9BBF),
    ("omp-chinese_message.msg", true, 0x352C_6826_8571_9882),
    ("omp-embedded_image.msg", true, 0xFED7_3CBF_9DC1_A892),
    (
        "omp-issue-87-client-submit-time-corrected.msg",
        true,
        0xbfea9cacde4cd791,
    ),
    (
        "omp-issue-87-client-submit-time.msg",
        true,
        0xbfea9cacde4cd791,
    ),
    ("omp-nested_simple_mail.msg", true, 0xE720_1C12_8303_C6A1),
    ("omp-plain_chain.msg", true, 0xD619_31AF_319E_7D6A),
    (
        "omp-simple_email_with_TO_and_CC_multiple.msg",
        true,
        0x467fe91c7bd01919,
    ),
    (
        "omp-simple_email_with_TO_and_CC_single.msg",
        true,
        0xa3248996010e086d,
    ),
    ("omp-simple_reply_with_CC.msg", true, 0x7D8A_3E70_C388_F777),
    ("omp-simple_sent.msg", false, 0xE6B9_2985_FC00_70DC),
    (
        "omp-test_subject_duplicated_recipients.msg",
        true,
        0x0a6d9377bdff2c5e,
    ),
    // RTFDE reads bytes of UTF-8 as windows-1252 here; this is what it would be otherwise.
    ("omp-tst_unicode.msg", true, 0x7A87_C37C_A0E7_86F3),
    ("omp-unsent_draft.msg", true, 0xBC9B_D6BF_DC15_05D2),
];

fn stream(file: &mut File, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.open_stream(path).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The names of properties from 0x8000 on ([MS-OXMSG] 2.2.3).
fn names(file: &mut File) -> HashMap<u16, PropId> {
    let mut part = |id: &str| stream(file, &format!("/__nameid_version1.0/__substg1.0_{id}0102"));
    let guids = part("0002").unwrap_or_default();
    let texts = part("0004").unwrap_or_default();
    let entries = part("0003").unwrap_or_default();
    let (entries, _) = entries.as_chunks::<8>();
    let mut names = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let (id, kind) = (number(entry, 0), number(entry, 4) & 0xFFFF);
        let guid = match kind >> 1 {
            1 => continue,
            2 => fasttransfer::guid::PS_PUBLIC_STRINGS,
            at => {
                let at = (at as usize - 3) * 16;
                Guid(guids[at..at + 16].try_into().unwrap())
            }
        };
        let name = if kind & 1 == 0 {
            PropName::Id(id)
        } else {
            let at = id as usize;
            let len = number(&texts, at) as usize;
            PropName::Name(utf16(&texts[at + 4..at + 4 + len]))
        };
        let id = 0x8000 + u16::try_from(index).unwrap();
        names.insert(id, PropId::Named(NamedProp { guid, name }));
    }
    names
}

fn utf16(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16_lossy(&units)
}

/// A message of the file, with the messages attached to it.
fn message(file: &mut File, names: &HashMap<u16, PropId>, at: &str, header: usize) -> Message {
    let mut message = Message::default();
    let entries = stream(file, &format!("{at}__properties_version1.0")).unwrap_or_default();
    let (entries, _) = entries.get(header..).unwrap_or_default().as_chunks::<16>();
    for entry in entries {
        let tag = number(entry, 0);
        let (id, kind) = ((tag >> 16) as u16, tag & 0xFFFF);
        let mut long = || stream(file, &format!("{at}__substg1.0_{tag:08X}"));
        let value = match kind {
            0x03 => PropValue::Int32(number(entry, 8) as i32),
            0x0B => PropValue::Boolean(entry[8] != 0),
            0x40 => PropValue::Time(FileTime(u64::from_le_bytes(entry[8..].try_into().unwrap()))),
            0x1E => PropValue::String8 {
                code_page: 1252,
                bytes: long().unwrap_or_default().into(),
            },
            0x1F => PropValue::Unicode(utf16(&long().unwrap_or_default())),
            0x102 => PropValue::Binary(long().unwrap_or_default().into()),
            _ => continue,
        };
        let id = names.get(&id).cloned().unwrap_or(PropId::Tag(id));
        message.props.set(id, value);
    }
    for number in 0..64 {
        let inner = format!("{at}__attach_version1.0_#{number:08X}/__substg1.0_3701000D/");
        if file.is_storage(&inner) {
            message.attachments.push(Attachment {
                embedded: Some(Box::new(self::message(file, names, &inner, 24))),
                ..Attachment::default()
            });
        }
    }
    message
}

fn open(path: &Path) -> Message {
    let mut file = cfb::open(path).unwrap();
    let names = names(&mut file);
    message(&mut file, &names, "/", 32)
}

fn fnv(text: &str) -> u64 {
    let bytes = text.chars().filter(|c| !c.is_whitespace());
    let bytes = bytes.collect::<String>().into_bytes();
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// The item with nothing but its rich text.
fn rich_only(message: &Message) -> Message {
    let mut rich = Message::default();
    for id in [tag::MESSAGE_CLASS, tag::RTF_COMPRESSED] {
        if let Some(value) = message.props.get(id) {
            rich.props.set(id, value.clone());
        }
    }
    rich
}

#[test]
fn rich_text_gives_back_the_html_and_text_that_other_readers_find() {
    let Some(folder) = shared("corpus/outlook") else {
        return;
    };
    let mut differing = Vec::new();
    for (name, is_html, hash) in CARRIED {
        let rich = rich_only(&open(&folder.join(name)));
        let found = match is_html {
            // The same character, written in two ways.
            true => html_body(&rich).map(|html| html.replace('\u{a0}', "&nbsp;")),
            false => plain_text(&rich),
        };
        if found.as_deref().map(fnv) != Some(*hash) {
            if let Some(keep) = std::env::var_os("POSTKEEP_KEEP") {
                let path = Path::new(&keep).join(name);
                std::fs::write(path, found.unwrap_or_default()).unwrap();
            }
            differing.push(*name);
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn mail_with_rich_text_alone_has_its_text_and_html_as_mime() {
    let Some(folder) = shared("corpus/outlook") else {
        return;
    };
    let mut kinds = [0, 0, 0];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "msg") {
            continue;
        }
        let message = open(&path);
        let rich = rich_only(&message);
        let class = message.props.text(tag::MESSAGE_CLASS).unwrap_or_default();
        if !rich.props.contains(tag::RTF_COMPRESSED) || !class.starts_with("IPM.Note") {
            continue;
        }
        let mime = String::from_utf8_lossy(&to_mime(&rich)).into_owned();
        assert!(!mime.contains("x-rtf-compressed"), "{}", path.display());
        kinds[0] += usize::from(mime.contains("Content-Type: text/html"));
        kinds[1] += usize::from(mime.contains("Content-Type: text/plain"));
        kinds[2] += usize::from(mime.contains("Content-Type: application/rtf"));
    }
    // HTML that Outlook put into rich text, plain text in the same way, rich text of its own.
    assert_eq!(kinds, [33, 10, 2]);
}

fn calendar(name: &str) -> Option<String> {
    let message = open(&shared("corpus/outlook")?.join(name));
    let text = String::from_utf8(to_mime(&message)).unwrap();
    Some(text.replace("\r\n ", ""))
}

#[track_caller]
fn check_lines(name: &str, expected: &[&str]) {
    let Some(text) = calendar(name) else { return };
    let mut rest = text.as_str();
    for line in expected {
        let Some((_, after)) = rest.split_once(&format!("{line}\r\n")) else {
            panic!("{name} has no {line} there: {text}");
        };
        rest = after;
    }
}

#[test]
fn a_series_of_outlook_has_its_rule_zone_and_exceptions() {
    check_lines(
        "hirao-Friday_Lunch.msg",
        &[
            "BEGIN:VTIMEZONE",
            "TZID:Tokyo Standard Time",
            "TZOFFSETTO:+0900",
            "BEGIN:VEVENT",
            "DTSTART;TZID=\"Tokyo Standard Time\":20230106T120000",
            "DTEND;TZID=\"Tokyo Standard Time\":20230106T130000",
            "BEGIN:VEVENT",
        ],
    );
}

#[test]
fn property_ids_of_the_file_are_understood() {
    let Some(folder) = shared("corpus/outlook") else {
        return;
    };
    let message = open(&folder.join("hirao-Friday_Lunch.msg"));
    assert!(message.props.binary(named::APPOINTMENT_RECUR).is_some());
    assert!(!message.attachments.is_empty());
}
