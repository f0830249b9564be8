//! What an HTTP status means for a call.

use std::time::Duration;

use crate::answer::MAX_BACK_OFF;
use crate::auth::Challenges;
use crate::envelope;
use crate::error::{Error, ErrorKind, quote};
use crate::model::ItemError;
use crate::response_code::ResponseCode;
use crate::retry::Failure;
use crate::transport::TransportResponse;

/// The parts of an answer's head that matter.
#[derive(Debug)]
pub(crate) struct Head {
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    retry_after: Option<Duration>,
    challenges: Challenges,
    /// How the client signs in.
    scheme: &'static str,
}

impl Head {
    pub(crate) fn read(response: &TransportResponse, scheme: &'static str) -> Head {
        let header = |name| response.header(name).map(str::to_owned);
        Head {
            status: response.status,
            content_type: header("content-type"),
            location: header("location"),
            retry_after: retry_after(response.header("retry-after"), response.header("date")),
            challenges: Challenges::read(response.headers("www-authenticate")),
            scheme,
        }
    }

    /// What a successful answer of this type probably is instead of EWS. A wrong type on a true
    /// answer is forgiven, so this counts only once the answer could not be read.
    pub(crate) fn suspicion(&self) -> Option<Error> {
        let text = self.content_type.as_deref()?.to_ascii_lowercase();
        let what = if text.starts_with("text/html") {
            "a web page"
        } else if text.starts_with("application/json") {
            "JSON"
        } else {
            return None;
        };
        Some(self.error(
            ErrorKind::NotEws,
            format!("the server sent {what}; is this the EWS address?"),
        ))
    }

    /// The failure behind a status that is no success; `None` beside it where the fault decides
    /// whether a repeat helps.
    pub(crate) fn failure(&self, fault: Option<ItemError>, page: &str) -> (Error, Option<Failure>) {
        // A fault without a code of the schema yields to a status that is clearer.
        let clear = matches!(self.status, 300..=399 | 401 | 403 | 429 | 502..=504);
        let told = fault.filter(|fault| !matches!(fault.code, ResponseCode::Other(_)) || !clear);
        if let Some(fault) = told {
            let retry_after = fault.back_off.or(self.retry_after);
            let error = envelope::fault_error(fault);
            return (
                error.with_status(self.status).with_retry_after(retry_after),
                None,
            );
        }
        let status = self.status;
        let (kind, failure, text) = match status {
            300..=399 => {
                let text = match &self.location {
                    Some(location) => format!("the server redirects to {}", quote(location)),
                    None => "the server redirects without saying where".to_owned(),
                };
                (ErrorKind::NotEws, Failure::Final, text)
            }
            401 => (ErrorKind::Auth, Failure::Final, self.refused()),
            403 | 456 => (
                ErrorKind::Denied,
                Failure::Final,
                format!("the server denies access (HTTP {status})"),
            ),
            404 | 405 | 410 | 501 => (
                ErrorKind::NotEws,
                Failure::Final,
                format!("no EWS service at this address (HTTP {status})"),
            ),
            429 | 503 => (
                ErrorKind::Busy,
                Failure::Refused,
                format!("the server is busy (HTTP {status})"),
            ),
            408 | 502 | 504 => (
                ErrorKind::Interrupted,
                Failure::Unknown,
                format!("the server failed on the way (HTTP {status})"),
            ),
            413 => (
                ErrorKind::Invalid,
                Failure::Final,
                "the request is too large for the server (HTTP 413)".into(),
            ),
            500 if page.to_ascii_lowercase().contains("unknown request") => (
                ErrorKind::Unsupported,
                Failure::Final,
                "the server does not know the operation (HTTP 500)".into(),
            ),
            500..=599 => (
                ErrorKind::Protocol,
                Failure::Unknown,
                format!("the server failed (HTTP {status})"),
            ),
            400 | 415 => (
                ErrorKind::Invalid,
                Failure::Final,
                format!("the server finds the request wrong (HTTP {status})"),
            ),
            _ => (
                ErrorKind::Protocol,
                Failure::Final,
                format!("unexpected status (HTTP {status})"),
            ),
        };
        (self.error(kind, text), Some(failure))
    }

    /// The text for refused credentials, with what the server would take instead.
    fn refused(&self) -> String {
        let scheme = self.scheme;
        let offered = |name: &str| {
            let offers = self.challenges.names();
            offers
                .split(", ")
                .any(|offer| offer.eq_ignore_ascii_case(name))
        };
        let known = match scheme {
            "OAuth" => offered("Bearer"),
            "Kerberos" => offered("Negotiate"),
            name if name.contains(' ') => ["NTLM", "Negotiate", "Basic"]
                .iter()
                .any(|name| offered(name)),
            name => offered(name),
        };
        if self.challenges.is_empty() || known {
            let what = match scheme {
                "OAuth" => "token",
                "Kerberos" => "Kerberos ticket",
                _ => "user name or password",
            };
            return format!("the server refuses the {what} (HTTP 401)");
        }
        format!(
            "the server does not take {scheme} authentication, only {}",
            quote(&self.challenges.names())
        )
    }

    fn error(&self, kind: ErrorKind, text: impl Into<String>) -> Error {
        Error::new(kind, text)
            .with_status(self.status)
            .with_retry_after(self.retry_after)
    }
}

/// A Retry-After header in seconds or as a date; a date is compared with the answer's own.
fn retry_after(value: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let value = value?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(MAX_BACK_OFF));
    }
    let until = jiff::fmt::rfc2822::parse(value).ok()?;
    let now = jiff::fmt::rfc2822::parse(date?.trim()).ok()?;
    let seconds = until
        .timestamp()
        .as_second()
        .saturating_sub(now.timestamp().as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(MAX_BACK_OFF))
}
