//! NTLM version 2 (MS-NLMP), the server's side: the challenge, and the proof in the answer.

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};

use crate::account::Account;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// NTLMSSP_NEGOTIATE_*: Unicode, NTLM, always sign, target type server, extended session
/// security, target info, version, 128 bits.
const FLAGS: u32 =
    0x1 | 0x200 | 0x8000 | 0x2_0000 | 0x8_0000 | 0x80_0000 | 0x200_0000 | 0x2000_0000;
/// Where an authenticate message has its integrity code, if its flags say so.
const MIC: std::ops::Range<usize> = 72..88;
/// The server's time in every challenge: 2026-01-05 08:00 UTC. Clients send it back.
const FILE_TIME: u64 = 134_120_736_000_000_000;

/// What a channel binding must be.
pub(crate) struct Binding<'a> {
    /// The application data, over TLS.
    pub(crate) channel: Option<&'a [u8]>,
    /// Whether a client without a binding is refused (Extended Protection "Require").
    pub(crate) is_required: bool,
}

/// The number of a message.
pub(crate) fn kind(message: &[u8]) -> Option<u32> {
    message.starts_with(SIGNATURE).then(|| u32_at(message, 8))?
}

/// CHALLENGE_MESSAGE (2.2.1.2).
pub(crate) fn challenge(nonce: &[u8; 8]) -> Vec<u8> {
    let name = utf16("EWSSIM");
    let mut info = Vec::new();
    for (id, value) in [
        (2_u16, utf16("EWSSIM")),
        (1, utf16("EWSSIM")),
        (4, utf16("example.test")),
        (3, utf16("ews-sim.example.test")),
        (7, FILE_TIME.to_le_bytes().to_vec()),
        (0, Vec::new()),
    ] {
        info.extend_from_slice(&id.to_le_bytes());
        info.extend_from_slice(&(value.len() as u16).to_le_bytes());
        info.extend_from_slice(&value);
    }
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&2_u32.to_le_bytes());
    let head = 56;
    push_field(&mut message, name.len(), head);
    message.extend_from_slice(&FLAGS.to_le_bytes());
    message.extend_from_slice(nonce);
    message.extend_from_slice(&[0; 8]);
    push_field(&mut message, info.len(), head + name.len());
    message.extend_from_slice(&[10, 0, 0x63, 0x45, 0, 0, 0, 15]);
    message.extend_from_slice(&name);
    message.extend_from_slice(&info);
    message
}

/// A challenge inside the SPNEGO answer that chooses NTLM (RFC 4178 section 4.2.2).
pub(crate) fn wrapped(challenge: &[u8]) -> Vec<u8> {
    let state = [0xa0, 3, 0x0a, 1, 1];
    let mechanism = [
        0xa1, 0x0c, 6, 0x0a, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a,
    ];
    let token = der(0xa2, &der(4, challenge));
    let content = [&state[..], &mechanism, &token].concat();
    der(0xa1, &der(0x30, &content))
}

/// The account that an AUTHENTICATE_MESSAGE (2.2.1.3) proves, with the right password, the
/// integrity of all three messages, and the channel where there is one.
pub(crate) fn check(
    message: &[u8],
    negotiate: &[u8],
    challenge: &[u8],
    find: impl Fn(&str) -> Option<Account>,
    binding: &Binding<'_>,
) -> Option<Account> {
    let nonce = challenge.get(24..32)?;
    let response = field(message, 20)?;
    let is_unicode = u32_at(message, 60).is_none_or(|flags| flags & 1 != 0);
    let name = |at: usize| match is_unicode {
        true => text(field(message, at)?),
        false => String::from_utf8(field(message, at)?.to_vec()).ok(),
    };
    let (domain, user) = (name(28)?, name(36)?);
    let full = match domain.is_empty() {
        true => user.clone(),
        false => format!("{domain}\\{user}"),
    };
    let account = find(&full)?;
    // NTOWFv2 (3.3.2), with the names as the client wrote them.
    let hash = Md4::digest(utf16(account.password()));
    let key = hmac(&hash, &[&utf16(&(user.to_uppercase() + &domain))]);
    let (proof, blob) = response.split_at_checked(16)?;
    if hmac(&key, &[nonce, blob]) != proof {
        return None;
    }
    let pairs = blob.get(28..)?;
    // Without the flag there is no integrity code: older clients send none, and are taken.
    let flags = pair(pairs, 6).and_then(|flags| flags.first().copied());
    if flags.unwrap_or(0) & 2 != 0 {
        // No key exchange is offered, so the session's key is the derived one.
        let session = hmac(&key, &[proof]);
        let mut zeroed = message.to_vec();
        zeroed.get_mut(MIC)?.fill(0);
        if hmac(&session, &[negotiate, challenge, &zeroed]) != *message.get(MIC)? {
            return None;
        }
    }
    is_bound(pair(pairs, 10), binding).then_some(account)
}

fn is_bound(told: Option<&[u8]>, binding: &Binding<'_>) -> bool {
    let told = told.filter(|hash| hash.iter().any(|byte| *byte != 0));
    match (told, binding.channel) {
        (None, _) => !binding.is_required,
        (Some(_), None) => true,
        (Some(told), Some(channel)) => {
            let mut hash = Md5::new();
            hash.update([0; 16]);
            hash.update((channel.len() as u32).to_le_bytes());
            hash.update(channel);
            hash.finalize()[..] == *told
        }
    }
}

fn pair(mut pairs: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (id, rest) = pairs.split_at_checked(2)?;
        let (length, rest) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let (value, rest) = rest.split_at_checked(length)?;
        match u16::from_le_bytes([id[0], id[1]]) {
            0 => return None,
            id if id == wanted => return Some(value),
            _ => pairs = rest,
        }
    }
}

fn field(message: &[u8], at: usize) -> Option<&[u8]> {
    let length = u32_at(message, at)? & 0xffff;
    let offset = usize::try_from(u32_at(message, at + 4)?).ok()?;
    message.get(offset..)?.get(..length as usize)
}

fn push_field(message: &mut Vec<u8>, length: usize, offset: usize) {
    let length = (length as u16).to_le_bytes();
    message.extend_from_slice(&length);
    message.extend_from_slice(&length);
    message.extend_from_slice(&(offset as u32).to_le_bytes());
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head, content.to_vec()].concat()
}

fn text(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    let text = char::decode_utf16(units).collect::<Result<String, _>>();
    text.ok().filter(|_| rest.is_empty())
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wrapping_is_der() {
        let wrapped = wrapped(&[7; 300]);
        assert_eq!(wrapped[..4], [0xa1, 0x82, 0x01, 0x4b]);
        assert!(wrapped.ends_with(&[7; 300]));
    }

    /// An AUTHENTICATE_MESSAGE without flags, version and integrity code, as curl sends.
    fn plain_answer(challenge: &[u8], password: &str, is_unicode: bool) -> Vec<u8> {
        let encode = |text: &str| match is_unicode {
            true => utf16(text),
            false => text.as_bytes().to_vec(),
        };
        let key = hmac(&Md4::digest(utf16(password)), &[&utf16("ALICE")]);
        let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
        blob.extend([0; 20]);
        blob.extend([0; 4]);
        let proof = hmac(&key, &[&challenge[24..32], &blob]);
        let response = [&proof[..], &blob].concat();
        let mut message = SIGNATURE.to_vec();
        message.extend(3_u32.to_le_bytes());
        let user = encode("alice");
        push_field(&mut message, 0, 64);
        push_field(&mut message, response.len(), 64);
        push_field(&mut message, 0, 64);
        push_field(&mut message, user.len(), 64 + response.len());
        push_field(&mut message, 0, 64);
        push_field(&mut message, 0, 64);
        message.extend(u32::from(is_unicode).to_le_bytes());
        [message, response, user].concat()
    }

    #[test]
    fn a_client_without_flags_is_taken_with_the_right_password_only() {
        let challenge = challenge(&[1; 8]);
        let find = |user: &str| (user == "alice").then(|| Account::new("alice", "secret"));
        for is_unicode in [true, false] {
            for (password, required, taken) in [
                ("secret", false, true),
                ("wrong", false, false),
                ("secret", true, false),
            ] {
                let message = plain_answer(&challenge, password, is_unicode);
                let binding = Binding {
                    channel: Some(&[1; 16]),
                    is_required: required,
                };
                let found = check(&message, b"", &challenge, find, &binding);
                assert_eq!(found.is_some(), taken, "{password} {required} {is_unicode}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_message_panics(bytes in prop::collection::vec(any::<u8>(), 0..160)) {
            let binding = Binding { channel: None, is_required: false };
            let account = |_: &str| Some(Account::new("u", "p"));
            let challenge = challenge(&[1; 8]);
            let message = [&SIGNATURE[..], &[3, 0, 0, 0], &bytes].concat();
            prop_assert!(check(&message, b"", &challenge, account, &binding).is_none());
            prop_assert_eq!(kind(&bytes), None);
        }
    }
}
