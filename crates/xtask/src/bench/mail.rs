//! The mail that all programs back up, and what happens to it meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use super::{clear, create, measure_folder};
use crate::Result;
use crate::judge::system_python;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// One corpus: `now`, and what comes `later` or is `changed`, as address/folder/name.eml.
pub(super) struct Mail {
    /// What it is, for the report.
    pub(super) title: String,
    folder: PathBuf,
    script: PathBuf,
    /// The folder that is emptied in each mailbox.
    dropped: &'static str,
    /// The mail that is restored alone: its mailbox, folder and file.
    pub(super) one: (String, String, String),
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The share of the best other program's stored bytes that we set ourselves.
    pub(super) stored_target: f64,
}

impl Mail {
    /// Real messages.
    pub(super) fn real(workspace: &Workspace, scratch: &Path) -> Result<Self> {
        let source = workspace.shared_dir()?.join("corpus/mail");
        let folder = scratch.join("real");
        clear(&folder)?;
        let script = script(workspace);
        Tool::new(system_python())
            .arg(&script)
            .arg("split")
            .args([&source, &folder])
            .run()?;
        let (files, bytes) = measure_folder(&folder.join("now"))?;
        Ok(Mail {
            title: format!("{files} real messages"),
            one: first_mail(&folder.join("now"))?,
            folder,
            script,
            dropped: "openbmc",
            files,
            bytes,
            stored_target: 0.5,
        })
    }

    /// Made-up ones, the same for the same number.
    pub(super) fn generated(workspace: &Workspace, scratch: &Path, mails: u32) -> Result<Self> {
        let folder = scratch.join(format!("generated-{mails}"));
        if !folder.join("later").exists() {
            clear(&folder)?;
            println!("making up {mails} mails");
            Tool::cargo()
                .args(["run", "--quiet", "--release", "--package", "testkit"])
                .args(["--example", "mail_corpus", "--"])
                .arg(&folder)
                .arg(mails.to_string())
                .current_dir(workspace.root())
                .run()?;
        }
        let (files, bytes) = measure_folder(&folder.join("now"))?;
        Ok(Mail {
            title: format!("{files} made-up messages of sixty people"),
            one: first_mail(&folder.join("now"))?,
            folder,
            script: script(workspace),
            dropped: "Projects",
            files,
            bytes,
            stored_target: 0.55,
        })
    }

    /// Where the mail is as it is first.
    pub(super) fn now(&self) -> PathBuf {
        self.folder.join("now")
    }

    /// The mailboxes' addresses.
    pub(super) fn addresses(&self) -> Result<Vec<String>> {
        names(&self.now())
    }

    /// A copy of the files as they are first: hard links, since no program writes to them.
    pub(super) fn copy_to(&self, tree: &Path) -> Result {
        link_all(&self.now(), tree)
    }

    /// The day's changes, in a copy of the files.
    pub(super) fn change_files(&self, tree: &Path) -> Result {
        self.python().arg("files").args([&self.folder, tree]).run()
    }

    /// The same on a server.
    pub(super) fn change_server(&self, url: &str) -> Result {
        self.python().arg("apply").arg(url).arg(&self.folder).run()
    }

    pub(super) fn empty_folders(&self, tree: &Path) -> Result {
        for address in self.addresses()? {
            clear(&tree.join(address).join(self.dropped))?;
        }
        Ok(())
    }

    pub(super) fn empty_on_server(&self, url: &str) -> Result {
        self.python()
            .args(["drop", url])
            .arg(&self.folder)
            .arg(self.dropped)
            .run()
    }

    fn python(&self) -> Tool {
        Tool::new(system_python()).arg(&self.script)
    }
}

fn script(workspace: &Workspace) -> PathBuf {
    workspace.root().join("crates/xtask/judges/mail_changes.py")
}

/// The first file of the first folder of the first mailbox.
fn first_mail(now: &Path) -> Result<(String, String, String)> {
    let first = |folder: &Path| -> Result<String> {
        let name = names(folder)?.into_iter().next();
        name.ok_or_else(|| format!("nothing in {}", folder.display()))
    };
    let mailbox = first(now)?;
    let folder = first(&now.join(&mailbox))?;
    let file = first(&now.join(&mailbox).join(&folder))?;
    Ok((mailbox, folder, file))
}

/// What a folder holds, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn link_all(from: &Path, to: &Path) -> Result {
    create(to)?;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            link_all(&from, &to)?;
        } else {
            fs::hard_link(&from, &to)
                .map_err(|error| format!("cannot link {}: {error}", to.display()))?;
        }
    }
    Ok(())
}
