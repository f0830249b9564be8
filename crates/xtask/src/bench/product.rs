//! The product's side: two servers, one full of mail and one empty, and a repository between them.

use std::ffi::OsString;
use std::path::Path;

use super::cost::{Cost, Meter, Series};
use super::server::Server;
use super::{Corpus, Outcome, clear, create, measure_folder};
use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The simulator's own account, which may impersonate every mailbox.
const USER: &str = "svc@example.test";
const PASSWORD: &str = "secret";

/// Where `postkeep sim` puts a folder that names no mailbox.
const MAILBOX: &str = "alice@example.test";

/// A command: its name, its arguments with `{}` placeholders, which server works, a whole corpus.
type Step = (&'static str, &'static str, Option<Which>, bool);

#[derive(Clone, Copy)]
enum Which {
    Full,
    Empty,
}

const STEPS: [Step; 4] = [
    ("init", "init --repo {repo}", None, false),
    (
        "first backup",
        "backup --repo {repo} --server {full} --user {user} --mailbox {mailbox}",
        Some(Which::Full),
        true,
    ),
    (
        "backup without changes",
        "backup --repo {repo} --server {full} --user {user} --mailbox {mailbox}",
        Some(Which::Full),
        false,
    ),
    (
        "restore into an empty mailbox",
        "restore --repo {repo} --snapshot latest --to-server {empty} --user {user} \
         --mailbox {mailbox}",
        Some(Which::Empty),
        true,
    ),
];

pub(super) fn measure(
    workspace: &Workspace,
    corpus: &Corpus,
    scratch: &Path,
    runs: usize,
) -> Result<Outcome> {
    let program = workspace.program("release");
    let version = Tool::new(&program).arg("--version").output()?;
    let mut steps = STEPS.map(|(name, command, _, moves_all)| Series {
        name,
        command: format!("postkeep {}", shown(command)),
        moves_all,
        costs: Vec::new(),
    });
    let scratch = scratch.join("postkeep");
    let mut stored_bytes = 0;
    for run in 1..=runs {
        println!("postkeep, run {run} of {runs}");
        clear(&scratch)?;
        let costs = run_once(workspace, &program, corpus, &scratch)?;
        for (series, cost) in steps.iter_mut().zip(costs) {
            series.costs.push(cost);
        }
        stored_bytes = measure_folder(&scratch.join("repository"))?.1;
    }
    Ok(Outcome {
        program: "postkeep",
        version: version.trim().to_owned(),
        steps: steps.into(),
        stored_bytes,
    })
}

fn run_once(
    workspace: &Workspace,
    program: &Path,
    corpus: &Corpus,
    scratch: &Path,
) -> Result<Vec<Cost>> {
    let nothing = scratch.join("nothing");
    create(&nothing.join(MAILBOX).join("Inbox"))?;
    let full = Server::start(program, &corpus.folder)?;
    let empty = Server::start(program, &nothing)?;
    let caches = scratch.join("caches");
    create(&caches)?;
    let environment = vec![
        ("POSTKEEP_PASSWORD", OsString::from(PASSWORD)),
        (
            "POSTKEEP_PASSPHRASE",
            OsString::from("a benchmark's secret"),
        ),
        // The caches are part of what is measured, and must not outlive it.
        ("XDG_CACHE_HOME", caches.clone().into_os_string()),
        ("XDG_DATA_HOME", caches.clone().into_os_string()),
        ("XDG_STATE_HOME", caches.into_os_string()),
    ];
    let meter = Meter::new(workspace, scratch, environment);
    let repository = scratch.join("repository");
    let mut costs = Vec::new();
    for (name, command, which, _) in STEPS {
        let server = which.map(|which| match which {
            Which::Full => &full,
            Which::Empty => &empty,
        });
        let before = server.and_then(Server::cpu_seconds);
        let words = command.split_whitespace().map(|word| match word {
            "{repo}" => repository.clone().into_os_string(),
            "{full}" => full.url().into(),
            "{empty}" => empty.url().into(),
            "{user}" => USER.into(),
            "{mailbox}" => MAILBOX.into(),
            word => word.into(),
        });
        let line: Vec<OsString> = std::iter::once(program.into()).chain(words).collect();
        let mut cost = meter.measure(name, &line)?;
        let after = server.and_then(Server::cpu_seconds);
        cost.server_seconds = before.zip(after).map(|(before, after)| after - before);
        println!("  {name}: {:.2} s", cost.wall_seconds);
        costs.push(cost);
    }
    Ok(costs)
}

/// The command as a reader would type it.
fn shown(command: &str) -> String {
    command
        .replace("{repo}", "REPO")
        .replace("{full}", "https://full/EWS/Exchange.asmx")
        .replace("{empty}", "https://empty/EWS/Exchange.asmx")
        .replace("{user}", USER)
        .replace("{mailbox}", MAILBOX)
}
