//! The configuration file of a simulator.

use serde::Deserialize;

use crate::account::Account;
use crate::error::Error;
use crate::fault::FaultPlan;

/// A simulator described in JSON; every member is optional.
///
/// ```json
/// {
///   "accounts": [{ "user": "svc@example.test", "password": "secret", "impersonate": true }],
///   "mailbox_password": "secret",
///   "mailboxes": ["alice@example.test"],
///   "archives": ["alice@example.test"],
///   "public_folders": true,
///   "public_folder_mailboxes": [{ "address": "pf1@example.test", "server": "mbx1" }],
///   "groups": { "all@example.test": ["alice@example.test"] },
///   "mail": ["./mail"],
///   "faults": "ExportItems every 50 busy 500",
///   "fault_seed": 1,
///   "server": "2019",
///   "language": "de",
///   "schema": "./schema",
///   "throttle": "default",
///   "no_export": false,
///   "sign_in": ["ntlm", "basic"],
///   "generate": { "seed": 1, "mailboxes": 3, "items": 200 },
///   "synthetic": [{ "mailbox": "big@example.test", "folder": "Inbox", "count": 1000000, "seed": 7 }]
/// }
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Config {
    /// Accounts, in place of the default `svc@example.test`.
    pub accounts: Vec<AccountConfig>,
    /// The password with which each mailbox signs in as itself; default `secret`.
    pub mailbox_password: Option<String>,
    /// Mailboxes to create empty.
    pub mailboxes: Vec<String>,
    /// Mailboxes (added if missing) to give an empty archive.
    pub archives: Vec<String>,
    /// Whether there are public folders.
    pub public_folders: bool,
    /// Mailboxes that public folders lie in; the first holds the hierarchy.
    pub public_folder_mailboxes: Vec<PublicMailboxConfig>,
    /// Distribution groups: the members' addresses by the group's.
    pub groups: std::collections::BTreeMap<String, Vec<String>>,
    /// Folders of mail to load (see [`crate::SimBuilder::load_dir`]).
    pub mail: Vec<std::path::PathBuf>,
    /// Fault rules in their text form.
    pub faults: Option<String>,
    /// Seed of fault probabilities.
    pub fault_seed: u64,
    /// The release the server says it is: `2013-sp1`, `2016`, `2019` or `se`.
    pub server: Option<String>,
    /// The language of folder names: `en`, `de`, `fr` or `ja`.
    pub language: Option<String>,
    /// A folder with `services.wsdl`, `messages.xsd` and `types.xsd` to be served.
    pub schema: Option<std::path::PathBuf>,
    /// The throttling policy: `default` (Exchange's own) or `unlimited`.
    pub throttle: Option<String>,
    /// Whether the server lacks ExportItems and UploadItems.
    pub no_export: bool,
    /// Ways of signing in: `basic`, `ntlm`, `negotiate`, `bearer`; empty for all.
    pub sign_in: Vec<String>,
    /// Whether Kerberos is taken inside Negotiate, as [`crate::SimBuilder::kerberos`] says.
    pub kerberos: bool,
    /// Mailboxes to make up.
    pub generate: Option<GenerateConfig>,
    /// Synthetic folders.
    pub synthetic: Vec<SyntheticConfig>,
}

/// An account in a [`Config`].
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AccountConfig {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// Whether the account may impersonate every mailbox.
    #[serde(default)]
    pub impersonate: bool,
    /// The only mailboxes that it may impersonate.
    #[serde(default)]
    pub impersonate_only: Vec<String>,
}

/// A mailbox of public folders in a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PublicMailboxConfig {
    /// Its address.
    pub address: String,
    /// The server that it lies on.
    pub server: String,
}

impl std::fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountConfig({}, ***)", self.user)
    }
}

/// Realistic mailboxes made from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateConfig {
    /// The seed: the same seed makes the same mailboxes.
    pub seed: u64,
    /// How many mailboxes.
    pub mailboxes: usize,
    /// How many items in each, about.
    pub items: usize,
}

/// A folder of items that are computed when asked for and need no memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticConfig {
    /// The mailbox address.
    pub mailbox: String,
    /// The folder path, such as `Inbox`.
    pub folder: String,
    /// How many items.
    pub count: u64,
    /// The seed of their content.
    pub seed: u64,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] naming the line and member that is wrong.
    pub fn from_json(text: &str) -> Result<Config, Error> {
        serde_json::from_str(text)
            .map_err(|error| Error::invalid("configuration is not valid").with_source(error))
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = Account> + '_ {
        self.accounts.iter().map(|account| {
            if !account.impersonate_only.is_empty() {
                let only = account.impersonate_only.iter().map(String::as_str);
                Account::impersonator_of(&account.user, &account.password, only)
            } else if account.impersonate {
                Account::impersonator(&account.user, &account.password)
            } else {
                Account::new(&account.user, &account.password)
            }
        })
    }

    pub(crate) fn fault_plan(&self) -> Result<Option<FaultPlan>, Error> {
        let Some(text) = &self.faults else {
            return Ok(None);
        };
        Ok(Some(text.parse::<FaultPlan>()?.seed(self.fault_seed)))
    }
}
