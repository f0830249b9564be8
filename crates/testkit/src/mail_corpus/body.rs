//! What stands in a mail: text and HTML, quotations, parts.

use base64_simd::STANDARD;
use fastrand::Rng;

use super::attachment::Attachment;
use super::message::Quoted;
use super::people::{Newsletter, Person};
use super::prose::Prose;
use super::transport::{random_text, uuid};

/// The page head that a well-known mail program puts in front of every mail.
const HEAD: &str = include_str!("page_head.html");

/// A MIME body with the value of its Content-Type header.
pub(super) struct Body {
    pub(super) content_type: String,
    pub(super) bytes: Vec<u8>,
}

/// A mail between people: the text, and the same as HTML.
pub(super) fn letter(
    rng: &mut Rng,
    writer: &Person,
    paragraphs: &[String],
    quoted: &[Quoted],
) -> Body {
    let mut text = paragraphs.join("\r\n\r\n");
    let mut html = HEAD.to_owned();
    let paragraph = |html: &mut String, style: &str, line: &str| {
        let line = line
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        *html += &format!(
            "<p class=\"MsoNormal\"><span lang=\"EN-US\" style=\"{style}\">{line}<o:p></o:p></span></p>\r\n"
        );
    };
    let own =
        "font-size:11.0pt;font-family:&quot;Calibri&quot;,sans-serif;mso-fareast-language:EN-US";
    for line in paragraphs {
        paragraph(&mut html, own, line);
        html += "<p class=\"MsoNormal\"><span lang=\"EN-US\"><o:p>&nbsp;</o:p></span></p>\r\n";
    }
    for line in &writer.signature {
        text += &format!("\r\n{line}");
        paragraph(
            &mut html,
            "font-size:9.0pt;font-family:&quot;Arial&quot;;color:#1F497D",
            line,
        );
    }
    for quoted in quoted {
        let head = format!("From: {}\r\nSent: {}", quoted.from, quoted.date);
        text += &format!("\r\n\r\n-----Original Message-----\r\n{head}\r\n");
        html += "<div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\">\r\n";
        paragraph(&mut html, own, &head);
        html += "</div>\r\n";
        for line in &quoted.paragraphs {
            text += &format!("\r\n{line}\r\n");
            paragraph(
                &mut html,
                "font-size:11.0pt;font-family:&quot;Calibri&quot;,sans-serif",
                line,
            );
        }
    }
    html += "</div></body></html>\r\n";
    alternative(rng, &text, &html)
}

/// A page with a link of its own behind every picture, so that every reader can be counted.
pub(super) fn newsletter(rng: &mut Rng, from: &Newsletter, prose: &Prose) -> Body {
    let mut html = format!(
        "<html><head><style type=\"text/css\">{}</style></head><body>\r\n\
         <table width=\"640\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" align=\"center\">\r\n",
        from.style
    );
    let mut text = String::new();
    for _ in 0..rng.usize(8..27) {
        let link = format!(
            "https://click.{}/?qs={:032x}{:016x}",
            from.domain,
            rng.u128(..),
            rng.u64(..)
        );
        let story = prose.paragraph(rng);
        html += &format!(
            "<tr><td class=\"c{}\" valign=\"top\" style=\"padding:10px 20px;background-color:#ffffff\">\
             <a href=\"{link}\" target=\"_blank\" style=\"text-decoration:none;color:#0055aa\">\
             <img src=\"https://image.{}/lib/{}.png\" width=\"600\" border=\"0\" alt=\"\"></a></td></tr>\r\n\
             <tr><td class=\"c{}\"><p style=\"margin:0;padding:0\">{story}</p></td></tr>\r\n",
            rng.u8(..29),
            from.domain,
            uuid(rng),
            rng.u8(..29)
        );
        text += &format!("{story}\r\n<{link}>\r\n\r\n");
    }
    html += "</table></body></html>\r\n";
    alternative(rng, &text, &html)
}

/// Puts attachments beside a body.
pub(super) fn with_attachments(rng: &mut Rng, body: Body, attachments: &[Attachment]) -> Body {
    if attachments.is_empty() {
        return body;
    }
    let boundary = boundary(rng);
    let mut bytes = format!(
        "--{boundary}\r\nContent-Type: {}\r\n\r\n",
        body.content_type
    )
    .into_bytes();
    bytes.extend_from_slice(&body.bytes);
    for attachment in attachments {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {}; name=\"{name}\"\r\nContent-Description: {name}\r\n\
             Content-Disposition: attachment; filename=\"{name}\"; size={}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            attachment.kind,
            attachment.bytes.len(),
            name = attachment.name,
        );
        bytes.extend_from_slice(head.as_bytes());
        for line in STANDARD
            .encode_to_string(&attachment.bytes)
            .as_bytes()
            .chunks(76)
        {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Body {
        content_type: format!("multipart/mixed;\r\n\tboundary=\"{boundary}\""),
        bytes,
    }
}

fn alternative(rng: &mut Rng, text: &str, html: &str) -> Body {
    let boundary = boundary(rng);
    let part = |subtype: &str, content: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/{subtype}; charset=\"utf-8\"\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n",
            quoted_printable(content)
        )
    };
    let bytes = format!(
        "{}{}--{boundary}--\r\n",
        part("plain", text),
        part("html", html)
    );
    Body {
        content_type: format!("multipart/alternative;\r\n\tboundary=\"{boundary}\""),
        bytes: bytes.into_bytes(),
    }
}

fn boundary(rng: &mut Rng) -> String {
    format!(
        "_000_{}_",
        random_text(rng, 24).replace(['+', '/', '='], "A")
    )
}

/// RFC 2045, section 6.7: lines of at most 76 characters.
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 11 / 10);
    for line in text.split("\r\n") {
        let mut width = 0;
        for byte in line.bytes() {
            let escaped = byte == b'=' || !(b' '..=b'~').contains(&byte);
            let needed = if escaped { 3 } else { 1 };
            if width + needed > 75 {
                out.push_str("=\r\n");
                width = 0;
            }
            if escaped {
                out += &format!("={byte:02X}");
            } else {
                out.push(char::from(byte));
            }
            width += needed;
        }
        out.push_str("\r\n");
    }
    out
}
