//! Clients of servers that take a name and a password, or a token.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{self, HeaderMap, HeaderValue};

use super::ensure_tls;
use crate::destination::service::Service;
use crate::error::{Error, Result};

type Settings = BTreeMap<String, String>;

/// A connection that gives nothing for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The folder that the URL names, without a slash at its end.
pub(in crate::destination) fn base(service: &Service) -> Result<Url> {
    let impossible = || Error::invalid("the destination's URL names an impossible host");
    let endpoint = service.endpoint.as_deref().unwrap_or_default();
    let mut base = Url::parse(endpoint).map_err(|_| impossible())?;
    base.path_segments_mut()
        .map_err(|()| impossible())?
        .clear()
        .extend(&service.path);
    Ok(base)
}

/// A client with the settings `<what>_user` and `<what>_password`, or `<what>_token`, and
/// `<what>_ca_file`, certificates to be believed beside the system's. Redirections are answers.
///
/// # Errors
/// `Invalid` for settings that make no sense.
pub(in crate::destination) fn client(settings: &Settings, what: &str) -> Result<reqwest::Client> {
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
