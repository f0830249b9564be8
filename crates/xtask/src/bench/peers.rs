//! General-purpose programs on the same mail as files: what an administrator would take instead.

use std::ffi::OsString;
use std::path::Path;

use super::READER;
use super::contender::Program;
use super::mail::Mail;
use super::phase::Phase;
use crate::Result;
use crate::tool::Tool;

const SECRET: &str = "a benchmark's secret";

/// Where a program comes from.
enum Source {
    Debian(&'static str),
    Crate(&'static str),
}

/// One of the three.
pub(super) struct Peer {
    pub(super) name: &'static str,
    version: &'static [&'static str],
    source: Source,
    /// Where programs are looked for.
    path: OsString,
    environment: fn(&Path) -> Vec<(&'static str, OsString)>,
    commands: fn(Phase) -> &'static [&'static str],
}

const PEERS: [Peer; 3] = [
    Peer {
        name: "restic",
        version: &["restic", "version"],
        source: Source::Debian("restic"),
        path: OsString::new(),
        environment: |scratch| {
            vec![
                ("RESTIC_REPOSITORY", scratch.join("repository").into()),
                ("RESTIC_PASSWORD", SECRET.into()),
                ("RESTIC_CACHE_DIR", scratch.join("cache").into()),
            ]
        },
        commands: |phase| match phase {
            Phase::Init => &["restic init"],
            Phase::First | Phase::NoChange | Phase::Changes | Phase::AfterDeletion => {
                &["restic backup --quiet --host bench {files}"]
            }
            Phase::RestoreOne => {
                &["restic restore latest --target {out}-one --include {files}/{one}"]
            }
            Phase::RestoreAll => &["restic restore latest --target {out}"],
            Phase::List => &["restic ls latest"],
            Phase::SearchFirst | Phase::Search => &[],
            Phase::Check => &["restic check --read-data"],
            Phase::Prune => &["restic forget --keep-last 2 --prune"],
        },
    },
    Peer {
        name: "borg",
        version: &["borg", "--version"],
        source: Source::Debian("borgbackup"),
        path: OsString::new(),
        environment: |scratch| {
            vec![
                ("BORG_REPO", scratch.join("repository").into()),
                ("BORG_PASSPHRASE", SECRET.into()),
                ("BORG_BASE_DIR", scratch.join("base").into()),
            ]
        },
        commands: |phase| match phase {
            Phase::Init => &["borg init --encryption repokey-blake2"],
            Phase::First => &["borg create --compression zstd,3 ::a1 {files}"],
            Phase::NoChange => &["borg create --compression zstd,3 ::a2 {files}"],
            Phase::Changes => &["borg create --compression zstd,3 ::a3 {files}"],
            Phase::AfterDeletion => &["borg create --compression zstd,3 ::a4 {files}"],
            // borg writes into the folder where it is started.
            Phase::RestoreOne => &["borg extract ::a3 {files-inside}/{one}"],
            Phase::RestoreAll => &["borg extract ::a3"],
            Phase::List => &["borg list ::a3"],
            Phase::SearchFirst | Phase::Search => &[],
            Phase::Check => &["borg check --verify-data"],
            Phase::Prune => &["borg prune --keep-last 2", "borg compact --threshold 10"],
        },
    },
    Peer {
        name: "rustic",
        version: &["rustic", "--version"],
        source: Source::Crate("rustic-rs"),
        path: OsString::new(),
        environment: |scratch| {
            vec![
                ("RUSTIC_REPOSITORY", scratch.join("repository").into()),
                ("RUSTIC_PASSWORD", SECRET.into()),
                ("RUSTIC_CACHE_DIR", scratch.join("cache").into()),
            ]
        },
        commands: |phase| match phase {
            Phase::Init => &["rustic init"],
            Phase::First | Phase::NoChange | Phase::Changes | Phase::AfterDeletion => {
                &["rustic backup --host bench {files}"]
            }
            Phase::RestoreOne => &["rustic restore latest:{files}/{one} {out}-one"],
            Phase::RestoreAll => &["rustic restore latest:{files} {out}"],
            Phase::List => &["rustic ls latest"],
            Phase::SearchFirst | Phase::Search => &[],
            Phase::Check => &["rustic check --read-data"],
            Phase::Prune => &["rustic forget --keep-last 2 --prune --instant-delete"],
        },
    },
];

/// The three but some, installed where they are not yet: from Debian, and from crates.io below
/// `scratch`.
pub(super) fn installed(scratch: &Path, without: &[String]) -> Result<Vec<Peer>> {
    if let Some(unknown) = without
        .iter()
        .find(|name| PEERS.iter().all(|p| p.name != **name) && **name != READER)
    {
        return Err(format!("{unknown} is none of the other programs"));
    }
    let tools = scratch.join("tools");
    let mut installed = Vec::new();
    for mut peer in PEERS {
        if without.iter().any(|name| name == peer.name) {
            continue;
        }
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        let own = std::iter::once(tools.join("bin")).chain(std::env::split_paths(&path));
        path = std::env::join_paths(own).map_err(|error| error.to_string())?;
        peer.path = path;
        if peer.version().is_err() {
            println!("installing {}", peer.name);
            match peer.source {
                Source::Debian(package) => Tool::new("apt-get")
                    .args([
                        "install",
                        "--quiet",
                        "--yes",
                        "--no-install-recommends",
                        package,
                    ])
                    .run()?,
                Source::Crate(name) => Tool::cargo()
                    .args(["install", "--quiet", "--locked", name, "--root"])
                    .arg(&tools)
                    .run()?,
            }
        }
        installed.push(peer);
    }
    Ok(installed)
}

impl Program for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> Result<String> {
        let (program, arguments) = self.version.split_first().ok_or("no program")?;
        Tool::new(program)
            .env("PATH", &self.path)
            .args(arguments)
            .output()
    }

    fn environment(&self, scratch: &Path) -> Vec<(&'static str, OsString)> {
        let mut environment = (self.environment)(scratch);
        environment.push(("PATH", self.path.clone()));
        environment
    }

    fn commands(&self, phase: Phase) -> &'static [&'static str] {
        (self.commands)(phase)
    }

    fn begin(&mut self, mail: &Mail, scratch: &Path) -> Result {
        mail.copy_to(&scratch.join("mail"))
    }

    fn before(&mut self, phase: Phase, mail: &Mail, scratch: &Path) -> Result {
        let tree = scratch.join("mail");
        match phase {
            Phase::Changes => mail.change_files(&tree),
            Phase::AfterDeletion => mail.empty_folders(&tree),
            _ => Ok(()),
        }
    }

    fn words(&self, mail: &Mail, scratch: &Path) -> Vec<(&'static str, OsString)> {
        let tree = scratch.join("mail");
        let (mailbox, folder, file) = &mail.one;
        let inside = tree.to_string_lossy();
        let inside = inside.trim_start_matches('/').to_owned();
        vec![
            ("{files}", tree.clone().into()),
            ("{files-inside}", inside.into()),
            ("{out}", scratch.join("out").into()),
            ("{one}", format!("{mailbox}/{folder}/{file}").into()),
        ]
    }
}
