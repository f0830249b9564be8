//! Bodies: transfer encodings undone, character sets read.

use encoding_rs::Encoding;

/// Charset names where Exchange's code page is not what the WHATWG encoding behind the label is
/// called after; everything else goes by the encoding.
const LABEL_CODE_PAGES: &[(&str, i32)] = &[
    ("us-ascii", 20127),
    ("ascii", 20127),
    ("iso-8859-1", 28591),
    ("latin1", 28591),
    ("iso-8859-9", 28599),
    ("gb2312", 936),
];
/// Code pages by encoding ([MS-UCODEREF] names the numbers).
const CODE_PAGES: &[(&str, i32)] = &[
    ("UTF-8", 65001),
    ("windows-1250", 1250),
    ("windows-1251", 1251),
    ("windows-1252", 1252),
    ("windows-1253", 1253),
    ("windows-1254", 1254),
    ("windows-1255", 1255),
    ("windows-1256", 1256),
    ("windows-1257", 1257),
    ("windows-1258", 1258),
    ("windows-874", 874),
    ("ISO-8859-2", 28592),
    ("ISO-8859-3", 28593),
    ("ISO-8859-4", 28594),
    ("ISO-8859-5", 28595),
    ("ISO-8859-6", 28596),
    ("ISO-8859-7", 28597),
    ("ISO-8859-8", 28598),
    ("ISO-8859-13", 28603),
    ("ISO-8859-15", 28605),
    ("KOI8-R", 20866),
    ("KOI8-U", 21866),
    ("GBK", 936),
    ("gb18030", 54936),
    ("Big5", 950),
    ("Shift_JIS", 932),
    ("ISO-2022-JP", 50220),
    ("EUC-JP", 51932),
    ("EUC-KR", 949),
    ("IBM866", 866),
    ("macintosh", 10000),
];

/// The character set of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charset {
    pub(crate) encoding: &'static Encoding,
    /// Windows code page, for PidTagInternetCodepage.
    pub(crate) code_page: i32,
}

/// Chooses how to read `bytes` labelled `label`. ASCII, a missing and an unknown label are
/// checked against the bytes: UTF-8 where they are that, else windows-1252, which reads anything.
pub(crate) fn charset(label: Option<&str>, bytes: &[u8]) -> Charset {
    let label = label.unwrap_or_default().trim().to_ascii_lowercase();
    let known = match label.as_str() {
        // What Microsoft calls Shift_JIS, a name the list of labels lacks.
        "cp932" => Some(encoding_rs::SHIFT_JIS),
        label => Encoding::for_label(label.as_bytes()),
    };
    let vague = matches!(label.as_str(), "" | "us-ascii" | "ascii");
    let encoding = match known {
        Some(encoding) if !vague => encoding,
        _ if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        _ => encoding_rs::WINDOWS_1252,
    };
    let by_label = LABEL_CODE_PAGES
        .iter()
        .find(|(name, _)| *name == label)
        .map(|(_, page)| *page)
        .filter(|page| *page != 20127 || bytes.is_ascii());
    let by_encoding = || {
        CODE_PAGES
            .iter()
            .find(|(name, _)| *name == encoding.name())
            .map_or(65001, |(_, page)| *page)
    };
    Charset {
        encoding,
        code_page: by_label.unwrap_or_else(by_encoding),
    }
}

/// Undoes base64 whatever is between its letters; stops at padding that ends the data.
pub(crate) fn lenient_base64(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for &b in raw {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                // Concatenated base64 goes on after its padding.
                (bits, held) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.extend(u8::try_from((bits >> held) & 0xFF));
        }
    }
    out
}

/// Undoes quoted-printable; what is no valid escape stays as it is.
pub(crate) fn lenient_quoted_printable(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&b) = raw.get(at) {
        if b != b'=' {
            out.push(b);
            at += 1;
            continue;
        }
        let rest = raw.get(at + 1..).unwrap_or_default();
        if let Some(soft) = soft_break(rest) {
            at += 1 + soft;
        } else if let Some(value) = hex_pair(rest) {
            out.push(value);
            at += 3;
        } else {
            out.push(b);
            at += 1;
        }
    }
    out
}

/// Length of blanks and line end after `=`, when that is all there is on the line.
fn soft_break(rest: &[u8]) -> Option<usize> {
    let blanks = rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t' | b'\r'))
        .count();
    match rest.get(blanks) {
        Some(b'\n') => Some(blanks + 1),
        _ => None,
    }
}

fn hex_pair(rest: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let high = digit(*rest.first()?)?;
    let low = digit(*rest.get(1)?)?;
    u8::try_from(high * 16 + low).ok()
}
