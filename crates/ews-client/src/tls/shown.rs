//! What servers showed: the certificates of a client's latest connections.
//!
//! The HTTP library tells of no certificate for a connection through a proxy, so it is taken down
//! where it is judged. A sign-in must be bound to the certificate of the very connection that it
//! goes over: with another one that the same server once showed, somebody in between could pass
//! it on. So each `Shown` belongs to a client with one connection at a time, sessions are never
//! resumed (nothing is shown then), and what was shown can be held, so that nothing else will do.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use url::{Host, Url};

use super::{Verifier, refused};

/// Names kept: the server's, and that of a proxy to which TLS is spoken, too.
const MAX_NAMES: usize = 4;

/// The certificate that each name showed last, among those that were trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    certificates: Vec<(ServerName<'static>, Vec<u8>)>,
    is_held: bool,
    was_other: bool,
}

impl Shown {
    /// The certificate, in DER form, that the server of this address showed last.
    pub(crate) fn certificate(&self, url: &Url) -> Option<Vec<u8>> {
        let name = match url.host()? {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).ok()?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        let state = self.lock();
        let mut known = state.certificates.iter();
        known
            .find(|known| known.0 == name)
            .map(|known| known.1.clone())
    }

    /// From now on connections with other certificates than these are refused.
    #[cfg(feature = "kerberos")]
    pub(crate) fn hold(&self) {
        self.lock().is_held = true;
    }

    /// Forgets everything. Says whether a connection was refused for its certificate.
    #[cfg(feature = "kerberos")]
    pub(crate) fn forget(&self) -> bool {
        std::mem::take(&mut *self.lock()).was_other
    }

    /// Takes down what a name shows; false if something else is held.
    fn see(&self, name: &ServerName<'_>, certificate: &[u8]) -> bool {
        let mut state = self.lock();
        let State {
            certificates,
            is_held,
            was_other,
        } = &mut *state;
        let Some(known) = certificates.iter_mut().find(|known| known.0 == *name) else {
            if certificates.len() >= MAX_NAMES {
                certificates.remove(0);
            }
            certificates.push((name.to_owned(), certificate.to_vec()));
            return true;
        };
        if known.1 == certificate {
            return true;
        }
        if *is_held {
            *was_other = true;
            return false;
        }
        known.1 = certificate.to_vec();
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges as another, and takes down what was trusted.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) verifier: Arc<Verifier>,
    pub(super) shown: Shown,
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        match self.shown.see(server_name, end_entity) {
            true => Ok(verified),
            false => Err(refused(
                "the server shows another certificate than a moment ago".to_owned(),
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let verifier = &self.verifier;
        verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let verifier = &self.verifier;
        verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServerName<'static> {
        ServerName::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn the_latest_certificate_of_each_name_is_known_and_no_other() {
        let shown = Shown::default();
        let url = |host: &str| Url::parse(&format!("https://{host}:8443/EWS")).unwrap();
        assert_eq!(shown.certificate(&url("mail.example.test")), None);
        for (host, certificate) in [
            ("proxy.example.test", "p"),
            ("MAIL.example.test", "m1"),
            ("mail.example.test", "m2"),
            ("192.0.2.7", "four"),
            ("2001:db8::7", "six"),
        ] {
            assert!(shown.see(&name(host), certificate.as_bytes()));
        }
        for (host, certificate) in [
            ("mail.example.test", Some("m2")),
            ("Mail.Example.Test", Some("m2")),
            ("192.0.2.7", Some("four")),
            ("[2001:db8::7]", Some("six")),
            ("other.example.test", None),
        ] {
            let found = shown.certificate(&url(host));
            assert_eq!(found, certificate.map(|c| c.as_bytes().to_vec()), "{host}");
        }
        for number in 0..100 {
            assert!(shown.see(&name(&format!("n{number}.example.test")), b"x"));
        }
        assert_eq!(shown.lock().certificates.len(), MAX_NAMES);
    }

    #[cfg(feature = "kerberos")]
    #[test]
    fn what_is_held_lets_nothing_else_pass_until_it_is_forgotten() {
        let (shown, mail) = (Shown::default(), name("mail.example.test"));
        assert!(shown.see(&mail, b"one"));
        shown.hold();
        assert!(shown.see(&mail, b"one"));
        assert!(!shown.see(&mail, b"two"));
        assert!(shown.forget());
        assert!(shown.see(&mail, b"two"));
        assert!(!shown.forget());
    }
}
