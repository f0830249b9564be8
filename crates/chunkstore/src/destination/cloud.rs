//! S3, Azure Blob Storage and Google Cloud Storage, by `object_store`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore};

#[cfg(feature = "s3")]
use super::object_lock::{LockedS3, S3Lock, Terms};
use super::{Service, http};
use crate::error::{Error, Result};

/// A connection that gives nothing for so long is given up. There is no limit to a whole request:
/// a pack of 256 MiB over a slow line takes its time.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

type Settings = BTreeMap<String, String>;

fn client_options(service: &Service) -> ClientOptions {
    http::ensure_tls();
    let is_http = |endpoint: &String| endpoint.starts_with("http://");
    ClientOptions::new()
        .with_timeout_disabled()
        .with_read_timeout(READ_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_allow_http(service.endpoint.as_ref().is_some_and(is_http))
}

/// Connections whose requests are repeated when they break off. To `object_store` a create is not
/// repeatable then, since it may meet its own success; here whoever is refused compares.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Repeatable(client)))
    }
}

#[derive(Debug)]
struct Repeatable(HttpClient);

#[async_trait]
impl HttpService for Repeatable {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let done = self.0.execute(request).await;
        done.map_err(|error| match error.kind() {
            HttpErrorKind::Interrupted | HttpErrorKind::Timeout => {
                HttpError::new(HttpErrorKind::Request, error)
            }
            _ => error,
        })
    }
}

/// The settings that a builder knows by their names.
fn known<K: std::str::FromStr>(settings: &Settings) -> impl Iterator<Item = (K, &String)> {
    settings
        .iter()
        .filter_map(|(name, value)| Some((name.parse().ok()?, value)))
}

/// A store below a prefix.
fn below<S: ObjectStore>(store: S, prefix: &[String]) -> Arc<dyn ObjectStore> {
    match prefix {
        [] => Arc::new(store),
        prefix => Arc::new(PrefixStore::new(
            store,
            prefix.iter().map(String::as_str).collect::<Path>(),
        )),
    }
}

/// The first segments of the path, which name what holds the objects.
fn split<'a, const N: usize>(
    service: &'a Service,
    what: &str,
) -> Result<(&'a [String; N], &'a [String])> {
    service
        .path
        .split_first_chunk()
        .ok_or_else(|| Error::invalid(format!("the destination's URL names no {what}")))
}

/// A builder's error names settings, never their values; still only its text is kept.
fn refused(what: &str, error: object_store::Error) -> Error {
    Error::invalid(format!("the settings for {what} are wrong or incomplete")).with_source(error)
}

#[cfg(feature = "s3")]
pub(super) fn s3(
    service: &Service,
    settings: &Settings,
    now: Option<&super::Clock>,
) -> Result<Arc<dyn ObjectStore>> {
    let (store, prefix) = build_s3(service, settings)?;
    Ok(match Terms::of(settings, now)? {
        Some(terms) => below(LockedS3::new(store, terms)?, prefix),
        None => below(store, prefix),
    })
}

/// What renews the locks of a bucket, if the settings ask for locks.
#[cfg(feature = "s3")]
pub(super) fn s3_lock(
    service: &Service,
    settings: &Settings,
    now: Option<&super::Clock>,
) -> Result<Option<S3Lock>> {
    let Some(terms) = Terms::of(settings, now)? else {
        return Ok(None);
    };
    let (store, prefix) = build_s3(service, settings)?;
    let prefix = prefix.iter().map(String::as_str).collect();
    Ok(Some(S3Lock::new(LockedS3::new(store, terms)?, prefix)))
}

#[cfg(feature = "s3")]
fn build_s3<'a>(
    service: &'a Service,
    settings: &Settings,
) -> Result<(object_store::aws::AmazonS3, &'a [String])> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
    let ([bucket], prefix) = split(service, "bucket")?;
    let mut builder = AmazonS3Builder::new();
    for (key, value) in known::<AmazonS3ConfigKey>(settings) {
        // The URL says what to reach and how.
        if !matches!(
            key,
            AmazonS3ConfigKey::Bucket | AmazonS3ConfigKey::Client(_)
        ) {
            builder = builder.with_config(key, value);
        }
    }
    // What the other tools of AWS call it.
    if let Some(endpoint) = settings.get("aws_endpoint_url_s3") {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(endpoint) = &service.endpoint {
        builder = builder.with_endpoint(endpoint);
        if !settings.contains_key("aws_region") && !settings.contains_key("aws_default_region") {
            // Services that speak S3 take any, or tell which they want.
            builder = builder.with_region("us-east-1");
        }
    }
    let mut options = client_options(service);
    let http = |name| {
        settings
            .get(name)
            .is_some_and(|url| url.starts_with("http://"))
    };
    if http("aws_endpoint_url") || http("aws_endpoint_url_s3") || http("aws_endpoint") {
        options = options.with_allow_http(true);
    }
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(options)
        .with_http_connector(Connector)
        .build()
        .map_err(|error| refused("S3", error))?;
    Ok((store, prefix))
}

#[cfg(feature = "azure")]
pub(super) fn azure(service: &Service, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in known::<AzureConfigKey>(settings) {
        if !matches!(
            key,
            AzureConfigKey::ContainerName | AzureConfigKey::Client(_)
        ) {
            builder = builder.with_config(key, value);
        }
    }
    let prefix = match &service.endpoint {
        Some(endpoint) => {
            let ([account, container], prefix) = split(service, "account and container")?;
            builder = builder
                .with_account(account)
                .with_container_name(container)
                .with_endpoint(format!("{endpoint}/{account}"));
            prefix
        }
        None => {
            let ([container], prefix) = split(service, "container")?;
            builder = builder.with_container_name(container);
            prefix
        }
    };
    let store = builder
        .with_client_options(client_options(service))
        .with_http_connector(Connector)
        .build()
        .map_err(|error| refused("Azure Blob Storage", error))?;
    Ok(below(store, prefix))
}

#[cfg(feature = "gcs")]
pub(super) fn gcs(service: &Service, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
    let ([bucket], prefix) = split(service, "bucket")?;
    let mut builder = GoogleCloudStorageBuilder::new();
    for (key, value) in known::<GoogleConfigKey>(settings) {
        if !matches!(key, GoogleConfigKey::Bucket | GoogleConfigKey::Client(_)) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(file) = settings.get("google_application_credentials") {
        builder = builder.with_application_credentials(file);
    }
    if let Some(endpoint) = &service.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(client_options(service))
        .with_http_connector(Connector)
        .build()
        .map_err(|error| refused("Google Cloud Storage", error))?;
    Ok(below(store, prefix))
}
