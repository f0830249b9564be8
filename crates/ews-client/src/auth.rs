//! Credentials and the schemes that carry them.

mod challenge;
mod channel_binding;
#[cfg(feature = "kerberos")]
mod kerberos;
mod ntlm;
mod oauth;
mod spnego;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub(crate) use challenge::{Challenges, Scheme};
pub(crate) use channel_binding::channel_binding;
#[cfg(feature = "kerberos")]
pub(crate) use kerberos::kerberos_authorization;
pub(crate) use ntlm::{Freshness as NtlmFreshness, Ntlm};
pub(crate) use oauth::TokenCache;
pub use oauth::{ClientSecret, Token, TokenSource};
pub(crate) use spnego::Spnego;

/// How the client signs in. Secrets are wiped from memory on drop and never printed.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Password {
        user: String,
        password: Zeroizing<String>,
        how: Password,
    },
    #[cfg(feature = "kerberos")]
    Ticket {
        user: String,
    },
    OAuth {
        user: String,
        source: OAuthSource,
    },
}

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Password {
    /// As the server offers.
    Auto,
    Basic,
    Ntlm,
    /// NTLM inside SPNEGO.
    Negotiate,
}

#[derive(Clone)]
pub(crate) enum OAuthSource {
    Secret(Arc<ClientSecret>),
    Caller(Arc<dyn TokenSource>),
}

impl Credentials {
    /// HTTP Basic; use it over TLS only, or against a server on this machine.
    ///
    /// `user` is a UPN, an SMTP address or `DOMAIN\user`, as the server wants it.
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials::with_password(user, password, Password::Basic)
    }

    /// NTLM, version 2 alone: the password never travels. Over TLS the sign-in is bound to the
    /// server's certificate, as Extended Protection wants it.
    ///
    /// `user` is `DOMAIN\user` or a UPN. Each connection signs in on its own.
    pub fn ntlm(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials::with_password(user, password, Password::Ntlm)
    }

    /// Negotiate with a password: NTLM inside SPNEGO, for servers that offer only that.
    pub fn negotiate(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials::with_password(user, password, Password::Negotiate)
    }

    /// Negotiate by Kerberos, with the ticket that the system's credential cache or keytab holds
    /// for the process; `user` is only shown. Needs the feature `kerberos`.
    #[cfg(feature = "kerberos")]
    pub fn kerberos(user: impl Into<String>) -> Credentials {
        Credentials(Kind::Ticket { user: user.into() })
    }

    /// The best way that the server offers for a password: NTLM; else Basic, where nobody can
    /// listen (TLS, or this machine); else Negotiate.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials::with_password(user, password, Password::Auto)
    }

    /// OAuth 2 with an application's client id and secret. `user` is only shown; mailboxes are
    /// opened by impersonation.
    pub fn oauth_client(user: impl Into<String>, secret: ClientSecret) -> Credentials {
        Credentials(Kind::OAuth {
            user: user.into(),
            source: OAuthSource::Secret(Arc::new(secret)),
        })
    }

    /// OAuth 2 with tokens that the caller gets in some way of its own.
    pub fn oauth_tokens(user: impl Into<String>, source: Arc<dyn TokenSource>) -> Credentials {
        Credentials(Kind::OAuth {
            user: user.into(),
            source: OAuthSource::Caller(source),
        })
    }

    fn with_password(
        user: impl Into<String>,
        password: impl Into<String>,
        how: Password,
    ) -> Credentials {
        Credentials(Kind::Password {
            user: user.into(),
            password: Zeroizing::new(password.into()),
            how,
        })
    }

    /// The account's name.
    pub fn user(&self) -> &str {
        match &self.0 {
            Kind::Password { user, .. } | Kind::OAuth { user, .. } => user,
            #[cfg(feature = "kerberos")]
            Kind::Ticket { user } => user,
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }

    /// What messages call the way of signing in.
    pub(crate) fn scheme_name(&self) -> &'static str {
        match &self.0 {
            Kind::Password { how, .. } => match how {
                Password::Auto => "any known kind of",
                Password::Basic => "Basic",
                Password::Ntlm => "NTLM",
                Password::Negotiate => "Negotiate",
            },
            Kind::OAuth { .. } => "OAuth",
            #[cfg(feature = "kerberos")]
            Kind::Ticket { .. } => "Kerberos",
        }
    }

    /// The value of the Authorization header, where it is the same for every request.
    pub(crate) fn authorization(&self) -> Zeroizing<String> {
        match &self.0 {
            Kind::Password {
                user,
                password,
                how: Password::Basic,
            } => basic(user, password),
            _ => Zeroizing::default(),
        }
    }
}

/// The value of a Basic Authorization header.
pub(crate) fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let encoded = Zeroizing::new(base64_simd::STANDARD.encode_to_string(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", encoded.as_str()))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Credentials({}, {:?}, redacted)",
            self.scheme_name(),
            self.user()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_printed() {
        let secret = ClientSecret {
            token_url: "https://login.example.test/token".parse().unwrap(),
            client_id: "app".to_owned(),
            client_secret: Zeroizing::new("geheim".to_owned()),
            scope: "scope".to_owned(),
        };
        for credentials in [
            Credentials::basic("u", "geheim"),
            Credentials::ntlm("u", "geheim"),
            Credentials::negotiate("u", "geheim"),
            Credentials::password("u", "geheim"),
            Credentials::oauth_client("u", secret.clone()),
        ] {
            let text = format!("{credentials:?} {credentials:#?}");
            assert!(
                !text.contains("geheim") && !text.contains("Z2VoZWlt"),
                "{text}"
            );
        }
        assert!(!format!("{secret:?}").contains("geheim"));
        let token = Token::new("geheim", None);
        assert!(!format!("{token:?}").contains("geheim"));
    }
}
