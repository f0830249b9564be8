// Measurements are for the reader of the test's output.
#![allow(clippy::print_stdout)]

use std::fs;

use mailindex::{Change, ItemKey, ItemRow, MailIndex, Query, Row, RowKey};

use crate::rows::{Place, folder};

const ROWS: u32 = 200_000;
const BATCH: u32 = 2_000;

/// Spreads keys as hashes would, reproducibly (splitmix64).
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn key(number: u32) -> ItemKey {
    let mut item = [0; 16];
    item[..8].copy_from_slice(&scattered(number.into()).to_be_bytes());
    ItemKey {
        folder: folder((number % 8) as u8),
        item,
    }
}

/// A row of the size a mail on Exchange has: ids of 152 and 40 characters, a content of 90 bytes.
fn row(number: u32) -> ItemRow {
    ItemRow {
        item_id: format!("AAMk{number:0148}"),
        change_key: format!("CQAA{number:036}"),
        item_class: "IPM.Note".into(),
        is_read: Some(number.is_multiple_of(2)),
        size_bytes: 1000,
        received_unix_ms: Some(i64::from(number)),
        sent_unix_ms: Some(i64::from(number)),
        subject: format!("Subject of the message with the number {number}"),
        sender: "Some Sender <some.sender@example.test>".into(),
        content: vec![number as u8; 90],
    }
}

/// Peak memory of this process in KiB, where the system tells.
fn peak_memory_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Times are printed, not asserted. The clock is banned in the product only.
#[allow(clippy::disallowed_methods)]
fn timed<T>(what: &str, rows: u32, body: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let result = body();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {seconds:.2} s, {:.0} rows/s",
        f64::from(rows) / seconds
    );
    result
}

fn print_size(place: &Place, what: &str) -> u64 {
    let bytes = fs::metadata(&place.path).unwrap().len();
    println!("{what}: {} bytes a row", bytes / u64::from(ROWS));
    bytes
}

fn read_staged(index: &MailIndex) -> u32 {
    let (mut seen, mut after) = (0, None);
    loop {
        let page = index.staged(after.take(), 1000).unwrap();
        let Some(last) = page.last() else { return seen };
        after = Some(last.key.clone());
        seen += page.len() as u32;
    }
}

#[test]
fn two_hundred_thousand_rows_need_little_memory_and_space() {
    let place = Place::new();
    let index = place.open();
    timed("stage", ROWS, || {
        for start in (0..ROWS).step_by(BATCH as usize) {
            let batch: Vec<Change> = (start..start + BATCH)
                .map(|n| Change::PutItem(key(n), row(n)))
                .collect();
            index.stage(&batch).unwrap();
        }
    });
    assert_eq!(timed("read staged", ROWS, || read_staged(&index)), ROWS);
    print_size(&place, "staged");
    let stats = timed("publish", ROWS, || index.publish("s1", 1).unwrap());
    assert_eq!(stats.items_added, u64::from(ROWS));
    assert!(stats.worth_compacting());
    print_size(&place, "published");
    timed("compact", ROWS, || index.compact().unwrap());
    let bytes = print_size(&place, "compacted");
    assert!(
        bytes < u64::from(ROWS) * 800,
        "{bytes} bytes for {ROWS} rows"
    );
    assert_eq!(index.counts().unwrap().items, u64::from(ROWS));

    let few = ROWS / 100;
    timed("get", few, || {
        (0..few).for_each(|n| assert_eq!(index.item(&key(n)).unwrap(), Some(row(n))))
    });
    let query = Query {
        text: Some("number 199999".into()),
        ..Query::default()
    };
    let found = timed("search", ROWS, || index.search(&query, 10).unwrap());
    assert_eq!(found, [(key(199_999), row(199_999))]);

    timed("stage and publish 1 %", few, || {
        let changed: Vec<Change> = (0..few)
            .map(|n| {
                Change::PutItem(
                    key(n),
                    ItemRow {
                        content: vec![],
                        ..row(n)
                    },
                )
            })
            .collect();
        index.stage(&changed).unwrap();
        index.publish("s2", 2).unwrap()
    });
    print_size(&place, "after 1 %");
    drop(index);
    let index = timed("open and check", ROWS, || place.open());
    assert_eq!(index.counts().unwrap().items, u64::from(ROWS));
    if let Some(kib) = peak_memory_kib() {
        println!("peak memory of the test process: {kib} KiB");
        assert!(kib < 200 * 1024, "{kib} KiB");
    }
}

#[test]
fn a_rebuild_in_key_order_fills_the_file_densely() {
    let place = Place::new();
    let index = place.open();
    // As a snapshot lists them.
    let mut keys: Vec<(ItemKey, u32)> = (0..ROWS).map(|n| (key(n), n)).collect();
    keys.sort_unstable();
    timed("rebuild", ROWS, || {
        index.rebuild_start().unwrap();
        for batch in keys.chunks(BATCH as usize) {
            let rows = batch
                .iter()
                .map(|(key, n)| (RowKey::Item(*key), Row::Item(row(*n))));
            index.rebuild_push(&rows.collect::<Vec<_>>()).unwrap();
        }
        index.rebuild_finish("s2", 2).unwrap();
    });
    let bytes = print_size(&place, "rebuilt");
    assert!(
        bytes < u64::from(ROWS) * 1000,
        "{bytes} bytes for {ROWS} rows"
    );
    assert_eq!(index.counts().unwrap().items, u64::from(ROWS));
}
