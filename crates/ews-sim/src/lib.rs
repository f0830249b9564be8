//! An Exchange Web Services server simulator.
//!
//! The simulator keeps mailboxes as Exchange does: folders of items, each item a bag of MAPI
//! properties with recipients and attachments. It speaks SOAP over HTTP with any EWS client and
//! answers with what the official schemas allow. It shares no protocol code with any client.
//!
//! It is not a mail server: nothing is ever delivered, and what a client sends is only counted
//! ([`Sim::sent_messages`]).
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use ews_sim::Sim;
//!
//! let sim = Sim::builder().mailbox("alice@example.test").build()?;
//! sim.mailbox("alice@example.test")?
//!     .add_mime("Inbox", b"Subject: hello\r\n\r\nHi!\r\n")?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = sim.serve(listener).await?;
//! // Point any EWS client at server.url(), user svc@example.test, password secret.
//! server.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The parts: [`SimBuilder`] describes the world, [`Sim`] holds it, [`MailboxHandle`] looks into
//! and changes one mailbox from code, [`FaultPlan`] makes the server misbehave,
//! [`ThrottlePolicy`] makes it as stingy as Exchange, [`Stats`] tells what it was asked.
#![warn(missing_docs)]

mod account;
mod auth;
mod autodiscover;
mod builder;
mod changes;
mod clock;
mod config;
mod directory;
mod error;
mod export;
mod fault;
mod folder;
/// Doors to the decoders for `fuzz/`; no other build has them.
#[cfg(postkeep_fuzz)]
#[doc(hidden)]
pub mod fuzzing;
mod generate;
mod handle;
mod id;
mod item;
mod language;
mod listen;
mod load;
mod local_time;
mod mailbox;
mod op;
mod page;
mod payload;
mod populate;
mod prop;
mod public_folders;
mod query;
mod restriction;
mod series;
mod server;
mod set;
mod settings;
mod shape;
mod sim;
mod soap;
mod state;
mod stats;
mod subscription;
mod throttle;
mod tree;
mod xml;
mod zones;

pub use account::Account;
pub use auth::SignIn;
pub use autodiscover::AutodiscoverForm;
pub use clock::Clock;
pub use config::{AccountConfig, Config, GenerateConfig, PublicMailboxConfig, SyntheticConfig};
pub use error::{Error, ErrorKind};
pub use fault::{BusyShape, FaultAction, FaultPlan, FaultRule, FaultWhen};
pub use generate::{Mailboxes, edit_body, edit_subject, new_mail, synthetic};
pub use handle::{Deletion, FolderInfo, ItemInfo, MailboxHandle};
pub use language::Language;
pub use listen::TlsIdentity;
pub use load::{
    FolderKind, LoadedFolder, LoadedItem, LoadedMailbox, forget_original, from_ics, from_vcf,
    load_dir, message_from_mime, mime_of,
};
pub use sim::{RunningServer, ServerVersion, Sim, SimBuilder};
pub use stats::Stats;
pub use throttle::{ThrottleEntry, ThrottlePolicy, ThrottleVerdict};
