//! Integration tests of the simulator.

/// Series, time zones, free and busy times.
mod calendars;
// Loading of mail, calendars and contacts: every byte comes back.
mod content;
// Generated mailboxes, on-demand items, folders of files.
mod content_generate;
// Input that nobody meant to be a message.
mod content_hostile;
// What loaded items say in MAPI terms.
mod content_items;
/// HTTP without a good request.
mod edges;
/// Properties as clients write and choose them.
mod fields;
/// SyncFolderHierarchy by the requirements of its specification.
mod hierarchy;
// Faults, sizes and counters.
mod misbehaviour;
/// Subscriptions, events, and the address book.
mod notifications;
/// Operations beyond the daily ones.
mod operations;
/// Rights, replies, names, queries, limits.
mod people;
// Operations over HTTP against the official schema.
mod protocol;
/// Requests of documents, recordings and real clients.
mod samples;
/// Settings beside items.
mod settings;
/// State on disk.
mod stopping;
mod support;
/// SyncFolderItems by the requirements of its specification.
mod synchronising;
/// ExportItems and UploadItems by the requirements of their specification.
mod transfer;
/// Uploads and exports by delegates and impersonators.
mod uploading_for_others;
