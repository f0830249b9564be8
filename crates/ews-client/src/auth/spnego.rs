//! SPNEGO (RFC 4178, MS-SPNG) around NTLM or Kerberos, as far as HTTP needs it.

/// Deepest length encoding read: four bytes, 4 GiB.
const MAX_LENGTH_BYTES: usize = 4;
/// 1.3.6.1.5.5.2
const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// 1.3.6.1.4.1.311.2.2.10
const NTLMSSP: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];
/// 1.2.840.113554.1.2.2
#[cfg(feature = "kerberos")]
const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];

/// Wraps and unwraps one sign-in's tokens.
pub(crate) struct Spnego;

impl Spnego {
    /// The first token of NTLM.
    pub(crate) fn init(token: &[u8]) -> Vec<u8> {
        Spnego::first(NTLMSSP, token)
    }

    /// The only token of Kerberos: what GSSAPI made, its framing included.
    #[cfg(feature = "kerberos")]
    pub(crate) fn kerberos(token: &[u8]) -> Vec<u8> {
        Spnego::first(KERBEROS, token)
    }

    /// NegTokenInit with one mechanism. With only one, there is no list that a stranger could
    /// shorten on the way, and so nothing to sign.
    fn first(mechanism: &[u8], token: &[u8]) -> Vec<u8> {
        let mechanisms = tagged(0xa0, &tagged(0x30, &tagged(0x06, mechanism)));
        let token = tagged(0xa2, &tagged(0x04, token));
        let init = tagged(0xa0, &tagged(0x30, &[mechanisms, token].concat()));
        tagged(0x60, &[tagged(0x06, SPNEGO), init].concat())
    }

    /// A later token: NegTokenResp.
    pub(crate) fn respond(token: &[u8]) -> Vec<u8> {
        let token = tagged(0xa2, &tagged(0x04, token));
        tagged(0xa1, &tagged(0x30, &token))
    }

    /// The mechanism's token inside a NegTokenResp; some servers answer without the wrapping.
    pub(crate) fn unwrap(token: &[u8]) -> Option<&[u8]> {
        if token.starts_with(b"NTLMSSP\0") {
            return Some(token);
        }
        let (response, _) = element(token, 0xa1)?;
        let (mut fields, _) = element(response, 0x30)?;
        while let Some((&tag, _)) = fields.split_first() {
            let (content, rest) = element(fields, tag)?;
            if tag == 0xa2 {
                return element(content, 0x04).map(|(token, _)| token);
            }
            fields = rest;
        }
        None
    }
}

/// Splits the DER element that bytes begin with, if it has this tag, into its content and what
/// follows it.
pub(crate) fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(first) {
        short @ 0..0x80 => (short, rest),
        long => {
            let count = long & 0x7f;
            if count == 0 || count > MAX_LENGTH_BYTES {
                return None;
            }
            let (length, rest) = rest.split_at_checked(count)?;
            let fold = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
            (length.iter().fold(0, fold), rest)
        }
    };
    rest.split_at_checked(length)
}

/// A DER element.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0);
    let significant = length.get(significant.unwrap_or(length.len() - 1)..);
    match significant.unwrap_or_default() {
        [short @ 0..0x80] => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_first_token_is_what_windows_sends() {
        // Application tag, SPNEGO's identifier, one mechanism, its token.
        assert_eq!(
            hex(&Spnego::init(b"NTLM")),
            "602406062b0601050502a01a3018a00e300c060a2b06010401823702020aa20604044e544c4d"
        );
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    proptest! {
        #[test]
        fn what_is_wrapped_unwraps(token in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let wrapped = Spnego::respond(&token);
            prop_assert_eq!(Spnego::unwrap(&wrapped), Some(&token[..]));
        }

        #[test]
        fn no_token_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Spnego::unwrap(&bytes);
            let _ = Spnego::unwrap(&[&[0xa1, 0x20, 0x30, 0x1e][..], &bytes].concat());
        }
    }
}
