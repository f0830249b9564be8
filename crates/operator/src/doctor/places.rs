//! Destinations, and this machine.

use std::path::Path;

use engine::{ErrorKind, Result};
use object_store::path::Path as Name;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::{Finding, Health, Machine, OpenStore, random_name};
use crate::config::DestinationConfig;
use crate::report::bytes;
use crate::run::{Runner, one_line};

/// Less free space for index files than this is worth a word.
const LOW_DISK: u64 = 2_000_000_000;
/// Less than this is no room for a pack and an index file.
const FULL_DISK: u64 = 64 << 20;
/// Less free memory than this slows down.
const LOW_MEMORY: u64 = 512 << 20;

pub(super) async fn destination(
    runner: &Runner,
    (name, config): (&str, &DestinationConfig),
    open_store: OpenStore<'_>,
    findings: &mut Vec<Finding>,
) {
    let store = match open_store(config) {
        Ok(store) => store,
        Err(error) => {
            let fix = "correct `url`, or mount what it names; `postkeep init` creates a repository";
            findings.push(Finding::bad(name, "destination", one_line(&error), fix));
            return;
        }
    };
    let object = Name::from(format!("admin/probe/{}", random_name(&runner.environment)));
    let created = create(name, &*store, &object).await;
    // What cannot be written tells nothing about the rest.
    let is_there = created.health != Health::Bad;
    findings.push(created);
    if is_there {
        findings.push(lock(name, &*store, &object, &config.url).await);
        findings.push(delete(name, &*store, &object).await);
    }
    findings.push(match open(runner, name, config).await {
        Ok(told) => Finding::good(name, "repository", told),
        Err(error) => {
            let fix = match error.kind() {
                ErrorKind::NotFound => "postkeep init --repo URL",
                ErrorKind::Auth => "see `passphrase_file`, `passphrase_command` and `key_file`",
                _ => "see what `postkeep check` says",
            };
            Finding::bad(name, "repository", one_line(&error), fix)
        }
    });
}

async fn open(runner: &Runner, name: &str, config: &DestinationConfig) -> Result<String> {
    let vault = runner.connections.vault(name, config).await?;
    let snapshots = vault.snapshots().await?.len();
    let size = vault.size();
    Ok(format!(
        "opens; {snapshots} snapshots, {}",
        bytes(size.stored_bytes)
    ))
}

/// Creates an object twice: the second time must be refused.
async fn create(name: &str, store: &dyn ObjectStore, object: &Name) -> Finding {
    let options = || PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    let what = "create";
    if let Err(error) = store.put_opts(object, "postkeep".into(), options()).await {
        let fix = "give the account that runs postkeep, or its key, the right to write there";
        return Finding::bad(name, what, error.to_string(), fix);
    }
    match store.put_opts(object, "another".into(), options()).await {
        Err(object_store::Error::AlreadyExists { .. }) => {
            Finding::good(name, what, "objects can be created, and never twice")
        }
        _ => Finding::bad(
            name,
            what,
            "an object could be created twice: two machines could overwrite one another's",
            "let one machine at a time write there",
        )
        .with(Health::Warning),
    }
}

/// Writes over an object: with an object lock, or with rights that suit a backup, that is refused.
async fn lock(name: &str, store: &dyn ObjectStore, object: &Name, url: &str) -> Finding {
    let what = "object lock";
    if store.put(object, "overwritten".into()).await.is_err() {
        let told = "what is there cannot be overwritten: neither by mistake nor by ransomware";
        return Finding::good(name, what, told);
    }
    let told = "what is there can be overwritten with these rights; whether the destination keeps \
                what was there before, it does not tell";
    Finding {
        fix: Some(protection(url).to_owned()),
        ..Finding::good(name, what, told).with(Health::Unknown)
    }
}

/// How a destination protects what it has.
fn protection(url: &str) -> &'static str {
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("s3") => {
            "aws s3api get-object-lock-configuration --bucket BUCKET tells; a bucket is made with \
             --object-lock-enabled-for-bucket"
        }
        Some("azure" | "az" | "abfs" | "abfss") => {
            "az storage container immutability-policy show --container-name CONTAINER \
             --account-name ACCOUNT tells"
        }
        Some("gs") => {
            "gcloud storage buckets describe gs://BUCKET --format='value(retention_policy)' tells"
        }
        _ => "keep a copy that this machine cannot write to: `postkeep copy`, run from elsewhere",
    }
}

async fn delete(name: &str, store: &dyn ObjectStore, object: &Name) -> Finding {
    match store.delete(object).await {
        Ok(()) => Finding::good(
            name,
            "delete",
            "objects can be deleted; safer are rights without that on machines that back up",
        ),
        Err(error) => Finding::good(
            name,
            "delete",
            format!("objects cannot be deleted, as is safest here: {error}"),
        ),
    }
}

/// The space at a destination that is a folder.
pub(super) fn destination_space(
    name: &str,
    config: &DestinationConfig,
    machine: &Machine<'_>,
) -> Option<Finding> {
    let path = Path::new(local_path(&config.url)?);
    Some(free_space(name, "free space", path, machine))
}

/// The space for index files, and the memory. `budget` is how much of it items on their way may
/// take.
pub(super) fn machine(machine: &Machine<'_>, budget: u64, findings: &mut Vec<Finding>) {
    let of = "this machine";
    if let Some(dir) = machine.cache_dir {
        findings.push(free_space(of, "cache", dir, machine));
    }
    // Where the system does not tell, nothing is said rather than something made up.
    let Some(free) = machine.free_memory else {
        return;
    };
    let told = format!("{} free", bytes(free));
    findings.push(if free < budget {
        let told = format!("{told}, and items on their way may take {}", bytes(budget));
        let fix = "close something, or lower `memory` in [limits] of the file";
        Finding::bad(of, "memory", told, fix).with(Health::Warning)
    } else if free < LOW_MEMORY {
        let fix = "close something, or lower mailboxes_at_once in [limits] of the sets";
        Finding::bad(of, "memory", told, fix).with(Health::Warning)
    } else {
        Finding::good(of, "memory", told)
    });
}

/// The memory that Linux says programs can have.
pub(super) fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib = rest.trim().trim_end_matches("kB").trim();
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// The space at the nearest folder that exists.
fn free_space(of: &str, what: &'static str, path: &Path, machine: &Machine<'_>) -> Finding {
    // A relative path ends at the empty one, which is the current folder.
    let here = |folder: &'_ Path| match folder.as_os_str().is_empty() {
        true => Path::new(".").to_owned(),
        false => folder.to_owned(),
    };
    let existing = path.ancestors().map(here).find(|folder| folder.is_dir());
    match existing.map(|folder| (machine.free_space)(&folder)) {
        Some(Ok(free)) if free >= LOW_DISK => {
            Finding::good(of, what, format!("{} free", bytes(free)))
        }
        Some(Ok(free)) => {
            let told = format!("only {} free at {}", bytes(free), path.display());
            let health = match free < FULL_DISK {
                true => Health::Bad,
                false => Health::Warning,
            };
            Finding::bad(of, what, told, "free some space, or use another disk").with(health)
        }
        Some(Err(error)) => {
            let told = format!("cannot be found out at {}: {error}", path.display());
            Finding::good(of, what, told).with(Health::Unknown)
        }
        None => Finding::good(of, what, "cannot be found out").with(Health::Unknown),
    }
}

fn local_path(url: &str) -> Option<&str> {
    match url.strip_prefix("file://") {
        Some(path) => Some(path),
        None if url.contains("://") => None,
        None => Some(url),
    }
}
