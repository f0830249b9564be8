//! The crate's integration tests.

#![allow(clippy::print_stdout, reason = "what is skipped is said aloud")]
#![allow(clippy::too_many_lines, reason = "lists of cases are long and flat")]

/// Finding mailboxes.
mod discovery;
/// The examples against the simulator.
mod examples;
/// Export streams: events, truncation, cuts, byte-wise arrival.
mod export;
/// The HTTP transport against a small TCP server.
mod http;
/// What servers do to the schema in the wild.
mod leniency;
/// Answers without measure.
mod limits;
/// Random and damaged answers never panic.
mod mutation;
/// Pulled and streamed notifications.
mod notifications;
/// Every operation with a plain request, by name.
mod operations;
/// Which failures are repeated, and what a server's versions do.
mod repeats;
/// Every request validates against the official schema.
mod requests;
/// Answers of real servers and of the documentation.
mod samples;
/// Settings: what is written, and what is kept of what is read.
mod settings;
/// Shared tools.
mod support;
/// Uploads: declared length, constant pieces.
mod upload;
