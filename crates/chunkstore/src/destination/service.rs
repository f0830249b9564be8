//! What the URL of a service says.

use super::folder;
use crate::error::{Error, ErrorKind, Result};

/// A protocol, or a service with one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    S3,
    Azure,
    Gcs,
    Oss,
    WebDav,
    Http,
    Https,
    Sftp,
    Ftp,
    Ftps,
    Swift,
    GDrive,
    OneDrive,
    Dropbox,
}

/// What stands between `://` and the first slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authority {
    /// The first segment of the path.
    Path,
    /// The same, or a host where the scheme ends in `+https` or `+http`.
    PathOrHost,
    /// A host; the scheme ends in `+https` or `+http`.
    Host,
    /// A host; the scheme says itself whether there is TLS.
    HostOfScheme,
    /// A host, which may have a user in front of it.
    UserAtHost,
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::S3,
        Self::Azure,
        Self::Gcs,
        Self::Oss,
        Self::WebDav,
        Self::Http,
        Self::Https,
        Self::Sftp,
        Self::Ftp,
        Self::Ftps,
        Self::Swift,
        Self::GDrive,
        Self::OneDrive,
        Self::Dropbox,
    ];

    /// What the scheme begins with, the feature that it takes, and whether this build has that.
    fn about(self) -> (&'static str, &'static str, bool) {
        match self {
            Self::S3 => ("s3", "s3", cfg!(feature = "s3")),
            Self::Azure => ("azure", "azure", cfg!(feature = "azure")),
            Self::Gcs => ("gs", "gcs", cfg!(feature = "gcs")),
            Self::Oss => ("oss", "oss", cfg!(feature = "oss")),
            Self::WebDav => ("webdav", "webdav", cfg!(feature = "webdav")),
            Self::Http => ("http", "web", cfg!(feature = "web")),
            Self::Https => ("https", "web", cfg!(feature = "web")),
            Self::Sftp => ("sftp", "sftp", cfg!(feature = "sftp")),
            Self::Ftp => ("ftp", "ftp", cfg!(feature = "ftp")),
            Self::Ftps => ("ftps", "ftp", cfg!(feature = "ftp")),
            Self::Swift => ("swift", "swift", cfg!(feature = "swift")),
            Self::GDrive => ("gdrive", "gdrive", cfg!(feature = "gdrive")),
            Self::OneDrive => ("onedrive", "onedrive", cfg!(feature = "onedrive")),
            Self::Dropbox => ("dropbox", "dropbox", cfg!(feature = "dropbox")),
        }
    }

    fn authority(self) -> Authority {
        match self {
            Self::S3 | Self::Azure | Self::Gcs | Self::Oss => Authority::PathOrHost,
            Self::WebDav => Authority::Host,
            Self::Http | Self::Https => Authority::HostOfScheme,
            Self::Sftp | Self::Ftp | Self::Ftps => Authority::UserAtHost,
            Self::Swift | Self::GDrive | Self::OneDrive | Self::Dropbox => Authority::Path,
        }
    }

    pub(super) fn feature(self) -> &'static str {
        self.about().1
    }

    /// How its URLs begin, if this build opens them.
    fn offered(self) -> Option<String> {
        let (scheme, _, built_in) = self.about();
        built_in.then(|| match self.authority() {
            Authority::Path | Authority::UserAtHost | Authority::HostOfScheme => {
                format!("{scheme}://")
            }
            Authority::PathOrHost => format!("{scheme}:// or {scheme}+https://"),
            Authority::Host => format!("{scheme}+https://"),
        })
    }
}

/// A destination behind a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) kind: Kind,
    /// `http://host:port` or `https://…`, where the URL names a server.
    pub(super) endpoint: Option<String>,
    /// For SFTP and FTP.
    pub(super) user: Option<String>,
    /// For SFTP and FTP: host and port.
    pub(super) host: String,
    /// The segments behind the host, decoded; bucket and prefix where there is no host.
    pub(super) path: Vec<String>,
}

impl Service {
    pub(super) fn parse(scheme: &str, rest: &str) -> Result<Self> {
        let (base, transport) = match scheme.split_once('+') {
            Some((base, transport)) => (base, Some(transport)),
            None => (scheme, None),
        };
        let kind = Kind::ALL.into_iter().find(|kind| kind.about().0 == base);
        let kind = kind.ok_or_else(|| unknown_scheme(scheme))?;
        let secure = match (kind.authority(), transport) {
            (Authority::PathOrHost | Authority::Host, Some("https")) => Some(true),
            (Authority::PathOrHost | Authority::Host, Some("http")) => Some(false),
            (Authority::HostOfScheme, None) => Some(kind == Kind::Https),
            (Authority::Path | Authority::PathOrHost | Authority::UserAtHost, None) => None,
            _ => return Err(unknown_scheme(scheme)),
        };
        if rest.contains(['?', '#']) {
            return Err(Error::invalid(
                "a destination's URL takes no ? and no #; credentials belong into settings",
            ));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = split_user(kind, authority)?;
        if host.is_empty() {
            return Err(Error::invalid(
                "the destination's URL names no host, bucket or folder",
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
        if endpoint.is_none() && kind.authority() != Authority::UserAtHost {
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

    /// Host and port, for protocols that are not HTTP.
    #[cfg(any(feature = "sftp", feature = "ftp"))]
    pub(super) fn host_and_port(&self, default_port: u16) -> Result<(String, u16)> {
        let (host, port) = match self.host.rsplit_once(':') {
            // An IPv6 address has colons and stands in brackets.
            Some((host, port)) if !port.contains(']') => (
                host,
                port.parse()
                    .map_err(|_| Error::invalid("the destination's URL has an impossible port"))?,
            ),
            _ => (self.host.as_str(), default_port),
        };
        Ok((host.trim_matches(['[', ']']).to_owned(), port))
    }
}

fn split_user(kind: Kind, authority: &str) -> Result<(Option<&str>, &str)> {
    let takes_user = kind.authority() == Authority::UserAtHost;
    match authority.rsplit_once('@') {
        Some((user, host)) if takes_user && !user.contains(':') => Ok((Some(user), host)),
        Some(_) => Err(Error::invalid(
            "a destination's URL must not hold credentials; they belong into settings",
        )),
        None => Ok((None, authority)),
    }
}

/// Percent-decodes one segment.
fn decode(segment: &str) -> Result<String> {
    let bytes = folder::percent_decode(segment)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::invalid("the destination's URL is not UTF-8 after decoding"))?;
    // A line break would be the end of a command to an FTP server.
    if matches!(text.as_str(), "." | "..") || text.contains(|c: char| c == '/' || c.is_control()) {
        return Err(Error::invalid(
            "the destination's URL has an impossible path",
        ));
    }
    Ok(text)
}

fn unknown_scheme(scheme: &str) -> Error {
    let offered = Kind::ALL.into_iter().filter_map(Kind::offered);
    let offered: Vec<String> = ["file://".to_owned()].into_iter().chain(offered).collect();
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "destinations of scheme {scheme}:// are not supported; give a folder, or a URL of {}",
            offered.join(", ")
        ),
    )
}
