//! The client: one method per operation.

mod affinity;
mod discovery;
mod notifications;
mod public_folders;
mod settings;

pub use affinity::Affinity;
pub use discovery::GroupMembers;
pub use public_folders::REPLICA_LIST;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use crate::auth::Credentials;
use crate::envelope;
use crate::error::{Error, Result};
use crate::http::{HttpTransport, Proxy};
use crate::model::{Folder, Item, ItemError, ItemId, Outcome};
use crate::op::{
    AlternateId, ConvertId, CopyItem, CreateFolder, CreateItem, DeleteItem, ExportStream,
    FindFolder, FindFolderPage, FindItem, FindItemPage, GetFolder, GetItem, HierarchyPage,
    MoveItem, Resolution, ResolveNames, SyncFolderHierarchy, SyncFolderItems, SyncPage, UpdateItem,
    UploadItem, UploadItems,
};
use crate::pace::Pace;
use crate::retry::RetryPolicy;
use crate::sleep::{Sleeper, TokioSleeper};
use crate::stats::{Counters, Stats};
use crate::throttle::{Permit, Refused, SharedThrottle, Throttle, ThrottleOptions, ThrottleState};
use crate::tls::Fingerprint;
use crate::transport::Transport;
use crate::version::{SchemaVersion, ServerVersion};

/// How to reach and treat a server.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The EWS address, as a rule `https://host/EWS/Exchange.asmx`.
    pub endpoint: Url,
    /// How to sign in.
    pub credentials: Credentials,
    /// The User-Agent header. Default: the crate's name and version.
    pub user_agent: String,
    /// Longest silence of the server: before an answer begins (the time to send a large request
    /// comes on top) and between its pieces. Default 120 s: Exchange gives a batch one minute.
    pub request_timeout: Duration,
    /// Longest time to establish a connection. Default 20 s.
    pub connect_timeout: Duration,
    /// Certificates to trust besides the system's, in PEM form.
    pub extra_root_pem: Option<Vec<u8>>,
    /// Server certificates to accept, and no others; empty for those that the system trusts.
    pub pinned_certificates: Vec<Fingerprint>,
    /// Which TLS to speak. Default: modern.
    pub tls: TlsSupport,
    /// The proxy to go through. Default: none.
    pub proxy: Option<Proxy>,
    /// How persistent to be.
    pub retry: RetryPolicy,
    /// How many requests to have under way at most.
    pub throttle: ThrottleOptions,
    /// Limits shared with other clients, in place of `throttle`: what several clients do at one
    /// server counts together. Default: none.
    pub shared_throttle: Option<SharedThrottle>,
    /// How fast requests and answers may flow. Default: as fast as they can.
    pub pace: Option<Arc<dyn Pace>>,
    /// How to wait. Default: the Tokio clock.
    pub sleeper: Arc<dyn Sleeper>,
}

impl ClientOptions {
    /// The defaults for a server and an account.
    pub fn new(endpoint: Url, credentials: Credentials) -> ClientOptions {
        ClientOptions {
            endpoint,
            credentials,
            user_agent: concat!("ews-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            request_timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(20),
            extra_root_pem: None,
            pinned_certificates: Vec::new(),
            tls: TlsSupport::Modern,
            proxy: None,
            retry: RetryPolicy::default(),
            throttle: ThrottleOptions::default(),
            shared_throttle: None,
            pace: None,
            sleeper: Arc::new(TokioSleeper),
        }
    }
}

/// Which TLS a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsSupport {
    /// TLS 1.2 and 1.3 with authenticated encryption, by rustls.
    #[default]
    Modern,
    /// What the operating system's TLS speaks, CBC cipher suites included, for servers that offer
    /// nothing better; needs the crate's feature `legacy-tls`. A pinned certificate must be one
    /// that vouches for itself, as self-signed ones do. A [`Proxy`](crate::Proxy) is gone through
    /// as otherwise, but sign-ins are bound to the server's certificate only without one: where
    /// Extended Protection requires that, the server is to be reached directly.
    Legacy,
}

/// Whose mailbox a client works in (`ExchangeImpersonation`, MS-OXWSCDATA 2.2.3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// The account's own.
    #[default]
    Own,
    /// That of another, by its primary SMTP address; needs the ApplicationImpersonation right.
    Impersonate(String),
}

/// Which of an organisation's servers answers: headers that a server in front reads. Needed for
/// public folders, whose hierarchy and contents lie in mailboxes of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Routing {
    /// The value of `X-AnchorMailbox`, an SMTP address; `None`: the impersonated mailbox, if any.
    pub anchor_mailbox: Option<String>,
    /// The value of `X-PublicFolderMailbox`: the mailbox that holds the folder's content (or, for
    /// the hierarchy, the user's default one), as `guid@domain` or an SMTP address.
    pub public_folder_mailbox: Option<String>,
}

/// A connection pool to one server with one account, working in one mailbox. Cheap to clone;
/// clones share connections, counters and what was learnt about the server.
///
/// All methods send at most one request at a time; concurrency is the caller's, within what
/// [`ClientOptions::throttle`] and the server allow: a request waits for its turn, and for the end
/// of every pause that the server asked for. [`Client::throttle`] tells how that stands. They
/// repeat a request as [`ClientOptions::retry`] allows, and never one that may already have been
/// carried out, unless that does no harm.
///
/// # Errors
///
/// Every method fails with the kinds of [`crate::ErrorKind`]; entries of a batch that the server
/// refuses are [`crate::ItemError`]s inside an `Ok`, in the request's order.
///
/// # Cancellation
///
/// Dropping a call drops its connection. Whether a request that changes something was carried
/// out is then unknown.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) access: Access,
    pub(crate) routing: Routing,
    pub(crate) affinity: Option<Affinity>,
    pub(crate) time_zone: Option<String>,
}

pub(crate) struct Shared {
    pub(crate) options: ClientOptions,
    pub(crate) transport: Arc<dyn Transport>,
    /// The endpoint as messages show it.
    pub(crate) url: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) throttle: Arc<Throttle>,
    schema: AtomicU8,
    server: Mutex<Option<ServerVersion>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.shared.url)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client over HTTP. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// `Invalid` for an address that is neither http nor https, and unusable certificates.
    pub fn new(options: ClientOptions) -> Result<Client> {
        if !matches!(options.endpoint.scheme(), "http" | "https")
            || options.endpoint.host().is_none()
        {
            return Err(Error::invalid(format!(
                "{} is no http or https address",
                redacted(&options.endpoint)
            )));
        }
        let transport = HttpTransport::new(&options)?;
        Ok(Client::with_transport(options, Arc::new(transport)))
    }

    /// A client over another transport.
    pub fn with_transport(mut options: ClientOptions, transport: Arc<dyn Transport>) -> Client {
        let url = redacted(&options.endpoint);
        // Credentials inside the address would end up in logs; those in the options count.
        // These only fail for addresses that cannot hold credentials anyway.
        let _ = options.endpoint.set_username("");
        let _ = options.endpoint.set_password(None);
        let throttle = match &options.shared_throttle {
            Some(shared) => Arc::clone(&shared.0),
            None => Throttle::new(options.throttle.clone(), Arc::clone(&options.sleeper)),
        };
        Client {
            shared: Arc::new(Shared {
                throttle,
                options,
                transport,
                url,
                counters: Arc::default(),
                schema: AtomicU8::new(SchemaVersion::NEWEST as u8),
                server: Mutex::new(None),
            }),
            access: Access::Own,
            routing: Routing::default(),
            affinity: None,
            time_zone: None,
        }
    }

    /// The same connection, working in another mailbox.
    pub fn for_mailbox(&self, access: Access) -> Client {
        Client {
            access,
            ..self.clone()
        }
    }

    /// The same connection and mailbox, with requests going where `routing` says.
    pub fn routed(&self, routing: Routing) -> Client {
        Client {
            routing,
            ..self.clone()
        }
    }

    /// The same connection and mailbox, in a time zone that the server knows by its Windows name,
    /// such as `W. Europe Standard Time` (`TimeZoneContext`, MS-OXWSGTZ 2.2.3.4): what requests say
    /// of times without an offset, and of days, is meant there, and no longer in UTC.
    pub fn in_time_zone(&self, name: impl Into<String>) -> Client {
        Client {
            time_zone: Some(name.into()),
            ..self.clone()
        }
    }

    /// The same connection and mailbox, with requests going to the server behind the front that the
    /// first of them came to.
    pub fn with_affinity(&self, affinity: Affinity) -> Client {
        Client {
            affinity: Some(affinity),
            ..self.clone()
        }
    }

    /// Where its requests go.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Whose mailbox this client works in.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What the server said of itself in its last answer; `None` before the first and from
    /// servers that do not say.
    pub fn server_version(&self) -> Option<ServerVersion> {
        self.shared
            .server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The schema version that requests claim, after what the server accepted so far.
    pub fn schema_version(&self) -> SchemaVersion {
        self.shared.schema()
    }

    /// What was sent and received so far, by this client and all that share its connection.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }

    /// How much the server allows at present, and how often it held requests back; of everything
    /// that shares this client's connection.
    pub fn throttle(&self) -> ThrottleState {
        self.shared.throttle.state()
    }

    /// Whose limits a request counts against: with impersonation, the other's.
    pub(crate) fn throttle_key(&self) -> String {
        match &self.access {
            Access::Own => self.shared.options.credentials.user().to_lowercase(),
            Access::Impersonate(smtp) => smtp.to_lowercase(),
        }
    }

    /// GetFolder: folders by id or fixed name.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn get_folder(&self, request: &GetFolder) -> Result<Vec<Outcome<Folder>>> {
        self.call(request).await
    }

    /// FindFolder: the folders below others.
    ///
    /// # Errors
    ///
    /// `Invalid` without a parent, else those of [every call](Client#errors).
    pub async fn find_folder(&self, request: &FindFolder) -> Result<FindFolderPage> {
        self.call(request).await
    }

    /// SyncFolderHierarchy: what changed in the folder tree.
    ///
    /// # Errors
    ///
    /// Those of [every call](Client#errors).
    pub async fn sync_folder_hierarchy(
        &self,
        request: &SyncFolderHierarchy,
    ) -> Result<HierarchyPage> {
        self.call(request).await
    }

    /// SyncFolderItems: what changed in a folder. A state the server no longer knows fails with
    /// the code `ErrorInvalidSyncStateData`; some servers start over instead, without a word.
    ///
    /// # Errors
    ///
    /// `Invalid` for `max_changes` out of range, else those of [every call](Client#errors).
    pub async fn sync_folder_items(&self, request: &SyncFolderItems) -> Result<SyncPage> {
        self.call(request).await
    }

    /// FindItem: the items of a folder.
    ///
    /// # Errors
    ///
    /// `Invalid` for a shape with MIME text, else those of [every call](Client#errors).
    pub async fn find_item(&self, request: &FindItem) -> Result<FindItemPage> {
        self.call(request).await
    }

    /// GetItem: items by id.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn get_item(&self, request: &GetItem) -> Result<Vec<Outcome<Item>>> {
        self.call(request).await
    }

    /// ExportItems (MS-OXWSBTRF 3.1.4.1): the native streams of items, read while they arrive.
    /// Exchange takes 100 ids at most; failures after the first event are the caller's to resume
    /// with the ids that did not reach [`crate::ExportEvent::End`].
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn export_items(&self, ids: &[ItemId]) -> Result<ExportStream> {
        self.export(ids).await
    }

    /// UploadItems (MS-OXWSBTRF 3.1.4.2): creates or replaces items from native streams. Exchange
    /// takes 64 MiB of request, about 48 MB of streams.
    ///
    /// # Errors
    ///
    /// `Invalid` without an item, else those of [every call](Client#errors). An `Interrupted` or
    /// `Timeout` leaves open which items arrived.
    pub async fn upload_items(&self, items: Vec<UploadItem>) -> Result<Vec<Outcome<ItemId>>> {
        self.call(&UploadItems(items)).await
    }

    /// CreateFolder: new folders in a parent.
    ///
    /// # Errors
    ///
    /// `Invalid` without a folder or for a search folder, else those of
    /// [every call](Client#errors).
    pub async fn create_folder(&self, request: &CreateFolder) -> Result<Vec<Outcome<Folder>>> {
        self.call(request).await
    }

    /// CreateItem: new items; nothing is sent to anyone.
    ///
    /// # Errors
    ///
    /// `Invalid` without an item or for [`crate::ItemKind::Other`], else those of
    /// [every call](Client#errors).
    pub async fn create_item(&self, request: &CreateItem) -> Result<Vec<Outcome<ItemId>>> {
        self.call(request).await
    }

    /// DeleteItem: deletes items; nobody is told.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn delete_item(&self, request: &DeleteItem) -> Result<Vec<Outcome<()>>> {
        self.call(request).await
    }

    /// MoveItem: moves items; the new ids come back where the server gives them.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn move_item(&self, request: &MoveItem) -> Result<Vec<Outcome<Option<ItemId>>>> {
        self.call(request).await
    }

    /// CopyItem: copies items on the server; the copies' ids come back where the server gives them.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id, else those of [every call](Client#errors).
    pub async fn copy_item(&self, request: &CopyItem) -> Result<Vec<Outcome<Option<ItemId>>>> {
        self.call(request).await
    }

    /// UpdateItem: changes properties; nobody is told.
    ///
    /// # Errors
    ///
    /// `Invalid` without an item or for one without a change, else those of
    /// [every call](Client#errors).
    pub async fn update_item(&self, request: &UpdateItem) -> Result<Vec<Outcome<ItemId>>> {
        self.call(request).await
    }

    /// ResolveNames: whom a name may mean; empty where it means nobody.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty name, else those of [every call](Client#errors).
    pub async fn resolve_names(&self, request: &ResolveNames) -> Result<Vec<Resolution>> {
        self.call(request).await
    }

    /// ConvertId: ids in another form.
    ///
    /// # Errors
    ///
    /// `Invalid` without an id or for one without its mailbox, else those of
    /// [every call](Client#errors).
    pub async fn convert_id(&self, request: &ConvertId) -> Result<Vec<Outcome<AlternateId>>> {
        self.call(request).await
    }
}

impl Shared {
    pub(crate) fn schema(&self) -> SchemaVersion {
        let number = self.schema.load(Ordering::Relaxed);
        let mut version = SchemaVersion::NEWEST;
        while version as u8 > number {
            match version.older() {
                Some(older) => version = older,
                None => break,
            }
        }
        version
    }

    /// Goes one version down from the one that was refused; false where none is left.
    pub(crate) fn step_down(&self, refused: SchemaVersion) -> bool {
        let Some(older) = refused.older() else {
            return false;
        };
        // Another request may have gone further meanwhile.
        self.schema.fetch_min(older as u8, Ordering::Relaxed);
        true
    }

    pub(crate) fn set_server(&self, version: ServerVersion) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }
}

/// What an answer read later still has to report: the server's version, errors with their place,
/// and entries turned away. The request is under way until this is dropped.
pub(crate) struct ServerNotes {
    shared: Arc<Shared>,
    operation: &'static str,
    attempts: u32,
    permit: Permit,
    is_admitted: bool,
}

impl ServerNotes {
    pub(crate) fn version(&self, version: ServerVersion) {
        self.shared.set_server(version);
    }

    pub(crate) fn new(
        shared: &Arc<Shared>,
        operation: &'static str,
        attempts: u32,
        permit: Permit,
    ) -> ServerNotes {
        ServerNotes {
            shared: Arc::clone(shared),
            operation,
            attempts,
            permit,
            is_admitted: false,
        }
    }

    /// The answer's first entry was served.
    pub(crate) fn admit(&mut self) {
        self.is_admitted = true;
        self.permit.succeed();
    }

    /// The request's place, to be told of a refusal of the whole.
    pub(crate) fn into_permit(self) -> Permit {
        self.permit
    }

    /// An entry of the answer was turned away: the rest of the mailbox's requests wait as well.
    pub(crate) fn entry_refused(&self, error: &ItemError) {
        if self.is_admitted && envelope::is_refusal(&error.code) {
            let wait = error.back_off.unwrap_or_default();
            self.permit.refuse(Refused::Mailbox, wait);
        }
    }

    pub(crate) fn in_call(&self, error: Error) -> Error {
        error.in_call(self.operation, &self.shared.url, self.attempts)
    }
}

/// An address without credentials and query, for messages.
pub(crate) fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
