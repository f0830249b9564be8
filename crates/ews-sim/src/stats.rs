//! What the server was asked and what it did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Entries kept in [`Stats::exported_ids`]; later exports are only counted.
const EXPORT_LOG_LIMIT: usize = 500_000;

/// Counters since the start or the last reset; also served as JSON at `GET /sim/stats`.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that named an operation, by operation, faults and refusals included.
    pub requests: BTreeMap<String, u64>,
    /// Sum of [`Stats::requests`].
    pub requests_total: u64,
    /// HTTP requests refused for missing or wrong credentials.
    pub unauthorized: u64,
    /// Connections signed in by NTLM, bare or inside Negotiate.
    pub connection_sign_ins: u64,
    /// Signed-in EWS requests being answered now.
    pub in_flight: u64,
    /// The most signed-in EWS requests that were answered at one time.
    pub max_in_flight: u64,
    /// Streams of events that are open now.
    pub streams: u64,
    /// The most streams of events that were open at one time.
    pub max_streams: u64,
    /// Items whose native stream was sent whole.
    pub items_exported: u64,
    /// Items stored by UploadItems.
    pub items_uploaded: u64,
    /// Items stored by CreateItem.
    pub items_created: u64,
    /// Items returned by GetItem.
    pub items_read: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// Bytes of exported native streams, before base64.
    pub export_bytes: u64,
    /// Questions to Autodiscover, in any form.
    pub autodiscover: u64,
    /// Faults injected on purpose.
    pub faults_injected: u64,
    /// Messages a client told the server to send.
    pub sent_messages: u64,
    /// Ids of exported items in order, repeats included; the first 500,000.
    pub exported_ids: Vec<String>,
}

/// The live counters.
#[derive(Default)]
pub(crate) struct Recorder {
    stats: Mutex<Stats>,
    in_flight: AtomicU64,
    streams: AtomicU64,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the counters.
    pub(crate) fn record(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.lock());
    }

    pub(crate) fn request(&self, operation: &str) {
        let mut stats = self.lock();
        stats.requests_total += 1;
        match stats.requests.get_mut(operation) {
            Some(count) => *count += 1,
            None => {
                stats.requests.insert(operation.to_owned(), 1);
            }
        }
    }

    pub(crate) fn exported(&self, id: &str, stream_bytes: u64) {
        let mut stats = self.lock();
        stats.items_exported += 1;
        stats.export_bytes += stream_bytes;
        if stats.exported_ids.len() < EXPORT_LOG_LIMIT {
            stats.exported_ids.push(id.to_owned());
        }
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let mut stats = self.lock().clone();
        stats.in_flight = self.in_flight.load(Ordering::SeqCst);
        stats.streams = self.streams.load(Ordering::SeqCst);
        stats
    }

    pub(crate) fn reset(&self) {
        let sent_messages = self.lock().sent_messages;
        *self.lock() = Stats {
            sent_messages,
            ..Stats::default()
        };
    }

    /// Counts a stream of events as open until the guard is dropped; `None` beyond `limit`.
    pub(crate) fn open_stream(self: &Arc<Self>, limit: u64) -> Option<OpenStream> {
        let open = self.streams.fetch_add(1, Ordering::SeqCst) + 1;
        let guard = OpenStream(Arc::clone(self));
        if open > limit {
            return None;
        }
        let mut stats = self.lock();
        stats.max_streams = stats.max_streams.max(open);
        drop(stats);
        Some(guard)
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        let mut stats = self.lock();
        stats.max_in_flight = stats.max_in_flight.max(now);
        drop(stats);
        InFlight(Arc::clone(self))
    }
}

/// One stream of events.
pub(crate) struct OpenStream(Arc<Recorder>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One request being answered.
pub(crate) struct InFlight(Arc<Recorder>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
