//! Content lines, which iCalendar and vCard share (RFC 5545 3.1, RFC 2426 2.6).

/// Octets in a line, without its end.
const LINE_OCTETS: usize = 75;

/// Collects content lines.
#[derive(Debug, Default)]
pub(crate) struct ContentLines {
    out: Vec<u8>,
}

impl ContentLines {
    /// Appends `name:value` with the value as it is.
    pub(crate) fn raw(&mut self, name: &str, value: &str) {
        let mut column = 0;
        for c in format!("{name}:{value}").chars() {
            // What would end the line cannot be part of it.
            if c == '\r' || c == '\n' {
                continue;
            }
            if column + c.len_utf8() > LINE_OCTETS {
                self.out.extend_from_slice(b"\r\n ");
                column = 1;
            }
            column += c.len_utf8();
            let mut utf8 = [0; 4];
            self.out
                .extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Appends a text value, escaped.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.raw(name, &escape(value));
    }

    /// Appends a text value if there is one that is not empty.
    pub(crate) fn optional(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value.as_ref().map(AsRef::as_ref).filter(|v| !v.is_empty()) {
            self.text(name, value);
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// Escapes a text value.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace("\r\n", "\n")
        .replace(['\r', '\n'], "\\n")
        .replace(';', "\\;")
        .replace(',', "\\,")
        .chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect()
}

/// A parameter's value, in quotes where it needs them; it cannot hold a double quote, not even
/// escaped (RFC 5545 3.2).
pub(crate) fn quoted_parameter(value: &str) -> String {
    let value: String = value
        .chars()
        .map(|c| match c {
            '"' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/+.".contains(c);
    if value.chars().all(is_plain) {
        value
    } else {
        format!("\"{value}\"")
    }
}
