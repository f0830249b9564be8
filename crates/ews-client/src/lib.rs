//! A client for Exchange Web Services.
//!
//! Speaks the SOAP protocol of Exchange Server 2010 SP1 and later, and of other servers that
//! implement a part of it. It knows nothing of what its callers do with mail.
//!
//! - [`Client`]: one async method per operation, sharing connections and what was learnt about
//!   the server. [`Client::for_mailbox`] works in another's mailbox by impersonation.
//! - Requests are structs named after their operation ([`FindFolder`], [`SyncFolderItems`]…);
//!   each validates against Microsoft's schema.
//! - Answers are typed and read leniently: unknown elements are passed over, what is missing stays
//!   empty. Batches give one [`Outcome`] per entry, in the request's order.
//! - [`Client::export_items`] hands an item's native stream on while it arrives, and
//!   [`Client::upload_items`] encodes one while it is sent: items of any size take constant memory.
//! - [`Error`] ends a call, [`ItemError`] one entry of a batch; [`ErrorKind`] says what to do.
//! - Requests are repeated as [`RetryPolicy`] says, never blindly.
//! - Clones of a client share one view of what the server allows: how many requests at once in a
//!   mailbox and in all, and the pauses it asked for, kept to the millisecond
//!   ([`ThrottleOptions`], [`Client::throttle`]).
//!
//! ```no_run
//! use ews_client::{
//!     BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, FindFolder, FolderShape,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = "https://mail.example.test/EWS/Exchange.asmx".parse()?;
//! let credentials = Credentials::basic("svc@example.test", "a secret");
//! let client = Client::new(ClientOptions::new(endpoint, credentials))?;
//! let shape = FolderShape::new(BaseShape::Default);
//! let page = client.find_folder(&FindFolder::deep(DistinguishedFolder::MsgFolderRoot, shape)).await?;
//! assert!(page.includes_last || page.next_offset.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # Examples
//!
//! One short program for each task is in `examples/`; `postkeep sim` is a server to try them on.
//!
//! | example | what it shows |
//! | --- | --- |
//! | `folders` | connecting, folders, paging, what to do about errors |
//! | `sync` | what changed in a folder since the last time |
//! | `find` | searching by a restriction, reading a mail with its MIME text |
//! | `export` | items in full fidelity, out of a mailbox and into another folder |
//! | `create` | an item of each kind from its portable form |
//! | `notifications` | being told of changes, by asking and by a stream |
//! | `settings` | permissions, delegates, rules, out-of-office replies |
//! | `mailboxes` | finding mailboxes, impersonation, groups, public folders |
//! | `autodiscover` | from an address to the endpoint |
//! | `sign_in` | ways to sign in, certificates, proxies, legacy TLS |
//! | `throttle_state` | how much the server allows while many requests are under way |
//!
//! # Features
//!
//! - `kerberos`: Negotiate with the system's Kerberos tickets (MIT or Heimdal).
//! - `legacy-tls`: [`TlsSupport::Legacy`], the system's TLS for servers with CBC cipher suites.
//!
//! The library prints nothing, reads no environment and starts no task; it needs a Tokio runtime
//! with time and I/O enabled.

#![warn(missing_docs)]

mod answer;
mod auth;
mod autodiscover;
mod base64_stream;
mod body;
mod call;
mod client;
mod element;
mod envelope;
mod error;
/// Doors to the decoders for `fuzz/`; no other build has them.
#[cfg(postkeep_fuzz)]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod model;
mod op;
mod pace;
mod response_code;
mod retry;
mod sleep;
mod stats;
mod status;
mod throttle;
mod tls;
mod transport;
mod version;
mod xml;

pub use auth::{ClientSecret, Credentials, Token, TokenSource};
pub use autodiscover::{
    AutodiscoverForm, AutodiscoverOptions, AutodiscoverStep, Discovered, autodiscover,
};
pub use client::{
    Access, Affinity, Client, ClientOptions, GroupMembers, REPLICA_LIST, Routing, TlsSupport,
};
pub use error::{Error, ErrorKind, Result};
pub use http::Proxy;
pub use model::{
    BaseShape, Body, Delegate, DelegateLevel, DeliverMeetingRequests, DictionaryEntry,
    DictionaryObject, DictionaryType, DistinguishedFolder, DistinguishedPropertySet,
    DistinguishedUser, EmailAddress, ExtendedKey, ExtendedPath, ExtendedProperty, ExternalAudience,
    Folder, FolderId, FolderIdRef, FolderKind, FolderPermissions, FolderShape, Importance,
    InboxRule, Item, ItemError, ItemField, ItemId, ItemKind, ItemShape, MapiType, OofReply,
    OofSettings, OofState, Outcome, Permission, PermissionAction, PermissionLevel,
    PermissionReadAccess, PropertyPath, PropertySet, PropertyValue, Sensitivity, SyncState,
    UserConfiguration, UserConfigurationName, UserId, XmlElement,
};
pub use op::{
    AddDelegate, AlternateId, ConflictResolution, ContainmentComparison, ContainmentMode,
    ConvertId, CopyFolder, CopyItem, CreateFolder, CreateItem, CreateUserConfiguration, Delegates,
    DeleteFolder, DeleteItem, DeleteUserConfiguration, Delivery, DisposalType, Event, EventKind,
    EventStream, ExpandDl, ExportEvent, ExportStream, FieldChange, FindFolder, FindFolderPage,
    FindItem, FindItemPage, FindPeople, FolderChange, FolderFieldChange, FolderTraversal,
    FolderUpdate, GetDelegate, GetEvents, GetFolder, GetInboxRules, GetItem, GetPersona,
    GetSearchableMailboxes, GetUserConfiguration, GetUserOofSettings, GroupMember, GroupPage,
    GroupRef, HierarchyPage, IdFormat, InboxRules, ItemChange, ItemTraversal, ItemUpdate,
    MAX_CONNECTION_MINUTES, MAX_SUBSCRIPTION_MINUTES, MAX_SYNC_CHANGES, MoveFolder, MoveItem,
    NewFolder, NewItem, Notification, Paging, PeoplePage, Persona, PersonaDetails, RemoveDelegate,
    Resolution, ResolveNames, Restriction, RuleError, RuleOperation, SearchScope,
    SearchableMailbox, SearchableMailboxes, SetUserOofSettings, SortDirection, StreamEvent,
    Subscribe, Subscription, SyncFolderHierarchy, SyncFolderItems, SyncPage, SyncScope,
    Unsubscribe, UpdateDelegate, UpdateFolder, UpdateInboxRules, UpdateItem,
    UpdateUserConfiguration, UploadAction, UploadData, UploadItem, UserOof,
};
pub use pace::Pace;
pub use response_code::ResponseCode;
pub use retry::RetryPolicy;
pub use sleep::{Sleeper, TokioSleeper};
pub use stats::Stats;
pub use throttle::{MailboxThrottle, SharedThrottle, ThrottleOptions, ThrottleState};
pub use tls::Fingerprint;
pub use transport::{
    OpenStream, RequestBody, Transport, TransportError, TransportErrorKind, TransportRequest,
    TransportResponse,
};
pub use version::{SchemaVersion, ServerVersion};

pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use jiff::Timestamp;
pub use url::Url;
pub use zeroize::Zeroizing;
