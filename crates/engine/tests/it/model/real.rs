//! The product and the simulator that a history runs on, with everything that can interrupt them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chunkstore::{Argon2Params, Environment, Passphrase};
use engine::{
    BackupReport, CreateOptions, Event, Exchange, HoldOptions, HoldTarget, Monitor, Policy,
    PruneOptions, RestoreOptions, RestoreReport, Result, RetentionOptions, Selection, Snapshot,
    TimeZone, Timestamp, UndoOptions, UndoReport, Vault, VaultOptions,
};
use ews_sim::{FaultAction, FaultPlan, FaultWhen, MailboxHandle};
use tempfile::TempDir;
use testkit::{Fault, FaultyStore, Rule};
use tokio_util::sync::CancellationToken;

use crate::world::{PASSPHRASE, Server, of};

/// What interrupts an operation, if anything does.
#[derive(Clone, Debug)]
pub enum Break {
    No,
    /// The process dies at a call to the store: before it, or when it is done.
    Dies(u64, bool),
    /// A request to the server goes wrong.
    Request(u64, FaultAction),
    /// Somebody presses Ctrl-C after so many events.
    Cancelled(u64),
}

impl Break {
    pub fn any(dice: &mut fastrand::Rng) -> Self {
        let nth = |dice: &mut fastrand::Rng, most: u32| {
            // Early ones as often as late ones.
            let doublings = dice.u32(1..most);
            u64::from(dice.u32(1..=1 << doublings))
        };
        match dice.u32(0..10) {
            0..6 => Self::No,
            6..8 => Self::Dies(nth(dice, 8), dice.bool()),
            8 => {
                let action = match dice.u32(0..4) {
                    0 => FaultAction::Cut(dice.u64(0..2_000)),
                    1 => FaultAction::Status(500),
                    2 => FaultAction::Garbage,
                    _ => FaultAction::Status(503),
                };
                Self::Request(nth(dice, 5), action)
            }
            _ => Self::Cancelled(nth(dice, 5)),
        }
    }
}

/// Presses Ctrl-C.
struct Presser {
    left: AtomicU64,
    cancel: CancellationToken,
}

impl Monitor for Presser {
    fn event(&self, _event: Event<'_>) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel.cancel();
        }
    }
}

/// A repository in memory, a mailbox, a clock.
pub struct Real {
    pub mailbox: String,
    pub handle: MailboxHandle,
    pub vault: Vault,
    pub exchange: Exchange,
    store: FaultyStore,
    cache: TempDir,
    clock: Arc<AtomicI64>,
    seed: u64,
    machines: u64,
    targets: u64,
}

impl Real {
    pub async fn new(server: &Server, exchange: &Exchange, seed: u64) -> Self {
        let mailbox = format!("m{seed}@example.test");
        let handle = server.sim.add_mailbox(&mailbox).unwrap();
        let store = FaultyStore::in_memory();
        let clock = Arc::new(AtomicI64::new(1_793_620_800_000));
        let cache = tempfile::tempdir().unwrap();
        let create = CreateOptions {
            argon2: Argon2Params {
                memory_kib: 64,
                passes: 1,
                lanes: 1,
            },
            ..CreateOptions::default()
        };
        let options = VaultOptions {
            cache_dir: cache.path().to_owned(),
            environment: environment(&clock, seed, 0),
        };
        let destination = Arc::new(store.clone());
        let passphrase = Passphrase::new(PASSPHRASE);
        let vault = Vault::create(destination, &passphrase, &create, options)
            .await
            .unwrap();
        Self {
            mailbox,
            handle,
            vault,
            exchange: exchange.clone(),
            store,
            cache,
            clock,
            seed,
            machines: 0,
            targets: 0,
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn pass(&self, minutes: u32) {
        self.clock
            .fetch_add(i64::from(minutes) * 60_000, Ordering::Relaxed);
    }

    /// Opens the repository as a new process does, on this machine or on one that knows nothing.
    pub async fn reopen(&mut self, elsewhere: bool) {
        self.store.heal();
        self.machines += 1;
        if elsewhere {
            self.cache = tempfile::tempdir().unwrap();
        }
        let options = VaultOptions {
            cache_dir: self.cache.path().to_owned(),
            environment: environment(&self.clock, self.seed, self.machines),
        };
        let destination = Arc::new(self.store.clone());
        let passphrase = Passphrase::new(PASSPHRASE);
        self.vault = Vault::open(destination, &passphrase, options)
            .await
            .unwrap();
    }

    /// A mailbox that nobody had before.
    pub fn new_target(&mut self) -> MailboxHandle {
        self.targets += 1;
        let name = format!("t{}-{}@example.test", self.targets, self.seed);
        self.handle.sim().add_mailbox(&name).unwrap()
    }

    fn begin(&self, how: &Break) -> (CancellationToken, Arc<dyn Monitor>) {
        let cancel = CancellationToken::new();
        let mut monitor: Arc<dyn Monitor> = Arc::new(engine::Silent);
        match how {
            Break::No => {}
            Break::Dies(nth, after) => {
                let fault = if *after {
                    Fault::CrashAfter
                } else {
                    Fault::Crash
                };
                self.store.inject(Rule::any_call(fault).nth(*nth));
            }
            Break::Request(nth, action) => {
                let plan = FaultPlan::none().rule("*", FaultWhen::Nth(*nth), action.clone());
                self.handle.sim().set_faults(plan);
            }
            Break::Cancelled(nth) => {
                monitor = Arc::new(Presser {
                    left: AtomicU64::new(*nth),
                    cancel: cancel.clone(),
                });
            }
        }
        (cancel, monitor)
    }

    /// Removes what was to interrupt; whoever died starts anew.
    async fn end(&mut self, how: &Break) {
        self.handle.sim().set_faults(FaultPlan::none());
        if matches!(how, Break::Dies(..)) {
            self.reopen(false).await;
        }
    }

    pub async fn backup(&mut self, how: &Break) -> Result<BackupReport> {
        let (cancel, monitor) = self.begin(how);
        let options = of(&[&self.mailbox]);
        let done = self
            .vault
            .backup(&self.exchange, &options, &cancel, monitor)
            .await;
        self.end(how).await;
        done
    }

    pub async fn restore(
        &mut self,
        how: &Break,
        snapshot: &Snapshot,
        options: &RestoreOptions,
    ) -> Result<RestoreReport> {
        let (cancel, monitor) = self.begin(how);
        let exchange = self.exchange.clone();
        let restored = self
            .vault
            .restore(snapshot, &exchange, options, &cancel, monitor)
            .await;
        self.end(how).await;
        restored
    }

    pub async fn apply(&mut self, how: &Break, policy: &Policy) -> Result<()> {
        self.begin(how);
        let options = self.retention(policy);
        let applied = self.vault.retention_apply(&options).await.map(drop);
        self.end(how).await;
        applied
    }

    pub async fn prune(&mut self, how: &Break) -> Result<()> {
        let (_, monitor) = self.begin(how);
        let options = PruneOptions {
            rewrite_below_percent: 90,
            end_open_after: std::time::Duration::ZERO,
            ..PruneOptions::default()
        };
        let pruned = self.vault.prune(&options, monitor).await.map(drop);
        self.end(how).await;
        pruned
    }

    /// Forgets snapshots by hand.
    pub async fn forget(
        &mut self,
        how: &Break,
        snapshots: &[Snapshot],
        policy: &Policy,
    ) -> Result<()> {
        self.begin(how);
        let options = self.retention(policy);
        let vault = &self.vault;
        let done = vault.forget_snapshots(snapshots, &options, false, false);
        let done = done.await.map(drop);
        self.end(how).await;
        done
    }

    fn retention(&self, policy: &Policy) -> RetentionOptions {
        let now = Timestamp::from_millisecond(self.now()).unwrap();
        RetentionOptions {
            policy: policy.clone(),
            mailboxes: Vec::new(),
            now: now.to_zoned(TimeZone::UTC),
            list_items: false,
        }
    }

    /// The ids of the runs of restores, oldest first.
    pub async fn runs(&self) -> Vec<String> {
        let mut runs = self.vault.restore_runs().await.unwrap();
        runs.sort_by_key(|run| run.time_unix_ms);
        runs.into_iter().map(|run| run.id).collect()
    }

    pub async fn undo(&mut self, how: &Break, run: &str) -> Result<UndoReport> {
        let (cancel, monitor) = self.begin(how);
        let undone = match self.vault.restore_run(run).await {
            Ok(run) => {
                let options = UndoOptions::default();
                let exchange = self.exchange.clone();
                let vault = &self.vault;
                vault
                    .undo_restore(&run, &exchange, &options, &cancel, monitor)
                    .await
            }
            Err(error) => Err(error),
        };
        self.end(how).await;
        undone
    }

    /// Holds a snapshot, or all of the mailbox, and returns the hold's id.
    pub async fn hold(&self, snapshot: Option<&Snapshot>) -> String {
        let options = HoldOptions {
            who: "Ann".into(),
            why: "a case".into(),
            until_unix_ms: None,
        };
        let target = match snapshot {
            Some(snapshot) => HoldTarget::Snapshot(Box::new(snapshot.clone())),
            None => HoldTarget::Mailbox(self.mailbox.clone()),
        };
        self.vault.hold(target, &options).await.unwrap()[0]
            .id
            .clone()
    }

    pub async fn release(&self, hold: &str) {
        let options = HoldOptions {
            who: "Ann".into(),
            why: "it is over".into(),
            until_unix_ms: None,
        };
        self.vault.release_hold(hold, &options).await.unwrap();
    }

    /// What a snapshot lists: id, folder, subject, read state.
    pub async fn listing(
        &self,
        snapshot: &Snapshot,
    ) -> Vec<(String, String, String, Option<bool>)> {
        let items = self
            .vault
            .items(snapshot, &Selection::default())
            .await
            .unwrap();
        let listed = items.into_iter();
        listed
            .map(|item| {
                (
                    item.item_id,
                    item.folder,
                    item.summary.subject,
                    item.is_read,
                )
            })
            .collect()
    }

    /// Reads every stored byte.
    pub async fn check(&self) {
        let check = self
            .vault
            .check(true, Arc::new(engine::Silent))
            .await
            .unwrap();
        assert!(check.is_clean(), "{check:#?}");
    }
}

fn environment(clock: &Arc<AtomicI64>, seed: u64, machine: u64) -> Environment {
    let now = Arc::clone(clock);
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&seed.to_le_bytes())
        .update(&machine.to_le_bytes());
    let bytes = std::sync::Mutex::new(hasher.finalize_xof());
    Environment {
        now_unix_ms: Arc::new(move || now.load(Ordering::Relaxed)),
        random: Arc::new(move |out| bytes.lock().unwrap().fill(out)),
    }
}
