//! Takes the text out of rich text.

use std::collections::HashMap;

use encoding_rs::Encoding;

use super::Rich;
use crate::code_page;

/// Groups inside one another; deeper ones are read as part of their parent.
const MAX_DEPTH: usize = 256;
/// Control words before the text in which the mark of carried HTML or text is looked for.
const HEADER_WORDS: usize = 20;
/// Fonts remembered.
const MAX_FONTS: usize = 4_096;
/// The font charset of symbols, whose bytes are no text.
const WINDOWS_1252: u16 = 1252;

/// Groups whose content nobody reads.
const SILENT: [&str; 14] = [
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "header",
    "footer",
    "headerf",
    "footerf",
    "listtable",
    "listoverridetable",
    "generator",
    "datastore",
];

/// What a group is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Text,
    /// Names fonts and their charsets.
    Fonts,
    /// A piece of the HTML that is carried.
    HtmlTag,
    Skipped,
}

#[derive(Clone, Copy)]
struct State {
    destination: Destination,
    /// Text that is only there for readers of rich text.
    rtf_only: bool,
    font: i32,
    /// Characters that stand in for a Unicode one.
    skip_after_unicode: i32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    Nothing,
    Html,
    Plain,
}

/// Reads rich text from its bytes.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    stack: Vec<State>,
    /// Groups deeper than the stack.
    too_deep: usize,
    state: State,
    carries: Carries,
    words: usize,
    default_encoding: &'static Encoding,
    default_font: i32,
    fonts: HashMap<i32, &'static Encoding>,
    /// The font that the font table is about.
    defined_font: i32,
    /// Bytes whose charset is that of the current font.
    pending: Vec<u8>,
    /// A first half of a surrogate pair.
    high: Option<u16>,
    to_skip: i32,
    /// The group has just begun with \*.
    optional: bool,
    out: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            at: 0,
            stack: Vec::new(),
            too_deep: 0,
            state: State {
                destination: Destination::Text,
                rtf_only: false,
                font: -1,
                skip_after_unicode: 1,
            },
            carries: Carries::Nothing,
            words: 0,
            default_encoding: code_page::encoding(WINDOWS_1252),
            default_font: -1,
            fonts: HashMap::new(),
            defined_font: -1,
            pending: Vec::new(),
            high: None,
            to_skip: 0,
            optional: false,
            out: String::new(),
        }
    }

    pub(super) fn read(mut self) -> Rich {
        while let Some(byte) = self.next() {
            match byte {
                b'{' => self.open(),
                b'}' => self.close(),
                b'\\' => self.control(),
                b'\r' | b'\n' => {}
                byte => self.byte(byte),
            }
        }
        self.flush();
        match self.carries {
            Carries::Html => Rich::Html(self.out),
            Carries::Plain => Rich::Plain(self.out),
            Carries::Nothing => Rich::Text(self.out),
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.input.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn open(&mut self) {
        self.flush();
        self.to_skip = 0;
        self.optional = false;
        if self.stack.len() < MAX_DEPTH {
            self.stack.push(self.state);
        } else {
            self.too_deep += 1;
        }
    }

    fn close(&mut self) {
        self.flush();
        self.to_skip = 0;
        self.optional = false;
        if self.too_deep > 0 {
            self.too_deep -= 1;
        } else if let Some(state) = self.stack.pop() {
            self.state = state;
        }
    }

    /// What follows a backslash.
    fn control(&mut self) {
        let Some(first) = self.next() else { return };
        if first.is_ascii_alphabetic() {
            let start = self.at - 1;
            while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
                self.at += 1;
            }
            let word = self.input.get(start..self.at).unwrap_or_default();
            let number = self.number();
            if self.peek() == Some(b' ') {
                self.at += 1;
            }
            if let Ok(word) = str::from_utf8(word) {
                self.word(word, number);
            }
            return;
        }
        match first {
            b'\'' => {
                let hex = self.input.get(self.at..self.at + 2);
                let byte = hex
                    .and_then(|hex| str::from_utf8(hex).ok())
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                if let Some(byte) = byte {
                    self.at += 2;
                    self.byte(byte);
                }
            }
            b'*' => self.optional = true,
            b'\\' | b'{' | b'}' => self.byte(first),
            b'~' if self.carries == Carries::Html => self.text("&nbsp;"),
            b'~' => self.text("\u{a0}"),
            b'_' if self.carries == Carries::Html => self.text("&shy;"),
            b'_' => self.text("-"),
            b'\r' | b'\n' => self.line_end(),
            _ => {}
        }
    }

    fn number(&mut self) -> Option<i32> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.input.get(start..self.at)?;
        str::from_utf8(digits).ok()?.parse().ok()
    }

    fn word(&mut self, word: &str, number: Option<i32>) {
        let optional = std::mem::take(&mut self.optional);
        self.words += 1;
        if self.words <= HEADER_WORDS {
            match word {
                "fromhtml" => self.carries = Carries::Html,
                "fromtext" => self.carries = Carries::Plain,
                _ => {}
            }
        }
        match word {
            "htmltag" if self.carries == Carries::Html => {
                self.flush();
                self.state.destination = Destination::HtmlTag;
            }
            "mhtmltag" => self.state.destination = Destination::Skipped,
            "fonttbl" => self.state.destination = Destination::Fonts,
            _ if SILENT.contains(&word) => self.state.destination = Destination::Skipped,
            "htmlrtf" => {
                self.flush();
                self.state.rtf_only = number != Some(0);
            }
            "ansicpg" => {
                let page = number.and_then(|page| u16::try_from(page).ok());
                self.default_encoding = code_page::encoding(page.unwrap_or(WINDOWS_1252));
            }
            "deff" => self.default_font = number.unwrap_or(0),
            "f" => self.font(number.unwrap_or(0)),
            "plain" => self.font(self.default_font),
            "fcharset" => self.charset(number.unwrap_or(0)),
            "uc" => self.state.skip_after_unicode = number.unwrap_or(1).clamp(0, 64),
            "u" => self.unicode(number.unwrap_or(0)),
            "par" | "line" | "sect" | "page" => self.line_end(),
            "tab" => self.text("\t"),
            "cell" | "nestcell" => self.text("\t"),
            "row" | "nestrow" => self.line_end(),
            "lquote" => self.text("\u{2018}"),
            "rquote" => self.text("\u{2019}"),
            "ldblquote" => self.text("\u{201c}"),
            "rdblquote" => self.text("\u{201d}"),
            "bullet" => self.text("\u{2022}"),
            "endash" => self.text("\u{2013}"),
            "emdash" => self.text("\u{2014}"),
            "bin" => {
                let len = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
                self.at = self.at.saturating_add(len).min(self.input.len());
            }
            // A group that this reader need not know, such as a field's instruction.
            _ if optional => self.state.destination = Destination::Skipped,
            _ => {}
        }
    }

    fn font(&mut self, number: i32) {
        self.flush();
        if self.state.destination == Destination::Fonts {
            self.defined_font = number;
        } else {
            self.state.font = number;
        }
    }

    fn charset(&mut self, charset: i32) {
        let page = match charset {
            0 => 1252,
            77 => 10000,
            128 => 932,
            129 => 949,
            134 => 936,
            136 => 950,
            161 => 1253,
            162 => 1254,
            163 => 1258,
            177 => 1255,
            178..=180 => 1256,
            186 => 1257,
            204 => 1251,
            222 => 874,
            238 => 1250,
            _ => return,
        };
        if self.state.destination == Destination::Fonts && self.fonts.len() < MAX_FONTS {
            self.fonts
                .insert(self.defined_font, code_page::encoding(page));
        }
    }

    /// Whether text here is part of what is looked for.
    fn is_heard(&self) -> bool {
        match self.state.destination {
            Destination::HtmlTag => true,
            Destination::Text => !self.state.rtf_only || self.carries == Carries::Nothing,
            Destination::Fonts | Destination::Skipped => false,
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if self.is_heard() {
            self.pending.push(byte);
        }
    }

    fn unicode(&mut self, number: i32) {
        self.to_skip = self.state.skip_after_unicode;
        if !self.is_heard() {
            return;
        }
        // Numbers above 32767 are written as negative ones.
        let Ok(unit) = u16::try_from(number.rem_euclid(0x1_0000)) else {
            return;
        };
        self.decode_pending();
        match (self.high.take(), unit) {
            (_, 0xD800..=0xDBFF) => self.high = Some(unit),
            (high, unit) => {
                let units: Vec<u16> = high.into_iter().chain([unit]).collect();
                self.out.push_str(&String::from_utf16_lossy(&units));
            }
        }
    }

    fn line_end(&mut self) {
        self.text("\r\n");
    }

    fn text(&mut self, text: &str) {
        if self.is_heard() {
            self.flush();
            self.out.push_str(text);
        }
    }

    fn flush(&mut self) {
        self.decode_pending();
        self.high = None;
    }

    fn decode_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let of_font = || {
            let font = match self.state.font {
                -1 => self.default_font,
                font => font,
            };
            self.fonts.get(&font).copied()
        };
        let encoding = match self.state.destination {
            // Tags are in the document's charset, whatever the text around them is in.
            Destination::HtmlTag => self.default_encoding,
            _ => of_font().unwrap_or(self.default_encoding),
        };
        let text = encoding.decode_without_bom_handling(&self.pending).0;
        self.out.push_str(&text);
        self.pending.clear();
    }
}
