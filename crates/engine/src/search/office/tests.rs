use std::io::Write;

use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn words(bytes: &[u8]) -> Vec<String> {
    text(bytes).split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(words(&archive(files)), expected);
}

#[test]
fn words_of_a_text_run_on_over_its_formatting() {
    check(
        &[
            ("[Content_Types].xml", "<t>type</t>"),
            (
                "word/document.xml",
                "<w:document xmlns:w=\"x\"><w:p><w:r><w:t>Hel</w:t></w:r><w:r><w:t>lo</w:t>\
                 <w:tab/><w:t>tab &amp; &#252;ber</w:t></w:r></w:p><w:p><w:r><w:t>next</w:t>\
                 <w:instrText>PAGE</w:instrText></w:r></w:p></w:document>",
            ),
            ("word/footer1.xml", "<w:p><w:t>foot</w:t></w:p>"),
            ("word/styles.xml", "<w:t>style</w:t>"),
        ],
        &["Hello", "tab", "&", "über", "next", "foot"],
    );
}

#[test]
fn a_workbook_has_its_shared_texts_and_its_numbers() {
    check(
        &[
            (
                "xl/sharedStrings.xml",
                "<sst><si><t>Umsatz</t></si><si><r><t>Jah</t></r><r><t>re</t></r></si></sst>",
            ),
            (
                "xl/worksheets/sheet1.xml",
                "<row><c t=\"s\"><v>0</v></c><c><v>4711.5</v></c><c t=\"str\"><v>formula</v></c>\
                 <c t=\"inlineStr\"><is><t>inline</t></is></c></row>",
            ),
        ],
        &["Umsatz", "Jahre", "4711.5", "formula", "inline"],
    );
}

#[test]
fn slides_notes_and_open_documents_are_read() {
    check(
        &[
            ("ppt/slides/slide1.xml", "<a:p><a:t>slide</a:t></a:p>"),
            (
                "ppt/notesSlides/notesSlide1.xml",
                "<a:p><a:t>note</a:t></a:p>",
            ),
            ("ppt/slides/_rels/slide1.xml.rels", "<a:t>link</a:t>"),
        ],
        &["note", "slide"],
    );
    check(
        &[
            (
                "content.xml",
                "<office:text><text:h>Title</text:h><text:p>one<text:s/>two \
                 <text:span>th</text:span><text:span>ree</text:span></text:p></office:text>",
            ),
            ("meta.xml", "<dc:title>meta</dc:title>"),
        ],
        &["Title", "one", "two", "three"],
    );
}

#[test]
fn an_archive_that_unpacks_to_more_than_the_limit_is_read_up_to_it() {
    let blank = " ".repeat(3 << 20);
    let page = format!("<w:p><w:t>word</w:t>{blank}</w:p>");
    let names: Vec<String> = (10..60).map(|n| format!("word/header{n}.xml")).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), page.as_str()))
        .collect();
    let bytes = archive(&files);
    // 150 MiB in less than one.
    assert!(bytes.len() < 1 << 20);
    assert_eq!(words(&bytes).len(), 11);
    let endless = format!("<w:t>{}</w:t>", "word ".repeat(4 << 20));
    let found = text(&archive(&[("word/document.xml", &endless)]));
    assert_eq!(found.len(), MAX_TEXT_BYTES);
    let deep = "<w:p>".repeat(100_000) + "<w:t>deep</w:t>";
    check(&[("word/document.xml", &deep)], &[]);
}

proptest! {
    #[test]
    fn damaged_documents_harm_nobody(at in 0_usize..2000, byte in any::<u8>(), cut in 0_usize..2000) {
        let mut bytes = archive(&[
            ("word/document.xml", "<w:p><w:t>one &amp; two</w:t></w:p>"),
            ("content.xml", "<text:p>three</text:p>"),
        ]);
        let len = bytes.len();
        bytes[at % len] = byte;
        text(&bytes);
        text(&bytes[..cut % len]);
    }

    #[test]
    fn anything_at_all_harms_nobody(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        text(&bytes);
        let xml = String::from_utf8_lossy(&bytes);
        read(&xml, Kind::OpenDocument, &mut String::new());
        read(&xml, Kind::Ooxml, &mut String::new());
    }
}
