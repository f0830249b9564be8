//! What a policy would do, snapshot by snapshot and item by item.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chunkstore::TreeReader;
use jiff::Zoned;
use mailindex::FolderKey;
use serde::Serialize;

use super::Policy;
use super::decide::{Reason, SnapshotTime, decide};
use super::items::{Course, ItemReason};
use super::walk::{Outlived, Role, trees_of, walk};
use crate::catalog::shown_key;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::hold::Hold;
use crate::keys::TreeKey;
use crate::snapshot::Snapshot;
use crate::vault::Vault;

/// What to decide about, and when.
#[derive(Clone, Debug)]
pub struct RetentionOptions {
    /// What to keep.
    pub policy: Policy,
    /// Only these mailboxes; empty means all.
    pub mailboxes: Vec<String>,
    /// The time to decide at, with the time zone that bounds days and years.
    pub now: Zoned,
    /// Name every item version that no remaining snapshot would have.
    pub list_items: bool,
}

/// What a policy would do, or did.
#[derive(Clone, Debug, Serialize)]
pub struct RetentionPlan {
    /// The policy.
    pub policy: Policy,
    /// The time it was decided for, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// The time zone that bounded days and years.
    pub time_zone: String,
    /// Holds that are in force.
    pub holds: Vec<Hold>,
    /// The mailboxes, by name.
    pub mailboxes: Vec<MailboxPlan>,
    /// Whether it was carried out.
    pub applied: bool,
}

/// What a policy does to one mailbox.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MailboxPlan {
    /// The mailbox.
    pub mailbox: String,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<SnapshotPlan>,
    /// Versions of items that outlive their snapshots, by a rule or a hold; `None` where nothing
    /// goes, or the items were not looked at because no rule is about them.
    pub item_versions_kept: Option<u64>,
    /// Versions of items that go for good.
    pub item_versions_lost: Option<u64>,
    /// These versions one by one, if asked for.
    pub items: Vec<ItemPlan>,
    #[serde(skip)]
    pub(super) outlived: Vec<Outlived>,
    #[serde(skip)]
    pub(super) trees: Vec<(Role, Snapshot)>,
}

/// What becomes of one snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotPlan {
    /// Its id.
    pub id: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// Whether the run that made it had not read everything yet.
    pub partial: bool,
    /// Items in it.
    pub items: u64,
    /// Every rule that keeps it; it goes if there is none.
    pub kept_by: Vec<Reason>,
}

/// What becomes of one version of an item that no remaining snapshot has.
#[derive(Clone, Debug, Serialize)]
pub struct ItemPlan {
    /// The key by which commands take it.
    pub key: String,
    /// The path of its folder.
    pub folder: String,
    /// Its subject.
    pub subject: String,
    /// The first snapshot that had this version, milliseconds since 1970 UTC.
    pub first_unix_ms: i64,
    /// The last snapshot that had it.
    pub last_unix_ms: i64,
    /// The first snapshot without it.
    pub gone_unix_ms: Option<i64>,
    /// Why it stays; it goes if nothing keeps it.
    pub kept_by: Option<ItemReason>,
}

/// The reasons of each snapshot to stay, by its id.
pub(super) type Reasons = HashMap<String, Vec<Reason>>;

/// How a plan is made.
pub(super) struct How<'a> {
    /// Gives the reasons for each snapshot to stay.
    pub(super) decide: &'a (dyn Fn(&[SnapshotTime]) -> Reasons + Sync),
    /// Whether kept trees stay as they are, whatever the policy says of what is in them.
    pub(super) leave_kept: bool,
}

impl RetentionPlan {
    /// Snapshots that go.
    pub fn going(&self) -> impl Iterator<Item = (&str, &SnapshotPlan)> {
        self.mailboxes.iter().flat_map(|mailbox| {
            let going = mailbox.snapshots.iter().filter(|s| s.kept_by.is_empty());
            going.map(|snapshot| (mailbox.mailbox.as_str(), snapshot))
        })
    }
}

impl Vault {
    /// Says what a policy would do; changes nothing.
    ///
    /// # Errors
    /// `Corrupt` if a hold or a snapshot's tree cannot be read, and those of the repository.
    pub async fn retention_plan(&self, options: &RetentionOptions) -> Result<RetentionPlan> {
        let all = self.snapshots_and_kept().await?;
        let holds = self.holds().await?;
        let now_unix_ms = options.now.timestamp().as_millisecond();
        let active: Vec<Hold> = holds
            .into_iter()
            .filter(|hold| hold.is_active(now_unix_ms))
            .collect();
        let decide = |times: &[SnapshotTime]| {
            let verdicts = decide(times, &options.policy, &active, &options.now);
            verdicts.into_iter().map(|v| (v.id, v.kept_by)).collect()
        };
        let how = How {
            decide: &decide,
            leave_kept: false,
        };
        let mailboxes = self.plan_mailboxes(&all, &active, options, &how).await?;
        Ok(RetentionPlan {
            policy: options.policy.clone(),
            time_unix_ms: now_unix_ms,
            time_zone: zone_name(&options.now),
            holds: active,
            mailboxes,
            applied: false,
        })
    }

    /// Plans all chosen mailboxes, given what decides about snapshots.
    pub(super) async fn plan_mailboxes(
        &self,
        all: &[Snapshot],
        holds: &[Hold],
        options: &RetentionOptions,
        how: &How<'_>,
    ) -> Result<Vec<MailboxPlan>> {
        let wanted: HashSet<String> = options.mailboxes.iter().map(|m| m.to_lowercase()).collect();
        let names: BTreeSet<&str> = all
            .iter()
            .map(|snapshot| snapshot.mailbox.as_str())
            .filter(|name| wanted.is_empty() || wanted.contains(&name.to_lowercase()))
            .collect();
        if let Some(unknown) = wanted
            .iter()
            .find(|name| !names.iter().any(|known| known.to_lowercase() == **name))
        {
            let message = format!("no snapshot of {unknown}");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let times: Vec<SnapshotTime> = all
            .iter()
            .filter(|snapshot| !snapshot.kept && names.contains(snapshot.mailbox.as_str()))
            .map(|snapshot| SnapshotTime {
                id: snapshot.id.clone(),
                mailbox: snapshot.mailbox.clone(),
                time_unix_ms: snapshot.time_unix_ms,
                partial: snapshot.partial,
            })
            .collect();
        let mut reasons = (how.decide)(&times);
        let held = self.held_trees(holds).await?;
        let mut plans = Vec::new();
        for name in names {
            let mut plan = MailboxPlan {
                mailbox: name.to_owned(),
                ..MailboxPlan::default()
            };
            for snapshot in all.iter().filter(|s| s.mailbox == name && !s.kept) {
                plan.snapshots.push(SnapshotPlan {
                    id: snapshot.id.clone(),
                    time_unix_ms: snapshot.time_unix_ms,
                    partial: snapshot.partial,
                    items: snapshot.about.items,
                    kept_by: reasons.remove(&snapshot.id).unwrap_or_default(),
                });
            }
            plan.trees = self.trees(&plan, all, &held, how.leave_kept);
            self.plan_items(&mut plan, options).await?;
            plans.push(plan);
        }
        Ok(plans)
    }

    /// The trees of holds on items.
    async fn held_trees(&self, holds: &[Hold]) -> Result<Vec<Snapshot>> {
        let mut trees = self.held_snapshots().await?;
        trees.retain(|tree| holds.iter().any(|hold| hold.id == tree.id));
        Ok(trees)
    }

    fn trees(
        &self,
        plan: &MailboxPlan,
        all: &[Snapshot],
        held: &[Snapshot],
        leave_kept: bool,
    ) -> Vec<(Role, Snapshot)> {
        let going: HashSet<&str> = plan
            .snapshots
            .iter()
            .filter(|snapshot| snapshot.kept_by.is_empty())
            .map(|snapshot| snapshot.id.as_str())
            .collect();
        let mut trees = trees_of(&plan.mailbox, all, &going, held);
        if leave_kept {
            for (role, _) in trees.iter_mut().filter(|(role, _)| *role == Role::Kept) {
                *role = Role::Stays;
            }
        }
        trees
    }

    /// Looks at the items of a mailbox of which something goes, if anybody wants to know.
    async fn plan_items(&self, plan: &mut MailboxPlan, options: &RetentionOptions) -> Result<()> {
        let has_kept = plan.trees.iter().any(|(role, _)| *role == Role::Kept);
        let nothing_goes = !has_kept && !plan.trees.iter().any(|(role, _)| *role == Role::Goes);
        if nothing_goes || !(options.policy.has_item_rule() || options.list_items || has_kept) {
            return Ok(());
        }
        let times: Vec<i64> = plan.snapshots.iter().map(|s| s.time_unix_ms).collect();
        let course = Course::new(&times, &options.policy, &options.now);
        let (mut kept, mut lost) = (0, 0);
        let mut outlived = Vec::new();
        let list = options.list_items;
        walk(self, &plan.trees, &course, &mut |found| {
            match found.fate.kept_by {
                Some(_) => kept += 1,
                None => lost += 1,
            }
            if list || found.fate.kept_by.is_some() {
                outlived.push(found);
            }
        })
        .await?;
        plan.item_versions_kept = Some(kept);
        plan.item_versions_lost = Some(lost);
        plan.outlived = outlived;
        if list {
            plan.items = self.describe(plan).await?;
        }
        Ok(())
    }

    /// Puts names to versions: tree by tree, so that a folder's path is looked up once.
    async fn describe(&self, plan: &MailboxPlan) -> Result<Vec<ItemPlan>> {
        let mut by_tree: BTreeMap<usize, Vec<&Outlived>> = BTreeMap::new();
        for found in &plan.outlived {
            by_tree
                .entry(found.fate.version.tree)
                .or_default()
                .push(found);
        }
        let mut items = Vec::new();
        for (tree, found) in by_tree {
            let Some((_, snapshot)) = plan.trees.get(tree) else {
                continue;
            };
            let folders = self.stored_folders(snapshot).await?;
            let paths: HashMap<FolderKey, String> =
                folders.into_iter().map(|f| (f.key, f.path)).collect();
            let reader = TreeReader::new(self.source(), snapshot.root.clone());
            for Outlived { key, fate } in found {
                let entry = reader
                    .get(&TreeKey::Item(*key).to_bytes())
                    .await
                    .doing(|| format!("read snapshot {}", snapshot.short_id()))?;
                let summary = match &entry {
                    Some(entry) => self.summary(entry).await.unwrap_or_default(),
                    None => Default::default(),
                };
                items.push(ItemPlan {
                    key: shown_key(key),
                    folder: paths.get(&key.folder).cloned().unwrap_or_default(),
                    subject: summary.subject,
                    first_unix_ms: fate.version.first_unix_ms,
                    last_unix_ms: fate.version.last_unix_ms,
                    gone_unix_ms: fate.version.gone_unix_ms,
                    kept_by: fate.kept_by,
                });
            }
        }
        items.sort_by(|a, b| {
            (&a.folder, &a.subject, &a.key, a.first_unix_ms).cmp(&(
                &b.folder,
                &b.subject,
                &b.key,
                b.first_unix_ms,
            ))
        });
        Ok(items)
    }
}

pub(super) fn zone_name(now: &Zoned) -> String {
    let zone = now.time_zone();
    zone.iana_name()
        .map_or_else(|| now.offset().to_string(), str::to_owned)
}
