//! Whom to trust: the system's authorities and more, or one certificate by its fingerprint.

mod shown;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
pub(crate) use shown::Shown;
use shown::Watching;

/// The SHA-256 hash of a server's certificate in DER form.
///
/// Parsed from 64 hexadecimal digits in either case, with or without colons; shown with colons, as
/// `openssl x509 -fingerprint -sha256` does. Other text is refused with the kind `Invalid`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER form.
    pub fn of(certificate: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).into())
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fingerprint> {
        let wrong = || Error::invalid("a fingerprint is 64 hexadecimal digits (SHA-256)");
        let digits: Vec<u8> = text
            .trim()
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| {
                char::from(byte)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) if rest.is_empty() => Ok(Fingerprint(bytes)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at > 0 { ":" } else { "" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The provider in use. An application that chose one keeps it; a lost race means that somebody
/// else just did.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    if let Some(provider) = CryptoProvider::get_default() {
        return Arc::clone(provider);
    }
    let ours = rustls::crypto::ring::default_provider();
    let _ = ours.clone().install_default();
    Arc::clone(CryptoProvider::get_default().unwrap_or(&Arc::new(ours)))
}

/// What all connections of a client trust.
#[derive(Clone)]
pub(crate) struct Trust {
    config: ClientConfig,
    /// `None` where TLS is not spoken.
    verifier: Option<Arc<Verifier>>,
}

impl Trust {
    /// For plain http nothing is read from the system: machines without any certificate could not
    /// even set up a client otherwise.
    pub(crate) fn new(
        is_https: bool,
        extra_root_pem: Option<&[u8]>,
        pins: &[Fingerprint],
    ) -> Result<Trust> {
        let provider = provider();
        let extra = certificates(extra_root_pem.unwrap_or_default())?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::invalid("cannot set up TLS").with_source(error))?;
        if !is_https {
            let none = RootCertStore::empty();
            return Ok(Trust {
                config: builder.with_root_certificates(none).with_no_client_auth(),
                verifier: None,
            });
        }
        let system: Option<Arc<dyn ServerCertVerifier>> = match pins {
            [] => {
                let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(
                    extra,
                    Arc::clone(&provider),
                )
                .map_err(|error| Error::invalid("unusable certificates").with_source(error))?;
                Some(Arc::new(verifier))
            }
            _ => None,
        };
        let verifier = Arc::new(Verifier {
            system,
            pins: pins.to_vec(),
            provider,
        });
        let shared: Arc<dyn ServerCertVerifier> = Arc::<Verifier>::clone(&verifier);
        let builder = builder.dangerous().with_custom_certificate_verifier(shared);
        Ok(Trust {
            config: builder.with_no_client_auth(),
            verifier: Some(verifier),
        })
    }

    /// The configuration of connections that nobody has to tell apart.
    pub(crate) fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// The configuration of connections whose certificates are taken down.
    pub(crate) fn watched(&self, shown: &Shown) -> ClientConfig {
        let mut config = self.config.clone();
        if let Some(verifier) = &self.verifier {
            // A resumed session shows no certificate.
            config.resumption = Resumption::disabled();
            let watching = Watching {
                verifier: Arc::clone(verifier),
                shown: shown.clone(),
            };
            let mut dangerous = config.dangerous();
            dangerous.set_certificate_verifier(Arc::new(watching));
        }
        config
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| Error::invalid("unusable certificates").with_source(error))?;
    if read.is_empty() && !pem.is_empty() {
        return Err(Error::invalid(
            "unusable certificates: the PEM text holds none",
        ));
    }
    Ok(read)
}

/// Judges by fingerprint where there are pins, else as the system does; a refusal names the
/// fingerprint.
#[derive(Debug)]
struct Verifier {
    system: Option<Arc<dyn ServerCertVerifier>>,
    pins: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

/// Why a certificate was refused, in words that name its fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

fn refused(text: String) -> rustls::Error {
    rustls::Error::Other(OtherError(Arc::new(Refused(text))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let fingerprint = Fingerprint::of(end_entity);
        let Some(system) = &self.system else {
            return if self.pins.contains(&fingerprint) {
                Ok(ServerCertVerified::assertion())
            } else {
                Err(refused(format!(
                    "the server's certificate is not the pinned one; its SHA-256 fingerprint is \
                     {fingerprint}"
                )))
            };
        };
        system
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| {
                refused(format!(
                    "the server's certificate is not trusted ({}); its SHA-256 fingerprint is \
                     {fingerprint}",
                    crate::error::quote(&error.to_string())
                ))
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_people_write_them() {
        let text = Fingerprint::of(b"x").to_string();
        assert_eq!(text.len(), 95);
        for form in [text.clone(), text.to_lowercase(), text.replace(':', "")] {
            assert_eq!(form.parse::<Fingerprint>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "AB:CD",
            &text[1..],
            &format!("{text}:00"),
            "é".repeat(64).as_str(),
        ] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
