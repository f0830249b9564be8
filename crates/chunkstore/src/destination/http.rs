//! What destinations over HTTP have in common.

#[cfg(any(feature = "webdav", feature = "swift", feature = "web"))]
pub(super) mod answer;
#[cfg(any(feature = "webdav", feature = "swift", feature = "web", feature = "s3"))]
pub(super) mod body;
#[cfg(any(feature = "webdav", feature = "swift", feature = "web"))]
pub(super) mod read;
#[cfg(any(feature = "webdav", feature = "swift", feature = "web", feature = "s3"))]
pub(super) mod retry;
#[cfg(any(feature = "webdav", feature = "web"))]
pub(super) mod site;

/// TLS by rustls and ring. reqwest takes the process-wide provider: an application that chose one
/// keeps it; a lost race means that somebody else just did.
pub(super) fn ensure_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
