//! A set's drill at one destination.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{DrillOptions, Error, ErrorKind, Result, SnapshotSelector, Vault};
use jiff::Timestamp;

use super::Task;
use crate::report::DestinationReport;

impl Task<'_> {
    /// Restores a sample of the newest snapshots of the set's mailboxes and compares it.
    pub(super) async fn drill(&self, vault: &Vault, report: &mut DestinationReport) -> Result<()> {
        let Some(drill) = &self.set.drill else {
            let message = format!("the set {} has no [drill]", self.set_name);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let mut snapshots = vault.select(&SnapshotSelector::Latest, None).await?;
        if let Some(covered) = self.covered(vault, &report.name).await? {
            let covered: BTreeSet<String> = covered.into_iter().collect();
            snapshots.retain(|s| covered.is_empty() || covered.contains(&s.mailbox));
        } else {
            snapshots.clear();
        }
        if snapshots.is_empty() {
            let message = "there is no snapshot that could be tried".to_owned();
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let connections = &self.runner.connections;
        let now = (self.runner.environment.now_unix_ms)();
        let zone = self.runner.config.zone_of(self.set, &self.runner.zone);
        let mut options = DrillOptions {
            items: u64::from(drill.items),
            to_mailbox: String::new(),
            to_folder: Timestamp::from_millisecond(now)
                .map(|now| {
                    now.to_zoned(zone)
                        .strftime("Drill %Y-%m-%d %H.%M")
                        .to_string()
                })
                .unwrap_or_else(|_| "Drill".to_owned()),
            recorded: drill.mailbox.is_some(),
            place: "the program's simulator".to_owned(),
            by: format!(
                "postkeep {} on {}",
                env!("CARGO_PKG_VERSION"),
                self.runner.machine
            ),
        };
        // The program's own server lives as long as the drill.
        let probe = match &drill.mailbox {
            Some(_) => None,
            None => Some(connections.probe().await?),
        };
        let own;
        let exchange = match (&probe, &drill.mailbox) {
            (Some(probe), _) => {
                options.to_mailbox.clone_from(&probe.mailbox);
                &probe.exchange
            }
            (None, mailbox) => {
                own = connections.exchange(&self.set_name, self.set).await?;
                options.to_mailbox = mailbox.clone().unwrap_or_default();
                options.place = format!("{} at {}", options.to_mailbox, own.server());
                &own
            }
        };
        let monitor = Arc::clone(&self.monitor);
        let drilled = vault
            .drill(&snapshots, exchange, &options, self.cancel, monitor)
            .await?;
        report.drill = Some(drilled.drill);
        Ok(())
    }
}
