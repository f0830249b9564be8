//! Input nobody meant to be a message: no panic, no endless work, and still every byte back.

use ews_sim::{from_ics, from_vcf, message_from_mime, mime_of};
use fasttransfer::{Limits, WriteOptions, read_message, write_message};
use proptest::prelude::*;

fn check(raw: &[u8]) {
    let message = message_from_mime(raw);
    let native = write_message(&message, &WriteOptions::default());
    let parsed = read_message(&native, &Limits::default()).unwrap();
    assert!(
        mime_of(&parsed.message) == raw,
        "{:?}",
        String::from_utf8_lossy(raw)
    );
}

/// Pieces that mail consists of; in any order they make structure of all wrong kinds.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b"--b",
        b"--b\r\n",
        b"\n--b--\n",
        b"--c\n",
        b"--b--c\n",
        b"From: \"a\" <a@b>, (c\n",
        b"To: g: a@b, =?utf-8?Q?=C3?= <c>;\r\n",
        b"Subject: =?utf-8?B?w7w=?= =?x?Q?\n",
        b"Date: Fri, 99 Feb 99999 25:61:61 +9999\n",
        b"Date: 1 Jan 1600 00:00:00 +0000\r\n",
        b"Received: from x; Mon, 1 Jan 2024 00:00:00 GMT\n",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"Content-Type: multipart/alternative; boundary=\"c\"\r\n",
        b"Content-Type: multipart/digest; boundary=b\n\n",
        b"Content-Type: message/rfc822\n\n",
        b"Content-Type: text/html; charset=utf-16\n",
        b"Content-Type: text/plain; charset=iso-2022-jp\n",
        b"Content-Type: text/calendar; method=request\n\nBEGIN:VEVENT\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''%FF; filename*1=x\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
        b"Content-ID: <>\n",
        b"SGVsbG8=\r\n",
        b"SGVsbG8\nSGVsbG8=",
        b"=C3=BC=\r\n",
        b"= \n=3d=3D",
        b"\xC3\xBC",
        b"\xFF\xFE",
        b"\x1B$B",
        b"text",
    ];
    prop_oneof![
        20 => prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn every_soup_of_mail_pieces_comes_back(pieces in prop::collection::vec(piece(), 0..40)) {
        check(&pieces.concat());
    }

    #[test]
    fn any_bytes_come_back(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&raw);
        prop_assert_eq!(mime_of(&from_ics(&raw)), &raw[..]);
        prop_assert_eq!(mime_of(&from_vcf(&raw)), raw);
    }

    #[test]
    fn any_calendar_values_are_survived(
        start in "[0-9TZ-]{0,17}",
        rule in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY))(;(COUNT|INTERVAL|BYMONTHDAY|BYSETPOS)=-?[0-9]{1,10}|;BYDAY=-?[0-9]?(MO|SU|FR)|;UNTIL=[0-9]{4,8}){0,4}",
        duration in "-?P[0-9]{0,20}[WDTHMS]{1,3}",
    ) {
        let raw = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:{start}\nRRULE:{rule}\nDURATION:{duration}\n\
             EXDATE:{start}\nBEGIN:VALARM\nTRIGGER:{duration}\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        prop_assert_eq!(mime_of(&from_ics(raw.as_bytes())), raw.as_bytes());
    }
}

#[test]
fn a_mail_of_endless_nesting_is_loaded_in_bounded_depth() {
    let mut nested = Vec::new();
    for n in 0..20_000 {
        nested.extend(format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n").bytes());
    }
    check(&nested);
    let messages = "Content-Type: message/rfc822\n\n".repeat(20_000);
    check(messages.as_bytes());
}

#[test]
fn a_mail_of_endless_parts_is_loaded_in_bounded_count() {
    let mut raw = b"Content-Type: multipart/mixed; boundary=b\n\n".to_vec();
    raw.extend(
        "--b\nContent-Disposition: attachment\n\nx\n"
            .repeat(50_000)
            .bytes(),
    );
    check(&raw);
    let many_headers = "To: a@b\n".repeat(200_000);
    check(many_headers.as_bytes());
}

#[test]
fn long_single_lines_are_loaded() {
    let mut raw = b"Subject: ".to_vec();
    raw.extend("word =?utf-8?Q?=C3=BC?= ".repeat(200_000).bytes());
    check(&raw);
    let addresses = format!("To: {}\n\n", "a <a@b>, ".repeat(100_000));
    check(addresses.as_bytes());
}
