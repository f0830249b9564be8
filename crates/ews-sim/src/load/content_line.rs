//! Content lines of iCalendar (RFC 5545, 3.1) and vCard (RFC 2426, RFC 6350; 2.1 as found).

use super::header::to_utf8;

/// Most content lines read from one file.
const MAX_LINES: usize = 200_000;
/// Deepest nesting of BEGIN/END; deeper components are read as part of their parent.
const MAX_DEPTH: usize = 16;

/// One unfolded line: `NAME;PARAM=value:value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContentLine {
    /// Upper-case name without a vCard group prefix.
    pub(crate) name: String,
    /// Upper-case parameter names; a vCard 2.1 bare parameter is a TYPE.
    pub(crate) params: Vec<(String, String)>,
    /// Value as it stands (still escaped), quoted-printable undone.
    pub(crate) value: String,
}

impl ContentLine {
    /// First parameter of that upper-case name.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Whether a TYPE parameter lists `kind`, in any case.
    pub(crate) fn has_type(&self, kind: &str) -> bool {
        self.params
            .iter()
            .filter(|(n, _)| n == "TYPE")
            .flat_map(|(_, v)| v.split(','))
            .any(|v| v.trim().eq_ignore_ascii_case(kind))
    }

    /// The value as text, escapes undone.
    pub(crate) fn text(&self) -> String {
        unescape(&self.value)
    }
}

/// A component with its own lines and nested components.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Component {
    /// Upper-case name (`VEVENT`); empty for the file itself.
    pub(crate) name: String,
    pub(crate) lines: Vec<ContentLine>,
    pub(crate) children: Vec<Component>,
}

impl Component {
    /// Reads a whole file; lines outside any component are the root's.
    pub(crate) fn read(raw: &[u8]) -> Self {
        let mut stack = vec![Self::default()];
        for line in content_lines(&to_utf8(raw)) {
            match line.name.as_str() {
                "BEGIN" if stack.len() < MAX_DEPTH => stack.push(Self {
                    name: line.value.trim().to_ascii_uppercase(),
                    ..Self::default()
                }),
                "END" => close(&mut stack),
                _ => {
                    if let Some(open) = stack.last_mut() {
                        open.lines.push(line);
                    }
                }
            }
        }
        while stack.len() > 1 {
            close(&mut stack);
        }
        stack.pop().unwrap_or_default()
    }

    /// First line of that upper-case name with a value.
    pub(crate) fn line(&self, name: &str) -> Option<&ContentLine> {
        self.lines
            .iter()
            .find(|line| line.name == name && !line.value.trim().is_empty())
    }

    /// Every line of that upper-case name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ContentLine> {
        self.lines.iter().filter(move |line| line.name == name)
    }

    /// Unescaped text of the first line of that name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = self.line(name)?.text();
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    }

    /// First component of that name at any depth, this one included.
    pub(crate) fn find(&self, name: &str) -> Option<&Component> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

fn close(stack: &mut Vec<Component>) {
    if stack.len() > 1
        && let Some(done) = stack.pop()
        && let Some(parent) = stack.last_mut()
    {
        parent.children.push(done);
    }
}

/// Unfolds and splits. A vCard 2.1 quoted-printable value continues while a line ends in `=`.
fn content_lines(text: &str) -> Vec<ContentLine> {
    let mut found: Vec<ContentLine> = Vec::new();
    let mut pending = String::new();
    for physical in text.split('\n') {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        if let Some(folded) = physical.strip_prefix([' ', '\t']) {
            pending.push_str(folded);
        } else if physical.is_empty() && !soft_break_open(&pending) {
            // Empty lines say nothing; some writers have them inside folded lines.
        } else if soft_break_open(&pending) {
            pending.push('\n');
            pending.push_str(physical);
        } else {
            flush(&mut pending, &mut found);
            pending.push_str(physical);
        }
        if found.len() >= MAX_LINES {
            return found;
        }
    }
    flush(&mut pending, &mut found);
    found
}

fn soft_break_open(pending: &str) -> bool {
    pending.ends_with('=')
        && pending
            .split(':')
            .next()
            .is_some_and(|head| head.to_ascii_uppercase().contains("QUOTED-PRINTABLE"))
}

fn flush(pending: &mut String, found: &mut Vec<ContentLine>) {
    if let Some(line) = split_line(pending) {
        found.push(line);
    }
    pending.clear();
}

fn split_line(line: &str) -> Option<ContentLine> {
    let (head, value) = split_outside_quotes(line, ':')?;
    let mut pieces = Vec::new();
    let mut rest = head;
    while let Some((piece, after)) = split_outside_quotes(rest, ';') {
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    let mut pieces = pieces.into_iter();
    let name = pieces.next()?.trim();
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
    if name.is_empty() {
        return None;
    }
    let params: Vec<(String, String)> = pieces.map(parameter).collect();
    let quoted_printable = params
        .iter()
        .any(|(_, v)| v.eq_ignore_ascii_case("QUOTED-PRINTABLE"));
    let value = if quoted_printable {
        undo_quoted_printable(value)
    } else {
        value.to_owned()
    };
    Some(ContentLine {
        name,
        params,
        value,
    })
}

fn parameter(piece: &str) -> (String, String) {
    match piece.split_once('=') {
        Some((name, value)) => (
            name.trim().to_ascii_uppercase(),
            value.trim().trim_matches('"').to_owned(),
        ),
        None => ("TYPE".to_owned(), piece.trim().to_owned()),
    }
}

fn split_outside_quotes(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                return Some((text.get(..at)?, text.get(at + c.len_utf8()..)?));
            }
            _ => {}
        }
    }
    None
}

fn undo_quoted_printable(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if b != b'=' {
            out.push(b);
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'\n') {
            at += 2;
        } else {
            let hex = value
                .get(at + 1..at + 3)
                .and_then(|h| u8::from_str_radix(h, 16).ok());
            out.push(hex.unwrap_or(b'='));
            at += if hex.is_some() { 3 } else { 1 };
        }
    }
    to_utf8(&out).into_owned()
}

/// Undoes `\n`, `\,`, `\;` and `\\`.
pub(crate) fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'N') => out.push_str("\r\n"),
            Some(escaped) => out.push(escaped),
            None => out.push('\\'),
        }
    }
    out
}

/// Splits a structured value (`N`, `ADR`, `ORG`) at unescaped semicolons and unescapes the pieces.
pub(crate) fn structured(value: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut escaped = false;
    for c in value.chars() {
        if c == ';' && !escaped {
            pieces.push(unescape(&piece).trim().to_owned());
            piece.clear();
        } else {
            piece.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    pieces.push(unescape(&piece).trim().to_owned());
    pieces
}
