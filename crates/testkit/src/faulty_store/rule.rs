//! What can be asked of a faulty store, and what it reports.

use std::time::Duration;

use object_store::path::Path;

/// The kind of one call to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A whole object, one part of a multipart upload, or the completion of one.
    Put,
    /// An object or a range of one. A request for several ranges is one call a range.
    Get,
    /// Only an object's length and times.
    Head,
    /// One object; a stream of deletions is one call an object.
    Delete,
    /// A listing, of any length.
    List,
    /// A copy or a rename.
    Copy,
}

/// What happens to the calls a rule strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done and an error is returned.
    Fail,
    /// The call is carried out, but an error is returned: the answer got lost. For lists and gets
    /// this is the same as [`Fault::Fail`].
    LoseAnswer,
    /// A put is carried out and answered with "already exists", which is what an HTTP client sees
    /// whose first attempt succeeded unheard and whose own retry met the result. Other calls
    /// behave as with [`Fault::LoseAnswer`].
    RetriedCreate,
    /// A put that may only create overwrites, as on a store that does not know the condition.
    /// Other calls pass.
    IgnoreCreate,
    /// Nothing is done, and this and every later call fails: the process died before the call.
    Crash,
    /// The call is carried out, but this and every later call fails: the process died after it.
    CrashAfter,
    /// A put fails as on a full disk. Other calls pass.
    NoSpace,
    /// The call waits on tokio's clock, which a test can pause, and then passes.
    Delay(Duration),
    /// A get passes with every bit of one byte inverted, if the range holds that byte.
    FlipByte {
        /// Offset from the start of the object.
        offset: u64,
    },
    /// A get passes, but the bytes end early, without an error: a torn write or a broken proxy.
    Truncate {
        /// Length that the object appears to have.
        bytes: u64,
    },
}

/// Which calls a fault strikes: a kind, optionally a beginning of the object's name, and a range
/// of ordinals among the calls that match both.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) call: Option<Call>,
    pub(super) prefix: String,
    pub(super) first: u64,
    pub(super) times: u64,
    pub(super) fault: Fault,
    pub(super) seen: u64,
}

impl Rule {
    /// Strikes the first call of a kind, once, whatever the object.
    pub fn new(call: Call, fault: Fault) -> Self {
        Rule {
            call: Some(call),
            prefix: String::new(),
            first: 1,
            times: 1,
            fault,
            seen: 0,
        }
    }

    /// Strikes the first call of any kind, once: together with [`nth`](Self::nth), the way to
    /// crash after every store call in turn.
    pub fn any_call(fault: Fault) -> Self {
        Rule {
            call: None,
            ..Rule::new(Call::Put, fault)
        }
    }

    /// Only counts calls for objects (or listings of folders) whose name begins so. This is a
    /// plain text prefix: `pack` also matches `packs/00`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Begins with the n-th matching call after the rule was added; the first is 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n.max(1);
        self
    }

    /// Strikes so many matching calls in a row instead of one.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Strikes every matching call from the first on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Counts the call if it matches, and says whether the rule strikes it.
    pub(super) fn strikes(&mut self, call: Call, path: &Path) -> bool {
        let matches = self.call.is_none_or(|wanted| wanted == call)
            && path.as_ref().starts_with(&self.prefix);
        if !matches {
            return false;
        }
        self.seen += 1;
        self.seen >= self.first && self.seen - self.first < self.times
    }
}

/// One call to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// What was asked.
    pub call: Call,
    /// The object or, for a listing, the folder asked for.
    pub path: Path,
}

/// How often each kind of call was made, and how many bytes moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Puts, including each part and each completion of a multipart upload.
    pub puts: u64,
    /// Gets, one a range.
    pub gets: u64,
    /// Requests for an object's length and times only.
    pub heads: u64,
    /// Deletions, one an object.
    pub deletes: u64,
    /// Listings.
    pub lists: u64,
    /// Copies and renames.
    pub copies: u64,
    /// Bytes of successful puts.
    pub bytes_written: u64,
    /// Bytes granted by successful gets, whether or not the caller read them all.
    pub bytes_read: u64,
}

impl Counts {
    /// All calls together.
    pub fn total(&self) -> u64 {
        self.puts + self.gets + self.heads + self.deletes + self.lists + self.copies
    }

    pub(super) fn add(&mut self, call: Call) {
        let counter = match call {
            Call::Put => &mut self.puts,
            Call::Get => &mut self.gets,
            Call::Head => &mut self.heads,
            Call::Delete => &mut self.deletes,
            Call::List => &mut self.lists,
            Call::Copy => &mut self.copies,
        };
        *counter += 1;
    }
}
