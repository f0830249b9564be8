//! What an export costs: 10,000 items in every format, without a server.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::cost::{Cost, Meter};
use super::report::{MEBIBYTE, MEGABYTE, machine, put_section};
use super::server::Server;
use super::{clear, create, measure_folder};
use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Items of the one mailbox that is exported.
const ITEMS: &str = "10000";
const MAILBOX: &str = "alice@example.test";
const USER: &str = "svc@example.test";
/// Formats that take every item.
const FORMATS: [&str; 5] = ["eml", "mbox", "maildir", "msg", "json"];

/// Measures once and writes the section of `docs/benchmarks.md`.
pub(crate) fn export(workspace: &Workspace) -> Result {
    Tool::cargo()
        .args(["build", "--release", "--package", "postkeep"])
        .current_dir(workspace.root())
        .run()?;
    let program = workspace.program("release");
    let scratch = workspace.target_dir("bench").join("export");
    clear(&scratch)?;
    let caches = scratch.join("caches");
    create(&caches)?;
    let environment = vec![
        ("POSTKEEP_PASSWORD", OsString::from("secret")),
        (
            "POSTKEEP_PASSPHRASE",
            OsString::from("a benchmark's secret"),
        ),
        ("XDG_CACHE_HOME", caches.clone().into_os_string()),
        ("XDG_DATA_HOME", caches.clone().into_os_string()),
        ("XDG_STATE_HOME", caches.into_os_string()),
    ];
    let meter = Meter::new(workspace, &scratch, environment);
    let run = |name: &str, words: &[&OsStr]| -> Result<Cost> {
        let line = std::iter::once(program.as_os_str()).chain(words.iter().copied());
        let line: Vec<OsString> = line.map(OsStr::to_owned).collect();
        let cost = meter.measure(name, &line)?;
        println!("{name}: {:.2} s", cost.wall_seconds);
        Ok(cost)
    };
    let repository = scratch.join("repository");
    let repo = [OsStr::new("--repo"), repository.as_os_str()];
    {
        let source = ["--generate", "1", "--items", ITEMS].map(OsStr::new);
        let server = Server::start(&program, &source)?;
        let url = server.url();
        run("init", &with(&["init"], repo))?;
        let words = [
            "backup",
            "--server",
            &url,
            "--user",
            USER,
            "--mailbox",
            MAILBOX,
        ];
        run("backup", &with(&words, repo))?;
    }
    let load = load();
    let mut lines = Vec::new();
    for format in FORMATS {
        let out = scratch.join(format);
        let mut words = with(&["export", "--format", format, "--out"], repo);
        words.insert(4, out.as_os_str());
        let cost = run(&format!("export {format}"), &words)?;
        lines.push(line(format, &out, &cost)?);
    }
    put_section(workspace, "export", &section(workspace, &load, &lines))
}

fn with<'a>(words: &[&'a str], more: [&'a OsStr; 2]) -> Vec<&'a OsStr> {
    let words = words.iter().map(|word| OsStr::new(*word));
    words.chain(more).collect()
}

/// A line of the table.
fn line(format: &str, out: &Path, cost: &Cost) -> Result<String> {
    let (files, bytes) = measure_folder(out)?;
    let items: f64 = ITEMS.parse().unwrap_or_default();
    Ok(format!(
        "| {format} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.1} | {files} |",
        cost.wall_seconds,
        cost.cpu_seconds(),
        cost.peak_rss_bytes as f64 / MEBIBYTE,
        items / cost.wall_seconds,
        items / cost.cpu_seconds(),
        bytes as f64 / MEGABYTE / cost.wall_seconds,
    ))
}

/// What else the machine was doing, where the system tells: wall-clock figures mean little on a
/// busy one.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    match load.split_whitespace().next() {
        Some(load) => format!(" The machine's load before the exports was {load}."),
        None => String::new(),
    }
}

fn section(workspace: &Workspace, load: &str, lines: &[String]) -> String {
    format!(
        "## Export of 10,000 items\n\nOne mailbox of about {ITEMS} generated mails, appointments, contacts and tasks \
         out of a repository in a local folder, no server running, one run each, release build. \
         {}{load} Opening the repository, the manifest with the SHA-256 of every file and the summary \
         page are part of it. MB are of files written.\n\n\
         | format | wall s | CPU s | peak MiB | items/s | items/CPU s | MB/s | files |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n{}\n\n```\n\
         postkeep sim --generate 1 --items {ITEMS}\n\
         postkeep export --repo REPO --format FORMAT --out DIR\n```\n",
        machine(workspace),
        lines.join("\n")
    )
}
