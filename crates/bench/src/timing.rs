//! Processor time of cases and of their limits.

use std::time::{Duration, Instant};

use crate::case::Case;

/// How long a case is repeated.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often at least, so that there is a median.
const MIN_RUNS: usize = 5;
/// How often at most: some cases keep what they make.
const MAX_RUNS: usize = 40;

/// Prints a table of all cases in Markdown.
pub(crate) fn table(cases: &[Case]) {
    println!("| case | bytes | MB/s | physical limit | MB/s | reached |");
    println!("| --- | ---: | ---: | --- | ---: | ---: |");
    for case in cases {
        let mut prepared = (case.prepare)();
        let ours = median(&mut *prepared.run);
        let (limit, alone) = &mut prepared.limit;
        let alone = median(&mut **alone);
        let rate = |time: Duration| prepared.bytes as f64 / 1e6 / time.as_secs_f64();
        println!(
            "| {} | {} | {:.0} | {limit} | {:.0} | {:.0} % |",
            case.name,
            prepared.bytes,
            rate(ours),
            rate(alone),
            100.0 * alone.as_secs_f64() / ours.as_secs_f64(),
        );
    }
}

/// The median of some runs. On a quiet machine the time that passes is processor time: everything
/// runs in one thread, in memory.
pub(crate) fn median(run: &mut dyn FnMut()) -> Duration {
    run();
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < MIN_RUNS || (begun.elapsed() < PATIENCE && times.len() < MAX_RUNS) {
        let start = Instant::now();
        run();
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}
