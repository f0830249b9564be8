//! Reads restored items back and compares them with what is stored.

use std::collections::VecDeque;
use std::time::Duration;

use ews_client::{ExportEvent, ItemId};

use super::compare::difference;
use super::upload::{Done, Piece, Sender};
use crate::again::{Again, READ_ATTEMPTS, may_pass};
use crate::backup::worth_asking_again;
use crate::error::{Error, Result};

/// A restored item with its new id, and why it has to be read again.
type Restored = ((Piece, ItemId), String);

/// A request that reads items back.
struct Reading {
    /// By their places in the request; those answered for are taken out.
    left: Vec<Option<(Piece, ItemId)>>,
    again: Vec<Restored>,
    wait: Option<Duration>,
}

impl Reading {
    fn take(&mut self, place: usize) -> Option<(Piece, ItemId)> {
        self.left.get_mut(place)?.take()
    }

    /// Ends a request that answered to its end.
    fn rest(mut self, reason: &str) -> (Vec<Restored>, Option<Duration>) {
        let left = self.left.into_iter().flatten();
        self.again
            .extend(left.map(|left| (left, reason.to_owned())));
        (self.again, self.wait)
    }

    /// Ends a request that failed as a whole, or gives up where trying again is idle.
    fn broken(mut self, error: &ews_client::Error) -> Result<(Vec<Restored>, Option<Duration>)> {
        if !may_pass(error.kind()) {
            let kind = crate::error::kind_of_ews(error.kind());
            return Err(Error::new(
                kind,
                format!("read restored items back: {error}"),
            ));
        }
        self.wait = self.wait.max(error.retry_after());
        Ok(self.rest(&error.to_string()))
    }
}

impl Sender {
    /// Reads restored items back and compares them with what is stored. Reading changes nothing,
    /// so whatever the server does not answer for is asked for again.
    pub(super) async fn verify(
        &self,
        created: Vec<(Piece, ItemId)>,
        done: &mut Done,
    ) -> Result<()> {
        let mut waiting = VecDeque::from([(created, 1u32)]);
        while let Some((batch, attempt)) = waiting.pop_front() {
            let sent = batch.len();
            let (left, wait) = self.read_back(batch, done).await?;
            let again = Again::new(sent, attempt, READ_ATTEMPTS, left, wait);
            for ((piece, _), reason) in again.failed {
                let reason = format!("restored, but cannot be read back: {reason}");
                done.failures.push(self.failure(&piece, reason).await);
            }
            if !again.batches.is_empty() {
                tokio::time::sleep(again.wait).await;
                waiting.extend(again.batches);
            }
        }
        Ok(())
    }

    /// One request of a verification: what has to be asked for again, and after which wait.
    async fn read_back(
        &self,
        batch: Vec<(Piece, ItemId)>,
        done: &mut Done,
    ) -> Result<(Vec<Restored>, Option<Duration>)> {
        let ids: Vec<ItemId> = batch.iter().map(|(_, id)| id.clone()).collect();
        let mut reading = Reading {
            left: batch.into_iter().map(Some).collect(),
            again: Vec::new(),
            wait: None,
        };
        let _permit = self.permits.acquire().await;
        let mut stream = match self.client.export_items(&ids).await {
            Ok(stream) => stream,
            Err(error) => return reading.broken(&error),
        };
        let mut live = Vec::new();
        loop {
            let event = match stream.next().await {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return reading.broken(&error),
            };
            match event {
                ExportEvent::Start(_) => live.clear(),
                ExportEvent::Data(bytes) => live.extend_from_slice(&bytes),
                ExportEvent::End => {
                    if let Some((piece, _)) = reading.take(stream.index()) {
                        self.judge(&piece, &live, done).await?;
                    }
                }
                ExportEvent::Failed { error, .. } => {
                    let Some((piece, id)) = reading.take(stream.index()) else {
                        continue;
                    };
                    if worth_asking_again(&error.code) {
                        reading.wait = reading.wait.max(error.back_off);
                        reading.again.push(((piece, id), error.to_string()));
                    } else {
                        let reason = format!("restored, but cannot be read back: {error}");
                        done.failures.push(self.failure(&piece, reason).await);
                    }
                }
                _ => {}
            }
        }
        Ok(reading.rest("the server's answer left it out"))
    }

    async fn judge(&self, piece: &Piece, live: &[u8], done: &mut Done) -> Result<()> {
        let content = piece.item.content()?;
        let stored = self.vault.read_whole(content, content.len).await?;
        match difference(&stored, live, piece.item.state.is_read) {
            None => done.verified += 1,
            Some(difference) => {
                let reason = format!("restored, but {difference}");
                done.failures.push(self.failure(piece, reason).await);
            }
        }
        Ok(())
    }
}
