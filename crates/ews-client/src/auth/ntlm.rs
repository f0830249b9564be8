//! NTLM version 2 (MS-NLMP), the client's side: negotiate, challenge, authenticate.
//!
//! Neither signing nor sealing follows over HTTP, so no session key is exchanged; the message
//! integrity code and the channel binding protect the sign-in itself. Versions before 2 are never
//! spoken.

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// Longest challenge read.
const MAX_CHALLENGE_BYTES: usize = 64 << 10;
const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Where the payload of an authenticate message begins: after the integrity code.
const PAYLOAD: usize = 88;
const MIC: std::ops::Range<usize> = 72..88;

const UNICODE: u32 = 0x0000_0001;
const REQUEST_TARGET: u32 = 0x0000_0004;
const NTLM: u32 = 0x0000_0200;
const ALWAYS_SIGN: u32 = 0x0000_8000;
const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const VERSION: u32 = 0x0200_0000;
const STRONG_KEYS: u32 = 0x2000_0000;
const FLAGS: u32 = UNICODE
    | REQUEST_TARGET
    | NTLM
    | ALWAYS_SIGN
    | EXTENDED_SESSION_SECURITY
    | TARGET_INFO
    | VERSION
    | STRONG_KEYS;
/// Windows 10, revision 15 of NTLMSSP: what servers know.
const VERSION_BYTES: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];

const AV_END: u16 = 0;
const AV_FLAGS: u16 = 6;
const AV_TIMESTAMP: u16 = 7;
const AV_TARGET_NAME: u16 = 9;
const AV_CHANNEL_BINDINGS: u16 = 10;
const AV_FLAG_MIC: u32 = 2;

/// Who signs in.
pub(crate) struct Ntlm {
    user: String,
    domain: String,
    password: Zeroizing<String>,
}

/// What a response is made of besides the account: the input that is not the server's.
pub(crate) struct Freshness<'a> {
    /// Random bytes.
    pub(crate) client_challenge: [u8; 8],
    /// The time as Windows counts it, for servers that send none.
    pub(crate) file_time: u64,
    /// The name of the service, `HTTP/host`.
    pub(crate) target_name: &'a str,
    /// The application data of the channel binding, over TLS.
    pub(crate) channel_binding: Option<&'a [u8]>,
}

/// What the server's challenge says.
struct Challenge<'a> {
    flags: u32,
    server_challenge: [u8; 8],
    /// Identifier and value of each pair, in the server's order.
    pairs: Vec<(u16, &'a [u8])>,
}

impl Ntlm {
    /// The account, from `DOMAIN\user` or from `user@domain`, which goes as it is.
    pub(crate) fn new(user: &str, password: &str) -> Ntlm {
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        Ntlm {
            user: user.to_owned(),
            domain: domain.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        }
    }

    /// The first message.
    pub(crate) fn negotiate() -> Vec<u8> {
        let mut message = Vec::with_capacity(40);
        message.extend_from_slice(SIGNATURE);
        message.extend_from_slice(&1_u32.to_le_bytes());
        message.extend_from_slice(&FLAGS.to_le_bytes());
        // Neither a domain nor a workstation is told beforehand.
        message.extend_from_slice(&[0; 16]);
        message.extend_from_slice(&VERSION_BYTES);
        message
    }

    /// The third message, in answer to the second; `Err` says what is wrong with that.
    pub(crate) fn authenticate(
        &self,
        challenge: &[u8],
        fresh: &Freshness<'_>,
    ) -> Result<Vec<u8>, &'static str> {
        let read = Challenge::read(challenge)?;
        let server_time = read.pairs.iter().find(|(id, _)| *id == AV_TIMESTAMP);
        let time = match server_time.map(|(_, value)| <[u8; 8]>::try_from(*value)) {
            Some(Ok(time)) => time,
            _ => fresh.file_time.to_le_bytes(),
        };
        let key = self.response_key();
        let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
        blob.extend_from_slice(&time);
        blob.extend_from_slice(&fresh.client_challenge);
        blob.extend_from_slice(&[0; 4]);
        blob.extend_from_slice(&target_info(&read, fresh));
        blob.extend_from_slice(&[0; 4]);
        let proof = hmac_md5(&key[..], &[&read.server_challenge, &blob]);
        // With a timestamp from the server the older response is left empty (3.1.5.1.2).
        let lm_response = match server_time {
            Some(_) => [0; 24].to_vec(),
            None => {
                let cc = &fresh.client_challenge;
                let proof = hmac_md5(&key[..], &[&read.server_challenge, cc]);
                [&proof[..], cc].concat()
            }
        };
        let session_key = Zeroizing::new(hmac_md5(&key[..], &[&proof]));
        let nt_response = [&proof[..], &blob].concat();
        let mut message = self.message(read.flags, &lm_response, &nt_response);
        let mic = hmac_md5(&session_key[..], &[&Ntlm::negotiate(), challenge, &message]);
        if let Some(place) = message.get_mut(MIC) {
            place.copy_from_slice(&mic);
        }
        Ok(message)
    }

    /// NTOWFv2 (3.3.2).
    fn response_key(&self) -> Zeroizing<[u8; 16]> {
        let password = Zeroizing::new(utf16(&self.password));
        let hash = Zeroizing::new(<[u8; 16]>::from(Md4::digest(&password[..])));
        let name = [utf16(&self.user.to_uppercase()), utf16(&self.domain)].concat();
        Zeroizing::new(hmac_md5(&hash[..], &[&name]))
    }

    /// The third message without its integrity code (2.2.1.3).
    fn message(&self, server_flags: u32, lm_response: &[u8], nt_response: &[u8]) -> Vec<u8> {
        let mut head = SIGNATURE.to_vec();
        head.extend_from_slice(&3_u32.to_le_bytes());
        let mut payload = Vec::new();
        let (domain, user) = (utf16(&self.domain), utf16(&self.user));
        let fields: [&[u8]; 6] = [lm_response, nt_response, &domain, &user, &[], &[]];
        for field in fields {
            let length = u16::try_from(field.len()).unwrap_or(u16::MAX).to_le_bytes();
            let offset = u32::try_from(PAYLOAD + payload.len()).unwrap_or(u32::MAX);
            head.extend_from_slice(&length);
            head.extend_from_slice(&length);
            head.extend_from_slice(&offset.to_le_bytes());
            payload.extend_from_slice(field);
        }
        head.extend_from_slice(&(FLAGS & (server_flags | VERSION)).to_le_bytes());
        head.extend_from_slice(&VERSION_BYTES);
        head.resize(PAYLOAD, 0);
        head.extend_from_slice(&payload);
        head
    }
}

impl<'a> Challenge<'a> {
    fn read(message: &'a [u8]) -> Result<Challenge<'a>, &'static str> {
        const SHORT: &str = "the server's NTLM challenge is too short";
        if message.len() > MAX_CHALLENGE_BYTES {
            return Err("the server's NTLM challenge is too long");
        }
        if !message.starts_with(SIGNATURE) || u32_at(message, 8) != Some(2) {
            return Err("the server sent something else than an NTLM challenge");
        }
        let flags = u32_at(message, 20).ok_or(SHORT)?;
        let server_challenge = message.get(24..32).ok_or(SHORT)?;
        if flags & EXTENDED_SESSION_SECURITY == 0 || flags & UNICODE == 0 {
            return Err("the server speaks only a version of NTLM that is too weak");
        }
        let length = u16_at(message, 40).ok_or(SHORT)?;
        let offset = u32_at(message, 44).ok_or(SHORT)?;
        let info = usize::try_from(offset)
            .ok()
            .and_then(|offset| message.get(offset..)?.get(..usize::from(length)))
            .ok_or("the server's NTLM challenge contradicts itself")?;
        Ok(Challenge {
            flags,
            server_challenge: server_challenge.try_into().map_err(|_| SHORT)?,
            pairs: pairs(info),
        })
    }
}

/// The server's pairs with ours (3.1.5.1.2): that an integrity code follows, the channel, the
/// service.
fn target_info(challenge: &Challenge<'_>, fresh: &Freshness<'_>) -> Vec<u8> {
    let ours = [AV_FLAGS, AV_CHANNEL_BINDINGS, AV_TARGET_NAME];
    let mut info = Vec::new();
    let mut put = |id: u16, value: &[u8]| {
        info.extend_from_slice(&id.to_le_bytes());
        info.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
        info.extend_from_slice(value);
    };
    let mut flags = AV_FLAG_MIC;
    for (id, value) in &challenge.pairs {
        if *id == AV_FLAGS {
            flags |= u32_at(value, 0).unwrap_or(0);
        } else if !ours.contains(id) {
            put(*id, value);
        }
    }
    put(AV_FLAGS, &flags.to_le_bytes());
    let binding = fresh.channel_binding.map_or([0; 16], binding_hash);
    put(AV_CHANNEL_BINDINGS, &binding);
    put(AV_TARGET_NAME, &utf16(fresh.target_name));
    put(AV_END, &[]);
    info
}

/// MD5 of a `gss_channel_bindings_struct` (RFC 2744) without addresses.
fn binding_hash(data: &[u8]) -> [u8; 16] {
    let mut hash = Md5::new();
    hash.update([0; 16]);
    hash.update(u32::try_from(data.len()).unwrap_or(0).to_le_bytes());
    hash.update(data);
    hash.finalize().into()
}

/// Reads pairs up to the end mark, or to where they stop making sense.
fn pairs(mut info: &[u8]) -> Vec<(u16, &[u8])> {
    let mut pairs = Vec::new();
    while let (Some(id), Some(length)) = (u16_at(info, 0), u16_at(info, 2)) {
        let end = 4 + usize::from(length);
        let Some(value) = info.get(4..end) else { break };
        if id == AV_END {
            break;
        }
        pairs.push((id, value));
        info = info.get(end..).unwrap_or_default();
    }
    pairs
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

    /// The second message with those pairs.
    fn challenge(pairs: &[(u16, &[u8])]) -> Vec<u8> {
        let mut info = Vec::new();
        for (id, value) in pairs {
            info.extend_from_slice(&id.to_le_bytes());
            info.extend_from_slice(&(value.len() as u16).to_le_bytes());
            info.extend_from_slice(value);
        }
        let mut message = SIGNATURE.to_vec();
        message.extend_from_slice(&2_u32.to_le_bytes());
        message.extend_from_slice(&[0, 0, 0, 0, 48, 0, 0, 0]);
        message.extend_from_slice(&FLAGS.to_le_bytes());
        message.extend_from_slice(&SERVER_CHALLENGE);
        message.extend_from_slice(&[0; 8]);
        let length = (info.len() as u16).to_le_bytes();
        message.extend_from_slice(&[length, length].concat());
        message.extend_from_slice(&48_u32.to_le_bytes());
        message.extend_from_slice(&info);
        message
    }

    fn fresh() -> Freshness<'static> {
        Freshness {
            client_challenge: [0xaa; 8],
            file_time: 0,
            target_name: "HTTP/mail.example.test",
            channel_binding: None,
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keys_and_proofs_are_those_of_the_specification() {
        // MS-NLMP 4.2.4: user User, domain Domain, password Password.
        let account = Ntlm::new("Domain\\User", "Password");
        let key = account.response_key();
        assert_eq!(hex(&key[..]), "0c868a403bfd7a93a3001ef22ef02e3f");
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend_from_slice(&[0; 8]);
        temp.extend_from_slice(&[0xaa; 8]);
        temp.extend_from_slice(&[0; 4]);
        for (id, text) in [(2_u16, "Domain"), (1, "Server")] {
            temp.extend_from_slice(&id.to_le_bytes());
            temp.extend_from_slice(&12_u16.to_le_bytes());
            temp.extend_from_slice(&utf16(text));
        }
        temp.extend_from_slice(&[0; 8]);
        let proof = hmac_md5(&key[..], &[&SERVER_CHALLENGE, &temp]);
        assert_eq!(hex(&proof), "68cd0ab851e51c96aabc927bebef6a1c");
        let session = hmac_md5(&key[..], &[&proof]);
        assert_eq!(hex(&session), "8de40ccadbc14a82f15cb0ad0de95ca3");
        let lm = hmac_md5(&key[..], &[&SERVER_CHALLENGE, &[0xaa; 8]]);
        assert_eq!(hex(&lm), "86c35097ac9cec102554764a57cccc19");
    }

    #[test]
    fn an_answer_binds_the_channel_and_has_an_integrity_code() {
        let account = Ntlm::new("user@example.test", "secret");
        let time = [7; 8];
        let challenge = challenge(&[(2, b"D\0"), (AV_TIMESTAMP, &time), (AV_END, b"")]);
        let plain = account.authenticate(&challenge, &fresh()).unwrap();
        let bound = Freshness {
            channel_binding: Some(b"tls-server-end-point:x"),
            ..fresh()
        };
        let bound = account.authenticate(&challenge, &bound).unwrap();
        let contains = |message: &[u8], part: &[u8]| message.windows(part.len()).any(|w| w == part);
        let hash = binding_hash(b"tls-server-end-point:x");
        assert!(contains(&bound, &hash) && !contains(&plain, &hash));
        assert!(contains(&plain, &utf16("HTTP/mail.example.test")));
        assert!(contains(&plain, &time));
        // A UPN goes as the user, with an empty domain.
        assert_eq!(u16_at(&plain, 28), Some(0));
        assert!(contains(&plain, &utf16("user@example.test")));
        assert_ne!(plain[MIC], [0; 16]);
        let mut zeroed = plain.clone();
        zeroed[MIC].fill(0);
        let nt_offset = u32_at(&plain, 24).unwrap() as usize;
        let key = account.response_key();
        let session = hmac_md5(&key[..], &[&plain[nt_offset..nt_offset + 16]]);
        let mic = hmac_md5(&session, &[&Ntlm::negotiate(), &challenge, &zeroed]);
        assert_eq!(plain[MIC], mic);
    }

    #[test]
    fn a_challenge_that_makes_no_sense_is_refused_in_words() {
        let account = Ntlm::new("u", "p");
        let mut weak = challenge(&[]);
        weak[22] &= !0x08;
        let mut beyond = challenge(&[]);
        beyond[44] = 200;
        for bytes in [&b"NTLMSSP\0"[..], b"", &Ntlm::negotiate(), &weak, &beyond] {
            assert!(account.authenticate(bytes, &fresh()).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_challenge_panics(bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0usize..60) {
            let account = Ntlm::new("u", "p");
            let mut message = challenge(&[(2, b"ab"), (AV_FLAGS, &[1])]);
            let _ = account.authenticate(&bytes, &fresh());
            message.truncate(message.len().min(at));
            message.extend_from_slice(&bytes);
            let _ = account.authenticate(&message, &fresh());
        }
    }
}
