//! ExportItems (MS-OXWSBTRF 3.1.4.1): native streams, made while they are sent.

use std::cell::Cell;
use std::sync::Arc;

use axum::body::Bytes;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

use super::answer::{begin_success, subject_of, write_failure};
use super::{Context, Failure, Reply};
use crate::export::ExportStream;
use crate::id::change_key;
use crate::item::{item_class, key_kind};
use crate::public_folders::Route;
use crate::shape::write_id;
use crate::sim::{Mailbox, World};
use crate::soap::{self, Fault};
use crate::stats::InFlight;
use crate::xml::{Element, XmlWriter};

/// Answers up to this size are sent whole, with a Content-Length.
const WHOLE_BYTES: usize = 2 * 1024 * 1024;
/// Bytes collected before a piece is sent.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces on their way to the network.
const PIECES_AHEAD: usize = 4;
/// What stands at the end of data that the server cut short.
const TRUNCATED: &str = "=== Truncated Data ===";
const OPERATION: &str = "ExportItems";

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let ids = request.required_list("ItemIds")?;
    let ids: Vec<String> = ids
        .iter()
        .map(|id| id.attr("Id").unwrap_or_default().to_owned())
        .collect();
    let mut export = ExportReply::new(context, ids);
    let mut whole = Vec::new();
    while whole.len() < WHOLE_BYTES {
        match export.next_piece() {
            Some(piece) if whole.is_empty() => whole = piece,
            Some(piece) => whole.extend_from_slice(&piece),
            None => return Ok(Reply::Whole(whole)),
        }
    }
    export.first = whole;
    Ok(Reply::Export(Box::new(export)))
}

/// An answer to ExportItems that is being made.
pub(crate) struct ExportReply {
    world: Arc<World>,
    mailbox: Option<Mailbox>,
    inner_busy: Option<u64>,
    ids_in_time: Cell<Option<u32>>,
    route: Route,
    ids: std::vec::IntoIter<String>,
    current: Option<Current>,
    /// Pieces made before it was clear that there are many.
    first: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Items,
    Done,
}

/// The item being sent.
struct Current {
    id: String,
    stream: ExportStream,
    /// Bytes not yet encoded: base64 takes three at a time.
    carry: Vec<u8>,
    sent: u64,
    /// Where the data ends early, on purpose.
    cut_at: Option<u64>,
}

impl ExportReply {
    fn new(context: &Context<'_>, ids: Vec<String>) -> ExportReply {
        ExportReply {
            world: Arc::clone(context.world),
            mailbox: context.mailbox.clone(),
            inner_busy: context.inner_busy,
            ids_in_time: context.ids_in_time.clone(),
            route: context.route.clone(),
            ids: ids.into_iter(),
            current: None,
            first: Vec::new(),
            stage: Stage::Begin,
        }
    }

    /// Sends the rest piece by piece. The request counts as answered just before its last piece
    /// goes out, so that a client's next request never overlaps it in the counters.
    pub(crate) fn into_stream(
        mut self,
        world: Arc<World>,
        in_flight: InFlight,
    ) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let first = std::mem::take(&mut self.first);
        tokio::task::spawn_blocking(move || {
            let mut in_flight = Some(in_flight);
            let mut piece = Some(first);
            while let Some(bytes) = piece {
                world
                    .recorder
                    .record(|stats| stats.bytes_out += bytes.len() as u64);
                piece = self.next_piece();
                if piece.is_none() {
                    in_flight.take();
                }
                // The receiver is gone when the client is.
                if sender.blocking_send(Ok(Bytes::from(bytes))).is_err() {
                    return;
                }
            }
        });
        Box::pin(futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (piece, receiver))
        }))
    }

    /// Makes the next bytes of the answer; `None` at its end.
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        if self.stage == Stage::Done {
            return None;
        }
        let mut w = XmlWriter::new();
        if self.stage == Stage::Begin {
            soap::begin_response(&mut w, self.world.version, OPERATION);
            self.stage = Stage::Items;
        }
        while w.raw().len() < PIECE_BYTES {
            if let Some(current) = &mut self.current {
                if current.write_some(&mut w) {
                    self.world.recorder.exported(&current.id, current.sent);
                    self.current = None;
                }
                continue;
            }
            let Some(id) = self.ids.next() else {
                soap::finish_response(&mut w, OPERATION);
                self.stage = Stage::Done;
                break;
            };
            match self.begin_item(&mut w, id) {
                Ok(current) => self.current = Some(current),
                Err(failure) => write_failure(&mut w, OPERATION, &failure),
            }
        }
        Some(w.into_bytes())
    }

    /// Looks an item up and writes what comes before its data.
    fn begin_item(&self, w: &mut XmlWriter, id: String) -> Result<Current, Failure> {
        let context = Context {
            world: &self.world,
            mailbox: self.mailbox.clone(),
            account: "",
            operation: OPERATION,
            inner_busy: self.inner_busy,
            ids_in_time: self.ids_in_time.clone(),
            may_discover: false,
            route: &self.route,
        };
        let in_time = context.take_time();
        self.ids_in_time.set(context.ids_in_time.get());
        in_time?;
        if let Some(back_off_ms) = self.inner_busy {
            return Err(Failure::busy(back_off_ms));
        }
        let found = context.item_by_id(&id)?;
        let message = found.item.message();
        let truncate = context.item_fault(&id, &subject_of(&message))?;
        let kind = key_kind(&item_class(&message));
        let stream = ExportStream::new(&found.item);
        begin_success(w, "m:ExportItemsResponseMessage");
        let key = change_key(kind, found.store.guid, found.item.change());
        write_id(w, "m:ItemId", &id, &key);
        w.start("m:Data");
        w.raw();
        let cut_at = truncate.then(|| stream.len() / 2);
        Ok(Current {
            id,
            stream,
            carry: Vec::new(),
            sent: 0,
            cut_at,
        })
    }
}

impl Current {
    /// Writes some of the data; `true` when the item is complete.
    fn write_some(&mut self, w: &mut XmlWriter) -> bool {
        if self.cut_at.is_some_and(|cut_at| self.sent >= cut_at) {
            w.raw().push_str(TRUNCATED);
            self.finish(w);
            return true;
        }
        match self.stream.next() {
            Some(frame) => {
                self.sent += frame.len() as u64;
                self.carry.extend_from_slice(&frame);
                let whole = self.carry.len() / 3 * 3;
                base64_simd::STANDARD.encode_append(&self.carry[..whole], w.raw());
                self.carry.drain(..whole);
                false
            }
            None => {
                base64_simd::STANDARD.encode_append(&self.carry, w.raw());
                self.finish(w);
                true
            }
        }
    }

    fn finish(&mut self, w: &mut XmlWriter) {
        self.carry.clear();
        w.raw().push_str("</m:Data></m:ExportItemsResponseMessage>");
    }
}
