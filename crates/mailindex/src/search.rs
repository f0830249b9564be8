//! Finding items by what their rows say.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Error;
use crate::index::{MAX_PAGE_ROWS, MailIndex, item_row};
use crate::row::ItemRow;
use crate::row_key::{FolderKey, ItemKey};
use crate::schema::ITEMS;

/// What a search looks for; an empty query finds everything.
///
/// An item's date is its received time, or its sent time where it has no received time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Text in subject or sender, in any case.
    pub text: Option<String>,
    /// The folder to look into, without the folders below it.
    pub folder: Option<FolderKey>,
    /// Earliest date, in milliseconds since 1970.
    pub since_unix_ms: Option<i64>,
    /// Date that is already too late, in milliseconds since 1970.
    pub until_unix_ms: Option<i64>,
    /// Message class, in any case, with its subclasses: `IPM.Note` finds `IPM.Note.SMIME` too.
    pub class: Option<String>,
}

impl MailIndex {
    /// Returns the newest published items that match, newest first, at most `limit` and
    /// [`MAX_PAGE_ROWS`]; items without a date come last.
    ///
    /// It reads every row of the mailbox, or of the folder where the query names one.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn search(&self, query: &Query, limit: usize) -> Result<Vec<(ItemKey, ItemRow)>, Error> {
        let limit = limit.min(MAX_PAGE_ROWS);
        let matcher = Matcher::new(query);
        let (first, last) = match query.folder {
            Some(folder) => folder.item_bounds(),
            None => {
                let lowest = FolderKey([0x00; 8]).item_bounds().0;
                (lowest, FolderKey([0xff; 8]).item_bounds().1)
            }
        };
        let (first, last) = (first.to_bytes(), last.to_bytes());
        self.read("search", |txn| {
            let mut newest = Newest::new(limit);
            for entry in txn.open_table(ITEMS)?.range::<&[u8; 24]>(&first..=&last)? {
                let (key, row) = entry?;
                let key = ItemKey::from_bytes(key.value());
                let row = item_row(&key, row.value())?;
                if matcher.matches(&row) {
                    newest.offer(key, row);
                }
            }
            Ok(newest.into_sorted())
        })
    }
}

/// A query with its texts in lower case.
struct Matcher<'a> {
    query: &'a Query,
    text: Option<String>,
    class: Option<String>,
}

impl<'a> Matcher<'a> {
    fn new(query: &'a Query) -> Self {
        Self {
            query,
            text: query.text.as_ref().map(|text| text.to_lowercase()),
            class: query.class.as_ref().map(|class| class.to_lowercase()),
        }
    }

    fn matches(&self, row: &ItemRow) -> bool {
        self.in_time(row) && self.of_class(row) && self.has_text(row)
    }

    fn in_time(&self, row: &ItemRow) -> bool {
        let (since, until) = (self.query.since_unix_ms, self.query.until_unix_ms);
        match date(row) {
            Some(date) => {
                since.is_none_or(|since| date >= since) && until.is_none_or(|until| date < until)
            }
            None => since.is_none() && until.is_none(),
        }
    }

    fn of_class(&self, row: &ItemRow) -> bool {
        let Some(class) = &self.class else {
            return true;
        };
        let found = row.item_class.to_lowercase();
        found
            .strip_prefix(class.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    fn has_text(&self, row: &ItemRow) -> bool {
        let Some(text) = &self.text else {
            return true;
        };
        row.subject.to_lowercase().contains(text) || row.sender.to_lowercase().contains(text)
    }
}

fn date(row: &ItemRow) -> Option<i64> {
    row.received_unix_ms.or(row.sent_unix_ms)
}

/// Keeps the newest few of many rows.
struct Newest {
    limit: usize,
    rows: BinaryHeap<Reverse<Dated>>,
}

impl Newest {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            rows: BinaryHeap::new(),
        }
    }

    fn offer(&mut self, key: ItemKey, row: ItemRow) {
        self.rows.push(Reverse(Dated { key, row }));
        if self.rows.len() > self.limit {
            self.rows.pop();
        }
    }

    fn into_sorted(self) -> Vec<(ItemKey, ItemRow)> {
        // Ascending in `Reverse` is newest first.
        let rows = self.rows.into_sorted_vec().into_iter();
        rows.map(|Reverse(dated)| (dated.key, dated.row)).collect()
    }
}

/// An item ordered by its date, then against its key, so that equal dates list in key order.
struct Dated {
    key: ItemKey,
    row: ItemRow,
}

impl Dated {
    fn rank(&self) -> (Option<i64>, Reverse<ItemKey>) {
        (date(&self.row), Reverse(self.key))
    }
}

impl PartialEq for Dated {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Dated {}

impl PartialOrd for Dated {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dated {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}
