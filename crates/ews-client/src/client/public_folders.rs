//! Where the hierarchy and the contents of public folders lie.

use std::sync::Arc;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use crate::autodiscover::{POX_PATH, PoxSettings, pox_request, pox_settings};
use crate::body::{self, from_transport};
use crate::client::{Client, Routing};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Folder;
use crate::retry::{self, Attempt, Failure};
use crate::transport::{RequestBody, TransportRequest};

/// Most bytes of an answer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// How these questions are counted in [`crate::Stats::operations`].
const OPERATION: &str = "Autodiscover";

/// PidTagReplicaList (PR_REPLICA_LIST), a binary property of public folders: the GUID of the
/// mailbox that holds the content, as text (MS-OXPROPS 2.919). Ask for it in a
/// [`crate::FolderShape`], then [`Folder::content_mailbox`] reads it.
pub const REPLICA_LIST: u16 = 0x6698;

/// Characters of a GUID without braces.
const GUID_CHARS: usize = 36;

impl Folder {
    /// The GUID of the mailbox that holds a public folder's content, from [`REPLICA_LIST`];
    /// `None` where that was not asked for, or names a public folder database of Exchange 2010
    /// instead.
    pub fn content_mailbox(&self) -> Option<String> {
        let bytes = self.property(REPLICA_LIST)?.as_bytes()?;
        let text = std::str::from_utf8(bytes.get(..GUID_CHARS)?).ok()?;
        let hyphens = [8, 13, 18, 23];
        let is_guid = text.bytes().enumerate().all(|(at, byte)| {
            if hyphens.contains(&at) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        });
        is_guid.then(|| text.to_ascii_lowercase())
    }
}

impl Client {
    /// Which headers requests about the hierarchy of public folders (FindFolder, CreateFolder,
    /// UpdateFolder, MoveFolder, DeleteFolder) need on Exchange 2013 and later, as seen by the
    /// mailbox `user`: what Autodiscover on the EWS endpoint's server says, by two requests. `None`
    /// where it names no mailbox for public folders: then one server has everything, or there are
    /// none.
    ///
    /// # Errors
    ///
    /// Those of a connection; a server without Autodiscover is `None`.
    ///
    /// # Cancellation
    ///
    /// Nothing is left behind.
    pub async fn public_folder_hierarchy(&self, user: &str) -> Result<Option<Routing>> {
        let Some(anchor) = self
            .settings_of(user)
            .await?
            .and_then(|settings| settings.public_folders)
        else {
            return Ok(None);
        };
        let named = self.settings_of(&anchor).await?;
        let mailbox = named
            .and_then(|settings| settings.server)
            .unwrap_or_else(|| anchor.clone());
        Ok(Some(Routing {
            anchor_mailbox: Some(anchor),
            public_folder_mailbox: Some(mailbox),
        }))
    }

    /// Which headers requests about the contents of public folders (all that have to do with
    /// items, and GetFolder) need: those of the mailbox that [`Folder::content_mailbox`] names, in
    /// the organisation of `domain`. One question to Autodiscover; where that does not know, the
    /// GUID itself, which Exchange takes as well.
    ///
    /// # Errors
    ///
    /// Those of a connection.
    ///
    /// # Cancellation
    ///
    /// Nothing is left behind.
    pub async fn public_folder_content(&self, mailbox: &str, domain: &str) -> Result<Routing> {
        let by_guid = format!("{mailbox}@{domain}");
        let settings = self.settings_of(&by_guid).await?;
        let address = settings
            .and_then(|settings| settings.address)
            .unwrap_or(by_guid);
        Ok(Routing {
            anchor_mailbox: Some(address.clone()),
            public_folder_mailbox: Some(address),
        })
    }

    /// What Autodiscover on the endpoint's own server says of an address, in its plain form.
    async fn settings_of(&self, address: &str) -> Result<Option<PoxSettings>> {
        let options = &self.shared.options;
        let mut made = 0;
        let mut waited = Duration::ZERO;
        loop {
            let (error, failure) = match self.ask_for_settings(address).await {
                Ok(settings) => return Ok(settings),
                Err(failed) => failed,
            };
            made += 1;
            let attempt = Attempt {
                failure,
                made,
                idempotent: true,
                server_wait: error.retry_after(),
                waited,
            };
            let Some(wait) = retry::decide(&options.retry, attempt) else {
                return Err(error.in_call(OPERATION, &self.shared.url, made));
            };
            waited += wait;
            options.sleeper.sleep(wait).await;
        }
    }

    async fn ask_for_settings(
        &self,
        address: &str,
    ) -> std::result::Result<Option<PoxSettings>, (Error, Failure)> {
        let options = &self.shared.options;
        let mut url: Url = options.endpoint.clone();
        url.set_path(POX_PATH);
        url.set_query(None);
        let request = TransportRequest {
            url,
            headers: vec![
                ("content-type", "text/xml; charset=utf-8".to_owned()),
                ("user-agent", options.user_agent.clone()),
            ],
            authorization: Zeroizing::clone(&options.credentials.authorization()),
            body: RequestBody::Bytes(pox_request(address).into()),
            time_limit: options.request_timeout,
        };
        self.shared.counters.update(|stats| {
            stats.requests += 1;
            stats.bytes_out += request.body.len();
            *stats.operations.entry(OPERATION).or_default() += 1;
        });
        let limit = options.request_timeout;
        let answer = tokio::time::timeout(limit, self.shared.transport.send(request)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let failure = Failure::of(error.kind);
                return Err((from_transport(error), failure));
            }
            Err(_) => {
                let text = format!("no answer within {} s", limit.as_secs());
                return Err((Error::new(ErrorKind::Timeout, text), Failure::Unknown));
            }
        };
        let status = answer.status;
        let counters = Arc::clone(&self.shared.counters);
        let body = body::watched(answer.body, limit, counters, None);
        let bytes = body::collect(body, MAX_ANSWER_BYTES)
            .await
            .map_err(|error| (error, Failure::Unknown))?;
        match status {
            200..300 => Ok(pox_settings(&bytes)),
            401 => {
                let text = "Autodiscover refuses the user name or password";
                Err((Error::new(ErrorKind::Auth, text), Failure::Final))
            }
            429 | 503 => {
                let text = format!("Autodiscover is busy (HTTP {status})");
                Err((Error::new(ErrorKind::Busy, text), Failure::Refused))
            }
            // Not there, or not for us: the headers are then not known.
            _ => Ok(None),
        }
    }
}
