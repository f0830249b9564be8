//! Connections that are signed in as a whole: NTLM, bare or inside Negotiate.

use super::gate::Gate;
use super::lease::{Free, Lease};
use super::{Maker, Sent, certificate_of, challenges_of, failure, finished, post};
use crate::auth::{Ntlm, NtlmFreshness, Scheme, Spnego, channel_binding};
use crate::error::Result;
use crate::tls::Shown;
use crate::transport::{TransportError, TransportErrorKind, TransportRequest};

/// Sign-ins tried for one request, where connections break during them.
const MAX_SIGN_INS: u32 = 3;
/// 100-nanosecond ticks from 1601 to 1970.
const EPOCH_TICKS: i64 = 116_444_736_000_000_000;

/// The connections of an account, each with one request at a time.
pub(crate) struct Sessions {
    maker: Maker,
    scheme: Scheme,
    account: Ntlm,
    free: Free<Session>,
}

pub(crate) struct Session {
    http: reqwest::Client,
    gate: Gate,
    shown: Shown,
    is_signed_in: bool,
}

impl Sessions {
    pub(crate) fn new(maker: Maker, scheme: Scheme, user: &str, password: &str) -> Sessions {
        Sessions {
            maker,
            scheme,
            account: Ntlm::new(user, password),
            free: Free::default(),
        }
    }

    /// Sends a request on a connection that is signed in, or signs one in with it.
    pub(crate) async fn send(
        &self,
        request: &TransportRequest,
    ) -> Sent<(reqwest::Response, Lease<Session>)> {
        let mut session = match self.free.take() {
            Some(session) => session,
            None => self.connect().map_err(|error| {
                TransportError::new(TransportErrorKind::Payload, error.to_string())
            })?,
        };
        let response = self.exchange(&mut session, request).await?;
        Ok((response, self.free.lease(session)))
    }

    fn connect(&self) -> Result<Session> {
        let (gate, shown) = (Gate::default(), Shown::default());
        let http = self.maker.pinned(gate.clone(), &shown)?;
        Ok(Session {
            http,
            gate,
            shown,
            is_signed_in: false,
        })
    }

    async fn exchange(
        &self,
        session: &mut Session,
        request: &TransportRequest,
    ) -> Sent<reqwest::Response> {
        for _ in 0..MAX_SIGN_INS {
            if session.is_signed_in {
                match post(&session.http, request, None, true).await {
                    Ok(response) if response.status() != 401 => return Ok(response),
                    // The server has forgotten the connection.
                    Ok(response) => finished(response).await,
                    // The gate: there is no connection, so nothing was sent.
                    Err(error) if error.is_connect() => {}
                    Err(error) => return Err(failure(&error)),
                }
                session.is_signed_in = false;
            }
            if let Some(response) = self.sign_in(session, request).await? {
                return Ok(response);
            }
        }
        Err(TransportError::new(
            TransportErrorKind::Unreachable,
            "the connection broke each time while signing in",
        ))
    }

    /// The three messages; the last carries the request. `None` where the connection broke before
    /// the request was sent.
    async fn sign_in(
        &self,
        session: &mut Session,
        request: &TransportRequest,
    ) -> Sent<Option<reqwest::Response>> {
        session.gate.open();
        let negotiate = Ntlm::negotiate();
        let first = match self.scheme {
            Scheme::Negotiate => Spnego::init(&negotiate),
            _ => negotiate,
        };
        let answer = post(&session.http, request, Some(&self.header(&first)), false)
            .await
            .map_err(|error| failure(&error))?;
        if answer.status() != 401 {
            // Busy, moved, or a server that lets everybody in: the request itself will tell.
            finished(answer).await;
            session.is_signed_in = true;
            return Ok(None);
        }
        let Some(token) = challenges_of(&answer).token(self.scheme) else {
            return Ok(Some(answer));
        };
        let date = answer
            .headers()
            .get("date")
            .and_then(|date| date.to_str().ok());
        let file_time = date
            .and_then(file_time)
            .unwrap_or(EPOCH_TICKS.unsigned_abs());
        let binding = certificate_of(&answer, &request.url, &session.shown);
        let binding = binding.map(|der| channel_binding(&der));
        finished(answer).await;
        let third = self.answer(&token, request, file_time, binding.as_deref())?;
        match post(&session.http, request, Some(&self.header(&third)), true).await {
            Ok(response) => {
                session.is_signed_in = response.status() != 401;
                Ok(Some(response))
            }
            Err(error) if error.is_connect() => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    fn answer(
        &self,
        token: &[u8],
        request: &TransportRequest,
        file_time: u64,
        binding: Option<&[u8]>,
    ) -> Sent<Vec<u8>> {
        let auth = |text: &str| TransportError::new(TransportErrorKind::Auth, text);
        let challenge = match self.scheme {
            Scheme::Negotiate => Spnego::unwrap(token)
                .ok_or_else(|| auth("the server's Negotiate answer holds no NTLM challenge"))?,
            _ => token,
        };
        let target = format!("HTTP/{}", request.url.host_str().unwrap_or_default());
        let mut client_challenge = [0; 8];
        crate::tls::provider()
            .secure_random
            .fill(&mut client_challenge)
            .map_err(|_| auth("the system gives no random bytes"))?;
        let fresh = NtlmFreshness {
            client_challenge,
            file_time,
            target_name: &target,
            channel_binding: binding,
        };
        let message = self.account.authenticate(challenge, &fresh).map_err(auth)?;
        Ok(match self.scheme {
            Scheme::Negotiate => Spnego::respond(&message),
            _ => message,
        })
    }

    fn header(&self, token: &[u8]) -> String {
        let encoded = base64_simd::STANDARD.encode_to_string(token);
        format!("{} {encoded}", self.scheme.name())
    }
}

/// A Date header as Windows counts time.
fn file_time(date: &str) -> Option<u64> {
    let seconds = jiff::fmt::rfc2822::parse(date.trim())
        .ok()?
        .timestamp()
        .as_second();
    u64::try_from(seconds.checked_mul(10_000_000)?.checked_add(EPOCH_TICKS)?).ok()
}
