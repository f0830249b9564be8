//! A reader written from docs/format.md alone, against what `postkeep` itself says.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::cargo_steps;
use crate::judge::{fresh_folder, python_with};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// What the reader needs; newer ones are a change to try deliberately.
const PACKAGES: [&str; 4] = [
    "cryptography==50.0.2",
    "argon2-cffi==25.1.0",
    "blake3==1.0.11",
    "zstandard==0.25.0",
];
const CIPHERS: [&str; 2] = ["aes-256-gcm", "chacha20-poly1305"];

/// Items made up in each of two mailboxes: a few of every kind there is.
const GENERATED_ITEMS: u32 = 40;
/// Items of a third mailbox: more than one leaf of a tree can hold.
const MANY_ITEMS: usize = 2_500;
const MANY_MAILBOX: &str = "many@example.test";
/// Of that mailbox every so manieth stream is compared; the reader checks the hashes of all.
const MANY_STEP: usize = 100;

/// Attachments of one chunk, of several, and of more than a content record names itself.
const ATTACHMENT_BYTES: [usize; 3] = [20_000, 900_000, 12_000_000];

const START_LIMIT: Duration = Duration::from_secs(30);

/// Makes repositories of generated mail with two backups each, and compares every snapshot,
/// folder, item and stream of them between reader and program.
pub(crate) fn format(workspace: &Workspace) -> Result {
    let folder = workspace.target_dir("judges");
    let python = python_with(&folder.join("format-venv"), &PACKAGES)?;
    let program = cargo_steps::program(workspace)?;
    let scratch = folder.join("format");
    fresh_folder(&scratch)?;
    write_text(
        &scratch.join("passphrase"),
        "correct horse battery staple\n",
    )?;
    write_text(&scratch.join("password"), "secret\n")?;
    for cipher in CIPHERS {
        let case = Case {
            program: program.clone(),
            python: python.clone(),
            reader: workspace
                .root()
                .join("crates/xtask/judges/format_reader.py"),
            scratch: scratch.clone(),
            cipher,
        };
        case.make_repository()?;
        let read = case.compare()?;
        case.verify(&read)?;
    }
    Ok(())
}

/// One repository and who looks at it.
struct Case {
    program: PathBuf,
    python: PathBuf,
    reader: PathBuf,
    scratch: PathBuf,
    cipher: &'static str,
}

/// A stream that both sides gave out.
struct Stream {
    snapshot: String,
    item: String,
}

impl Case {
    fn make_repository(&self) -> Result {
        let simulator = self.start_simulator()?;
        let repository = self.repository();
        self.postkeep(&["init", "--cipher", self.cipher])?;
        let writer = self.writer_key();
        self.postkeep(&["key", "add", "--writer", "--new-key-file", &writer])?;
        let mailboxes = format!("alice@example.test,bob@example.test,{MANY_MAILBOX}");
        let account = ["--user", "svc@example.test", "--password-file"];
        let password = self.scratch.join("password").display().to_string();
        let backup = |access: [&str; 2]| -> Result {
            let mut arguments = vec!["backup", "--server", simulator.endpoint.as_str()];
            arguments.extend(account);
            arguments.extend([password.as_str(), "--mailbox", &mailboxes]);
            self.run(&arguments, access).map(drop)
        };
        let passphrase = self.passphrase();
        backup(["--passphrase-file", &passphrase])?;
        // New items, changed folders and deletions: the second snapshots are a base with a run.
        let mut arguments = vec!["restore", "--mailbox", "alice@example.test"];
        arguments.extend(["--folder", "Inbox", "--to-mailbox", "bob@example.test"]);
        arguments.extend(["--to-folder", "Put back"]);
        arguments.extend(account);
        arguments.push(&password);
        self.postkeep(&arguments)?;
        let listing = self.json(&["ls", "--mailbox", "alice@example.test", "Inbox"])?;
        for item in listing["mailboxes"][0]["items"]
            .as_array()
            .into_iter()
            .flatten()
            .step_by(5)
        {
            simulator.delete(text(item, "item_id")?)?;
        }
        // By a machine that cannot read: its new data is sealed with a session's key.
        backup(["--key-file", &writer])?;
        println!(
            "made {} with two backups, the second one sealed",
            repository.display()
        );
        Ok(())
    }

    fn start_simulator(&self) -> Result<Simulator> {
        let mail = self.scratch.join("mail");
        let inbox = mail.join("alice@example.test").join("Inbox");
        fs::create_dir_all(&inbox).map_err(|error| format!("{}: {error}", inbox.display()))?;
        for bytes in ATTACHMENT_BYTES {
            write_text(
                &inbox.join(format!("{bytes}.eml")),
                &mail_with_attachment(bytes),
            )?;
        }
        let many = json!({ "synthetic": [
            { "mailbox": MANY_MAILBOX, "folder": "Inbox", "count": MANY_ITEMS, "seed": 1 }
        ] });
        let config = self.scratch.join("simulator.json");
        write_text(&config, &many.to_string())?;
        // Free now, and nobody else is likely to take it within the moment until it is used.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(|error| format!("no free port: {error}"))?
            .port();
        let address = format!("127.0.0.1:{port}");
        let generated = GENERATED_ITEMS.to_string();
        let process = Tool::new(&self.program)
            .args([
                "--quiet",
                "sim",
                "--generate",
                "2",
                "--items",
                &generated,
                "--listen",
                &address,
            ])
            .arg("--mail")
            .arg(mail)
            .arg("--config")
            .arg(config)
            .spawn_silent()?;
        let endpoint = format!("http://{address}/EWS/Exchange.asmx");
        let mut simulator = Simulator {
            process,
            address,
            endpoint,
        };
        simulator.wait()?;
        Ok(simulator)
    }

    /// A drill's result, checked by minisign with the public key that the reader derived.
    fn verify(&self, read: &Value) -> Result {
        let listed = self.json(&["key", "list"])?;
        let (ours, theirs) = (&listed["public_keys"], &read["public_keys"]);
        same(ours, theirs, "the public keys of signatures")?;
        let key = ours[0].as_str().ok_or("there is no public key")?;
        let folder = self.scratch.join(format!("proof-{}", self.cipher));
        let folder = folder.display().to_string();
        let drill = self.json(&["drill", "--items", "5", "--out", &folder])?;
        let file = text(&drill, "file")?;
        let minisign = || Tool::new("minisign").args(["-Vqm", file, "-P", key]);
        let ours = || Tool::new(&self.program).args(["-q", "verify", file, "--public-key", key]);
        minisign().run()?;
        ours().output()?;
        let document = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        write_text(Path::new(file), &document.replace("true", "TRUE"))?;
        for (who, check) in [("minisign", minisign()), ("postkeep", ours())] {
            if check.capture()?.status.success() {
                return Err(format!("{who} takes a result that is not what was signed"));
            }
        }
        println!("ok    {}: minisign verifies a drill's result", self.cipher);
        Ok(())
    }

    fn compare(&self) -> Result<Value> {
        let read = self.read()?;
        let listed = self.json(&["snapshots"])?;
        let ours = by_id(&listed["snapshots"])?;
        let theirs = by_id(&read["snapshots"])?;
        if ours.keys().ne(theirs.keys()) {
            return Err("reader and program list different snapshots".to_owned());
        }
        let (mut items, mut streams, mut seen) = (0, Vec::new(), HashSet::new());
        for (id, snapshot) in &ours {
            let found = theirs[id];
            for name in ["mailbox", "time_unix_ms", "partial"] {
                same(
                    &snapshot[name],
                    &found[name],
                    &format!("{name} of snapshot {id}"),
                )?;
            }
            let about = found["about"]
                .as_object()
                .ok_or("a snapshot without a description")?;
            for (name, value) in about {
                same(&snapshot[name], value, &format!("{name} of snapshot {id}"))?;
            }
            let listing = self.json(&["ls", "--snapshot", id])?;
            let folders = &listing["mailboxes"][0]["folders"];
            same(
                folders,
                &found["folders"],
                &format!("folders of snapshot {id}"),
            )?;
            let found_items = by_key(&found["items"])?;
            let listed_items = self.items(id, folders)?;
            if listed_items != found_items {
                return Err(format!(
                    "reader and program list different items of snapshot {id}"
                ));
            }
            items += found_items.len();
            let many = found["mailbox"] == MANY_MAILBOX;
            for key in found_items.keys().step_by(if many { MANY_STEP } else { 1 }) {
                let stream = Stream {
                    snapshot: id.clone(),
                    item: key.clone(),
                };
                if seen.insert((key.clone(), self.read_stream(&stream)?.len())) {
                    streams.push(stream);
                }
            }
        }
        self.compare_streams(&streams)?;
        println!(
            "ok    {}: {} snapshots, {items} items, {} streams, {} packs: reader and program agree",
            self.cipher,
            ours.len(),
            streams.len(),
            read["packs"]
        );
        Ok(read)
    }

    /// What the reader finds; it leaves the streams in a folder.
    fn read(&self) -> Result<Value> {
        let output = Tool::new(&self.python)
            // The script lies among the sources, where no cache belongs.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(&self.reader)
            .arg(self.repository())
            .arg("--passphrase-file")
            .arg(self.scratch.join("passphrase"))
            .arg("--out")
            .arg(self.streams())
            .output()?;
        parse(&output)
    }

    /// The items that `ls` lists below all folders of the top, by key.
    fn items(&self, snapshot: &str, folders: &Value) -> Result<BTreeMap<String, Value>> {
        // `ls` of a folder lists those below it too.
        let mut tops = BTreeSet::new();
        for folder in folders.as_array().into_iter().flatten() {
            if folder["items"] != 0 {
                let path = text(folder, "path")?;
                tops.insert(path.split_once('/').map_or(path, |(top, _)| top));
            }
        }
        let mut items = BTreeMap::new();
        for top in tops {
            let listing = self.json(&["ls", "--snapshot", snapshot, top])?;
            items.append(&mut by_key(&listing["mailboxes"][0]["items"])?);
        }
        Ok(items)
    }

    fn compare_streams(&self, streams: &[Stream]) -> Result {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let work = || {
            while let Some(stream) = streams.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.compare_stream(stream) {
                    next.store(streams.len(), Ordering::Relaxed);
                    *failed.lock().expect("no worker panics") = Some(error);
                }
            }
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        });
        failed
            .into_inner()
            .expect("no worker panics")
            .map_or(Ok(()), Err)
    }

    fn compare_stream(&self, stream: &Stream) -> Result {
        let Stream { snapshot, item } = stream;
        let arguments = ["cat", "--format", "native", "--snapshot", snapshot, item];
        let ours = self.postkeep(&arguments)?;
        if ours == self.read_stream(stream)? {
            return Ok(());
        }
        Err(format!(
            "the stream of item {item} of snapshot {snapshot} differs"
        ))
    }

    fn read_stream(&self, stream: &Stream) -> Result<Vec<u8>> {
        let file = self.streams().join(&stream.snapshot).join(&stream.item);
        fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let mut all = vec!["--json"];
        all.extend(arguments);
        parse(&String::from_utf8_lossy(&self.postkeep(&all)?))
    }

    /// Runs a command on the repository and returns what it prints.
    fn postkeep(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        self.run(arguments, ["--passphrase-file", &self.passphrase()])
    }

    /// The same with the secret that opens the repository.
    fn run(&self, arguments: &[&str], access: [&str; 2]) -> Result<Vec<u8>> {
        let output = Tool::new(&self.program)
            .arg("--quiet")
            .args(arguments)
            .arg("--repo")
            .arg(self.repository())
            .args(access)
            .arg("--cache-dir")
            .arg(self.scratch.join("cache"))
            .capture()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "postkeep {}: {}",
            arguments.join(" "),
            complaint.trim()
        ))
    }

    fn passphrase(&self) -> String {
        self.scratch.join("passphrase").display().to_string()
    }

    fn writer_key(&self) -> String {
        let file = format!("writer-{}.key", self.cipher);
        self.scratch.join(file).display().to_string()
    }

    fn repository(&self) -> PathBuf {
        self.scratch.join(format!("repository-{}", self.cipher))
    }

    fn streams(&self) -> PathBuf {
        self.scratch.join(format!("streams-{}", self.cipher))
    }
}

/// A running `postkeep sim`; ends with this value.
struct Simulator {
    process: Child,
    address: String,
    endpoint: String,
}

impl Simulator {
    fn wait(&mut self) -> Result {
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("the simulator ended ({status})"));
            }
            if start.elapsed() > START_LIMIT {
                return Err("the simulator does not listen".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Deletes an item of alice@example.test, who signs in with the password `secret`.
    fn delete(&self, item_id: &str) -> Result {
        let body = format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
 xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
<s:Header><t:RequestServerVersion Version="Exchange2013"/></s:Header>
<s:Body><m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="{item_id}"/></m:ItemIds>
</m:DeleteItem></s:Body></s:Envelope>"#
        );
        let request = format!(
            "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Authorization: Basic YWxpY2VAZXhhbXBsZS50ZXN0OnNlY3JldA==\r\n\
             Content-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut answer = String::new();
        TcpStream::connect(&self.address)
            .and_then(|mut stream| {
                stream.write_all(request.as_bytes())?;
                stream.read_to_string(&mut answer)
            })
            .map_err(|error| format!("cannot delete an item: {error}"))?;
        if answer.contains("NoError") {
            return Ok(());
        }
        Err(format!("the simulator does not delete: {answer}"))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about anything else.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A mail with a text attachment of about this many bytes that does not repeat itself.
fn mail_with_attachment(bytes: usize) -> String {
    let mut mail = format!(
        "From: Bob <bob@example.test>\r\nTo: alice@example.test\r\n\
         Subject: {bytes} bytes\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n\
         Message-ID: <{bytes}@example.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=next\r\n\r\n\
         --next\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n\
         --next\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=numbers.bin\r\n\r\n"
    );
    let mut state = bytes as u64;
    let end = mail.len() + bytes;
    while mail.len() < end {
        // Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        mail.push_str(&format!("{:016x}\r\n", state ^ state >> 29));
    }
    mail.push_str("--next--\r\n");
    mail
}

fn by_id(list: &Value) -> Result<BTreeMap<String, &Value>> {
    let members = list.as_array().ok_or("a list is missing")?;
    members
        .iter()
        .map(|member| Ok((text(member, "id")?.to_owned(), member)))
        .collect()
}

fn by_key(list: &Value) -> Result<BTreeMap<String, Value>> {
    let members = list.as_array().ok_or("a list is missing")?;
    members
        .iter()
        .map(|member| Ok((text(member, "key")?.to_owned(), member.clone())))
        .collect()
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name]
        .as_str()
        .ok_or_else(|| format!("{name} is missing"))
}

fn same(ours: &Value, theirs: &Value, what: &str) -> Result {
    if ours == theirs {
        return Ok(());
    }
    Err(format!(
        "{what}: the program says {ours}, the reader {theirs}"
    ))
}

fn parse(json: &str) -> Result<Value> {
    serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))
}

fn write_text(file: &Path, text: &str) -> Result {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
