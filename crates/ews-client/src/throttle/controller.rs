//! Who may send now: a state machine with the time as input.
//!
//! A request waits in one line for three things: room at the server, room in its mailbox, and the
//! end of any pause that the server asked for. Limits fall by half when the server turns a
//! request away and rise by one after as many successes as the limit has places.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Most mailboxes remembered while nothing is under way in them.
const MAX_IDLE_MAILBOXES: usize = 4096;

/// How many requests may be under way at one time; 0 counts as 1.
///
/// The defaults keep within Exchange's own: an account may have 27 connections, a handful of
/// which may synchronise, and Microsoft advises not to use more than about ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleOptions {
    /// Most requests under way at the server. Default 27.
    pub max_requests: u32,
    /// Most requests under way in one mailbox. Default 10.
    pub max_requests_per_mailbox: u32,
    /// Most SyncFolderItems and SyncFolderHierarchy calls under way at the server. Default 5.
    pub max_sync_calls: u32,
}

impl Default for ThrottleOptions {
    fn default() -> ThrottleOptions {
        ThrottleOptions {
            max_requests: 27,
            max_requests_per_mailbox: 10,
            max_sync_calls: 5,
        }
    }
}

/// What a request is, as far as limits tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Sync,
    Other,
}

impl Call {
    pub(crate) fn of(operation: &str) -> Call {
        if operation.starts_with("Sync") {
            Call::Sync
        } else {
            Call::Other
        }
    }
}

/// Whom a refusal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The budget of the mailbox that the request worked in.
    Mailbox,
    /// The server as a whole.
    Server,
    /// Too many connections, of the mailbox or of the account.
    Connections,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(crate) struct Ticket {
    mailbox: String,
    call: Call,
    /// The scopes' epochs when it was sent: what was sent before a limit fell says nothing about
    /// the limit after.
    epochs: (u64, u64),
    /// Whether a success was told already.
    has_succeeded: bool,
}

/// Names a request that waits.
pub(crate) type Waiter = u64;

/// A mailbox, or the server.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) limit: u32,
    max: u32,
    pub(crate) running: u32,
    pub(crate) queued: u32,
    pub(crate) until: Duration,
    pub(crate) lowest: u32,
    successes: u32,
    epoch: u64,
}

impl Scope {
    fn new(max: u32) -> Scope {
        let max = max.max(1);
        Scope {
            limit: max,
            max,
            running: 0,
            queued: 0,
            until: Duration::ZERO,
            lowest: max,
            successes: 0,
            epoch: 0,
        }
    }

    fn has_room(&self, now: Duration) -> bool {
        self.running < self.limit && self.until <= now
    }

    fn succeed(&mut self) {
        if self.limit >= self.max {
            return;
        }
        self.successes += 1;
        if self.successes >= self.limit {
            self.successes = 0;
            self.limit += 1;
        }
    }

    /// Halves what was under way, once for all requests that were under way together.
    fn fall(&mut self, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        self.epoch += 1;
        self.successes = 0;
        self.limit = (self.limit.min(self.running.max(1)) / 2).max(1);
        self.lowest = self.lowest.min(self.limit);
    }

    fn is_forgettable(&self, now: Duration) -> bool {
        self.running == 0 && self.queued == 0 && self.until <= now && self.limit == self.max
    }
}

struct Waiting {
    id: Waiter,
    mailbox: String,
    call: Call,
}

/// The state of a server and its mailboxes.
pub(crate) struct Controller {
    options: ThrottleOptions,
    pub(crate) server: Scope,
    pub(crate) mailboxes: BTreeMap<String, Scope>,
    sync_running: u32,
    line: VecDeque<Waiting>,
    next: Waiter,
    pub(crate) refusals: u64,
}

impl Controller {
    pub(crate) fn new(options: ThrottleOptions) -> Controller {
        Controller {
            server: Scope::new(options.max_requests),
            options,
            mailboxes: BTreeMap::new(),
            sync_running: 0,
            line: VecDeque::new(),
            next: 0,
            refusals: 0,
        }
    }

    /// Puts a request at the end of the line.
    pub(crate) fn enqueue(&mut self, mailbox: &str, call: Call) -> Waiter {
        self.next += 1;
        self.scope(mailbox).queued += 1;
        self.server.queued += 1;
        self.line.push_back(Waiting {
            id: self.next,
            mailbox: mailbox.to_owned(),
            call,
        });
        self.next
    }

    /// Takes a request out of the line; one that has its ticket is not in it.
    pub(crate) fn cancel(&mut self, waiter: Waiter) {
        if let Some(at) = self.line.iter().position(|waiting| waiting.id == waiter)
            && let Some(waiting) = self.line.remove(at)
        {
            self.left_line(&waiting.mailbox);
        }
    }

    /// Lets everything go that may go now, in the line's order.
    pub(crate) fn grant(&mut self, now: Duration) -> Vec<(Waiter, Ticket)> {
        let mut granted = Vec::new();
        let mut at = 0;
        while self.server.has_room(now) && at < self.line.len() {
            let may_go = self.line.get(at).is_some_and(|waiting| {
                let room = self.mailboxes.get(&waiting.mailbox);
                let sync = waiting.call == Call::Sync
                    && self.sync_running >= self.options.max_sync_calls.max(1);
                !sync && room.is_none_or(|scope| scope.has_room(now))
            });
            if !may_go {
                at += 1;
                continue;
            }
            let Some(waiting) = self.line.remove(at) else {
                break;
            };
            self.left_line(&waiting.mailbox);
            granted.push((waiting.id, self.start(waiting.mailbox, waiting.call)));
        }
        granted
    }

    /// When a waiting request's mailbox and server end their pauses; `None` if neither pauses.
    pub(crate) fn held_until(&self, mailbox: &str, now: Duration) -> Option<Duration> {
        let scope = self.mailboxes.get(mailbox).map(|scope| scope.until);
        let until = self.server.until.max(scope.unwrap_or_default());
        (until > now).then_some(until)
    }

    /// A request was answered as it should be. Its place stays taken until [`Self::release`].
    pub(crate) fn succeed(&mut self, ticket: &mut Ticket) {
        if !ticket.has_succeeded {
            ticket.has_succeeded = true;
            self.server.succeed();
            self.scope(&ticket.mailbox).succeed();
        }
    }

    /// A request was turned away; nothing is sent there before `until`.
    pub(crate) fn refuse(&mut self, ticket: &Ticket, refused: Refused, until: Duration) {
        self.refusals += 1;
        let (server_epoch, mailbox_epoch) = ticket.epochs;
        let scope = self.scope(&ticket.mailbox);
        match refused {
            Refused::Mailbox => {
                scope.fall(mailbox_epoch);
                scope.until = scope.until.max(until);
            }
            // With one request in the mailbox it must have been the account's connections.
            Refused::Connections if scope.running > 1 || scope.epoch != mailbox_epoch => {
                scope.fall(mailbox_epoch);
            }
            Refused::Connections => self.server.fall(server_epoch),
            Refused::Server => {
                self.server.fall(server_epoch);
                self.server.until = self.server.until.max(until);
            }
        }
    }

    /// A request is over, however it ended.
    pub(crate) fn release(&mut self, ticket: &Ticket, now: Duration) {
        self.server.running = self.server.running.saturating_sub(1);
        if ticket.call == Call::Sync {
            self.sync_running = self.sync_running.saturating_sub(1);
        }
        let scope = self.scope(&ticket.mailbox);
        scope.running = scope.running.saturating_sub(1);
        if scope.is_forgettable(now) {
            self.mailboxes.remove(&ticket.mailbox);
        } else if self.mailboxes.len() > MAX_IDLE_MAILBOXES {
            self.mailboxes
                .retain(|_, scope| scope.running > 0 || scope.queued > 0 || scope.until > now);
        }
    }

    fn start(&mut self, mailbox: String, call: Call) -> Ticket {
        self.server.running += 1;
        if call == Call::Sync {
            self.sync_running += 1;
        }
        let scope = self.scope(&mailbox);
        scope.running += 1;
        let mailbox_epoch = scope.epoch;
        Ticket {
            epochs: (self.server.epoch, mailbox_epoch),
            mailbox,
            call,
            has_succeeded: false,
        }
    }

    fn left_line(&mut self, mailbox: &str) {
        self.server.queued = self.server.queued.saturating_sub(1);
        let scope = self.scope(mailbox);
        scope.queued = scope.queued.saturating_sub(1);
    }

    fn scope(&mut self, mailbox: &str) -> &mut Scope {
        let max = self.options.max_requests_per_mailbox;
        self.mailboxes
            .entry(mailbox.to_owned())
            .or_insert_with(|| Scope::new(max))
    }
}

#[cfg(test)]
mod tests;
