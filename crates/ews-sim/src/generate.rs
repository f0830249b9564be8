//! Content made from a seed: whole mailboxes, endless items, items of any size.
//!
//! Everything is a pure function of its seed. Nothing reads a clock or a random source, so two
//! simulators with one seed hold the same bytes.

mod card;
mod event;
mod mail;
mod mailbox;
mod mutate;
mod rng;
mod synthetic;
mod words;

pub use mailbox::Mailboxes;
pub use mutate::{edit_body, edit_subject, new_mail};
pub use synthetic::synthetic;
