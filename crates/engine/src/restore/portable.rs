//! Creates items from their portable form: what was stored in it, and native items on a server
//! that has no UploadItems.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use ews_client::{
    CreateItem, ExtendedProperty, FolderIdRef, GetItem, Item, ItemId, ItemKind, NewItem, Outcome,
};

use super::rewrite::origin_path;
use super::upload::{Done, Piece, Sender};
use crate::again::{ATTEMPTS, Again, READ_ATTEMPTS, may_pass};
use crate::backup::worth_asking_again;
use crate::error::{Error, Result};
use crate::keys::Holds;
use crate::origin::Origin;
use crate::portable::{self, Extent, Group, new_item, shape};
use crate::split_mime::payloads;
use crate::state::Form;

/// The largest item read into memory; EWS cannot carry larger ones.
const MAX_ITEM_BYTES: u64 = 256 << 20;

/// An item on its way, with what is to be created of it.
#[derive(Clone)]
struct Portable {
    piece: Piece,
    item: Item,
}

/// A created item with its id, and why it has to be read again.
type Created = ((Portable, ItemId), String);

/// What a request left to do.
#[derive(Default)]
struct Left {
    /// To be sent again as it was.
    again: Vec<(Portable, String)>,
    /// Refused; to be tried with less.
    refused: Vec<(Portable, String)>,
    wait: Option<Duration>,
}

impl Sender {
    /// Creates items. What the server refuses is tried with fewer properties; what it may have
    /// created before the connection broke is looked for by its origin.
    pub(super) async fn create(&self, batch: Vec<Piece>, done: &mut Done) -> Result<()> {
        if self.place.holds == Holds::Associated {
            // An item that CreateItem makes is one that users see.
            for piece in batch {
                let reason = "the server takes associated items only as native streams";
                done.failures
                    .push(self.failure(&piece, reason.to_owned()).await);
            }
            return Ok(());
        }
        let items = self.read_portable(batch, done).await;
        let mut waiting = VecDeque::from([(items, 1u32, Extent::Whole)]);
        while let Some((batch, attempt, extent)) = waiting.pop_front() {
            if batch.is_empty() {
                continue;
            }
            let sent = batch.len();
            let left = self.create_once(batch, extent, done).await?;
            let again = Again::new(sent, attempt, ATTEMPTS, left.again, left.wait);
            for (portable, reason) in again.failed {
                done.failures
                    .push(self.failure(&portable.piece, reason).await);
            }
            if !again.batches.is_empty() {
                tokio::time::sleep(again.wait).await;
                waiting.extend(
                    again
                        .batches
                        .into_iter()
                        .map(|(items, n)| (items, n, extent)),
                );
            }
            match extent.less() {
                Some(less) => {
                    let items = left.refused.into_iter().map(|(item, _)| item).collect();
                    waiting.push_back((items, 1, less));
                }
                None => {
                    for (portable, reason) in left.refused {
                        done.failures
                            .push(self.failure(&portable.piece, reason).await);
                    }
                }
            }
        }
        Ok(())
    }

    async fn read_portable(&self, batch: Vec<Piece>, done: &mut Done) -> Vec<Portable> {
        let mut items = Vec::with_capacity(batch.len());
        for piece in batch {
            match self.item_of(&piece).await {
                Ok(item) => items.push(Portable { piece, item }),
                Err(error) => {
                    let reason = crate::backup::one_line(&error);
                    done.failures.push(self.failure(&piece, reason).await);
                }
            }
        }
        items
    }

    async fn item_of(&self, piece: &Piece) -> Result<Item> {
        let bytes = self
            .vault
            .read_whole(piece.item.content()?, MAX_ITEM_BYTES)
            .await?;
        if piece.item.state.form == Form::Portable {
            return portable::from_bytes(&bytes);
        }
        Ok(portable::from_message(&portable::read_any(&bytes)?.message))
    }

    /// One CreateItem. A request that is refused as a whole is sent again item by item, since
    /// one item may spoil it for the others.
    async fn create_once(
        &self,
        batch: Vec<Portable>,
        extent: Extent,
        done: &mut Done,
    ) -> Result<Left> {
        let mut left = Left::default();
        let mut waiting = VecDeque::from([batch]);
        while let Some(batch) = waiting.pop_front() {
            let request = CreateItem {
                folder: FolderIdRef::Id(self.place.folder.clone()),
                items: batch
                    .iter()
                    .map(|portable| created(portable, extent))
                    .collect(),
            };
            let answer = {
                let _permit = self.permits.acquire().await;
                self.client.create_item(&request).await
            };
            match answer {
                Ok(outcomes) => {
                    self.sort_created(batch, outcomes, extent, &mut left, done)
                        .await?
                }
                Err(error) if is_refusal(error.kind()) => {
                    let reason = error.to_string();
                    if batch.len() == 1 {
                        left.refused
                            .extend(batch.into_iter().map(|one| (one, reason.clone())));
                    } else {
                        waiting.extend(batch.into_iter().map(|one| vec![one]));
                    }
                }
                Err(error) if may_pass(error.kind()) => {
                    let pieces = batch
                        .iter()
                        .map(|portable| portable.piece.clone())
                        .collect();
                    let (found, _) = self.broken(pieces, &error).await?;
                    let mut found: HashMap<Origin, ItemId> = found
                        .into_iter()
                        .map(|(piece, id)| (piece.origin, id))
                        .collect();
                    let mut restored = Vec::new();
                    for portable in batch {
                        match found.remove(&portable.piece.origin) {
                            Some(id) => restored.push((portable, id)),
                            None => left.again.push((portable, error.to_string())),
                        }
                    }
                    self.restored(restored, extent, done).await?;
                }
                Err(error) => {
                    let kind = crate::error::kind_of_ews(error.kind());
                    return Err(Error::new(kind, format!("create items: {error}")));
                }
            }
        }
        Ok(left)
    }

    async fn sort_created(
        &self,
        batch: Vec<Portable>,
        outcomes: Vec<Outcome<ItemId>>,
        extent: Extent,
        left: &mut Left,
        done: &mut Done,
    ) -> Result<()> {
        use ews_client::ErrorKind as Leaf;
        let mut restored = Vec::new();
        for (portable, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Ok(id) => restored.push((portable, id)),
                Err(error)
                    if matches!(error.kind(), Leaf::Busy | Leaf::Timeout | Leaf::Interrupted) =>
                {
                    left.wait = left.wait.max(error.back_off);
                    left.again.push((portable, error.to_string()));
                }
                Err(error)
                    if matches!(error.kind(), Leaf::Denied | Leaf::NotFound | Leaf::Auth) =>
                {
                    done.failures
                        .push(self.failure(&portable.piece, error.to_string()).await);
                }
                Err(error) => left.refused.push((portable, error.to_string())),
            }
        }
        self.restored(restored, extent, done).await
    }

    /// Counts what was created, as the server said itself or as it was found there, and reads it
    /// back if that is asked for.
    async fn restored(
        &self,
        restored: Vec<(Portable, ItemId)>,
        extent: Extent,
        done: &mut Done,
    ) -> Result<()> {
        for (Portable { piece, .. }, id) in &restored {
            done.made.push(self.made(piece, id.clone()));
            self.remove_replaced(piece, done).await;
        }
        let native = |portable: &Portable| portable.piece.item.state.form == Form::Native;
        done.converted += restored
            .iter()
            .filter(|(portable, _)| native(portable))
            .count() as u64;
        if extent != Extent::Whole {
            done.reduced += restored.len() as u64;
        }
        if self.verify && extent != Extent::Bare {
            self.verify_created(restored, done).await?;
        }
        Ok(())
    }

    /// Reads created items back and compares them with what was to be created. Whatever the server
    /// does not answer for is asked for again.
    async fn verify_created(
        &self,
        mut restored: Vec<(Portable, ItemId)>,
        done: &mut Done,
    ) -> Result<()> {
        for group in Group::ALL {
            let (these, others): (Vec<_>, Vec<_>) = restored
                .into_iter()
                .partition(|(portable, _)| group_of(portable) == group);
            restored = others;
            let mut waiting = VecDeque::from([(these, 1u32)]);
            while let Some((batch, attempt)) = waiting.pop_front() {
                if batch.is_empty() {
                    continue;
                }
                let sent = batch.len();
                let (left, wait) = self.read_created_back(group, batch, done).await;
                let again = Again::new(sent, attempt, READ_ATTEMPTS, left, wait);
                for ((portable, _), reason) in again.failed {
                    let reason = format!("restored, but cannot be read back: {reason}");
                    done.failures
                        .push(self.failure(&portable.piece, reason).await);
                }
                if !again.batches.is_empty() {
                    tokio::time::sleep(again.wait).await;
                    waiting.extend(again.batches);
                }
            }
        }
        Ok(())
    }

    /// One request of that: what has to be asked for again, and after which wait.
    async fn read_created_back(
        &self,
        group: Group,
        batch: Vec<(Portable, ItemId)>,
        done: &mut Done,
    ) -> (Vec<Created>, Option<Duration>) {
        let with_mime = batch
            .iter()
            .any(|(portable, _)| portable.item.mime_content.is_some());
        let request = GetItem {
            shape: shape(group, with_mime),
            ids: batch.iter().map(|(_, id)| id.clone()).collect(),
        };
        let answer = {
            let _permit = self.permits.acquire().await;
            self.client.get_item(&request).await
        };
        let mut outcomes = match answer {
            Ok(outcomes) => outcomes.into_iter(),
            Err(error) if may_pass(error.kind()) => {
                let reason = error.to_string();
                let left = batch.into_iter().map(|one| (one, reason.clone()));
                return (left.collect(), error.retry_after());
            }
            Err(error) => {
                let reason = format!("restored, but cannot be read back: {error}");
                for (portable, _) in batch {
                    let failure = self.failure(&portable.piece, reason.clone()).await;
                    done.failures.push(failure);
                }
                return (Vec::new(), None);
            }
        };
        let (mut again, mut wait) = (Vec::new(), None);
        for (portable, id) in batch {
            let difference = match outcomes.next() {
                Some(Ok(live)) => difference(&portable, &live),
                Some(Err(error)) if worth_asking_again(&error.code) => {
                    wait = wait.max(error.back_off);
                    again.push(((portable, id), error.to_string()));
                    continue;
                }
                Some(Err(error)) => Some(format!("cannot be read back: {error}")),
                None => {
                    let reason = "the server's answer left it out".to_owned();
                    again.push(((portable, id), reason));
                    continue;
                }
            };
            let Some(difference) = difference else {
                done.verified += 1;
                continue;
            };
            let reason = format!("restored, but {difference}");
            done.failures
                .push(self.failure(&portable.piece, reason).await);
        }
        (again, wait)
    }
}

/// Whether an error says that the request itself is not to the server's liking.
fn is_refusal(kind: ews_client::ErrorKind) -> bool {
    use ews_client::ErrorKind as Leaf;
    matches!(kind, Leaf::Invalid | Leaf::Unsupported)
}

fn group_of(portable: &Portable) -> Group {
    Group::of_class(portable.item.item_class.as_deref().unwrap_or_default())
}

fn created(portable: &Portable, extent: Extent) -> NewItem {
    let origin = ExtendedProperty::single(origin_path(), portable.piece.origin.as_str());
    new_item(
        &portable.item,
        portable.piece.item.state.is_read,
        origin,
        extent,
    )
}

/// Says how a created item differs from what was stored, or nothing if it does not. Servers make
/// MIME text anew, so only its larger attachments are compared where the text differs.
fn difference(portable: &Portable, live: &Item) -> Option<String> {
    item_difference(&portable.item, live, portable.piece.item.state.is_read)
}

/// The same of two items; `is_read` is the state that the live one should have.
pub(super) fn item_difference(stored: &Item, live: &Item, is_read: Option<bool>) -> Option<String> {
    let differs = |what: &str| Some(format!("its {what} differs"));
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_lowercase();
    if text(&stored.item_class) != text(&live.item_class) {
        return differs("class");
    }
    if has_own_element(&stored.kind) && stored.kind != live.kind {
        return differs("kind");
    }
    if text(&stored.subject) != text(&live.subject) {
        return differs("subject");
    }
    if stored.uid.is_some() && stored.uid != live.uid {
        return differs("UID");
    }
    if stored.categories != live.categories {
        return differs("list of categories");
    }
    if stored.importance.is_some() && stored.importance != live.importance {
        return differs("importance");
    }
    let is_read = is_read.or(stored.is_read);
    if is_read.is_some() && live.is_read.is_some() && is_read != live.is_read {
        return differs("read state");
    }
    for tag in [0x0E06, 0x0039] {
        let time = |item: &Item| item.property(tag).and_then(ExtendedProperty::as_timestamp);
        if time(stored).is_some() && time(stored) != time(live) {
            return differs("time");
        }
    }
    let (Some(stored), Some(live)) = (&stored.mime_content, &live.mime_content) else {
        return None;
    };
    if stored == live {
        return None;
    }
    let there: HashSet<_> = payloads(live).into_iter().collect();
    let all = payloads(stored)
        .iter()
        .all(|payload| there.contains(payload));
    if all {
        None
    } else {
        Some("an attachment differs".to_owned())
    }
}

fn has_own_element(kind: &ItemKind) -> bool {
    matches!(
        kind,
        ItemKind::CalendarItem
            | ItemKind::Contact
            | ItemKind::DistributionList
            | ItemKind::Task
            | ItemKind::PostItem
    )
}
