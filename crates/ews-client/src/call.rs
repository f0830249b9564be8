//! One call: envelope, attempts, negotiation of the schema version, judgement of the answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::{Instrument, Span};
use zeroize::Zeroizing;

use crate::body::{self, Body, BodyReader};
use crate::client::{Access, Affinity, Client, ServerNotes};
use crate::envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ItemError, ItemId};
use crate::op::{ExportItems, ExportStream, GetStreamingEvents, Operation};
use crate::response_code::ResponseCode;
use crate::retry::{self, Attempt, Failure};
use crate::status;
use crate::throttle::{Call, Permit, Refused};
use crate::transport::{RequestBody, TransportRequest, TransportResponse};
use crate::version::SchemaVersion;
use crate::xml::Document;

/// Most bytes of an answer read for its fault or error page.
const MAX_ERROR_BYTES: u64 = 1 << 20;
/// The slowest upload waited for, in bytes a second: the time a request's body takes at this
/// rate comes on top of the time-out.
const MIN_UPLOAD_RATE: u64 = 32 << 10;

/// An attempt that failed, and what a repeat would mean.
struct Failed {
    error: Error,
    failure: Failure,
}

impl Failed {
    fn last(error: Error) -> Failed {
        Failed {
            error,
            failure: Failure::Final,
        }
    }

    /// Judges an answer that could not be read; its declared type may explain it better.
    fn unread(suspicion: Option<&Error>, error: Error) -> Failed {
        match suspicion {
            Some(suspicion)
                if matches!(error.kind(), ErrorKind::Protocol | ErrorKind::NotEws)
                    && error.response_code().is_none() =>
            {
                Failed::last(Error::new(suspicion.kind(), suspicion.message()))
            }
            _ => Failed::answered(error),
        }
    }

    /// Judges a fault or an error in the answer.
    fn answered(error: Error) -> Failed {
        let failure = match error.response_code() {
            Some(code) if envelope::is_refusal(code) => Failure::Refused,
            Some(
                ResponseCode::ErrorInternalServerTransientError
                | ResponseCode::ErrorMailboxStoreUnavailable
                | ResponseCode::ErrorADUnavailable
                | ResponseCode::ErrorMailboxFailover
                | ResponseCode::ErrorConnectionFailed
                | ResponseCode::ErrorInternalServerError,
            ) => Failure::Unknown,
            // Faults in a server's own words: they may be passing.
            Some(ResponseCode::Other(_)) if error.kind() == ErrorKind::Protocol => Failure::Unknown,
            Some(_) => Failure::Final,
            None => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::Timeout => Failure::Unknown,
                _ => Failure::Final,
            },
        };
        Failed { error, failure }
    }
}

impl Client {
    /// Sends a request until it is answered, and reads the answer.
    pub(crate) async fn call<O: Operation + Sync>(&self, operation: &O) -> Result<O::Answer> {
        let span = self.span::<O>();
        self.call_in_span(operation).instrument(span).await
    }

    /// The span of a request, which waiting and repeating are parts of.
    fn span<O: Operation>(&self) -> Span {
        tracing::debug_span!("request", operation = O::NAME)
    }

    async fn call_in_span<O: Operation + Sync>(&self, operation: &O) -> Result<O::Answer> {
        operation
            .validate()
            .map_err(|error| self.place::<O>(error, 0))?;
        let mut progress = Progress::default();
        loop {
            let mut permit = self.admit::<O>().await;
            let version = self.shared.schema();
            let failed = match self.attempt(operation, version, &mut permit).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            self.pause::<O>(&mut progress, version, failed, permit)
                .await?;
        }
    }

    /// The same for ExportItems, up to the first event of the answer.
    pub(crate) async fn export(&self, ids: &[ItemId]) -> Result<ExportStream> {
        let span = self.span::<ExportItems>();
        self.export_in_span(ids).instrument(span).await
    }

    async fn export_in_span(&self, ids: &[ItemId]) -> Result<ExportStream> {
        let operation = ExportItems(ids.to_vec());
        operation
            .validate()
            .map_err(|error| self.place::<ExportItems>(error, 0))?;
        let mut progress = Progress::default();
        loop {
            let permit = self.admit::<ExportItems>().await;
            let version = self.shared.schema();
            let (failed, permit) = match self
                .attempt_export(&operation, version, progress.made + 1, permit)
                .await
            {
                Ok(stream) => return Ok(*stream),
                Err(failed) => *failed,
            };
            self.pause::<ExportItems>(&mut progress, version, failed, permit)
                .await?;
        }
    }

    /// The same for GetStreamingEvents, up to the first byte of the answer.
    pub(crate) async fn open_events(&self, operation: &GetStreamingEvents) -> Result<Body> {
        let mut progress = Progress::default();
        loop {
            let mut permit = self.admit::<GetStreamingEvents>().await;
            let version = self.shared.schema();
            let failed = match self.send(operation, version).await {
                // An open stream waits for events most of the time: it takes nobody's turn.
                Ok((body, _)) => {
                    permit.succeed();
                    return Ok(body);
                }
                Err(failed) => failed,
            };
            self.pause::<GetStreamingEvents>(&mut progress, version, failed, permit)
                .await?;
        }
    }

    /// Waits for the request's turn.
    async fn admit<O: Operation>(&self) -> Permit {
        let throttle = &self.shared.throttle;
        let call = Call::of(O::NAME);
        let (permit, waited) = throttle.acquire(&self.throttle_key(), call).await;
        if !waited.is_zero() {
            self.shared.counters.update(|stats| {
                stats.waits += 1;
                stats.waited += waited;
            });
        }
        permit
    }

    async fn attempt<O: Operation + Sync>(
        &self,
        operation: &O,
        version: SchemaVersion,
        permit: &mut Permit,
    ) -> std::result::Result<O::Answer, Failed> {
        let (body, suspicion) = self.send(operation, version).await?;
        let bytes = body::collect(body, O::MAX_ANSWER_BYTES)
            .await
            .map_err(Failed::answered)?;
        let text = text(&bytes).map_err(|error| Failed::unread(suspicion.as_ref(), error))?;
        let document =
            Document::parse(&text).map_err(|error| Failed::unread(suspicion.as_ref(), error))?;
        if let Some(version) = envelope::server_version(document.root()) {
            self.shared.set_server(version);
        }
        let response = envelope::response(&document)
            .map_err(|error| Failed::unread(suspicion.as_ref(), error))?;
        if let Some(busy) = envelope::refused_as_busy(response) {
            return Err(Failed::answered(busy.into_error()));
        }
        let answer = operation.read(response).map_err(Failed::answered)?;
        match envelope::entries_refused(response) {
            Some(wait) => permit.refuse(Refused::Mailbox, wait),
            None => permit.succeed(),
        }
        Ok(answer)
    }

    async fn attempt_export(
        &self,
        operation: &ExportItems,
        version: SchemaVersion,
        attempts: u32,
        permit: Permit,
    ) -> std::result::Result<Box<ExportStream>, Box<(Failed, Permit)>> {
        let (body, suspicion) = match self.send(operation, version).await {
            Ok(answer) => answer,
            Err(failed) => return Err(Box::new((failed, permit))),
        };
        let notes = ServerNotes::new(&self.shared, ExportItems::NAME, attempts, permit);
        let mut stream = ExportStream::new(BodyReader::new(body), operation.0.clone(), notes);
        let failed = match stream.refused().await {
            Ok(None) => {
                stream.admit();
                return Ok(Box::new(stream));
            }
            Ok(Some(refusal)) => Failed::answered(ItemError::into_error(refusal)),
            Err(error) => Failed::unread(suspicion.as_ref(), error),
        };
        Err(Box::new((failed, stream.into_permit())))
    }

    async fn send<O: Operation + Sync>(
        &self,
        operation: &O,
        version: SchemaVersion,
    ) -> std::result::Result<(Body, Option<Error>), Failed> {
        let request = self.request(operation, version);
        let sent_bytes = request.body.len();
        self.shared.counters.update(|stats| {
            stats.requests += 1;
            stats.bytes_out += sent_bytes;
            *stats.operations.entry(O::NAME).or_default() += 1;
        });
        if let Some(pace) = &self.shared.options.pace {
            pace.take(sent_bytes).await;
        }
        let limit = request.time_limit;
        let response = tokio::time::timeout(limit, self.shared.transport.send(request)).await;
        let response = match response {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(Failed {
                    failure: Failure::of(error.kind),
                    error: body::from_transport(error),
                });
            }
            Err(_) => {
                let text = format!("no answer within {} s", limit.as_secs());
                return Err(Failed {
                    error: Error::new(ErrorKind::Timeout, text),
                    failure: Failure::Unknown,
                });
            }
        };
        if let Some(affinity) = &self.affinity {
            let server = response.header("x-calculatedbetarget");
            affinity.learn(response.headers("set-cookie"), server);
        }
        self.judge(response, O::STREAMING).await
    }

    /// Looks at the status: a body to read, with what it may be instead of EWS; or a failure.
    async fn judge(
        &self,
        response: TransportResponse,
        streaming: bool,
    ) -> std::result::Result<(Body, Option<Error>), Failed> {
        let status = response.status;
        let scheme = self.shared.options.credentials.scheme_name();
        let head = status::Head::read(&response, scheme);
        let counters = Arc::clone(&self.shared.counters);
        let idle = self.shared.options.request_timeout;
        let body = if streaming {
            body::followed(response.body, idle, counters)
        } else {
            let pace = self.shared.options.pace.clone();
            body::watched(response.body, idle, counters, pace)
        };
        if (200..300).contains(&status) {
            return Ok((body, head.suspicion()));
        }
        // The connection may break while an error page arrives; the status still counts.
        let bytes = body::collect(body, MAX_ERROR_BYTES)
            .await
            .unwrap_or_default();
        let fault = text(&bytes).ok().and_then(|text| {
            let document = Document::parse(&text).ok()?;
            if let Some(version) = envelope::server_version(document.root()) {
                self.shared.set_server(version);
            }
            let fault = document.root().child("Body")?.child("Fault")?;
            Some(envelope::read_fault(fault))
        });
        let page = String::from_utf8_lossy(bytes.get(..4096).unwrap_or(&bytes));
        let (error, failure) = head.failure(fault, &page);
        Err(match failure {
            Some(failure) => Failed { error, failure },
            None => Failed::answered(error),
        })
    }

    fn request<O: Operation>(&self, operation: &O, version: SchemaVersion) -> TransportRequest {
        let options = &self.shared.options;
        let mailbox = match &self.access {
            Access::Own => None,
            Access::Impersonate(smtp) => Some(smtp.as_str()),
        };
        let mut writer = envelope::open(version, mailbox, self.time_zone.as_deref());
        operation.write(&mut writer, version);
        let body: RequestBody = operation.body(writer);
        let mut headers = vec![
            ("content-type", "text/xml; charset=utf-8".to_owned()),
            ("accept", "text/xml".to_owned()),
            ("user-agent", options.user_agent.clone()),
            ("soapaction", envelope::action(O::NAME)),
        ];
        let anchor = self.routing.anchor_mailbox.as_deref().or(mailbox);
        let routing = [
            ("x-anchormailbox", anchor),
            (
                "x-publicfoldermailbox",
                self.routing.public_folder_mailbox.as_deref(),
            ),
        ];
        let given = routing.into_iter();
        headers.extend(given.filter_map(|(name, value)| Some((name, value?.to_owned()))));
        headers.extend(self.affinity.iter().flat_map(Affinity::headers));
        let upload = Duration::from_secs(body.len() / MIN_UPLOAD_RATE);
        TransportRequest {
            url: options.endpoint.clone(),
            headers,
            authorization: Zeroizing::clone(&options.credentials.authorization()),
            time_limit: options.request_timeout.saturating_add(upload),
            body,
        }
    }

    /// Prepares the next attempt by going down a schema version or by waiting; or gives up. Where
    /// the server turned the request away, everybody waits, and this request in the next
    /// [`Client::admit`].
    async fn pause<O: Operation>(
        &self,
        progress: &mut Progress,
        version: SchemaVersion,
        failed: Failed,
        permit: Permit,
    ) -> Result<()> {
        let Failed { error, failure } = failed;
        if envelope::is_version_complaint(&error) && self.shared.step_down(version) {
            tracing::debug!(operation = O::NAME, %version, "schema version refused, trying an older one");
            return Ok(());
        }
        progress.made += 1;
        let attempt = Attempt {
            failure,
            made: progress.count(failure),
            idempotent: O::IDEMPOTENT,
            server_wait: error.retry_after(),
            waited: progress.waited,
        };
        let decision = retry::decide(&self.shared.options.retry, attempt);
        if failure == Failure::Refused {
            // The server's pause holds for the others even where this request gives up.
            let wait = decision.or(error.retry_after()).unwrap_or_default();
            permit.refuse(refused(&error), wait);
        }
        drop(permit);
        let Some(wait) = decision else {
            return Err(self.place::<O>(error, progress.made));
        };
        tracing::debug!(operation = O::NAME, %error, ?wait, "sending again");
        progress.waited += wait;
        self.shared.counters.update(|stats| stats.retries += 1);
        if failure != Failure::Refused {
            self.shared.counters.update(|stats| {
                stats.waits += 1;
                stats.waited += wait;
            });
            self.shared.options.sleeper.sleep(wait).await;
        }
        Ok(())
    }

    fn place<O: Operation>(&self, error: Error, attempts: u32) -> Error {
        error.in_call(O::NAME, &self.shared.url, attempts)
    }
}

/// Whom a refusal speaks of. A status alone comes from the server's front; codes are about the
/// budget of the mailbox or the account.
fn refused(error: &Error) -> Refused {
    match error.response_code() {
        Some(ResponseCode::ErrorExceededConnectionCount) => Refused::Connections,
        Some(_) => Refused::Mailbox,
        None => Refused::Server,
    }
}

#[derive(Default)]
struct Progress {
    /// All attempts.
    made: u32,
    /// Those the server turned away. They and the others have limits of their own: that a server
    /// was busy does not make the first connection that breaks the last.
    refused: u32,
    waited: Duration,
}

impl Progress {
    /// Counts the last attempt, and tells how many failed as it did.
    fn count(&mut self, failure: Failure) -> u32 {
        if failure == Failure::Refused {
            self.refused += 1;
            return self.refused;
        }
        self.made.saturating_sub(self.refused)
    }
}

/// An answer's text. Stray bytes that are no UTF-8 do not spoil the rest.
fn text(bytes: &Bytes) -> Result<Cow<'_, str>> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Error::protocol("the answer is UTF-16 text, not UTF-8"));
    }
    // Looking for stray bytes goes byte by byte; most answers have none.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    };
    let start = text.trim_start_matches('\u{FEFF}').trim_start();
    if start.is_empty() {
        return Err(Error::new(
            ErrorKind::NotEws,
            "the server sent an empty answer",
        ));
    }
    if !start.starts_with('<') {
        let quoted: String = start.chars().take(80).collect();
        let quoted = crate::error::quote(&quoted);
        return Err(Error::new(
            ErrorKind::NotEws,
            format!("the server sent no XML: {quoted}"),
        ));
    }
    let begins = |with: &str| {
        start
            .get(..with.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(with))
    };
    if begins("<!doctype html") || begins("<html") {
        return Err(Error::new(ErrorKind::NotEws, "the server sent a web page"));
    }
    Ok(text)
}
