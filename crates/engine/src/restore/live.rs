//! Reads live items whole, to compare and to keep them.

use std::collections::VecDeque;
use std::time::Duration;

use ews_client::{Client, ExportEvent, ExportStream, GetItem, ItemError, ItemId, ResponseCode};
use mailindex::FolderKey;
use tokio::sync::Semaphore;

use crate::again::{Again, READ_ATTEMPTS, may_pass};
use crate::backup::worth_asking_again;
use crate::error::{Error, Result};
use crate::portable::{Group, shape, to_bytes};
use crate::routes::Routes;
use crate::source::{Exchange, Trial, says_unknown};
use crate::state::Form;

/// The largest live item that is read; EWS cannot carry larger ones.
const MAX_LIVE_BYTES: usize = 256 << 20;

/// What a live item holds.
pub(crate) enum LiveRead {
    /// All of it, and its form.
    Item(Vec<u8>, Form),
    /// It is no longer there.
    Gone,
    /// It cannot be read, for this reason.
    Failed(String),
}

/// Which live item to read, and its class, as far as it is known.
pub(crate) struct Wanted {
    pub(crate) id: ItemId,
    /// The folder it lies in.
    pub(crate) folder: FolderKey,
    pub(crate) class: String,
}

/// How live items are read.
pub(crate) struct LiveReader<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) routes: &'a Routes,
    pub(crate) permits: &'a Semaphore,
}

/// What a request left to be asked for again, by its place, with the reason.
type Left = Vec<(usize, String)>;

impl LiveReader<'_> {
    /// Reads items, in their order.
    ///
    /// # Errors
    /// Those of a connection that asking again does not help.
    pub(crate) async fn read(&self, wanted: &[Wanted]) -> Result<Vec<LiveRead>> {
        let mut found: Vec<Option<LiveRead>> = wanted.iter().map(|_| None).collect();
        let parts = self
            .routes
            .split(wanted.iter().enumerate(), |(_, w)| w.folder);
        let places = |part: Vec<(usize, _)>| part.into_iter().map(|(at, _)| at).collect();
        let parts = parts.into_iter().map(|(_, part)| (places(part), 1u32));
        let mut waiting: VecDeque<(Vec<usize>, u32)> = parts.collect();
        while let Some((batch, attempt)) = waiting.pop_front() {
            if batch.is_empty() {
                continue;
            }
            let (left, wait) = self.ask(wanted, &batch, &mut found).await?;
            let again = Again::new(batch.len(), attempt, READ_ATTEMPTS, left, wait);
            for (at, reason) in again.failed {
                put(&mut found, at, LiveRead::Failed(reason));
            }
            if !again.batches.is_empty() {
                tokio::time::sleep(again.wait).await;
                waiting.extend(again.batches);
            }
        }
        let silent = || LiveRead::Failed("the server's answer left it out".to_owned());
        Ok(found
            .into_iter()
            .map(|read| read.unwrap_or_else(silent))
            .collect())
    }

    async fn ask(
        &self,
        wanted: &[Wanted],
        batch: &[usize],
        found: &mut [Option<LiveRead>],
    ) -> Result<(Left, Option<Duration>)> {
        let ability = self.exchange.export();
        let trial = ability.trial().await;
        if matches!(trial, Trial::Lacks) {
            return self.get(wanted, batch, found).await;
        }
        let ids: Vec<ItemId> = batch
            .iter()
            .filter_map(|at| wanted.get(*at))
            .map(|wanted| wanted.id.clone())
            .collect();
        let _permit = self.permits.acquire().await;
        let mut stream = match self.client(wanted, batch).export_items(&ids).await {
            Ok(stream) => stream,
            Err(error) if matches!(trial, Trial::Open { .. }) && says_unknown(&error) => {
                ability.set(false);
                drop(trial);
                drop(_permit);
                return self.get(wanted, batch, found).await;
            }
            Err(error) => return broken(batch, &error),
        };
        if matches!(trial, Trial::Open { .. }) {
            ability.set(true);
        }
        drop(trial);
        take_streams(&mut stream, batch, found).await
    }

    /// Who is asked for a batch, which is all for the same one.
    fn client(&self, wanted: &[Wanted], batch: &[usize]) -> &Client {
        match batch.first().and_then(|at| wanted.get(*at)) {
            Some(first) => self.routes.of(first.folder),
            None => self.routes.hierarchy(),
        }
    }

    /// From a server without ExportItems: MIME text and properties.
    async fn get(
        &self,
        wanted: &[Wanted],
        batch: &[usize],
        found: &mut [Option<LiveRead>],
    ) -> Result<(Left, Option<Duration>)> {
        let (mut again, mut wait) = (Vec::new(), None);
        for group in Group::ALL {
            let places: Vec<(usize, &Wanted)> = batch
                .iter()
                .filter_map(|at| Some((*at, wanted.get(*at)?)))
                .filter(|(_, wanted)| Group::of_class(&wanted.class) == group)
                .collect();
            if places.is_empty() {
                continue;
            }
            let request = GetItem {
                shape: shape(group, true),
                ids: places.iter().map(|(_, wanted)| wanted.id.clone()).collect(),
            };
            let answer = {
                let _permit = self.permits.acquire().await;
                self.client(wanted, batch).get_item(&request).await
            };
            let outcomes = match answer {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    let these: Vec<usize> = places.iter().map(|(at, _)| *at).collect();
                    let (more, longer) = broken(&these, &error)?;
                    again.extend(more);
                    wait = longer.max(wait);
                    continue;
                }
            };
            for ((at, _), outcome) in places.into_iter().zip(outcomes) {
                match outcome {
                    Ok(item) => put(found, at, LiveRead::Item(to_bytes(&item), Form::Portable)),
                    Err(error) => {
                        wait = wait.max(error.back_off);
                        refused(at, &error, found, &mut again);
                    }
                }
            }
        }
        Ok((again, wait))
    }
}

/// Takes the items that an export gives, each in its place.
async fn take_streams(
    stream: &mut ExportStream,
    batch: &[usize],
    found: &mut [Option<LiveRead>],
) -> Result<(Left, Option<Duration>)> {
    let mut left: Vec<Option<usize>> = batch.iter().copied().map(Some).collect();
    let mut again = Vec::new();
    let (mut wait, mut live) = (None, Vec::new());
    loop {
        let event = match stream.next().await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) => {
                let rest: Vec<usize> = left.into_iter().flatten().collect();
                let (more, longer) = broken(&rest, &error)?;
                again.extend(more);
                return Ok((again, longer.max(wait)));
            }
        };
        let at = stream.index();
        let mut take = || left.get_mut(at).and_then(Option::take);
        match event {
            ExportEvent::Start(_) => live = Vec::new(),
            ExportEvent::Data(bytes) if live.len() + bytes.len() <= MAX_LIVE_BYTES => {
                live.extend_from_slice(&bytes);
            }
            ExportEvent::Data(_) => {
                if let Some(at) = take() {
                    let reason = "it is too large to be read".to_owned();
                    put(found, at, LiveRead::Failed(reason));
                }
            }
            ExportEvent::End => {
                if let Some(at) = take() {
                    let read = LiveRead::Item(std::mem::take(&mut live), Form::Native);
                    put(found, at, read);
                }
            }
            ExportEvent::Failed { error, .. } => {
                if let Some(at) = take() {
                    wait = wait.max(error.back_off);
                    refused(at, &error, found, &mut again);
                }
            }
            _ => {}
        }
    }
    let silent = "the server's answer left it out";
    let rest = left.into_iter().flatten();
    again.extend(rest.map(|at| (at, silent.to_owned())));
    Ok((again, wait))
}

fn put(found: &mut [Option<LiveRead>], at: usize, read: LiveRead) {
    if let Some(place) = found.get_mut(at) {
        *place = Some(read);
    }
}

/// Sorts an item that the server did not give.
fn refused(at: usize, error: &ItemError, found: &mut [Option<LiveRead>], again: &mut Left) {
    if error.code == ResponseCode::ErrorItemNotFound {
        put(found, at, LiveRead::Gone);
    } else if worth_asking_again(&error.code) {
        again.push((at, error.to_string()));
    } else {
        put(found, at, LiveRead::Failed(error.to_string()));
    }
}

/// A request that failed as a whole.
fn broken(batch: &[usize], error: &ews_client::Error) -> Result<(Left, Option<Duration>)> {
    if !may_pass(error.kind()) {
        let kind = crate::error::kind_of_ews(error.kind());
        return Err(Error::new(kind, format!("read live items: {error}")));
    }
    let reason = error.to_string();
    let left = batch.iter().map(|at| (*at, reason.clone())).collect();
    Ok((left, error.retry_after()))
}
