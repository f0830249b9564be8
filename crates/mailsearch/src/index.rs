//! Reading an index: answering queries.

use std::path::Path;
use std::sync::OnceLock;

use crate::columns::{
    HAS_ATTACHMENTS, IS_DRAFT, IS_FLAGGED, IS_IMPORTANT, NO_DATE, RowColumns, TextColumns,
};
use crate::document::{Kind, Mark, RowKey};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Manifest;
use crate::query::{Condition, Field, Query, in_folder};
use crate::seal::IndexKey;
use crate::segment::Segment;
use crate::writer::open_segments;

/// A writer may replace files between a reader's looks at the manifest and at them.
const OPEN_ATTEMPTS: u32 = 5;
/// Stands for a row that has not ended.
const OPEN: u32 = u32::MAX;

/// Which snapshots are searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that the index covers.
    All,
    /// Those with these ids; others may be forgotten, or not wanted.
    Of(Vec<String>),
}

/// An item that a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The caller's key of the item.
    pub key: RowKey,
    /// The newest snapshot in scope that has it as found.
    pub snapshot: String,
    /// Its folder's path there.
    pub folder: String,
    /// Its date, milliseconds since 1970 UTC.
    pub date_unix_ms: Option<i64>,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What it is.
    pub kind: Kind,
    /// Whether it was read.
    pub is_read: Option<bool>,
    /// Whether it has attachments.
    pub has_attachments: bool,
    /// The time of the first snapshot without it, if it is gone.
    pub gone_unix_ms: Option<i64>,
}

/// What a query found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many there are.
    pub total: u64,
    /// The newest of them, newest first.
    pub hits: Vec<Hit>,
}

/// How large an index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Different texts.
    pub texts: u64,
    /// Rows: items with their versions.
    pub rows: u64,
    /// Files, the manifest left out.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// An index to search in: its state when it was opened.
pub struct Index {
    manifest: Manifest,
    segments: Vec<Segment>,
    columns: OnceLock<Loaded>,
}

/// The columns of all segments.
struct Loaded {
    texts: TextColumns,
    rows: RowColumns,
    /// For each row the first snapshot without it, or [`OPEN`].
    until: Vec<u32>,
    folders_lower: Vec<String>,
}

impl Index {
    /// Opens the index in a folder.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Corrupt` if its files are damaged or of another key.
    pub fn open(folder: &Path, key: &[u8; 32]) -> Result<Self> {
        let key = IndexKey::new(key);
        let mut attempt = 1;
        loop {
            let manifest = Manifest::load(folder, &key)?;
            match open_segments(folder, &key, &manifest) {
                Ok(segments) => {
                    return Ok(Self {
                        manifest,
                        segments,
                        columns: OnceLock::new(),
                    });
                }
                Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                Err(error) if attempt == OPEN_ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    /// The snapshots that it covers, in the order they were added.
    pub fn marks(&self) -> &[Mark] {
        &self.manifest.marks
    }

    /// How large it is.
    pub fn stats(&self) -> IndexStats {
        let mut stats = IndexStats::default();
        for info in &self.manifest.segments {
            stats.texts += u64::from(info.texts);
            stats.rows += u64::from(info.rows);
            stats.bytes += info.bytes;
            stats.segments += 1;
        }
        stats
    }

    /// Finds items, newest first; one hit for each item, its newest version that fits.
    ///
    /// With phrases ([`Query::has_phrases`]) the hits are candidates and several can be versions
    /// of one item: the caller decides with [`Query::has_phrases_of`], and takes the first of
    /// each key.
    ///
    /// # Errors
    /// `Corrupt`, and those of the file system.
    pub fn search(&self, query: &Query, scope: &Scope, limit: usize) -> Result<Found> {
        let loaded = self.loaded()?;
        let texts = self.matching_texts(query, loaded)?;
        let newest_in_scope = self.newest_in_scope(scope);
        let filter = RowFilter::new(query, loaded, &self.manifest.marks);
        let mut seen = vec![false; loaded.rows.text.len()];
        let one_each = !query.has_phrases();
        let mut found = Vec::new();
        for row in (0..loaded.rows.text.len()).rev() {
            let text = loaded.rows.text[row] as usize;
            if !texts[text] {
                continue;
            }
            let Some(snapshot) = snapshot_of(row, loaded, &newest_in_scope) else {
                continue;
            };
            let item = loaded.rows.item[row] as usize;
            if (one_each && seen[item]) || !filter.matches(row) {
                continue;
            }
            seen[item] = true;
            found.push((loaded.texts.date[text], row as u32, snapshot));
        }
        let total = found.len() as u64;
        if limit < found.len() {
            if limit > 0 {
                found.select_nth_unstable_by(limit - 1, |a, b| b.cmp(a));
            }
            found.truncate(limit);
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        let hits = self.hits(&found, loaded)?;
        Ok(Found { total, hits })
    }

    fn loaded(&self) -> Result<&Loaded> {
        if let Some(loaded) = self.columns.get() {
            return Ok(loaded);
        }
        let mut texts = TextColumns::default();
        let mut rows = RowColumns::default();
        for segment in &self.segments {
            segment.read_texts(&mut texts)?;
            segment.read_rows(&mut rows)?;
        }
        let damaged = || Error::corrupt("a segment", "its columns do not fit together");
        let stats = self.stats();
        let below = |column: &[u32], end: usize| column.iter().all(|n| (*n as usize) < end);
        let fits = texts.date.len() as u64 == stats.texts
            && rows.text.len() as u64 == stats.rows
            && below(&rows.text, texts.date.len())
            && below(&rows.item, rows.text.len())
            && below(&rows.folder, rows.folders.len());
        if !fits {
            return Err(damaged());
        }
        let mut until = vec![OPEN; rows.text.len()];
        for (row, end) in &rows.ended {
            let place = until.get_mut(*row as usize).ok_or_else(damaged)?;
            *place = (*place).min(*end);
        }
        let folders_lower = rows
            .folders
            .iter()
            .map(|path| path.to_lowercase())
            .collect();
        Ok(self.columns.get_or_init(|| Loaded {
            texts,
            rows,
            until,
            folders_lower,
        }))
    }

    /// Which texts satisfy the conditions about texts.
    fn matching_texts(&self, query: &Query, loaded: &Loaded) -> Result<Vec<bool>> {
        let mut all = vec![true; loaded.texts.date.len()];
        for clause in &query.clauses {
            let one = match &clause.condition {
                Condition::Words(field, words) => self.with_words(*field, words, all.len())?,
                Condition::Prefix(field, word) => self.with_prefix(*field, word, all.len())?,
                // Who does not have the words may still pass; who has them may still fail.
                Condition::Phrase(..) if clause.negated => continue,
                Condition::Phrase(field, words) => self.with_words(*field, words, all.len())?,
                other => match text_condition(other, &loaded.texts) {
                    Some(one) => one,
                    None => continue,
                },
            };
            for (all, one) in all.iter_mut().zip(one) {
                *all &= one != clause.negated;
            }
        }
        Ok(all)
    }

    fn with_words(&self, field: Field, words: &[String], texts: usize) -> Result<Vec<bool>> {
        let mut all: Option<Vec<bool>> = None;
        for word in words {
            let term = field.term(word);
            let mut one = vec![false; texts];
            for segment in &self.segments {
                if let Some(entry) = segment.find(&term)? {
                    entry.each(segment.text_base, |text| mark(&mut one, text))?;
                }
            }
            match &mut all {
                None => all = Some(one),
                Some(all) => all.iter_mut().zip(one).for_each(|(all, one)| *all &= one),
            }
        }
        Ok(all.unwrap_or_else(|| vec![true; texts]))
    }

    fn with_prefix(&self, field: Field, word: &str, texts: usize) -> Result<Vec<bool>> {
        let mut any = vec![false; texts];
        for segment in &self.segments {
            segment.terms_from(&field.term(word), &mut |entry| {
                entry.each(segment.text_base, |text| mark(&mut any, text))?;
                Ok(true)
            })?;
        }
        Ok(any)
    }

    /// For each snapshot the newest one in scope that is not newer than it.
    fn newest_in_scope(&self, scope: &Scope) -> Vec<Option<u32>> {
        let mut newest = None;
        let mut all = Vec::with_capacity(self.manifest.marks.len());
        for (number, mark) in (0..).zip(&self.manifest.marks) {
            let wanted = match scope {
                Scope::All => true,
                Scope::Of(ids) => ids.contains(&mark.id),
            };
            if wanted {
                newest = Some(number);
            }
            all.push(newest);
        }
        all
    }

    fn hits(&self, found: &[(i64, u32, u32)], loaded: &Loaded) -> Result<Vec<Hit>> {
        // By row, so that each block of keys is read once.
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_unstable_by_key(|at| found[*at].1);
        let mut keys = vec![RowKey::default(); found.len()];
        let mut block: (u32, Vec<RowKey>) = (0, Vec::new());
        for at in order {
            let row = found[at].1;
            let in_block = |block: &(u32, Vec<RowKey>)| {
                row.checked_sub(block.0)
                    .and_then(|at| block.1.get(at as usize).copied())
            };
            let key = match in_block(&block) {
                Some(key) => Some(key),
                None => {
                    let after = self.segments.partition_point(|s| s.row_base <= row);
                    if let Some(segment) = self.segments.get(after.saturating_sub(1)) {
                        block = segment.read_keys_near(row)?;
                    }
                    in_block(&block)
                }
            };
            keys[at] = key.ok_or_else(|| Error::corrupt("a segment", "a row has no key"))?;
        }
        let hit = |((date, row, snapshot), key): (&(i64, u32, u32), RowKey)| {
            let row = *row as usize;
            let text = loaded.rows.text[row] as usize;
            let marks = &self.manifest.marks;
            Hit {
                key,
                snapshot: marks[*snapshot as usize].id.clone(),
                folder: loaded.rows.folders[loaded.rows.folder[row] as usize].clone(),
                date_unix_ms: Some(*date).filter(|date| *date != NO_DATE),
                size_bytes: loaded.texts.size[text],
                kind: Kind::from_byte(loaded.texts.kind[text]),
                is_read: [Some(false), Some(true)]
                    .get(usize::from(loaded.rows.read[row]))
                    .copied()
                    .flatten(),
                has_attachments: loaded.texts.flags[text] & HAS_ATTACHMENTS != 0,
                gone_unix_ms: marks
                    .get(loaded.until[row] as usize)
                    .map(|mark| mark.time_unix_ms),
            }
        };
        Ok(found.iter().zip(keys).map(hit).collect())
    }
}

fn mark(texts: &mut [bool], text: u32) {
    if let Some(place) = texts.get_mut(text as usize) {
        *place = true;
    }
}

/// The newest snapshot in scope that a row is in.
fn snapshot_of(row: usize, loaded: &Loaded, newest: &[Option<u32>]) -> Option<u32> {
    let last = (loaded.until[row] as usize)
        .min(newest.len())
        .checked_sub(1)?;
    newest[last].filter(|newest| *newest >= loaded.rows.from[row])
}

fn text_condition(condition: &Condition, texts: &TextColumns) -> Option<Vec<bool>> {
    let dates = |fits: &dyn Fn(i64) -> bool| {
        let column = texts.date.iter();
        column.map(|date| *date != NO_DATE && fits(*date)).collect()
    };
    let flags = |bit: u8| texts.flags.iter().map(|flags| flags & bit != 0).collect();
    let sizes = |fits: &dyn Fn(u64) -> bool| texts.size.iter().map(|size| fits(*size)).collect();
    Some(match condition {
        Condition::Before(time) => dates(&|date| date < *time),
        Condition::After(time) => dates(&|date| date >= *time),
        Condition::LargerThan(bytes) => sizes(&|size| size > *bytes),
        Condition::SmallerThan(bytes) => sizes(&|size| size < *bytes),
        Condition::Kind(kind) => {
            let column = texts.kind.iter();
            column.map(|byte| Kind::from_byte(*byte) == *kind).collect()
        }
        Condition::HasAttachment => flags(HAS_ATTACHMENTS),
        Condition::Flagged => flags(IS_FLAGGED),
        Condition::Draft => flags(IS_DRAFT),
        Condition::Important => flags(IS_IMPORTANT),
        _ => return None,
    })
}

/// Decides the conditions that are about rows.
struct RowFilter<'a> {
    loaded: &'a Loaded,
    marks: &'a [Mark],
    conditions: Vec<(bool, RowCondition)>,
    /// For each item and each text whether it is in the newest snapshot; empty when not asked.
    live_items: Vec<bool>,
    live_texts: Vec<bool>,
}

enum RowCondition {
    Read(bool),
    /// For each folder whether it fits.
    Folder(Vec<bool>),
    DeletedSince(i64),
}

impl<'a> RowFilter<'a> {
    fn new(query: &Query, loaded: &'a Loaded, marks: &'a [Mark]) -> Self {
        let mut conditions = Vec::new();
        for clause in &query.clauses {
            let condition = match &clause.condition {
                Condition::Read(read) => RowCondition::Read(*read),
                Condition::DeletedSince(time) => RowCondition::DeletedSince(*time),
                Condition::Folder(wanted) => {
                    let folders = loaded.folders_lower.iter();
                    RowCondition::Folder(folders.map(|path| in_folder(path, wanted)).collect())
                }
                _ => continue,
            };
            conditions.push((clause.negated, condition));
        }
        let mut filter = Self {
            loaded,
            marks,
            conditions,
            live_items: Vec::new(),
            live_texts: Vec::new(),
        };
        let mut conditions = filter.conditions.iter();
        if conditions.any(|(_, c)| matches!(c, RowCondition::DeletedSince(_))) {
            filter.live_items = vec![false; loaded.rows.text.len()];
            filter.live_texts = vec![false; loaded.texts.date.len()];
            for (row, until) in loaded.until.iter().enumerate() {
                if *until as usize >= marks.len() && (loaded.rows.from[row] as usize) < marks.len()
                {
                    filter.live_items[loaded.rows.item[row] as usize] = true;
                    filter.live_texts[loaded.rows.text[row] as usize] = true;
                }
            }
        }
        filter
    }

    fn matches(&self, row: usize) -> bool {
        let rows = &self.loaded.rows;
        self.conditions.iter().all(|(negated, condition)| {
            let holds = match condition {
                RowCondition::Read(read) => rows.read[row] == u8::from(*read),
                RowCondition::Folder(fits) => fits[rows.folder[row] as usize],
                RowCondition::DeletedSince(time) => {
                    let gone = self.marks.get(self.loaded.until[row] as usize);
                    gone.is_some_and(|mark| mark.time_unix_ms >= *time)
                        && !self.live_items[rows.item[row] as usize]
                        && !self.live_texts[rows.text[row] as usize]
                }
            };
            holds != *negated
        })
    }
}
