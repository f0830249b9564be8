//! The decoders of the search index and of queries, for `fuzz/`.

use crate::columns::{RowColumns, TextColumns, decode_keys};
use crate::manifest::Manifest;
use crate::query::Query;
use crate::segment::walk_terms;

/// Reads bytes as one part of an index, which the first byte chooses, or as a query.
pub fn part(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    match which % 6 {
        0 => drop(Manifest::decode(data)),
        1 => drop(TextColumns::default().decode_onto(data)),
        2 => drop(RowColumns::default().decode_onto(data, 7)),
        3 => drop(decode_keys::<24>(data)),
        4 => drop(walk_terms(data)),
        _ => {
            let text = String::from_utf8_lossy(data);
            drop(Query::parse(&text, 1_700_000_000_000));
            crate::words(&text, |word| assert!(!word.is_empty()));
        }
    }
}

/// Parts as they are written, to start from.
pub fn parts() -> Vec<Vec<u8>> {
    let texts = TextColumns {
        date: vec![1_700_000_000_000, 0],
        size: vec![1, 2],
        kind: vec![0, 1],
        flags: vec![0, 1],
    };
    vec![
        [vec![1], texts.encode()].concat(),
        [vec![2], RowColumns::default().encode(7)].concat(),
        b"\x05from:alice subject:\"a b\" -has:attachment after:2024-05 larger:1MB".to_vec(),
    ]
}
