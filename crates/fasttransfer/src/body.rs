//! An item's text, in whichever of its forms the item has it.

use crate::html::html_text as text_of_html;
use crate::rtf::{self, Rich};
use crate::{Message, PropertyBag, code_page, tag};

/// The plain text of an item: its own, or what its HTML or rich text says. `None` without any.
#[must_use]
pub fn plain(message: &Message) -> Option<String> {
    let props = &message.props;
    if let Some(text) = own_text(props) {
        return Some(text);
    }
    if let Some(html) = html_text(message) {
        return Some(tidy(&text_of_html(&html)));
    }
    match rich(props)? {
        Rich::Html(html) => Some(tidy(&text_of_html(&html))),
        Rich::Plain(text) | Rich::Text(text) => Some(text),
    }
    .filter(|text| !text.trim().is_empty())
}

/// The plain text that an item has as such.
pub(crate) fn own_text(props: &PropertyBag) -> Option<String> {
    props
        .text(tag::BODY)
        .filter(|text| !text.trim().is_empty())
        .map(std::borrow::Cow::into_owned)
}

/// The HTML of an item as text, its own or what its rich text carries.
#[must_use]
pub fn html_text(message: &Message) -> Option<String> {
    let (charset, bytes) = html(&message.props)?;
    let encoding = encoding_rs::Encoding::for_label(charset.as_bytes());
    let encoding = encoding.unwrap_or(encoding_rs::UTF_8);
    Some(encoding.decode(&bytes).0.into_owned())
}

/// The HTML body and its charset.
pub(crate) fn html(props: &PropertyBag) -> Option<(String, Vec<u8>)> {
    if let Some(text) = props.text(tag::HTML) {
        return Some(("utf-8".to_owned(), text.into_owned().into_bytes()));
    }
    let Some(bytes) = props.binary(tag::HTML) else {
        return match rich(props)? {
            Rich::Html(html) => Some(("utf-8".to_owned(), html.into_bytes())),
            _ => None,
        };
    };
    let code_page = props
        .i32(tag::INTERNET_CODEPAGE)
        .and_then(|number| u16::try_from(number).ok());
    let charset = match code_page {
        Some(number) => code_page::encoding(number).name(),
        None if str::from_utf8(bytes).is_ok() => "utf-8",
        None => "windows-1252",
    };
    Some((charset.to_ascii_lowercase(), bytes.to_vec()))
}

/// Rich text that is neither HTML nor plain text in disguise, unpacked.
pub(crate) fn rich_only(props: &PropertyBag) -> Option<(Vec<u8>, String)> {
    let rtf = rtf::unpack(props.binary(tag::RTF_COMPRESSED)?)?;
    match rtf::read(&rtf) {
        Rich::Text(text) => Some((rtf, text)),
        Rich::Html(_) | Rich::Plain(_) => None,
    }
}

/// Rich text that cannot be unpacked.
pub(crate) fn damaged_rich(props: &PropertyBag) -> Option<&[u8]> {
    let packed = props.binary(tag::RTF_COMPRESSED)?;
    rtf::unpack(packed).is_none().then_some(packed)
}

fn rich(props: &PropertyBag) -> Option<Rich> {
    Some(rtf::read(&rtf::unpack(props.binary(tag::RTF_COMPRESSED)?)?))
}

/// Text from HTML without the runs of blank lines that its blocks leave behind.
fn tidy(text: &str) -> String {
    let mut out = String::new();
    let mut blank = true;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() {
            if !blank {
                out.push_str("\r\n");
            }
            blank = true;
        } else {
            out.push_str(line);
            out.push_str("\r\n");
            blank = false;
        }
    }
    out.trim_end().to_owned()
}
