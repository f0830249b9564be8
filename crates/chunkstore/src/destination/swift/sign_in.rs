//! Signing in to OpenStack: Keystone version 3, the older version 1, or a token from elsewhere.

use std::collections::BTreeMap;

use object_store::Result;
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{generic, unauthenticated};
use crate::destination::http::body::read_body;
use crate::destination::http::retry::retrying;
use crate::error::Error as OwnError;

/// The longest answer to a sign-in: a catalogue of services.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What requests carry until the server no longer takes it.
#[derive(Clone)]
pub(super) struct Token {
    /// Where containers are.
    pub(super) storage: Url,
    pub(super) token: Zeroizing<String>,
}

/// How to get a token.
enum Way {
    Given(Token),
    /// `GET` with two headers (Swift's own tempauth, and gateways).
    Version1 {
        url: Url,
        user: String,
        key: Zeroizing<String>,
    },
    /// `POST /auth/tokens`.
    Keystone {
        url: Url,
        body: Zeroizing<Vec<u8>>,
        region: Option<String>,
    },
}

/// Signs in, and remembers the token.
pub(super) struct SignIn {
    way: Way,
    token: Mutex<Option<Token>>,
}

impl SignIn {
    /// # Errors
    /// `Invalid` where something is missing.
    pub(super) fn new(settings: &BTreeMap<String, String>) -> crate::error::Result<Self> {
        let given = |name: &str| settings.get(name).filter(|text| !text.is_empty());
        let url = |name: &str, text: &str| {
            let url = Url::parse(text).ok().filter(|url| !url.cannot_be_a_base());
            url.ok_or_else(|| OwnError::invalid(format!("{name} is no URL")))
        };
        let secret = |text: &String| Zeroizing::new(text.clone());
        let way = if let (Some(storage), Some(token)) =
            (given("os_storage_url"), given("os_auth_token"))
        {
            Way::Given(Token {
                storage: url("os_storage_url", storage)?,
                token: secret(token),
            })
        } else if let (Some(auth), Some(user), Some(key)) =
            (given("st_auth"), given("st_user"), given("st_key"))
        {
            Way::Version1 {
                url: url("st_auth", auth)?,
                user: user.clone(),
                key: secret(key),
            }
        } else if let Some(auth) = given("os_auth_url") {
            let mut url = url("os_auth_url", auth)?;
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop_if_empty();
            }
            // People give it with and without the version.
            if !url.path().ends_with("/v3") {
                url.set_path(&format!("{}/v3", url.path().trim_end_matches('/')));
            }
            url.set_path(&format!("{}/auth/tokens", url.path()));
            Way::Keystone {
                url,
                body: Zeroizing::new(keystone_request(settings)?.to_string().into_bytes()),
                region: given("os_region_name").cloned(),
            }
        } else {
            return Err(OwnError::invalid(
                "no credentials: set os_auth_url and what goes with it, or st_auth, st_user and \
                 st_key, or os_storage_url and os_auth_token",
            ));
        };
        Ok(Self {
            way,
            token: Mutex::default(),
        })
    }

    /// The token, another one than `refused`.
    pub(super) async fn token(
        &self,
        client: &reqwest::Client,
        refused: Option<&Token>,
    ) -> Result<Token> {
        let mut known = self.token.lock().await;
        let is_refused = |token: &Token| refused.is_some_and(|old| old.token == token.token);
        if let Some(token) = known.as_ref().filter(|token| !is_refused(token)) {
            return Ok(token.clone());
        }
        let token = match &self.way {
            Way::Given(token) if is_refused(token) => {
                return Err(unauthenticated("the server refuses the token"));
            }
            Way::Given(token) => token.clone(),
            Way::Version1 { url, user, key } => {
                let answer = retrying(|| {
                    client
                        .get(url.clone())
                        .header("x-auth-user", user)
                        .header("x-auth-key", key.as_str())
                        .send()
                });
                let answer = accepted(answer.await)?;
                let storage = header(&answer, "x-storage-url")?;
                Token {
                    storage: Url::parse(&storage).map_err(generic)?,
                    token: Zeroizing::new(header(&answer, "x-auth-token")?),
                }
            }
            Way::Keystone { url, body, region } => {
                let answer = retrying(|| {
                    client
                        .post(url.clone())
                        .header("content-type", "application/json")
                        .body(body.to_vec())
                        .send()
                });
                let answer = accepted(answer.await)?;
                let token = Zeroizing::new(header(&answer, "x-subject-token")?);
                let text = read_body(answer, MAX_ANSWER_BYTES).await.map_err(generic)?;
                let catalogue = serde_json::from_slice(&text).map_err(generic)?;
                let storage = storage_url(&catalogue, region.as_deref())
                    .ok_or_else(|| generic("Keystone names no object store in this region"))?;
                Token { storage, token }
            }
        };
        *known = Some(token.clone());
        Ok(token)
    }
}

fn accepted(answer: std::result::Result<Response, reqwest::Error>) -> Result<Response> {
    let answer = answer.map_err(|error| generic(error.without_url()))?;
    match answer.status() {
        status if status.is_success() => Ok(answer),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(unauthenticated("the server refuses the credentials"))
        }
        status => Err(generic(format!("signing in: the server answered {status}"))),
    }
}

fn header(answer: &Response, name: &str) -> Result<String> {
    let value = answer.headers().get(name).and_then(|v| v.to_str().ok());
    value
        .map(str::to_owned)
        .ok_or_else(|| generic(format!("signing in: the answer has no {name}")))
}

/// The body of a sign-in (Identity API v3, "Password authentication with scoped authorization").
fn keystone_request(settings: &BTreeMap<String, String>) -> crate::error::Result<Value> {
    let given = |name: &str| settings.get(name).filter(|text| !text.is_empty());
    let need = |name: &str| {
        given(name).ok_or_else(|| OwnError::invalid(format!("no credentials: set {name}")))
    };
    if let Some(id) = given("os_application_credential_id") {
        let secret = need("os_application_credential_secret")?;
        return Ok(json!({"auth": {"identity": {
            "methods": ["application_credential"],
            "application_credential": {"id": id, "secret": secret},
        }}}));
    }
    let domain = |name: &str| match (given(&format!("{name}_id")), given(&format!("{name}_name"))) {
        (Some(id), _) => json!({"id": id}),
        (None, Some(name)) => json!({"name": name}),
        (None, None) => json!({"id": "default"}),
    };
    let scope = match (given("os_project_id"), given("os_project_name")) {
        (Some(id), _) => json!({"project": {"id": id}}),
        (None, Some(name)) => {
            json!({"project": {"name": name, "domain": domain("os_project_domain")}})
        }
        (None, None) => return Err(OwnError::invalid("no credentials: set os_project_name")),
    };
    Ok(json!({"auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {
                "name": need("os_username")?,
                "domain": domain("os_user_domain"),
                "password": need("os_password")?,
            }},
        },
        "scope": scope,
    }}))
}

/// The public address of the object store in Keystone's catalogue.
fn storage_url(answer: &Value, region: Option<&str>) -> Option<Url> {
    let services = answer.get("token")?.get("catalog")?.as_array()?;
    let is = |value: &Value, name: &str, text: &str| {
        value.get(name).and_then(Value::as_str) == Some(text)
    };
    let stores = services
        .iter()
        .filter(|one| is(one, "type", "object-store"));
    let endpoints = stores
        .filter_map(|one| one.get("endpoints")?.as_array())
        .flatten();
    let mut fitting = endpoints.filter(|endpoint| {
        is(endpoint, "interface", "public")
            && region.is_none_or(|region| {
                is(endpoint, "region_id", region) || is(endpoint, "region", region)
            })
    });
    Url::parse(fitting.next()?.get("url")?.as_str()?).ok()
}

#[cfg(postkeep_fuzz)]
pub(in crate::destination) fn fuzzed_catalogue(data: &[u8]) {
    if let Ok(catalogue) = serde_json::from_slice(data) {
        let _ = storage_url(&catalogue, None);
        let _ = storage_url(&catalogue, Some("one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_request_for_a_token_names_user_project_and_domains() {
        let asked = keystone_request(&settings(&[
            ("os_username", "mia"),
            ("os_password", "secret"),
            ("os_project_name", "mail"),
            ("os_user_domain_name", "people"),
        ]))
        .unwrap();
        let user = &asked["auth"]["identity"]["password"]["user"];
        assert_eq!(
            (&user["name"], &user["domain"]["name"]),
            (&json!("mia"), &json!("people"))
        );
        let project = &asked["auth"]["scope"]["project"];
        assert_eq!(
            project,
            &json!({"name": "mail", "domain": {"id": "default"}})
        );
        let missing = keystone_request(&settings(&[("os_username", "mia")])).unwrap_err();
        assert!(missing.to_string().contains("os_project_name"), "{missing}");
    }

    #[test]
    fn the_catalogue_gives_the_store_of_the_region() {
        let endpoint = |region: &str, interface: &str, url: &str| json!({"region_id": region, "interface": interface, "url": url});
        let answer = json!({"token": {"catalog": [
            {"type": "compute", "endpoints": [endpoint("one", "public", "http://no/")]},
            {"type": "object-store", "endpoints": [
                endpoint("one", "internal", "http://inside/v1/AUTH_a"),
                endpoint("one", "public", "http://one/v1/AUTH_a"),
                endpoint("two", "public", "http://two/v1/AUTH_a"),
            ]},
        ]}});
        let found = |region| storage_url(&answer, region).map(|url| url.to_string());
        assert_eq!(found(None).as_deref(), Some("http://one/v1/AUTH_a"));
        assert_eq!(found(Some("two")).as_deref(), Some("http://two/v1/AUTH_a"));
        assert_eq!(found(Some("three")), None);
        assert_eq!(storage_url(&json!([1]), None), None);
    }
}
