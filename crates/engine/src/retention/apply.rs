//! Carries out what a policy decides, and forgets snapshots by hand.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chunkstore::{Session, TreeReader, TreeRoot};

use super::decide::{SnapshotTime, decide, holds_snapshot};
use super::kept::KeptTree;
use super::plan::{How, MailboxPlan, Reasons, RetentionOptions, RetentionPlan, zone_name};
use super::walk::{Outlived, Role};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::hold::Hold;
use crate::keys::TreeKey;
use crate::ledger::{Kind, Record};
use crate::snapshot::{About, Snapshot};
use crate::state::{Seen, with_seen};
use crate::vault::Vault;

impl Vault {
    /// Forgets what no rule of a policy keeps, and gathers the items that outlive their
    /// snapshots. Bytes are given back by a collection, not here.
    ///
    /// # Errors
    /// As for [`Vault::retention_plan`].
    ///
    /// # Cancellation
    /// Either nothing was forgotten or all of it; running it again ends what was begun.
    pub async fn retention_apply(&self, options: &RetentionOptions) -> Result<RetentionPlan> {
        // Before anything is read: what is there now cannot be collected until the session ends.
        let session = self.ledger_session().await?;
        let plan = match self.retention_plan(options).await {
            Ok(plan) => plan,
            Err(error) => {
                session
                    .abandon()
                    .await
                    .doing(|| "close the session".into())?;
                return Err(error);
            }
        };
        self.end_expired_holds(options).await?;
        self.carry_out(plan, session).await
    }

    /// Forgets snapshots by hand. Their items that the policy's rules about items keep are kept.
    /// With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// `Denied` for a snapshot that is held, or that is the newest complete one of its mailbox
    /// (unless `newest_too`); then nothing is forgotten.
    pub async fn forget_snapshots(
        &self,
        snapshots: &[Snapshot],
        options: &RetentionOptions,
        newest_too: bool,
        dry_run: bool,
    ) -> Result<RetentionPlan> {
        let session = self.ledger_session().await?;
        let planned = self.plan_forgetting(snapshots, options, newest_too).await;
        match planned {
            Ok(plan) if !dry_run => self.carry_out(plan, session).await,
            other => {
                session
                    .abandon()
                    .await
                    .doing(|| "close the session".into())?;
                other
            }
        }
    }

    async fn plan_forgetting(
        &self,
        snapshots: &[Snapshot],
        options: &RetentionOptions,
        newest_too: bool,
    ) -> Result<RetentionPlan> {
        let all = self.snapshots_and_kept().await?;
        let holds = self.holds().await?;
        let now_unix_ms = options.now.timestamp().as_millisecond();
        let active: Vec<Hold> = holds
            .into_iter()
            .filter(|hold| hold.is_active(now_unix_ms))
            .collect();
        if let Some(kept) = snapshots.iter().find(|snapshot| snapshot.kept) {
            let message = format!(
                "{} is no snapshot but items that a policy or a hold keeps",
                kept.short_id()
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        refuse_held(snapshots, &active)?;
        let chosen: HashSet<&str> = snapshots.iter().map(|s| s.id.as_str()).collect();
        let times = |times: &[SnapshotTime]| -> Reasons {
            // Without a rule everything has a reason to stay; what was chosen loses it.
            let verdicts = decide(times, &super::Policy::default(), &active, &options.now);
            let by_hand = verdicts.into_iter().map(|mut verdict| {
                if chosen.contains(verdict.id.as_str()) {
                    verdict.kept_by.clear();
                }
                (verdict.id, verdict.kept_by)
            });
            by_hand.collect()
        };
        if !newest_too {
            refuse_newest(snapshots, &all)?;
        }
        let of: Vec<String> = snapshots.iter().map(|s| s.mailbox.clone()).collect();
        let options = RetentionOptions {
            mailboxes: of,
            ..options.clone()
        };
        let how = How {
            decide: &times,
            leave_kept: true,
        };
        let mailboxes = self.plan_mailboxes(&all, &active, &options, &how).await?;
        Ok(RetentionPlan {
            policy: options.policy,
            time_unix_ms: now_unix_ms,
            time_zone: zone_name(&options.now),
            holds: active,
            mailboxes,
            applied: false,
        })
    }

    /// Writes kept trees, commits, and then forgets what goes.
    async fn carry_out(&self, mut plan: RetentionPlan, session: Session) -> Result<RetentionPlan> {
        let mut going: Vec<String> = plan.going().map(|(_, s)| s.id.clone()).collect();
        let mut wrote = false;
        for mailbox in &plan.mailboxes {
            // Without a look at the items there is nothing to keep, and no kept tree to replace.
            if mailbox.item_versions_kept.is_some() {
                let (records, replaced) = self.kept_records(mailbox, &session, &plan).await?;
                for record in records {
                    record.add(&session)?;
                    wrote = true;
                }
                going.extend(replaced);
            }
        }
        if wrote {
            session
                .commit()
                .await
                .doing(|| "write what is kept".into())?;
        } else {
            session
                .abandon()
                .await
                .doing(|| "close the session".into())?;
        }
        // A hold that was made while this was planned wins.
        let going = self.without_new_holds(going, &plan.holds).await?;
        self.forget_ids(&going).await?;
        plan.applied = true;
        Ok(plan)
    }

    /// The kept trees of a mailbox as they should be: those to be written, and the ids of those
    /// that they replace.
    async fn kept_records(
        &self,
        mailbox: &MailboxPlan,
        session: &Session,
        plan: &RetentionPlan,
    ) -> Result<(Vec<Record>, Vec<String>)> {
        let mut slots: BTreeMap<usize, Vec<&Outlived>> = BTreeMap::new();
        for found in mailbox.outlived.iter().filter(|found| by_rule(found)) {
            slots.entry(found.fate.slot).or_default().push(found);
        }
        let mut old: Vec<&Snapshot> = mailbox
            .trees
            .iter()
            .filter(|(role, _)| *role == Role::Kept)
            .map(|(_, tree)| tree)
            .collect();
        let mut records = Vec::new();
        for found in slots.values() {
            let (root, about) = self.kept_tree(mailbox, found, session).await?;
            // The same tree as before stays as it is.
            if let Some(same) = old.iter().position(|tree| tree.root == root) {
                old.remove(same);
                continue;
            }
            let last = found.iter().map(|found| found.fate.version.last_unix_ms);
            let time = last.max().unwrap_or(plan.time_unix_ms);
            let kind = Kind::Kept(mailbox.mailbox.clone());
            records.push(Record::new(kind, time, root, &about)?);
        }
        Ok((records, old.iter().map(|tree| tree.id.clone()).collect()))
    }

    async fn kept_tree(
        &self,
        mailbox: &MailboxPlan,
        found: &[&Outlived],
        session: &Session,
    ) -> Result<(TreeRoot, About)> {
        let mut tree = KeptTree::default();
        let mut bytes = 0;
        let mut by_tree: BTreeMap<usize, Vec<&Outlived>> = BTreeMap::new();
        for found in found {
            by_tree
                .entry(found.fate.version.tree)
                .or_default()
                .push(found);
        }
        let mut server = String::new();
        for (at, found) in by_tree.iter().rev() {
            let Some((_, snapshot)) = mailbox.trees.get(*at) else {
                continue;
            };
            let reader = TreeReader::new(self.source(), snapshot.root.clone());
            for Outlived { key, fate } in found {
                let read = || format!("read snapshot {}", snapshot.short_id());
                let entry = reader
                    .get(&TreeKey::Item(*key).to_bytes())
                    .await
                    .doing(read)?;
                let entry = entry.ok_or_else(|| {
                    Error::new(ErrorKind::Corrupt, "an item that was there is not there")
                })?;
                bytes += crate::state::item_state(&entry)?.size_bytes;
                tree.add(with_seen(
                    entry,
                    Seen {
                        first_unix_ms: fate.version.first_unix_ms,
                        last_unix_ms: fate.version.last_unix_ms,
                        gone_unix_ms: fate.version.gone_unix_ms,
                    },
                )?);
            }
            tree.add_folders(self, snapshot).await?;
            if server.is_empty() {
                server.clone_from(&snapshot.about.server);
            }
        }
        let about = About {
            server,
            program: concat!("postkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
            folders: tree.folders(),
            items: tree.items(),
            bytes,
            ..About::default()
        };
        let root = tree.write(self, Arc::new(session.clone())).await?;
        Ok((root, about))
    }

    /// Leaves out what a hold protects that was not known when the plan was made.
    async fn without_new_holds(&self, going: Vec<String>, known: &[Hold]) -> Result<Vec<String>> {
        let holds = self.holds().await?;
        let new: Vec<Hold> = holds
            .into_iter()
            .filter(|hold| hold.released.is_none() && known.iter().all(|k| k.id != hold.id))
            .collect();
        if new.is_empty() {
            return Ok(going);
        }
        let all = self.snapshots_and_kept().await?;
        let now = self.now_unix_ms();
        Ok(going
            .into_iter()
            .filter(|id| {
                let Some(snapshot) = all.iter().find(|s| s.id == *id) else {
                    return false;
                };
                let time = time_of(snapshot);
                !new.iter()
                    .any(|h| h.is_active(now) && holds_snapshot(h, &time))
            })
            .collect())
    }

    /// Holds that have ended by themselves are released in so many words, and their trees go.
    async fn end_expired_holds(&self, options: &RetentionOptions) -> Result<()> {
        let now_unix_ms = options
            .now
            .timestamp()
            .as_millisecond()
            .min(self.now_unix_ms());
        for hold in self.holds().await? {
            if hold.released.is_none() && !hold.is_active(now_unix_ms) {
                let options = crate::hold::HoldOptions {
                    who: "retention".to_owned(),
                    why: "the time until which it was to hold has passed".to_owned(),
                    until_unix_ms: None,
                };
                self.release_hold(&hold.id, &options).await?;
            }
        }
        Ok(())
    }
}

fn by_rule(found: &Outlived) -> bool {
    use super::items::ItemReason;
    matches!(
        found.fate.kept_by,
        Some(ItemReason::DeletedItems | ItemReason::Versions)
    )
}

fn time_of(snapshot: &Snapshot) -> SnapshotTime {
    SnapshotTime {
        id: snapshot.id.clone(),
        mailbox: snapshot.mailbox.clone(),
        time_unix_ms: snapshot.time_unix_ms,
        partial: snapshot.partial,
    }
}

fn refuse_held(snapshots: &[Snapshot], active: &[Hold]) -> Result<()> {
    for snapshot in snapshots {
        let time = time_of(snapshot);
        if let Some(hold) = active.iter().find(|hold| holds_snapshot(hold, &time)) {
            let id = snapshot.short_id();
            let message = format!("snapshot {id} is held: {} ({})", hold.why, hold.who);
            return Err(Error::new(ErrorKind::Denied, message));
        }
    }
    Ok(())
}

fn refuse_newest(snapshots: &[Snapshot], all: &[Snapshot]) -> Result<()> {
    for snapshot in snapshots.iter().filter(|s| !s.partial && !s.kept) {
        let newest = all
            .iter()
            .rfind(|other| other.mailbox == snapshot.mailbox && !other.partial && !other.kept);
        if newest.is_some_and(|newest| newest.id == snapshot.id) {
            let message = format!(
                "snapshot {} is the newest complete one of {}",
                snapshot.short_id(),
                snapshot.mailbox
            );
            return Err(Error::new(ErrorKind::Denied, message));
        }
    }
    Ok(())
}
