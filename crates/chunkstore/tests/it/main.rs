//! The crate's integration tests, one module per subject.

// The repository: create, open, sessions, snapshots, deduplication.
mod repository;
// Damage to each kind of stored object is found, named and contained.
mod damage;
// Crashes, lost answers, full disks, racing creates.
mod faults;
// Random histories of puts, commits, abandons and reopenings against a model.
mod histories;
// The bytes of key objects, as documented.
mod key_vectors;
// The bytes of every other kind of object, as documented.
mod format_vectors;
// Ways to open a repository: key slots, escrow, rotation.
mod keys;
// Writers that add and cannot read.
mod sealed;
// Destinations over the network, against real servers.
#[cfg(all(
    feature = "s3",
    feature = "azure",
    feature = "gcs",
    feature = "oss",
    feature = "webdav",
    feature = "web",
    feature = "sftp",
    feature = "ftp",
    feature = "swift"
))]
mod destinations;
// Fixtures of the modules above.
mod sign;
mod support;
// small records beside the snapshots
mod notes;

// Items, segments and payloads.
// Collections: what is needed stays, the rest goes.
mod collecting;
mod content;
// Where long parts are cut.
mod chunker;
// Trees and their runs.
mod tree;
// Snapshots day after day, any of which may be forgotten.
mod days;
// A mailbox for a year: what its snapshots take.
mod year;
// What reading one item costs in requests.
mod reads;
// An index that is kept in files.
mod index_files;
