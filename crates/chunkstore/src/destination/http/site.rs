//! Servers whose files have URLs, and that take a name and a password, or a token.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, Result as StoreResult};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};

use super::ensure_tls;
use super::read::read;
use super::retry::retrying;
use crate::destination::frame::generic;
use crate::destination::service::Service;
use crate::error::{Error, Result};

type Settings = BTreeMap<String, String>;

/// A connection that gives nothing for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A folder of a server.
pub(in crate::destination) struct Site {
    /// What it is called in errors.
    store: &'static str,
    client: reqwest::Client,
    /// Without a slash at its end.
    pub(in crate::destination) base: Url,
}

impl Site {
    /// The folder that the URL names. The settings are `<what>_user` and `<what>_password`, or
    /// `<what>_token`, and `<what>_ca_file`, certificates to be believed beside the system's.
    ///
    /// # Errors
    /// `Invalid` for settings that make no sense.
    pub(in crate::destination) fn new(
        service: &Service,
        settings: &Settings,
        (store, what): (&'static str, &str),
    ) -> Result<Self> {
        let impossible = || Error::invalid("the destination's URL names an impossible host");
        let endpoint = service.endpoint.as_deref().unwrap_or_default();
        let mut base = Url::parse(endpoint).map_err(|_| impossible())?;
        base.path_segments_mut()
            .map_err(|()| impossible())?
            .clear()
            .extend(&service.path);
        let client = client(settings, what)?;
        Ok(Self {
            store,
            client,
            base,
        })
    }

    /// Where an object is.
    pub(in crate::destination) fn url(&self, path: &Path) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            let names = path.parts().map(|part| part.as_ref().to_owned());
            segments.pop_if_empty().extend(names);
        }
        url
    }

    /// Where a folder is: with a slash at its end.
    pub(in crate::destination) fn folder_url(&self, folder: &Path) -> Url {
        let mut url = self.url(folder);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
        url
    }

    pub(in crate::destination) async fn send(
        &self,
        method: Method,
        url: Url,
        (headers, body): (HeaderMap, Option<Bytes>),
    ) -> StoreResult<Response> {
        let answer = retrying(|| {
            let mut request = self
                .client
                .request(method.clone(), url.clone())
                .headers(headers.clone());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            request.send()
        });
        // The URL may be long; what was being done is told above.
        let answer = answer.await;
        answer.map_err(|error| generic(self.store, error.without_url()))
    }

    pub(in crate::destination) async fn read(
        &self,
        path: &Path,
        options: &GetOptions,
    ) -> StoreResult<GetResult> {
        let url = self.url(path);
        let ask = |method, headers| self.send(method, url.clone(), (headers, None));
        read(self.store, path, options, ask).await
    }
}

/// Redirections are answers.
fn client(settings: &Settings, what: &str) -> Result<reqwest::Client> {
    ensure_tls();
    let mut headers = HeaderMap::new();
    if let Some(value) = authorization(settings, what)? {
        headers.insert(header::AUTHORIZATION, value);
    }
    let client = reqwest::Client::builder()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .default_headers(headers);
    let client = match settings.get(&format!("{what}_ca_file")) {
        Some(file) => client.tls_certs_merge(certificates(file, what)?),
        None => client,
    };
    client
        .build()
        .map_err(|e| Error::internal("the HTTP client cannot be set up").with_source(e))
}

fn certificates(file: &str, what: &str) -> Result<Vec<reqwest::Certificate>> {
    let failed = |why: &str| Error::invalid(format!("{what}_ca_file: {why}"));
    let pem = std::fs::read(file).map_err(|e| failed("it cannot be read").with_source(e))?;
    reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|e| failed("it holds no certificates").with_source(e))
}

fn authorization(settings: &Settings, what: &str) -> Result<Option<HeaderValue>> {
    let given = |name: &str| settings.get(&format!("{what}_{name}"));
    let value = match (given("token"), given("user")) {
        (Some(token), _) => format!("Bearer {token}"),
        (None, Some(user)) => {
            let password = given("password").map_or("", |text| text);
            let pair = format!("{user}:{password}");
            format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))
        }
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| {
        Error::invalid(format!("the {what} credentials have impossible characters"))
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}
