//! Random histories of changes, backups, policies, prunes, restores and interruptions, against a
//! mailbox and snapshots that are plain data. Whatever disagrees is shown with its seed.

mod live;
mod real;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use engine::{Exchange, RestoreOptions, Snapshot};
use ews_sim::{MailboxHandle, Sim};
use fasttransfer::tag;

use crate::world::Server;
use live::{Item, Live};
use real::{Break, Real};
use rules::{Kept, Rules, Shot, ShotItem};

/// How many histories are run; `POSTKEEP_HISTORIES` sets another number or a range of seeds such as
/// `2000..7000` (that one was run when this was written), `POSTKEEP_HISTORY` runs the one of that
/// seed.
const HISTORIES: u64 = 2_000;
/// Machines the histories are spread over.
const THREADS: u64 = 2;
const STACK_BYTES: usize = 16 << 20;

/// What was done so far, to be shown when something disagrees.
type Diary = Arc<Mutex<Vec<String>>>;

#[test]
fn random_histories_agree_with_a_plain_model() {
    let seeds = match (
        std::env::var("POSTKEEP_HISTORY"),
        std::env::var("POSTKEEP_HISTORIES"),
    ) {
        (Ok(one), _) => number(&one)..number(&one) + 1,
        (_, Ok(range)) => match range.split_once("..") {
            Some((first, end)) => number(first)..number(end),
            None => 0..number(&range),
        },
        _ => 0..HISTORIES,
    };
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            // Futures of whole backups lie on the stack.
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            thread
                .spawn_scoped(scope, || histories(&next, seeds.end))
                .unwrap();
        }
    });
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap()
}

/// Runs histories until there are no more, on one simulator in virtual time.
fn histories(next: &AtomicU64, end: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let server = runtime.block_on(Server::start_unseen(Sim::builder().build().unwrap()));
    let exchange = server.exchange();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            break;
        }
        let diary = Diary::default();
        let history = History::run(&server, &exchange, seed, Arc::clone(&diary));
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(history)));
        if let Err(panic) = ended {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            next.store(end, Ordering::Relaxed);
            panic!(
                "POSTKEEP_HISTORY={seed} disagrees: {}\nafter\n  {}",
                text.unwrap_or_default(),
                diary.lock().unwrap_or_else(|e| e.into_inner()).join("\n  ")
            );
        }
    }
    assert_eq!(server.sim.sent_messages(), 0);
}

struct History {
    dice: fastrand::Rng,
    real: Real,
    live: Live,
    shots: Vec<Shot>,
    /// Versions of items that outlived their snapshots.
    kept: Vec<Kept>,
    /// Holds, with the snapshots that they hold.
    holds: Vec<(String, String)>,
    /// Items whose read state changed: how often they were downloaded is the product's business.
    flagged: BTreeSet<String>,
    diary: Diary,
}

impl History {
    async fn run(server: &Server, exchange: &Exchange, seed: u64, diary: Diary) {
        let real = Real::new(server, exchange, seed).await;
        let live = Live::of_new(&real.handle);
        let mut history = Self {
            dice: fastrand::Rng::with_seed(seed),
            real,
            live,
            shots: Vec::new(),
            kept: Vec::new(),
            holds: Vec::new(),
            flagged: BTreeSet::new(),
            diary,
        };
        for _ in 0..history.dice.u32(6..22) {
            history.step().await;
        }
        history.real.reopen(true).await;
        history.real.pass(1);
        history.backup(&Break::No).await;
        history.compare_all().await;
        history.real.check().await;
    }

    fn say(&self, what: String) {
        self.diary.lock().unwrap().push(what);
    }

    async fn step(&mut self) {
        let minutes = self.dice.u32(1..4_000);
        self.real.pass(minutes);
        let how = Break::any(&mut self.dice);
        match self.dice.u32(0..100) {
            0..40 => self.change(),
            40..66 => self.backup(&how).await,
            66..76 => self.apply(&how).await,
            76..83 => self.prune(&how).await,
            83..90 => self.restore_in_place(&how).await,
            90..94 => self.restore_elsewhere(&how).await,
            94..97 => {
                self.say("another machine".to_owned());
                self.real.reopen(true).await;
            }
            _ => self.hold_or_release().await,
        }
    }

    fn change(&mut self) {
        for _ in 0..self.dice.u32(1..7) {
            let said = self.live.change(&mut self.dice, &self.real.handle);
            self.say(said);
        }
        let flagged = self.live.items.iter().filter(|(_, item)| item.flagged);
        self.flagged.extend(flagged.map(|(id, _)| id.clone()));
    }

    async fn backup(&mut self, how: &Break) {
        self.say(format!("backup, {how:?}"));
        let done = self.real.backup(how).await;
        if matches!(how, Break::No) {
            assert!(
                done.as_ref().is_ok_and(|report| report.is_complete()),
                "{done:#?}"
            );
        }
        let known: BTreeSet<String> = self.shots.iter().map(|shot| shot.id.clone()).collect();
        let before = self.shots.last().cloned();
        let mut new = 0;
        for snapshot in self.real.vault.snapshots().await.unwrap() {
            if !known.contains(&snapshot.id) {
                let shot = self.new_shot(&snapshot, before.as_ref()).await;
                self.shots.push(shot);
                new += 1;
            }
        }
        if matches!(how, Break::No) {
            assert_eq!(new, 1, "one backup, one snapshot");
            assert!(!self.shots.last().unwrap().partial);
        }
        self.say(format!("  {new} new snapshots"));
    }

    /// Compares a new snapshot with the mailbox. One that was interrupted may still list what the
    /// snapshot before it did.
    async fn new_shot(&self, snapshot: &Snapshot, before: Option<&Shot>) -> Shot {
        let now = self.shot_now(snapshot);
        if !snapshot.partial && snapshot.about.failures == 0 {
            self.compare(snapshot, &now).await;
            return now;
        }
        let mut items = BTreeMap::new();
        for (id, folder, subject, is_read) in self.real.listing(snapshot).await {
            let candidates = [Some(&now), before].into_iter().flatten();
            let found = candidates
                .filter_map(|shot| shot.items.get(&id))
                .find(|item| item.subject == subject && Some(item.is_read) == is_read);
            let Some(item) = found else {
                panic!("{subject} in {folder} is in a partial snapshot, and never was so");
            };
            items.insert(
                id,
                ShotItem {
                    folder,
                    ..item.clone()
                },
            );
        }
        let folders = self.real.vault.folders(snapshot).await.unwrap();
        Shot {
            partial: snapshot.partial,
            folders: folders
                .into_iter()
                .map(|f| (f.path, f.distinguished))
                .collect(),
            items,
            ..now
        }
    }

    /// The mailbox as it is, as a snapshot.
    fn shot_now(&self, snapshot: &Snapshot) -> Shot {
        let items = self.live.items.iter().map(|(id, item)| {
            let item = ShotItem {
                folder: self.live.path(&item.folder),
                subject: item.subject.clone(),
                body: item.body.clone(),
                edits: item.edits,
                is_read: item.is_read,
            };
            (id.clone(), item)
        });
        Shot {
            id: snapshot.id.clone(),
            time: snapshot.time_unix_ms,
            partial: false,
            held: false,
            folders: self.live.paths(),
            items: items.collect(),
        }
    }

    async fn compare(&self, snapshot: &Snapshot, shot: &Shot) {
        let folders = self.real.vault.folders(snapshot).await.unwrap();
        let folders: BTreeMap<_, _> = folders
            .into_iter()
            .map(|f| (f.path, f.distinguished))
            .collect();
        // What a primary mailbox has beside the folders that users see is no folder of it.
        assert_eq!(folders, shot.folders, "folders of a snapshot");
        let mut listed: Vec<_> = self.real.listing(snapshot).await;
        listed.sort();
        let expected = shot.items.iter().map(|(id, item)| {
            (
                id.clone(),
                item.folder.clone(),
                item.subject.clone(),
                Some(item.is_read),
            )
        });
        assert_eq!(listed, expected.collect::<Vec<_>>(), "items of a snapshot");
    }

    /// All snapshots are there, list what they listed, and what outlived others is there.
    async fn compare_all(&self) {
        let all = self.real.vault.snapshots_and_kept().await.unwrap();
        let (kept, snapshots): (Vec<_>, Vec<_>) = all.into_iter().partition(|s| s.kept);
        let ids: Vec<&str> = snapshots
            .iter()
            .map(|snapshot| snapshot.id.as_str())
            .collect();
        let expected: Vec<&str> = self.shots.iter().map(|shot| shot.id.as_str()).collect();
        assert_eq!(ids, expected, "snapshots");
        for (snapshot, shot) in snapshots.iter().zip(&self.shots) {
            self.compare(snapshot, shot).await;
        }
        let mut found = BTreeSet::new();
        for tree in &kept {
            for (id, _, subject, _) in self.real.listing(tree).await {
                found.insert((id, subject));
            }
        }
        found.retain(|(id, _)| !self.flagged.contains(id));
        let expected = self
            .kept
            .iter()
            .map(|kept| (kept.id.clone(), kept.subject.clone()));
        let expected: BTreeSet<_> = expected
            .filter(|(id, _)| !self.flagged.contains(id))
            .collect();
        assert_eq!(found, expected, "versions that outlived their snapshots");
    }

    async fn apply(&mut self, how: &Break) {
        let rules = Rules::any(&mut self.dice);
        self.say(format!("apply {:?}, {how:?}", rules.policy));
        let now = self.real.now();
        let stay = rules.survivors(&self.shots, now);
        let kept = rules.kept(&self.shots, &stay, &self.kept, now);
        let done = self.real.apply(how, &rules.policy).await;
        if !matches!(how, Break::No) {
            let left = self.real.vault.snapshots().await.unwrap();
            let left: BTreeSet<String> = left.into_iter().map(|snapshot| snapshot.id).collect();
            let all = left.len() == self.shots.len();
            assert!(
                all || left == stay,
                "either nothing was forgotten or all of it"
            );
            // Running it again ends what was begun.
            self.real.apply(&Break::No, &rules.policy).await.unwrap();
        } else {
            done.unwrap();
        }
        self.shots.retain(|shot| stay.contains(&shot.id));
        self.kept = kept;
        self.say(format!(
            "  {} snapshots left, {} versions kept",
            self.shots.len(),
            self.kept.len()
        ));
        self.compare_all().await;
    }

    async fn prune(&mut self, how: &Break) {
        self.say(format!("prune, {how:?}"));
        let done = self.real.prune(how).await;
        if matches!(how, Break::No) {
            done.unwrap();
        }
        self.compare_all().await;
        if self.dice.u32(0..3) == 0 {
            self.real.check().await;
        }
    }

    async fn hold_or_release(&mut self) {
        if self.shots.is_empty() {
            return;
        }
        if let Some((hold, _)) = self.holds.pop() {
            self.say("release a hold".to_owned());
            self.real.release(&hold).await;
        } else {
            let nth = self.dice.usize(0..self.shots.len());
            self.say(format!("hold snapshot {nth}"));
            let snapshot = self.snapshot(&self.shots[nth].id).await;
            let hold = self.real.hold(&snapshot).await;
            self.holds.push((hold, snapshot.id));
        }
        for shot in &mut self.shots {
            shot.held = self.holds.iter().any(|(_, held)| *held == shot.id);
        }
    }

    async fn snapshot(&self, id: &str) -> Snapshot {
        let all = self.real.vault.snapshots().await.unwrap();
        all.into_iter()
            .find(|snapshot| snapshot.id == id)
            .expect("a snapshot that stays is there")
    }

    async fn restore_elsewhere(&mut self, how: &Break) {
        let Some(nth) = any_of(&mut self.dice, self.shots.len()) else {
            return;
        };
        let target = self.real.new_target();
        let mut there = Live::of_new(&target);
        self.restore(how, nth, &target, &mut there).await;
    }

    async fn restore_in_place(&mut self, how: &Break) {
        let Some(nth) = any_of(&mut self.dice, self.shots.len()) else {
            return;
        };
        let target = self.real.handle.clone();
        let mut there = std::mem::take(&mut self.live);
        self.restore(how, nth, &target, &mut there).await;
        self.live = there;
    }

    /// Restores a snapshot; whatever interrupts it, running it again brings exactly what is
    /// missing, and once more nothing.
    async fn restore(&mut self, how: &Break, nth: usize, target: &MailboxHandle, there: &mut Live) {
        let shot = self.shots[nth].clone();
        self.say(format!(
            "restore snapshot {nth} to {}, {how:?}",
            target.address()
        ));
        let snapshot = self.snapshot(&shot.id).await;
        let options = RestoreOptions {
            to_mailbox: Some(target.address().to_owned()),
            ..RestoreOptions::default()
        };
        let is_source = target.address() == self.real.mailbox;
        let wanted = self.wanted(&shot, there, is_source);
        let done = self.real.restore(how, &snapshot, &options).await;
        let mut came = done.as_ref().map_or(0, |report| report.items_restored);
        let whole = done
            .as_ref()
            .is_ok_and(|r| !r.interrupted && r.failures.is_empty());
        if matches!(how, Break::No) {
            assert!(whole, "{done:#?}");
        } else {
            let again = self
                .real
                .restore(&Break::No, &snapshot, &options)
                .await
                .unwrap();
            assert!(
                again.failures.is_empty() && !again.interrupted,
                "{again:#?}"
            );
            came += again.items_restored;
        }
        let again = self
            .real
            .restore(&Break::No, &snapshot, &options)
            .await
            .unwrap();
        assert_eq!(again.items_restored, 0, "restoring again adds nothing");
        let added = self.take_restored(&wanted, target, there);
        if done.is_ok() {
            assert_eq!(came, added, "what the reports say was restored");
        }
    }

    /// Where each item of a snapshot goes, and whether it is there already.
    fn wanted(&self, shot: &Shot, there: &Live, is_source: bool) -> Vec<Wanted> {
        let place = places(&shot.folders, &there.paths());
        let items = shot.items.iter().map(|(id, item)| {
            let path = place[&item.folder].clone();
            let origin = Some((id.clone(), item.edits));
            let in_folder = || {
                there
                    .items
                    .iter()
                    .filter(|(_, other)| there.path(&other.folder) == path)
            };
            let by_id = is_source && in_folder().any(|(other, _)| other == id);
            let of_item =
                |origin: &Option<(String, u32)>| origin.as_ref().is_some_and(|o| o.0 == *id);
            let by_origin = in_folder().any(|(_, other)| other.origin == origin);
            let by_other_version = in_folder().any(|(_, other)| of_item(&other.origin));
            let verdict = match (by_id, by_origin && !self.flagged.contains(id)) {
                (true, _) | (false, true) => Verdict::There,
                _ if by_other_version => Verdict::Either,
                _ => Verdict::Missing,
            };
            Wanted {
                path,
                origin,
                item: item.clone(),
                verdict,
            }
        });
        items.collect()
    }

    /// Compares the mailbox after a restore with what was to come, and takes it over.
    fn take_restored(&self, wanted: &[Wanted], target: &MailboxHandle, there: &mut Live) -> u64 {
        there.take_folders(target);
        // What has to come first, so that it is not taken for what merely may.
        let of = |verdict| wanted.iter().filter(move |w| w.verdict == verdict);
        let mut wanted: Vec<&Wanted> = of(Verdict::Missing).chain(of(Verdict::Either)).collect();
        let mut known = there.items.clone();
        let mut added = 0;
        let folders: Vec<(String, String)> = there
            .folders
            .keys()
            .map(|id| (id.clone(), there.path(id)))
            .collect();
        for (folder, path) in folders {
            for found in target.items(&folder).unwrap() {
                let body = target
                    .message(&found.id)
                    .unwrap()
                    .props
                    .text(tag::BODY)
                    .unwrap_or_default()
                    .into_owned();
                if let Some(item) = known.remove(&found.id) {
                    let now = (&item.folder, &item.subject, &item.body, item.is_read);
                    assert_eq!(
                        now,
                        (&folder, &found.subject, &body, found.is_read),
                        "a restore leaves alone what is there"
                    );
                    continue;
                }
                let at = wanted.iter().position(|wanted| {
                    let item = &wanted.item;
                    wanted.path == path
                        && (&item.subject, &item.body, item.is_read)
                            == (&found.subject, &body, found.is_read)
                });
                let Some(at) = at else {
                    panic!("{} came back to {path} and should not have", found.subject);
                };
                added += 1;
                let wanted = wanted.remove(at);
                let item = Item {
                    folder: folder.clone(),
                    subject: found.subject,
                    body,
                    edits: 0,
                    is_read: found.is_read,
                    flagged: false,
                    origin: wanted.origin.clone(),
                };
                there.items.insert(found.id, item);
            }
        }
        assert!(known.is_empty(), "a restore deletes nothing: {known:?}");
        let missing: Vec<_> = wanted
            .iter()
            .filter(|w| w.verdict == Verdict::Missing)
            .collect();
        assert!(missing.is_empty(), "not restored: {missing:?}");
        added
    }
}

/// An item of a snapshot on its way back.
#[derive(Debug)]
struct Wanted {
    path: String,
    origin: Option<(String, u32)>,
    item: ShotItem,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    There,
    Missing,
    /// Another version of it was restored before; or the same one, which may have been downloaded
    /// twice since its read state changed.
    Either,
}

/// Where folders of a snapshot go: distinguished ones meet, the others follow their parents.
fn places(
    folders: &BTreeMap<String, Option<String>>,
    there: &BTreeMap<String, Option<String>>,
) -> BTreeMap<String, String> {
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for (path, distinguished) in folders {
        let meets = there
            .iter()
            .find(|(_, other)| distinguished.is_some() && *other == distinguished);
        let place = match (meets, path.rsplit_once('/')) {
            (Some((counterpart, _)), _) => counterpart.clone(),
            (None, Some((parent, name))) => format!("{}/{name}", places[parent]),
            (None, None) => path.clone(),
        };
        places.insert(path.clone(), place);
    }
    places
}

fn any_of(dice: &mut fastrand::Rng, count: usize) -> Option<usize> {
    (count > 0).then(|| dice.usize(0..count))
}
