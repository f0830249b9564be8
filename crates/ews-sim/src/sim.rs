//! The simulated world.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::account::Account;
use crate::auth::{Acceptor, SignIn};
use crate::autodiscover::AutodiscoverForm;
pub use crate::builder::SimBuilder;
use crate::clock::Clock;
use crate::directory::Groups;
use crate::error::Error;
use crate::fault::{FaultPlan, FaultPlayer};
use crate::handle::MailboxHandle;
use crate::id::StoreGuid;
use crate::language::Language;
use crate::listen::TlsIdentity;
use crate::mailbox::{Store, StoreKind};
use crate::public_folders::PublicMailbox;
use crate::server;
pub use crate::server::RunningServer;
use crate::stats::{Recorder, Stats};
use crate::subscription::Subscriptions;
use crate::throttle::{Throttle, ThrottleEntry, ThrottlePolicy};

/// The release the server says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerVersion {
    /// Exchange 2013 SP1.
    Exchange2013Sp1,
    /// Exchange 2016.
    #[default]
    Exchange2016,
    /// Exchange 2019.
    Exchange2019,
    /// Exchange Subscription Edition.
    SubscriptionEdition,
}

impl ServerVersion {
    /// The version of this name: `2013-sp1`, `2016`, `2019` or `se`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] for any other name.
    pub fn named(name: &str) -> Result<ServerVersion, Error> {
        match name {
            "2013-sp1" => Ok(ServerVersion::Exchange2013Sp1),
            "2016" => Ok(ServerVersion::Exchange2016),
            "2019" => Ok(ServerVersion::Exchange2019),
            "se" => Ok(ServerVersion::SubscriptionEdition),
            _ => Err(Error::invalid(format!(
                "there is no server version '{name}', only 2013-sp1, 2016, 2019 and se"
            ))),
        }
    }

    /// Major, minor, build and revision number, and the schema version's name.
    pub(crate) fn numbers(self) -> (u16, u16, u16, u16, &'static str) {
        match self {
            ServerVersion::Exchange2013Sp1 => (15, 0, 847, 32, "V2_8"),
            ServerVersion::Exchange2016 => (15, 1, 2507, 39, "V2017_07_11"),
            ServerVersion::Exchange2019 => (15, 2, 1544, 11, "V2017_07_11"),
            ServerVersion::SubscriptionEdition => (15, 2, 2562, 17, "V2017_07_11"),
        }
    }
}

/// A simulated Exchange organisation: mailboxes, public folders, accounts.
///
/// Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Sim(pub(crate) Arc<World>);

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim")
            .field("mailboxes", &self.mailboxes())
            .finish_non_exhaustive()
    }
}

/// Sees requests and answers.
pub(crate) type Observer = Arc<dyn Fn(&[u8], &[u8]) + Send + Sync>;

/// Everything there is.
pub(crate) struct World {
    pub(crate) mailboxes: RwLock<BTreeMap<String, Mailbox>>,
    pub(crate) public: Option<Arc<Store>>,
    pub(crate) public_mailboxes: Vec<PublicMailbox>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) mailbox_password: String,
    pub(crate) faults: FaultPlayer,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) version: ServerVersion,
    pub(crate) has_export: bool,
    /// Whether FindItem tells associated items from ordinary ones.
    pub(crate) lists_associated: bool,
    pub(crate) has_notifications: bool,
    /// Most streams of events at one time.
    pub(crate) max_streams: u64,
    pub(crate) max_request_bytes: u64,
    /// How often MIME text was made, where each time it is another one.
    pub(crate) mimes_made: Option<AtomicU64>,
    pub(crate) observer: RwLock<Option<Observer>>,
    pub(crate) groups: Groups,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) event_minute: Duration,
    pub(crate) sign_in: Vec<SignIn>,
    pub(crate) requires_channel_binding: bool,
    /// The service's keys, where Kerberos is taken.
    pub(crate) kerberos: Option<Arc<Acceptor>>,
    pub(crate) redirects: BTreeMap<String, String>,
    pub(crate) autodiscover: Vec<AutodiscoverForm>,
    pub(crate) nonces: AtomicU64,
    pub(crate) throttle_policy: Option<ThrottlePolicy>,
    pub(crate) throttle: OnceLock<Option<Arc<Throttle>>>,
    pub(crate) clock: Clock,
    pub(crate) language: Language,
    /// The folder with the files that describe the service, where there is one.
    pub(crate) schema: Option<PathBuf>,
}

/// The stores of one user.
#[derive(Clone)]
pub(crate) struct Mailbox {
    pub(crate) primary: Arc<Store>,
    pub(crate) archive: Option<Arc<Store>>,
}

impl World {
    /// Finds a mailbox by its address, without regard to case.
    pub(crate) fn mailbox(&self, address: &str) -> Option<Mailbox> {
        let mailboxes = self
            .mailboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        mailboxes.get(&address.trim().to_lowercase()).cloned()
    }

    /// The addresses of all mailboxes in order.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let mailboxes = self
            .mailboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        mailboxes
            .values()
            .map(|mailbox| mailbox.primary.address.clone())
            .collect()
    }

    /// All mailboxes in the order of their addresses.
    pub(crate) fn all_mailboxes(&self) -> Vec<Mailbox> {
        let mailboxes = self
            .mailboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        mailboxes.values().cloned().collect()
    }

    /// All stores.
    pub(crate) fn stores(&self) -> Vec<Arc<Store>> {
        let mut stores: Vec<Arc<Store>> = self.public.iter().cloned().collect();
        for mailbox in self.all_mailboxes() {
            stores.push(mailbox.primary);
            stores.extend(mailbox.archive);
        }
        stores
    }

    /// The account or mailbox that signs in by this name.
    pub(crate) fn account_named(&self, user: &str) -> Option<Account> {
        let named = self.accounts.iter().find(|account| account.is_called(user));
        if let Some(account) = named {
            return Some(account.clone());
        }
        let mailbox = self
            .addresses()
            .into_iter()
            .find(|address| Account::new(address.as_str(), "").is_called(user))?;
        Some(Account::new(mailbox, self.mailbox_password.clone()))
    }

    /// A number for the next MIME text, where each is made anew.
    pub(crate) fn mime_number(&self) -> Option<u64> {
        let made = self.mimes_made.as_ref()?;
        Some(made.fetch_add(1, Ordering::Relaxed))
    }

    /// A challenge that was never used before in this world.
    pub(crate) fn ntlm_nonce(&self) -> [u8; 8] {
        let number = self.nonces.fetch_add(1, Ordering::Relaxed);
        let key = blake3::derive_key("ews-sim NTLM challenge", self.mailbox_password.as_bytes());
        let hash = blake3::keyed_hash(&key, &number.to_le_bytes());
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&hash.as_bytes()[..8]);
        nonce
    }

    /// The throttling model, begun by the first request; none where the server is unlimited.
    pub(crate) fn throttle(&self) -> Option<&Arc<Throttle>> {
        let begin = || Some(Arc::new(Throttle::new(self.throttle_policy.clone()?)));
        self.throttle.get_or_init(begin).as_ref()
    }

    /// Finds a store by its guid.
    pub(crate) fn store(&self, guid: StoreGuid) -> Option<Arc<Store>> {
        if let Some(public) = self.public.as_ref().filter(|public| public.guid == guid) {
            return Some(Arc::clone(public));
        }
        let mailboxes = self
            .mailboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        mailboxes.values().find_map(|mailbox| {
            let stores = std::iter::once(&mailbox.primary).chain(&mailbox.archive);
            stores.into_iter().find(|store| store.guid == guid).cloned()
        })
    }

    pub(crate) fn ensure_mailbox(&self, address: &str, archive: bool) -> Result<Mailbox, Error> {
        let address = address.trim();
        if !address.contains('@') || address.contains(char::is_whitespace) {
            return Err(Error::invalid(format!(
                "'{address}' is not a mailbox address"
            )));
        }
        let mut mailboxes = self
            .mailboxes
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mailbox = mailboxes
            .entry(address.to_lowercase())
            .or_insert_with(|| Mailbox {
                primary: Arc::new(Store::new(
                    address,
                    StoreKind::Primary,
                    self.clock.clone(),
                    self.language,
                )),
                archive: None,
            });
        if archive && mailbox.archive.is_none() {
            let store = Store::new(
                address,
                StoreKind::Archive,
                self.clock.clone(),
                self.language,
            );
            mailbox.archive = Some(Arc::new(store));
        }
        Ok(mailbox.clone())
    }
}

impl Sim {
    /// Starts describing a world.
    pub fn builder() -> SimBuilder {
        SimBuilder::default()
    }

    /// Serves EWS on a listener until the returned server is stopped.
    ///
    /// Every path that ends in `exchange.asmx`, in any case, is the EWS endpoint; Autodiscover
    /// answers below `/autodiscover/`; `GET /sim/stats` returns [`Stats`] as JSON, and `POST
    /// /sim/token` gives a bearer token for an account's client credentials. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Io`] if the listener has no local address.
    pub async fn serve(&self, listener: TcpListener) -> Result<RunningServer, Error> {
        server::serve(self.clone(), listener, None)
    }

    /// The same over TLS.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Io`] if the listener has no local address.
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        identity: &TlsIdentity,
    ) -> Result<RunningServer, Error> {
        server::serve(self.clone(), listener, Some(identity))
    }

    /// Looks into a mailbox.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if there is no mailbox of that address.
    pub fn mailbox(&self, address: &str) -> Result<MailboxHandle, Error> {
        let mailbox = self.0.mailbox(address);
        let mailbox = mailbox.ok_or_else(|| Error::not_found(format!("no mailbox {address}")))?;
        Ok(MailboxHandle::new(self.clone(), mailbox.primary))
    }

    /// Looks into the archive of a mailbox.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if there is no such mailbox or it has no archive.
    pub fn archive(&self, address: &str) -> Result<MailboxHandle, Error> {
        let archive = self.0.mailbox(address).and_then(|mailbox| mailbox.archive);
        let archive =
            archive.ok_or_else(|| Error::not_found(format!("no archive of {address}")))?;
        Ok(MailboxHandle::new(self.clone(), archive))
    }

    /// Looks into the public folders.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if the organisation has none.
    pub fn public_folders(&self) -> Result<MailboxHandle, Error> {
        let store = self.0.public.clone();
        let store = store.ok_or_else(|| Error::not_found("no public folders"))?;
        Ok(MailboxHandle::new(self.clone(), store))
    }

    /// Creates an empty mailbox, or returns the one there is.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] if the address is none.
    pub fn add_mailbox(&self, address: &str) -> Result<MailboxHandle, Error> {
        let mailbox = self.0.ensure_mailbox(address, false)?;
        Ok(MailboxHandle::new(self.clone(), mailbox.primary))
    }

    /// Returns the addresses of all mailboxes in order.
    pub fn mailboxes(&self) -> Vec<String> {
        self.0.addresses()
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        self.0.recorder.snapshot()
    }

    /// Sets the counters to zero, [`Sim::sent_messages`] excepted.
    pub fn reset_stats(&self) {
        self.0.recorder.reset();
    }

    /// Returns what the throttling model made of each request so far, in the order in which it
    /// decided; empty where the server is unlimited. The first 500,000.
    pub fn throttle_log(&self) -> Vec<ThrottleEntry> {
        let throttle = self.0.throttle.get().and_then(Option::as_ref);
        throttle.map(|throttle| throttle.log()).unwrap_or_default()
    }

    /// Replaces the fault rules and starts their counts anew.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.0.faults.set(plan);
    }

    /// Shows every request and its answer, as XML, to `observer` before the answer goes out.
    ///
    /// Answers are then built as a whole instead of being streamed: for tests of the protocol,
    /// not for huge items. Answers broken by a fault are not shown.
    pub fn observe(&self, observer: impl Fn(&[u8], &[u8]) + Send + Sync + 'static) {
        let mut slot = self
            .0
            .observer
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(observer));
    }

    /// Forgets all subscriptions to events, as a server does that restarts.
    pub fn forget_subscriptions(&self) {
        self.0.subscriptions.clear();
    }

    /// Returns how many messages clients told the server to send; meeting invitations,
    /// responses and cancellations included.
    pub fn sent_messages(&self) -> u64 {
        self.0.recorder.snapshot().sent_messages
    }
}
