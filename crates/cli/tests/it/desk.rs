//! Runs the program: a desk has a repository's place, caches and mail files of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const PASSPHRASE: &str = "correct horse";

/// A folder with everything one test needs.
pub struct Desk {
    dir: TempDir,
}

/// How a run ended.
pub struct Run {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            dir: TempDir::with_prefix("postkeep-test-").unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A folder of mail: alice has three mails in two folders, bob has one.
    pub fn mail(&self) -> PathBuf {
        for (path, subject) in [
            ("alice@example.test/Inbox/1.eml", "Quarterly numbers"),
            ("alice@example.test/Inbox/2.eml", "Lunch on Friday"),
            ("alice@example.test/Inbox/Projects/3.eml", "Bridge plans"),
            ("bob@example.test/Inbox/1.eml", "Welcome Bob"),
        ] {
            self.write(&format!("mail/{path}"), &mail(subject));
        }
        self.path("mail")
    }

    /// The program with the secrets in its environment and nothing else of ours.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postkeep"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("POSTKEEP_REPO", self.path("repo"))
            .env("POSTKEEP_PASSPHRASE", PASSPHRASE)
            .env("POSTKEEP_PASSWORD", "secret")
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("LOCALAPPDATA", self.path("cache"))
            .env("HOME", self.path("home"))
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// A run that must succeed; gives its standard output.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{args:?}\n{}", run.stderr);
        String::from_utf8(run.stdout).unwrap()
    }

    /// A run with `--json` that must succeed; gives the document.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    /// A backup of mailboxes at a server, by the simulator's account.
    #[track_caller]
    pub fn back_up(&self, server: &Server, mailboxes: &str) -> Value {
        let user = "svc@example.test";
        self.json(&[
            "backup",
            "--server",
            &server.url,
            "--user",
            user,
            "--mailbox",
            mailboxes,
        ])
    }
}

impl Run {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A simulator as a process of its own, gone when dropped.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    pub fn start(desk: &Desk, args: &[&str]) -> Self {
        let mut command = desk.command(&["sim", "--listen", "127.0.0.1:0", "--json", "--quiet"]);
        let mut child = command.args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut document = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            document.push_str(&line);
            if line == "}" {
                break;
            }
        }
        let document: Value = serde_json::from_str(&document).expect("the simulator says its URL");
        Self {
            url: document["url"].as_str().unwrap().to_owned(),
            child,
        }
    }

    /// With the mail of [`Desk::mail`] and an empty mailbox, carol.
    pub fn with_mail(desk: &Desk, more: &[&str]) -> Self {
        let mail = desk.mail();
        let mut args = vec![
            "--mail",
            mail.to_str().unwrap(),
            "--mailbox",
            "carol@example.test",
        ];
        args.extend(more);
        Self::start(desk, &args)
    }
}

impl Server {
    /// How many requests it was asked so far.
    pub fn requests(&self) -> u64 {
        self.stats()["requests_total"].as_u64().unwrap()
    }

    /// What it counts.
    pub fn stats(&self) -> Value {
        let host = self
            .url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET /sim/stats HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = &answer[answer.find("\r\n\r\n").unwrap()..];
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn mail(subject: &str) -> Vec<u8> {
    format!(
        "From: Dora <dora@example.test>\r\nTo: alice@example.test\r\nSubject: {subject}\r\n\
         Date: Mon, 5 Feb 2024 10:00:00 +0000\r\nMessage-ID: <{}@example.test>\r\n\
         X-Odd:   kept as it  is\r\n\r\nAbout {subject}.\r\n",
        subject.replace(' ', "-")
    )
    .into_bytes()
}

/// All files below a folder, by their path from there with forward slashes.
pub fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push(path.replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}
