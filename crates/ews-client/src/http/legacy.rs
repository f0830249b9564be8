//! TLS as the operating system has it, for servers that offer only CBC cipher suites.
//!
//! It lets nobody judge a certificate. A pinned one is therefore looked at on a connection of its
//! own, over which no credentials go, and is then the only one that is trusted; for that it must
//! vouch for itself, as self-signed ones do.

use std::sync::Arc;

use reqwest::{Certificate, ClientBuilder};
use tokio::sync::OnceCell;
use url::Url;

use super::maker::built;
use super::{Sent, failure, finished, told_certificate};
use crate::error::{Error, Result};
use crate::tls::Fingerprint;
use crate::transport::{TransportError, TransportErrorKind};

/// Whom to trust.
#[derive(Clone)]
pub(super) struct Legacy {
    extra: Vec<Certificate>,
    pins: Vec<Fingerprint>,
    /// The pinned certificate, once the server has shown it.
    shown: Arc<OnceCell<Certificate>>,
}

impl Legacy {
    pub(super) fn new(extra_root_pem: Option<&[u8]>, pins: &[Fingerprint]) -> Result<Legacy> {
        let unusable = |text: &str| Error::invalid(format!("unusable certificates: {text}"));
        let extra = match extra_root_pem {
            None => Vec::new(),
            Some(pem) => {
                let read = Certificate::from_pem_bundle(pem);
                let read = read.map_err(|error| unusable(&super::root_cause(&error)))?;
                if read.is_empty() {
                    return Err(unusable("the PEM text holds none"));
                }
                read
            }
        };
        Ok(Legacy {
            extra,
            pins: pins.to_vec(),
            shown: Arc::default(),
        })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.pins.is_empty() || self.shown.initialized()
    }

    /// Looks at the certificate of a server, where one is pinned.
    pub(super) async fn prepare(
        &self,
        url: &Url,
        plain: impl Fn() -> Result<ClientBuilder>,
    ) -> Sent<()> {
        if self.pins.is_empty() || url.scheme() != "https" {
            return Ok(());
        }
        let look = || async {
            let certificate = self.look(url, plain()).await?;
            let trusting = plain().map(|builder| only(builder, certificate.clone()));
            match ask(url, trusting).await {
                Ok(_) => Ok(certificate),
                Err(_) => Err(unreachable(
                    "the pinned certificate was issued by an authority, and legacy TLS can pin \
                     only certificates that vouch for themselves: trust the authority's instead"
                        .to_owned(),
                )),
            }
        };
        self.shown.get_or_try_init(look).await.map(drop)
    }

    async fn look(&self, url: &Url, plain: Result<ClientBuilder>) -> Sent<Certificate> {
        let blind = plain.map(|builder| {
            let builder = builder.tls_backend_native().tls_info(true);
            builder
                .tls_danger_accept_invalid_certs(true)
                .tls_danger_accept_invalid_hostnames(true)
        });
        let answer = ask(url, blind).await?;
        let der = told_certificate(&answer)
            .ok_or_else(|| unreachable("the server shows no certificate".to_owned()))?;
        finished(answer).await;
        let fingerprint = Fingerprint::of(&der);
        if !self.pins.contains(&fingerprint) {
            return Err(unreachable(format!(
                "the server's certificate is not the pinned one; its SHA-256 fingerprint is \
                 {fingerprint}"
            )));
        }
        Certificate::from_der(&der).map_err(|error| failure(&error))
    }

    /// Makes a client trust what it should.
    pub(super) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        match self.shown.get() {
            Some(certificate) => only(builder, certificate.clone()),
            // Over plain http there is nothing to pin.
            None if self.pins.is_empty() => {
                let builder = builder.tls_backend_native();
                builder.tls_certs_merge(self.extra.clone())
            }
            None => builder.tls_backend_native().tls_certs_only([]),
        }
    }
}

/// Trusts one certificate, under whatever name the server is called.
fn only(builder: ClientBuilder, certificate: Certificate) -> ClientBuilder {
    builder
        .tls_backend_native()
        .tls_certs_only([certificate])
        .tls_danger_accept_invalid_hostnames(true)
}

/// A request without anything secret in it.
async fn ask(url: &Url, builder: Result<ClientBuilder>) -> Sent<reqwest::Response> {
    let client = builder.and_then(built);
    let client = client.map_err(|error| unreachable(error.to_string()))?;
    let answer = client.head(url.clone()).send().await;
    answer.map_err(|error| failure(&error))
}

fn unreachable(text: String) -> TransportError {
    TransportError::new(TransportErrorKind::Unreachable, text)
}
