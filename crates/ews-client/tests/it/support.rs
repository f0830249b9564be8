//! A transport that plays back answers and keeps requests, and a sleeper that only takes notes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ews_client::{
    Bytes, Client, ClientOptions, Credentials, RequestBody, Sleeper, Transport, TransportError,
    TransportErrorKind, TransportRequest, TransportResponse,
};
use futures::StreamExt;

pub const ENDPOINT: &str = "https://mail.example.test/EWS/Exchange.asmx";

/// The folder of shared material, if this machine has it.
pub fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("POSTKEEP_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "shared material {part} is absent"
    );
    println!("skipped: shared material {part} is absent (set POSTKEEP_SHARED)");
    None
}

/// One answer to play back.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub pieces: Vec<Result<Bytes, TransportError>>,
}

impl Answer {
    pub fn xml(text: impl Into<String>) -> Answer {
        Answer::with(200, text)
    }

    pub fn with(status: u16, text: impl Into<String>) -> Answer {
        let bytes = Bytes::from(text.into());
        Answer {
            status,
            headers: vec![("content-type".into(), "text/xml; charset=utf-8".into())],
            pieces: vec![Ok(bytes)],
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same body in pieces of that many bytes.
    pub fn in_pieces(mut self, size: usize) -> Answer {
        let whole: Vec<u8> = self
            .pieces
            .drain(..)
            .flat_map(|piece| piece.expect("bytes").to_vec())
            .collect();
        self.pieces = whole
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        self
    }

    /// The connection breaks after the body so far.
    pub fn then_broken(mut self) -> Answer {
        self.pieces.push(Err(TransportError::new(
            TransportErrorKind::Interrupted,
            "the connection broke",
        )));
        self
    }
}

/// What a play-back transport saw.
#[derive(Default)]
pub struct Seen {
    pub requests: Vec<TransportRequest>,
    pub bodies: Vec<String>,
}

#[derive(Clone, Default)]
pub struct Playback {
    answers: Arc<Mutex<VecDeque<Result<Answer, TransportError>>>>,
    pub seen: Arc<Mutex<Seen>>,
}

impl Playback {
    pub fn bodies(&self) -> Vec<String> {
        self.seen.lock().unwrap().bodies.clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().requests.len()
    }
}

#[async_trait]
impl Transport for Playback {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        let mut body = Vec::new();
        match &request.body {
            RequestBody::Bytes(bytes) => body.extend_from_slice(bytes),
            RequestBody::Stream { open, .. } => {
                let mut stream = open();
                while let Some(piece) = stream.next().await {
                    let piece = piece.map_err(|error| {
                        TransportError::new(TransportErrorKind::Payload, error.to_string())
                    })?;
                    body.extend_from_slice(&piece);
                }
            }
        }
        assert_eq!(
            body.len() as u64,
            request.body.len(),
            "the declared length is the length"
        );
        let mut seen = self.seen.lock().unwrap();
        seen.bodies
            .push(String::from_utf8(body).expect("requests are UTF-8"));
        seen.requests.push(request);
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.expect("a request that no answer was prepared for")?;
        Ok(TransportResponse {
            status: answer.status,
            headers: answer.headers,
            body: futures::stream::iter(answer.pieces).boxed(),
        })
    }
}

/// Notes pauses instead of making them.
#[derive(Clone, Debug, Default)]
pub struct Notes(pub Arc<Mutex<Vec<Duration>>>);

#[async_trait]
impl Sleeper for Notes {
    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
    }

    fn now(&self) -> Duration {
        self.0.lock().unwrap().iter().sum()
    }
}

/// A client that gets these answers in order.
pub fn client(answers: impl IntoIterator<Item = Answer>) -> (Client, Playback, Notes) {
    results(answers.into_iter().map(Ok))
}

pub fn results(
    answers: impl IntoIterator<Item = Result<Answer, TransportError>>,
) -> (Client, Playback, Notes) {
    let playback = Playback::default();
    playback.answers.lock().unwrap().extend(answers);
    let notes = Notes::default();
    let credentials = Credentials::basic("svc@example.test", "secret");
    let mut options = ClientOptions::new(ENDPOINT.parse().unwrap(), credentials);
    options.sleeper = Arc::new(notes.clone());
    (
        Client::with_transport(options, Arc::new(playback.clone())),
        playback,
        notes,
    )
}

/// An answer with one response element.
pub fn envelope(content: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header>\
         <h:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"2\" MajorBuildNumber=\"1544\" \
         MinorBuildNumber=\"4\" Version=\"V2017_07_11\" \
         xmlns:h=\"http://schemas.microsoft.com/exchange/services/2006/types\"/></s:Header><s:Body \
         xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" \
         xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\">{content}</s:Body></s:Envelope>"
    )
}

/// An answer of one operation, from its response messages' contents.
pub fn response(operation: &str, messages: &[&str]) -> String {
    let messages: String = messages.concat();
    envelope(&format!(
        "<m:{operation}Response><m:ResponseMessages>{messages}</m:ResponseMessages></m:{operation}Response>"
    ))
}

/// A response message.
pub fn message(operation: &str, class: &str, code: &str, content: &str) -> String {
    format!(
        "<m:{operation}ResponseMessage ResponseClass=\"{class}\"><m:ResponseCode>{code}</m:ResponseCode>\
         {content}</m:{operation}ResponseMessage>"
    )
}

/// A SOAP fault as Exchange sends it.
pub fn fault(code: &str, text: &str, values: &str) -> String {
    envelope(&format!(
        "<s:Fault><faultcode xmlns:a=\"urn:x\">a:{code}</faultcode><faultstring xml:lang=\"en-US\">{text}</faultstring>\
         <detail><e:ResponseCode xmlns:e=\"urn:e\">{code}</e:ResponseCode><e:Message xmlns:e=\"urn:e\">{text}</e:Message>\
         <t:MessageXml>{values}</t:MessageXml></detail></s:Fault>"
    ))
}
