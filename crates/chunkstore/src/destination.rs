//! Destinations by URL; the only place that knows about local paths and about services.
//!
//! `docs/destinations.md` lists the schemes, what each takes, and what was tried.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
#[cfg(any(feature = "http-client", feature = "sftp", feature = "ftp"))]
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
mod cloud;
#[cfg(any(
    feature = "oss",
    feature = "gdrive",
    feature = "onedrive",
    feature = "dropbox"
))]
mod drives;
#[cfg(any(feature = "sftp", feature = "ftp"))]
mod files;
mod folder;
#[cfg(any(
    feature = "webdav",
    feature = "web",
    feature = "sftp",
    feature = "ftp",
    feature = "swift"
))]
mod frame;
#[cfg(feature = "ftp")]
mod ftp;
/// Doors to what reads the answers of servers.
#[cfg(postkeep_fuzz)]
pub(crate) mod fuzzing;
#[cfg(feature = "http-client")]
mod http;
#[cfg(feature = "s3")]
mod object_lock;
mod service;
#[cfg(feature = "sftp")]
mod sftp;
#[cfg(feature = "swift")]
mod swift;
#[cfg(feature = "web")]
mod web;
#[cfg(feature = "webdav")]
mod webdav;

use service::{Kind, Service};

/// Waits before the second, third … attempt of what failed for the moment; about 12 seconds in all,
/// which is a server's restart.
#[cfg(any(feature = "http-client", feature = "sftp", feature = "ftp"))]
const WAITS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1_500),
    Duration::from_secs(3),
    Duration::from_secs(7),
];

/// Opens a destination, or says which feature this build lacks.
macro_rules! built_in {
    ($feature:literal, $open:expr) => {{
        #[cfg(feature = $feature)]
        {
            $open
        }
        #[cfg(not(feature = $feature))]
        {
            Err(Error::new(
                ErrorKind::Unsupported,
                concat!("this program was built without the feature ", $feature),
            ))
        }
    }};
}

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
/// | `https://HOST/PATH` | a web server that lists its folders, to read from | `web` |
/// | `sftp://USER@HOST/PATH` | an SSH server with SFTP | `sftp` |
/// | `ftps://USER@HOST/PATH`, `ftp://USER@HOST/PATH` | an FTP server, with TLS and without | `ftp` |
/// | `swift://CONTAINER/PREFIX` | OpenStack Swift | `swift` |
/// | `oss://BUCKET/PREFIX`, `oss+https://HOST/BUCKET/PREFIX` | Alibaba Cloud OSS | `oss` |
/// | `gdrive://FOLDER/FOLDER` | Google Drive | `gdrive` |
/// | `onedrive://FOLDER/FOLDER` | OneDrive | `onedrive` |
/// | `dropbox://FOLDER/FOLDER` | Dropbox | `dropbox` |
///
/// `http` in place of `https` is not encrypted and meant for servers on the same machine.
#[derive(Clone)]
pub struct Destination {
    url: String,
    settings: BTreeMap<String, String>,
    now: Option<Clock>,
}

/// Milliseconds since 1970-01-01T00:00:00Z.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Keeps what is needed at a destination from being deleted by anybody for a time: see
/// [`Repository::renew_locks`](crate::Repository::renew_locks).
#[derive(Clone, Debug)]
pub struct ObjectLock(LockKind);

#[derive(Clone, Debug)]
enum LockKind {
    #[cfg(feature = "s3")]
    S3(object_lock::S3Lock),
}

/// An object that was deleted, and what the destination keeps of it.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    /// Its name in the repository.
    pub(crate) name: String,
    #[cfg(feature = "s3")]
    path: object_store::path::Path,
    #[cfg(feature = "s3")]
    versions: Vec<String>,
    /// What says that it is deleted.
    #[cfg(feature = "s3")]
    markers: Vec<String>,
}

/// What became of a hidden object.
#[cfg_attr(
    not(feature = "s3"),
    expect(dead_code, reason = "no destination of this build has locks")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    Gone,
    /// A lock keeps it until this time, where the destination tells.
    Kept(Option<i64>),
}

impl ObjectLock {
    /// The objects of the repository that were deleted and are kept all the same.
    #[cfg(feature = "s3")]
    pub(crate) async fn hidden(&self) -> Result<Vec<Hidden>> {
        match &self.0 {
            LockKind::S3(lock) => lock.hidden().await,
        }
    }

    /// Deletes one for good, if its lock is over.
    #[cfg(feature = "s3")]
    pub(crate) async fn delete_hidden(&self, hidden: &Hidden) -> Result<Deleted> {
        match &self.0 {
            LockKind::S3(lock) => lock.delete_hidden(hidden).await,
        }
    }

    /// No destination of this build has locks.
    #[cfg(not(feature = "s3"))]
    pub(crate) async fn hidden(&self) -> Result<Vec<Hidden>> {
        match self.0 {}
    }

    /// No destination of this build has locks.
    #[cfg(not(feature = "s3"))]
    pub(crate) async fn delete_hidden(&self, _: &Hidden) -> Result<Deleted> {
        match self.0 {}
    }

    /// The time, in milliseconds since 1970 UTC, at which the lock of everything that was written
    /// until now has ended, unless it is renewed.
    #[cfg(feature = "s3")]
    pub fn latest_end_unix_ms(&self) -> i64 {
        match &self.0 {
            LockKind::S3(lock) => lock.latest_end_unix_ms(),
        }
    }

    /// No destination of this build has locks.
    #[cfg(not(feature = "s3"))]
    pub fn latest_end_unix_ms(&self) -> i64 {
        match self.0 {}
    }

    /// Keeps an object longer if half of its time is over; says whether that was so.
    #[cfg(feature = "s3")]
    pub(crate) async fn renew(&self, name: &str) -> Result<bool> {
        match &self.0 {
            LockKind::S3(lock) => lock.renew(name).await,
        }
    }

    /// No destination of this build has locks.
    #[cfg(not(feature = "s3"))]
    pub(crate) async fn renew(&self, _: &str) -> Result<bool> {
        match self.0 {}
    }
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
            now: None,
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

    /// Says what time it is, which object locks are counted from.
    #[must_use]
    pub fn with_clock(mut self, environment: &Environment) -> Self {
        self.now = Some(Arc::clone(&environment.now_unix_ms));
        self
    }

    /// What renews locks, where the settings ask for them (`S3_OBJECT_LOCK_DAYS`).
    ///
    /// # Errors
    /// `Invalid` for settings that are wrong or missing, and without a clock.
    pub fn object_lock(&self) -> Result<Option<ObjectLock>> {
        let location = self.location()?;
        #[cfg(feature = "s3")]
        if let Location::Service(service) = &location
            && service.kind == Kind::S3
        {
            let lock = cloud::s3_lock(service, &self.settings, self.now.as_ref())?;
            return Ok(lock.map(|lock| ObjectLock(LockKind::S3(lock))));
        }
        // Nothing else has locks that are set object by object.
        drop(location);
        Ok(None)
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
    /// `Denied`, `NoSpace`, `Unavailable` when it cannot be created; `Unsupported` where nothing can.
    pub fn create(&self) -> Result<Arc<dyn ObjectStore>> {
        match self.location()? {
            Location::Folder(path) => folder::create(&path),
            Location::Service(service) if matches!(service.kind, Kind::Http | Kind::Https) => {
                Err(Error::new(
                    ErrorKind::Unsupported,
                    "a repository cannot be created at http:// or https://, which are only read from",
                ))
            }
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
            has_clock = self.now.is_some(),
            "a destination is opened"
        );
        match service.kind {
            Kind::S3 => built_in!("s3", cloud::s3(service, &self.settings, self.now.as_ref())),
            Kind::Azure => built_in!("azure", cloud::azure(service, &self.settings)),
            Kind::Gcs => built_in!("gcs", cloud::gcs(service, &self.settings)),
            Kind::Oss => built_in!("oss", drives::oss(service, &self.settings)),
            Kind::WebDav => built_in!("webdav", webdav::open(service, &self.settings)),
            Kind::Http | Kind::Https => built_in!("web", web::open(service, &self.settings)),
            Kind::Sftp => built_in!("sftp", sftp::open(service, &self.settings)),
            Kind::Ftp | Kind::Ftps => built_in!("ftp", ftp::open(service, &self.settings)),
            Kind::Swift => built_in!("swift", swift::open(service, &self.settings)),
            Kind::GDrive => built_in!("gdrive", drives::gdrive(service, &self.settings)),
            Kind::OneDrive => built_in!("onedrive", drives::onedrive(service, &self.settings)),
            Kind::Dropbox => built_in!("dropbox", drives::dropbox(service, &self.settings)),
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
        check("ftps://mia@host/srv/backup", None, &["srv", "backup"]);
        check("swift://container/p", None, &["container", "p"]);
        check("https://host:81/a/b", Some("https://host:81"), &["a", "b"]);
        check("gdrive://Backups/mail", None, &["Backups", "mail"]);
        check(
            "oss+https://oss.example.test/bucket/p",
            Some("https://oss.example.test"),
            &["bucket", "p"],
        );
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
            ("ftp://me:topsecret@host/b", ErrorKind::Invalid),
            ("ftp://me@host/b%0d%0aDELE%20topsecret", ErrorKind::Invalid),
            ("dropbox+https://host/topsecret", ErrorKind::Unsupported),
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
