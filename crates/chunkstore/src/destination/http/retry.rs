//! Repeating requests that a busy or restarting server refused.

use std::future::Future;

use reqwest::{Error, Response, StatusCode};

use crate::destination::WAITS;

/// Sends until the answer is neither a server's failure nor no connection. A create that is repeated
/// may find its own success; who asked for it compares.
pub(in crate::destination) async fn retrying<F>(send: impl Fn() -> F) -> Result<Response, Error>
where
    F: Future<Output = Result<Response, Error>>,
{
    for wait in WAITS {
        match send().await {
            Ok(response) if !is_transient(response.status()) => return Ok(response),
            Err(error) if !(error.is_connect() || error.is_request()) => return Err(error),
            Ok(response) => {
                tracing::debug!(status = %response.status(), "a request is repeated");
            }
            Err(error) => tracing::debug!(%error, "a request is repeated"),
        }
        tokio::time::sleep(wait).await;
    }
    send().await
}

fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::LOCKED
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
