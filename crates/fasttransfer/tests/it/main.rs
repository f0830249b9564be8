//! Integration tests of `fasttransfer`.

#![allow(clippy::print_stdout)] // A skipped test says so.

/// Messages and random generators the tests share.
mod arbitrary;
/// The compact form: everything comes back, whatever it was.
mod compact;
/// The lexer and the deframer, whole and byte by byte.
mod lexing;
/// What a hostile stream can and cannot do.
mod limits;
/// Outlook message files, read by the compound file crate, and JSON.
mod message_file;
/// MIME generated from properties, judged by Python's email package where there is one.
mod mime;
/// Real Outlook messages: rich text, series, zones.
mod outlook;
/// Writing and reading back.
mod round_trip;
/// The genuine pieces of native streams.
mod samples;
/// MIME taken apart and put together.
mod skeleton;
/// Facts picked from the passing stream.
mod summary;
