//! The restores of the demonstration, and the comparison with what was there.

use engine::{BackupReport, RestoreOptions, RestoreReport, Selection, Snapshot, SnapshotSelector};

use super::Demo;
use super::originals::{self, Originals};
use super::world::Changes;
use crate::command::failed_items;
use crate::exit::{Failure, Result};
use crate::human::counted;

impl Demo<'_> {
    /// Brings the deleted mail back where it was, out of the snapshot that still has it.
    pub(super) async fn restore_deleted(
        &mut self,
        first: &BackupReport,
        changes: &Changes,
    ) -> Result<()> {
        let Some(deleted) = &changes.deleted_mail else {
            return Ok(());
        };
        let id = first
            .mailboxes
            .iter()
            .find(|mailbox| mailbox.mailbox.eq_ignore_ascii_case(&deleted.mailbox))
            .and_then(|mailbox| mailbox.snapshot.clone());
        let Some(id) = id else { return Ok(()) };
        let snapshot = self
            .snapshot(SnapshotSelector::Id(id), &deleted.mailbox)
            .await?;
        let options = RestoreOptions {
            selection: Selection::of_items([deleted.id.clone()]),
            verify: true,
            ..RestoreOptions::default()
        };
        let report = self.restore(&snapshot, &options).await?;
        let handle = self.world.handle(&deleted.mailbox)?;
        let is_back = originals::has(&handle, &deleted.folder, &deleted.mime)
            .map_err(|error| Failure::sim(&error))?;
        let mut lines = vec![format!(
            "\"{}\" in {} of {}",
            deleted.subject, deleted.folder, deleted.mailbox
        )];
        lines.push(match is_back {
            true => "it is back, its MIME byte for byte as it was".to_owned(),
            false => "it is NOT back as it was".to_owned(),
        });
        self.judge(is_back, &report, &mut lines);
        self.story.step_with(
            "A deleted mail restored into its live mailbox",
            &lines,
            "restore",
            &report,
        );
        Ok(())
    }

    /// Restores the newest snapshot of a mailbox into an empty one and compares the two.
    pub(super) async fn restore_mailbox(&mut self, originals: &Originals) -> Result<()> {
        self.continues()?;
        let source = self.world.first()?.address().to_owned();
        let target = self.world.target.clone();
        let snapshot = self.snapshot(SnapshotSelector::Latest, &source).await?;
        let options = RestoreOptions {
            to_mailbox: Some(target.clone()),
            verify: true,
            ..RestoreOptions::default()
        };
        let report = self.restore(&snapshot, &options).await?;
        let restored =
            Originals::of(&self.world.handle(&target)?).map_err(|error| Failure::sim(&error))?;
        let different = originals.differences(&restored);
        let mut lines = vec![format!(
            "{source} -> {target}: {} in {}, {}",
            counted(report.items_restored, "item"),
            counted(report.folders.len() as u64, "folder"),
            counted(report.requests, "request"),
        )];
        lines.push(format!(
            "{} read back and equal to the backup",
            counted(report.items_verified, "item")
        ));
        lines.push(match different.is_empty() {
            true => format!(
                "{} in the same folders, MIME byte for byte as in the original",
                counted(originals.len(), "item")
            ),
            false => format!(
                "{} NOT as in the original: {}",
                counted(different.len() as u64, "folder"),
                different.join(", ")
            ),
        });
        self.judge(different.is_empty(), &report, &mut lines);
        self.story.step_with(
            "A whole mailbox restored into another one",
            &lines,
            "restore",
            &report,
        );
        self.continues()
    }

    /// Adds what is wrong with a restore.
    fn judge(&mut self, is_equal: bool, report: &RestoreReport, lines: &mut Vec<String>) {
        let is_whole = report.failures.is_empty() && report.items_verified == report.items_restored;
        if !report.failures.is_empty() {
            lines.push(failed_items("not restored", &report.failures));
        }
        if !is_equal || !is_whole {
            self.story.went_wrong();
        }
    }

    async fn restore(
        &self,
        snapshot: &Snapshot,
        options: &RestoreOptions,
    ) -> Result<RestoreReport> {
        let token = self.interrupt.token();
        self.progress.restart("restore");
        let watch = self.progress.clone();
        let done = self
            .vault
            .restore(snapshot, &self.exchange, options, token, watch)
            .await;
        self.progress.finish();
        Ok(done?)
    }

    async fn snapshot(&self, selector: SnapshotSelector, mailbox: &str) -> Result<Snapshot> {
        let mut chosen = self.vault.select(&selector, Some(mailbox)).await?;
        Ok(chosen.remove(0))
    }
}
