//! What a run tells whoever watches it.

use crate::report::ItemFailure;

/// Receives what happens during long work. Called from many tasks at once; must not block.
pub trait Monitor: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// One thing that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Work on a mailbox began.
    MailboxStarted {
        /// The mailbox.
        mailbox: &'a str,
    },
    /// It is now known how many items there are to look at, as far as the server says.
    ItemsExpected {
        /// The mailbox.
        mailbox: &'a str,
        /// Items that may have to be transferred.
        items: u64,
    },
    /// A folder is being worked on.
    Folder {
        /// The mailbox.
        mailbox: &'a str,
        /// The folder's path.
        path: &'a str,
    },
    /// Items were transferred since the last such event.
    Transferred {
        /// The mailbox.
        mailbox: &'a str,
        /// Items.
        items: u64,
        /// Their bytes, as they came over the wire after decoding.
        bytes: u64,
    },
    /// An item could not be transferred.
    ItemFailed {
        /// Which and why.
        failure: &'a ItemFailure,
    },
    /// A local index was not usable and is being made anew from the repository.
    IndexRebuilt {
        /// The mailbox.
        mailbox: &'a str,
        /// What was wrong.
        reason: &'a str,
    },
    /// What has been read so far was committed; work goes on.
    Checkpoint,
    /// Work on a mailbox ended.
    MailboxFinished {
        /// The mailbox.
        mailbox: &'a str,
        /// Whether all of it was done.
        complete: bool,
    },
    /// An object of the repository was checked.
    Checked {
        /// Objects so far.
        done: u64,
        /// Objects in all.
        total: u64,
    },
    /// Something survivable the administrator should know.
    Warning {
        /// One line.
        message: &'a str,
    },
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn event(&self, _event: Event<'_>) {}
}
