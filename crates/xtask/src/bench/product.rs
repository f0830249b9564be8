//! The product's side: a server full of mail, an empty one, and a repository between them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::contender::Program;
use super::mail::Mail;
use super::phase::Phase;
use super::server::Server;
use super::{clear, create};
use crate::Result;
use crate::tool::Tool;

/// The simulator's own account, which may impersonate every mailbox.
pub(super) const USER: &str = "svc@example.test";
const PASSWORD: &str = "secret";
/// A word of many mails, made up or not.
const WORD: &str = "meeting";

/// Which form items come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Native,
    Portable,
}

/// What opens the repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secret {
    /// Stretched by each command, as the other programs do.
    Passphrase,
    /// 256 random bits, as unattended backups use them: nothing to stretch.
    KeyFile,
}

const PASSPHRASE: &str = "a benchmark's secret";
const KEY_FILE: &str = "host.key";

/// Creates a repository and a key file that opens it, besides a passphrase.
pub(super) fn init_with_key_file(program: &Path, repository: &Path, key: &Path) -> Result {
    let postkeep = |words: &[&str]| {
        Tool::new(program)
            .env("POSTKEEP_PASSPHRASE", PASSPHRASE)
            .args(words)
            .arg("--repo")
            .arg(repository)
    };
    postkeep(&["init"]).output()?;
    let added = postkeep(&["key", "add"]).arg("--new-key-file").arg(key);
    added.output().map(drop)
}

pub(super) struct Postkeep {
    program: PathBuf,
    form: Form,
    secret: Secret,
    full: Option<Server>,
    empty: Option<Server>,
    /// The key of the mail that is restored alone.
    item: String,
}

impl Postkeep {
    pub(super) fn new(program: PathBuf, form: Form, secret: Secret) -> Self {
        Postkeep {
            program,
            form,
            secret,
            full: None,
            empty: None,
            item: String::new(),
        }
    }

    fn start(&self, mail: &Path) -> Result<Server> {
        let mut words = vec![OsStr::new("--mail"), mail.as_os_str()];
        if self.form == Form::Portable {
            words.push(OsStr::new("--without-export"));
        }
        Server::start(&self.program, &words)
    }

    fn full_url(&self) -> Result<String> {
        let server = self.full.as_ref().ok_or("the server was not started")?;
        Ok(server.url())
    }

    /// Asks the backup for the first item of a folder.
    fn first_item(&self, mail: &Mail, scratch: &Path) -> Result<String> {
        let (mailbox, folder, _) = &mail.one;
        let mut tool = Tool::new(&self.program)
            .args(["ls", "--json", "--mailbox", mailbox, "--repo"])
            .arg(scratch.join("repository"))
            .arg(folder);
        for (name, value) in self.environment(scratch) {
            tool = tool.env(name, value);
        }
        let document: serde_json::Value =
            serde_json::from_str(&tool.output()?).map_err(|error| format!("ls --json: {error}"))?;
        let key = document.pointer("/mailboxes/0/items/0/key");
        key.and_then(|key| key.as_str())
            .map(str::to_owned)
            .ok_or_else(|| format!("ls --json has no item of {folder}"))
    }
}

impl Program for Postkeep {
    fn name(&self) -> &'static str {
        match (self.form, self.secret) {
            (Form::Native, Secret::Passphrase) => "postkeep, native",
            (Form::Portable, Secret::Passphrase) => "postkeep, portable",
            (Form::Native, Secret::KeyFile) => "postkeep, native, key file",
            (Form::Portable, Secret::KeyFile) => "postkeep, portable, key file",
        }
    }

    fn version(&self) -> Result<String> {
        Tool::new(&self.program).arg("--version").output()
    }

    fn environment(&self, scratch: &Path) -> Vec<(&'static str, OsString)> {
        // The caches are part of what is measured, and must not outlive it.
        let caches = scratch.join("caches");
        vec![
            ("POSTKEEP_PASSWORD", PASSWORD.into()),
            match self.secret {
                Secret::Passphrase => ("POSTKEEP_PASSPHRASE", PASSPHRASE.into()),
                Secret::KeyFile => ("POSTKEEP_KEY_FILE", scratch.join(KEY_FILE).into()),
            },
            ("XDG_CACHE_HOME", caches.clone().into()),
            ("XDG_DATA_HOME", caches.clone().into()),
            ("XDG_STATE_HOME", caches.into()),
        ]
    }

    fn commands(&self, phase: Phase) -> &'static [&'static str] {
        match phase {
            Phase::Init => &["{postkeep} init --repo {repo}"],
            Phase::First | Phase::NoChange | Phase::Changes | Phase::AfterDeletion => {
                &["{postkeep} backup --repo {repo} --server {full} --user {user} --mailbox @{list}"]
            }
            Phase::RestoreOne => &[
                "{postkeep} restore --repo {repo} --mailbox {mailbox} --item {item} \
                   --to-server {empty} --user {user}",
            ],
            Phase::RestoreAll => {
                &["{postkeep} restore --repo {repo} --to-server {empty} --user {user}"]
            }
            Phase::List => &["{postkeep} ls --repo {repo} **"],
            Phase::SearchFirst | Phase::Search => &["{postkeep} search --repo {repo} {word}"],
            Phase::Check => &["{postkeep} check --repo {repo} --read-data"],
            Phase::Prune => &["{postkeep} retention apply --repo {repo} --keep-last 2 --prune"],
        }
    }

    fn begin(&mut self, mail: &Mail, scratch: &Path) -> Result {
        let nothing = scratch.join("nothing");
        let addresses = mail.addresses()?;
        for address in &addresses {
            create(&nothing.join(address).join("Inbox"))?;
        }
        create(&scratch.join("caches"))?;
        if self.secret == Secret::KeyFile {
            // Its repository is nobody's: `init` takes the key file alone, as it is measured.
            let other = scratch.join("other");
            init_with_key_file(&self.program, &other, &scratch.join(KEY_FILE))?;
            clear(&other)?;
        }
        let list = scratch.join("mailboxes.txt");
        fs::write(&list, addresses.join("\n"))
            .map_err(|error| format!("cannot write {}: {error}", list.display()))?;
        self.full = Some(self.start(&mail.now())?);
        self.empty = Some(self.start(&nothing)?);
        Ok(())
    }

    fn before(&mut self, phase: Phase, mail: &Mail, scratch: &Path) -> Result {
        match phase {
            Phase::Changes => mail.change_server(&self.full_url()?),
            Phase::AfterDeletion => mail.empty_on_server(&self.full_url()?),
            Phase::RestoreOne => {
                self.item = self.first_item(mail, scratch)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn words(&self, mail: &Mail, scratch: &Path) -> Vec<(&'static str, OsString)> {
        let url = |server: &Option<Server>| server.as_ref().map_or_else(String::new, Server::url);
        vec![
            ("{postkeep}", self.program.clone().into()),
            ("{full}", url(&self.full).into()),
            ("{empty}", url(&self.empty).into()),
            ("{user}", USER.into()),
            ("{list}", scratch.join("mailboxes.txt").into()),
            ("{mailbox}", mail.one.0.clone().into()),
            ("{item}", self.item.clone().into()),
            ("{word}", WORD.into()),
        ]
    }

    fn end(&mut self) {
        (self.full, self.empty) = (None, None);
    }

    fn server_seconds(&self) -> Option<f64> {
        let full = self.full.as_ref()?.cpu_seconds()?;
        Some(full + self.empty.as_ref()?.cpu_seconds()?)
    }
}
