//! Object lock of S3: retention with every upload, and longer retention for what is still needed.
//!
//! `object_store` has neither the headers nor the call; it signs URLs with any headers and queries,
//! and this sends them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::stream::BoxStream;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use reqwest::{Response, StatusCode};
use sha2::{Digest, Sha256};

use super::Clock;
use super::http::retry::retrying;
use crate::error::{Error, ErrorKind, Result};
use crate::layout;

mod versions;

/// How long a signed URL may take to arrive.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);
/// A connection that gives nothing for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest retention that is taken for meant: ten years.
const MAX_DAYS: u32 = 3_653;
/// Bytes of a refusal that are read, and characters of what is shown of its parts.
const MOST_REFUSAL_BYTES: usize = 16 << 10;
const MOST_TEXT: usize = 300;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Waits before a create that met another one is sent again.
const CONFLICT_WAITS: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1_600),
];
const STORE: &str = "S3";

const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
/// Says which checksum it is, as services want with a lock.
const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-sdk-checksum-algorithm");
const IF_NONE_MATCH: HeaderName = HeaderName::from_static("if-none-match");

/// What settings ask for.
#[derive(Clone)]
pub(super) struct Terms {
    /// `GOVERNANCE` or `COMPLIANCE`.
    mode: &'static str,
    days: u32,
    now: Clock,
}

impl Terms {
    /// `None` where nothing is asked for.
    ///
    /// # Errors
    /// `Invalid` for days or a mode that make no sense, and without a clock.
    pub(super) fn of(
        settings: &BTreeMap<String, String>,
        now: Option<&Clock>,
    ) -> Result<Option<Self>> {
        let Some(days) = settings.get("s3_object_lock_days") else {
            return Ok(None);
        };
        let days = days.trim().parse().ok();
        let days = days.filter(|days| (1..=MAX_DAYS).contains(days));
        let days = days.ok_or_else(|| {
            Error::invalid(format!(
                "s3_object_lock_days is a number from 1 to {MAX_DAYS}"
            ))
        })?;
        let mode = settings.get("s3_object_lock_mode").map(String::as_str);
        let mode = match mode.map(str::to_ascii_lowercase).as_deref() {
            None | Some("governance") => "GOVERNANCE",
            Some("compliance") => "COMPLIANCE",
            Some(_) => {
                return Err(Error::invalid(
                    "s3_object_lock_mode is governance or compliance",
                ));
            }
        };
        let now = now.ok_or_else(|| Error::invalid("an object lock needs a clock"))?;
        Ok(Some(Self {
            mode,
            days,
            now: Arc::clone(now),
        }))
    }

    fn until_ms(&self) -> i64 {
        (self.now)().saturating_add(i64::from(self.days).saturating_mul(DAY_MS))
    }
}

/// A bucket whose objects are locked when they are written.
#[derive(Clone)]
pub(super) struct LockedS3 {
    s3: Arc<AmazonS3>,
    client: reqwest::Client,
    terms: Terms,
}

impl fmt::Debug for LockedS3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedS3(…)")
    }
}

impl fmt::Display for LockedS3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.s3.fmt(f)
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic {
        store: STORE,
        source: source.into(),
    }
}

/// The error of an answer that is not what was asked for.
fn refused(path: &Path, status: StatusCode, said: String) -> object_store::Error {
    let path = path.to_string();
    let source = said.clone().into();
    match status {
        StatusCode::NOT_FOUND => object_store::Error::NotFound { path, source },
        StatusCode::UNAUTHORIZED => object_store::Error::Unauthenticated { path, source },
        StatusCode::FORBIDDEN => object_store::Error::PermissionDenied { path, source },
        StatusCode::PRECONDITION_FAILED => object_store::Error::AlreadyExists { path, source },
        _ => generic(format!("{path}: {said}")),
    }
}

/// When a retention ends, as headers and bodies say it; whole seconds.
fn date(unix_ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(unix_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl LockedS3 {
    pub(super) fn new(s3: AmazonS3, terms: Terms) -> Result<Self> {
        let client = reqwest::Client::builder()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|e| Error::internal("the HTTP client cannot be set up").with_source(e))?;
        Ok(Self {
            s3: Arc::new(s3),
            client,
            terms,
        })
    }

    /// Sends a signed request with a body of our own.
    async fn send(
        &self,
        (method, path): (Method, &Path),
        query: &[(&str, &str)],
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> StoreResult<Response> {
        let mut options = SignedUrlOptions::default().with_query(query.iter().copied());
        let checksum = base64_simd::STANDARD.encode_to_string(Sha256::digest(&body));
        let mut headers = headers.to_vec();
        if !body.is_empty() {
            headers.push((ALGORITHM, "SHA256".to_owned()));
            headers.push((CHECKSUM, checksum));
        }
        for (name, value) in headers {
            let value = HeaderValue::from_str(&value).map_err(generic)?;
            options = options.with_signed_header(name, value);
        }
        let signed = self
            .s3
            .signed_url_opts(method.clone(), path, SIGNED_FOR, &options);
        let url = signed.await?;
        let answer = retrying(|| {
            self.client
                .request(method.clone(), url.clone())
                .headers(options.signed_headers.clone())
                .body(body.clone())
                .send()
        });
        // The URL is as good as a password for a quarter of an hour.
        answer.await.map_err(|error| generic(error.without_url()))
    }

    async fn put(&self, path: &Path, body: Bytes, mode: &PutMode) -> StoreResult<PutResult> {
        let mut headers = vec![
            (MODE, self.terms.mode.to_owned()),
            (UNTIL, date(self.terms.until_ms())),
        ];
        match mode {
            PutMode::Create => headers.push((IF_NONE_MATCH, "*".to_owned())),
            PutMode::Overwrite => {}
            PutMode::Update(_) => {
                return Err(object_store::Error::NotImplemented {
                    operation: "conditional update".to_owned(),
                    implementer: STORE.to_owned(),
                });
            }
        }
        let put = || self.send((Method::PUT, path), &[], &headers, body.clone());
        let mut answer = put().await?;
        for wait in CONFLICT_WAITS {
            // Of two creates at the same moment one, or either, may be told to come again.
            if answer.status() != StatusCode::CONFLICT {
                break;
            }
            tokio::time::sleep(wait).await;
            answer = put().await?;
        }
        let status = answer.status();
        if !status.is_success() {
            return Err(refusal(path, answer).await);
        }
        let e_tag = answer
            .headers()
            .get("etag")
            .and_then(|tag| tag.to_str().ok());
        Ok(PutResult {
            e_tag: e_tag.map(str::to_owned),
            version: None,
            extensions: Default::default(),
        })
    }

    /// Until when an object is kept; `None` where it is not, or where that may not be known.
    async fn until(&self, path: &Path, query: &[(&str, &str)]) -> StoreResult<Option<i64>> {
        let asked = self.send((Method::HEAD, path), query, &[], Bytes::new());
        let answer = asked.await?;
        if !answer.status().is_success() {
            // An answer to HEAD has no body.
            let said = said(answer.status(), "");
            return Err(refused(path, answer.status(), said));
        }
        let until = answer.headers().get(UNTIL).and_then(|v| v.to_str().ok());
        let until = until.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        Ok(until.map(|time| time.timestamp_millis()))
    }

    /// PutObjectRetention.
    async fn keep_until(&self, path: &Path, unix_ms: i64) -> StoreResult<()> {
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            self.terms.mode,
            date(unix_ms)
        );
        let query = [("retention", "")];
        let asked = self.send((Method::PUT, path), &query, &[], Bytes::from(body));
        let answer = asked.await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refusal(path, answer).await)
    }
}

/// The error of an answer that is not what was asked for, with what the service says about why.
async fn refusal(path: &Path, mut answer: Response) -> object_store::Error {
    let status = answer.status();
    let mut body = Vec::new();
    while body.len() < MOST_REFUSAL_BYTES
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MOST_REFUSAL_BYTES);
    let said = said(status, &String::from_utf8_lossy(&body));
    tracing::debug!(%path, said, "S3 refused");
    refused(path, status, said)
}

/// What a service says in a refusal: the code and the message of an S3 error (Amazon S3 API
/// reference, "Error responses"), and what helps where that is known.
fn said(status: StatusCode, body: &str) -> String {
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once("</")?;
        let is_plain = |c: &char| !c.is_control();
        let text: String = text.chars().filter(is_plain).take(MOST_TEXT).collect();
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let mut said = format!("the server answered {status}");
    let (code, message) = (element("Code"), element("Message"));
    for text in code.iter().chain(&message) {
        said.push_str(": ");
        said.push_str(text);
    }
    let message = message.unwrap_or_default().to_lowercase().replace(' ', "");
    if code.as_deref() == Some("InvalidRequest") && message.contains("objectlock") {
        said.push_str(
            "; object lock is turned on when a bucket is created: take one that has it, or leave \
             S3_OBJECT_LOCK_DAYS out",
        );
    }
    said
}

/// Extends the retention of objects in one bucket. See `docs/destinations.md`.
#[derive(Clone, Debug)]
pub(crate) struct S3Lock {
    store: LockedS3,
    prefix: Path,
}

impl S3Lock {
    pub(super) fn new(store: LockedS3, prefix: Path) -> Self {
        Self { store, prefix }
    }

    /// When the lock of what is written now ends.
    pub(crate) fn latest_end_unix_ms(&self) -> i64 {
        self.store.terms.until_ms()
    }

    /// Sees to it that an object is kept for at least half of the time that new ones are; says
    /// whether that took an extension.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Unavailable`.
    pub(crate) async fn renew(&self, name: &str) -> Result<bool> {
        let parts = self.prefix.parts();
        let path: Path = parts.chain(layout::path(name).parts()).collect();
        let failed = |error| Error::from_store("lock", name, error);
        let terms = &self.store.terms;
        let enough = (terms.now)().saturating_add(i64::from(terms.days) * DAY_MS / 2);
        let until = self.store.until(&path, &[]).await.map_err(failed)?;
        if until.is_some_and(|until| until >= enough) {
            return Ok(false);
        }
        let kept = self.store.keep_until(&path, terms.until_ms()).await;
        kept.map(|()| true).map_err(|error| match error {
            object_store::Error::Generic { .. } => Error::new(
                ErrorKind::Unsupported,
                format!("cannot lock {name}: the bucket has no object lock"),
            )
            .with_source(error),
            error => failed(error),
        })
    }
}

#[async_trait]
impl ObjectStore for LockedS3 {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        self.put(location, Bytes::from(payload), &options.mode)
            .await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(object_store::Error::NotImplemented {
            operation: "multipart upload".to_owned(),
            implementer: STORE.to_owned(),
        })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.s3.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.s3.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.s3.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.s3.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.s3.copy_opts(from, to, options).await
    }
}

#[cfg(postkeep_fuzz)]
pub(super) fn fuzzed_answer(data: &[u8]) {
    versions::fuzzed_page(data);
    let said = said(StatusCode::BAD_REQUEST, &String::from_utf8_lossy(data));
    assert!(
        !said.contains(char::is_control),
        "it goes into a log: {said:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(pairs: &[(&str, &str)]) -> Result<Option<Terms>> {
        let now: Clock = Arc::new(|| 1_700_000_000_000);
        let pairs = pairs.iter();
        let settings = pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Terms::of(&settings, Some(&now))
    }

    #[test]
    fn terms_are_what_settings_say_or_are_refused() {
        assert!(terms(&[]).unwrap().is_none());
        let thirty = terms(&[("s3_object_lock_days", "30")]).unwrap().unwrap();
        assert_eq!(thirty.mode, "GOVERNANCE");
        assert_eq!(date(thirty.until_ms()), "2023-12-14T22:13:20Z");
        let days = ("s3_object_lock_days", "7");
        let strict = terms(&[days, ("s3_object_lock_mode", "Compliance")]);
        assert_eq!(strict.unwrap().unwrap().mode, "COMPLIANCE");
        for bad in [
            &[("s3_object_lock_days", "0")][..],
            &[("s3_object_lock_days", "4000")],
            &[days, ("s3_object_lock_mode", "legal")],
        ] {
            let refused = terms(bad).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_service_says_and_what_helps() {
        let check = |body: &str, expected: &str| {
            assert_eq!(said(StatusCode::BAD_REQUEST, body), expected);
        };
        let answered = "the server answered 400 Bad Request";
        check("", answered);
        check("<html>no</html>", answered);
        check("<Error><Code></Code><Message>a\u{1b}[1m", answered);
        check(
            "<?xml version='1.0'?><Error><Code>EntityTooLarge</Code>\
             <Message>Your proposed upload is too large</Message></Error>",
            &format!("{answered}: EntityTooLarge: Your proposed upload is too large"),
        );
        let locked = said(
            StatusCode::BAD_REQUEST,
            "<Error><Code>InvalidRequest</Code><Message>Bucket is missing Object Lock \
             Configuration</Message></Error>",
        );
        assert!(
            locked.contains("missing Object Lock") && locked.contains("S3_OBJECT_LOCK_DAYS out"),
            "{locked}"
        );
    }
}
