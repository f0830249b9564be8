use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(rtf: &str, expected: Rich) {
    assert_eq!(read(rtf.as_bytes()), expected, "{rtf}");
}

/// The example of MS-OXRTFCP 4.1.
#[test]
fn the_specification_s_example_unpacks() {
    let packed = [
        0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7,
        0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a,
        0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d,
        0x0a, 0x80, 0x0f, 0xa0,
    ];
    let rtf = unpack(&packed).unwrap();
    assert_eq!(rtf, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    check(
        str::from_utf8(&rtf).unwrap(),
        Rich::Text("hello world".into()),
    );
}

#[test]
fn what_is_not_packed_is_read_too() {
    let mut packed = vec![0, 0, 0, 0, 5, 0, 0, 0];
    packed.extend(UNCOMPRESSED.to_le_bytes());
    packed.extend([0; 4]);
    packed.extend(b"{\\rtf1 rest");
    assert_eq!(unpack(&packed).unwrap(), b"{\\rtf");
    assert_eq!(unpack(&packed[..15]), None);
}

#[test]
fn carried_html_comes_back() {
    check(
        "{\\rtf1\\ansi\\ansicpg1251\\fromhtml1 \\deff0\n\
         {\\fonttbl {\\f0\\fmodern Courier New;}{\\f1\\fswiss\\fcharset238 Arial;}}\n\
         {\\*\\htmltag64}\n\\uc1\\pard\\plain\\deftab360 \\f0\\fs24\n\
         {\\*\\htmltag <p\\par class=\"x\">}{\\htmlrtf \\f1 \\htmlrtf0 caf\\'e9 \\u8364?\
         {\\*\\htmltag <b>}{\\htmlrtf \\b \\htmlrtf0 bold{\\*\\htmltag </b>}}\\htmlrtf\\par\\htmlrtf0}\n\
         {\\*\\htmltag &nbsp;}\\htmlrtf \\'a0\\htmlrtf0 {\\*\\mhtmltag84 <a>}{\\*\\htmltag84 <c>}\\{ }",
        Rich::Html("<p\r\nclass=\"x\">café €<b>bold</b>&nbsp;<c>{ ".into()),
    );
}

#[test]
fn carried_text_comes_back() {
    check(
        "{\\rtf1\\ansi\\ansicpg1252\\fromtext \\fbidis \\deff0{\\fonttbl\n{\\f0\\fswiss Arial;}}\n\
         {\\colortbl\\red0;}\n\\uc1\\pard\\plain One\\par\n  two\\'21\\tab \\'80\\par}",
        Rich::Plain("One\r\n  two!\t€\r\n".into()),
    );
}

#[test]
fn rich_text_of_its_own_gives_its_text() {
    check(
        "{\\rtf1\\ansi\\ansicpg932\\deff0{\\fonttbl{\\f0\\fcharset128 MS;}{\\f1\\fcharset204 T;}}\
         {\\info{\\author Nobody}}{\\pict\\bin4 }}}}}\\f0 \\'82\\'a0{\\f1 \\'c4\\'e0}{\\*\\unknown no}\
         \\u-10179?\\u-8704?\\line\\ldblquote x\\rdblquote}",
        Rich::Text("あДа😀\r\n\u{201c}x\u{201d}".into()),
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read(
        mut packed in proptest::collection::vec(any::<u8>(), 12..300),
        text in "[{}\\\\a-z0-9' *-]{0,200}",
    ) {
        packed[8..12].copy_from_slice(&COMPRESSED.to_le_bytes());
        let _ = unpack(&packed);
        let _ = read(&packed);
        let _ = read(text.as_bytes());
    }

    #[test]
    fn a_claimed_size_is_no_promise(size: u32) {
        let mut packed = vec![0; 4];
        packed.extend(size.to_le_bytes());
        packed.extend(COMPRESSED.to_le_bytes());
        packed.extend([0; 4]);
        packed.extend(b"\0abcdefgh");
        let bytes = unpack(&packed).unwrap();
        prop_assert!(bytes.len() <= 8);
    }
}
