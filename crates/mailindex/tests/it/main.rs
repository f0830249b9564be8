//! Tests of the index through its public surface.

/// Files of every state are opened.
mod damage;
/// Many rows: time, memory, file size.
mod large;
/// Random histories against a map.
mod model;
/// Rebuilding, finished and interrupted.
mod rebuild;
/// Builders of keys, rows and indexes.
mod rows;
/// Searching.
mod search;
/// Staging and publishing.
mod staging;
