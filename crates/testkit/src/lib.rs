//! Test equipment for the workspace: never a dependency of anything that ships.
//!
//! - [`FaultyStore`]: an object store that counts calls and fails, crashes, delays, damages or
//!   fills up exactly where a test asks it to.
//! - [`shared_dir`]: finds the corpora and schemas beside the checkout, or says that they are not
//!   there.
//! - [`differences`] and [`assert_same_dirs`]: compare two folders byte by byte.
//! - [`peak_rss_bytes`]: how much memory this process ever held.
//! - [`capture_message`]: leaves messages behind for the schema to judge.
//! - [`MailCorpus`]: a company's mail, made up, the same for the same seed.
//! - [`conformance`]: what a repository asks of a destination, for any store; [`service`] finds real
//!   servers to run it against, [`proxy`], [`FtpRelay`] and [`TcpRelay`] make them misbehave.
//! - [`temp_dir`]: a folder that goes away with its handle.
//!
//! Only a crate's `tests/it` may use this crate. A unit test that did would meet two versions of
//! the crate it is part of: the one under test, and the one this crate may have been linked with.
//!
//! ```
//! use object_store::{ObjectStoreExt, path::Path};
//! use testkit::{Call, Fault, FaultyStore, Rule};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let store = FaultyStore::in_memory();
//! store.inject(Rule::new(Call::Put, Fault::Fail).nth(2));
//! store.put(&Path::from("a"), "first".into()).await.unwrap();
//! store.put(&Path::from("b"), "second".into()).await.unwrap_err();
//! assert_eq!(store.counts().puts, 2);
//! # });
//! ```
//!
//! Helpers panic rather than return errors where a test could do nothing else with one.

#![warn(missing_docs)]
#![expect(
    clippy::print_stderr,
    reason = "a skipped test must say so where the person running it looks"
)]

mod capture;
// Suites and proxies have names that only mean something with their module.
pub mod conformance;
mod damage;
mod faulty_store;
mod ftp_relay;
mod golden;
mod mail_corpus;
mod memory;
pub mod proxy;
mod scratch;
mod services;
mod shared;
mod tcp_relay;

pub use capture::{capture_message, captures_messages};
pub use damage::{flip_byte, rewrite, truncate};
pub use faulty_store::{Call, CallRecord, Counts, Fault, FaultyStore, Rule};
pub use ftp_relay::{FtpMischief, FtpRelay};
pub use golden::{Difference, DifferenceKind, assert_same_dirs, differences};
pub use mail_corpus::{CorpusMail, MailCorpus};
pub use memory::{peak_rss_bytes, reset_peak_rss, rss_bytes};
pub use scratch::temp_dir;
pub use services::{Service, service};
pub use shared::shared_dir;
pub use tcp_relay::TcpRelay;
