//! Where mailboxes come from: an Exchange server and an account on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ews_client::{Access, Client, ResponseCode};
use tokio::sync::{Mutex, MutexGuard};

use crate::mailbox_name::MailboxName;
use crate::routes::PublicRoutes;

/// A server, and the account that may read or write mailboxes there.
#[derive(Clone, Debug)]
pub struct Exchange {
    client: Client,
    account: String,
    server: String,
    abilities: Arc<Abilities>,
}

/// What was learnt of the server; shared by all clones of an [`Exchange`].
#[derive(Debug, Default)]
struct Abilities {
    export: Ability,
    upload: Ability,
    associated: Ability,
    public: Arc<PublicRoutes>,
}

/// Whether the server has an operation that some servers lack. The first call decides, and the
/// others wait for it, so that a server without it is asked once.
#[derive(Debug, Default)]
pub(crate) struct Ability {
    known: AtomicU8,
    trial: Mutex<()>,
}

/// The state of an [`Ability`] when it is about to be used.
pub(crate) enum Trial<'a> {
    /// The server has the operation.
    Has,
    /// It has not.
    Lacks,
    /// Nobody knows: the caller tries, and the others wait until this is dropped.
    Open {
        /// Held for its drop alone.
        _turn: MutexGuard<'a, ()>,
    },
}

impl Ability {
    const HAS: u8 = 1;
    const LACKS: u8 = 2;

    /// What is known before a call, or the turn to find out.
    pub(crate) async fn trial(&self) -> Trial<'_> {
        if let Some(known) = self.known() {
            return known;
        }
        let turn = self.trial.lock().await;
        self.known().unwrap_or(Trial::Open { _turn: turn })
    }

    /// Whether the server was found to lack the operation.
    pub(crate) fn is_lacking(&self) -> bool {
        self.known.load(Ordering::Acquire) == Self::LACKS
    }

    fn known(&self) -> Option<Trial<'_>> {
        match self.known.load(Ordering::Acquire) {
            Self::HAS => Some(Trial::Has),
            Self::LACKS => Some(Trial::Lacks),
            _ => None,
        }
    }

    pub(crate) fn set(&self, has: bool) {
        self.known
            .store(if has { Self::HAS } else { Self::LACKS }, Ordering::Release);
    }
}

/// Whether a failed call says that the server has no such operation. The client's requests are
/// valid by the schema, so a server that finds one invalid does not know it.
pub(crate) fn says_unknown(error: &ews_client::Error) -> bool {
    error.kind() == ews_client::ErrorKind::Unsupported
        || matches!(
            error.response_code(),
            Some(
                ResponseCode::ErrorInvalidOperation
                    | ResponseCode::ErrorSchemaValidation
                    | ResponseCode::ErrorInvalidRequest
            )
        )
}

impl Exchange {
    /// Takes a client, its endpoint's address, and the name its account signs in with.
    pub fn new(client: Client, server: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            client,
            account: account.into(),
            server: server.into(),
            abilities: Arc::default(),
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

    /// Whether it has ExportItems.
    pub(crate) fn export(&self) -> &Ability {
        &self.abilities.export
    }

    /// Whether it has UploadItems.
    pub(crate) fn upload(&self) -> &Ability {
        &self.abilities.upload
    }

    /// Whether it lists associated items where these are asked for. Some servers know one list of a
    /// folder and answer with it whatever the traversal.
    pub(crate) fn associated(&self) -> &Ability {
        &self.abilities.associated
    }

    /// Where public folders lie, as far as that is known.
    pub(crate) fn public_routes(&self) -> &Arc<PublicRoutes> {
        &self.abilities.public
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

    /// A client for a part of somebody's mail. Public folders of a domain without a reader are
    /// opened as the account sees them.
    pub(crate) fn open(&self, name: &MailboxName) -> Client {
        self.mailbox(name.address().unwrap_or(&self.account))
    }
}
