//! Who may sign in.

use std::fmt;

/// An account that signs in with a user name and a password.
#[derive(Clone)]
pub struct Account {
    user: String,
    password: String,
    may_impersonate: bool,
    /// The only mailboxes that it may impersonate; empty for all.
    only: Vec<String>,
}

impl Account {
    /// Creates an account without the right to impersonate.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Account {
        Account {
            user: user.into(),
            password: password.into(),
            may_impersonate: false,
            only: Vec::new(),
        }
    }

    /// Creates an account that may impersonate some mailboxes alone, as a management scope does.
    pub fn impersonator_of<A: Into<String>>(
        user: impl Into<String>,
        password: impl Into<String>,
        mailboxes: impl IntoIterator<Item = A>,
    ) -> Account {
        Account {
            may_impersonate: true,
            only: mailboxes.into_iter().map(Into::into).collect(),
            ..Account::new(user, password)
        }
    }

    pub(crate) fn may_act_for(&self, address: &str) -> bool {
        let is = |one: &String| one.eq_ignore_ascii_case(address.trim());
        self.may_impersonate && (self.only.is_empty() || self.only.iter().any(is))
    }

    /// Creates an account that may impersonate every mailbox, as a backup service account does.
    pub fn impersonator(user: impl Into<String>, password: impl Into<String>) -> Account {
        Account {
            may_impersonate: true,
            ..Account::new(user, password)
        }
    }

    /// Returns the user name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Tells whether the account may impersonate.
    pub fn may_impersonate(&self) -> bool {
        self.may_impersonate
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Compares user names as Exchange does: without regard to case, `DOMAIN\name` equal to
    /// `name@anything`.
    pub(crate) fn is_called(&self, user: &str) -> bool {
        match user.rsplit_once('\\') {
            Some((_, name)) => {
                let own = self.user.split('@').next().unwrap_or_default();
                own.eq_ignore_ascii_case(name)
            }
            None => self.user.eq_ignore_ascii_case(user),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user)
            .field("password", &"***")
            .field("may_impersonate", &self.may_impersonate)
            .finish()
    }
}
