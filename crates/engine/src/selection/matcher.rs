//! Finding single items that a selection names.

use std::collections::HashSet;

use super::Selection;
use crate::catalog::shown_key;
use crate::list::StoredItem;

/// A selection's items, quick to look up: searches find many.
pub(crate) struct ItemMatcher<'a> {
    /// Whole keys, which name one item each.
    keys: HashSet<&'a str>,
    /// EWS ids, and beginnings of keys.
    others: Vec<&'a str>,
}

impl<'a> ItemMatcher<'a> {
    /// Characters of a whole key.
    const KEY_LEN: usize = 32;

    pub(crate) fn new(selection: &'a Selection) -> Self {
        let is_key = |item: &str| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            item.len() == Self::KEY_LEN && item.bytes().all(hex)
        };
        let items = selection.items.iter().map(String::as_str);
        let (keys, others): (Vec<&str>, Vec<&str>) = items.partition(|item| is_key(item));
        Self {
            keys: keys.into_iter().collect(),
            others,
        }
    }

    /// The text that means an item, if one does. A selection without items means none.
    pub(crate) fn meaning(&self, item: &StoredItem) -> Option<&'a str> {
        let key = shown_key(&item.key);
        let by_key = self.keys.get(key.as_str()).copied();
        by_key.or_else(|| self.others.iter().copied().find(|w| item.is_meant(w)))
    }
}
