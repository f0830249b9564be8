//! Subscribe, GetEvents and Unsubscribe (MS-OXWSNTIF 3.1.4).

use jiff::Timestamp;

use crate::answer;
use crate::element;
use crate::error::{Error, Result};
use crate::model::property::named;
use crate::model::{FolderId, FolderIdRef, ItemId, time};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Longest life of a pull subscription that nobody asks about, in minutes
/// (`SubscriptionTimeoutType`).
pub const MAX_SUBSCRIPTION_MINUTES: u32 = 1440;

named! {
    /// What happened (`NotificationEventTypeType`, MS-OXWSNTIF); a `StatusEvent` says that
    /// nothing did.
    EventKind {
        CopiedEvent, CreatedEvent, DeletedEvent, ModifiedEvent, MovedEvent, NewMailEvent,
        FreeBusyChangedEvent, StatusEvent,
    }
}

/// Asks to be told of changes (Subscribe, MS-OXWSNTIF 3.1.4.3).
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// How to be told.
    pub delivery: Delivery,
    /// The folders; empty for all of the mailbox.
    pub folders: Vec<FolderIdRef>,
    /// Which events; at least one, and no `StatusEvent`.
    pub events: Vec<EventKind>,
}

/// How a subscription's events are told (MS-OXWSNTIF 3.1.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// When asked, by [`GetEvents`].
    Pull {
        /// How long the subscription lives without being asked about, in minutes: 1 to
        /// [`MAX_SUBSCRIPTION_MINUTES`].
        timeout_minutes: u32,
        /// Where an earlier subscription ended; `None` starts now.
        watermark: Option<String>,
    },
    /// As they happen, by [`Client::stream_events`](crate::Client::stream_events).
    Streaming,
}

/// A subscription (Subscribe's answer, MS-OXWSNTIF 3.1.4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Where to start; streaming subscriptions have none.
    pub watermark: Option<String>,
}

/// Asks what happened since a watermark (GetEvents, MS-OXWSNTIF 3.1.4.1).
#[derive(Clone, Debug)]
pub struct GetEvents {
    /// The subscription.
    pub subscription_id: String,
    /// Where the last answer ended.
    pub watermark: String,
}

/// Ends a subscription (Unsubscribe, MS-OXWSNTIF 3.1.4.4).
#[derive(Clone, Debug)]
pub struct Unsubscribe {
    /// The subscription.
    pub subscription_id: String,
}

/// Something that happened (`BaseNotificationEventType` and what is made of it, MS-OXWSNTIF
/// 2.2.4.4). Servers fill in what applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Where to continue after it.
    pub watermark: Option<String>,
    /// When, in UTC.
    pub time: Option<Timestamp>,
    /// To which item.
    pub item: Option<ItemId>,
    /// To which folder.
    pub folder: Option<FolderId>,
    /// Where the item or folder lies.
    pub parent: Option<FolderId>,
    /// What was moved or copied.
    pub old_item: Option<ItemId>,
    /// What was moved or copied.
    pub old_folder: Option<FolderId>,
    /// From where.
    pub old_parent: Option<FolderId>,
    /// The folder's unread items, for a changed folder.
    pub unread_count: Option<u64>,
}

/// What one subscription has to tell (`NotificationType`, MS-OXWSNTIF 2.2.4.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The subscription.
    pub subscription_id: String,
    /// The watermark asked with.
    pub previous_watermark: Option<String>,
    /// Whether there is more right now.
    pub more_events: bool,
    /// The events in order; kinds this client does not know are left out.
    pub events: Vec<Event>,
}

impl Notification {
    /// Where to continue: the last event's watermark, or the one asked with.
    pub fn watermark(&self) -> Option<&str> {
        let mut events = self.events.iter().rev();
        let last = events.find_map(|event| event.watermark.as_deref());
        last.or(self.previous_watermark.as_deref())
    }
}

impl Operation for Subscribe {
    const NAME: &'static str = "Subscribe";
    // A second subscription would only wait for its end, but it counts against a limit.
    const IDEMPOTENT: bool = false;
    type Answer = Subscription;

    fn validate(&self) -> Result<()> {
        require(
            !self.events.is_empty() && !self.events.contains(&EventKind::StatusEvent),
            "no event, or the StatusEvent, subscribed to",
        )?;
        match &self.delivery {
            Delivery::Pull {
                timeout_minutes, ..
            } => require(
                (1..=MAX_SUBSCRIPTION_MINUTES).contains(timeout_minutes),
                "timeout_minutes must be 1 to 1440",
            ),
            Delivery::Streaming => Ok(()),
        }
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:Subscribe").open(match self.delivery {
            Delivery::Pull { .. } => "m:PullSubscriptionRequest",
            Delivery::Streaming => "m:StreamingSubscriptionRequest",
        });
        if self.folders.is_empty() {
            writer.attribute("SubscribeToAllFolders", "true");
        } else {
            element::folder_refs(writer, "t:FolderIds", &self.folders);
        }
        writer.open("t:EventTypes");
        for event in &self.events {
            writer.leaf("t:EventType", event);
        }
        writer.close();
        if let Delivery::Pull {
            timeout_minutes,
            watermark,
        } = &self.delivery
        {
            if let Some(watermark) = watermark {
                writer.leaf("t:Watermark", watermark);
            }
            writer.leaf("t:Timeout", timeout_minutes);
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let id = answer::required(message, "SubscriptionId")?.text().trim();
        let watermark = message.child_text("Watermark").map(str::trim);
        Ok(Subscription {
            id: id.to_owned(),
            watermark: watermark.filter(|w| !w.is_empty()).map(str::to_owned),
        })
    }
}

impl Operation for GetEvents {
    const NAME: &'static str = "GetEvents";
    const IDEMPOTENT: bool = true;
    type Answer = Notification;

    fn validate(&self) -> Result<()> {
        require(!self.subscription_id.is_empty(), "no subscription given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:GetEvents")
            .leaf("m:SubscriptionId", &self.subscription_id)
            .leaf("m:Watermark", &self.watermark)
            .close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let node = message.child("Notification");
        let node = node.ok_or_else(|| Error::protocol("an answer without its Notification"))?;
        Ok(notification(node))
    }
}

impl Operation for Unsubscribe {
    const NAME: &'static str = "Unsubscribe";
    // A repeat finds the subscription gone.
    const IDEMPOTENT: bool = false;
    type Answer = ();

    fn validate(&self) -> Result<()> {
        require(!self.subscription_id.is_empty(), "no subscription given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:Unsubscribe")
            .leaf("m:SubscriptionId", &self.subscription_id)
            .close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::single(response).map(drop)
    }
}

/// Reads a `Notification` element.
pub(super) fn notification(node: Node<'_>) -> Notification {
    let text = |name| node.child_text(name).map(|text| text.trim().to_owned());
    Notification {
        subscription_id: text("SubscriptionId").unwrap_or_default(),
        previous_watermark: text("PreviousWatermark"),
        more_events: node.child_bool("MoreEvents").unwrap_or(false),
        events: node.children().filter_map(event).collect(),
    }
}

fn event(node: Node<'_>) -> Option<Event> {
    let kind = EventKind::parse(node.name())?;
    let item = |name| node.child(name).and_then(answer::item_id);
    let folder = |name| node.child(name).and_then(answer::folder_id);
    let watermark = node.child_text("Watermark").map(str::trim);
    Some(Event {
        kind,
        watermark: watermark.map(str::to_owned),
        time: node.child_text("TimeStamp").and_then(time::parse),
        item: item("ItemId"),
        folder: folder("FolderId"),
        parent: folder("ParentFolderId"),
        old_item: item("OldItemId"),
        old_folder: folder("OldFolderId"),
        old_parent: folder("OldParentFolderId"),
        unread_count: node.child_value("UnreadCount"),
    })
}
