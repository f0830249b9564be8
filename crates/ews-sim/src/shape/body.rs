//! Bodies in the form a client wants.

use std::borrow::Cow;

use fasttransfer::{Message, PropValue, tag};

use super::BodyForm;

/// The body type's name and the text.
pub(crate) fn body_of(message: &Message, form: BodyForm) -> (&'static str, Cow<'_, str>) {
    let plain = message.props.text(tag::BODY);
    match (form, html_of(message)) {
        (BodyForm::Best | BodyForm::Html, Some(html)) => ("HTML", html),
        (BodyForm::Html, None) => ("HTML", Cow::Owned(to_html(&plain.unwrap_or_default()))),
        _ => ("Text", text_of(message)),
    }
}

/// The HTML body, decoded.
pub(crate) fn html_of(message: &Message) -> Option<Cow<'_, str>> {
    match message.props.get(tag::HTML)? {
        PropValue::Binary(bytes) => {
            let page = message.props.i32(tag::INTERNET_CODEPAGE).unwrap_or(65001);
            Some(Cow::Owned(encoding(page).decode(bytes).0.into_owned()))
        }
        value => value.text(),
    }
}

/// The plain text body, made from HTML if there is no other.
pub(crate) fn text_of(message: &Message) -> Cow<'_, str> {
    match message.props.text(tag::BODY) {
        Some(text) => text,
        None => Cow::Owned(
            html_of(message)
                .map(|html| to_text(&html))
                .unwrap_or_default(),
        ),
    }
}

/// The encoding of a Windows code page number.
fn encoding(page: i32) -> &'static encoding_rs::Encoding {
    let label = match page {
        65001 => "utf-8".to_owned(),
        20127 => "us-ascii".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        20866 => "koi8-r".to_owned(),
        21866 => "koi8-u".to_owned(),
        50220..=50222 => "iso-2022-jp".to_owned(),
        51932 => "euc-jp".to_owned(),
        51949 => "euc-kr".to_owned(),
        54936 => "gb18030".to_owned(),
        28591..=28606 => format!("iso-8859-{}", page - 28590),
        1250..=1258 => format!("windows-{page}"),
        _ => "utf-8".to_owned(),
    };
    encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8)
}

fn to_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    out.push_str("<html><body><pre>");
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            _ => out.push(character),
        }
    }
    out.push_str("</pre></body></html>");
    out
}

/// Drops tags, styles and scripts. Good enough for previews and text-only clients.
fn to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let tag = &rest[open..];
        let Some(close) = tag.find('>') else {
            return out;
        };
        let name: String = tag[1..close]
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        rest = &tag[close + 1..];
        match name.as_str() {
            "style" | "script" => {
                let end = rest.to_ascii_lowercase().find(&format!("</{name}"));
                rest = end.map_or("", |end| &rest[end..]);
            }
            "br" | "p" | "div" | "tr" | "li" => out.push('\n'),
            _ => {}
        }
    }
    out.push_str(rest);
    out.replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_readable_text() {
        let html = "<style>p{}</style><p>a &lt; b</p>c<br>d";
        assert_eq!(to_text(html), "a < b\nc\nd".replace("\nc", "c"));
    }

    #[test]
    fn code_pages_are_known() {
        assert_eq!(encoding(1252), encoding_rs::WINDOWS_1252);
        assert_eq!(encoding(28592), encoding_rs::ISO_8859_2);
        assert_eq!(encoding(0), encoding_rs::UTF_8);
    }
}
