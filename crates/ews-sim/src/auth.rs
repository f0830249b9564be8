//! Who is asking: Basic, NTLM, Negotiate and bearer tokens, each judged as Exchange judges it.

#[cfg(feature = "kerberos")]
mod kerberos;
#[cfg(not(feature = "kerberos"))]
mod no_kerberos;
mod ntlm;
mod token;

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderMap, HeaderValue, header};

use crate::account::Account;
use crate::sim::World;
#[cfg(feature = "kerberos")]
pub(crate) use kerberos::Acceptor;
#[cfg(not(feature = "kerberos"))]
pub(crate) use no_kerberos::Acceptor;
pub(crate) use token::issue as issue_token;

/// Longest token of a sign-in that is decoded.
const MAX_TOKEN_CHARS: usize = 64 << 10;

/// Ways of signing in that the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignIn {
    /// HTTP Basic.
    Basic,
    /// NTLM version 2.
    Ntlm,
    /// Negotiate, with NTLM inside, or Kerberos where the server has keys for it
    /// ([`crate::SimBuilder::kerberos`]).
    Negotiate,
    /// OAuth 2 bearer tokens, which the server itself issues at `/sim/token` for client
    /// credentials: an account's name and password.
    Bearer,
}

impl SignIn {
    /// All of them.
    pub const ALL: [SignIn; 4] = [
        SignIn::Negotiate,
        SignIn::Ntlm,
        SignIn::Basic,
        SignIn::Bearer,
    ];

    /// The way of this name: `basic`, `ntlm`, `negotiate` or `bearer`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] for any other name.
    pub fn named(name: &str) -> Result<SignIn, crate::Error> {
        match name {
            "basic" => Ok(SignIn::Basic),
            "ntlm" => Ok(SignIn::Ntlm),
            "negotiate" => Ok(SignIn::Negotiate),
            "bearer" => Ok(SignIn::Bearer),
            _ => Err(crate::Error::invalid(format!(
                "there is no way of signing in '{name}', only basic, ntlm, negotiate and bearer"
            ))),
        }
    }

    fn challenge(self) -> &'static str {
        match self {
            SignIn::Basic => "Basic realm=\"ews-sim\"",
            SignIn::Ntlm => "NTLM",
            SignIn::Negotiate => "Negotiate",
            SignIn::Bearer => "Bearer realm=\"ews-sim\"",
        }
    }
}

/// What a connection knows: NTLM signs in the connection, not the request.
pub(crate) struct Connection {
    state: Mutex<State>,
    /// What a channel binding must hold, over TLS.
    channel: Option<Vec<u8>>,
}

#[derive(Clone, Default)]
enum State {
    #[default]
    Nobody,
    /// The client's first and the server's second message.
    Challenged {
        negotiate: Vec<u8>,
        challenge: Vec<u8>,
    },
    SignedIn(Account),
}

/// What a request's sign-in came to.
pub(crate) enum Verdict {
    Known(Account),
    /// The same, with a value of WWW-Authenticate that proves the server to the client.
    Proven(Account, HeaderValue),
    /// 401 with these values of WWW-Authenticate.
    Challenge(Vec<HeaderValue>),
}

impl Connection {
    pub(crate) fn new(channel: Option<Vec<u8>>) -> Connection {
        Connection {
            state: Mutex::default(),
            channel,
        }
    }

    /// Judges a request's Authorization header.
    pub(crate) async fn judge(&self, world: &Arc<World>, headers: &HeaderMap) -> Verdict {
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        let is = |way: SignIn, name: &str| {
            scheme.eq_ignore_ascii_case(name) && world.sign_in.contains(&way)
        };
        let known = if value.is_empty() {
            match self.get() {
                State::SignedIn(account) => Some(account),
                _ => None,
            }
        } else if is(SignIn::Basic, "basic") {
            basic(world, token)
        } else if is(SignIn::Bearer, "bearer") {
            token::holder(world, token.trim())
        } else if is(SignIn::Ntlm, "ntlm") {
            match self.ntlm(world, token, false) {
                Step::Known(account) | Step::Proven(account, _) => Some(account),
                Step::Challenge(token) => return told("NTLM", &token),
                Step::Refused => None,
            }
        } else if is(SignIn::Negotiate, "negotiate") {
            match self.negotiate(world, token).await {
                Step::Known(account) => Some(account),
                Step::Proven(account, token) => match value_of("Negotiate", &token) {
                    Ok(value) => return Verdict::Proven(account, value),
                    Err(_) => Some(account),
                },
                Step::Challenge(token) => return told("Negotiate", &token),
                Step::Refused => None,
            }
        } else {
            None
        };
        match known {
            Some(account) => Verdict::Known(account),
            None => {
                let offers = world.sign_in.iter();
                let value = |way: &SignIn| HeaderValue::from_static(way.challenge());
                Verdict::Challenge(offers.map(value).collect())
            }
        }
    }

    /// Kerberos where there are keys for it and the token has no NTLM inside; else NTLM.
    async fn negotiate(&self, world: &Arc<World>, token: &str) -> Step {
        let Some(acceptor) = world.kerberos.clone() else {
            return self.ntlm(world, token, true);
        };
        let Some(decoded) = decoded(token) else {
            return Step::Refused;
        };
        if decoded.windows(8).any(|part| part == b"NTLMSSP\0") {
            return self.ntlm(world, token, true);
        }
        let channel = self.channel.clone();
        // The library reads the keytab, and writes down what it has seen.
        let judging = move || acceptor.accept(&decoded, channel.as_deref());
        let Ok(Some(accepted)) = tokio::task::spawn_blocking(judging).await else {
            return Step::Refused;
        };
        if world.requires_channel_binding && !accepted.is_bound {
            return Step::Refused;
        }
        let Some(account) = world.account_named(&accepted.principal) else {
            tracing::debug!(principal = accepted.principal, "no account is called that");
            return Step::Refused;
        };
        match accepted.answer {
            Some(token) => Step::Proven(account, token),
            None => Step::Known(account),
        }
    }

    fn ntlm(&self, world: &World, token: &str, wrapped: bool) -> Step {
        let Some(decoded) = decoded(token) else {
            return Step::Refused;
        };
        let bare = decoded.starts_with(b"NTLMSSP\0");
        // The last message may stand anywhere in the wrapping; what is around it proves nothing.
        let message = match bare {
            true => &decoded[..],
            false if wrapped => {
                let at = decoded.windows(8).position(|part| part == b"NTLMSSP\0");
                at.map_or(&[][..], |at| &decoded[at..])
            }
            false => &[],
        };
        match (ntlm::kind(message), self.get()) {
            (Some(1), _) => {
                let challenge = ntlm::challenge(&world.ntlm_nonce());
                self.set(State::Challenged {
                    negotiate: message.to_vec(),
                    challenge: challenge.clone(),
                });
                Step::Challenge(match bare {
                    true => challenge,
                    false => ntlm::wrapped(&challenge),
                })
            }
            (
                Some(3),
                State::Challenged {
                    negotiate,
                    challenge,
                },
            ) => {
                let account = ntlm::check(
                    message,
                    &negotiate,
                    &challenge,
                    |user| world.account_named(user),
                    &ntlm::Binding {
                        channel: self.channel.as_deref(),
                        is_required: world.requires_channel_binding,
                    },
                );
                match account {
                    Some(account) => {
                        self.set(State::SignedIn(account.clone()));
                        world
                            .recorder
                            .record(|stats| stats.connection_sign_ins += 1);
                        Step::Known(account)
                    }
                    None => {
                        self.set(State::Nobody);
                        Step::Refused
                    }
                }
            }
            _ => Step::Refused,
        }
    }

    fn get(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

enum Step {
    Known(Account),
    Proven(Account, Vec<u8>),
    Challenge(Vec<u8>),
    Refused,
}

fn told(scheme: &str, token: &[u8]) -> Verdict {
    Verdict::Challenge(value_of(scheme, token).into_iter().collect())
}

fn value_of(scheme: &str, token: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let encoded = base64_simd::STANDARD.encode_to_string(token);
    HeaderValue::from_str(&format!("{scheme} {encoded}"))
}

/// A token's bytes.
fn decoded(token: &str) -> Option<Vec<u8>> {
    let token = Some(token.trim()).filter(|token| token.len() <= MAX_TOKEN_CHARS)?;
    base64_simd::STANDARD.decode_to_vec(token.as_bytes()).ok()
}

/// The account that a Basic header names with the right password.
fn basic(world: &World, token: &str) -> Option<Account> {
    let decoded = base64_simd::STANDARD
        .decode_to_vec(token.trim().as_bytes())
        .ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    world
        .account_named(user)
        .filter(|account| account.password() == password)
}

/// Reads bytes as a client's messages.
#[cfg(postkeep_fuzz)]
pub(crate) fn read_anything(data: &[u8]) {
    let _ = ntlm::kind(data);
    let challenge = ntlm::challenge(&[7; 8]);
    let find = |_: &str| Some(Account::new("alice", "secret"));
    let binding = ntlm::Binding {
        channel: Some(&[1; 16]),
        is_required: false,
    };
    assert!(ntlm::check(data, &[], &challenge, find, &binding).is_none());
}
