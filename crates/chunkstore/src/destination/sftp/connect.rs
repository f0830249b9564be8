//! Connecting and signing in to an SSH server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::Result;
use russh::client::{self, AuthResult, Handle};
use russh::keys::{
    HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, known_hosts, load_secret_key,
};
use russh_sftp::client::{Config as SftpConfig, SftpSession};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::generic;
use crate::destination::Service;
use crate::error::Error as OwnError;

const DEFAULT_PORT: u16 = 22;
/// A server that does not answer for so long is asked for a sign of life, three times.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Seconds until a single request is given up.
const REQUEST_SECONDS: u64 = 60;

/// How to sign in, and how to know the server.
pub(super) struct Login {
    host: String,
    port: u16,
    user: String,
    password: Option<Zeroizing<String>>,
    identity_file: Option<PathBuf>,
    identity_passphrase: Option<Zeroizing<String>>,
    /// `SHA256:…`, or else the file of known hosts decides.
    host_key: Option<String>,
    known_hosts: Option<PathBuf>,
}

impl Login {
    /// # Errors
    /// `Invalid` where something is missing.
    pub(super) fn new(
        service: &Service,
        settings: &BTreeMap<String, String>,
    ) -> crate::error::Result<Self> {
        let (host, port) = service.host_and_port(DEFAULT_PORT)?;
        let secret = |name| settings.get(name).map(|text| Zeroizing::new(text.clone()));
        let user = service.user.as_ref().or_else(|| settings.get("sftp_user"));
        let login = Self {
            host,
            port,
            user: user
                .ok_or_else(|| OwnError::invalid("no user: give sftp://USER@HOST/PATH"))?
                .clone(),
            password: secret("sftp_password"),
            identity_file: settings.get("sftp_identity_file").map(PathBuf::from),
            identity_passphrase: secret("sftp_identity_passphrase"),
            host_key: settings.get("sftp_host_key").cloned(),
            known_hosts: settings.get("sftp_known_hosts").map(PathBuf::from),
        };
        if login.password.is_none() && login.identity_file.is_none() {
            return Err(OwnError::invalid(
                "no credentials: set sftp_identity_file or sftp_password",
            ));
        }
        if login.host_key.is_none() && login.known_hosts.is_none() {
            return Err(OwnError::invalid(
                "nothing tells the server from another one: set sftp_host_key or sftp_known_hosts",
            ));
        }
        Ok(login)
    }
}

/// A server and the connection to it, if there is one.
pub(super) struct Server {
    login: Login,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    session: Arc<SftpSession>,
    /// Ends the connection when dropped.
    _handle: Handle<HostCheck>,
}

impl Server {
    pub(super) fn new(login: Login) -> Self {
        Self {
            login,
            connection: Mutex::default(),
        }
    }

    /// The connection, made if there is none.
    pub(super) async fn session(&self) -> Result<Arc<SftpSession>> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(Arc::clone(&connection.session));
        }
        let made = self.login.connect().await?;
        let session = Arc::clone(&made.session);
        *connection = Some(made);
        Ok(session)
    }

    /// Drops a connection that has failed, unless somebody made a new one already.
    pub(super) async fn forget(&self, session: &Arc<SftpSession>) {
        let mut connection = self.connection.lock().await;
        if connection
            .as_ref()
            .is_some_and(|one| Arc::ptr_eq(&one.session, session))
        {
            *connection = None;
        }
    }
}

impl Login {
    async fn connect(&self) -> Result<Connection> {
        let config = client::Config {
            keepalive_interval: Some(KEEPALIVE),
            nodelay: true,
            ..client::Config::default()
        };
        let check = HostCheck {
            host: self.host.clone(),
            port: self.port,
            host_key: self.host_key.clone(),
            known_hosts: self.known_hosts.clone(),
        };
        let address = (self.host.as_str(), self.port);
        let mut handle = client::connect(Arc::new(config), address, check)
            .await
            .map_err(|error| match error {
                russh::Error::UnknownKey => unauthenticated(
                    "the server's key is not the known one: somebody may be in between",
                ),
                other => generic(other),
            })?;
        self.sign_in(&mut handle).await?;
        let channel = handle.channel_open_session().await.map_err(generic)?;
        channel
            .request_subsystem(true, "sftp")
            .await
            .map_err(generic)?;
        let config = SftpConfig {
            request_timeout_secs: REQUEST_SECONDS,
            ..SftpConfig::default()
        };
        let session = SftpSession::new_with_config(channel.into_stream(), config);
        Ok(Connection {
            session: Arc::new(session.await.map_err(generic)?),
            _handle: handle,
        })
    }

    async fn sign_in(&self, handle: &mut Handle<HostCheck>) -> Result<()> {
        if let Some(file) = &self.identity_file {
            let passphrase = self.identity_passphrase.as_ref().map(|text| text.as_str());
            let key = load_secret_key(file, passphrase);
            let key = key.map_err(|error| unauthenticated(format!("the key file: {error}")))?;
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), Some(HashAlg::Sha512));
            let done = handle.authenticate_publickey(&self.user, key).await;
            if matches!(done.map_err(generic)?, AuthResult::Success) {
                return Ok(());
            }
        }
        if let Some(password) = &self.password {
            let done = handle.authenticate_password(&self.user, password.as_str());
            if matches!(done.await.map_err(generic)?, AuthResult::Success) {
                return Ok(());
            }
        }
        Err(unauthenticated("the server refuses the key or password"))
    }
}

fn unauthenticated(what: impl Into<String>) -> object_store::Error {
    object_store::Error::Unauthenticated {
        path: String::new(),
        source: what.into().into(),
    }
}

/// Knows the server by its key. There is no trust on first use: nobody is there to be asked.
struct HostCheck {
    host: String,
    port: u16,
    host_key: Option<String>,
    known_hosts: Option<PathBuf>,
}

impl client::Handler for HostCheck {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        server: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let key = server.public_key();
        if let Some(expected) = &self.host_key {
            return Ok(key.fingerprint(HashAlg::Sha256).to_string() == *expected);
        }
        let Some(file) = &self.known_hosts else {
            return Ok(false);
        };
        let known = known_hosts::check_known_hosts_path(&self.host, self.port, &key, file);
        Ok(known.unwrap_or(false))
    }
}
