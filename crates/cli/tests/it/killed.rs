//! kill -9 at random moments: whatever was committed stays whole, and the rest is tidied away.
//!
//! No clock decides when: how long a command is left alone is drawn below a span that grows while
//! it is hit and shrinks while it gets away, so that kills spread over the whole of its work on
//! machines of any speed.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::{Environment, KeyFile, Selection, Snapshot, Unlock, Vault, VaultOptions};
use ews_sim::{Deletion, GenerateConfig, RunningServer, Sim, new_mail};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::desk::{Desk, Run};

/// What is killed, and how often: 50 in all.
const DEEDS: [(Deed, u32); 6] = [
    (Deed::Backup, 10),
    (Deed::SealedBackup, 6),
    (Deed::Retention, 6),
    (Deed::Prune, 12),
    (Deed::Keys, 6),
    (Deed::Copy, 10),
];
/// So many attempts are enough, however fast the machine is.
const MAX_ATTEMPTS: u32 = 250;
/// The mailboxes change every so many attempts.
const CHANGE_EVERY: u32 = 4;
const SEED: u64 = 0x2545_f491_4f6c_dd1d;
const SERVICE: &str = "svc@example.test";
const KEY_FILE: &str = "host.key";
/// That of a machine that cannot read.
const WRITER_FILE: &str = "writer.key";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Backup,
    SealedBackup,
    Retention,
    Prune,
    Keys,
    Copy,
}

/// Numbers that look random and repeat.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// An Exchange server whose users are at work.
struct World {
    runtime: Runtime,
    sim: Sim,
    server: RunningServer,
    mailboxes: Vec<String>,
}

impl World {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let sim = Sim::builder().generate(GenerateConfig {
            seed: SEED,
            mailboxes: 4,
            items: 25,
        });
        let sim = sim.build().unwrap();
        let server = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sim.serve(listener).await.unwrap()
        });
        Self {
            mailboxes: sim.mailboxes(),
            runtime,
            sim,
            server,
        }
    }

    fn change(&self, draw: &mut Draw) {
        for mailbox in &self.mailboxes {
            let handle = self.sim.mailbox(mailbox).unwrap();
            let there = handle.items("Inbox").unwrap_or_default();
            for n in 0..3 {
                let mail = new_mail(draw.below(1 << 20), n, mailbox);
                handle.add_message("Inbox", mail).unwrap();
            }
            let mut chosen = there.iter();
            if let Some(item) = chosen.next() {
                handle.delete(&item.id, Deletion::Hard).unwrap();
            }
            if let Some(item) = chosen.next() {
                let text = format!("edited {}", draw.below(1000));
                handle.edit_body(&item.id, &text).unwrap();
            }
        }
    }

    fn backup(&self) -> Vec<String> {
        let all = self.mailboxes.join(",");
        let (url, user) = (self.server.url(), SERVICE);
        words(&["backup", "--server", url, "--user", user, "--mailbox", &all])
    }

    fn wait(&self, time: Duration) {
        self.runtime
            .block_on(async { tokio::time::sleep(time).await });
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A repository that a key file opens: deriving a key from a passphrase would be most of the work.
struct Repository {
    desk: Desk,
    /// The key file of the one that it is copied into.
    other: PathBuf,
}

impl Repository {
    fn create(other: PathBuf) -> Self {
        let desk = Desk::new();
        desk.ok(&["init"]);
        desk.ok(&["key", "add", "--new-key-file", KEY_FILE]);
        desk.ok(&["key", "add", "--writer", "--new-key-file", WRITER_FILE]);
        Self { desk, other }
    }

    fn key_file(&self) -> PathBuf {
        self.desk.path(KEY_FILE)
    }

    fn path(&self) -> String {
        self.desk.path("repo").to_str().unwrap().to_owned()
    }

    fn command(&self, args: &[String]) -> Command {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.desk.command(&args);
        command
            .env_remove("POSTKEEP_PASSPHRASE")
            .env("POSTKEEP_KEY_FILE", self.key_file())
            .env("POSTKEEP_OTHER_KEY_FILE", &self.other);
        command
    }

    #[track_caller]
    fn ok(&self, args: &[String]) -> Value {
        let mut command = self.command(args);
        let run = Run::of(command.arg("--json"));
        assert_eq!(run.code, 0, "{args:?}\n{}", run.stderr);
        serde_json::from_slice(&run.stdout).unwrap()
    }

    /// Starts the program and kills it after a while; whether it was still at work. One that had
    /// ended must have succeeded.
    fn kill(&self, world: &World, args: &[String], after: Duration) -> bool {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        world.wait(after);
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let Some(status) = ended else { return true };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(status.success(), "{args:?} {status}\n{stderr}");
        false
    }

    fn open(&self, world: &World) -> Vault {
        let key = std::fs::read_to_string(self.key_file()).unwrap();
        let unlock = Unlock::KeyFile(KeyFile::parse(&key).unwrap());
        let store = engine::destination_from_url(&self.path()).unwrap();
        let options = VaultOptions {
            cache_dir: self.desk.path("cache of the test"),
            environment: Environment::new(
                || 1_790_000_000_000,
                |bytes| getrandom::fill(bytes).unwrap(),
            ),
        };
        let opened = Vault::open(store, unlock, options);
        world.runtime.block_on(opened).unwrap()
    }

    /// All snapshots with the native streams of their items, by mailbox and ItemId.
    fn content(&self, world: &World) -> Vec<(Snapshot, Items)> {
        let vault = self.open(world);
        world.runtime.block_on(async {
            let mut all = Vec::new();
            for snapshot in vault.snapshots().await.unwrap() {
                let mut items = Items::new();
                let listed = vault.items(&snapshot, &Selection::default()).await;
                for entry in listed.unwrap() {
                    let (_, stream) = vault.item(&snapshot, &entry.key).await.unwrap();
                    items.insert((snapshot.mailbox.clone(), entry.item_id), stream);
                }
                all.push((snapshot, items));
            }
            all
        })
    }
}

type Items = BTreeMap<(String, String), Vec<u8>>;

/// Kills deeds until each was hit as often as it should be.
fn kill_all(world: &World, repository: &Repository, calm: &Repository, copy: &[String]) {
    let mut draw = Draw(SEED);
    let mut left: BTreeMap<Deed, u32> = DEEDS.into_iter().collect();
    let mut spans: BTreeMap<Deed, f64> = DEEDS.map(|(deed, _)| (deed, 0.3)).into();
    for attempt in 0..MAX_ATTEMPTS {
        if attempt % CHANGE_EVERY == 0 {
            world.change(&mut draw);
            calm.ok(&world.backup());
        }
        let choice = draw.below(left.len() as u64) as usize;
        let Some(deed) = left.keys().nth(choice).copied() else {
            return;
        };
        let key_file = format!("{attempt}.key");
        let args = match deed {
            Deed::Backup => world.backup(),
            Deed::SealedBackup => [world.backup(), words(&["--key-file", WRITER_FILE])].concat(),
            Deed::Retention => words(&["retention", "apply", "--keep-last", "2"]),
            Deed::Prune => words(&["prune", "--end-open-after", "0"]),
            Deed::Keys if draw.below(2) == 0 => words(&["key", "rotate"]),
            Deed::Keys => words(&["key", "add", "--new-key-file", &key_file]),
            Deed::Copy => copy.to_vec(),
        };
        let span = spans.get_mut(&deed).unwrap();
        let after = Duration::from_secs_f64(*span * draw.below(1000) as f64 / 1000.0);
        if !repository.kill(world, &args, after) {
            *span *= 0.8;
            continue;
        }
        *span *= 1.1;
        let count = left.get_mut(&deed).unwrap();
        *count -= 1;
        if *count == 0 {
            left.remove(&deed);
        }
        if left.is_empty() {
            return;
        }
    }
    panic!("seed {SEED:#x}: too few were hit; left are {left:?}");
}

/// Tidies a repository up and makes sure that nothing is left over.
fn tidy_up(repository: &Repository) {
    let prune = words(&["prune", "--end-open-after", "0"]);
    repository.ok(&prune);
    repository.ok(&prune);
    let check = words(&["check", "--read-data"]);
    repository.ok(&check);
    let plan = repository.ok(&words(&["prune", "--dry-run"]));
    assert_eq!(
        (&plan["stray_packs"], &plan["dead_packs"]),
        (&0.into(), &0.into()),
        "{plan}"
    );
}

#[test]
fn kill_9_at_fifty_moments_loses_nothing_and_leaves_nothing_behind() {
    let world = World::start();
    let second = Repository::create(PathBuf::new());
    let calm = Repository::create(PathBuf::new());
    let repository = Repository::create(second.key_file());
    let copy = words(&["copy", "--to", &second.path()]);
    kill_all(&world, &repository, &calm, &copy);

    // Before anything else: what is there is whole.
    let check = words(&["check", "--read-data"]);
    repository.ok(&check);
    second.ok(&check);
    repository.ok(&world.backup());
    repository.ok(&copy);
    tidy_up(&repository);
    tidy_up(&second);

    // Every snapshot that is left holds whole items, as they were at some time.
    let expected = calm.content(&world);
    let ever: BTreeSet<_> = expected.iter().flat_map(|(_, items)| items).collect();
    let (found, copied) = (repository.content(&world), second.content(&world));
    for (snapshot, items) in found.iter().chain(&copied) {
        let strange = items.iter().find(|item| !ever.contains(item));
        assert!(strange.is_none(), "{snapshot:?}: {:?}", strange.unwrap().0);
        assert_eq!(items.len() as u64, snapshot.about.items, "{snapshot:?}");
    }
    for (snapshot, items) in &found {
        let mut copies = copied.iter().filter(|(copy, _)| copy.id == snapshot.id);
        let (_, copy) = copies.next().expect("it was copied");
        assert!(copy == items, "the copy of {snapshot:?} differs");
    }
    for mailbox in &world.mailboxes {
        let newest = |all: &[(Snapshot, Items)]| {
            let mut of_it = all.iter().filter(|(of, _)| of.mailbox == *mailbox);
            let (snapshot, items) = of_it.next_back().unwrap();
            assert!(!snapshot.partial);
            items.clone()
        };
        assert!(newest(&found) == newest(&expected), "{mailbox} differs");
    }
}
