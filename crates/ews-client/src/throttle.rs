//! Waiting one's turn: the controller's async side.

mod controller;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

pub use controller::ThrottleOptions;
pub(crate) use controller::{Call, Refused};
use controller::{Controller, Scope, Ticket, Waiter};

use crate::sleep::Sleeper;

/// How much a server lets a client do at present, and how often it was turned away so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThrottleState {
    /// Requests under way.
    pub running: u32,
    /// Requests that wait for their turn or for the end of a pause.
    pub queued: u32,
    /// Most requests under way at present; falls when the server turns requests away.
    pub limit: u32,
    /// What is left of a pause that the server asked of everybody.
    pub back_off: Option<Duration>,
    /// Requests turned away: busy, or too many connections.
    pub refusals: u64,
    /// Waits for the end of a pause.
    pub waits: u64,
    /// Their total length, added up over requests that wait at the same time.
    pub waited: Duration,
    /// Time in which at least one request waited for the end of a pause.
    pub held_back: Duration,
    /// The least that was allowed in one mailbox so far.
    pub lowest_limit: u32,
    /// Mailboxes with requests under way or waiting, or with less than their full limit.
    pub mailboxes: Vec<MailboxThrottle>,
}

impl ThrottleState {
    /// Whether a pause is being kept, at the server or in a mailbox.
    pub fn is_paused(&self) -> bool {
        self.back_off.is_some() || self.mailboxes.iter().any(|m| m.back_off.is_some())
    }

    /// What is left of the longest pause.
    pub fn longest_back_off(&self) -> Option<Duration> {
        let mailboxes = self.mailboxes.iter().filter_map(|m| m.back_off);
        mailboxes.chain(self.back_off).max()
    }
}

/// The same for one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxThrottle {
    /// Its address, or the account's name where it works in its own; in lower case.
    pub mailbox: String,
    /// Requests under way.
    pub running: u32,
    /// Requests that wait.
    pub queued: u32,
    /// Most requests under way at present.
    pub limit: u32,
    /// What is left of a pause.
    pub back_off: Option<Duration>,
}

/// The controller of a server, shared by everything that talks to it.
pub(crate) struct Throttle {
    inner: Mutex<Inner>,
    sleeper: Arc<dyn Sleeper>,
    /// A pause began or grew: those in the line must look at it.
    paused: Notify,
}

/// Limits that several clients share; clones are one. See
/// [`ClientOptions::shared_throttle`](crate::ClientOptions::shared_throttle).
#[derive(Clone)]
pub struct SharedThrottle(pub(crate) Arc<Throttle>);

impl SharedThrottle {
    /// Limits for one server; `sleeper` is the clock of all its clients.
    pub fn new(options: ThrottleOptions, sleeper: Arc<dyn Sleeper>) -> SharedThrottle {
        SharedThrottle(Throttle::new(options, sleeper))
    }
}

impl fmt::Debug for SharedThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedThrottle")
            .field(&self.0.state())
            .finish()
    }
}

struct Inner {
    controller: Controller,
    senders: HashMap<Waiter, oneshot::Sender<Permit>>,
    waits: u64,
    waited: Duration,
    held_back: Duration,
    /// Requests waiting for the end of a pause now, and since when there are any.
    holding: u32,
    holding_since: Duration,
    lowest_limit: u32,
}

impl Throttle {
    pub(crate) fn new(options: ThrottleOptions, sleeper: Arc<dyn Sleeper>) -> Arc<Throttle> {
        let lowest_limit = options.max_requests_per_mailbox.max(1);
        Arc::new(Throttle {
            inner: Mutex::new(Inner {
                controller: Controller::new(options),
                senders: HashMap::new(),
                waits: 0,
                waited: Duration::ZERO,
                held_back: Duration::ZERO,
                holding: 0,
                holding_since: Duration::ZERO,
                lowest_limit,
            }),
            sleeper,
            paused: Notify::new(),
        })
    }

    /// Waits for room and for the end of pauses; tells how long the pauses were.
    pub(crate) async fn acquire(self: &Arc<Self>, mailbox: &str, call: Call) -> (Permit, Duration) {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut inner = self.lock();
            let id = inner.controller.enqueue(mailbox, call);
            inner.senders.insert(id, sender);
            id
        };
        let mut place = Place {
            throttle: Arc::clone(self),
            id,
            receiver,
        };
        let mut waited = Duration::ZERO;
        loop {
            let paused = self.paused.notified();
            tokio::pin!(paused);
            paused.as_mut().enable();
            self.pump();
            if let Ok(permit) = place.receiver.try_recv() {
                return (permit, waited);
            }
            let now = self.sleeper.now();
            let held = self.lock().controller.held_until(mailbox, now);
            let Some(until) = held else {
                tokio::select! {
                    permit = &mut place.receiver => match permit {
                        Ok(permit) => return (permit, waited),
                        // Senders go with their permits alone.
                        Err(_) => continue,
                    },
                    () = &mut paused => continue,
                }
            };
            let _hold = Hold::begin(self, now, waited.is_zero());
            tokio::select! {
                biased;
                Ok(permit) = &mut place.receiver => {
                    waited += self.sleeper.now().saturating_sub(now);
                    return (permit, waited);
                }
                () = self.sleeper.sleep(until.saturating_sub(now)) => {}
                () = &mut paused => {}
            }
            waited += self.sleeper.now().saturating_sub(now);
        }
    }

    /// The state, for people.
    pub(crate) fn state(&self) -> ThrottleState {
        let now = self.sleeper.now();
        let inner = self.lock();
        let left = |scope: &Scope| Some(scope.until.saturating_sub(now)).filter(|d| !d.is_zero());
        let server = &inner.controller.server;
        let mailboxes = inner
            .controller
            .mailboxes
            .iter()
            .map(|(mailbox, scope)| MailboxThrottle {
                mailbox: mailbox.clone(),
                running: scope.running,
                queued: scope.queued,
                limit: scope.limit,
                back_off: left(scope),
            })
            .collect();
        let holding = match inner.holding {
            0 => Duration::ZERO,
            _ => now.saturating_sub(inner.holding_since),
        };
        ThrottleState {
            running: server.running,
            queued: server.queued,
            limit: server.limit,
            back_off: left(server),
            refusals: inner.controller.refusals,
            waits: inner.waits,
            waited: inner.waited,
            held_back: inner.held_back + holding,
            lowest_limit: inner.lowest_limit,
            mailboxes,
        }
    }

    /// Hands out tickets to all whose turn it is.
    fn pump(self: &Arc<Self>) {
        let now = self.sleeper.now();
        let ready: Vec<_> = {
            let mut inner = self.lock();
            let granted = inner.controller.grant(now);
            granted
                .into_iter()
                .map(|(id, ticket)| (inner.senders.remove(&id), ticket))
                .collect()
        };
        // A permit that nobody takes any more is dropped here, outside the lock, and pumps again.
        for (sender, ticket) in ready {
            let permit = Permit {
                throttle: Arc::clone(self),
                ticket,
            };
            if let Some(sender) = sender {
                drop(sender.send(permit));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line; leaves it when dropped.
struct Place {
    throttle: Arc<Throttle>,
    id: Waiter,
    receiver: oneshot::Receiver<Permit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.throttle.lock();
        inner.senders.remove(&self.id);
        inner.controller.cancel(self.id);
    }
}

/// One request's wait for the end of a pause.
struct Hold<'a> {
    throttle: &'a Throttle,
    since: Duration,
}

impl<'a> Hold<'a> {
    fn begin(throttle: &'a Throttle, now: Duration, is_first: bool) -> Hold<'a> {
        let mut inner = throttle.lock();
        inner.waits += u64::from(is_first);
        if inner.holding == 0 {
            inner.holding_since = now;
        }
        inner.holding += 1;
        drop(inner);
        Hold {
            throttle,
            since: now,
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let now = self.throttle.sleeper.now();
        let mut inner = self.throttle.lock();
        inner.waited += now.saturating_sub(self.since);
        inner.holding = inner.holding.saturating_sub(1);
        if inner.holding == 0 {
            let since = inner.holding_since;
            inner.held_back += now.saturating_sub(since);
        }
    }
}

/// A request's turn; its place is free again when it is dropped.
pub(crate) struct Permit {
    throttle: Arc<Throttle>,
    ticket: Ticket,
}

impl Permit {
    /// The server answered.
    pub(crate) fn succeed(&mut self) {
        self.throttle.lock().controller.succeed(&mut self.ticket);
    }

    /// The server turned the request, or a part of it, away; nothing is sent there for `wait`.
    pub(crate) fn refuse(&self, refused: Refused, wait: Duration) {
        let until = self.throttle.sleeper.now().saturating_add(wait);
        let mut inner = self.throttle.lock();
        inner.controller.refuse(&self.ticket, refused, until);
        let lowest = inner.controller.mailboxes.values().map(|m| m.lowest).min();
        inner.lowest_limit = inner
            .lowest_limit
            .min(lowest.unwrap_or(u32::MAX))
            .min(inner.controller.server.lowest);
        drop(inner);
        self.throttle.paused.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.throttle.sleeper.now();
        self.throttle.lock().controller.release(&self.ticket, now);
        self.throttle.pump();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.ticket).finish()
    }
}
