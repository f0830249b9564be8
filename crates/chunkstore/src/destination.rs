//! Destinations by URL; the only place that knows about local paths and about services.
//!
//! `docs/destinations.md` lists the schemes, what each takes, and what was tried.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::error::{Error, ErrorKind, Result};

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
mod cloud;
mod folder;
#[cfg(feature = "http-client")]
mod http;
#[cfg(feature = "sftp")]
mod sftp;
#[cfg(feature = "webdav")]
mod webdav;

/// Where a repository is, and what it takes to get in.
///
/// | URL | destination | feature |
/// | --- | --- | --- |
/// | a path, `file:///path` | a local or mounted folder, every write flushed to disk | |
/// | `memory://` | memory of this process, empty at first | |
/// | `s3://BUCKET/PREFIX`, `s3+https://HOST/BUCKET/PREFIX` | Amazon S3, and services that speak it | `s3` |
/// | `azure://CONTAINER/PREFIX`, `azure+https://HOST/ACCOUNT/CONTAINER/PREFIX` | Azure Blob Storage | `azure` |
/// | `gs://BUCKET/PREFIX`, `gs+https://HOST/BUCKET/PREFIX` | Google Cloud Storage | `gcs` |
/// | `webdav+https://HOST/PATH` | a WebDAV server | `webdav` |
/// | `sftp://USER@HOST/PATH` | an SSH server with SFTP | `sftp` |
///
/// `http` in place of `https` is not encrypted and meant for servers on the same machine.
#[derive(Clone)]
pub struct Destination {
    url: String,
    settings: BTreeMap<String, String>,
}

impl Destination {
    /// Takes a URL. Credentials do not belong into it: see [`Destination::with_settings`].
    ///
    /// # Errors
    /// `Unsupported` for a scheme that this build does not know, `Invalid` for a URL that makes no
    /// sense or holds credentials; the message does not repeat it.
    pub fn new(url: &str) -> Result<Self> {
        let destination = Self {
            url: url.to_owned(),
            settings: BTreeMap::new(),
        };
        destination.location()?;
        Ok(destination)
    }

    /// Adds settings: names as services document them for the environment (`AWS_ACCESS_KEY_ID`), in
    /// any case; those of other destinations are passed over, later ones replace earlier ones.
    #[must_use]
    pub fn with_settings(mut self, settings: impl IntoIterator<Item = (String, String)>) -> Self {
        let lower = settings
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value));
        self.settings.extend(lower);
        self
    }

    /// Opens the destination of an existing repository.
    ///
    /// # Errors
    /// `NotFound` when the folder does not exist, `Invalid` for settings that are wrong or missing.
    /// Services are not asked yet.
    pub fn open(&self) -> Result<Arc<dyn ObjectStore>> {
        match self.location()? {
            Location::Memory => Ok(Arc::new(InMemory::new())),
            Location::Folder(path) => folder::open(&path),
            Location::Service(service) => self.open_service(&service),
        }
    }

    /// Like [`Destination::open`], and creates the folder where it does not exist.
    ///
    /// # Errors
    /// `Denied`, `NoSpace`, `Unavailable` when it cannot be created.
    pub fn create(&self) -> Result<Arc<dyn ObjectStore>> {
        match self.location()? {
            Location::Folder(path) => folder::create(&path),
            _ => self.open(),
        }
    }

    /// Removes what killed processes left of files that they were writing, if the destination is a
    /// folder; elsewhere nothing of the kind is visible. Files younger than a day stay. Returns how
    /// many were removed.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` when the folder cannot be read.
    pub fn remove_half_written(&self, now_unix_ms: i64) -> Result<u64> {
        match self.location()? {
            Location::Folder(path) => folder::remove_half_written(&path, now_unix_ms),
            _ => Ok(0),
        }
    }

    fn location(&self) -> Result<Location> {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return folder::parse_path(&self.url).map(Location::Folder);
        };
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "memory" => Ok(Location::Memory),
            "file" => folder::parse_url(rest).map(Location::Folder),
            _ => Service::parse(&scheme, rest).map(Location::Service),
        }
    }

    fn open_service(&self, service: &Service) -> Result<Arc<dyn ObjectStore>> {
        tracing::debug!(
            kind = service.kind.feature(),
            endpoint = service.endpoint,
            host = service.host,
            user = service.user,
            path = ?service.path,
            settings = self.settings.len(),
            "a destination is opened"
        );
        match service.kind {
            #[cfg(feature = "s3")]
            Kind::S3 => cloud::s3(service, &self.settings),
            #[cfg(feature = "azure")]
            Kind::Azure => cloud::azure(service, &self.settings),
            #[cfg(feature = "gcs")]
            Kind::Gcs => cloud::gcs(service, &self.settings),
            #[cfg(feature = "webdav")]
            Kind::WebDav => webdav::open(service, &self.settings),
            #[cfg(feature = "sftp")]
            Kind::Sftp => sftp::open(service, &self.settings),
            #[cfg(not(all(
                feature = "s3",
                feature = "azure",
                feature = "gcs",
                feature = "webdav",
                feature = "sftp"
            )))]
            _ => Err(not_built_in(service.kind.feature())),
        }
    }
}

/// Settings hold secrets, and URLs typed wrongly may.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Destination(…)")
    }
}

/// Opens the destination of an existing repository that needs no settings.
///
/// # Errors
/// As [`Destination::new`] and [`Destination::open`].
pub fn destination_from_url(url: &str) -> Result<Arc<dyn ObjectStore>> {
    Destination::new(url)?.open()
}

/// Like [`destination_from_url`], and creates the folder where it does not exist.
///
/// # Errors
/// As [`Destination::new`] and [`Destination::create`].
pub fn create_destination_from_url(url: &str) -> Result<Arc<dyn ObjectStore>> {
    Destination::new(url)?.create()
}

#[derive(Debug, PartialEq, Eq)]
enum Location {
    Memory,
    Folder(std::path::PathBuf),
    Service(Service),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    S3,
    Azure,
    Gcs,
    WebDav,
    Sftp,
}

impl Kind {
    fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "azure",
            Self::Gcs => "gcs",
            Self::WebDav => "webdav",
            Self::Sftp => "sftp",
        }
    }
}

/// A destination behind a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Service {
    kind: Kind,
    /// `http://host:port` or `https://…`, where the URL names a server.
    endpoint: Option<String>,
    /// For SFTP.
    user: Option<String>,
    /// For SFTP: host and port.
    host: String,
    /// The segments behind the host, decoded; bucket and prefix where there is no host.
    path: Vec<String>,
}

impl Service {
    fn parse(scheme: &str, rest: &str) -> Result<Self> {
        let (base, transport) = match scheme.split_once('+') {
            Some((base, transport)) => (base, Some(transport)),
            None => (scheme, None),
        };
        let kind = match base {
            "s3" => Kind::S3,
            "azure" => Kind::Azure,
            "gs" => Kind::Gcs,
            "webdav" => Kind::WebDav,
            "sftp" => Kind::Sftp,
            _ => return Err(unknown_scheme(scheme)),
        };
        let may_name_host = !matches!(kind, Kind::Sftp);
        let must_name_host = matches!(kind, Kind::WebDav);
        let secure = match transport {
            Some("https") if may_name_host => Some(true),
            Some("http") if may_name_host => Some(false),
            None if !must_name_host => None,
            _ => return Err(unknown_scheme(scheme)),
        };
        if rest.contains(['?', '#']) {
            return Err(Error::invalid(
                "a destination's URL takes no ? and no #; credentials belong into settings",
            ));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) if kind == Kind::Sftp && !user.contains(':') => (Some(user), host),
            Some(_) => {
                return Err(Error::invalid(
                    "a destination's URL must not hold credentials; they belong into settings",
                ));
            }
            None => (None, authority),
        };
        if host.is_empty() {
            return Err(Error::invalid(
                "the destination's URL names no host or bucket",
            ));
        }
        let mut path: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode)
            .collect::<Result<_>>()?;
        let endpoint = secure.map(|secure| match secure {
            true => format!("https://{host}"),
            false => format!("http://{host}"),
        });
        if endpoint.is_none() && kind != Kind::Sftp {
            path.insert(0, decode(host)?);
        }
        Ok(Self {
            kind,
            endpoint,
            user: user.map(decode).transpose()?,
            host: host.to_owned(),
            path,
        })
    }
}

/// Percent-decodes one segment.
fn decode(segment: &str) -> Result<String> {
    let bytes = folder::percent_decode(segment)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::invalid("the destination's URL is not UTF-8 after decoding"))?;
    if matches!(text.as_str(), "." | "..") || text.contains(['/', '\0']) {
        return Err(Error::invalid(
            "the destination's URL has an impossible path",
        ));
    }
    Ok(text)
}

fn unknown_scheme(scheme: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "destinations of scheme {scheme}:// are not supported; give a folder, or a URL of {}",
            built_in().join(", ")
        ),
    )
}

#[cfg(not(all(
    feature = "s3",
    feature = "azure",
    feature = "gcs",
    feature = "webdav",
    feature = "sftp"
)))]
fn not_built_in(feature: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this program was built without the feature {feature}"),
    )
}

/// The schemes that this build opens.
fn built_in() -> Vec<&'static str> {
    let all = [
        (true, "file://"),
        (cfg!(feature = "s3"), "s3:// or s3+https://"),
        (cfg!(feature = "azure"), "azure:// or azure+https://"),
        (cfg!(feature = "gcs"), "gs://"),
        (cfg!(feature = "webdav"), "webdav+https://"),
        (cfg!(feature = "sftp"), "sftp://"),
    ];
    let built_in = all.into_iter().filter(|(is, _)| *is);
    built_in.map(|(_, scheme)| scheme).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, endpoint: Option<&str>, path: &[&str]) {
        let Location::Service(service) = Destination::new(url).unwrap().location().unwrap() else {
            panic!("{url} is a service");
        };
        assert_eq!(service.endpoint.as_deref(), endpoint, "{url}");
        assert_eq!(service.path, path, "{url}");
    }

    #[test]
    fn service_urls_name_a_server_or_not() {
        check("s3://bucket/mail/a%20b", None, &["bucket", "mail", "a b"]);
        check(
            "s3+https://s3.example.test/bucket",
            Some("https://s3.example.test"),
            &["bucket"],
        );
        check("azure://box/p", None, &["box", "p"]);
        check(
            "azure+http://127.0.0.1:10000/account/box//p/",
            Some("http://127.0.0.1:10000"),
            &["account", "box", "p"],
        );
        check("gs://bucket", None, &["bucket"]);
        check(
            "webdav+https://cloud.example.test:8443/dav/backup",
            Some("https://cloud.example.test:8443"),
            &["dav", "backup"],
        );
        check("sftp://mia@host:2222/srv/backup", None, &["srv", "backup"]);
    }

    #[test]
    fn urls_with_credentials_or_without_sense_are_refused_unrepeated() {
        for (url, kind) in [
            ("s3+https://key:topsecret@host/b", ErrorKind::Invalid),
            ("webdav+https://me:topsecret@host/b", ErrorKind::Invalid),
            ("sftp://me:topsecret@host/b", ErrorKind::Invalid),
            ("azure://box/p?sig=topsecret", ErrorKind::Invalid),
            ("s3:///topsecret", ErrorKind::Invalid),
            ("s3://b/../topsecret", ErrorKind::Invalid),
            ("webdav://host/topsecret", ErrorKind::Unsupported),
            ("sftp+https://host/topsecret", ErrorKind::Unsupported),
            ("gopher://topsecret", ErrorKind::Unsupported),
        ] {
            let error = Destination::new(url).unwrap_err();
            assert_eq!(error.kind(), kind, "{url}");
            assert!(!error.to_string().contains("topsecret"), "{error}");
        }
        let destination = Destination::new("memory://").unwrap();
        let secret = [("AWS_SECRET_ACCESS_KEY".to_owned(), "topsecret".to_owned())];
        let shown = format!("{:?}", destination.with_settings(secret));
        assert_eq!(shown, "Destination(…)");
    }
}
