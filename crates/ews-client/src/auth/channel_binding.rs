//! The channel binding `tls-server-end-point` (RFC 5929 section 4): a hash of the server's
//! certificate, by which a sign-in is good for this TLS connection's server alone.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Hash algorithms inside signature algorithms, by the DER bytes of their identifiers. MD5 and
/// SHA-1 count as SHA-256, as does everything unknown.
const SHA384: [&[u8]; 3] = [
    // sha384WithRSAEncryption, ecdsa-with-SHA384, id-sha384 (inside RSASSA-PSS parameters)
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
];
const SHA512: [&[u8]; 3] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
];

/// The application data of the binding for a certificate in DER form.
pub(crate) fn channel_binding(certificate: &[u8]) -> Vec<u8> {
    let algorithm = signature_algorithm(certificate).unwrap_or_default();
    let has = |identifiers: &[&[u8]]| {
        identifiers.iter().any(|identifier| {
            algorithm.windows(identifier.len() + 2).any(|window| {
                window.first() == Some(&6)
                    && window.get(1).map(|len| usize::from(*len)) == Some(identifier.len())
                    && window.get(2..) == Some(*identifier)
            })
        })
    };
    let mut data = b"tls-server-end-point:".to_vec();
    if has(&SHA512) {
        data.extend_from_slice(&Sha512::digest(certificate));
    } else if has(&SHA384) {
        data.extend_from_slice(&Sha384::digest(certificate));
    } else {
        data.extend_from_slice(&Sha256::digest(certificate));
    }
    data
}

/// The second element of the certificate's sequence (RFC 5280 section 4.1).
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (whole, _) = super::spnego::element(certificate, 0x30)?;
    let (_, rest) = super::spnego::element(whole, 0x30)?;
    let (algorithm, _) = super::spnego::element(rest, 0x30)?;
    Some(algorithm)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A certificate's outline with that signature algorithm.
    fn certificate(identifier: &[u8]) -> Vec<u8> {
        let oid = [&[6, identifier.len() as u8], identifier].concat();
        let algorithm = [&[0x30, oid.len() as u8], &oid[..]].concat();
        let content = [&[0x30, 2, 5, 0][..], &algorithm, &[3, 1, 0]].concat();
        [&[0x30, content.len() as u8], &content[..]].concat()
    }

    #[test]
    fn the_hash_is_that_of_the_signature_but_never_weaker_than_sha_256() {
        let sha1 = certificate(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05]);
        for (certificate, hash) in [
            (sha1.clone(), Sha256::digest(&sha1).to_vec()),
            (
                certificate(SHA384[1]),
                Sha384::digest(certificate(SHA384[1])).to_vec(),
            ),
            (
                certificate(SHA512[0]),
                Sha512::digest(certificate(SHA512[0])).to_vec(),
            ),
        ] {
            let expected = [&b"tls-server-end-point:"[..], &hash].concat();
            assert_eq!(channel_binding(&certificate), expected);
        }
    }

    proptest! {
        #[test]
        fn no_certificate_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(channel_binding(&bytes).len() >= 21 + 32);
        }
    }
}
