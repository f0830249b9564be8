//! OAuth 2: an application's client credentials (RFC 6749 section 4.4), or the caller's tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use zeroize::Zeroizing;

use super::OAuthSource;
use crate::sleep::Sleeper;
use crate::transport::{TransportError, TransportErrorKind};

/// A token is renewed this long before it ends.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// How long a token that does not say is used.
const DEFAULT_LIFE: Duration = Duration::from_secs(300);
/// Most bytes of a token endpoint's answer.
const MAX_ANSWER_BYTES: usize = 256 << 10;

/// An application that signs in on its own account.
#[derive(Clone)]
pub struct ClientSecret {
    /// The token endpoint, such as
    /// `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`.
    pub token_url: Url,
    /// The application's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Zeroizing<String>,
    /// What the token is for, such as `https://outlook.office365.com/.default`.
    pub scope: String,
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("token_url", &self.token_url.as_str())
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A bearer token. Wiped from memory on drop and never printed.
#[derive(Clone)]
pub struct Token {
    secret: Zeroizing<String>,
    life: Option<Duration>,
}

impl Token {
    /// A token, and how long it is good from now; `None` is taken as five minutes. It is renewed a
    /// minute before it ends.
    pub fn new(secret: impl Into<String>, life: Option<Duration>) -> Token {
        Token {
            secret: Zeroizing::new(secret.into()),
            life,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(redacted, {:?})", self.life)
    }
}

/// Where tokens come from. Asked again when a token ends, and when the server refuses one.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A new token.
    ///
    /// # Errors
    ///
    /// Whatever hinders it; the call that needed the token fails with the kind `Auth`.
    ///
    /// # Cancellation
    ///
    /// The call that needs the token may be dropped, and this future with it.
    async fn token(&self) -> Result<Token, Box<dyn std::error::Error + Send + Sync>>;
}

/// The token in use.
pub(crate) struct TokenCache {
    source: OAuthSource,
    sleeper: Arc<dyn Sleeper>,
    current: Mutex<Option<Current>>,
}

struct Current {
    token: Token,
    until: Duration,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

impl TokenCache {
    pub(crate) fn new(source: OAuthSource, sleeper: Arc<dyn Sleeper>) -> TokenCache {
        TokenCache {
            source,
            sleeper,
            current: Mutex::new(None),
        }
    }

    /// The value of the Authorization header. `refused` is one that the server did not take.
    pub(crate) async fn authorization(
        &self,
        http: &reqwest::Client,
        refused: Option<&str>,
    ) -> Result<Zeroizing<String>, TransportError> {
        let mut current = self.current.lock().await;
        let bearer = |token: &Token| Zeroizing::new(format!("Bearer {}", token.secret.as_str()));
        if let Some(known) = &*current {
            let value = bearer(&known.token);
            if known.until > self.sleeper.now() && refused != Some(value.as_str()) {
                return Ok(value);
            }
        }
        let token = match &self.source {
            OAuthSource::Caller(source) => source
                .token()
                .await
                .map_err(|error| auth(format!("no token: {error}")))?,
            OAuthSource::Secret(secret) => request(http, secret).await?,
        };
        let life = token.life.unwrap_or(DEFAULT_LIFE);
        let value = bearer(&token);
        *current = Some(Current {
            until: self.sleeper.now() + life.saturating_sub(RENEW_BEFORE),
            token,
        });
        Ok(value)
    }
}

async fn request(http: &reqwest::Client, secret: &ClientSecret) -> Result<Token, TransportError> {
    let place = crate::client::redacted(&secret.token_url);
    let failed = |what: &dyn fmt::Display| auth(format!("no token from {place}: {what}"));
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", &secret.client_id),
        ("client_secret", &secret.client_secret),
        ("scope", &secret.scope),
    ];
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let form = Zeroizing::new(form);
    let mut response = http
        .post(secret.token_url.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(form.as_bytes().to_vec())
        .send()
        .await
        .map_err(|error| crate::http::failure(&error))?;
    let status = response.status();
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| crate::http::failure(&error))?
    {
        if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(failed(&"the answer is too long"));
        }
        bytes.extend_from_slice(&piece);
    }
    let answer: Answer = serde_json::from_slice(&bytes)
        .map_err(|_| failed(&format_args!("HTTP {} and no JSON", status.as_u16())))?;
    match answer.access_token {
        Some(token) if status.is_success() => Ok(Token {
            secret: Zeroizing::new(token),
            life: answer.expires_in.map(Duration::from_secs),
        }),
        _ => {
            let told = answer.error_description.or(answer.error);
            let told = told.unwrap_or_else(|| format!("HTTP {}", status.as_u16()));
            Err(failed(&crate::error::quote(&told)))
        }
    }
}

fn auth(message: String) -> TransportError {
    TransportError::new(TransportErrorKind::Auth, message)
}
