//! exchangelib on the same server: what a script in Python would cost for reading alone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::contender::Program;
use super::mail::Mail;
use super::phase::Phase;
use super::product::USER;
use super::server::Server;
use crate::Result;
use crate::judge::exchangelib_python;
use crate::tool::Tool;
use crate::workspace::Workspace;

pub(super) struct Exchangelib {
    python: PathBuf,
    script: PathBuf,
    /// `postkeep`, for its simulator.
    program: PathBuf,
    server: Option<Server>,
}

impl Exchangelib {
    pub(super) fn install(workspace: &Workspace, program: PathBuf) -> Result<Self> {
        Ok(Exchangelib {
            python: exchangelib_python(workspace)?,
            script: workspace
                .root()
                .join("crates/xtask/judges/exchangelib_read.py"),
            program,
            server: None,
        })
    }
}

impl Program for Exchangelib {
    fn name(&self) -> &'static str {
        "exchangelib"
    }

    fn version(&self) -> Result<String> {
        let version = "import exchangelib; print('exchangelib', exchangelib.__version__)";
        Tool::new(&self.python).args(["-c", version]).output()
    }

    fn environment(&self, _scratch: &Path) -> Vec<(&'static str, OsString)> {
        vec![("PYTHONDONTWRITEBYTECODE", "1".into())]
    }

    fn commands(&self, phase: Phase) -> &'static [&'static str] {
        match phase {
            Phase::First => &["{python} {script} {url} {user} {list}"],
            _ => &[],
        }
    }

    fn begin(&mut self, mail: &Mail, scratch: &Path) -> Result {
        let list = scratch.join("mailboxes.txt");
        fs::write(&list, mail.addresses()?.join("\n"))
            .map_err(|error| format!("cannot write {}: {error}", list.display()))?;
        // Nothing is stored; the folder is there to be weighed as the others.
        super::create(&scratch.join("repository"))?;
        let now = mail.now();
        let source = [OsStr::new("--mail"), now.as_os_str()];
        self.server = Some(Server::start(&self.program, &source)?);
        Ok(())
    }

    fn before(&mut self, _phase: Phase, _mail: &Mail, _scratch: &Path) -> Result {
        Ok(())
    }

    fn words(&self, _mail: &Mail, scratch: &Path) -> Vec<(&'static str, OsString)> {
        let url = self.server.as_ref().map_or_else(String::new, Server::url);
        vec![
            ("{python}", self.python.clone().into()),
            ("{script}", self.script.clone().into()),
            ("{url}", url.into()),
            ("{user}", USER.into()),
            ("{list}", scratch.join("mailboxes.txt").into()),
        ]
    }

    fn end(&mut self) {
        self.server = None;
    }
}
