//! GetStreamingEvents (MS-OXWSNTIF 3.1.4.2): one answer that goes on for minutes, an envelope for
//! each piece of news.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;

use crate::answer;
use crate::body::Body;
use crate::client::Client;
use crate::envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ItemError;
use crate::op::subscribe::notification;
use crate::op::{Notification, Operation, require};
use crate::response_code::ResponseCode;
use crate::version::SchemaVersion;
use crate::xml::{Document, Node, Writer};

/// Longest connection a server allows, in minutes
/// (`StreamingSubscriptionConnectionTimeoutType`).
pub const MAX_CONNECTION_MINUTES: u32 = 30;
/// Largest single envelope of a stream, in bytes: thousands of events.
const MAX_ENVELOPE_BYTES: usize = 16 << 20;
/// Connections in a row that may end without a single message.
const MAX_SILENT_CONNECTIONS: u32 = 3;
/// Pause after the first connection that broke; the next ones wait twice as long each.
const RECONNECT_WAIT: Duration = Duration::from_secs(2);

/// The request.
#[derive(Clone, Debug)]
pub(crate) struct GetStreamingEvents {
    pub(crate) subscription_ids: Vec<String>,
    pub(crate) connection_minutes: u32,
}

impl Operation for GetStreamingEvents {
    const NAME: &'static str = "GetStreamingEvents";
    const IDEMPOTENT: bool = true;
    const STREAMING: bool = true;
    /// Not used: the answer is read envelope by envelope.
    type Answer = ();

    fn validate(&self) -> Result<()> {
        require(!self.subscription_ids.is_empty(), "no subscription given")?;
        require(
            (1..=MAX_CONNECTION_MINUTES).contains(&self.connection_minutes),
            "connection_minutes must be 1 to 30",
        )
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:GetStreamingEvents")
            .open("m:SubscriptionIds");
        for id in &self.subscription_ids {
            writer.leaf("t:SubscriptionId", id);
        }
        writer
            .close()
            .leaf("m:ConnectionTimeout", self.connection_minutes)
            .close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::single(response).map(drop)
    }
}

/// What a stream of events tells (MS-OXWSNTIF 3.1.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// A connection stands, the first one or another: servers end each after some minutes.
    Connected,
    /// Something happened.
    Notification(Notification),
    /// A connection broke: what it was about to tell may be lost, so sync. Another one follows.
    Broken,
    /// These subscriptions are gone: subscribe again, and sync, since events were missed.
    Lost(Vec<String>),
}

/// Events as they happen, over one connection after the other (GetStreamingEvents, MS-OXWSNTIF
/// 3.1.4.2).
///
/// # Cancellation
///
/// Dropping [`EventStream::next`] loses nothing that was not returned yet. Dropping the stream
/// gives its connection up; its subscriptions live on until they are ended or the server forgets
/// them.
pub struct EventStream {
    client: Client,
    request: GetStreamingEvents,
    connection: Option<Connection>,
    waiting: std::collections::VecDeque<StreamEvent>,
    /// Connections in a row that broke or ended without a message.
    silent: u32,
}

struct Connection {
    body: Body,
    buffer: BytesMut,
    /// How much of the buffer holds no end of an envelope.
    searched: usize,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("subscriptions", &self.request.subscription_ids)
            .finish_non_exhaustive()
    }
}

impl EventStream {
    pub(crate) fn new(client: Client, request: GetStreamingEvents) -> EventStream {
        EventStream {
            client,
            request,
            connection: None,
            waiting: std::collections::VecDeque::new(),
            silent: 0,
        }
    }

    /// The next thing to know; `None` once every subscription is lost. Connects again whenever a
    /// connection ends.
    ///
    /// # Errors
    ///
    /// Those of any call while connecting; `Interrupted` once three connections in a row ended
    /// without a word; what the server answers instead of events.
    pub async fn next(&mut self) -> Result<Option<StreamEvent>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            if self.request.subscription_ids.is_empty() {
                return Ok(None);
            }
            let Some(connection) = &mut self.connection else {
                self.connect().await?;
                return Ok(Some(StreamEvent::Connected));
            };
            match connection.envelope().await {
                Ok(Some(text)) => self.take(&text)?,
                // Servers say so before they end a connection themselves.
                Ok(None) => return Ok(Some(self.broke())),
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Timeout) =>
                {
                    tracing::debug!(%error, "the stream of events broke");
                    return Ok(Some(self.broke()));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Listens to more subscriptions from the next connection on, which is made at once where none
    /// stands: right after [`StreamEvent::Lost`], for those that take the place of the lost ones.
    pub fn add(&mut self, subscription_ids: impl IntoIterator<Item = String>) {
        self.request.subscription_ids.extend(subscription_ids);
    }

    fn broke(&mut self) -> StreamEvent {
        self.connection = None;
        StreamEvent::Broken
    }

    async fn connect(&mut self) -> Result<()> {
        if self.silent >= MAX_SILENT_CONNECTIONS {
            let text = format!("{MAX_SILENT_CONNECTIONS} streams of events ended without a word");
            return Err(Error::new(ErrorKind::Interrupted, text));
        }
        if self.silent > 1 {
            let wait = RECONNECT_WAIT * (1 << (self.silent - 2).min(8));
            self.client.sleep(wait).await;
        }
        self.silent += 1;
        let body = self.client.open_events(&self.request).await?;
        self.connection = Some(Connection {
            body,
            buffer: BytesMut::new(),
            searched: 0,
        });
        Ok(())
    }

    /// Reads one envelope of the stream.
    fn take(&mut self, text: &Bytes) -> Result<()> {
        let text = String::from_utf8_lossy(text);
        let document = Document::parse(&text)?;
        let response = envelope::response(&document)?;
        self.silent = 0;
        for message in answer::messages(response) {
            let lost: Vec<String> = message
                .child("ErrorSubscriptionIds")
                .into_iter()
                .flat_map(Node::children)
                .map(|id| id.text().trim().to_owned())
                .collect();
            match answer::outcome(message) {
                Ok(_) => {}
                Err(error) if lost.is_empty() => self.refused(error)?,
                Err(error) => tracing::debug!(%error, "subscriptions are gone"),
            }
            if !lost.is_empty() {
                self.lose(lost);
            }
            let list = message.child("Notifications").into_iter();
            let list = list.flat_map(Node::children).map(notification);
            self.waiting.extend(list.map(StreamEvent::Notification));
            let status = message.child_text("ConnectionStatus").map(str::trim);
            if status == Some("Closed") {
                self.connection = None;
            }
        }
        Ok(())
    }

    /// A server that has lost the only subscription does not always name it.
    fn refused(&mut self, error: ItemError) -> Result<()> {
        match error.code {
            ResponseCode::ErrorSubscriptionNotFound
            | ResponseCode::ErrorExpiredSubscription
            | ResponseCode::ErrorInvalidSubscription
            | ResponseCode::ErrorSubscriptionUnsubscribed
            | ResponseCode::ErrorMissedNotificationEvents
            | ResponseCode::ErrorReadEventsFailed => {
                let all = self.request.subscription_ids.clone();
                self.lose(all);
                Ok(())
            }
            // Another connection took over; ours ends.
            _ => Err(error.into_error()),
        }
    }

    fn lose(&mut self, lost: Vec<String>) {
        let ids = &mut self.request.subscription_ids;
        ids.retain(|id| !lost.contains(id));
        self.connection = None;
        self.waiting.push_back(StreamEvent::Lost(lost));
    }
}

impl Connection {
    /// The next whole envelope; `None` at the end.
    async fn envelope(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(end) = end_of_envelope(&self.buffer, self.searched) {
                self.searched = 0;
                return Ok(Some(self.buffer.split_to(end).freeze()));
            }
            self.searched = self.buffer.len();
            let Some(piece) = self.body.next().await else {
                let rest = trimmed(&self.buffer);
                if rest.is_empty() {
                    return Ok(None);
                }
                self.buffer.clear();
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    "the stream of events ended inside an envelope",
                ));
            };
            self.buffer.extend_from_slice(&piece?);
            if self.searched == 0 {
                // Space between envelopes keeps connections alive and must not pile up.
                let space = self.buffer.len() - trimmed(&self.buffer).len();
                self.buffer.advance(space);
            }
            if self.buffer.len() > MAX_ENVELOPE_BYTES {
                return Err(Error::protocol("an envelope of the stream is too long"));
            }
        }
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.trim_ascii_start();
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// Where the first envelope ends. Text cannot hold `</`, so the end tag can be looked for alone.
fn end_of_envelope(bytes: &[u8], searched: usize) -> Option<usize> {
    const NAME: &[u8] = b"Envelope";
    /// Longest end tag looked for: its start may lie before what was searched.
    const LONGEST_TAG: usize = 64;
    let mut at = searched.saturating_sub(LONGEST_TAG);
    while let Some(open) = find(bytes.get(at..)?, b"</") {
        let start = at + open + 2;
        let close = bytes.get(start..)?.iter().position(|&byte| byte == b'>')?;
        let name = bytes.get(start..start + close)?.trim_ascii_end();
        let local = name.rsplit(|&byte| byte == b':').next().unwrap_or(name);
        if local == NAME {
            return Some(start + close + 1);
        }
        at = start;
    }
    None
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
