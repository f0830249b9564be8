//! The words of Office documents: OOXML (docx, xlsx, pptx) and OpenDocument (odt, ods, odp).
//!
//! Both are zip archives of XML files. Only the files that hold what people wrote are read, as
//! they are unpacked, and no more of them than [`MAX_XML_BYTES`] all in all: an archive that
//! claims to hold more than the world is read up to there and left.

use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

/// Unpacked XML read of one document, and of one file of it; a thick book has a tenth of it.
const MAX_XML_BYTES: u64 = 32 << 20;
const MAX_FILE_BYTES: u64 = 16 << 20;
/// Text kept of one document.
const MAX_TEXT_BYTES: usize = 8 << 20;
/// Files in an archive; a workbook has one a sheet. An archive with more is no document.
const MAX_FILES: usize = 10_000;
/// Elements within elements; a document has some dozens.
const MAX_DEPTH: usize = 512;

/// Endings of Office documents that are zip archives.
const ENDINGS: [&str; 18] = [
    "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "pptx", "pptm", "ppsx", "potx",
    "odt", "ott", "ods", "ots", "odp", "otp",
];

/// Whether files with this ending, in small letters, can be such documents.
pub(super) fn is_document(ending: &str) -> bool {
    ENDINGS.contains(&ending)
}

/// Whether files of this media type, in small letters, are such documents.
pub(super) fn is_media_type(media_type: &str) -> bool {
    let families = [
        "application/vnd.openxmlformats-officedocument.",
        "application/vnd.oasis.opendocument.",
    ];
    families.iter().any(|family| media_type.starts_with(family))
}

/// The text of a document. What is damaged, encrypted or no document at all gives what was read
/// until then.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else {
        return text;
    };
    if archive.len() > MAX_FILES {
        return text;
    }
    let mut names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    names.retain(|name| kind_of(name).is_some());
    // The order in an archive is any order.
    names.sort();
    let mut left = MAX_XML_BYTES;
    for name in names {
        let (Some(kind), Ok(file)) = (kind_of(&name), archive.by_name(&name)) else {
            continue;
        };
        let mut xml = Vec::new();
        // What could be unpacked before a fault counts.
        let _ = file.take(left.min(MAX_FILE_BYTES)).read_to_end(&mut xml);
        left -= xml.len() as u64;
        read(&String::from_utf8_lossy(&xml), kind, &mut text);
        if left == 0 || text.len() >= MAX_TEXT_BYTES {
            break;
        }
    }
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

/// Which texts of a file count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Those in elements that are called `t`, and a sheet's values.
    Ooxml,
    /// All.
    OpenDocument,
}

fn kind_of(name: &str) -> Option<Kind> {
    if name == "content.xml" {
        return Some(Kind::OpenDocument);
    }
    /// Folders and beginnings of the files that hold texts (ECMA-376 part 1, 11.3, 12.3, 13.3).
    const TEXTS: [(&str, &[&str]); 6] = [
        (
            "word/",
            &[
                "document",
                "header",
                "footer",
                "footnotes",
                "endnotes",
                "comments",
            ],
        ),
        ("xl/", &["sharedStrings", "comments"]),
        ("xl/worksheets/", &["sheet"]),
        ("ppt/slides/", &["slide"]),
        ("ppt/notesSlides/", &["notesSlide"]),
        ("ppt/comments/", &["comment"]),
    ];
    let (folder, file) = name.split_at(name.rfind('/')? + 1);
    let holds_texts = TEXTS.iter().any(|(known, beginnings)| {
        *known == folder && beginnings.iter().any(|begin| file.starts_with(begin))
    });
    (holds_texts && file.ends_with(".xml")).then_some(Kind::Ooxml)
}

/// Reads a file until its end, its first fault, or the limit of texts.
fn read(xml: &str, kind: Kind, text: &mut String) {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = false;
    let mut depth = 0_usize;
    // Whether texts count here: in OOXML inside an element `t`, or a value that is no number of a
    // shared text.
    let mut counts = kind == Kind::OpenDocument;
    let mut is_shared = false;
    while text.len() < MAX_TEXT_BYTES && depth < MAX_DEPTH {
        let Ok(event) = reader.read_event() else {
            return;
        };
        match event {
            Event::Start(element) => {
                depth += 1;
                if kind == Kind::Ooxml {
                    let name = element.local_name();
                    if name.as_ref() == "c" {
                        is_shared = is_shared_text(&element);
                    }
                    counts = name.as_ref() == "t" || (name.as_ref() == "v" && !is_shared);
                }
            }
            Event::Empty(element) => {
                // Tabs and line breaks, in both families.
                let name = element.local_name();
                if matches!(name.as_ref(), "tab" | "br" | "cr" | "s" | "line-break") {
                    text.push(' ');
                }
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                if kind == Kind::Ooxml {
                    counts = false;
                }
                // Words run on from one piece of formatting to the next, but not beyond these.
                let name = element.local_name();
                if matches!(name.as_ref(), "p" | "h" | "si" | "v" | "is") {
                    text.push('\n');
                }
            }
            Event::Text(piece) if counts => text.push_str(&piece),
            Event::CData(piece) if counts => text.push_str(&piece),
            Event::GeneralRef(name) if counts => match name.resolve_char_ref() {
                Ok(Some(letter)) => text.push(letter),
                _ => text.push_str(resolve_predefined_entity(&name).unwrap_or(" ")),
            },
            Event::Eof => return,
            _ => {}
        }
    }
}

/// Whether a cell's value is the number of a text in the workbook's list (ECMA-376 18.3.1.4).
fn is_shared_text(cell: &BytesStart<'_>) -> bool {
    let kind = cell.try_get_attribute("t").ok().flatten();
    kind.is_some_and(|kind| kind.value.as_ref() == "s")
}

#[cfg(test)]
mod tests;
