//! Kerberos by the system's GSSAPI, inside SPNEGO (RFC 4559): a token with each request.
//!
//! Servers forget a Kerberos sign-in with the request, as a rule, so connections are shared as
//! with Basic. Over TLS the token is bound to the server's certificate, which the first answer
//! shows.

use std::sync::{Mutex, PoisonError};

use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE};

use super::{Spnego, channel_binding};
use crate::error::quote;
use crate::http::{certificate_of, failure, finished, post};
use crate::transport::{TransportError, TransportErrorKind, TransportRequest};

type Sent<T> = Result<T, TransportError>;

/// What was learnt of the server.
#[derive(Default)]
pub(crate) struct Kerberos(Mutex<Option<Channel>>);

/// The channel binding of the server's certificate; `None` for plain http.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Channel(Option<Vec<u8>>);

impl Kerberos {
    /// Sends a request with a token of its own.
    pub(crate) async fn send(
        &self,
        http: &reqwest::Client,
        request: &TransportRequest,
    ) -> Sent<reqwest::Response> {
        let known = self.known();
        let channel = match known.clone() {
            Some(channel) => channel,
            None => self.look(http, request).await?,
        };
        let response = self.try_once(http, request, channel.clone()).await?;
        if response.status() != 401 {
            return Ok(response);
        }
        // Another certificate than the one known, behind a load balancer or renewed: once more.
        let now = Channel(certificate_of(&response).map(|der| channel_binding(&der)));
        if known.is_none() || now == channel {
            return Ok(response);
        }
        finished(response).await;
        self.remember(now.clone());
        self.try_once(http, request, now).await
    }

    /// Asks without a token, for the certificate.
    async fn look(&self, http: &reqwest::Client, request: &TransportRequest) -> Sent<Channel> {
        if request.url.scheme() != "https" {
            let none = Channel(None);
            self.remember(none.clone());
            return Ok(none);
        }
        let answer = post(http, request, None, false)
            .await
            .map_err(|error| failure(&error))?;
        let channel = Channel(certificate_of(&answer).map(|der| channel_binding(&der)));
        finished(answer).await;
        self.remember(channel.clone());
        Ok(channel)
    }

    async fn try_once(
        &self,
        http: &reqwest::Client,
        request: &TransportRequest,
        channel: Channel,
    ) -> Sent<reqwest::Response> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        // A ticket may have to be fetched over the network.
        let made = tokio::task::spawn_blocking(move || token(&host, channel.0.as_deref())).await;
        let token = made.unwrap_or_else(|_| Err("a defect".to_owned()));
        let token = token.map_err(|text| {
            let text = format!("no Kerberos ticket for the server: {}", quote(&text));
            TransportError::new(TransportErrorKind::Auth, text)
        })?;
        let encoded = base64_simd::STANDARD.encode_to_string(&token);
        let header = format!("Negotiate {encoded}");
        post(http, request, Some(&header), true)
            .await
            .map_err(|error| failure(&error))
    }

    fn known(&self) -> Option<Channel> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn remember(&self, channel: Channel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
    }
}

/// A token for `HTTP@host`, from the process's credential cache or keytab.
///
/// GSSAPI is asked for Kerberos, and the wrapping is our own: its own SPNEGO would silently try
/// other mechanisms that the system happens to have, and say of the last one why it failed.
fn token(host: &str, channel: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let told = |error: libgssapi::error::Error| error.to_string();
    let service = format!("HTTP@{host}");
    let name = Name::new(service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)).map_err(told)?;
    let flags = CtxFlags::GSS_C_MUTUAL_FLAG;
    let mut context = ClientCtx::new(None, name, flags, Some(GSS_MECH_KRB5));
    match context.step(None, channel).map_err(told)? {
        Some(token) => Ok(Spnego::kerberos(&token)),
        None => Err("GSSAPI made no token".to_owned()),
    }
}
