//! Hearing of changes as they happen: one connection for the streaming subscriptions of many
//! mailboxes.

use std::collections::{BTreeSet, HashMap};

use ews_client::{
    Access, Affinity, BaseShape, Client, Delivery, DistinguishedFolder, EventKind, EventStream,
    FolderShape, GetFolder, StreamEvent, Subscribe,
};
use futures::{StreamExt, stream};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::source::{Exchange, says_unknown};

/// Minutes that a connection is asked to last: the longest that servers allow.
const CONNECTION_MINUTES: u32 = 30;
/// Subscriptions made at the same time for one connection.
const SUBSCRIBING_AT_ONCE: usize = 4;
/// Most mailboxes whose subscriptions one connection carries: Exchange takes 200.
pub const MAX_LISTENED: usize = 200;

/// Everything that makes an item or a folder other than it was.
const EVENTS: [EventKind; 6] = [
    EventKind::CopiedEvent,
    EventKind::CreatedEvent,
    EventKind::DeletedEvent,
    EventKind::ModifiedEvent,
    EventKind::MovedEvent,
    EventKind::NewMailEvent,
];

/// What a [`Listening`] hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A connection stands, the first one or another.
    Connected,
    /// Something happened in these mailboxes.
    Changed(Vec<String>),
    /// A connection broke, or the server forgot the subscriptions of these mailboxes and has new
    /// ones: what happened in between is not known.
    Missed(Vec<String>),
}

/// One connection that listens to many mailboxes.
pub struct Listening {
    exchange: Exchange,
    affinity: Affinity,
    stream: EventStream,
    /// Mailboxes by subscription.
    mailboxes: HashMap<String, String>,
    refused: Vec<(String, Error)>,
}

impl Exchange {
    /// The mailbox server that a mailbox lies on, where the server in front tells.
    ///
    /// # Errors
    /// As [`Exchange::look_at_mailbox`].
    pub async fn mailbox_server(&self, mailbox: &str) -> Result<Option<String>> {
        let affinity = Affinity::new();
        let client = anchored(self, &affinity, mailbox, mailbox);
        let request = GetFolder {
            shape: FolderShape::new(BaseShape::IdOnly),
            ids: vec![DistinguishedFolder::Inbox.into()],
        };
        let asked = client.get_folder(&request).await;
        asked.doing(|| format!("open {mailbox}"))?;
        Ok(affinity.server())
    }

    /// Subscribes to changes in mailboxes, [`MAX_LISTENED`] at most. All of them should lie on one
    /// mailbox server, as far as that is known; the first one is the anchor. Mailboxes that cannot
    /// be subscribed to are told by [`Listening::take_refused`].
    ///
    /// # Errors
    /// `Unsupported` from a server that knows no notifications, `Invalid` for too many mailboxes or
    /// none, otherwise the last reason if no mailbox at all could be subscribed to.
    pub async fn listen(&self, mailboxes: &[String]) -> Result<Listening> {
        let Some(anchor) = mailboxes
            .first()
            .filter(|_| mailboxes.len() <= MAX_LISTENED)
        else {
            let message = format!("one connection listens to 1 to {MAX_LISTENED} mailboxes");
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let affinity = Affinity::new();
        let (found, mut refused) = subscribe(self, &affinity, anchor, mailboxes).await;
        if found.is_empty() {
            let error = refused.pop().map(|(_, error)| error);
            let none = || Error::new(ErrorKind::Internal, "there is no subscription");
            return Err(error.unwrap_or_else(none));
        }
        let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
        let client = anchored(self, &affinity, anchor, anchor);
        let stream = client
            .stream_events(ids, CONNECTION_MINUTES)
            .doing(|| "listen to changes".into())?;
        Ok(Listening {
            exchange: self.clone(),
            affinity,
            stream,
            mailboxes: found.into_iter().collect(),
            refused,
        })
    }
}

impl Listening {
    /// The next thing to know. Connects again whenever a connection ends, and subscribes again
    /// whenever the server forgets.
    ///
    /// # Errors
    /// If the server cannot be reached or wants no listeners; the listening is over then, and what
    /// happens from now on is not known.
    ///
    /// # Cancellation
    /// Dropping the future ends the listening.
    pub async fn next(&mut self) -> Result<News> {
        loop {
            let event = self.stream.next().await;
            match event.doing(|| "listen to changes".into())? {
                Some(StreamEvent::Connected) => return Ok(News::Connected),
                Some(StreamEvent::Notification(told)) => {
                    if told
                        .events
                        .iter()
                        .all(|event| event.kind == EventKind::StatusEvent)
                    {
                        continue;
                    }
                    if let Some(mailbox) = self.mailboxes.get(&told.subscription_id) {
                        return Ok(News::Changed(vec![mailbox.clone()]));
                    }
                }
                Some(StreamEvent::Lost(ids)) => return self.renew(&ids).await,
                Some(StreamEvent::Broken) => {
                    return Ok(News::Missed(self.mailboxes.values().cloned().collect()));
                }
                // An event this program does not know carries nothing it needs.
                Some(_) => {}
                None => {
                    let message = "no subscription is left";
                    return Err(Error::new(ErrorKind::NotFound, message));
                }
            }
        }
    }

    /// Mailboxes that could not be subscribed to since this was last asked, with the reasons.
    pub fn take_refused(&mut self) -> Vec<(String, Error)> {
        std::mem::take(&mut self.refused)
    }

    /// How many mailboxes are listened to.
    pub fn mailboxes(&self) -> usize {
        self.mailboxes.len()
    }

    async fn renew(&mut self, lost: &[String]) -> Result<News> {
        let gone = lost.iter().filter_map(|id| self.mailboxes.remove(id));
        let gone: Vec<String> = gone.collect::<BTreeSet<_>>().into_iter().collect();
        let Some(anchor) = self.mailboxes.values().next().or(gone.first()).cloned() else {
            return Ok(News::Missed(gone));
        };
        let (found, refused) = subscribe(&self.exchange, &self.affinity, &anchor, &gone).await;
        self.stream.add(found.iter().map(|(id, _)| id.clone()));
        self.mailboxes.extend(found);
        self.refused.extend(refused);
        Ok(News::Missed(gone))
    }
}

type Subscribed = (Vec<(String, String)>, Vec<(String, Error)>);

/// Subscriptions with their mailboxes, and mailboxes without one.
async fn subscribe(
    exchange: &Exchange,
    affinity: &Affinity,
    anchor: &str,
    mailboxes: &[String],
) -> Subscribed {
    let one = |mailbox: String| async move {
        let request = Subscribe {
            delivery: Delivery::Streaming,
            folders: Vec::new(),
            events: EVENTS.to_vec(),
        };
        let client = anchored(exchange, affinity, anchor, &mailbox);
        let subscribed = client.subscribe(&request).await;
        (mailbox, subscribed)
    };
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    // The first answer says which server all the others go to.
    let (first, rest) = mailboxes.split_at(mailboxes.len().min(1));
    for (part, at_once) in [(first, 1), (rest, SUBSCRIBING_AT_ONCE)] {
        let mut answers = stream::iter(part.to_vec()).map(one).buffered(at_once);
        while let Some((mailbox, subscribed)) = answers.next().await {
            match subscribed {
                Ok(subscription) => found.push((subscription.id, mailbox)),
                Err(error) if says_unknown(&error) => {
                    // The others would hear the same.
                    let kind = ErrorKind::Unsupported;
                    let message = "the server does not tell of changes";
                    refused.push((mailbox, Error::with_source(kind, message, error)));
                    return (found, refused);
                }
                Err(error) => {
                    let kind = crate::error::kind_of_ews(error.kind());
                    let message = format!("subscribe to changes in {mailbox}");
                    refused.push((mailbox, Error::with_source(kind, message, error)));
                }
            }
        }
    }
    (found, refused)
}

/// A client that works in a mailbox and asks the anchor's server.
fn anchored(exchange: &Exchange, affinity: &Affinity, anchor: &str, mailbox: &str) -> Client {
    let client = exchange.mailbox(mailbox).with_affinity(affinity.clone());
    match client.access() {
        // The account's own mailbox needs nobody to say where it lies, unless it goes with others.
        Access::Own if mailbox.eq_ignore_ascii_case(anchor) => client,
        _ => client.routed(ews_client::Routing {
            anchor_mailbox: Some(anchor.to_owned()),
            ..ews_client::Routing::default()
        }),
    }
}
