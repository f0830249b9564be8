//! Mailboxes of public folders, as Exchange 2013 and later have them: the first holds the
//! hierarchy, and each folder's items lie in one of them, which PidTagReplicaList names. Requests
//! come to the mailbox that their headers name and are answered there or nowhere.

use axum::http::HeaderMap;
use fasttransfer::{PropId, PropValue};

use crate::error::Error;
use crate::mailbox::{State, Store, StoreKind};
use crate::op::Failure;
use crate::sim::{Sim, World};

/// PidTagReplicaList: the mailbox's GUID as text with a NUL behind it.
pub(crate) const REPLICA_LIST: u16 = 0x6698;

/// Operations on the hierarchy; all others are about contents.
const HIERARCHY: [&str; 5] = [
    "FindFolder",
    "CreateFolder",
    "UpdateFolder",
    "DeleteFolder",
    "MoveFolder",
];

/// A mailbox that holds public folders.
#[derive(Clone, Debug)]
pub(crate) struct PublicMailbox {
    pub(crate) address: String,
    /// The name of the server that it lies on.
    pub(crate) server: String,
    guid: String,
}

/// Where a request's headers send it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    /// `X-AnchorMailbox`: the server of this mailbox gets the request.
    anchor: Option<String>,
    /// `X-PublicFolderMailbox`: and opens this one.
    public: Option<String>,
}

impl PublicMailbox {
    pub(crate) fn new(address: &str, server: &str) -> PublicMailbox {
        let hash = blake3::derive_key("ews-sim public folder mailbox", address.as_bytes());
        let digits: String = hash[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let guid = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
        PublicMailbox {
            address: address.to_owned(),
            server: server.to_owned(),
            guid: guid.join("-"),
        }
    }

    /// The address that begins with the GUID, as Autodiscover tells it.
    pub(crate) fn guid_address(&self) -> String {
        let domain = self.address.rsplit('@').next().unwrap_or_default();
        format!("{}@{domain}", self.guid)
    }

    fn is_called(&self, name: &str) -> bool {
        self.address.eq_ignore_ascii_case(name) || self.guid_address().eq_ignore_ascii_case(name)
    }

    fn replica_list(&self) -> PropValue {
        PropValue::Binary(format!("{}\0", self.guid).into_bytes().into())
    }
}

impl Route {
    pub(crate) fn of(headers: &HeaderMap) -> Route {
        let text = |name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        Route {
            anchor: text("x-anchormailbox"),
            public: text("x-publicfoldermailbox"),
        }
    }
}

impl World {
    /// The mailbox of public folders that is called so, by address or GUID.
    pub(crate) fn public_mailbox(&self, name: &str) -> Option<&PublicMailbox> {
        let mut all = self.public_mailboxes.iter();
        all.find(|mailbox| mailbox.is_called(name))
    }

    /// The mailbox of public folders that a request comes to.
    fn arrival(&self, route: &Route) -> Result<Option<&PublicMailbox>, Failure> {
        let Some(named) = &route.public else {
            return Ok(self.public_mailboxes.first());
        };
        let found = self.public_mailbox(named).ok_or(Failure::new(
            "ErrorPublicFolderMailboxDiscoveryFailed",
            "The public folder mailbox that X-PublicFolderMailbox names does not exist.",
        ))?;
        // Users live on the server of the hierarchy.
        let home = self.public_mailboxes.first();
        let anchored = route.anchor.as_deref().and_then(|a| self.public_mailbox(a));
        let server = anchored.or(home).map(|mailbox| &mailbox.server);
        if server != Some(&found.server) {
            return Err(Failure::new(
                "ErrorNoPublicFolderReplicaAvailable",
                "X-AnchorMailbox leads to a server that does not hold the public folder mailbox.",
            ));
        }
        Ok(Some(found))
    }

    /// Fails unless the request came to the mailbox that can answer for this folder.
    pub(crate) fn check_route(
        &self,
        route: &Route,
        operation: &str,
        store: &Store,
        folder: u64,
    ) -> Result<(), Failure> {
        if store.kind != StoreKind::Public || self.public_mailboxes.is_empty() {
            return Ok(());
        }
        let arrived = self.arrival(route)?.map(|mailbox| &mailbox.guid);
        let wanted = if HIERARCHY.contains(&operation) {
            self.public_mailboxes
                .first()
                .map(|first| first.guid.clone())
        } else {
            replica(&store.read(), folder)
        };
        if arrived == wanted.as_ref() {
            return Ok(());
        }
        Err(Failure::new(
            "ErrorNoPublicFolderReplicaAvailable",
            "The public folder mailbox that the request came to does not hold this folder.",
        ))
    }

    /// Gives a new folder a content mailbox: one after the other.
    pub(crate) fn place_new(&self, state: &mut State, folder: u64) {
        let count = self.public_mailboxes.len() as u64;
        let at = folder.checked_rem(count).unwrap_or_default();
        let chosen = usize::try_from(at).ok();
        if let Some(mailbox) = chosen.and_then(|at| self.public_mailboxes.get(at)) {
            place(state, folder, mailbox);
        }
    }

    /// Says on the root where everything lies that is not placed elsewhere.
    pub(crate) fn place_root(&self) {
        let first = self.public_mailboxes.first();
        if let (Some(store), Some(first)) = (&self.public, first) {
            let mut state = store.write();
            let root = state
                .well_known("publicfoldersroot")
                .map(|root| root.number);
            if let Some(root) = root {
                place(&mut state, root, first);
            }
        }
    }
}

/// The value of PidTagReplicaList: a folder's own, or that of the nearest one above it.
pub(crate) fn replica_list(state: &State, folder: u64) -> Option<PropValue> {
    let path = std::iter::once(folder).chain(state.ancestors(folder));
    let id = PropId::Tag(REPLICA_LIST);
    path.filter_map(|number| state.folder(number))
        .find_map(|folder| folder.props.get(&id).cloned())
}

fn replica(state: &State, folder: u64) -> Option<String> {
    match replica_list(state, folder)? {
        PropValue::Binary(bytes) => {
            let text = std::str::from_utf8(&bytes).ok()?;
            Some(text.trim_end_matches('\0').to_owned())
        }
        _ => None,
    }
}

fn place(state: &mut State, folder: u64, mailbox: &PublicMailbox) {
    // A folder that is gone needs no place.
    let _ = state.edit_folder(folder, |folder| {
        folder
            .props
            .set(PropId::Tag(REPLICA_LIST), mailbox.replica_list());
    });
}

impl Sim {
    /// Moves the content of a public folder (created if missing), and of the folders below that
    /// have no place of their own, to one of the [`crate::SimBuilder::public_folder_mailbox`]es.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if there is no such mailbox.
    pub fn place_public_folder(&self, path: &str, mailbox: &str) -> Result<(), Error> {
        let found = self.0.public_mailbox(mailbox);
        let found =
            found.ok_or_else(|| Error::not_found(format!("no public folder mailbox {mailbox}")))?;
        let number = self.public_folders()?.ensure_folder(path, None)?;
        if let Some(store) = &self.0.public {
            place(&mut store.write(), number, found);
        }
        Ok(())
    }
}
