//! Credentials.

use std::fmt;

use zeroize::Zeroizing;

/// How the client signs in. Secrets are wiped from memory on drop and never printed.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
enum Kind {
    Basic {
        user: String,
        password: Zeroizing<String>,
    },
}

impl Credentials {
    /// HTTP Basic; use it over TLS only, or against a server on this machine.
    ///
    /// `user` is a UPN, an SMTP address or `DOMAIN\user`, as the server wants it.
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials(Kind::Basic {
            user: user.into(),
            password: Zeroizing::new(password.into()),
        })
    }

    /// The account's name.
    pub fn user(&self) -> &str {
        match &self.0 {
            Kind::Basic { user, .. } => user,
        }
    }

    /// The value of the Authorization header.
    pub(crate) fn authorization(&self) -> Zeroizing<String> {
        match &self.0 {
            Kind::Basic { user, password } => {
                let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
                let encoded =
                    Zeroizing::new(base64_simd::STANDARD.encode_to_string(pair.as_bytes()));
                Zeroizing::new(format!("Basic {}", encoded.as_str()))
            }
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Basic { user, .. } => write!(f, "Credentials(Basic, {user:?}, redacted)"),
        }
    }
}
