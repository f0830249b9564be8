//! The real transport: HTTP/1.1 over TCP or TLS, by reqwest and rustls, with the sign-in.

mod gate;
mod lease;
#[cfg(feature = "legacy-tls")]
mod legacy;
mod maker;
mod session;
#[cfg(feature = "kerberos")]
mod tickets;

use std::error::Error as _;
use std::fmt;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, WWW_AUTHENTICATE};
use tokio::sync::OnceCell;
use url::Url;

use crate::auth::{self, Challenges, Credentials, Kind, Password, Scheme, TokenCache};
use crate::client::ClientOptions;
use crate::error::{Error, Result};
use crate::tls::Shown;
use crate::transport::{
    RequestBody, Transport, TransportError, TransportErrorKind, TransportRequest, TransportResponse,
};
pub(crate) use maker::Maker;
use session::Sessions;
#[cfg(feature = "kerberos")]
use tickets::Tickets;

/// Most bytes of an answer read only for the connection's sake.
const MAX_DISCARDED_BYTES: usize = 64 << 10;

type Sent<T> = std::result::Result<T, TransportError>;

/// An HTTP proxy. The password in its address is never printed.
///
/// NTLM, Negotiate and Kerberos work through it, bound to the certificate of the server behind it
/// (RFC 5929). Only with [`TlsSupport::Legacy`](crate::TlsSupport::Legacy) they are not bound: a
/// server whose Extended Protection requires that is then to be reached directly.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

impl Proxy {
    /// A proxy at an http or https address, with a name and a password in it where it wants them
    /// (Basic). TLS goes through it untouched.
    ///
    /// # Errors
    ///
    /// `Invalid` for other kinds of addresses.
    pub fn new(url: Url) -> Result<Proxy> {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Error::invalid("a proxy has an http or https address"));
        }
        Ok(Proxy(url))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", crate::client::redacted(&self.0))
    }
}

/// Connections to a server, and how they sign in.
pub(crate) struct HttpTransport {
    client: OnceCell<reqwest::Client>,
    maker: Maker,
    credentials: Credentials,
    sign_in: OnceCell<SignIn>,
}

/// What was decided about signing in.
enum SignIn {
    /// The same header with each request; the caller's where there is none.
    Header(Option<zeroize::Zeroizing<String>>),
    Sessions(Box<Sessions>),
    Tokens(Box<TokenCache>),
    #[cfg(feature = "kerberos")]
    Tickets(Box<Tickets>),
}

impl HttpTransport {
    pub(crate) fn new(options: &ClientOptions) -> Result<HttpTransport> {
        let maker = Maker::new(options)?;
        // What is wrong with the options is said at once, where it can be.
        let client = match maker.is_ready() {
            true => OnceCell::new_with(Some(maker.pooled()?)),
            false => OnceCell::new(),
        };
        let sign_in = match options.credentials.kind() {
            Kind::Password { how, .. } => match how {
                Password::Auto => None,
                Password::Basic => Some(SignIn::Header(None)),
                Password::Ntlm => Some(sessions(&maker, Scheme::Ntlm, &options.credentials)),
                Password::Negotiate => {
                    Some(sessions(&maker, Scheme::Negotiate, &options.credentials))
                }
            },
            Kind::OAuth { source, .. } => {
                let sleeper = std::sync::Arc::clone(&options.sleeper);
                let cache = TokenCache::new(source.clone(), sleeper);
                Some(SignIn::Tokens(Box::new(cache)))
            }
            #[cfg(feature = "kerberos")]
            Kind::Ticket { .. } => Some(SignIn::Tickets(Box::new(Tickets::new(maker.clone())))),
        };
        Ok(HttpTransport {
            client,
            maker,
            credentials: options.credentials.clone(),
            sign_in: OnceCell::new_with(sign_in),
        })
    }

    /// The connections that are shared.
    async fn client(&self, url: &Url) -> Sent<&reqwest::Client> {
        let made = || async {
            self.maker.prepare(url).await?;
            self.maker.pooled().map_err(|error| {
                TransportError::new(TransportErrorKind::Payload, error.to_string())
            })
        };
        self.client.get_or_try_init(made).await
    }

    /// How to sign in. Where the server has to be asked first and says something else than what
    /// it offers, its answer to the request instead.
    async fn sign_in(
        &self,
        request: &TransportRequest,
    ) -> Sent<std::result::Result<&SignIn, reqwest::Response>> {
        if let Some(known) = self.sign_in.get() {
            return Ok(Ok(known));
        }
        let sent = |error: reqwest::Error| failure(&error);
        let client = self.client(&request.url).await?;
        let answer = post(client, request, None, false).await.map_err(sent)?;
        match answer.status().as_u16() {
            401 => {
                let offers = challenges_of(&answer);
                finished(answer).await;
                let chosen = self.choose(&offers, &request.url)?;
                Ok(Ok(self.sign_in.get_or_init(|| async { chosen }).await))
            }
            // Busy, moved or not there: the same for every request.
            300..=399 | 403..=405 | 429 | 502..=504 => Ok(Err(answer)),
            // A server that asks nobody who they are.
            _ => {
                finished(answer).await;
                let answer = post(client, request, None, true).await;
                Ok(Err(answer.map_err(sent)?))
            }
        }
    }

    /// The best of what a server offers for a password.
    fn choose(&self, offers: &Challenges, url: &Url) -> Sent<SignIn> {
        let Kind::Password { user, password, .. } = self.credentials.kind() else {
            return Ok(SignIn::Header(None));
        };
        let is_private = url.scheme() == "https" || is_this_machine(url);
        let basic = offers.offers(Scheme::Basic);
        if offers.offers(Scheme::Ntlm) {
            return Ok(sessions(&self.maker, Scheme::Ntlm, &self.credentials));
        }
        if basic && is_private {
            return Ok(SignIn::Header(Some(auth::basic(user, password))));
        }
        if offers.offers(Scheme::Negotiate) {
            return Ok(sessions(&self.maker, Scheme::Negotiate, &self.credentials));
        }
        let told = if basic {
            "the server takes only Basic authentication, which would show the password to \
             everybody on the way: use https, or ask for Basic"
                .to_owned()
        } else {
            format!(
                "the server takes no password that this client can prove, only {}",
                crate::error::quote(&offers.names())
            )
        };
        Err(TransportError::new(TransportErrorKind::Auth, told))
    }

    async fn send_with_token(
        &self,
        tokens: &TokenCache,
        request: &TransportRequest,
    ) -> Sent<reqwest::Response> {
        let client = self.client(&request.url).await?;
        let mut refused = None;
        loop {
            let value = tokens.authorization(client, refused.as_deref()).await?;
            let response = post(client, request, Some(&value), true)
                .await
                .map_err(|error| failure(&error))?;
            if response.status() != 401 || refused.is_some() {
                return Ok(response);
            }
            finished(response).await;
            refused = Some(value.to_string());
        }
    }
}

fn sessions(maker: &Maker, scheme: Scheme, credentials: &Credentials) -> SignIn {
    let (user, password) = match credentials.kind() {
        Kind::Password { user, password, .. } => (user.as_str(), password.as_str()),
        _ => ("", ""),
    };
    SignIn::Sessions(Box::new(Sessions::new(
        maker.clone(),
        scheme,
        user,
        password,
    )))
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: TransportRequest) -> Sent<TransportResponse> {
        let client = self.client(&request.url).await?;
        let sign_in = match self.sign_in(&request).await? {
            Ok(sign_in) => sign_in,
            Err(told) => return Ok(answer(told, |body| body)),
        };
        let response = match sign_in {
            SignIn::Sessions(sessions) => {
                let (response, lease) = sessions.send(&request).await?;
                return Ok(answer(response, |body| lease.hold(body)));
            }
            SignIn::Tokens(tokens) => self.send_with_token(tokens, &request).await?,
            #[cfg(feature = "kerberos")]
            SignIn::Tickets(tickets) => {
                let (response, lease) = tickets.send(&request).await?;
                return Ok(answer(response, |body| lease.hold(body)));
            }
            SignIn::Header(value) => {
                let value = value.as_deref().unwrap_or(&request.authorization);
                let value = Some(value.as_str()).filter(|value| !value.is_empty());
                post(client, &request, value, true)
                    .await
                    .map_err(|error| failure(&error))?
            }
        };
        Ok(answer(response, |body| body))
    }
}

/// An answer as the caller wants it.
fn answer(
    response: reqwest::Response,
    wrap: impl FnOnce(BoxStream<'static, Sent<bytes::Bytes>>) -> BoxStream<'static, Sent<bytes::Bytes>>,
) -> TransportResponse {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    let status = response.status().as_u16();
    let pieces = response.bytes_stream();
    let body = pieces
        .map(|piece| piece.map_err(|error| failure(&error)))
        .boxed();
    TransportResponse {
        status,
        headers,
        body: wrap(body),
    }
}

/// Sends a request, or only its head with an empty body.
pub(crate) async fn post(
    client: &reqwest::Client,
    request: &TransportRequest,
    authorization: Option<&str>,
    with_body: bool,
) -> std::result::Result<reqwest::Response, reqwest::Error> {
    let mut post = client.post(request.url.clone());
    if let Some(text) = authorization {
        // Text that no header can hold fails when the request is built, without being shown.
        post = match HeaderValue::from_str(text) {
            Ok(mut value) => {
                value.set_sensitive(true);
                post.header(AUTHORIZATION, value)
            }
            Err(_) => post.header(AUTHORIZATION, "\n"),
        };
    }
    for (name, value) in &request.headers {
        post = post.header(*name, value);
    }
    post = match &request.body {
        _ if !with_body => post.header(CONTENT_LENGTH, 0).body(""),
        RequestBody::Bytes(bytes) => post.body(bytes.clone()),
        // The length makes hyper send it unchunked, which some servers insist on.
        RequestBody::Stream { len, open } => post
            .header(CONTENT_LENGTH, *len)
            .body(reqwest::Body::wrap_stream(open())),
    };
    post.send().await
}

/// What an answer offers for signing in.
pub(crate) fn challenges_of(response: &reqwest::Response) -> Challenges {
    let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
    Challenges::read(values.filter_map(|value| value.to_str().ok()))
}

/// The certificate of the connection that an answer came by: through a proxy the HTTP library
/// knows none, and the one that was judged counts.
fn certificate_of(response: &reqwest::Response, url: &Url, shown: &Shown) -> Option<Vec<u8>> {
    told_certificate(response).or_else(|| shown.certificate(url))
}

/// The certificate that the HTTP library tells.
fn told_certificate(response: &reqwest::Response) -> Option<Vec<u8>> {
    let info = response.extensions().get::<reqwest::tls::TlsInfo>()?;
    info.peer_certificate().map(<[u8]>::to_vec)
}

/// Reads an answer to its end, so that its connection serves the next request.
pub(crate) async fn finished(mut response: reqwest::Response) {
    let mut left = MAX_DISCARDED_BYTES;
    while let Ok(Some(piece)) = response.chunk().await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Sorts a failure. The cause goes into the text, since reqwest's own says only "error sending
/// request"; the address is left out, as the caller adds it.
pub(crate) fn failure(error: &reqwest::Error) -> TransportError {
    let cause = root_cause(error);
    if error.is_builder() {
        return TransportError::new(
            TransportErrorKind::Payload,
            format!("cannot build the request: {cause}"),
        );
    }
    if is_about_old_tls(error) {
        let told = "the server and this client have no TLS cipher suite in common: it seems to \
                    offer only old ones, which only legacy TLS speaks";
        return TransportError::new(TransportErrorKind::OldTls, told);
    }
    if error.is_connect() {
        let kind = TransportErrorKind::Unreachable;
        let what = if error.is_timeout() {
            "connecting took too long"
        } else {
            "cannot connect"
        };
        return TransportError::new(kind, format!("{what}: {cause}"));
    }
    if error.is_timeout() {
        return TransportError::new(
            TransportErrorKind::Timeout,
            format!("the connection timed out: {cause}"),
        );
    }
    if let Some(told) = malformed(error) {
        return TransportError::new(TransportErrorKind::Protocol, told.to_owned());
    }
    TransportError::new(
        TransportErrorKind::Interrupted,
        format!("the connection broke: {cause}"),
    )
}

/// Whether a handshake failed because there was nothing to agree on: rustls has no CBC suites and
/// nothing below TLS 1.2.
fn is_about_old_tls(error: &reqwest::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(mut inner) = cause {
        // An I/O error shows what its inner error is about, but not the inner error itself.
        while let Some(wrapped) = inner.downcast_ref::<std::io::Error>() {
            match wrapped.get_ref() {
                Some(within) => inner = within,
                None => break,
            }
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return matches!(
                tls,
                rustls::Error::PeerIncompatible(_)
                    | rustls::Error::AlertReceived(
                        Alert::HandshakeFailure
                            | Alert::ProtocolVersion
                            | Alert::InsufficientSecurity
                    )
            );
        }
        cause = inner.source();
    }
    false
}

/// What is wrong with an answer that cannot be read as HTTP.
fn malformed(error: &reqwest::Error) -> Option<&'static str> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(inner) = inner.downcast_ref::<hyper::Error>() {
            return match () {
                () if inner.is_parse_too_large() => Some("the answer's headers are too large"),
                () if inner.is_parse() => Some("the answer's headers are no HTTP"),
                () => None,
            };
        }
        cause = inner.source();
    }
    None
}

/// The innermost cause's text.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(crate::error::quote(&inner.to_string()));
        cause = inner.source();
    }
    text.unwrap_or_else(|| "unknown cause".to_owned())
}
