//! One program for all fuzz targets; `cargo xtask fuzz` builds and runs it. The variable
//! `POSTKEEP_FUZZ` says which target runs. `list` names them all, and with
//! `POSTKEEP_FUZZ_SEEDS` the target's seeds are written into that folder instead.

#![no_main]

mod ews;
#[path = "../../crates/ews-client/tests/it/operations.rs"]
mod operations;
mod seeds;
mod sim;
mod store;
mod stream;
mod target;
mod words;

/// Most bytes allocated at once for inputs of at most 64 KiB: the longest chunk, decompressed, and
/// its copy. Whoever allocates what a damaged length says fails here.
const MAX_ALLOCATED_BYTES: usize = 256 << 20;

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> =
    cap::Cap::new(std::alloc::System, MAX_ALLOCATED_BYTES);

libfuzzer_sys::fuzz_target!(init: target::choose(), |data: &[u8]| target::run(data));
