//! How cost grows with size: items of a mailbox, mailboxes, snapshots.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::cost::{Cost, Meter};
use super::plot;
use super::product::init_with_key_file;
use super::report::{MEBIBYTE, machine, put_section};
use super::server::Server;
use super::{clear, create};
use crate::Result;
use crate::judge::system_python;
use crate::tool::Tool;
use crate::workspace::Workspace;

const MAILBOX: &str = "alice@example.test";
const USER: &str = "svc@example.test";
/// Mails that are new when a mailbox is read again.
const NEW_MAILS: usize = 1_000;

/// The largest of each.
pub(crate) struct ScaleOptions {
    items: u64,
    mailboxes: u64,
    snapshots: u64,
}

impl ScaleOptions {
    /// Reads `[--items N] [--mailboxes N] [--snapshots N]`.
    pub(crate) fn parse(mut words: &[&str]) -> Result<Self> {
        let mut options = ScaleOptions {
            items: 1_000_000,
            mailboxes: 10_000,
            snapshots: 1_000,
        };
        while let [name, value, rest @ ..] = words {
            words = rest;
            let number = value.parse().ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| format!("{name} takes a number, not {value}"))?;
            match *name {
                "--items" => options.items = number,
                "--mailboxes" => options.mailboxes = number,
                "--snapshots" => options.snapshots = number,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        match words {
            [] => Ok(options),
            [name, ..] => Err(format!("{name} needs a value")),
        }
    }
}

/// A hundredth, a tenth, and all of it.
fn steps(largest: u64) -> [u64; 3] {
    [(largest / 100).max(1), (largest / 10).max(1), largest]
}

/// Measures and writes the section of `docs/benchmarks.md`, and the plot beside it.
pub(crate) fn scale(workspace: &Workspace, options: &ScaleOptions) -> Result {
    super::shipped(workspace)?;
    let mut text = format!(
        "## Cost against size\n\n`cargo xtask bench scale`, once each, key file instead of a \
         passphrase. {}\n\n",
        machine(workspace)
    );
    let mut curves = Vec::new();
    text.push_str("| items in the mailbox | first backup, CPU s | 1,000 new, CPU s | MiB | no change, CPU s |\n| ---: | ---: | ---: | ---: | ---: |\n");
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for items in steps(options.items) {
        let place = Place::new(workspace, "items")?;
        let costs = place.mailbox(workspace, items)?;
        let _ = writeln!(
            text,
            "| {items} | {:.2} | {:.2} | {:.0} | {:.2} |",
            costs[0].cpu_seconds(),
            costs[1].cpu_seconds(),
            costs[1].peak_rss_bytes as f64 / MEBIBYTE,
            costs[2].cpu_seconds()
        );
        first.push((items as f64, costs[0].cpu_seconds()));
        again.push((items as f64, costs[1].cpu_seconds()));
    }
    curves.push(("first backup of N items", first));
    curves.push(("1,000 new among N items", again));
    text.push_str("\n| mailboxes without changes | CPU ms each | requests each | MiB |\n| ---: | ---: | ---: | ---: |\n");
    let mut idle = Vec::new();
    for mailboxes in steps(options.mailboxes) {
        let place = Place::new(workspace, "mailboxes")?;
        let (cost, requests) = place.mailboxes(mailboxes)?;
        let _ = writeln!(
            text,
            "| {mailboxes} | {:.2} | {:.2} | {:.0} |",
            1000.0 * cost.cpu_seconds() / mailboxes as f64,
            requests as f64 / mailboxes as f64,
            cost.peak_rss_bytes as f64 / MEBIBYTE
        );
        idle.push((mailboxes as f64, cost.cpu_seconds()));
    }
    curves.push(("N mailboxes without changes", idle));
    text.push_str("\n| snapshots | listing, CPU ms | wall ms |\n| ---: | ---: | ---: |\n");
    let mut listed = Vec::new();
    let place = Place::new(workspace, "snapshots")?;
    for (snapshots, cost) in place.snapshots(options.snapshots)? {
        let (cpu, wall) = (1000.0 * cost.cpu_seconds(), 1000.0 * cost.wall_seconds);
        let _ = writeln!(text, "| {snapshots} | {cpu:.0} | {wall:.0} |");
        listed.push((snapshots as f64, cost.cpu_seconds()));
    }
    curves.push(("listing N snapshots", listed));
    let path = workspace.root().join("docs/scale.svg");
    fs::write(&path, plot::svg(&curves))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    text.push_str("\n![Processor seconds against size](scale.svg)\n");
    put_section(workspace, "scale", &text)
}

/// A repository, its caches, and a program that uses them.
struct Place {
    folder: PathBuf,
    program: PathBuf,
    script: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Place {
    fn new(workspace: &Workspace, name: &str) -> Result<Self> {
        let folder = workspace.target_dir("bench").join("scale").join(name);
        clear(&folder)?;
        let caches = folder.join("caches");
        create(&caches)?;
        let key = folder.join("key");
        let place = Place {
            program: workspace.program(super::SHIPPED),
            script: workspace.root().join("crates/xtask/judges/mail_changes.py"),
            environment: vec![
                ("POSTKEEP_PASSWORD", "secret".into()),
                ("POSTKEEP_KEY_FILE", key.clone().into()),
                ("XDG_CACHE_HOME", caches.clone().into()),
                ("XDG_DATA_HOME", caches.clone().into()),
                ("XDG_STATE_HOME", caches.into()),
            ],
            folder,
        };
        Ok(place)
    }

    /// Creates the repository, and the key file by which all that is measured opens it.
    fn init(&self) -> Result {
        let (repository, key) = (self.folder.join("repository"), self.folder.join("key"));
        init_with_key_file(&self.program, &repository, &key)
    }

    /// So many small mailboxes.
    fn many(&self, mailboxes: u64) -> Result<Server> {
        let generate = serde_json::json!({"seed": 1, "mailboxes": mailboxes, "items": 1});
        self.server(&serde_json::json!({ "generate": generate }))
    }

    /// A mailbox with a folder of small mails that are made when asked for: a million would not
    /// fit into memory.
    fn large(&self, items: u64) -> Result<Server> {
        let folder =
            serde_json::json!({"mailbox": MAILBOX, "folder": "Inbox", "count": items, "seed": 7});
        self.server(&serde_json::json!({"mailboxes": [MAILBOX], "synthetic": [folder]}))
    }

    fn server(&self, config: &serde_json::Value) -> Result<Server> {
        let path = self.folder.join("server.json");
        fs::write(&path, config.to_string())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Server::start(&self.program, &[OsStr::new("--config"), path.as_os_str()])
    }

    fn run(&self, workspace_meter: &Meter<'_>, words: &[&str]) -> Result<Cost> {
        let mut command = vec![self.program.clone().into_os_string()];
        command.extend(words.iter().map(OsString::from));
        command.push("--repo".into());
        command.push(self.folder.join("repository").into());
        workspace_meter.measure(words.first().copied().unwrap_or_default(), &command)
    }

    fn meter<'a>(&'a self, workspace: &Workspace) -> Meter<'a> {
        Meter::new(workspace, &self.folder, self.environment.clone())
    }

    /// A first backup, one with new mails, one without changes.
    fn mailbox(&self, workspace: &Workspace, items: u64) -> Result<[Cost; 3]> {
        let meter = self.meter(workspace);
        let server = self.large(items)?;
        let url = server.url();
        let backup = [
            "backup",
            "--server",
            &url,
            "--user",
            USER,
            "--mailbox",
            MAILBOX,
        ];
        self.init()?;
        let first = self.run(&meter, &backup)?;
        let changes = self.folder.join("changes");
        new_mails(&changes)?;
        Tool::new(system_python())
            .arg(&self.script)
            .args(["apply", &url])
            .arg(&changes)
            .run()?;
        let again = self.run(&meter, &backup)?;
        let idle = self.run(&meter, &backup)?;
        Ok([first, again, idle])
    }

    /// A run over mailboxes that did not change, and the requests it took.
    fn mailboxes(&self, count: u64) -> Result<(Cost, u64)> {
        let workspace = Workspace::load()?;
        let meter = self.meter(&workspace);
        let server = self.many(count)?;
        let url = server.url();
        let backup = [
            "backup", "--server", &url, "--user", USER, "--all", "--json",
        ];
        self.init()?;
        self.run(&meter, &backup)?;
        let cost = self.run(&meter, &backup)?;
        let path = self.folder.join("backup.out");
        let json = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let report: serde_json::Value =
            serde_json::from_str(&json).map_err(|error| format!("backup --json: {error}"))?;
        let requests = report.get("requests").and_then(serde_json::Value::as_u64);
        Ok((
            cost,
            requests.ok_or("backup --json does not tell the requests")?,
        ))
    }

    /// Listings of a repository with ever more snapshots.
    fn snapshots(&self, largest: u64) -> Result<Vec<(u64, Cost)>> {
        let workspace = Workspace::load()?;
        let meter = self.meter(&workspace);
        let server = self.large(1)?;
        let url = server.url();
        let backup = [
            "backup",
            "--server",
            &url,
            "--user",
            USER,
            "--mailbox",
            MAILBOX,
        ];
        self.init()?;
        let mut listed = Vec::new();
        for number in 1..=largest {
            self.run(&meter, &backup)?;
            if steps(largest).contains(&number) {
                listed.push((number, self.run(&meter, &["snapshots"])?));
            }
        }
        Ok(listed)
    }
}

fn new_mails(changes: &Path) -> Result {
    // The script looks there for whose mail it is.
    create(&changes.join("now").join(MAILBOX).join("Inbox"))?;
    create(&changes.join("changed"))?;
    let folder = changes.join("later").join(MAILBOX).join("Inbox");
    create(&folder)?;
    for number in 0..NEW_MAILS {
        let mail = format!(
            "From: Bob <bob@example.test>\r\nTo: Alice <{MAILBOX}>\r\nSubject: News {number}\r\n\
             Message-ID: <news-{number}@example.test>\r\n\
             Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nNothing happened, for the {number}th time.\r\n"
        );
        fs::write(folder.join(format!("{number:06}.eml")), mail)
            .map_err(|error| format!("cannot write a mail: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_wrong_ones_named() {
        let options = ScaleOptions::parse(&["--items", "500", "--snapshots", "7"]).unwrap();
        assert_eq!(
            (options.items, options.mailboxes, options.snapshots),
            (500, 10_000, 7)
        );
        for wrong in [&["--items"][..], &["--items", "0"], &["--other", "1"]] {
            assert!(ScaleOptions::parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(steps(50), [1, 5, 50]);
    }
}
