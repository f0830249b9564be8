//! What is not in a segment yet: words of new texts, and new rows.

use std::collections::HashMap;
use std::path::Path;

use crate::codec::put_varint;
use crate::columns::{HAS_ATTACHMENTS, IS_DRAFT, IS_FLAGGED, IS_IMPORTANT, NO_DATE};
use crate::document::{ContentKey, Document};
use crate::error::Result;
use crate::manifest::SegmentInfo;
use crate::query::Field;
use crate::seal::{IndexKey, Salt};
use crate::segment::{Columns, SegmentWriter};
use crate::tokens::words;

/// What a term costs in memory besides its bytes.
const TERM_OVERHEAD_BYTES: usize = 80;

/// The texts a term occurs in.
struct Postings {
    count: u32,
    last: u32,
    differences: Vec<u8>,
}

impl Postings {
    fn first(local: u32) -> Self {
        let mut differences = Vec::new();
        put_varint(&mut differences, u64::from(local));
        Self {
            count: 1,
            last: local,
            differences,
        }
    }
}

/// Collects texts and rows until they are worth a segment.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) text_base: u32,
    pub(crate) row_base: u32,
    pub(crate) columns: Columns,
    terms: HashMap<Vec<u8>, Postings>,
    term_bytes: usize,
}

impl Builder {
    pub(crate) fn new(text_base: u32, row_base: u32) -> Self {
        Self {
            text_base,
            row_base,
            ..Self::default()
        }
    }

    /// Bytes of memory in use, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.term_bytes + self.columns.contents.len() * 40 + self.columns.row_keys.len() * 48
    }

    pub(crate) fn is_empty(&self) -> bool {
        let rows = &self.columns.rows;
        self.columns.contents.is_empty() && rows.text.is_empty() && rows.ended.is_empty()
    }

    /// Adds a text; returns its number over all segments.
    pub(crate) fn text(&mut self, content: &ContentKey, document: &Document) -> u32 {
        let local = self.columns.contents.len() as u32;
        self.columns.contents.push(*content);
        let columns = &mut self.columns.texts;
        columns.date.push(document.date_unix_ms.unwrap_or(NO_DATE));
        columns.size.push(document.size_bytes);
        columns.kind.push(document.kind as u8);
        let flags = [
            (document.has_attachments, HAS_ATTACHMENTS),
            (document.is_flagged, IS_FLAGGED),
            (document.is_draft, IS_DRAFT),
            (document.is_important, IS_IMPORTANT),
        ];
        let flags = flags.into_iter().filter(|(holds, _)| *holds);
        columns.flags.push(flags.map(|(_, bit)| bit).sum());
        for field in [Field::Anywhere, Field::Subject, Field::From, Field::To] {
            for text in field.texts(document) {
                self.words(field, text, local);
            }
        }
        self.text_base + local
    }

    fn words(&mut self, field: Field, text: &str, local: u32) {
        let mut term = vec![field.byte()];
        words(text, |word| {
            term.truncate(1);
            term.extend_from_slice(word.as_bytes());
            let Some(postings) = self.terms.get_mut(&term) else {
                self.term_bytes += term.len() + TERM_OVERHEAD_BYTES;
                self.terms.insert(term.clone(), Postings::first(local));
                return;
            };
            if postings.last == local {
                return;
            }
            let before = postings.differences.len();
            put_varint(&mut postings.differences, u64::from(local - postings.last));
            postings.last = local;
            postings.count += 1;
            self.term_bytes += postings.differences.len() - before;
        });
    }

    /// Writes a segment.
    pub(crate) fn write(&self, folder: &Path, key: &IndexKey, salt: Salt) -> Result<SegmentInfo> {
        let mut writer = SegmentWriter::create(folder, key, salt)?;
        let mut terms: Vec<_> = self.terms.iter().collect();
        terms.sort_unstable_by_key(|(term, _)| *term);
        for (term, postings) in terms {
            writer.term(term, postings.count, &postings.differences)?;
        }
        writer.finish(self.row_base, &self.columns)
    }
}
