//! What is to be done about each item of the snapshot.

use ews_client::FolderId;
use futures::TryStreamExt;

use super::live::Wanted;
use super::meeting::{Meeting, is_of_calendar};
use super::mode::RestoreMode;
use super::present::{Live, Look, Present, present_in};
use super::upload::{FolderPlace, Piece};
use super::{Origin, Restore};
use crate::error::Result;
use crate::folders::hidden_path;
use crate::keys::{Holds, folder_key};
use crate::list::{StoredFolder, StoredItem};
use crate::monitor::Event;
use crate::portable;
use crate::report::{FolderRestore, MeetingMoved, MeetingOutcome};
use crate::selection::ItemMatcher;

/// Items decided about before what was decided is done: so many are held in memory, and a segment
/// of the repository is read once for all of them.
const WORK_ITEMS: usize = 50_000;

/// The largest calendar item that is read to see whether its meeting has moved on.
const MAX_MEETING_BYTES: u64 = 64 << 20;

/// Something to be done about an item.
pub(super) struct Work {
    /// The number of its folder's line in the report.
    pub(super) line: usize,
    pub(super) item: StoredItem,
    pub(super) origin: Origin,
    pub(super) act: Act,
}

/// What is to be done.
pub(super) enum Act {
    /// It is created.
    Create,
    /// These live items are compared with it; what differs is replaced, or gets it beside them.
    Compare(Vec<Candidate>),
}

/// A live item that may have to be replaced.
pub(super) struct Candidate {
    pub(super) wanted: Wanted,
    pub(super) is_read: Option<bool>,
}

/// What was decided.
enum Verdict {
    Skip,
    Absent,
    Do(Act),
}

/// A folder that is being planned.
struct Planned<'a> {
    line: usize,
    folder: &'a StoredFolder,
    path: &'a str,
    present: Present,
}

impl Restore<'_> {
    /// Decides about the items of one folder. What is to be done is done here only if it gets too
    /// much to be held.
    pub(super) async fn plan_folder(&mut self, folder: &StoredFolder, path: &str) -> Result<()> {
        let event = Event::Folder {
            mailbox: &self.report.mailbox,
            path,
        };
        self.monitor.event(event);
        let existing = self.target.existing(path);
        let creates = self.options.mode.creates();
        let title = match folder.holds {
            Holds::Items => path.to_owned(),
            Holds::Associated => hidden_path(path),
        };
        self.report.folders.push(FolderRestore {
            path: title,
            created: existing.is_none() && folder.holds == Holds::Items && creates,
            ..FolderRestore::default()
        });
        let mut present = match &existing {
            Some(id) => self.present(id, path, folder).await?,
            None => Present::default(),
        };
        if present.has_substitutes() {
            let mut items = self.vault.stored_items(self.snapshot, folder.key);
            while let Some(item) = items.try_next().await? {
                present.claim(&item.state.item_id);
            }
        }
        let id = match existing {
            None if creates && !self.options.dry_run => Some(self.create(path, folder).await?),
            existing => existing,
        };
        let routes = &self.target.remote.routes;
        self.places.push(id.map(|folder_id| FolderPlace {
            client: routes.of(folder_key(&folder_id.id)).clone(),
            folder: folder_id,
            path: path.to_owned(),
            holds: folder.holds,
        }));
        let planned = Planned {
            line: self.report.folders.len() - 1,
            folder,
            path,
            present,
        };
        self.plan_items(&planned).await
    }

    async fn create(&mut self, path: &str, folder: &StoredFolder) -> Result<FolderId> {
        self.log.begin().await?;
        let before = self.target.remote.folders.len();
        let created = self.target.create(path, folder).await;
        for _ in before..self.target.remote.folders.len() {
            self.log.folder_created();
        }
        created
    }

    /// What a live folder holds.
    async fn present(&self, id: &FolderId, path: &str, folder: &StoredFolder) -> Result<Present> {
        let class = folder.row.folder_class.to_ascii_lowercase();
        let meetings = folder.holds == Holds::Items && class.starts_with("ipf.appointment");
        let look = Look {
            folder: id,
            path,
            holds: folder.holds,
            ids: self.target.is_source,
            details: meetings || self.options.mode != RestoreMode::Missing,
            meetings,
        };
        let client = self.target.remote.routes.of(folder_key(&id.id));
        present_in(client, &self.target.permits, look).await
    }

    async fn plan_items(&mut self, planned: &Planned<'_>) -> Result<()> {
        let selection = &self.options.selection;
        let matcher = ItemMatcher::new(selection);
        let mut items = self.vault.stored_items(self.snapshot, planned.folder.key);
        while let Some(item) = items.try_next().await? {
            if !selection.items.is_empty() && matcher.meaning(&item).is_none() {
                continue;
            }
            if !self.vault.meets(selection, &item).await? {
                continue;
            }
            let origin = self.origin(&item)?;
            let verdict = self.decide(planned, &item, &origin).await;
            let Some(line) = self.report.folders.get_mut(planned.line) else {
                continue;
            };
            let act = match verdict {
                Verdict::Skip => {
                    line.skipped += 1;
                    continue;
                }
                Verdict::Absent => {
                    line.absent += 1;
                    continue;
                }
                Verdict::Do(act) => act,
            };
            if matches!(act, Act::Create) {
                line.items += 1;
            }
            self.work.push(Work {
                line: planned.line,
                item,
                origin,
                act,
            });
            if self.work.len() >= WORK_ITEMS {
                self.carry_out().await?;
            }
            if self.is_cancelled() {
                break;
            }
        }
        Ok(())
    }

    async fn decide(
        &mut self,
        planned: &Planned<'_>,
        item: &StoredItem,
        origin: &Origin,
    ) -> Verdict {
        let present = &planned.present;
        let mode = self.options.mode;
        let known = present.counterpart(origin, &item.state.item_id);
        let known = match known {
            None if planned.folder.holds == Holds::Associated => {
                let summary = self.vault.summary(&item.entry).await.unwrap_or_default();
                let class = &item.state.item_class;
                if mode == RestoreMode::Missing && present.has_associated(class, &summary.subject) {
                    // Programs look for theirs by class and subject, and would meet two of them.
                    return Verdict::Skip;
                }
                present.associated(class, &summary.subject)
            }
            known => known,
        };
        let is_unchanged = known.is_some_and(|live| self.is_unchanged(item, live));
        let known = match is_unchanged || !is_of_calendar(&item.state.item_class) {
            true => known,
            false => self.look_at_meeting(planned, item, known).await,
        };
        if mode == RestoreMode::Missing {
            let there = known.is_some() || present.has(origin, &item.state.item_id);
            return match there {
                true => Verdict::Skip,
                false => Verdict::Do(Act::Create),
            };
        }
        let Some(live) = known else {
            return match mode.creates() {
                true => Verdict::Do(Act::Create),
                false => Verdict::Absent,
            };
        };
        if is_unchanged && mode.trusts_change_keys() {
            return Verdict::Skip;
        }
        let mut candidates = vec![candidate(item, live)];
        if mode == RestoreMode::Both {
            let others = present.copies(origin).filter(|copy| copy.id != live.id);
            candidates.extend(others.map(|copy| candidate(item, copy)));
        }
        Verdict::Do(Act::Compare(candidates))
    }

    /// Whether a live item is by its change key what it was in the snapshot.
    fn is_unchanged(&self, item: &StoredItem, live: &Live) -> bool {
        self.target.is_source
            && live.id.id == item.state.item_id
            && !live.change_key().is_empty()
            && live.change_key() == item.state.change_key
            && (live.is_read.is_none() || live.is_read == item.state.is_read)
    }

    /// Tells where the live meeting has moved on, be it the item itself or another of the same
    /// meeting. In the mailbox that it came from, such another one takes the item's place.
    async fn look_at_meeting<'p>(
        &mut self,
        planned: &'p Planned<'_>,
        item: &StoredItem,
        known: Option<&'p Live>,
    ) -> Option<&'p Live> {
        let Ok(content) = item.content() else {
            return known;
        };
        let Ok(bytes) = self.vault.read_whole(content, MAX_MEETING_BYTES).await else {
            return known;
        };
        let Ok(parsed) = portable::read_any(&bytes) else {
            return known;
        };
        let stored = Meeting::of_stored(&parsed.message);
        let other = known.or_else(|| planned.present.same_meeting(&stored));
        let known = known.or(other.filter(|_| self.target.is_source));
        let live = other?;
        let how = stored.moved_on(&live.meeting);
        if !how.is_empty() {
            let summary = self.vault.summary(&item.entry).await.unwrap_or_default();
            self.report.meetings_moved.push(MeetingMoved {
                folder: planned.path.to_owned(),
                subject: summary.subject,
                item_id: live.id.id.clone(),
                how,
                outcome: match (known, self.options.mode) {
                    (Some(_), mode) if mode.replaces() => MeetingOutcome::Replaced,
                    (Some(_), RestoreMode::Missing) => MeetingOutcome::LeftAlone,
                    (None, RestoreMode::Changed) => MeetingOutcome::LeftAlone,
                    _ => MeetingOutcome::CreatedBeside,
                },
            });
        }
        known
    }

    /// A piece for an upload.
    pub(super) fn piece(work: Work, replaces: Option<ews_client::ItemId>) -> Result<Piece> {
        Piece::new(work.item, work.origin, replaces)
    }
}

fn candidate(item: &StoredItem, live: &Live) -> Candidate {
    Candidate {
        wanted: Wanted {
            id: live.id.clone(),
            folder: live.folder,
            class: item.state.item_class.clone(),
        },
        is_read: live.is_read,
    }
}
