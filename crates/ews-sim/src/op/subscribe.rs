//! Subscribe, GetEvents and Unsubscribe (MS-OXWSNTIF 3.1.4).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Answer, Context, Failure, Oops, Reply};
use crate::mailbox::{Store, StoreKind};
use crate::soap::Fault;
use crate::subscription::{Subscription, read_watermark, watermark};
use crate::xml::Element;

const EVENTS: [&str; 7] = [
    "CopiedEvent",
    "CreatedEvent",
    "DeletedEvent",
    "ModifiedEvent",
    "MovedEvent",
    "NewMailEvent",
    "FreeBusyChangedEvent",
];

pub(super) fn subscribe(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    if !context.world.has_notifications {
        return Err(Fault::schema("'Subscribe' is not known here."));
    }
    let mut answer = Answer::new(context);
    answer.message(|w| {
        let wish = request
            .children
            .first()
            .ok_or_else(|| Fault::schema("'Subscribe' is empty."))?;
        let is_streaming = match wish.name.as_ref() {
            "StreamingSubscriptionRequest" => true,
            "PullSubscriptionRequest" => false,
            _ => {
                return Err(Failure::new(
                    "ErrorInvalidPushSubscriptionUrl",
                    "This server does not push.",
                )
                .into());
            }
        };
        let (store, folders) = places(context, wish)?;
        let events: BTreeSet<String> = wish
            .required_list("EventTypes")?
            .iter()
            .map(|event| event.text.trim().to_owned())
            .collect();
        if !events.iter().all(|event| EVENTS.contains(&event.as_str())) {
            return Err(Fault::schema("'EventType' is not known.").into());
        }
        let timeout = wish.child_text("Timeout").map(str::parse::<u32>);
        if !is_streaming && !matches!(timeout, Some(Ok(1..=1440))) {
            return Err(Fault::schema("'Timeout' must be between 1 and 1440.").into());
        }
        let now = store.read().change();
        let position = match wish.child_text("Watermark") {
            Some(text) => read_watermark(store.guid, text)
                .filter(|position| *position <= now)
                .ok_or(INVALID_WATERMARK)?,
            None => now,
        };
        let guid = store.guid;
        let id = context.world.subscriptions.add(Subscription {
            id: String::new(),
            owner: context.account.to_owned(),
            store,
            folders,
            events,
            is_streaming,
            position,
            connection: 0,
        })?;
        w.leaf("m:SubscriptionId", &id);
        if !is_streaming {
            w.leaf("m:Watermark", &watermark(guid, position));
        }
        Ok(())
    })?;
    answer.finish()
}

const INVALID_WATERMARK: Failure =
    Failure::new("ErrorInvalidWatermark", "The watermark is not valid.");

type Places = (Arc<Store>, Option<BTreeSet<u64>>);

/// The store and folders a subscription is for: all folders are of one mailbox.
fn places(context: &Context<'_>, wish: &Element<'_>) -> Result<Places, Oops> {
    let all = matches!(wish.attr("SubscribeToAllFolders"), Some("true" | "1"));
    let ids = wish.list("FolderIds");
    if all != ids.is_empty() {
        return Err(Failure::new(
            "ErrorInvalidSubscriptionRequest",
            "Either folders or all folders must be named.",
        )
        .into());
    }
    if all {
        let mailbox = context.mailbox.as_ref().ok_or(Failure::NO_FOLDER)?;
        return Ok((mailbox.primary.clone(), None));
    }
    let mut store: Option<Arc<Store>> = None;
    let mut folders = BTreeSet::new();
    for id in ids {
        let found = context.folder(id)?;
        let same = store
            .as_ref()
            .is_none_or(|store| store.guid == found.store.guid);
        if !same || found.store.kind == StoreKind::Public {
            return Err(Failure::new(
                "ErrorInvalidSubscriptionRequest",
                "All folders must be of one mailbox, and none public.",
            )
            .into());
        }
        folders.insert(found.number);
        store = Some(found.store);
    }
    Ok((store.ok_or(Failure::NO_FOLDER)?, Some(folders)))
}

pub(super) fn get_events(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|w| {
        let subscription = named(context, request)?;
        if subscription.is_streaming {
            return Err(Failure::new(
                "ErrorInvalidPullSubscriptionId",
                "The subscription is no pull subscription.",
            )
            .into());
        }
        let text = request
            .child_text("Watermark")
            .ok_or_else(|| Fault::schema("'Watermark' is missing."))?;
        let guid = subscription.store.guid;
        let after = read_watermark(guid, text)
            .filter(|after| *after <= subscription.store.read().change())
            .ok_or(INVALID_WATERMARK)?;
        w.start("m:Notification");
        w.leaf("t:SubscriptionId", &subscription.id);
        w.leaf("t:PreviousWatermark", text);
        // Whether there is more stands before the events, and is known after them.
        let mut events = crate::xml::XmlWriter::new();
        let told = subscription.write_events(&mut events, after);
        w.flag("t:MoreEvents", told.more);
        if told.count == 0 {
            w.start("t:StatusEvent");
            w.leaf("t:Watermark", &watermark(guid, told.until));
            w.end("t:StatusEvent");
        } else {
            w.raw().push_str(events.raw());
        }
        w.end("m:Notification");
        Ok(())
    })?;
    answer.finish()
}

pub(super) fn unsubscribe(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|_| {
        let subscription = named(context, request)?;
        context.world.subscriptions.remove(&subscription.id);
        Ok(())
    })?;
    answer.finish()
}

/// The subscription a request names, if it is the caller's own.
fn named(context: &Context<'_>, request: &Element<'_>) -> Result<Subscription, Failure> {
    let id = request.child_text("SubscriptionId").unwrap_or_default();
    find(context, id)
}

/// Finds a subscription of the account, or of the mailbox acted for. One connection can listen to
/// the subscriptions that an account made in many mailboxes, in the name of any of them.
pub(super) fn find(context: &Context<'_>, id: &str) -> Result<Subscription, Failure> {
    let found = context.world.subscriptions.get(id);
    let found = found.ok_or(Failure::new(
        "ErrorSubscriptionNotFound",
        "The subscription was not found.",
    ))?;
    let own = context.mailbox.as_ref().is_some_and(|mailbox| {
        let mut stores = std::iter::once(&mailbox.primary).chain(&mailbox.archive);
        stores.any(|store| store.guid == found.store.guid)
    });
    if own || found.owner == context.account {
        Ok(found)
    } else {
        Err(Failure::new(
            "ErrorSubscriptionAccessDenied",
            "The subscription is somebody else's.",
        ))
    }
}
