//! The real transport: HTTP/1.1 over TCP or TLS, by reqwest and rustls.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};

use crate::client::ClientOptions;
use crate::error::{Error, Result};
use crate::transport::{
    RequestBody, Transport, TransportError, TransportErrorKind, TransportRequest, TransportResponse,
};

/// A pool of connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpTransport {
    client: reqwest::Client,
}

impl HttpTransport {
    pub(crate) fn new(options: &ClientOptions) -> Result<HttpTransport> {
        // reqwest takes the process-wide provider. An application that chose one keeps it; a
        // lost race means that somebody else just did.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            // Shorter than servers keep theirs: an upload on a connection that is just being
            // closed cannot be repeated blindly.
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .gzip(true);
        let certificates = match &options.extra_root_pem {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| Error::invalid("unusable certificates").with_source(error))?,
            None => Vec::new(),
        };
        builder = if options.endpoint.scheme() == "https" {
            builder.tls_certs_merge(certificates)
        } else {
            // Machines without any system certificate, such as bare containers, could not even
            // set up a client for plain http otherwise.
            builder.tls_certs_only(certificates)
        };
        let client = builder.build().map_err(|error| {
            Error::invalid(format!("cannot set up HTTP: {}", root_cause(&error)))
        })?;
        Ok(HttpTransport { client })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(
        &self,
        request: TransportRequest,
    ) -> std::result::Result<TransportResponse, TransportError> {
        let mut authorization = HeaderValue::from_str(&request.authorization).map_err(|_| {
            TransportError::new(
                TransportErrorKind::Payload,
                "credentials that no header can hold",
            )
        })?;
        authorization.set_sensitive(true);
        let mut post = self
            .client
            .post(request.url.clone())
            .header(AUTHORIZATION, authorization);
        for (name, value) in &request.headers {
            post = post.header(*name, value);
        }
        post = match &request.body {
            RequestBody::Bytes(bytes) => post.body(bytes.clone()),
            // The length makes hyper send it unchunked, which some servers insist on.
            RequestBody::Stream { len, open } => post
                .header(CONTENT_LENGTH, *len)
                .body(reqwest::Body::wrap_stream(open())),
        };
        let response = post.send().await.map_err(|error| failure(&error))?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect();
        Ok(TransportResponse {
            status: response.status().as_u16(),
            headers,
            body: response
                .bytes_stream()
                .map(|piece| piece.map_err(|error| failure(&error)))
                .boxed(),
        })
    }
}

/// Sorts a failure. The cause goes into the text, since reqwest's own says only "error sending
/// request"; the address is left out, as the caller adds it.
fn failure(error: &reqwest::Error) -> TransportError {
    let cause = root_cause(error);
    if error.is_builder() {
        return TransportError::new(
            TransportErrorKind::Payload,
            format!("cannot build the request: {cause}"),
        );
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
    TransportError::new(
        TransportErrorKind::Interrupted,
        format!("the connection broke: {cause}"),
    )
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
