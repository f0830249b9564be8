//! How to describe a world.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use crate::account::Account;
use crate::auth::{Acceptor, SignIn};
use crate::autodiscover::AutodiscoverForm;
use crate::clock::Clock;
use crate::config::{Config, GenerateConfig, SyntheticConfig};
use crate::directory::{Group, Groups};
use crate::error::Error;
use crate::fault::{FaultPlan, FaultPlayer};
use crate::language::Language;
use crate::mailbox::{Store, StoreKind};
use crate::populate;
use crate::public_folders::PublicMailbox;
use crate::sim::{ServerVersion, Sim, World};
use crate::state;
use crate::subscription::Subscriptions;
use crate::throttle::ThrottlePolicy;

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
    has_kerberos: bool,
    redirects: BTreeMap<String, String>,
    autodiscover: Vec<AutodiscoverForm>,
    has_export: bool,
    lists_associated: bool,
    has_notifications: bool,
    makes_mime_anew: bool,
    max_streams: u64,
    has_public: bool,
    public_mailboxes: Vec<PublicMailbox>,
    max_request_bytes: u64,
    groups: Groups,
    event_minute: Duration,
    language: Language,
    state: Option<PathBuf>,
    schema: Option<PathBuf>,
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
            has_kerberos: false,
            redirects: BTreeMap::new(),
            autodiscover: AutodiscoverForm::ALL.to_vec(),
            has_export: true,
            lists_associated: true,
            has_notifications: true,
            makes_mime_anew: false,
            max_streams: u64::MAX,
            has_public: false,
            public_mailboxes: Vec::new(),
            max_request_bytes: DEFAULT_MAX_REQUEST_BYTES,
            groups: Groups::new(),
            event_minute: EVENT_MINUTE,
            language: Language::default(),
            state: None,
            schema: None,
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

    /// Gives the organisation public folders that lie in mailboxes of their own, and adds one of
    /// these on a server of that name. The first holds the hierarchy; new folders get theirs in
    /// turn. From then on a request for public folders must carry the headers that lead to the
    /// right mailbox, which Autodiscover and PidTagReplicaList tell.
    pub fn public_folder_mailbox(mut self, address: &str, server: &str) -> SimBuilder {
        self.has_public = true;
        let mailbox = PublicMailbox::new(address, server);
        self.public_mailboxes.push(mailbox);
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

    /// Begins with what [`Sim::save`] left in a folder. Mail that was to be loaded or made up is
    /// passed over then: it is in there, with all that happened to it since. Where nothing was
    /// saved yet, the folder does not matter.
    pub fn state(mut self, folder: impl AsRef<Path>) -> SimBuilder {
        self.state = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets the clock of store-assigned times; default [`Clock::logical`].
    pub fn clock(mut self, clock: Clock) -> SimBuilder {
        self.clock = clock;
        self
    }

    /// Serves `services.wsdl`, `messages.xsd` and `types.xsd` of this folder beside the service, as
    /// Exchange does; without it nobody finds them. Takes effect with the next request, as do
    /// changes to the files.
    #[must_use]
    pub fn schema(mut self, folder: impl AsRef<Path>) -> SimBuilder {
        self.schema = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets the language of mailboxes, which decides what their well-known folders are called.
    pub fn language(mut self, language: Language) -> SimBuilder {
        self.language = language;
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

    /// Takes Kerberos inside Negotiate, with the system's GSSAPI and any key of the keytab that it
    /// finds: the default one, or what the environment variable `KRB5_KTNAME` names, which is never
    /// set here. A principal `name@REALM` is the account of that name, without regard to case. Needs
    /// the feature `kerberos`; without it, or without a key, [`SimBuilder::build`] fails.
    pub fn kerberos(mut self) -> SimBuilder {
        self.has_kerberos = true;
        self
    }

    /// Refuses NTLM and Kerberos sign-ins without a channel binding, as Extended Protection does when set to
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

    /// Makes a server that knows no notifications, as some of other makers.
    pub fn without_notifications(mut self) -> SimBuilder {
        self.has_notifications = false;
        self
    }

    /// Makes MIME text anew each time that it is read, as servers do that do not keep it: no two
    /// are the same.
    pub fn mime_made_anew(mut self) -> SimBuilder {
        self.makes_mime_anew = true;
        self
    }

    /// Sets how many streams of events may be open at one time (Exchange's HangingConnectionLimit);
    /// default any number.
    pub fn max_streams(mut self, streams: u64) -> SimBuilder {
        self.max_streams = streams;
        self
    }

    /// Makes a server without ExportItems and UploadItems: both are unknown operations.
    pub fn without_export_items(mut self) -> SimBuilder {
        self.has_export = false;
        self
    }

    /// Makes a server that knows one list of a folder only: FindItem answers with ordinary items
    /// where associated ones are asked for.
    pub fn ignoring_associated_traversal(mut self) -> SimBuilder {
        self.lists_associated = false;
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
        for mailbox in &config.public_folder_mailboxes {
            self = self.public_folder_mailbox(&mailbox.address, &mailbox.server);
        }
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
        if let Some(folder) = &config.schema {
            self.schema = Some(folder.clone());
        }
        if let Some(code) = &config.language {
            self.language = Language::named(code)?;
        }
        if !config.sign_in.is_empty() {
            let ways: Result<_, Error> = config.sign_in.iter().map(|n| SignIn::named(n)).collect();
            self.sign_in = ways?;
        }
        if let Some(name) = &config.throttle {
            self.throttle = ThrottlePolicy::named(name)?;
        }
        self.has_kerberos |= config.kerberos;
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
    /// none, or there is no Kerberos where that was asked for.
    pub fn build(mut self) -> Result<Sim, Error> {
        if self.accounts.is_empty() {
            self.accounts
                .push(Account::impersonator(DEFAULT_USER, DEFAULT_PASSWORD));
        }
        let restored = match &self.state {
            Some(folder) => state::load(folder, &self.clock, self.language)?,
            None => None,
        };
        let is_restored = restored.is_some();
        let (mailboxes, kept_public) = match restored {
            Some(restored) => (restored.mailboxes, restored.public),
            None => (BTreeMap::new(), None),
        };
        let kerberos = match self.has_kerberos {
            true => Some(Arc::new(Acceptor::new()?)),
            false => None,
        };
        let public = self.has_public.then(|| {
            Arc::new(Store::new(
                PUBLIC_ADDRESS,
                StoreKind::Public,
                self.clock.clone(),
                self.language,
            ))
        });
        let world = World {
            mailboxes: RwLock::new(mailboxes),
            public: kept_public.or(public),
            public_mailboxes: self.public_mailboxes,
            accounts: self.accounts,
            mailbox_password: self.mailbox_password,
            faults: FaultPlayer::default(),
            recorder: Arc::default(),
            version: self.version,
            has_export: self.has_export,
            lists_associated: self.lists_associated,
            has_notifications: self.has_notifications,
            max_streams: self.max_streams,
            max_request_bytes: self.max_request_bytes,
            mimes_made: self.makes_mime_anew.then(AtomicU64::default),
            observer: RwLock::new(None),
            groups: self.groups,
            subscriptions: Subscriptions::default(),
            event_minute: self.event_minute,
            sign_in: self.sign_in,
            requires_channel_binding: self.requires_channel_binding,
            kerberos,
            redirects: self.redirects,
            autodiscover: self.autodiscover,
            nonces: AtomicU64::new(0),
            throttle_policy: self.throttle,
            throttle: OnceLock::new(),
            clock: self.clock,
            language: self.language,
            schema: self.schema,
        };
        world.faults.set(self.faults);
        if !is_restored {
            world.place_root();
        }
        let sim = Sim(Arc::new(world));
        for step in self.steps {
            if !is_restored || matches!(step, Step::Mailbox(_) | Step::Archive(_)) {
                sim.run_step(step)?;
            }
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
