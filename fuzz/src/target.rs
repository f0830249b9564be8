//! Which targets there are, and which one runs.

use std::path::Path;
use std::sync::OnceLock;

use crate::{ews, seeds, sim, store, stream, words};

/// A target: reads any bytes, and panics where a promise is broken.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Inputs to start from, made by the encoders or read from the shared samples.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

const TARGETS: [Target; 11] = [
    // Answers to every operation, read as a whole.
    Target {
        name: "ews-answers",
        run: ews::answer,
        seeds: seeds::answers,
    },
    // ExportItems and GetStreamingEvents, in pieces as they arrive.
    Target {
        name: "ews-streams",
        run: ews::stream,
        seeds: seeds::streams,
    },
    // Autodiscover, signing in, settings kept as XML.
    Target {
        name: "ews-beside",
        run: ews::beside,
        seeds: seeds::beside,
    },
    // The native stream, and every file made of it.
    Target {
        name: "native-stream",
        run: stream::native,
        seeds: seeds::native,
    },
    // Items of any property values, and every file made of them.
    Target {
        name: "item-values",
        run: stream::values,
        seeds: Vec::new,
    },
    // Splitting and joining of items, the portable form, the engine's records.
    Target {
        name: "stored-items",
        run: stream::stored,
        seeds: seeds::stored,
    },
    // Packs, segments, trees, key slots, sessions, checkpoints; rows of the local index, parts of
    // the search index.
    Target {
        name: "stored-records",
        run: store::record,
        seeds: store::records,
    },
    // What the servers of destinations answer: listings of FTP, WebDAV, web servers and Swift, versions
    // in a bucket, a catalogue of services, refusals.
    Target {
        name: "store-answers",
        run: chunkstore::fuzzing::answer,
        seeds: chunkstore::fuzzing::answers,
    },
    // Configuration, schedules, windows, queries, lists; what exports left behind; documents.
    Target {
        name: "written-words",
        run: words::written,
        seeds: seeds::written,
    },
    // Requests to the simulator.
    Target {
        name: "sim-requests",
        run: sim::request,
        seeds: seeds::requests,
    },
    // Files that the simulator loads.
    Target {
        name: "sim-files",
        run: sim::file,
        seeds: seeds::loaded,
    },
];

static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();

/// Looks at the environment, once.
pub fn choose() {
    let name = std::env::var("POSTKEEP_FUZZ").unwrap_or_default();
    if name == "list" {
        for target in &TARGETS {
            println!("{}", target.name);
        }
        std::process::exit(0);
    }
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("POSTKEEP_FUZZ names no target: `{name}`");
        std::process::exit(2);
    };
    if let Some(folder) = std::env::var_os("POSTKEEP_FUZZ_SEEDS") {
        write_seeds(target, Path::new(&folder));
        std::process::exit(0);
    }
    CHOSEN.get_or_init(|| target.run);
}

fn write_seeds(target: &Target, folder: &Path) {
    for (number, seed) in (target.seeds)().iter().enumerate() {
        let path = folder.join(format!("seed-{number:04}"));
        std::fs::write(path, seed).expect("the folder for seeds can be written");
    }
}

/// Runs the chosen target.
pub fn run(data: &[u8]) {
    if let Some(run) = CHOSEN.get() {
        run(data);
    }
}
