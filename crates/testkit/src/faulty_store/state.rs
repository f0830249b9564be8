//! Rules, counters and sizes: everything a faulty store decides, without doing any of it.

use std::collections::HashMap;
use std::error::Error;
use std::{fmt, io};

use object_store::path::Path;

use super::rule::{Call, CallRecord, Counts, Fault, Rule};

/// What to do with one call.
#[derive(Debug)]
pub(super) enum Verdict {
    Pass,
    /// Carry the call out with this change.
    Change(Fault),
    /// Do nothing and return this error.
    Refuse(object_store::Error),
    /// Carry the call out, then return this error all the same.
    Lose(object_store::Error),
}

#[derive(Debug, Default)]
pub(super) struct State {
    rules: Vec<Rule>,
    counts: Counts,
    log: Vec<CallRecord>,
    crashed: bool,
    capacity_bytes: Option<u64>,
    sizes: HashMap<Path, u64>,
}

impl State {
    pub(super) fn inject(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(super) fn heal(&mut self) {
        self.rules.clear();
        self.crashed = false;
        self.capacity_bytes = None;
    }

    pub(super) fn set_capacity(&mut self, limit: Option<u64>) {
        self.capacity_bytes = limit;
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn reset_counts(&mut self) {
        self.counts = Counts::default();
        self.log.clear();
    }

    pub(super) fn log(&self) -> Vec<CallRecord> {
        self.log.clone()
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.crashed
    }

    /// Counts a call and decides what becomes of it.
    pub(super) fn judge(&mut self, call: Call, path: &Path) -> Verdict {
        self.counts.add(call);
        let path = path.clone();
        self.log.push(CallRecord { call, path });
        let CallRecord { call, path } = &self.log[self.log.len() - 1];
        let mut struck = None;
        for rule in &mut self.rules {
            if rule.strikes(*call, path) && struck.is_none() {
                struck = Some(rule.fault.clone());
            }
        }
        if self.crashed {
            return Verdict::Refuse(injected(*call, path, "the process has crashed"));
        }
        match struck {
            None => Verdict::Pass,
            Some(Fault::Fail) => Verdict::Refuse(injected(*call, path, "failed on request")),
            Some(Fault::LoseAnswer) => Verdict::Lose(injected(*call, path, "the answer was lost")),
            Some(Fault::RetriedCreate) if *call == Call::Put => Verdict::Lose(exists(path)),
            Some(Fault::RetriedCreate) => {
                Verdict::Lose(injected(*call, path, "the answer was lost"))
            }
            Some(Fault::Crash) => {
                self.crashed = true;
                Verdict::Refuse(injected(*call, path, "the process has crashed"))
            }
            Some(Fault::CrashAfter) => {
                self.crashed = true;
                Verdict::Lose(injected(*call, path, "the process has crashed"))
            }
            Some(Fault::NoSpace) if *call == Call::Put => Verdict::Refuse(no_space(path)),
            Some(fault) => Verdict::Change(fault),
        }
    }

    /// Refuses bytes that no longer fit. Concurrent puts are judged by what has been stored, not
    /// by what is on its way: the limit can be passed by what is in flight.
    pub(super) fn check_space(&self, path: &Path, bytes: u64) -> object_store::Result<()> {
        let Some(limit) = self.capacity_bytes else {
            return Ok(());
        };
        let used: u64 = self.sizes.values().sum();
        if used.saturating_add(bytes) > limit {
            return Err(no_space(path));
        }
        Ok(())
    }

    pub(super) fn wrote(&mut self, path: &Path, bytes: u64) {
        self.counts.bytes_written += bytes;
        self.sizes.insert(path.clone(), bytes);
    }

    pub(super) fn read(&mut self, bytes: u64) {
        self.counts.bytes_read += bytes;
    }

    pub(super) fn deleted(&mut self, path: &Path) {
        self.sizes.remove(path);
    }
}

fn injected(call: Call, path: &Path, what: &'static str) -> object_store::Error {
    let source = InjectedError {
        text: format!("{call:?} {path}: {what}"),
        cause: None,
    };
    generic(source)
}

fn no_space(path: &Path) -> object_store::Error {
    // Two levels deep, as the local file system of object_store reports it.
    let source = InjectedError {
        text: format!("unable to write {path}"),
        cause: Some(io::Error::from(io::ErrorKind::StorageFull)),
    };
    generic(source)
}

fn generic(source: InjectedError) -> object_store::Error {
    object_store::Error::Generic {
        store: "FaultyStore",
        source: Box::new(source),
    }
}

fn exists(path: &Path) -> object_store::Error {
    object_store::Error::AlreadyExists {
        path: path.to_string(),
        source: Box::new(InjectedError {
            text: "the own retry found it".to_owned(),
            cause: None,
        }),
    }
}

#[derive(Debug)]
struct InjectedError {
    text: String,
    cause: Option<io::Error>,
}

impl fmt::Display for InjectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for InjectedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
