//! What lies at a destination, and beside it on the machine.

/// A record of the repository, a row of the local index, or a part of the search index.
pub fn record(data: &[u8]) {
    match data.split_first() {
        Some((0..128, rest)) => chunkstore::fuzzing::record(rest),
        Some((128..192, rest)) => mailindex::fuzzing::row(rest),
        Some((_, rest)) => mailsearch::fuzzing::part(rest),
        None => {}
    }
}

/// All three as they are written.
pub fn records() -> Vec<Vec<u8>> {
    let tagged = |tag: u8, seeds: Vec<Vec<u8>>| {
        let seeds = seeds.into_iter();
        seeds.map(move |seed| [vec![tag], seed].concat())
    };
    tagged(0, chunkstore::fuzzing::records())
        .chain(tagged(128, mailindex::fuzzing::rows()))
        .chain(tagged(255, mailsearch::fuzzing::parts()))
        .collect()
}
