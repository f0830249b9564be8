//! The words of an HTML text; no more than a search or a plain text needs.

/// Elements whose content nobody reads.
const SILENT: [&str; 3] = ["script", "style", "head"];
/// Elements that do not part words.
const INLINE: [&str; 9] = ["b", "i", "u", "em", "strong", "font", "span", "a", "wbr"];
/// Elements that begin a line.
const BLOCKS: [&str; 16] = [
    "p",
    "br",
    "div",
    "tr",
    "li",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "blockquote",
];
/// The longest entity that is looked for.
const MAX_ENTITY_BYTES: usize = 10;

/// Leaves out tags, comments, scripts and styles, and resolves the common entities.
#[must_use]
pub fn html_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (text, after) = rest.split_at(at);
        out.extend(text.chars().map(in_one_line));
        rest = if after.starts_with('&') {
            entity(after, &mut out)
        } else {
            markup(after, &mut out)
        };
    }
    out.extend(rest.chars().map(in_one_line));
    out
}

/// Line ends of the source are blanks to a reader.
fn in_one_line(c: char) -> char {
    match c {
        '\r' | '\n' => ' ',
        c => c,
    }
}

/// Skips a tag or comment, with its content where that is silent.
fn markup<'a>(html: &'a str, out: &mut String) -> &'a str {
    if html.starts_with("<!--") {
        return html.split_once("-->").map_or("", |(_, after)| after);
    }
    let starts_tag = html[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
    if !starts_tag {
        out.push('<');
        return &html[1..];
    }
    let Some((inside, mut rest)) = html[1..].split_once('>') else {
        return "";
    };
    let name: String = inside
        .trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if SILENT.contains(&name.as_str()) && !inside.starts_with('/') && !inside.ends_with('/') {
        rest = skip_to_end_of(&name, rest);
    }
    if BLOCKS.contains(&name.as_str()) {
        out.push('\n');
    } else if !INLINE.contains(&name.as_str()) {
        out.push(' ');
    }
    rest
}

fn skip_to_end_of<'a>(name: &str, html: &'a str) -> &'a str {
    let mut rest = html;
    while let Some((_, after)) = rest.split_once("</") {
        let candidate = after.as_bytes().get(..name.len());
        if candidate.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())) {
            return after.split_once('>').map_or("", |(_, after)| after);
        }
        rest = after;
    }
    ""
}

fn entity<'a>(html: &'a str, out: &mut String) -> &'a str {
    let end = html
        .bytes()
        .take(MAX_ENTITY_BYTES)
        .position(|byte| byte == b';');
    let resolved = end.and_then(|end| Some((resolve(html.get(1..end)?)?, html.get(end + 1..)?)));
    match resolved {
        Some((character, rest)) => {
            out.push(character);
            rest
        }
        None => {
            out.push('&');
            &html[1..]
        }
    }
}

fn resolve(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    // The rest of Latin-1 that has names, in the order of its numbers.
    const ACCENTED: [&str; 64] = [
        "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave",
        "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve",
        "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc",
        "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring",
        "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc",
        "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash",
        "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
    ];
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "nbsp" => ' ',
        "rsquo" | "apos" => '\'',
        _ => {
            let at = ACCENTED.iter().position(|known| *known == name)?;
            char::from_u32(0xc0 + u32::try_from(at).ok()?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        let text = html_text(html);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words.join(" "), expected, "{html}");
    }

    #[test]
    fn text_is_what_a_reader_sees() {
        check("<p>One<br>two</p><p>th<b>re</b>e", "One two three");
        check(
            "<style>p { color: red }</style>a<script>b()</script>c",
            "a c",
        );
        check(
            "caf&eacute; &amp; &#252;ber &#x41; &unknown; a&b",
            "café & über A &unknown; a&b",
        );
        check("<!-- no --> 1 < 2 <a href=\"x\">link</a>", "1 < 2 link");
        check("<td>a</td><td>b</td", "a b");
        check("ends in <", "ends in <");
    }
}
