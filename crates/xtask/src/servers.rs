//! Real servers on loopback, for the tests of destinations.
//!
//! `cargo xtask ci` starts them before the tests, which find them by `POSTKEEP_SERVERS`: a file with a
//! line for each destination, `name url setting=value…`, separated by tabs.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::Result;
use crate::judge::system_python;
use crate::tool::Tool;
use crate::workspace::Workspace;

mod apache;
mod ftp;
mod moto;
mod openssh;
mod s3s;
mod swift;

/// How long a server may take to listen: Python starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the tests find them by.
pub(crate) const VARIABLE: &str = "POSTKEEP_SERVERS";
const AZURITE: &str = "azurite@3.35.0";
/// Azurite's documented account; it takes no other.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// An account that signs nothing.
const GOOGLE_ACCOUNT: &str =
    r#"{"private_key":"","private_key_id":"","client_email":"","disable_oauth":true}"#;

/// Servers that run until this is dropped.
pub(crate) struct Servers {
    children: Vec<Child>,
    /// The file that lists them.
    pub(crate) list: PathBuf,
}

/// Runs a command while the servers run.
pub(crate) fn run(workspace: &Workspace, program: &str, arguments: &[&str]) -> Result {
    let servers = Servers::start(workspace)?;
    Tool::new(program)
        .args(arguments)
        .env(VARIABLE, &servers.list)
        .current_dir(workspace.root())
        .run()
}

/// A destination that a server offers.
struct Offer {
    name: &'static str,
    url: String,
    settings: Vec<(&'static str, String)>,
}

impl Servers {
    /// Installs what is missing below `target/`, and starts all of them.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let root = workspace.target_dir("servers");
        let state = root.join("state");
        if state.exists() {
            fs::remove_dir_all(&state).map_err(|error| failed("clear", &state, &error))?;
        }
        fs::create_dir_all(&state).map_err(|error| failed("create", &state, &error))?;
        let mut servers = Self {
            children: Vec::new(),
            list: root.join("list"),
        };
        let scripts = workspace.root().join("crates/xtask/servers");
        let offers = [
            servers.moto(&root)?,
            servers.s3s((&root, &state))?,
            servers.azurite((&root, &state), &scripts)?,
            servers.google(&scripts, false)?,
            servers.google(&scripts, true)?,
            servers.oss(&scripts)?,
            servers.openssh(&state)?,
            servers.ftp((&root, &state), &scripts)?,
            servers.ftps((&root, &state), &scripts)?,
            servers.swift((&root, &state), &scripts)?,
        ];
        let web = servers.apache(&state)?;
        let lines: Vec<String> = offers.iter().chain(&web).map(line).collect();
        fs::write(&servers.list, lines.concat())
            .map_err(|error| failed("write", &servers.list, &error))?;
        Ok(servers)
    }

    fn azurite(&mut self, (root, state): (&Path, &Path), scripts: &Path) -> Result<Offer> {
        let folder = root.join("azurite");
        let program = folder.join("node_modules/.bin/azurite-blob");
        if !program.exists() {
            fs::create_dir_all(&folder).map_err(|error| failed("create", &folder, &error))?;
            Tool::new("npm")
                .args([
                    "install",
                    "--silent",
                    "--no-audit",
                    "--no-fund",
                    "--no-save",
                ])
                .arg(AZURITE)
                .current_dir(&folder)
                .run()?;
        }
        let port = free_port()?;
        let tool = Tool::new(program)
            .args(["--silent", "--inMemoryPersistence", "--skipApiVersionCheck"])
            .args([
                "--disableTelemetry",
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
            ])
            .arg(port.to_string())
            .current_dir(state);
        self.run(tool, port)?;
        Tool::new(system_python())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(scripts.join("azure_container.py"))
            .arg(format!("http://127.0.0.1:{port}"))
            .args([AZURITE_ACCOUNT, AZURITE_KEY, "postkeep"])
            .run()?;
        Ok(Offer {
            name: "azurite",
            url: format!("azure+http://127.0.0.1:{port}/{AZURITE_ACCOUNT}/postkeep/tests"),
            settings: vec![("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY.into())],
        })
    }

    fn google(&mut self, scripts: &Path, ignores_conditions: bool) -> Result<Offer> {
        let port = free_port()?;
        let mut tool = Tool::new(system_python())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(scripts.join("google_storage.py"))
            .args(["--port", &port.to_string()]);
        if ignores_conditions {
            tool = tool.arg("--ignore-conditions");
        }
        self.run(tool, port)?;
        Ok(Offer {
            name: match ignores_conditions {
                true => "google-careless",
                false => "google",
            },
            url: format!("gs+http://127.0.0.1:{port}/postkeep/tests"),
            settings: vec![("GOOGLE_SERVICE_ACCOUNT_KEY", GOOGLE_ACCOUNT.into())],
        })
    }

    /// What signs requests is OpenDAL's; nobody here looks at signatures.
    fn oss(&mut self, scripts: &Path) -> Result<Offer> {
        let port = free_port()?;
        let tool = Tool::new(system_python())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(scripts.join("google_storage.py"))
            .args(["--port", &port.to_string()]);
        self.run(tool, port)?;
        Ok(Offer {
            name: "oss",
            url: format!("oss+http://127.0.0.1:{port}/postkeep/tests"),
            settings: vec![
                ("ALIBABA_CLOUD_ACCESS_KEY_ID", "test".into()),
                ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "test".into()),
                ("OSS_ADDRESSING_STYLE", "path".into()),
            ],
        })
    }

    /// Starts a server and waits until it listens.
    fn run(&mut self, mut tool: Tool, port: u16) -> Result {
        let mut child = tool.spawn_mute()?;
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("a server ended at once ({status})"));
            }
            if begin.elapsed() > PATIENCE {
                let _ = child.kill();
                return Err(format!("a server does not listen on port {port}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.children.push(child);
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Asked first: Apache, killed, leaves its workers behind.
            let asked = Tool::new("kill").arg(child.id().to_string()).capture();
            let patience = if asked.is_ok() { 40 } else { 0 };
            for _ in 0..patience {
                if !matches!(child.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn line(offer: &Offer) -> String {
    let mut line = format!("{}\t{}", offer.name, offer.url);
    for (name, value) in &offer.settings {
        line.push_str(&format!("\t{name}={value}"));
    }
    line.push('\n');
    line
}

/// A Python of its own with one package, made once.
fn python_with(root: &Path, name: &str, package: &str) -> Result<PathBuf> {
    let folder = root.join(name);
    let python = folder.join("bin/python");
    let done = folder.join("installed");
    if fs::read_to_string(&done).is_ok_and(|text| text == package) {
        return Ok(python);
    }
    Tool::new(system_python())
        .args(["-m", "venv"])
        .arg(&folder)
        .run()?;
    Tool::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .arg(package)
        .run()?;
    fs::write(&done, package).map_err(|error| failed("write", &done, &error))?;
    Ok(python)
}

/// A port that nothing listens on at the moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| format!("no port can be had: {error}"))
}

fn http_put(host: &str, path: &str, headers: &str) -> Result {
    use std::io::{Read, Write};
    let put = || {
        let mut stream = TcpStream::connect(host)?;
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n{headers}connection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    match put() {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(answer) => Err(format!(
            "cannot make {path}: {}",
            answer.lines().next().unwrap_or("")
        )),
        Err(error) => Err(format!("cannot make {path}: {error}")),
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}
