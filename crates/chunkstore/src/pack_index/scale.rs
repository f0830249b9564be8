//! The index of a very large repository, measured: `cargo xtask bench index` runs it.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;

use super::disk_run::{DiskRun, DiskRunWriter, RunMeta};
use super::{PackIndex, PackInfo, Run, Slot};
use crate::chunk_id::ChunkId;
use crate::layout::PackName;
use crate::seal::{ObjectKind, Suite};

const LOOKUPS: u64 = 1_000_000;
const CHUNKS_A_PACK: u64 = 1_000;

/// Different for each number, the same whenever it is asked for.
fn scrambled(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The id of a chunk: ids in the order of their numbers, at random distances.
fn id(number: u64, of: u64) -> [u8; 16] {
    let step = u64::MAX / of;
    let high = number * step + scrambled(number) % step;
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&scrambled(!number).to_be_bytes());
    id
}

fn chunk_id(short: [u8; 16]) -> ChunkId {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&short);
    ChunkId::from_bytes(bytes)
}

/// A figure of this process in MiB, where the system tells.
fn memory_mib(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Times are printed, not asserted. The clock is banned in the product only.
#[allow(clippy::disallowed_methods)]
fn timed<T>(what: &str, times: u64, body: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let result = body();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {seconds:.2} s, {:.3} µs each",
        seconds * 1e6 / times as f64
    );
    result
}

fn write(path: &std::path::Path, chunks: u64) {
    let packs = chunks.div_ceil(CHUNKS_A_PACK);
    let mut meta = RunMeta::default();
    for number in 0..packs {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&number.to_le_bytes());
        meta.packs.push(PackInfo {
            name: PackName(name),
            kind: ObjectKind::DataPack,
            suite: Suite::Aes256Gcm,
            epoch: 1,
            salt: [0; 16],
            len: 16 << 20,
            header_len: 100,
        });
    }
    let mut writer = DiskRunWriter::create(path).unwrap();
    for number in 0..chunks {
        let slot = Slot {
            id: id(number, chunks),
            pack: (scrambled(number) % packs) as u32,
            offset: number as u32,
            len_flags: 1_000,
        };
        writer.push(&slot).unwrap();
    }
    writer.finish(&meta).unwrap();
}

/// `POSTKEEP_INDEX_CHUNKS` says how many; the test of every day takes few.
#[test]
fn an_index_in_files_finds_what_is_there_and_nothing_else() {
    let chunks = std::env::var("POSTKEEP_INDEX_CHUNKS");
    let chunks: u64 = chunks.map_or(300_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    println!("{chunks} chunks");
    timed("written", chunks, || write(&path, chunks));
    println!(
        "file: {} MB",
        std::fs::metadata(&path).unwrap().len() / 1_000_000
    );
    let (run, meta) = timed("opened", 1, || DiskRun::open(&path, 0).unwrap());
    let mut index = PackIndex::default();
    for (number, pack) in (0..).zip(meta.packs) {
        index.by_name.insert(pack.name, number);
        index.packs.push(pack);
    }
    index.runs.push(Run::Disk(Arc::new(run)));
    let lookups = LOOKUPS.min(chunks);
    let none = HashSet::new();
    let picked = |n: u64| scrambled(n ^ 0x5555) % chunks;
    for round in ["present, first", "present, warm"] {
        timed(round, lookups, || {
            for n in 0..lookups {
                assert!(index.contains(&chunk_id(id(picked(n), chunks)), &none));
            }
        });
    }
    let found = timed("absent", lookups, || {
        let absent = |n: u64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&scrambled(n ^ 0xaaaa_0000_0000).to_be_bytes());
            chunk_id(id)
        };
        (0..lookups)
            .filter(|n| black_box(index.contains(&absent(*n), &none)))
            .count()
    });
    assert_eq!(found, 0);
    for number in [0, 1, chunks / 2, chunks - 1] {
        let place = index.slot(&chunk_id(id(number, chunks))).unwrap();
        assert_eq!(place.offset, number as u32);
    }
    assert!(!index.is_broken());
    println!(
        "resident now: {:?} MiB, at most {:?} MiB",
        memory_mib("VmRSS"),
        memory_mib("VmHWM")
    );
}
