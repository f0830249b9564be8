//! ExportItems (MS-OXWSBTRF 3.1.4.1): the answer is read while it arrives.

use std::collections::VecDeque;

use bytes::Bytes;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use tokio::io::AsyncBufReadExt;

use crate::answer;
use crate::base64_stream::Decoder;
use crate::body::BodyReader;
use crate::client::ServerNotes;
use crate::element;
use crate::envelope;
use crate::error::{Error, ErrorKind, Result, quote};
use crate::model::{ItemError, ItemId};
use crate::op::{Operation, require};
use crate::response_code::ResponseCode;
use crate::throttle::Permit;
use crate::version::SchemaVersion;
use crate::xml::{Document, MAX_DEPTH, Node, Writer};

/// Longest text handed to the decoder at once, in bytes; three quarters of it come out.
const MAX_PIECE_BYTES: usize = 64 << 10;
/// Longest part of an answer besides the payloads kept at once: ids and error texts are short.
const MAX_SIDE_BYTES: usize = 256 << 10;

/// The request; its answer goes through [`ExportStream`].
#[derive(Clone, Debug)]
pub(crate) struct ExportItems(pub(crate) Vec<ItemId>);

impl Operation for ExportItems {
    const NAME: &'static str = "ExportItems";
    const IDEMPOTENT: bool = true;
    type Answer = ();

    fn validate(&self) -> Result<()> {
        require(!self.0.is_empty(), "no item id given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:ExportItems");
        element::item_ids(writer, "m:ItemIds", &self.0);
        writer.close();
    }

    fn read(&self, _response: Node<'_>) -> Result<()> {
        Ok(())
    }
}

/// A step of an export (MS-OXWSBTRF 3.1.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportEvent {
    /// An item begins: the id as it was requested, with the change key of the version sent.
    Start(ItemId),
    /// The next bytes of its native stream, at most 64 KiB.
    Data(Bytes),
    /// It is complete: every byte arrived and was valid.
    End,
    /// It could not be exported, or broke off after `Start`: forget its bytes.
    Failed {
        /// The item; `None` only where a server answers for something never requested.
        id: Option<ItemId>,
        /// Why.
        error: ItemError,
    },
}

/// An ExportItems answer under way (MS-OXWSBTRF 3.1.4.1). Takes constant memory whatever the items'
/// size. Dropping it gives its connection up.
///
/// Each requested item yields `Start`, any number of `Data`, `End`; or `Failed`, before or after
/// `Start`. Entries the server passes over in silence yield `Failed` at the end.
pub struct ExportStream {
    reader: Reader<BodyReader>,
    buffer: Vec<u8>,
    requested: Vec<ItemId>,
    answered: Vec<bool>,
    /// The position in the request of the item the last event was about.
    position: usize,
    /// Response messages begun so far.
    messages: usize,
    depth: usize,
    seen_envelope: bool,
    state: State,
    queue: VecDeque<ExportEvent>,
    notes: ServerNotes,
}

enum State {
    /// Around the response messages.
    Outside,
    /// In a response message; holds what was read of it, as XML.
    Message {
        text: String,
        delivered: bool,
    },
    /// In a payload; `None` discards it, as the message reports an error.
    Payload {
        text: String,
        decoder: Option<Decoder>,
    },
    Done,
}

impl std::fmt::Debug for ExportStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ExportStream({} of {} items)",
            self.messages,
            self.requested.len()
        )
    }
}

impl ExportStream {
    pub(crate) fn new(
        body: BodyReader,
        requested: Vec<ItemId>,
        notes: ServerNotes,
    ) -> ExportStream {
        ExportStream {
            reader: Reader::from_reader(body),
            buffer: Vec::new(),
            answered: vec![false; requested.len()],
            requested,
            position: 0,
            messages: 0,
            depth: 0,
            seen_envelope: false,
            state: State::Outside,
            queue: VecDeque::new(),
            notes,
        }
    }

    /// The server has let the request in.
    pub(crate) fn admit(&mut self) {
        self.notes.admit();
    }

    /// Gives the request's place back, to be asked again.
    pub(crate) fn into_permit(self) -> Permit {
        self.notes.into_permit()
    }

    /// The next step; `None` after the last item.
    ///
    /// # Errors
    ///
    /// `Interrupted` or `Timeout` where the connection breaks, `Protocol` where the answer is
    /// malformed, and whatever a fault says. Items that reached `End` before are good; request
    /// the others again. After an error the stream only yields `None`.
    ///
    /// # Cancellation
    ///
    /// A dropped call leaves the stream in an unknown place: drop the stream too.
    pub async fn next(&mut self) -> Result<Option<ExportEvent>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if matches!(self.state, State::Done) {
                return Ok(None);
            }
            if let Err(error) = self.advance().await {
                self.state = State::Done;
                return Err(self.notes.in_call(error));
            }
        }
    }

    /// The position in the request, from 0, of the item that the last event was about.
    pub fn index(&self) -> usize {
        self.position
    }

    /// Reads up to the first event without taking it, and tells if the server turned the whole
    /// request away: as busy, or because it does not know the operation.
    pub(crate) async fn refused(&mut self) -> Result<Option<ItemError>> {
        let Some(event) = self.next().await? else {
            return Ok(None);
        };
        let refused = match &event {
            ExportEvent::Failed { error, .. }
                if envelope::is_refusal(&error.code)
                    || error.code == ResponseCode::ErrorInvalidOperation =>
            {
                Some(error.clone())
            }
            _ => None,
        };
        self.queue.push_front(event);
        Ok(refused)
    }

    async fn advance(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Outside => self.outside().await,
            State::Message { text, delivered } => self.message(text, delivered).await,
            State::Payload { text, decoder } => self.payload(text, decoder).await,
            State::Done => Ok(()),
        }
    }

    async fn outside(&mut self) -> Result<()> {
        self.state = State::Outside;
        match read(&mut self.reader, &mut self.buffer).await? {
            Event::Start(start) => {
                let start = start.into_owned();
                self.enter(&start)?;
                match start.local_name().as_ref() {
                    "Fault" => {
                        let mut text = open_tag(&start);
                        collect(&mut self.reader, &mut text).await?;
                        let document = Document::parse(&text)?;
                        return Err(envelope::fault_error(envelope::read_fault(document.root())));
                    }
                    name if is_message(name) => {
                        self.state = State::Message {
                            text: open_tag(&start),
                            delivered: false,
                        };
                    }
                    _ => self.depth += 1,
                }
            }
            Event::Empty(start) => {
                let start = start.into_owned();
                self.enter(&start)?;
                if is_message(start.local_name().as_ref()) {
                    let text = open_tag(&start);
                    self.end_of_message(text, false)?;
                }
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    // A connection whose answer was read to its end serves the next request.
                    self.reader.get_mut().drain().await;
                    self.finish();
                }
            }
            Event::Text(text)
                if !self.seen_envelope
                    && !text
                        .trim_matches(['\u{FEFF}', ' ', '\r', '\n', '\t'])
                        .is_empty() =>
            {
                let quoted = quote(&text);
                return Err(Error::new(
                    ErrorKind::NotEws,
                    format!("the server sent no XML: {quoted}"),
                ));
            }
            Event::DocType(doctype) => {
                let html = doctype
                    .trim()
                    .get(..4)
                    .is_some_and(|name| name.eq_ignore_ascii_case("html"));
                return Err(if html {
                    Error::new(ErrorKind::NotEws, "the server sent a web page")
                } else {
                    Error::protocol("the answer has a document type")
                });
            }
            Event::Eof if self.seen_envelope => {
                return Err(Error::new(ErrorKind::Interrupted, "the answer ends early"));
            }
            Event::Eof => return Err(Error::new(ErrorKind::NotEws, "the server sent no XML")),
            _ => {}
        }
        Ok(())
    }

    /// Checks an element around the messages.
    fn enter(&mut self, start: &BytesStart<'_>) -> Result<()> {
        let name = start.local_name();
        if !self.seen_envelope && name.as_ref() != "Envelope" {
            return Err(Error::new(
                ErrorKind::NotEws,
                format!(
                    "the server sent a {} document, no SOAP envelope",
                    quote(name.as_ref())
                ),
            ));
        }
        self.seen_envelope = true;
        if self.depth >= MAX_DEPTH {
            return Err(Error::protocol(format!(
                "the answer nests deeper than {MAX_DEPTH} elements"
            )));
        }
        if name.as_ref() == "ServerVersionInfo" {
            let text = format!(
                "{}</x>",
                open_tag(start).replacen(start.name().as_ref(), "x", 1)
            );
            let document = Document::parse(&text)?;
            self.notes.version(envelope::read_server_version(|name| {
                document.root().attribute(name).map(str::to_owned)
            }));
        }
        Ok(())
    }

    async fn message(&mut self, mut text: String, delivered: bool) -> Result<()> {
        match read(&mut self.reader, &mut self.buffer).await? {
            Event::Start(start) if start.local_name().as_ref() == "Data" => {
                let decoder = self.begin_payload(&text, delivered)?;
                self.state = State::Payload { text, decoder };
                return Ok(());
            }
            Event::Start(start) => {
                text.push_str(&open_tag(&start));
                collect(&mut self.reader, &mut text).await?;
            }
            Event::Empty(start) if start.local_name().as_ref() == "Data" => {
                let decoder = self.begin_payload(&text, delivered)?;
                let delivered = delivered || decoder.is_some();
                self.end_payload(decoder);
                self.state = State::Message { text, delivered };
                return Ok(());
            }
            Event::Empty(start) => {
                text.push_str(&open_tag(&start));
                text.push_str("</");
                text.push_str(start.name().as_ref());
                text.push('>');
            }
            Event::End(_) => return self.end_of_message(text, delivered),
            Event::Eof => {
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    "the answer ends inside an item",
                ));
            }
            _ => {}
        }
        if text.len() > MAX_SIDE_BYTES {
            return Err(Error::protocol("a response message is too long"));
        }
        self.state = State::Message { text, delivered };
        Ok(())
    }

    /// Announces the item whose payload begins, unless its message reports an error.
    fn begin_payload(&mut self, text: &str, delivered: bool) -> Result<Option<Decoder>> {
        if delivered {
            return Err(Error::protocol("a response message with two payloads"));
        }
        let text = closed(text);
        let document = Document::parse(&text)?;
        let Ok(message) = answer::outcome(document.root()) else {
            return Ok(None);
        };
        let answered = message.child("ItemId").and_then(answer::item_id);
        let Some(id) = self.place(answered.as_ref()) else {
            return Ok(None);
        };
        self.queue.push_back(ExportEvent::Start(id));
        Ok(Some(Decoder::default()))
    }

    /// Finds the request entry a message answers: by its id where it names one of them, else by
    /// its order. `None` where it can only be a surplus answer.
    fn place(&mut self, answered: Option<&ItemId>) -> Option<ItemId> {
        let open = |position: &usize| self.answered.get(*position) == Some(&false);
        let by_id = answered.and_then(|id| {
            let same =
                |position: &usize| self.requested.get(*position).is_some_and(|r| r.id == id.id);
            (0..self.requested.len()).filter(same).find(open)
        });
        let position = by_id.or_else(|| Some(self.messages).filter(open))?;
        *self.answered.get_mut(position)? = true;
        self.position = position;
        let requested = self.requested.get(position)?;
        let change_key = answered.and_then(|id| id.change_key.clone());
        Some(ItemId {
            id: requested.id.clone(),
            change_key: change_key.or_else(|| requested.change_key.clone()),
        })
    }

    async fn payload(&mut self, text: String, mut decoder: Option<Decoder>) -> Result<()> {
        let mut out = Vec::new();
        let ended;
        {
            let mut stream = self.reader.stream();
            stream.get_mut().allow();
            let piece = match stream.fill_buf().await {
                Ok(piece) => piece,
                Err(error) => {
                    let failure = stream.get_mut().failure();
                    return Err(failure
                        .unwrap_or_else(|| Error::new(ErrorKind::Interrupted, error.to_string())));
                }
            };
            if piece.is_empty() {
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    "the answer ends inside an item's data",
                ));
            }
            let piece = piece.get(..MAX_PIECE_BYTES).unwrap_or(piece);
            let end = memchr::memchr(b'<', piece);
            ended = end.is_some();
            let len = end.unwrap_or(piece.len());
            if let Some(decoder) = &mut decoder {
                decoder.push(piece.get(..len).unwrap_or_default(), &mut out);
            }
            stream.consume(len);
        }
        let mut closed = false;
        if ended {
            match read(&mut self.reader, &mut self.buffer).await? {
                Event::End(_) => closed = true,
                Event::CData(data) => {
                    if let Some(decoder) = &mut decoder {
                        decoder.push(data.as_bytes(), &mut out);
                    }
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => {
                    return Err(Error::new(
                        ErrorKind::Interrupted,
                        "the answer ends inside an item's data",
                    ));
                }
                _ => return Err(Error::protocol("an element inside an item's data")),
            }
        }
        if !out.is_empty() {
            self.queue.push_back(ExportEvent::Data(Bytes::from(out)));
        }
        self.state = if closed {
            let delivered = decoder.is_some();
            self.end_payload(decoder);
            State::Message { text, delivered }
        } else {
            State::Payload { text, decoder }
        };
        Ok(())
    }

    fn end_payload(&mut self, decoder: Option<Decoder>) {
        let Some(decoder) = decoder else { return };
        let mut out = Vec::new();
        let delivered = decoder.delivered;
        let result = decoder.finish(&mut out);
        if !out.is_empty() {
            self.queue
                .push_back(ExportEvent::Data(Bytes::from(out.clone())));
        }
        let failure = match result {
            Ok(()) if delivered == 0 && out.is_empty() => Some(ItemError::new(
                ResponseCode::TruncatedData,
                "the item's data is empty",
            )),
            Ok(()) => None,
            Err(code) => {
                let message = match code {
                    ResponseCode::TruncatedData => "the server cut the item's data short",
                    _ => "the item's data is not base64",
                };
                Some(ItemError::new(code, message))
            }
        };
        self.queue.push_back(match failure {
            None => ExportEvent::End,
            Some(error) => ExportEvent::Failed {
                id: self.requested.get(self.position).cloned(),
                error,
            },
        });
    }

    fn end_of_message(&mut self, text: String, delivered: bool) -> Result<()> {
        self.state = State::Outside;
        if !delivered {
            let text = closed(&text);
            let document = Document::parse(&text)?;
            let message = document.root();
            let error = match answer::outcome(message) {
                Err(error) => error,
                Ok(_) => ItemError::new(ResponseCode::CorruptData, "a success without data"),
            };
            self.notes.entry_refused(&error);
            let answered = message.child("ItemId").and_then(answer::item_id);
            // With every entry answered, a further message adds nothing a caller could use.
            if let Some(id) = self.place(answered.as_ref()) {
                self.queue.push_back(ExportEvent::Failed {
                    id: Some(id),
                    error,
                });
            } else if self.messages == 0 || !self.answered.iter().all(|answered| *answered) {
                self.queue.push_back(ExportEvent::Failed {
                    id: answered,
                    error,
                });
            }
        }
        self.messages += 1;
        Ok(())
    }

    /// The envelope has ended: reports the entries nothing was said about.
    fn finish(&mut self) {
        self.state = State::Done;
        for (id, answered) in self.requested.iter().zip(&self.answered) {
            if !answered {
                let error = answer::not_answered();
                self.queue.push_back(ExportEvent::Failed {
                    id: Some(id.clone()),
                    error,
                });
            }
        }
    }
}

fn is_message(name: &str) -> bool {
    name.ends_with("ResponseMessage")
}

/// Reads one event within the bound on its length.
async fn read<'b>(reader: &mut Reader<BodyReader>, buffer: &'b mut Vec<u8>) -> Result<Event<'b>> {
    buffer.clear();
    reader.get_mut().allow();
    // The result borrows the buffer, so the failure is looked up by another path.
    match reader.read_event_into_async(buffer).await {
        Ok(event) => Ok(event),
        Err(error) => Err(match reader.get_mut().failure() {
            Some(failure) => failure,
            None => Error::protocol(format!("malformed XML at byte {}", reader.error_position()))
                .with_source(error),
        }),
    }
}

/// Copies the rest of an element, its start tag already copied, as XML.
async fn collect(reader: &mut Reader<BodyReader>, text: &mut String) -> Result<()> {
    let mut depth = 1_usize;
    let mut buffer = Vec::new();
    while depth > 0 {
        match read(reader, &mut buffer).await? {
            Event::Start(start) => {
                depth += 1;
                text.push_str(&open_tag(&start));
            }
            Event::Empty(start) => {
                text.push('<');
                text.push_str(&start);
                text.push_str("/>");
            }
            Event::End(end) => {
                depth -= 1;
                text.push_str("</");
                text.push_str(end.name().as_ref());
                text.push('>');
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(reference) => {
                text.push('&');
                text.push_str(&reference);
                text.push(';');
            }
            Event::CData(part) => crate::xml::push_text(text, &part),
            Event::Eof => return Err(Error::new(ErrorKind::Interrupted, "the answer ends early")),
            Event::DocType(_) => return Err(Error::protocol("the answer has a document type")),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
        if depth > MAX_DEPTH || text.len() > MAX_SIDE_BYTES {
            return Err(Error::protocol(
                "a part of the answer is too long or too deep",
            ));
        }
    }
    Ok(())
}

/// An element's start tag as it came, with its prefix; prefixes are never resolved.
fn open_tag(start: &BytesStart<'_>) -> String {
    let content: &str = start;
    format!("<{content}>")
}

/// A message's XML so far, made whole.
fn closed(text: &str) -> String {
    let name = text
        .trim_start_matches('<')
        .split(|c: char| c.is_whitespace() || c == '>' || c == '/')
        .next();
    format!("{text}</{}>", name.unwrap_or_default())
}
