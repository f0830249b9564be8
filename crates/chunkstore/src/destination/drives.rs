//! Google Drive, OneDrive, Dropbox and Alibaba Cloud OSS, by OpenDAL.
//!
//! None of the services can be had without an account; for OSS there is a stand-in. What was tried
//! is in `docs/destinations.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use object_store_opendal::OpendalStore;
use opendal::layers::RetryLayer;
use opendal::{Builder, HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;

use super::{Service, http};
use crate::error::{Error, Result};

/// A connection that gives nothing for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Attempts after the first, with doubling waits of a second and more: about two minutes.
const RETRIES: usize = 6;
const FIRST_WAIT: Duration = Duration::from_secs(1);

type Settings = BTreeMap<String, String>;

/// What the three drives sign in with (OAuth 2.0): a refresh token and the application that it was
/// given to, or an access token, which lives for an hour or four.
#[cfg(any(feature = "gdrive", feature = "onedrive", feature = "dropbox"))]
enum Grant<'a> {
    Access(&'a str),
    Refresh {
        token: &'a str,
        client_id: &'a str,
        client_secret: &'a str,
    },
}

#[cfg(any(feature = "gdrive", feature = "onedrive", feature = "dropbox"))]
impl<'a> Grant<'a> {
    /// `needs_secret`: whether the service gives nothing to an application without one.
    fn of(settings: &'a Settings, service: &str, needs_secret: bool) -> Result<Self> {
        let given = |what: &str| {
            settings
                .get(&format!("{service}_{what}"))
                .map(String::as_str)
        };
        let need = |what: &str| {
            given(what)
                .ok_or_else(|| Error::invalid(format!("no credentials: set {service}_{what}")))
        };
        if let Some(token) = given("access_token") {
            return Ok(Self::Access(token));
        }
        Ok(Self::Refresh {
            token: need("refresh_token")?,
            client_id: need("client_id")?,
            client_secret: match needs_secret {
                true => need("client_secret")?,
                false => given("client_secret").unwrap_or_default(),
            },
        })
    }
}

/// Gives a builder its root and what it signs in with.
#[cfg(any(feature = "gdrive", feature = "onedrive", feature = "dropbox"))]
macro_rules! signed_in {
    ($builder:ty, $service:expr, $grant:expr) => {{
        let builder = <$builder>::default().root(&$service.path.join("/"));
        match $grant {
            Grant::Access(token) => builder.access_token(token),
            Grant::Refresh {
                token,
                client_id,
                client_secret,
            } => builder
                .refresh_token(token)
                .client_id(client_id)
                .client_secret(client_secret),
        }
    }};
}

#[cfg(feature = "gdrive")]
pub(super) fn gdrive(service: &Service, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let grant = Grant::of(settings, "gdrive", true)?;
    let builder = signed_in!(opendal::services::Gdrive, service, grant);
    Ok(Arc::new(OneWriter(store("Google Drive", builder)?)))
}

#[cfg(feature = "onedrive")]
pub(super) fn onedrive(service: &Service, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let grant = Grant::of(settings, "onedrive", false)?;
    let builder = signed_in!(opendal::services::Onedrive, service, grant);
    Ok(Arc::new(OneWriter(store("OneDrive", builder)?)))
}

#[cfg(feature = "dropbox")]
pub(super) fn dropbox(service: &Service, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let grant = Grant::of(settings, "dropbox", true)?;
    let builder = signed_in!(opendal::services::Dropbox, service, grant);
    Ok(Arc::new(OneWriter(store("Dropbox", builder)?)))
}

/// OSS creates atomically (`x-oss-forbid-overwrite`) unless the bucket keeps versions: then every
/// create succeeds, and the probe finds that out.
#[cfg(feature = "oss")]
pub(super) fn oss(service: &Service, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let need = |name: &str| {
        let value = settings.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| {
            Error::invalid(format!("the settings for OSS are incomplete: set {name}"))
        })
    };
    let (bucket, prefix) = service
        .path
        .split_first()
        .ok_or_else(|| Error::invalid("the destination's URL names no bucket"))?;
    let endpoint = match &service.endpoint {
        Some(endpoint) => endpoint,
        None => need("oss_endpoint")?,
    };
    let mut builder = opendal::services::Oss::default()
        .bucket(bucket)
        .root(&prefix.join("/"))
        .endpoint(endpoint)
        .access_key_id(need("alibaba_cloud_access_key_id")?)
        .access_key_secret(need("alibaba_cloud_access_key_secret")?);
    // The service itself wants the bucket in the host's name; others may not.
    if let Some(style) = settings.get("oss_addressing_style") {
        builder = builder.addressing_style(style);
    }
    if let Some(token) = settings.get("alibaba_cloud_security_token") {
        builder = builder.security_token(token);
    }
    Ok(Arc::new(store("OSS", builder)?))
}

/// A store over this crate's own kind of HTTP client.
fn store(what: &str, builder: impl Builder) -> Result<OpendalStore> {
    http::ensure_tls();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|e| Error::internal("the HTTP client cannot be set up").with_source(e))?;
    let transport = HttpTransporter::new(ReqwestTransport::new(client));
    let context = OperationContext::default().with_http_transport(transport);
    let operator = Operator::new(builder).map_err(|error| {
        Error::invalid(format!(
            "the settings for {what} are wrong or incomplete: {}",
            error.kind()
        ))
    })?;
    let retries = RetryLayer::new()
        .with_min_delay(FIRST_WAIT)
        .with_max_times(RETRIES)
        .with_jitter();
    Ok(OpendalStore::new(
        operator.with_context(context).layer(retries),
    ))
}

/// A store that cannot create only what is not there, and says so.
#[derive(Debug)]
struct OneWriter(OpendalStore);

impl fmt::Display for OneWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for OneWriter {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        if !matches!(options.mode, PutMode::Overwrite) {
            return Err(object_store::Error::NotImplemented {
                operation: "conditional write".to_owned(),
                implementer: self.to_string(),
            });
        }
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.0.copy_opts(from, to, options).await
    }
}
