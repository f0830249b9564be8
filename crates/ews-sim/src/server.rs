//! HTTP in front of the operations.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, Response, StatusCode, header};
use futures::StreamExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::account::Account;
use crate::auth::{self, Verdict};
use crate::autodiscover::{self, AutodiscoverForm};
use crate::error::Error;
use crate::fault::{BusyShape, FaultAction};
use crate::listen::{Listening, Remote, TlsIdentity};
use crate::op::{self, Caller, Reply};
use crate::page;
use crate::public_folders::Route;
use crate::sim::{Observer, Sim, World};
use crate::soap::Fault;
use crate::stats::InFlight;
use crate::throttle::{Admission, ThrottleVerdict};

/// How long [`RunningServer::stop`] waits for requests in progress.
const STOP_WAIT: std::time::Duration = std::time::Duration::from_secs(2);
/// A request that announces a body this much over the limit is not read to its end.
const NO_CREDENTIALS_BODY_LIMIT: usize = 1024 * 1024;

/// A simulator being served. Dropping it stops taking connections.
#[derive(Debug)]
pub struct RunningServer {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl RunningServer {
    /// Returns the EWS endpoint's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops serving: no new connections, requests in progress get two seconds.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // A receiver that is gone means the task has ended already.
            let _ = stop.send(());
        }
        if tokio::time::timeout(STOP_WAIT, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}

/// Starts serving.
pub(crate) fn serve(
    sim: Sim,
    listener: TcpListener,
    identity: Option<&TlsIdentity>,
) -> Result<RunningServer, Error> {
    let address = listener
        .local_addr()
        .map_err(|error| Error::io("listener has no address", error))?;
    let (stop, stopped) = oneshot::channel();
    let router = Router::new().fallback(handle).with_state(sim);
    let service = router.into_make_service_with_connect_info::<Remote>();
    let listening = Listening::new(listener, identity);
    let task = tokio::spawn(async move {
        let server = axum::serve(listening, service).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        if let Err(error) = server.await {
            tracing::warn!(%error, "simulator stopped serving");
        }
    });
    let scheme = if identity.is_some() { "https" } else { "http" };
    Ok(RunningServer {
        url: format!("{scheme}://{address}/EWS/Exchange.asmx"),
        stop: Some(stop),
        task,
    })
}

async fn handle(
    State(sim): State<Sim>,
    ConnectInfo(remote): ConnectInfo<Remote>,
    request: Request,
) -> Response<Body> {
    let world = &sim.0;
    let path = request.uri().path().to_ascii_lowercase();
    match path.as_str() {
        "/sim/stats" => return stats(world),
        "/sim/token" => return token(world, request).await,
        _ => {}
    }
    let form = AutodiscoverForm::at(&path).filter(|form| world.autodiscover.contains(form));
    if form == Some(AutodiscoverForm::Json) {
        return autodiscover::json(world, &request, &remote);
    }
    let described = page::description(&path);
    if form.is_none() && described.is_none() && !path.ends_with("/exchange.asmx") {
        return plain(StatusCode::NOT_FOUND, "");
    }
    let verdict = remote.connection.judge(world, request.headers());
    let account = match verdict.await {
        Verdict::Known(account) => account,
        Verdict::Proven(account, value) => {
            let mut response = serve_known(world, account, request, remote).await;
            let headers = response.headers_mut();
            headers.append(header::WWW_AUTHENTICATE, value);
            return response;
        }
        Verdict::Challenge(offers) => {
            // The second message of NTLM is no refusal.
            let is_step = |offer: &header::HeaderValue| {
                offer.as_bytes().starts_with(b"NTLM ")
                    || offer.as_bytes().starts_with(b"Negotiate ")
            };
            if !offers.iter().any(is_step) {
                world.recorder.record(|stats| stats.unauthorized += 1);
            }
            // The body is read so that a client that sent it whole can go on with the connection.
            let _ = axum::body::to_bytes(request.into_body(), NO_CREDENTIALS_BODY_LIMIT).await;
            return unauthorized(offers);
        }
    };
    serve_known(world, account, request, remote).await
}

/// What somebody gets who is signed in.
async fn serve_known(
    world: &Arc<World>,
    account: Account,
    request: Request,
    remote: Remote,
) -> Response<Body> {
    let path = request.uri().path().to_ascii_lowercase();
    if AutodiscoverForm::at(&path).is_some_and(|form| world.autodiscover.contains(&form)) {
        return autodiscover::xml(world, request, &remote).await;
    }
    if let Some(name) = page::description(&path) {
        return page::file(world.schema.as_deref(), name, request.method());
    }
    if *request.method() != Method::POST {
        return page::answer(request.method());
    }
    if let Some(refusal) = page::unsupported(request.headers()) {
        let _ = axum::body::to_bytes(request.into_body(), NO_CREDENTIALS_BODY_LIMIT).await;
        return refusal;
    }
    let in_flight = world.recorder.enter();
    let route = Route::of(request.headers());
    let limit = usize::try_from(world.max_request_bytes).unwrap_or(usize::MAX);
    let Ok(body) = axum::body::to_bytes(request.into_body(), limit).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "");
    };
    let body = page::in_utf8(body);
    world
        .recorder
        .record(|stats| stats.bytes_in += body.len() as u64);
    let observer = world
        .observer
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    match observer {
        None => answer(world, (account, route), body, in_flight).await,
        Some(observer) => {
            let response = answer(world, (account, route), body.clone(), in_flight).await;
            observed(response, &body, &observer).await
        }
    }
}

/// Marks an answer that goes on for minutes and cannot be collected.
#[derive(Clone, Copy)]
struct GoesOn;

/// Shows a request and its answer to an observer; an answer that breaks off passes unseen. Of an
/// answer that goes on, each envelope is shown when it goes out.
async fn observed(response: Response<Body>, request: &[u8], observer: &Observer) -> Response<Body> {
    if response.extensions().get::<GoesOn>().is_some() {
        let (parts, body) = response.into_parts();
        let (observer, request) = (Arc::clone(observer), request.to_vec());
        let shown = body.into_data_stream().inspect(move |piece| {
            if let Ok(envelope) = piece {
                observer(&request, envelope);
            }
        });
        return Response::from_parts(parts, Body::from_stream(shown));
    }
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(answer) => {
            observer(request, &answer);
            Response::from_parts(parts, Body::from(answer))
        }
        Err(error) => {
            let broken = futures::stream::once(std::future::ready(Err::<Bytes, _>(error)));
            Response::from_parts(parts, Body::from_stream(broken))
        }
    }
}

/// Decides about faults, runs the operation and sends the answer.
async fn answer(
    world: &Arc<World>,
    (account, route): (Account, Route),
    body: Bytes,
    in_flight: InFlight,
) -> Response<Body> {
    let mut bent = Bent::default();
    let admission = match throttled(world, &account, &body).await {
        Ok(admission) => admission,
        Err(ThrottleVerdict::TooManySyncs { back_off }) => {
            bent.inner_busy = Some(millis(back_off));
            None
        }
        Err(ThrottleVerdict::Busy { back_off }) => {
            return fault_response(world, &Fault::busy(millis(back_off)));
        }
        Err(_) => {
            return fault_response(
                world,
                &Fault::new(
                    "ErrorExceededConnectionCount",
                    "You have exceeded the available concurrent connections for your account.",
                ),
            );
        }
    };
    let looked = {
        let world = Arc::clone(world);
        let body = body.clone();
        tokio::task::spawn_blocking(move || op::look(&world, &body)).await
    };
    let action = match looked {
        Ok(Ok(action)) => action,
        Ok(Err(fault)) => return fault_response(world, &fault),
        Err(_) => return plain(StatusCode::INTERNAL_SERVER_ERROR, ""),
    };
    if let Some(action) = action {
        world.recorder.record(|stats| stats.faults_injected += 1);
        if !bent.takes(&action)
            && let Some(response) = misbehave(world, action).await
        {
            return response;
        }
    }
    let caller = Caller {
        world: Arc::clone(world),
        account,
        inner_busy: bent.inner_busy,
        ids_in_time: match bent.entries {
            None => admission.as_ref().and_then(Admission::ids_in_time),
            entries => entries,
        },
        route,
    };
    let run = tokio::task::spawn_blocking(move || op::run(&caller, &body)).await;
    let response = match run {
        Ok(Ok(reply)) => reply_response(world, reply, in_flight, admission),
        Ok(Err(fault)) => fault_response(world, &fault),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, ""),
    };
    match bent.cut {
        Some(bytes) => cut_after(response, bytes),
        None => response,
    }
}

/// How the answer of an operation that is carried out is spoilt.
#[derive(Default)]
struct Bent {
    /// Every entry says that the server is busy, with this back-off.
    inner_busy: Option<u64>,
    /// The connection breaks after so many bytes.
    cut: Option<u64>,
    /// Only so many entries are carried out.
    entries: Option<u32>,
}

impl Bent {
    /// Takes a fault that needs the operation's own answer.
    fn takes(&mut self, action: &FaultAction) -> bool {
        match *action {
            FaultAction::Busy {
                shape: BusyShape::Inner200,
                back_off_ms,
            } => self.inner_busy = Some(back_off_ms),
            FaultAction::Cut(bytes) => self.cut = Some(bytes),
            FaultAction::Stop(entries) => {
                self.entries = Some(entries);
                self.cut = Some(0);
            }
            FaultAction::Expire(entries) => self.entries = Some(entries),
            _ => return false,
        }
        true
    }
}

/// Carries out a fault that needs no answer of the operation's own; `None` lets it answer.
async fn misbehave(world: &World, action: FaultAction) -> Option<Response<Body>> {
    match action {
        FaultAction::Busy { shape, back_off_ms } => Some(match shape {
            BusyShape::Http503 => busy_503(back_off_ms),
            _ => fault_response(world, &Fault::busy(back_off_ms)),
        }),
        FaultAction::Delay(ms) => {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            None
        }
        FaultAction::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            Some(plain(status, ""))
        }
        FaultAction::Garbage => {
            let garbage = Body::from("\u{1}<<not XML at all&");
            Some(xml_response(StatusCode::OK, garbage))
        }
        FaultAction::Cut(_)
        | FaultAction::Stop(_)
        | FaultAction::Expire(_)
        | FaultAction::Fail(_)
        | FaultAction::Truncate => None,
    }
}

/// Passes a request by the throttling model, where there is one.
async fn throttled(
    world: &Arc<World>,
    account: &Account,
    body: &Bytes,
) -> Result<Option<Admission>, ThrottleVerdict> {
    let Some(throttle) = world.throttle() else {
        return Ok(None);
    };
    let (account, body) = (account.clone(), body.clone());
    let asked = tokio::task::spawn_blocking(move || op::budgeted(&account, &body)).await;
    match asked.ok().flatten() {
        Some(asked) => throttle.enter(asked).await.map(Some),
        None => Ok(None),
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn reply_response(
    world: &Arc<World>,
    reply: Reply,
    in_flight: InFlight,
    admission: Option<Admission>,
) -> Response<Body> {
    match reply {
        Reply::Whole(bytes) => {
            world
                .recorder
                .record(|stats| stats.bytes_out += bytes.len() as u64);
            drop(in_flight);
            xml_response(StatusCode::OK, Body::from(bytes))
        }
        Reply::Events(events) => {
            let pieces = events.into_stream(in_flight);
            let mut response = xml_response(StatusCode::OK, Body::from_stream(pieces));
            response.extensions_mut().insert(GoesOn);
            response
        }
        Reply::Export(export) => {
            let pieces = export.into_stream(Arc::clone(world), in_flight);
            // The request counts as open until its last byte is taken.
            let pieces = pieces.inspect(move |_| {
                let _open = &admission;
            });
            xml_response(StatusCode::OK, Body::from_stream(pieces))
        }
    }
}

/// Lets only the first bytes of a body through, then breaks the connection.
fn cut_after(response: Response<Body>, bytes: u64) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut left = bytes;
    let broken = || std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut on purpose");
    let pieces = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        if left == 0 {
            return Err(broken());
        }
        let keep = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        left -= keep as u64;
        Ok(piece.slice(..keep))
    });
    let ending = futures::stream::once(std::future::ready(Err(broken())));
    Response::from_parts(parts, Body::from_stream(pieces.chain(ending)))
}

/// The token endpoint: client credentials in, a bearer token out.
async fn token(world: &World, request: Request) -> Response<Body> {
    let body = axum::body::to_bytes(request.into_body(), NO_CREDENTIALS_BODY_LIMIT).await;
    let body = body.unwrap_or_default();
    let fields: std::collections::HashMap<_, _> = url::form_urlencoded::parse(&body).collect();
    let field = |name: &str| fields.get(name).map(AsRef::as_ref).unwrap_or_default();
    let is_known = field("grant_type") == "client_credentials";
    let issued = auth::issue_token(world, field("client_id"), field("client_secret"));
    let (status, answer) = match issued.filter(|_| is_known) {
        Some(token) => (
            StatusCode::OK,
            serde_json::json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": token }),
        ),
        None => (
            StatusCode::UNAUTHORIZED,
            serde_json::json!({ "error": "invalid_client", "error_description": "wrong id or secret" }),
        ),
    };
    response(status, "application/json", Body::from(answer.to_string()))
}

fn stats(world: &World) -> Response<Body> {
    let body = serde_json::to_vec(&world.recorder.snapshot()).unwrap_or_default();
    response(StatusCode::OK, "application/json", Body::from(body))
}

fn fault_response(world: &World, fault: &Fault) -> Response<Body> {
    let bytes = fault.render(world.version);
    world
        .recorder
        .record(|stats| stats.bytes_out += bytes.len() as u64);
    xml_response(StatusCode::INTERNAL_SERVER_ERROR, Body::from(bytes))
}

fn busy_503(back_off_ms: u64) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "");
    let seconds = back_off_ms.div_ceil(1000);
    if let Ok(value) = seconds.to_string().parse() {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn unauthorized(offers: Vec<header::HeaderValue>) -> Response<Body> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "");
    for offer in offers {
        response
            .headers_mut()
            .append(header::WWW_AUTHENTICATE, offer);
    }
    response
}

pub(crate) fn xml_response(status: StatusCode, body: Body) -> Response<Body> {
    response(status, "text/xml; charset=utf-8", body)
}

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", Body::from(text))
}

pub(crate) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let value = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
