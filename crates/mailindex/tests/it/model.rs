use std::collections::BTreeMap;

use mailindex::{Change, FolderRow, ItemRow, MailIndex, Row, RowKey};
use proptest::prelude::*;

use crate::rows::{Place, folder, folder_row, item, item_row};

type Rows = BTreeMap<RowKey, Row>;

#[derive(Debug, Clone)]
enum Step {
    Stage(Vec<Change>),
    Publish,
    Discard,
    Reopen,
    ClearStamp,
    Rebuild(Vec<Change>),
    Compact,
}

/// What the index must hold: published rows, rows after the staged changes, earlier versions.
#[derive(Default)]
struct Model {
    published: Rows,
    next: Rows,
    versions: BTreeMap<RowKey, Vec<ItemRow>>,
    stamp: Option<String>,
    snapshots: usize,
}

fn change() -> impl Strategy<Value = Change> {
    let row = (0..3u8).prop_map(|n| item_row(&format!("subject {n}"), &[n / 2]));
    let name = (0..3u8).prop_map(|n| folder_row(&format!("name {n}")));
    prop_oneof![
        8 => (0..4u8, 0..8u32, row).prop_map(|(f, n, row)| Change::PutItem(item(f, n), row)),
        3 => (0..4u8, 0..8u32).prop_map(|(f, n)| Change::DeleteItem(item(f, n))),
        2 => (0..4u8, name).prop_map(|(f, row)| Change::PutFolder(folder(f), row)),
        1 => (0..4u8).prop_map(|f| Change::DeleteFolder(folder(f))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || prop::collection::vec(change(), 0..20);
    prop_oneof![
        6 => changes().prop_map(Step::Stage),
        4 => Just(Step::Publish),
        1 => Just(Step::Discard),
        1 => Just(Step::Reopen),
        1 => Just(Step::ClearStamp),
        1 => changes().prop_map(Step::Rebuild),
        1 => Just(Step::Compact),
    ]
}

fn apply(rows: &mut Rows, change: &Change) {
    match change {
        Change::PutFolder(key, row) => {
            rows.insert(RowKey::Folder(*key), Row::Folder(row.clone()));
        }
        Change::PutItem(key, row) => {
            rows.insert(RowKey::Item(*key), Row::Item(row.clone()));
        }
        Change::DeleteItem(key) => {
            rows.remove(&RowKey::Item(*key));
        }
        Change::DeleteFolder(key) => rows.retain(|row_key, _| row_key.folder() != *key),
    }
}

impl Model {
    fn run(&mut self, index: &mut Option<MailIndex>, place: &Place, number: usize, step: &Step) {
        let open = index.as_ref().unwrap();
        let stamp = format!("stamp {number}");
        match step {
            Step::Stage(changes) => {
                open.stage(changes).unwrap();
                changes
                    .iter()
                    .for_each(|change| apply(&mut self.next, change));
            }
            Step::Publish => {
                open.publish(&stamp, number as i64).unwrap();
                self.keep_versions();
                self.published = self.next.clone();
                self.stamp = Some(stamp);
                self.snapshots += 1;
            }
            Step::Discard => {
                open.discard_staged().unwrap();
                self.next = self.published.clone();
            }
            Step::Reopen => {
                *index = None;
                *index = Some(place.open());
                self.next = self.published.clone();
            }
            Step::ClearStamp => {
                open.clear_stamp().unwrap();
                self.stamp = None;
            }
            Step::Rebuild(changes) => {
                let mut rows = Rows::new();
                changes.iter().for_each(|change| apply(&mut rows, change));
                let all: Vec<_> = rows.clone().into_iter().collect();
                let batches = all.chunks(3).map(|batch| batch.to_vec());
                open.rebuild(&stamp, number as i64, batches).unwrap();
                *self = Model {
                    published: rows.clone(),
                    next: rows,
                    stamp: Some(stamp),
                    snapshots: 1,
                    ..Model::default()
                };
            }
            Step::Compact => {
                open.compact().unwrap();
            }
        }
    }

    fn keep_versions(&mut self) {
        for (key, row) in &self.published {
            let Row::Item(old) = row else { continue };
            let kept =
                matches!(self.next.get(key), Some(Row::Item(new)) if new.content == old.content);
            if !kept {
                self.versions.entry(*key).or_default().push(old.clone());
            }
        }
    }

    fn compare(&self, index: &MailIndex) {
        assert_eq!(index.stamp().unwrap(), self.stamp);
        assert_eq!(index.snapshots().unwrap().len(), self.snapshots);
        assert_eq!(published(index), self.published);
        for f in 0..4 {
            let key = RowKey::Folder(folder(f));
            assert_eq!(
                index.folder(&folder(f)).unwrap().map(Row::Folder),
                self.next.get(&key).cloned()
            );
            for n in 0..8 {
                let key = RowKey::Item(item(f, n));
                assert_eq!(
                    index.item(&item(f, n)).unwrap().map(Row::Item),
                    self.next.get(&key).cloned()
                );
                let versions = index
                    .versions(&item(f, n))
                    .unwrap()
                    .into_iter()
                    .map(|v| v.row);
                let expected = self.versions.get(&key).cloned().unwrap_or_default();
                assert_eq!(versions.collect::<Vec<_>>(), expected);
            }
        }
        assert_eq!(staged(index), self.difference());
        self.compare_counts(index);
    }

    fn compare_counts(&self, index: &MailIndex) {
        let items = |f: Option<u8>| {
            let of = |key: &&RowKey| {
                matches!(key, RowKey::Item(_)) && f.is_none_or(|f| key.folder() == folder(f))
            };
            self.published.keys().filter(of).count() as u64
        };
        for f in 0..4 {
            assert_eq!(index.item_count(&folder(f)).unwrap(), items(Some(f)));
        }
        let counts = index.counts().unwrap();
        assert_eq!(
            (counts.items, counts.item_bytes),
            (items(None), items(None) * 100)
        );
        assert_eq!(counts.folders, self.published.len() as u64 - items(None));
        let versions: usize = self.versions.values().map(Vec::len).sum();
        assert_eq!(counts.versions, versions as u64);
    }

    /// The staged changes there must be: where next and published differ, and no others.
    fn difference(&self) -> Vec<(RowKey, Option<Row>)> {
        let mut difference: BTreeMap<RowKey, Option<Row>> = BTreeMap::new();
        for key in self.published.keys().chain(self.next.keys()) {
            if self.published.get(key) != self.next.get(key) {
                difference.insert(*key, self.next.get(key).cloned());
            }
        }
        let mut difference: Vec<_> = difference.into_iter().collect();
        difference.sort_by_key(|(key, _)| key.to_bytes());
        difference
    }
}

fn published(index: &MailIndex) -> Rows {
    let folders: Vec<(_, FolderRow)> = index.folders().unwrap();
    let mut rows: Rows = folders
        .into_iter()
        .map(|(key, row)| (RowKey::Folder(key), Row::Folder(row)))
        .collect();
    for f in 0..4 {
        let mut after = None;
        loop {
            let page = index.items(&folder(f), after, 3).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            rows.extend(
                page.into_iter()
                    .map(|(key, row)| (RowKey::Item(key), Row::Item(row))),
            );
        }
    }
    rows
}

fn staged(index: &MailIndex) -> Vec<(RowKey, Option<Row>)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = index.staged(after.take(), 5).unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.key.clone());
        all.extend(page.into_iter().map(|change| (change.row_key, change.row)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        // Histories are found again by their printed seed, not by a file in the source tree.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_leaves_what_a_map_would_hold(steps in prop::collection::vec(step(), 1..25)) {
        let place = Place::new();
        let mut index = Some(place.open());
        let mut model = Model::default();
        for (number, step) in steps.iter().enumerate() {
            model.run(&mut index, &place, number, step);
            model.compare(index.as_ref().unwrap());
        }
    }
}
