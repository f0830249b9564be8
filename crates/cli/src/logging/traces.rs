//! Traces by OpenTelemetry: the program's spans, sent to a collector by OTLP over HTTP.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};
use url::Url;

use super::{BoxedLayer, OURS};
use crate::exit::{Code, Failure, Result};

/// What collectors call the program.
const SERVICE: &str = "postkeep";
/// What the specification puts behind the address of a collector.
const PATH: &str = "/v1/traces";
/// The variables by which programs with OpenTelemetry are told of their collector: the second one
/// has the whole address.
const VARIABLES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];
/// Longest time until a collector has taken some spans.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time in which the last spans are sent when the program ends.
const LAST_TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of an answer; a collector answers with a few.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Sends spans until the program ends.
pub(super) struct Traces {
    provider: SdkTracerProvider,
    address: String,
    trouble: Trouble,
}

/// What went wrong last; nothing if the last spans were taken.
type Trouble = Arc<Mutex<Option<String>>>;

impl Traces {
    /// Begins to send spans to a collector, if the arguments, the configuration or the environment
    /// names one.
    pub(super) fn start(
        named: Option<&str>,
        runtime: &Handle,
    ) -> Result<Option<(Self, BoxedLayer)>> {
        let address = match named {
            Some(named) => Some(address(named)?),
            None => from_environment()?,
        };
        let Some(address) = address else {
            return Ok(None);
        };
        let shown = without_secrets(&address);
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(Code::Internal, format!("send traces to {shown}: {error}"))
        };
        let trouble = Trouble::default();
        let sender = Sender {
            runtime: runtime.clone(),
            client: operator::https_client(TIMEOUT).map_err(|error| failed(&error))?,
            trouble: Arc::clone(&trouble),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sender)
            .with_endpoint(address.as_str())
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| failed(&error))?;
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        let ours = OURS.map(|name| (name, tracing::level_filters::LevelFilter::DEBUG));
        let layer = tracing_opentelemetry::layer::<Registry>()
            .with_tracer(provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_targets(ours))
            .boxed();
        let traces = Self {
            provider,
            address: shown,
            trouble,
        };
        Ok(Some((traces, layer)))
    }

    /// Sends what is left; says what went wrong.
    pub(super) fn finish(self) -> Option<String> {
        let ended = self.provider.shutdown_with_timeout(LAST_TIMEOUT);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let why = trouble
            .take()
            .or(ended.err().map(|error| error.to_string()));
        why.map(|why| format!("traces were not sent to {}: {why}", self.address))
    }
}

fn from_environment() -> Result<Option<Url>> {
    let [base, whole] = VARIABLES.map(|name| std::env::var(name).unwrap_or_default());
    if !whole.is_empty() {
        return parsed(&whole).map(Some);
    }
    match base.as_str() {
        "" => Ok(None),
        base => address(base).map(Some),
    }
}

/// The address that spans go to, from that of the collector.
fn address(text: &str) -> Result<Url> {
    let mut url = parsed(text)?;
    if !url.path().ends_with(PATH) {
        let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

/// An address as it can be shown: what stands before the host or behind the path may be a token.
fn without_secrets(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    let port = address.port().map(|port| format!(":{port}"));
    let port = port.unwrap_or_default();
    format!("{}://{host}{port}{}", address.scheme(), address.path())
}

fn parsed(text: &str) -> Result<Url> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| {
        Failure::usage("the collector of traces is named by no http or https address")
            .hint("--traces http://127.0.0.1:4318")
    })
}

/// Sends what the exporter's own thread hands over, in the program's runtime.
#[derive(Debug)]
struct Sender {
    runtime: Handle,
    client: reqwest::Client,
    trouble: Trouble,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = match self.runtime.spawn(send(client, request)).await {
            Ok(sent) => sent,
            Err(panic) => Err(panic.into()),
        };
        let trouble = match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector answered {}", response.status())),
            Err(error) => Some(crate::exit::chain(&**error)),
        };
        if let Some(trouble) = &trouble {
            tracing::warn!(target: "postkeep", "traces were not sent: {trouble}");
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        sent
    }
}

async fn send(
    client: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let request = reqwest::Request::try_from(request)?;
    // Addresses may hold a token.
    let answer = client.execute(request).await;
    let mut answer = answer.map_err(reqwest::Error::without_url)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.extend(answer.headers().clone());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(body.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: Option<&str>) {
        let found = address(typed).ok().map(|url| url.to_string());
        assert_eq!(found.as_deref(), expected, "{typed}");
    }

    #[test]
    fn a_collector_is_named_by_its_base_or_by_the_whole_address() {
        let whole = Some("http://127.0.0.1:4318/v1/traces");
        check("http://127.0.0.1:4318", whole);
        check("http://127.0.0.1:4318/", whole);
        check("http://127.0.0.1:4318/v1/traces", whole);
        check("https://x/otlp/", Some("https://x/otlp/v1/traces"));
        check("127.0.0.1:4318", None);
        check("grpc://x", None);
        let secret = address("https://user:secret@x:1/a?token=secret").unwrap();
        assert_eq!(without_secrets(&secret), "https://x:1/a/v1/traces");
    }
}
