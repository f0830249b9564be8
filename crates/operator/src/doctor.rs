//! Looks for what would keep a set from being backed up, and says what mends it.

mod places;
mod server;

use std::path::Path;
use std::sync::Arc;

use engine::{Environment, ObjectStore, Result};
use serde::Serialize;

use crate::config::{DestinationConfig, SetConfig};
use crate::run::{Runner, one_line, roster_of};

/// Mailboxes that are tried of each set; many are many times the same.
pub const MAX_MAILBOXES: usize = 200;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, but not well.
    Warning,
    /// It keeps backups from working.
    Bad,
    /// It could not be found out.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The set or destination.
    pub of: String,
    /// What was looked at, as `name`, `tls` or `impersonation`.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// What was seen, in words.
    pub told: String,
    /// What mends it: a sentence, or a command.
    pub fix: Option<String>,
}

impl Finding {
    pub(crate) fn good(of: &str, what: &'static str, told: impl Into<String>) -> Self {
        Self {
            of: of.to_owned(),
            what,
            health: Health::Good,
            told: told.into(),
            fix: None,
        }
    }

    pub(crate) fn bad(
        of: &str,
        what: &'static str,
        told: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            health: Health::Bad,
            fix: Some(fix.into()),
            ..Self::good(of, what, told)
        }
    }

    pub(crate) fn with(self, health: Health) -> Self {
        Self { health, ..self }
    }
}

/// Opens a destination without a key.
pub type OpenStore<'a> = &'a (dyn Fn(&DestinationConfig) -> Result<Arc<dyn ObjectStore>> + Sync);

/// What of this machine is looked at: an input, as the clock is, so that every finding can be had.
pub struct Machine<'a> {
    /// Where local index files go.
    pub cache_dir: Option<&'a Path>,
    /// Bytes that can still be written at a folder that exists.
    pub free_space: &'a (dyn Fn(&Path) -> std::io::Result<u64> + Sync),
    /// Bytes of memory that programs can still have; `None` if the system does not tell.
    pub free_memory: Option<u64>,
}

impl<'a> Machine<'a> {
    /// The machine that this runs on.
    pub fn this(cache_dir: Option<&'a Path>) -> Self {
        Self {
            cache_dir,
            free_space: &|folder| fs4::available_space(folder),
            free_memory: places::free_memory(),
        }
    }
}

/// Looks at some sets of a configuration, their servers, destinations and this machine.
pub async fn doctor(
    runner: &Runner,
    sets: &[String],
    open_store: OpenStore<'_>,
    machine: &Machine<'_>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut destinations: Vec<&String> = Vec::new();
    for name in sets {
        let Some(set) = runner.config.sets.get(name) else {
            continue;
        };
        of_set(runner, name, set, &mut findings).await;
        for destination in &set.destinations {
            if !destinations.contains(&destination) {
                destinations.push(destination);
            }
        }
    }
    for name in destinations {
        let Some(config) = runner.config.destinations.get(name) else {
            continue;
        };
        let of = (name.as_str(), config);
        places::destination(runner, of, open_store, &mut findings).await;
        findings.extend(places::destination_space(name, config, machine));
    }
    places::machine(machine, runner.config.limits.memory.0, &mut findings);
    findings
}

async fn of_set(runner: &Runner, name: &str, set: &SetConfig, findings: &mut Vec<Finding>) {
    if !server::reachable(name, set, &runner.environment, findings).await {
        return;
    }
    let exchange = match runner.connections.exchange(name, set).await {
        Ok(exchange) => exchange,
        Err(error) => {
            let fix = "see `password_file`, `password_env`, `password_command` and `password_keyring` of the set";
            findings.push(Finding::bad(name, "password", one_line(&error), fix));
            return;
        }
    };
    let mailboxes = match roster_of(set, &exchange).await {
        Ok(Some(roster)) if roster.mailboxes.is_empty() => vec![set.user.clone()],
        Ok(Some(roster)) => roster.mailboxes,
        Ok(None) => {
            let what = "all of the set's belong to other shards";
            findings.push(Finding::good(name, "mailboxes", what));
            return;
        }
        Err(error) => {
            let fix = "correct `mailboxes` of the set";
            findings.push(Finding::bad(name, "mailboxes", one_line(&error), fix));
            return;
        }
    };
    server::rights(name, &exchange, set, &mailboxes, findings).await;
}

/// A random name of an object.
pub(crate) fn random_name(environment: &Environment) -> String {
    let mut bytes = [0; 16];
    (environment.random)(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
