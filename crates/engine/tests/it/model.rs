//! Random histories of changes, backups, policies, prunes, restores and interruptions, against a
//! mailbox and snapshots that are plain data. Whatever disagrees is shown with its seed.

mod live;
mod putting_back;
mod real;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use engine::{Exchange, Snapshot};
use ews_sim::Sim;

use crate::world::Server;
use live::Live;
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
    /// Holds, with the snapshots that they hold; without one, all of the mailbox.
    holds: Vec<(String, Option<String>)>,
    /// Items whose read state changed, or that were put back as they had been: how many versions
    /// these have is the product's business.
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
            40..64 => self.backup(&how).await,
            64..72 => self.apply(&how).await,
            72..76 => self.forget(&how).await,
            76..82 => self.prune(&how).await,
            82..90 => self.restore_in_place(&how).await,
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
        let live = std::mem::take(&mut self.live);
        self.note_flagged(&live);
        self.live = live;
    }

    fn note_flagged(&mut self, live: &Live) {
        let flagged = live.items.iter().filter(|(_, item)| item.flagged);
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
        self.mark_held();
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
        let kept = match self.is_all_held() {
            true => self.kept.clone(),
            false => rules.kept(&self.shots, &stay, &self.kept, now),
        };
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
        } else if self.dice.u32(0..3) == 0 {
            self.say("hold the mailbox".to_owned());
            let hold = self.real.hold(None).await;
            self.holds.push((hold, None));
        } else {
            let nth = self.dice.usize(0..self.shots.len());
            self.say(format!("hold snapshot {nth}"));
            let snapshot = self.snapshot(&self.shots[nth].id).await;
            let hold = self.real.hold(Some(&snapshot)).await;
            self.holds.push((hold, Some(snapshot.id)));
        }
        self.mark_held();
    }

    fn is_all_held(&self) -> bool {
        self.holds.iter().any(|(_, held)| held.is_none())
    }

    fn mark_held(&mut self) {
        let all = self.is_all_held();
        for shot in &mut self.shots {
            let held = |(_, held): &(_, Option<String>)| held.as_ref() == Some(&shot.id);
            shot.held = all || self.holds.iter().any(held);
        }
    }

    /// Forgets some snapshots by hand: all of them, or none where one of them may not go.
    async fn forget(&mut self, how: &Break) {
        let chosen = self.shots.iter().filter(|_| self.dice.u32(0..4) == 0);
        let chosen: BTreeSet<String> = chosen.map(|shot| shot.id.clone()).collect();
        let rules = Rules::of_items(&mut self.dice);
        self.say(format!("forget {} snapshots, {how:?}", chosen.len()));
        let mut newest = self.shots.iter().rev().filter(|shot| !shot.partial);
        let newest = newest.next().map(|shot| shot.id.clone());
        let held = |shot: &Shot| shot.held && chosen.contains(&shot.id);
        let refused = newest.is_some_and(|id| chosen.contains(&id)) || self.shots.iter().any(held);
        let mut snapshots = Vec::new();
        for id in &chosen {
            snapshots.push(self.snapshot(id).await);
        }
        let before = self.shots.len();
        let done = self.real.forget(how, &snapshots, &rules.policy).await;
        let left = self.real.vault.snapshots().await.unwrap().len();
        let gone = left == before - chosen.len();
        assert!(gone || left == before, "all of them or none");
        match (refused, how) {
            (true, _) => assert!(
                done.is_err() && left == before,
                "what is held or newest stays"
            ),
            (false, Break::No) => assert!(done.is_ok() && gone, "{done:?}"),
            _ => {}
        }
        self.say(format!("  {left} of {before} left"));
        if gone {
            let now = self.real.now();
            let ids = self.shots.iter().map(|shot| shot.id.clone());
            let stay = ids.filter(|id| !chosen.contains(id)).collect();
            // What outlived others before is left alone by hands.
            for kept in rules.kept(&self.shots, &stay, &self.kept, now) {
                let is_it = |old: &Kept| (&old.id, &old.subject) == (&kept.id, &kept.subject);
                if !self.kept.iter().any(is_it) {
                    self.kept.push(kept);
                }
            }
            self.shots.retain(|shot| stay.contains(&shot.id));
        }
        self.compare_all().await;
    }

    async fn snapshot(&self, id: &str) -> Snapshot {
        let all = self.real.vault.snapshots().await.unwrap();
        all.into_iter()
            .find(|snapshot| snapshot.id == id)
            .expect("a snapshot that stays is there")
    }
}

fn any_of(dice: &mut fastrand::Rng, count: usize) -> Option<usize> {
    (count > 0).then(|| dice.usize(0..count))
}
