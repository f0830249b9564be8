//! Requests that each carry a Kerberos token, bound to the connection that they go over.
//!
//! Servers forget a Kerberos sign-in with the request, as a rule, so nothing is kept but the
//! certificate. Behind a load balancer each connection may show another one: each is a client of
//! its own, asks once with nothing in it, and from then on connects to what showed the same
//! certificate alone.

use super::lease::{Free, Lease};
use super::{Maker, Sent, certificate_of, failure, finished, post};
use crate::auth::{channel_binding, kerberos_authorization};
use crate::tls::Shown;
use crate::transport::{TransportError, TransportErrorKind, TransportRequest};

/// Connections tried for one request, where each shows another certificate.
const MAX_CONNECTIONS: u32 = 3;

/// The connections of an account, each with one request at a time.
pub(crate) struct Tickets {
    maker: Maker,
    free: Free<Lane>,
}

pub(crate) struct Lane {
    http: reqwest::Client,
    shown: Shown,
    /// The channel binding, once it is known that there is one, or none.
    binding: Option<Option<Vec<u8>>>,
}

impl Tickets {
    pub(super) fn new(maker: Maker) -> Tickets {
        Tickets {
            maker,
            free: Free::default(),
        }
    }

    /// Sends a request with a token of its own.
    pub(super) async fn send(
        &self,
        request: &TransportRequest,
    ) -> Sent<(reqwest::Response, Lease<Lane>)> {
        let mut lane = match self.free.take() {
            Some(lane) => lane,
            None => self.connect()?,
        };
        let response = lane.send(request).await?;
        Ok((response, self.free.lease(lane)))
    }

    fn connect(&self) -> Sent<Lane> {
        let shown = Shown::default();
        let http = self
            .maker
            .single(&shown)
            .map_err(|error| TransportError::new(TransportErrorKind::Payload, error.to_string()))?;
        Ok(Lane {
            http,
            shown,
            binding: None,
        })
    }
}

impl Lane {
    async fn send(&mut self, request: &TransportRequest) -> Sent<reqwest::Response> {
        let host = request.url.host_str().unwrap_or_default();
        for _ in 0..MAX_CONNECTIONS {
            let binding = self.binding(request).await?;
            let header = kerberos_authorization(host, binding).await?;
            match post(&self.http, request, Some(&header), true).await {
                Ok(response) => return Ok(response),
                // Nothing was sent: the connection of before is gone, and what the new one showed
                // is not what the token is bound to.
                Err(error) if error.is_connect() && self.shown.forget() => self.binding = None,
                Err(error) => return Err(failure(&error)),
            }
        }
        Err(TransportError::new(
            TransportErrorKind::Unreachable,
            "the server shows another certificate on each connection",
        ))
    }

    /// What tokens are bound to: over https, the certificate that a request with nothing in it is
    /// shown.
    async fn binding(&mut self, request: &TransportRequest) -> Sent<Option<Vec<u8>>> {
        if let Some(known) = &self.binding {
            return Ok(known.clone());
        }
        let mut binding = None;
        if request.url.scheme() == "https" {
            let answer = post(&self.http, request, None, false).await;
            let answer = answer.map_err(|error| failure(&error))?;
            let certificate = certificate_of(&answer, &request.url, &self.shown);
            self.shown.hold();
            finished(answer).await;
            binding = certificate.map(|der| channel_binding(&der));
        }
        Ok(self.binding.insert(binding).clone())
    }
}
