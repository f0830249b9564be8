//! Continuous mode: hears of changes, and says which mailboxes are to be backed up now.
//!
//! A [`Watch`] follows one set. Mailboxes share connections for streaming notifications, as many
//! as one connection carries and no more connections than allowed; those for which there is none,
//! and those of servers that do not stream, are asked now and then whether anything changed. All
//! that is heard goes into a pile, from which the daemon takes what has settled, so that changes
//! of many mailboxes become one session. What may have been missed counts as changed: a backup
//! that finds nothing new costs three requests and leaves no snapshot.

mod groups;
mod pile;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Error, ErrorKind, Exchange, Listening, MailboxName, MailboxPart, News, Result};
use futures::future::{join, join_all};
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::Notify;

use crate::config::{Config, ContinuousConfig, SetConfig};
use crate::run::{Runner, one_line, roster_of};
use groups::{Groups, grouped};
use pile::Pile;

/// Before a connection that broke is made anew; twice as long each further time.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Longest such wait.
const MAX_RETRY: Duration = Duration::from_secs(10 * 60);
/// Before a server that does not stream is asked again whether it does.
const UNSUPPORTED_RETRY: Duration = Duration::from_secs(6 * 3600);
/// A connection that lasted this long was a good one.
const GOOD_AFTER_MS: i64 = 10 * 60 * 1000;
/// How often the server is asked which mailboxes there are.
const ROSTER_EVERY: Duration = Duration::from_secs(3600);
/// Requests under way while mailboxes are asked, of one set.
const ASKING_AT_ONCE: usize = 4;

/// Takes lines for the log.
type Log<'a> = dyn Fn(&str) + Send + Sync + 'a;

/// The watches of all sets that have one.
#[derive(Default)]
pub struct Watches {
    sets: BTreeMap<String, Watch>,
    stirred: Notify,
}

/// What is heard of one set's mailboxes.
struct Watch {
    config: ContinuousConfig,
    pile: Mutex<Pile>,
    /// How mailboxes that are asked looked when they were last asked.
    marks: Mutex<HashMap<String, String>>,
    /// Mailboxes that the server allows nobody to listen to.
    refused: Mutex<BTreeSet<String>>,
}

impl Watches {
    /// The watches for a configuration.
    pub fn new(config: &Config) -> Self {
        let sets = config.sets.iter().filter_map(|(name, set)| {
            let watch = Watch {
                config: set.continuous.clone()?,
                pile: Mutex::default(),
                marks: Mutex::default(),
                refused: Mutex::default(),
            };
            Some((name.clone(), watch))
        });
        Self {
            sets: sets.collect(),
            stirred: Notify::new(),
        }
    }

    /// Whether there is nothing to watch.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// When each set has something to be saved, milliseconds since 1970.
    pub fn due(&self) -> Vec<(String, i64)> {
        let due =
            |(name, watch): (&String, &Watch)| Some((name.clone(), locked(&watch.pile).due()?));
        self.sets.iter().filter_map(due).collect()
    }

    /// Returns once [`Watches::due`] may have changed.
    pub async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Takes the mailboxes that are to be saved now.
    pub fn take(&self, set: &str, now_ms: i64) -> Vec<String> {
        let watch = self.sets.get(set);
        watch.map_or_else(Vec::new, |watch| locked(&watch.pile).take(now_ms))
    }

    /// Says what became of mailboxes that were taken.
    pub fn settle(&self, set: &str, now_ms: i64, became: &[(String, Saved)]) {
        let Some(watch) = self.sets.get(set) else {
            return;
        };
        let mut pile = locked(&watch.pile);
        for (mailbox, saved) in became {
            match saved {
                Saved::Yes => pile.saved(mailbox),
                Saved::No => pile.failed(mailbox, now_ms),
                Saved::Stopped => pile.note(mailbox, now_ms, 0),
            }
        }
        drop(pile);
        self.stirred.notify_one();
    }

    /// Follows all sets, for ever.
    ///
    /// # Cancellation
    /// Dropping the future ends all connections; what they told is kept.
    pub async fn follow(&self, runner: &Runner, log: &Log<'_>) {
        let follow = self.sets.iter().filter_map(|(name, watch)| {
            let set = runner.config.sets.get(name)?;
            let following = Following {
                watches: self,
                watch,
                runner,
                log,
                name,
                set,
            };
            Some(async move { following.follow().await }.boxed_local())
        });
        join_all(follow).await;
        // Nothing to watch is no reason to end.
        std::future::pending::<()>().await;
    }
}

/// What became of a mailbox that was to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is saved.
    Yes,
    /// It could not be saved.
    No,
    /// The run was stopped before its end.
    Stopped,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One set being followed.
struct Following<'a> {
    watches: &'a Watches,
    watch: &'a Watch,
    runner: &'a Runner,
    log: &'a Log<'a>,
    name: &'a str,
    set: &'a SetConfig,
}

impl Following<'_> {
    fn now_ms(&self) -> i64 {
        (self.runner.environment.now_unix_ms)()
    }

    fn say(&self, line: &str) {
        (self.log)(&format!("{}: {line}", self.name));
    }

    fn note(&self, mailboxes: &[String]) {
        let settle = self.watch.config.settle.as_ms();
        let now = self.now_ms();
        let mut pile = locked(&self.watch.pile);
        for mailbox in mailboxes {
            pile.note(mailbox, now, settle);
        }
        drop(pile);
        self.watches.stirred.notify_one();
    }

    async fn follow(&self) {
        let mut failures = 0;
        loop {
            let error = match self.connect().await {
                Ok((exchange, mailboxes)) => {
                    failures = 0;
                    self.follow_these(&exchange, mailboxes).await;
                    continue;
                }
                Err(error) => error,
            };
            failures += 1;
            let wait = backed_off(failures);
            self.say(&format!(
                "changes are not heard of: {}; trying again in {} s",
                one_line(&error),
                wait.as_secs()
            ));
            tokio::time::sleep(wait).await;
        }
    }

    async fn connect(&self) -> Result<(Exchange, BTreeSet<String>)> {
        let connections = &self.runner.connections;
        let exchange = connections.exchange(self.name, self.set).await?;
        let mailboxes = self.mailboxes(&exchange).await?;
        Ok((exchange, mailboxes))
    }

    /// The primary mailboxes of the set: archives and public folders tell nobody.
    async fn mailboxes(&self, exchange: &Exchange) -> Result<BTreeSet<String>> {
        let roster = roster_of(self.set, exchange).await?;
        let mailboxes = roster.map_or(Vec::new(), |roster| match roster.mailboxes.is_empty() {
            true => vec![self.set.user.clone()],
            false => roster.mailboxes,
        });
        // By the names that reports call them.
        let names = mailboxes.iter().filter_map(|mailbox| mailbox.parse().ok());
        let primary = names.filter(|name: &MailboxName| name.part() == MailboxPart::Primary);
        let mailboxes: BTreeSet<String> = primary.map(|name| name.stored()).collect();
        if mailboxes.is_empty() {
            let message = "none of the set's mailboxes tells of changes";
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(mailboxes)
    }

    /// Follows mailboxes until others are to be followed.
    async fn follow_these(&self, exchange: &Exchange, mailboxes: BTreeSet<String>) {
        let groups = self.groups(exchange, &mailboxes).await;
        self.say(&format!(
            "listening to {} mailboxes over {} connections, asking {} others",
            groups.listened.iter().map(Vec::len).sum::<usize>(),
            groups.listened.len(),
            groups.polled.len()
        ));
        locked(&self.watch.refused).clear();
        let listened = groups
            .listened
            .iter()
            .map(|group| self.listen(exchange, group));
        let all = join(join_all(listened), self.ask(exchange, &groups.polled));
        let other = async {
            loop {
                tokio::time::sleep(ROSTER_EVERY).await;
                if !self.set.asks_server() {
                    continue;
                }
                match self.mailboxes(exchange).await {
                    Ok(now) if now == mailboxes => {}
                    Ok(_) => return,
                    Err(error) => self.say(&one_line(&error)),
                }
            }
        };
        tokio::select! {
            _ = all => {}
            () = other => self.say("the server has other mailboxes than before"),
        }
    }

    async fn groups(&self, exchange: &Exchange, mailboxes: &BTreeSet<String>) -> Groups {
        let asked = mailboxes.iter().cloned().map(|mailbox| async move {
            // A mailbox that cannot be asked is found out by its subscription.
            let server = exchange.mailbox_server(&mailbox).await.ok().flatten();
            (mailbox, server)
        });
        let asked = stream::iter(asked)
            .buffer_unordered(ASKING_AT_ONCE)
            .collect();
        let config = &self.watch.config;
        grouped(
            asked.await,
            usize::from(config.mailboxes_per_connection),
            usize::from(config.connections),
        )
    }

    /// Listens to a group, for ever.
    async fn listen(&self, exchange: &Exchange, group: &[String]) {
        let mut failures = 0;
        let mut has_said = false;
        loop {
            let began = self.now_ms();
            let error = match exchange.listen(group).await {
                Ok(listening) => self.hear(listening, group).await,
                Err(error) => error,
            };
            if self.now_ms() - began > GOOD_AFTER_MS {
                (failures, has_said) = (0, false);
            }
            failures += 1;
            let wait = match error.kind() {
                ErrorKind::Unsupported => UNSUPPORTED_RETRY,
                _ => backed_off(failures),
            };
            // What goes by itself in seconds is nobody's business.
            if !has_said && (failures > 1 || wait > MAX_RETRY) {
                has_said = true;
                self.say(&format!(
                    "cannot listen to {} mailboxes: {}; asking them every {} instead",
                    group.len(),
                    one_line(&error),
                    self.watch.config.poll
                ));
            }
            self.ask_for(exchange, group, wait).await;
        }
    }

    async fn hear(&self, mut listening: Listening, group: &[String]) -> Error {
        // What happened before the subscriptions were made, nobody tells.
        self.note(group);
        loop {
            for (mailbox, error) in listening.take_refused() {
                tracing::info!(mailbox, error = one_line(&error), "cannot be listened to");
                locked(&self.watch.refused).insert(mailbox);
            }
            match listening.next().await {
                Ok(News::Connected) => {}
                Ok(News::Changed(mailboxes) | News::Missed(mailboxes)) => self.note(&mailboxes),
                Err(error) => return error,
            }
        }
    }

    /// Asks mailboxes now and then, for that long.
    async fn ask_for(&self, exchange: &Exchange, mailboxes: &[String], time: Duration) {
        let poll = self.watch.config.poll.0;
        if time < poll {
            return tokio::time::sleep(time).await;
        }
        let until = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < until {
            self.ask_once(exchange, mailboxes).await;
            tokio::time::sleep(poll).await;
        }
    }

    /// Asks mailboxes for which there is no connection, and those that nobody may listen to.
    async fn ask(&self, exchange: &Exchange, polled: &[String]) {
        loop {
            let mut mailboxes = polled.to_vec();
            mailboxes.extend(locked(&self.watch.refused).iter().cloned());
            self.ask_once(exchange, &mailboxes).await;
            tokio::time::sleep(self.watch.config.poll.0).await;
        }
    }

    async fn ask_once(&self, exchange: &Exchange, mailboxes: &[String]) {
        let asked = mailboxes.iter().map(|mailbox| async move {
            let mark = exchange.change_mark(mailbox).await;
            let changed = match mark {
                // The server's folders tell nothing: the backup finds out.
                Ok(None) => true,
                Ok(Some(mark)) => {
                    let known = locked(&self.watch.marks).insert(mailbox.clone(), mark.clone());
                    known.as_ref() != Some(&mark)
                }
                // The set's schedule tells of mailboxes that cannot be opened.
                Err(error) => {
                    tracing::info!(mailbox, error = one_line(&error), "cannot be asked");
                    false
                }
            };
            if changed {
                self.note(std::slice::from_ref(mailbox));
            }
        });
        let asked = stream::iter(asked).buffer_unordered(ASKING_AT_ONCE);
        asked.collect::<Vec<()>>().await;
    }
}

fn backed_off(failures: u32) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(MAX_RETRY)
}
