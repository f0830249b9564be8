//! Who is told of runs, and how.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::one_or_many;
use super::secrets::{self, SecretConfig};

/// Which runs somebody is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Those that failed.
    Failure,
    /// Those that failed, and those with something missing.
    #[default]
    Warning,
    /// All.
    Always,
}

/// Somebody who is told of runs, in one of three ways.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NotifyConfig {
    /// Of which runs.
    pub when: When,
    /// Of which sets; all if empty.
    #[serde(deserialize_with = "one_or_many")]
    pub sets: Vec<String>,
    /// By e-mail.
    pub mail: Option<MailConfig>,
    /// By an HTTP request.
    pub webhook: Option<WebhookConfig>,
    /// By a command with the report on standard input.
    pub command: Option<Vec<String>>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// TLS from the first byte; port 465.
    Tls,
    /// TLS asked for after the greeting, and insisted on; port 587.
    #[default]
    StartTls,
    /// None: only towards a mail server on this machine; port 25.
    None,
}

/// E-mail.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MailConfig {
    /// Who gets it.
    #[serde(deserialize_with = "one_or_many")]
    pub to: Vec<String>,
    /// Who it is from.
    pub from: String,
    /// The mail server's name.
    pub server: String,
    /// Its port, if not the usual one of the protection.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Who signs in, if anybody.
    pub user: Option<String>,
    /// Where the password is.
    #[serde(flatten, with = "secrets::password")]
    pub password: SecretConfig,
}

/// An HTTP request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookConfig {
    /// Where the report is posted to, as JSON.
    pub url: String,
    /// Where a token for the Authorization header is.
    #[serde(flatten, with = "secrets::token")]
    pub token: SecretConfig,
}
