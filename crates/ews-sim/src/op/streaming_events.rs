//! GetStreamingEvents (MS-OXWSNTIF 3.1.4.4): envelope after envelope on one connection.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::stream::{BoxStream, StreamExt as _};

use super::answer::begin_success;
use super::subscribe::find;
use super::{Context, Reply};
use crate::sim::World;
use crate::soap::{self, Fault};
use crate::stats::{InFlight, OpenStream};
use crate::xml::{Element, XmlWriter};

const OPERATION: &str = "GetStreamingEvents";
const MESSAGE: &str = "m:GetStreamingEventsResponseMessage";
/// How often the logs are looked at.
const LOOK: Duration = Duration::from_millis(40);
/// The same for a connection with more subscriptions than this.
const LARGE: usize = 20;
const LARGE_LOOK: Duration = Duration::from_millis(500);
/// How often a quiet connection shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A connection that tells events.
pub(crate) struct EventsReply {
    world: Arc<World>,
    ids: Vec<String>,
    /// The number under which this connection listens to each subscription.
    connections: Vec<u64>,
    lifetime: Duration,
    _open: OpenStream,
    /// What goes out first.
    first: Option<Vec<u8>>,
}

/// How a connection goes on after a look at the logs.
enum Look {
    Nothing,
    News(Vec<u8>),
    Last(Vec<u8>),
}

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let minutes = request.child_text("ConnectionTimeout").map(str::parse);
    let Some(Ok(minutes @ 1..=30)) = minutes else {
        return Err(Fault::schema(
            "'ConnectionTimeout' must be between 1 and 30.",
        ));
    };
    let ids = request.required_list("SubscriptionIds")?.iter();
    let ids: Vec<String> = ids.map(|id| id.text.trim().to_owned()).collect();
    let is_streaming = |id: &&String| find(context, id).is_ok_and(|found| found.is_streaming);
    let wrong: Vec<&String> = ids.iter().filter(|id| !is_streaming(id)).collect();
    if !wrong.is_empty() {
        return Ok(Reply::Whole(lost(context.world, &wrong)));
    }
    let open = context
        .world
        .recorder
        .open_stream(context.world.max_streams);
    let Some(open) = open else {
        return Err(Fault::new(
            "ErrorExceededConnectionCount",
            "You have exceeded the available concurrent connections for your account.",
        ));
    };
    let mut connections = Vec::new();
    for id in &ids {
        context.world.subscriptions.change(id, |subscription| {
            subscription.connection += 1;
            connections.push(subscription.connection);
        });
    }
    Ok(Reply::Events(Box::new(EventsReply {
        world: Arc::clone(context.world),
        ids,
        connections,
        _open: open,
        lifetime: context.world.event_minute.saturating_mul(minutes),
        first: Some(status(context.world, "OK")),
    })))
}

impl EventsReply {
    /// Sends envelopes until the connection's time is over or a subscription ends.
    pub(crate) fn into_stream(
        self,
        in_flight: InFlight,
    ) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
        // The request is answered; what follows is news.
        drop(in_flight);
        let started = tokio::time::Instant::now();
        futures::stream::unfold(Some((self, started)), move |state| async move {
            let (mut reply, heard) = state?;
            if let Some(first) = reply.first.take() {
                return Some((Ok(Bytes::from(first)), Some((reply, heard))));
            }
            loop {
                if started.elapsed() >= reply.lifetime {
                    let closed = status(&reply.world, "Closed");
                    return Some((Ok(Bytes::from(closed)), None));
                }
                match reply.look() {
                    Look::News(bytes) => {
                        let now = tokio::time::Instant::now();
                        return Some((Ok(Bytes::from(bytes)), Some((reply, now))));
                    }
                    Look::Last(bytes) => return Some((Ok(Bytes::from(bytes)), None)),
                    Look::Nothing if heard.elapsed() >= HEARTBEAT => {
                        let bytes = status(&reply.world, "OK");
                        let now = tokio::time::Instant::now();
                        return Some((Ok(Bytes::from(bytes)), Some((reply, now))));
                    }
                    Look::Nothing if reply.ids.len() > LARGE => {
                        tokio::time::sleep(LARGE_LOOK).await;
                    }
                    Look::Nothing => tokio::time::sleep(LOOK).await,
                }
            }
        })
        .boxed()
    }

    fn look(&self) -> Look {
        let mut notifications = XmlWriter::new();
        for (id, connection) in self.ids.iter().zip(&self.connections) {
            if self.world.subscriptions.is_quiet(id, *connection) {
                continue;
            }
            let Some(found) = self.world.subscriptions.get(id) else {
                return Look::Last(lost(&self.world, &[id]));
            };
            if found.connection != *connection {
                return Look::Last(replaced(&self.world));
            }
            let mut events = XmlWriter::new();
            let told = found.write_events(&mut events, found.position);
            let position = told.until;
            let moved = |subscription: &mut crate::subscription::Subscription| {
                subscription.position = position;
            };
            self.world.subscriptions.change(id, moved);
            if told.count > 0 {
                notifications.start("t:Notification");
                notifications.leaf("t:SubscriptionId", id);
                notifications.raw().push_str(events.raw());
                notifications.end("t:Notification");
            }
        }
        if notifications.raw().is_empty() {
            return Look::Nothing;
        }
        Look::News(envelope(&self.world, |w| {
            begin_success(w, MESSAGE);
            w.start("m:Notifications");
            w.raw().push_str(notifications.raw());
            w.end("m:Notifications");
        }))
    }
}

fn envelope(world: &World, message: impl FnOnce(&mut XmlWriter)) -> Vec<u8> {
    let mut w = XmlWriter::new();
    soap::begin_response(&mut w, world.version, OPERATION);
    message(&mut w);
    w.end(MESSAGE);
    soap::finish_response(&mut w, OPERATION);
    let bytes = w.into_bytes();
    world
        .recorder
        .record(|stats| stats.bytes_out += bytes.len() as u64);
    bytes
}

fn status(world: &World, status: &str) -> Vec<u8> {
    envelope(world, |w| {
        begin_success(w, MESSAGE);
        w.leaf("m:ConnectionStatus", status);
    })
}

fn error(w: &mut XmlWriter, code: &str, text: &str) {
    w.start(MESSAGE);
    w.attr("ResponseClass", "Error");
    w.leaf("m:MessageText", text);
    w.leaf("m:ResponseCode", code);
    w.leaf("m:DescriptiveLinkKey", "0");
}

/// Subscriptions are gone, or were never there.
fn lost(world: &World, ids: &[&String]) -> Vec<u8> {
    envelope(world, |w| {
        error(
            w,
            "ErrorInvalidSubscription",
            "A subscription was not found.",
        );
        w.start("m:ErrorSubscriptionIds");
        for id in ids {
            w.leaf("t:SubscriptionId", id);
        }
        w.end("m:ErrorSubscriptionIds");
    })
}

/// Another connection listens to the same subscription.
fn replaced(world: &World) -> Vec<u8> {
    envelope(world, |w| {
        error(
            w,
            "ErrorNewEventStreamConnectionOpened",
            "Another connection was opened for the subscription.",
        );
        w.leaf("m:ConnectionStatus", "Closed");
    })
}
