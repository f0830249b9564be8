//! An HTTP POST of the report.

use std::time::Duration;

use engine::{Error, ErrorKind, Result};

use super::News;
use crate::config::WebhookConfig;
use crate::secret::Lookup;

/// Longest time until an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn post(webhook: &WebhookConfig, news: &News<'_>, lookup: &Lookup) -> Result<()> {
    let body = serde_json::to_vec(news.report)
        .map_err(|error| Error::with_source(ErrorKind::Internal, "write the report", error))?;
    // Its errors name the address, which may hold a token.
    let failed = |error: reqwest::Error| {
        Error::with_source(
            ErrorKind::Unreachable,
            "post the report",
            error.without_url(),
        )
    };
    let mut request = https_client(TIMEOUT)
        .map_err(failed)?
        .post(&webhook.url)
        .header("content-type", "application/json")
        .body(body);
    if let Some(source) = webhook.token.source() {
        let token = source.read("token of the webhook", lookup).await?;
        request = request.header("authorization", format!("Bearer {}", *token));
    }
    let answer = request.send().await.map_err(failed)?;
    if !answer.status().is_success() {
        let message = format!("the webhook answered {}", answer.status());
        return Err(Error::new(ErrorKind::Denied, message));
    }
    Ok(())
}

/// A client for services beside the server and the destinations, which follows no redirect: what
/// it sends is for that address alone. `timeout` is the longest time until an answer is there.
///
/// # Errors
/// If TLS cannot be set up.
pub fn https_client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    // reqwest takes the process-wide provider; a lost race means that somebody else just set it.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}
