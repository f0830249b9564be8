//! Connections to an FTP server, kept for the next request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use object_store::Result;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use suppaftp::FtpError;
use suppaftp::Status;
use suppaftp::tokio::{AsyncRustlsConnector, AsyncRustlsFtpStream};
use suppaftp::types::{FileType, Mode};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::generic;
use crate::destination::service::Kind;
use crate::destination::{Service, WAITS};
use crate::error::Error as OwnError;

const DEFAULT_PORT: u16 = 21;
/// Connections at the same time: servers allow few for one address.
const MAX_CONNECTIONS: usize = 4;
/// A command without data is answered within this time, and connecting takes no longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The slowest line that a transfer is waited for: 16 KiB a second.
const SLOWEST_BYTES_A_SECOND: u64 = 16 << 10;

/// How to sign in.
pub(super) struct Login {
    host: String,
    port: u16,
    user: String,
    password: Zeroizing<String>,
    tls: Option<Arc<ClientConfig>>,
}

impl Login {
    /// # Errors
    /// `Invalid` where something is missing.
    pub(super) fn new(
        service: &Service,
        settings: &BTreeMap<String, String>,
    ) -> crate::error::Result<Self> {
        let (host, port) = service.host_and_port(DEFAULT_PORT)?;
        let user = service.user.as_ref().or_else(|| settings.get("ftp_user"));
        let user = user.ok_or_else(|| OwnError::invalid("no user: give ftps://USER@HOST/PATH"))?;
        let password = settings
            .get("ftp_password")
            .ok_or_else(|| OwnError::invalid("no credentials: set ftp_password"))?;
        if [user, password]
            .iter()
            .any(|text| text.contains(char::is_control))
        {
            return Err(OwnError::invalid(
                "the FTP credentials have impossible characters",
            ));
        }
        let tls = match service.kind {
            Kind::Ftps => Some(Arc::new(tls(settings.get("ftp_ca_file"))?)),
            _ => None,
        };
        Ok(Self {
            host,
            port,
            user: user.clone(),
            password: Zeroizing::new(password.clone()),
            tls,
        })
    }

    async fn connect(&self) -> Result<Connection, FtpError> {
        let address = (self.host.as_str(), self.port);
        let stream = AsyncRustlsFtpStream::connect(address).await?;
        let mut stream = match &self.tls {
            Some(config) => {
                let connector = suppaftp::tokio_rustls::TlsConnector::from(Arc::clone(config));
                let connector = AsyncRustlsConnector::from(connector);
                stream.into_secure(connector, &self.host).await?
            }
            None => stream,
        };
        stream
            .login(self.user.as_str(), self.password.as_str())
            .await?;
        stream.transfer_type(FileType::Binary).await?;
        // A server behind address translation names itself wrongly in PASV's answer.
        stream.set_passive_nat_workaround(true);
        let known = stream.feat().await.unwrap_or_default();
        let is_v6 = stream.get_ref().peer_addr().is_ok_and(|a| a.is_ipv6());
        if is_v6 || known.keys().any(|name| name.contains("EPSV")) {
            stream.set_mode(Mode::ExtendedPassive);
        }
        Ok(Connection {
            stream,
            in_step: true,
        })
    }
}

/// The system's roots, and those of a file.
fn tls(ca_file: Option<&String>) -> crate::error::Result<ClientConfig> {
    let failed = |what: &str| OwnError::invalid(format!("ftp_ca_file: {what}"));
    let mut extra = Vec::new();
    if let Some(file) = ca_file {
        let pem = std::fs::read(file).map_err(|e| failed("it cannot be read").with_source(e))?;
        extra = CertificateDer::pem_slice_iter(&pem)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|e| failed("it holds no certificates").with_source(e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let impossible = |e: rustls::Error| OwnError::internal("TLS cannot be set up").with_source(e);
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
            .map_err(impossible)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(impossible)?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// A connection that is signed in.
pub(super) struct Connection {
    pub(super) stream: AsyncRustlsFtpStream,
    /// Whether the next answer belongs to the next command. Who does what may break this says so.
    pub(super) in_step: bool,
}

/// A server and the connections to it that nobody uses at the moment.
pub(super) struct Server {
    login: Login,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Server {
    pub(super) fn new(login: Login) -> Self {
        Self {
            login,
            idle: Mutex::default(),
            places: Semaphore::new(MAX_CONNECTIONS),
        }
    }

    /// Does something that may be done twice, on one connection after the other until one works.
    /// `bytes` are transferred at most. A refusal is an answer and not tried again.
    pub(super) async fn run<T>(
        &self,
        bytes: u64,
        what: impl for<'a> Fn(&'a mut Connection) -> BoxFuture<'a, Result<T, FtpError>>,
    ) -> Result<Result<T, FtpError>> {
        let _place = self.places.acquire().await.map_err(generic)?;
        let patience = PATIENCE + Duration::from_secs(bytes / SLOWEST_BYTES_A_SECOND);
        let mut waits = WAITS.iter();
        loop {
            let idle = self.idle().pop();
            let was_idle = idle.is_some();
            let attempt = async {
                let mut connection = match idle {
                    Some(connection) => connection,
                    None => self.login.connect().await?,
                };
                let done = what(&mut connection).await;
                if connection.in_step && done.as_ref().err().is_none_or(is_refusal) {
                    self.idle().push(connection);
                }
                done
            };
            let done = tokio::time::timeout(patience, attempt).await;
            let error = match done {
                Ok(Err(error)) if !is_refusal(&error) => error,
                Ok(done) => return Ok(done),
                Err(late) => FtpError::ConnectionError(std::io::Error::other(late)),
            };
            tracing::debug!(%error, was_idle, "an FTP request is repeated");
            // One that waited here too long was closed by the server: the next may be as well.
            if !was_idle {
                match waits.next() {
                    Some(wait) => tokio::time::sleep(*wait).await,
                    None => return Ok(Err(error)),
                }
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server understood and will not (5xx, RFC 959, 4.2); what is transient, and broken
/// connections, are not.
fn is_refusal(error: &FtpError) -> bool {
    match error {
        FtpError::UnexpectedResponse(response) => {
            // 5xx; 521 and others have no name of their own.
            response.body.first() == Some(&b'5') || response.status == Status::FileUnavailable
        }
        _ => false,
    }
}
