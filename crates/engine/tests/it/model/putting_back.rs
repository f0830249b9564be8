//! Restores in every mode, and taking them back, as a plain mailbox sees them.

use std::collections::{BTreeMap, BTreeSet};

use engine::{RestoreMode, RestoreOptions};
use ews_sim::MailboxHandle;
use fasttransfer::tag;

use super::live::{Item, Live};
use super::real::Break;
use super::rules::{Shot, ShotItem};
use super::{History, any_of};

/// Numbers of items that were created in other mailboxes begin here, so that none is like another.
const ELSEWHERE: u64 = 10_000;

/// An item of a snapshot on its way back.
#[derive(Debug)]
struct Wanted {
    path: String,
    origin: Option<(String, u32)>,
    item: ShotItem,
    /// Live items that may be it, whichever version of it they are.
    counterparts: Vec<String>,
    /// Live items that were made of this very version.
    copies: Vec<String>,
    /// Whether how many versions it has is the product's business.
    unsure: bool,
    /// Whether it is there by its id.
    by_id: bool,
}

/// What became of the items of a snapshot.
#[derive(Debug, Default)]
struct Done {
    created: BTreeMap<String, Item>,
    /// What was there before, and after.
    replaced: BTreeMap<String, (Item, Item)>,
    folders: BTreeSet<String>,
}

/// What a mailbox holds, without what a server adds.
type Content = (String, String, bool);

fn content(item: &Item) -> Content {
    (item.subject.clone(), item.body.clone(), item.is_read)
}

fn content_of(item: &ShotItem) -> Content {
    (item.subject.clone(), item.body.clone(), item.is_read)
}

impl Wanted {
    fn is_like(&self, there: &BTreeMap<String, Item>, id: &String) -> bool {
        there.get(id).map(content) == Some(content_of(&self.item))
    }

    /// Whether it may, and whether it must, be created.
    fn creation(&self, mode: RestoreMode, there: &BTreeMap<String, Item>) -> (bool, bool) {
        let some = !self.counterparts.is_empty();
        match mode {
            RestoreMode::Changed => (false, false),
            RestoreMode::Overwrite => (!some, !some),
            RestoreMode::Missing if self.by_id => (false, false),
            RestoreMode::Missing if !some => (true, true),
            RestoreMode::Missing if self.unsure => (true, false),
            // Another version of it was put there before.
            RestoreMode::Missing => (self.copies.is_empty(), false),
            RestoreMode::Both => {
                let like = |ids: &[String]| ids.iter().any(|id| self.is_like(there, id));
                let all_like = some && self.counterparts.iter().all(|id| self.is_like(there, id));
                let none = !like(&self.counterparts) && !like(&self.copies);
                (!all_like, none)
            }
        }
    }

    /// Whether leaving everything alone is right.
    fn may_stay(&self, mode: RestoreMode, there: &BTreeMap<String, Item>) -> bool {
        let like = self.counterparts.iter().any(|id| self.is_like(there, id));
        match mode {
            RestoreMode::Changed => like || self.counterparts.is_empty(),
            RestoreMode::Overwrite => like,
            _ => !self.creation(mode, there).1,
        }
    }
}

impl History {
    pub(super) async fn restore_elsewhere(&mut self, how: &Break) {
        let Some(nth) = any_of(&mut self.dice, self.shots.len()) else {
            return;
        };
        let target = self.real.new_target();
        let mut there = Live::of_new(&target);
        there.next = ELSEWHERE;
        self.restore(how, nth, &target, &mut there).await;
        // Once more into what is there now, perhaps another snapshot in another mode.
        if let Some(nth) = any_of(&mut self.dice, self.shots.len()) {
            self.restore(&Break::No, nth, &target, &mut there).await;
        }
    }

    pub(super) async fn restore_in_place(&mut self, how: &Break) {
        let Some(nth) = any_of(&mut self.dice, self.shots.len()) else {
            return;
        };
        let target = self.real.handle.clone();
        let mut there = std::mem::take(&mut self.live);
        self.restore(how, nth, &target, &mut there).await;
        self.live = there;
    }

    /// Restores a snapshot; whatever interrupts it, running it again does exactly what is missing,
    /// and once more nothing. Then, sometimes, it is taken back.
    async fn restore(&mut self, how: &Break, nth: usize, target: &MailboxHandle, there: &mut Live) {
        let shot = self.shots[nth].clone();
        let modes = RestoreMode::ALL.map(|(_, mode)| mode);
        let mode = modes[self.dice.usize(0..modes.len())];
        self.say(format!(
            "restore {mode} of snapshot {nth} to {}, {how:?}",
            target.address()
        ));
        let snapshot = self.snapshot(&shot.id).await;
        let options = RestoreOptions {
            to_mailbox: Some(target.address().to_owned()),
            mode,
            ..RestoreOptions::default()
        };
        let is_source = target.address() == self.real.mailbox;
        let wanted = self.wanted(&shot, there, is_source);
        let runs_before = self.real.runs().await;
        let done = self.real.restore(how, &snapshot, &options).await;
        // Whoever cannot write to the repository restores all the same, and says that this can not
        // be taken back.
        let recorded = match how {
            Break::Dies(..) => self.real.runs().await.len() > runs_before.len(),
            _ => true,
        };
        let whole = done
            .as_ref()
            .is_ok_and(|r| !r.interrupted && r.failures.is_empty());
        let counts =
            |report: &engine::RestoreReport| (report.items_restored, report.items_replaced);
        let mut came = done.as_ref().map_or((0, 0), counts);
        if matches!(how, Break::No) {
            assert!(whole, "{done:#?}");
        } else {
            let again = self.real.restore(&Break::No, &snapshot, &options).await;
            let again = again.unwrap();
            assert!(
                again.failures.is_empty() && !again.interrupted,
                "{again:#?}"
            );
            let rest = counts(&again);
            came = (came.0 + rest.0, came.1 + rest.1);
        }
        let again = self.real.restore(&Break::No, &snapshot, &options).await;
        let again = again.unwrap();
        assert_eq!(counts(&again), (0, 0), "restoring again does nothing");
        let did = self.take_restored(mode, wanted, target, there);
        let (created, replaced) = (did.created.len() as u64, did.replaced.len() as u64);
        if whole {
            assert_eq!(came, (created, replaced), "what the reports say");
        }
        self.say(format!("  {created} created, {replaced} replaced"));
        if recorded && self.dice.u32(0..3) == 0 {
            let again = Break::any(&mut self.dice);
            let mut runs = self.real.runs().await;
            runs.retain(|run| !runs_before.contains(run));
            // What was changed meanwhile stays; what a killed run made is told by its content.
            if whole {
                self.change_a_little(target, there);
            }
            self.undo(&again, &runs, did, target, there).await;
        }
    }

    fn change_a_little(&mut self, target: &MailboxHandle, there: &mut Live) {
        for _ in 0..self.dice.u32(0..5) {
            let said = there.change(&mut self.dice, target);
            self.say(said);
        }
        if target.address() == self.real.mailbox {
            self.note_flagged(there);
        }
    }

    /// Each item of a snapshot, and what is there of it.
    fn wanted(&self, shot: &Shot, there: &Live, is_source: bool) -> Vec<Wanted> {
        let place = places(&shot.folders, &there.paths());
        let items = shot.items.iter().map(|(id, item)| {
            let path = place[&item.folder].clone();
            // A live item that is one of the snapshot stands for no other.
            let is_itself = |other: &String| {
                let own = shot.items.get(other);
                is_source && own.is_some_and(|own| place[&own.folder] == path)
            };
            let in_folder: Vec<(&String, &Item)> = there
                .items
                .iter()
                .filter(|(_, other)| there.path(&other.folder) == path)
                .collect();
            let of_origin = |is_it: &dyn Fn(&(String, u32)) -> bool| -> Vec<String> {
                let found = in_folder
                    .iter()
                    .filter(|(_, other)| other.origin.as_ref().is_some_and(is_it));
                found.map(|(other, _)| (*other).clone()).collect()
            };
            let free = |ids: Vec<String>| -> Vec<String> {
                ids.into_iter().filter(|other| !is_itself(other)).collect()
            };
            let exact = of_origin(&|origin| *origin == (id.clone(), item.edits));
            let any = of_origin(&|origin| origin.0 == *id);
            let unsure = self.flagged.contains(id);
            let by_id = is_source && in_folder.iter().any(|(other, _)| *other == id);
            let counterparts = match (by_id, unsure || free(exact.clone()).is_empty()) {
                (true, _) => vec![id.clone()],
                (false, true) => any,
                (false, false) => exact.clone(),
            };
            Wanted {
                path,
                origin: Some((id.clone(), item.edits)),
                item: item.clone(),
                counterparts,
                copies: exact,
                unsure,
                by_id,
            }
        });
        let items: Vec<Wanted> = items.collect();
        items
    }

    /// Compares the mailbox after a restore with what was to come, and takes it over.
    fn take_restored(
        &mut self,
        mode: RestoreMode,
        wanted: Vec<Wanted>,
        target: &MailboxHandle,
        there: &mut Live,
    ) -> Done {
        let before = there.clone();
        there.take_folders(target);
        let new_folders = there
            .folders
            .keys()
            .filter(|id| !before.folders.contains_key(*id));
        let mut done = Done {
            folders: new_folders.cloned().collect(),
            ..Done::default()
        };
        let mut found = items_of(target, there);
        let mut left: Vec<Wanted> = wanted;
        // What has to come first, so that it is not taken for what merely may.
        left.sort_by_key(|wanted| wanted.may_stay(mode, &before.items));
        for (id, old) in &before.items {
            let Some((folder, now)) = found.remove(id) else {
                panic!("a restore deletes nothing: {old:?}");
            };
            assert_eq!(folder, old.folder, "a restore moves nothing");
            if now == content(old) {
                continue;
            }
            let replaces = matches!(mode, RestoreMode::Changed | RestoreMode::Overwrite);
            assert!(replaces, "{} became {now:?}", old.subject);
            let at = left.iter().position(|wanted| {
                content_of(&wanted.item) == now && wanted.counterparts.contains(id)
            });
            let Some(at) = at else {
                panic!("{} became {now:?} and should not have", old.subject);
            };
            let wanted = left.remove(at);
            let new = Item {
                edits: old.edits + 1,
                origin: wanted.origin,
                ..renewed(old, now)
            };
            there.items.insert(id.clone(), new.clone());
            done.replaced.insert(id.clone(), (old.clone(), new));
        }
        for (id, (folder, now)) in found {
            let path = there.path(&folder);
            let at = left.iter().position(|wanted| {
                wanted.path == path
                    && content_of(&wanted.item) == now
                    && wanted.creation(mode, &before.items).0
            });
            let Some(at) = at else {
                panic!("{now:?} came back to {path} and should not have");
            };
            let (subject, body, is_read) = now;
            let item = Item {
                folder,
                subject,
                body,
                edits: 0,
                is_read,
                flagged: false,
                touches: 0,
                origin: left.remove(at).origin,
            };
            there.items.insert(id.clone(), item.clone());
            done.created.insert(id, item);
        }
        left.retain(|wanted| !wanted.may_stay(mode, &before.items));
        assert!(left.is_empty(), "not restored: {left:?}");
        done
    }

    /// Takes runs back, the newest first, whatever interrupts it.
    async fn undo(
        &mut self,
        how: &Break,
        runs: &[String],
        did: Done,
        target: &MailboxHandle,
        there: &mut Live,
    ) {
        self.say(format!("undo {} runs, {how:?}", runs.len()));
        for run in runs.iter().rev() {
            let done = self.real.undo(how, run).await;
            if !matches!(how, Break::No) {
                self.real.undo(&Break::No, run).await.unwrap();
            } else {
                done.unwrap();
            }
            let again = self.real.undo(&Break::No, run).await.unwrap();
            let counts = (
                again.items_deleted,
                again.items_put_back,
                again.folders_deleted,
            );
            assert_eq!(counts, (0, 0, 0), "taking it back again does nothing");
        }
        let untouched = |there: &Live, id: &String, made: &Item| {
            there
                .items
                .get(id)
                .is_some_and(|item| item.touches == made.touches)
        };
        for (id, made) in did.created {
            if untouched(there, &id, &made) {
                there.items.remove(&id);
            }
        }
        for (id, (old, new)) in did.replaced {
            if untouched(there, &id, &new) {
                let folder = there.items[&id].folder.clone();
                there.items.insert(id.clone(), Item { folder, ..old });
                self.flagged.insert(id);
            }
        }
        loop {
            let gone = did.folders.iter().find(|id| {
                there.folders.contains_key(*id)
                    && !there.items.values().any(|item| item.folder == **id)
                    && !there
                        .folders
                        .values()
                        .any(|f| f.parent.as_ref() == Some(*id))
            });
            let Some(gone) = gone else { break };
            there.folders.remove(gone);
        }
        let mut now = Live::default();
        now.take_folders(target);
        assert_eq!(
            now.paths(),
            there.paths(),
            "folders after it was taken back"
        );
        let found = items_of(target, there).into_iter();
        let found: BTreeMap<String, (String, Content)> = found.collect();
        let expected = there.items.iter();
        let expected =
            expected.map(|(id, item)| (id.clone(), (item.folder.clone(), content(item))));
        assert_eq!(found, expected.collect(), "items after it was taken back");
    }
}

fn renewed(old: &Item, (subject, body, is_read): Content) -> Item {
    Item {
        subject,
        body,
        is_read,
        ..old.clone()
    }
}

/// What the simulator has in the folders of a mailbox: folder and content by id.
fn items_of(target: &MailboxHandle, there: &Live) -> BTreeMap<String, (String, Content)> {
    let mut all = BTreeMap::new();
    for folder in there.folders.keys() {
        for found in target.items(folder).unwrap() {
            let message = target.message(&found.id).unwrap();
            let body = message.props.text(tag::BODY).unwrap_or_default();
            let content = (found.subject, body.into_owned(), found.is_read);
            all.insert(found.id, (folder.clone(), content));
        }
    }
    all
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
