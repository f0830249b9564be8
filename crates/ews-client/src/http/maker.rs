//! Makes HTTP clients that trust the same and go the same way.

use std::time::Duration;

use url::Url;

use super::gate::Gate;
#[cfg(feature = "legacy-tls")]
use super::legacy::Legacy;
use super::{Proxy, Sent, root_cause};
use crate::auth::Kind;
use crate::client::{ClientOptions, TlsSupport};
use crate::error::{Error, Result};
use crate::tls::{Shown, Trust};

/// Whose TLS is spoken.
#[derive(Clone)]
enum Tls {
    Rustls(Box<Trust>),
    #[cfg(feature = "legacy-tls")]
    Legacy(Legacy),
}

/// Makes clients that trust the same and go the same way.
#[derive(Clone)]
pub(crate) struct Maker {
    tls: Tls,
    connect_timeout: Duration,
    proxy: Option<Proxy>,
}

impl Maker {
    pub(crate) fn new(options: &ClientOptions) -> Result<Maker> {
        Ok(Maker {
            tls: Tls::of(options)?,
            connect_timeout: options.connect_timeout,
            proxy: options.proxy.clone(),
        })
    }

    /// Whether clients can be made without asking the server anything.
    pub(super) fn is_ready(&self) -> bool {
        match &self.tls {
            Tls::Rustls(_) => true,
            #[cfg(feature = "legacy-tls")]
            Tls::Legacy(legacy) => legacy.is_ready(),
        }
    }

    /// Finds out what clients need to know of a server.
    pub(crate) async fn prepare(&self, url: &Url) -> Sent<()> {
        match &self.tls {
            Tls::Rustls(_) => {
                // Only the other kind has anything to ask.
                let _ = url;
                Ok(())
            }
            #[cfg(feature = "legacy-tls")]
            Tls::Legacy(legacy) => legacy.prepare(url, || self.plain()).await,
        }
    }

    /// A client with a pool of connections.
    pub(crate) fn pooled(&self) -> Result<reqwest::Client> {
        let builder = self.plain()?;
        built(match &self.tls {
            Tls::Rustls(trust) => builder.tls_backend_preconfigured(trust.config()),
            #[cfg(feature = "legacy-tls")]
            Tls::Legacy(legacy) => legacy.apply(builder),
        })
    }

    /// A client with one connection, made only when the gate is open, whose certificate is shown.
    pub(super) fn pinned(&self, gate: Gate, shown: &Shown) -> Result<reqwest::Client> {
        built(self.watched(shown)?.connector_layer(gate))
    }

    /// A client with one connection for one request at a time, whose certificate is shown.
    #[cfg(feature = "kerberos")]
    pub(super) fn single(&self, shown: &Shown) -> Result<reqwest::Client> {
        built(self.watched(shown)?)
    }

    fn watched(&self, shown: &Shown) -> Result<reqwest::ClientBuilder> {
        let builder = self.plain()?.pool_max_idle_per_host(1).tls_info(true);
        Ok(match &self.tls {
            Tls::Rustls(trust) => builder.tls_backend_preconfigured(trust.watched(shown)),
            #[cfg(feature = "legacy-tls")]
            Tls::Legacy(legacy) => legacy.apply(builder),
        })
    }

    /// Everything but TLS.
    fn plain(&self) -> Result<reqwest::ClientBuilder> {
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            // Shorter than servers keep theirs: an upload on a connection that is just being
            // closed cannot be repeated blindly.
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .gzip(true);
        if let Some(Proxy(url)) = &self.proxy {
            let proxy = reqwest::Proxy::all(url.clone())
                .map_err(|error| Error::invalid(format!("proxy: {}", root_cause(&error))))?;
            builder = builder.proxy(proxy);
        }
        Ok(builder)
    }
}

impl Tls {
    fn of(options: &ClientOptions) -> Result<Tls> {
        let extra = options.extra_root_pem.as_deref();
        let pins = &options.pinned_certificates;
        match options.tls {
            TlsSupport::Modern => {
                let proxy = options.proxy.as_ref();
                let is_https = options.endpoint.scheme() == "https"
                    || proxy.is_some_and(|Proxy(url)| url.scheme() == "https")
                    || matches!(options.credentials.kind(), Kind::OAuth { .. });
                let trust = Trust::new(is_https, extra, pins)?;
                Ok(Tls::Rustls(Box::new(trust)))
            }
            #[cfg(feature = "legacy-tls")]
            TlsSupport::Legacy => Ok(Tls::Legacy(Legacy::new(extra, pins)?)),
            #[cfg(not(feature = "legacy-tls"))]
            TlsSupport::Legacy => Err(Error::invalid(
                "legacy TLS is not part of this build: build it with the feature legacy-tls",
            )),
        }
    }
}

pub(super) fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder
        .build()
        .map_err(|error| Error::invalid(format!("cannot set up HTTP: {}", root_cause(&error))))
}
