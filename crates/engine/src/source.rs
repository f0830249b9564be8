//! Where mailboxes come from: an Exchange server and an account on it.

use ews_client::{Access, Client};

/// A server, and the account that may read or write mailboxes there.
#[derive(Clone, Debug)]
pub struct Exchange {
    client: Client,
    account: String,
    server: String,
}

impl Exchange {
    /// Takes a client, its endpoint's address, and the name its account signs in with.
    pub fn new(client: Client, server: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            client,
            account: account.into(),
            server: server.into(),
        }
    }

    /// The endpoint's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The name of the account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The client, with no mailbox chosen.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client for one mailbox: the account's own is opened as it is, another by impersonation.
    pub fn mailbox(&self, address: &str) -> Client {
        if address.eq_ignore_ascii_case(&self.account) {
            self.client.for_mailbox(Access::Own)
        } else {
            self.client
                .for_mailbox(Access::Impersonate(address.to_owned()))
        }
    }
}
