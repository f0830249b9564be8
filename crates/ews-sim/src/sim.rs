//! The simulated world and how to build one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::account::Account;
use crate::auth::SignIn;
use crate::autodiscover::AutodiscoverForm;
use crate::clock::Clock;
use crate::config::{Config, GenerateConfig, SyntheticConfig};
use crate::directory::{Group, Groups};
use crate::error::Error;
use crate::fault::{FaultPlan, FaultPlayer};
use crate::handle::MailboxHandle;
use crate::id::StoreGuid;
use crate::listen::TlsIdentity;
use crate::mailbox::{Store, StoreKind};
use crate::populate;
use crate::server;
pub use crate::server::RunningServer;
use crate::stats::{Recorder, Stats};
use crate::subscription::Subscriptions;
use crate::throttle::{Throttle, ThrottleEntry, ThrottlePolicy};

/// The account that exists unless others are named.
const DEFAULT_USER: &str = "svc@example.test";
/// The password of everyone unless others are named.
const DEFAULT_PASSWORD: &str = "secret";
/// Largest request body, as Exchange's default.
const DEFAULT_MAX_REQUEST_BYTES: u64 = 64 * 1024 * 1024;
/// A minute of a stream of events.
const EVENT_MINUTE: Duration = Duration::from_secs(60);
/// The address under which the public folder store keeps its ids.
const PUBLIC_ADDRESS: &str = "public-folders";

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
    pub(crate) accounts: Vec<Account>,
    pub(crate) mailbox_password: String,
    pub(crate) faults: FaultPlayer,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) version: ServerVersion,
    pub(crate) has_export: bool,
    pub(crate) max_request_bytes: u64,
    pub(crate) observer: RwLock<Option<Observer>>,
    pub(crate) groups: Groups,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) event_minute: Duration,
    pub(crate) sign_in: Vec<SignIn>,
    pub(crate) requires_channel_binding: bool,
    pub(crate) redirects: BTreeMap<String, String>,
    pub(crate) autodiscover: Vec<AutodiscoverForm>,
    nonces: AtomicU64,
    throttle_policy: Option<ThrottlePolicy>,
    throttle: OnceLock<Option<Arc<Throttle>>>,
    clock: Clock,
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

    fn ensure_mailbox(&self, address: &str, archive: bool) -> Result<Mailbox, Error> {
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
                primary: Arc::new(Store::new(address, StoreKind::Primary, self.clock.clone())),
                archive: None,
            });
        if archive && mailbox.archive.is_none() {
            let store = Store::new(address, StoreKind::Archive, self.clock.clone());
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

/// Describes a world; [`SimBuilder::build`] makes it.
///
/// Mailboxes come into being in the order of the calls. A world built twice by the same calls on
/// the same data has the same ids, change keys and sync states.
#[derive(Debug)]
pub struct SimBuilder {
    steps: Vec<Step>,
    accounts: Vec<Account>,
    mailbox_password: String,
    faults: FaultPlan,
    clock: Clock,
    version: ServerVersion,
    throttle: Option<ThrottlePolicy>,
    sign_in: Vec<SignIn>,
    requires_channel_binding: bool,
    redirects: BTreeMap<String, String>,
    autodiscover: Vec<AutodiscoverForm>,
    has_export: bool,
    has_public: bool,
    max_request_bytes: u64,
    groups: Groups,
    event_minute: Duration,
}

/// Something that fills the world.
#[derive(Debug)]
enum Step {
    Mailbox(String),
    Archive(String),
    LoadDir(PathBuf),
    Generate(GenerateConfig),
    Synthetic(SyntheticConfig),
    Large {
        address: String,
        folder: String,
        subject: String,
        bytes: u64,
        seed: u64,
    },
}

impl Default for SimBuilder {
    fn default() -> SimBuilder {
        SimBuilder {
            steps: Vec::new(),
            accounts: Vec::new(),
            mailbox_password: DEFAULT_PASSWORD.to_owned(),
            faults: FaultPlan::none(),
            clock: Clock::default(),
            version: ServerVersion::default(),
            throttle: None,
            sign_in: SignIn::ALL.to_vec(),
            requires_channel_binding: false,
            redirects: BTreeMap::new(),
            autodiscover: AutodiscoverForm::ALL.to_vec(),
            has_export: true,
            has_public: false,
            max_request_bytes: DEFAULT_MAX_REQUEST_BYTES,
            groups: Groups::new(),
            event_minute: EVENT_MINUTE,
        }
    }
}

impl SimBuilder {
    /// Adds an empty mailbox.
    pub fn mailbox(mut self, address: &str) -> SimBuilder {
        self.steps.push(Step::Mailbox(address.to_owned()));
        self
    }

    /// Gives a mailbox (added if missing) an empty archive.
    pub fn archive(mut self, address: &str) -> SimBuilder {
        self.steps.push(Step::Archive(address.to_owned()));
        self
    }

    /// Adds a distribution group of mailboxes, other groups and strangers, by their addresses.
    pub fn group<M: Into<String>>(
        mut self,
        address: &str,
        members: impl IntoIterator<Item = M>,
    ) -> SimBuilder {
        let group = Group {
            address: address.to_owned(),
            members: members.into_iter().map(Into::into).collect(),
        };
        self.groups.insert(address.to_lowercase(), group);
        self
    }

    /// Sets how long a minute of a streaming connection is; default a minute. Tests of clients
    /// that reconnect need not wait for one.
    pub fn event_minute(mut self, minute: Duration) -> SimBuilder {
        self.event_minute = minute;
        self
    }

    /// Gives the organisation public folders.
    pub fn public_folders(mut self) -> SimBuilder {
        self.has_public = true;
        self
    }

    /// Loads a folder of `.eml`, `.ics` and `.vcf` files.
    ///
    /// `DIR/<address>/<folder>/…/*` becomes mailboxes with folders; a directory of loose files,
    /// or a tree whose first level has no addresses, becomes `alice@example.test`. English names
    /// of well-known folders (`Inbox`, `Sent Items`, …) mean those.
    pub fn load_dir(mut self, dir: impl AsRef<Path>) -> SimBuilder {
        self.steps.push(Step::LoadDir(dir.as_ref().to_owned()));
        self
    }

    /// Makes up realistic mailboxes from a seed: mail with threads and attachments, calendars,
    /// contacts.
    pub fn generate(mut self, config: GenerateConfig) -> SimBuilder {
        self.steps.push(Step::Generate(config));
        self
    }

    /// Fills a folder (mailbox and folder are added if missing) with items that are computed
    /// when asked for: a million of them need no memory.
    pub fn synthetic(mut self, address: &str, folder: &str, count: u64, seed: u64) -> SimBuilder {
        self.steps.push(Step::Synthetic(SyntheticConfig {
            mailbox: address.to_owned(),
            folder: folder.to_owned(),
            count,
            seed,
        }));
        self
    }

    /// Adds a mail with one attachment of any size, computed while it is sent.
    pub fn large_item(
        mut self,
        address: &str,
        folder: &str,
        subject: &str,
        bytes: u64,
        seed: u64,
    ) -> SimBuilder {
        self.steps.push(Step::Large {
            address: address.to_owned(),
            folder: folder.to_owned(),
            subject: subject.to_owned(),
            bytes,
            seed,
        });
        self
    }

    /// Adds an account. The first call replaces the default `svc@example.test`.
    pub fn account(mut self, account: Account) -> SimBuilder {
        self.accounts.push(account);
        self
    }

    /// Sets the password with which every mailbox signs in as itself; default `secret`.
    pub fn mailbox_password(mut self, password: &str) -> SimBuilder {
        password.clone_into(&mut self.mailbox_password);
        self
    }

    /// Sets the fault rules to begin with.
    pub fn faults(mut self, plan: FaultPlan) -> SimBuilder {
        self.faults = plan;
        self
    }

    /// Sets the clock of store-assigned times; default [`Clock::logical`].
    pub fn clock(mut self, clock: Clock) -> SimBuilder {
        self.clock = clock;
        self
    }

    /// Sets the release the server says it is.
    pub fn version(mut self, version: ServerVersion) -> SimBuilder {
        self.version = version;
        self
    }

    /// Limits what each user may do, in the runtime's time; by default nobody is limited.
    pub fn throttle(mut self, policy: Option<ThrottlePolicy>) -> SimBuilder {
        self.throttle = policy;
        self
    }

    /// Offers these ways of signing in, in this order; by default all.
    pub fn sign_in(mut self, ways: &[SignIn]) -> SimBuilder {
        self.sign_in = ways.to_vec();
        self
    }

    /// Refuses NTLM sign-ins without a channel binding, as Extended Protection does when set to
    /// "Require". A wrong binding is refused in any case.
    pub fn require_channel_binding(mut self) -> SimBuilder {
        self.requires_channel_binding = true;
        self
    }

    /// Answers only these forms of Autodiscover; by default all.
    pub fn autodiscover(mut self, forms: &[AutodiscoverForm]) -> SimBuilder {
        self.autodiscover = forms.to_vec();
        self
    }

    /// Lets Autodiscover send whoever asks for one address to another.
    pub fn autodiscover_redirect(mut self, from: &str, to: &str) -> SimBuilder {
        self.redirects.insert(from.to_lowercase(), to.to_owned());
        self
    }

    /// Makes a server without ExportItems and UploadItems: both are unknown operations.
    pub fn without_export_items(mut self) -> SimBuilder {
        self.has_export = false;
        self
    }

    /// Sets the largest request body in bytes; default 64 MiB, as Exchange's.
    pub fn max_request_bytes(mut self, bytes: u64) -> SimBuilder {
        self.max_request_bytes = bytes;
        self
    }

    /// Adds what a configuration file says.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] if its fault rules are not understood.
    pub fn config(mut self, config: &Config) -> Result<SimBuilder, Error> {
        self.accounts.extend(config.accounts());
        if let Some(password) = &config.mailbox_password {
            self.mailbox_password.clone_from(password);
        }
        self.steps
            .extend(config.mailboxes.iter().cloned().map(Step::Mailbox));
        self.steps
            .extend(config.archives.iter().cloned().map(Step::Archive));
        self.has_public |= config.public_folders;
        for (address, members) in &config.groups {
            self = self.group(address, members.iter().cloned());
        }
        self.steps
            .extend(config.mail.iter().cloned().map(Step::LoadDir));
        self.steps.extend(config.generate.map(Step::Generate));
        self.steps
            .extend(config.synthetic.iter().cloned().map(Step::Synthetic));
        if let Some(name) = &config.server {
            self.version = ServerVersion::named(name)?;
        }
        if !config.sign_in.is_empty() {
            let ways: Result<_, Error> = config.sign_in.iter().map(|n| SignIn::named(n)).collect();
            self.sign_in = ways?;
        }
        if let Some(name) = &config.throttle {
            self.throttle = ThrottlePolicy::named(name)?;
        }
        self.has_export &= !config.no_export;
        if let Some(plan) = config.fault_plan()? {
            self.faults = plan;
        }
        Ok(self)
    }

    /// Makes the world.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Io`] if a folder of mail cannot be read, `Invalid` if an address is
    /// none.
    pub fn build(mut self) -> Result<Sim, Error> {
        if self.accounts.is_empty() {
            self.accounts
                .push(Account::impersonator(DEFAULT_USER, DEFAULT_PASSWORD));
        }
        let public = self.has_public.then(|| {
            Arc::new(Store::new(
                PUBLIC_ADDRESS,
                StoreKind::Public,
                self.clock.clone(),
            ))
        });
        let world = World {
            mailboxes: RwLock::default(),
            public,
            accounts: self.accounts,
            mailbox_password: self.mailbox_password,
            faults: FaultPlayer::default(),
            recorder: Arc::default(),
            version: self.version,
            has_export: self.has_export,
            max_request_bytes: self.max_request_bytes,
            observer: RwLock::new(None),
            groups: self.groups,
            subscriptions: Subscriptions::default(),
            event_minute: self.event_minute,
            sign_in: self.sign_in,
            requires_channel_binding: self.requires_channel_binding,
            redirects: self.redirects,
            autodiscover: self.autodiscover,
            nonces: AtomicU64::new(0),
            throttle_policy: self.throttle,
            throttle: OnceLock::new(),
            clock: self.clock,
        };
        world.faults.set(self.faults);
        let sim = Sim(Arc::new(world));
        for step in self.steps {
            sim.run_step(step)?;
        }
        Ok(sim)
    }
}

impl Sim {
    fn run_step(&self, step: Step) -> Result<(), Error> {
        match step {
            Step::Mailbox(address) => self.0.ensure_mailbox(&address, false).map(drop),
            Step::Archive(address) => self.0.ensure_mailbox(&address, true).map(drop),
            Step::LoadDir(dir) => populate::load_dir(self, &dir),
            Step::Generate(config) => populate::generate(self, config),
            Step::Synthetic(config) => self.add_mailbox(&config.mailbox)?.add_synthetic(
                &config.folder,
                config.count,
                config.seed,
            ),
            Step::Large {
                address,
                folder,
                subject,
                bytes,
                seed,
            } => self
                .add_mailbox(&address)?
                .add_large(&folder, &subject, bytes, seed)
                .map(drop),
        }
    }
}
