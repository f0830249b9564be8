//! Autodiscover: from an e-mail address to the EWS endpoint (MS-OXDISCO, MS-OXDSCLI,
//! MS-OXWSADISC, and the JSON form of Exchange 2016 and later).

mod form;
mod search;

use std::collections::HashMap;
use std::time::Duration;

use url::Url;

use form::Answer;
pub use form::AutodiscoverForm;
pub(crate) use form::{POX_PATH, PoxSettings, pox_request, pox_settings};
use search::{Search, Try};

use crate::auth::Credentials;
use crate::body::{self, from_transport};
use crate::client::{ClientOptions, TlsSupport, redacted};
use crate::error::{Error, ErrorKind, Result, quote};
use crate::http::{HttpTransport, Maker, Proxy};
use crate::tls::Fingerprint;
use crate::transport::{RequestBody, Transport, TransportRequest};

/// Most bytes of an answer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// For whom to look, and how.
#[derive(Clone, Debug)]
pub struct AutodiscoverOptions {
    /// The mailbox's SMTP address.
    pub address: String,
    /// How to sign in; the JSON form asks nobody who they are.
    pub credentials: Credentials,
    /// Origins to ask before those that the address's domain makes, such as
    /// `https://mail.example.test/`. Only these may be plain http.
    pub servers: Vec<Url>,
    /// Hosts outside the address's domain to which an answer over plain http may lead.
    pub trusted_hosts: Vec<String>,
    /// Longest time for each request. Default 20 s.
    pub request_timeout: Duration,
    /// Certificates to trust besides the system's, in PEM form.
    pub extra_root_pem: Option<Vec<u8>>,
    /// Server certificates to accept, and no others; empty for those that the system trusts.
    pub pinned_certificates: Vec<Fingerprint>,
    /// Which TLS to speak. Default: modern.
    pub tls: TlsSupport,
    /// The proxy to go through. Default: none.
    pub proxy: Option<Proxy>,
    /// The User-Agent header. Default: the crate's name and version.
    pub user_agent: String,
}

impl AutodiscoverOptions {
    /// The defaults for an address and an account.
    pub fn new(address: impl Into<String>, credentials: Credentials) -> AutodiscoverOptions {
        AutodiscoverOptions {
            address: address.into(),
            credentials,
            servers: Vec::new(),
            trusted_hosts: Vec::new(),
            request_timeout: Duration::from_secs(20),
            extra_root_pem: None,
            pinned_certificates: Vec::new(),
            tls: TlsSupport::Modern,
            proxy: None,
            user_agent: concat!("ews-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Where a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovered {
    /// The EWS endpoint.
    pub url: Url,
    /// The address that led there: another than asked for where the server redirected.
    pub address: String,
    /// Everything that was asked, in order.
    pub steps: Vec<AutodiscoverStep>,
}

/// One question and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutodiscoverStep {
    /// What was asked.
    pub form: AutodiscoverForm,
    /// Where, without credentials.
    pub url: String,
    /// In words: the endpoint found, where the server redirected, or why it was nothing.
    pub outcome: String,
}

/// Finds the EWS endpoint of a mailbox: asks the hosts that the address makes, in all three
/// forms, and follows what they say, to HTTPS alone and at most ten times.
///
/// DNS service records are not looked up.
///
/// # Errors
///
/// `Invalid` for an address that is none, `Auth` where a server refused the credentials and none
/// led on, else `NotFound`; the message has every step.
///
/// # Cancellation
///
/// Nothing is left behind.
pub async fn autodiscover(options: &AutodiscoverOptions) -> Result<Discovered> {
    let mut search = Search::new(&options.address, &options.servers, &options.trusted_hosts)?;
    let mut asker = Asker {
        options,
        transports: HashMap::new(),
    };
    let mut steps = Vec::new();
    while let Some(next) = search.next() {
        let answer = asker.ask(&next).await;
        let outcome = search.take(&next, answer);
        let url = redacted(&next.url);
        steps.push(AutodiscoverStep {
            form: next.form,
            url,
            outcome: outcome.text,
        });
        if let Some(url) = outcome.found {
            return Ok(Discovered {
                url,
                address: next.address,
                steps,
            });
        }
    }
    let kind = if search.was_refused() {
        ErrorKind::Auth
    } else {
        ErrorKind::NotFound
    };
    let told = steps
        .iter()
        .map(|step| format!("{}: {}", step.url, step.outcome));
    let told: Vec<String> = told.collect();
    let address = quote(&options.address);
    let text = format!("no EWS address found for {address}: {}", told.join("; "));
    Err(Error::new(kind, text))
}

/// Carries questions to servers.
struct Asker<'a> {
    options: &'a AutodiscoverOptions,
    /// By origin: each decides on its own how to sign in.
    transports: HashMap<String, HttpTransport>,
}

impl Asker<'_> {
    async fn ask(&mut self, next: &Try) -> Answer {
        let limit = self.options.request_timeout;
        match tokio::time::timeout(limit, self.exchange(next)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.kind() == ErrorKind::Auth => {
                Answer::Refused(error.message().to_owned())
            }
            Ok(Err(error)) => Answer::Nothing(error.message().to_owned()),
            Err(_) => Answer::Nothing(format!("no answer within {} s", limit.as_secs())),
        }
    }

    async fn exchange(&mut self, next: &Try) -> Result<Answer> {
        match form::request(next.form, &next.address) {
            None => self.get(next).await,
            Some(request) => self.post(next, request).await,
        }
    }

    async fn get(&self, next: &Try) -> Result<Answer> {
        let maker = Maker::new(&self.client_options(&next.url))?;
        maker.prepare(&next.url).await.map_err(from_transport)?;
        let client = maker.pooled()?;
        let sent = client
            .get(next.url.clone())
            .header("user-agent", &self.options.user_agent)
            .header("accept", "application/json")
            .send();
        let response = sent
            .await
            .map_err(|error| from_transport(crate::http::failure(&error)))?;
        let status = response.status().as_u16();
        let header = response.headers().get("location");
        let location = header
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let stream = futures::StreamExt::map(response.bytes_stream(), |piece| {
            piece.map_err(|error| from_transport(crate::http::failure(&error)))
        });
        let bytes = body::collect(Box::pin(stream), MAX_ANSWER_BYTES).await?;
        Ok(form::read(next.form, status, location.as_deref(), &bytes))
    }

    async fn post(&mut self, next: &Try, request: form::Request) -> Result<Answer> {
        let origin = next.url.origin().ascii_serialization();
        let options = self.client_options(&next.url);
        let transport = match self.transports.entry(origin) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(HttpTransport::new(&options)?)
            }
        };
        let response = transport
            .send(TransportRequest {
                url: next.url.clone(),
                headers: vec![
                    ("content-type", "text/xml; charset=utf-8".to_owned()),
                    ("user-agent", self.options.user_agent.clone()),
                    ("soapaction", request.action.to_owned()),
                ],
                authorization: options.credentials.authorization(),
                body: RequestBody::Bytes(request.body.into()),
                time_limit: self.options.request_timeout,
            })
            .await
            .map_err(from_transport)?;
        let status = response.status;
        let location = response.header("location").map(str::to_owned);
        let stream = futures::StreamExt::map(response.body, |piece| piece.map_err(from_transport));
        let bytes = body::collect(Box::pin(stream), MAX_ANSWER_BYTES).await?;
        Ok(form::read(next.form, status, location.as_deref(), &bytes))
    }

    fn client_options(&self, url: &Url) -> ClientOptions {
        let options = self.options;
        let mut made = ClientOptions::new(url.clone(), options.credentials.clone());
        made.connect_timeout = options.request_timeout;
        made.extra_root_pem.clone_from(&options.extra_root_pem);
        made.pinned_certificates
            .clone_from(&options.pinned_certificates);
        made.tls = options.tls;
        made.proxy.clone_from(&options.proxy);
        made
    }
}

/// Reads bytes as an answer in each form.
#[cfg(postkeep_fuzz)]
pub(crate) fn read_all_forms(body: &[u8]) {
    use AutodiscoverForm::{Json, Pox, Redirect, Soap};
    for form in [Json, Pox, Soap, Redirect] {
        form::read(form, 200, None, body);
    }
}
