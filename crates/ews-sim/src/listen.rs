//! Connections, plain or over TLS, each with what it knows of its client.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::auth::Connection;
use crate::error::{Error, ErrorKind};

/// Most TLS handshakes under way; further connections wait.
const MAX_HANDSHAKES: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// A self-signed certificate with its key, made anew for each simulator.
pub struct TlsIdentity {
    pem: String,
    fingerprint: [u8; 32],
    config: Arc<ServerConfig>,
}

impl TlsIdentity {
    /// A certificate for these host names and addresses.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] if a name is none.
    pub fn self_signed(names: &[&str]) -> Result<TlsIdentity, Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let failed = |what: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Invalid,
                format!("cannot make a certificate: {what}"),
            )
        };
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let certificate = made.cert.der().clone();
        let fingerprint = Sha256::digest(&certificate).into();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(|error| failed(&error))?;
        Ok(TlsIdentity {
            pem: made.cert.pem(),
            fingerprint,
            config: Arc::new(config),
        })
    }

    /// The certificate in PEM form, for clients to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The certificate's SHA-256 hash, as hexadecimal digits with colons.
    pub fn fingerprint(&self) -> String {
        let bytes: Vec<String> = self
            .fingerprint
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        bytes.join(":")
    }

    /// What channel bindings hold (RFC 5929 section 4); the certificate is signed with SHA-256.
    fn channel(&self) -> Vec<u8> {
        [&b"tls-server-end-point:"[..], &self.fingerprint].concat()
    }
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsIdentity({})", self.fingerprint())
    }
}

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A listener with its TLS handshakes under way.
pub(crate) struct Listening {
    tcp: TcpListener,
    tls: Option<(TlsAcceptor, Vec<u8>)>,
    handshakes: JoinSet<io::Result<(Box<dyn Duplex>, SocketAddr)>>,
}

impl Listening {
    pub(crate) fn new(tcp: TcpListener, identity: Option<&TlsIdentity>) -> Listening {
        let tls = identity.map(|identity| {
            let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
            (acceptor, identity.channel())
        });
        Listening {
            tcp,
            tls,
            handshakes: JoinSet::new(),
        }
    }

    /// A connection, ready for HTTP.
    async fn next(&mut self) -> (Box<dyn Duplex>, SocketAddr) {
        loop {
            let has_room = self.handshakes.len() < MAX_HANDSHAKES;
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    // A client that does not finish its handshake is nobody's trouble but its own.
                    if let Ok(Ok(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.tcp.accept(), if has_room => match accepted {
                    Ok((stream, address)) => {
                        if let Some(connection) = self.begin(stream, address) {
                            return connection;
                        }
                    }
                    // Out of files, as a rule: wait for some to be closed.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                },
            }
        }
    }

    /// A plain connection is ready; one over TLS begins its handshake.
    fn begin(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(Box<dyn Duplex>, SocketAddr)> {
        // Without this each answer waits for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let Some((acceptor, _)) = &self.tls else {
            return Some((Box::new(stream), address));
        };
        let handshake = acceptor.accept(stream);
        self.handshakes.spawn(async move {
            let stream = tokio::time::timeout(HANDSHAKE_TIME, handshake).await??;
            Ok((Box::new(stream) as Box<dyn Duplex>, address))
        });
        None
    }
}

impl Listener for Listening {
    type Io = Box<dyn Duplex>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, _) = self.next().await;
        let channel = self.tls.as_ref().map(|(_, channel)| channel.clone());
        let local = self.tcp.local_addr().ok();
        (stream, Peer { channel, local })
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        let channel = self.tls.as_ref().map(|(_, channel)| channel.clone());
        let local = Some(self.tcp.local_addr()?);
        Ok(Peer { channel, local })
    }
}

/// Where a connection came in.
#[derive(Debug)]
pub(crate) struct Peer {
    channel: Option<Vec<u8>>,
    local: Option<SocketAddr>,
}

/// One client's connection, as requests see it.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) connection: Arc<Connection>,
    pub(crate) is_tls: bool,
    local: Option<SocketAddr>,
}

impl Remote {
    /// The server's own address, for clients that do not say how they call it.
    pub(crate) fn authority(&self) -> String {
        let local = self.local.map(|local| local.to_string());
        local.unwrap_or_else(|| "localhost".to_owned())
    }
}

impl Connected<IncomingStream<'_, Listening>> for Remote {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Remote {
        let peer = stream.remote_addr();
        Remote {
            connection: Arc::new(Connection::new(peer.channel.clone())),
            is_tls: peer.channel.is_some(),
            local: peer.local,
        }
    }
}
