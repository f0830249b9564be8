//! Independent programs that say whether our side keeps to the protocol.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::cargo_steps;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The client and its version; a newer one is a change to try deliberately.
const EXCHANGELIB: &str = "exchangelib==5.6.0";

/// The other client library.
const EWS_JAVASCRIPT: &str = "ews-javascript-api@0.15.3";

/// A client that reads the service's description first, and a package that it forgets to name.
const NODE_EWS: [&str; 2] = ["node-ews@3.5.0", "ntlm-client@0.1.1"];

/// A client that knows nothing of Exchange but the service's description, and what it judges answers with.
const ZEEP: [&str; 2] = ["zeep==4.3.3", "lxml==6.1.3"];

/// Every client that judges the simulator, one after the other.
pub(crate) fn clients(workspace: &Workspace) -> Result {
    exchangelib(workspace)?;
    ews_javascript(workspace)?;
    node_ews(workspace)?;
    zeep(workspace)?;
    davmail(workspace)?;
    thunderbird(workspace)
}

/// Runs exchangelib, a client written by people who know nothing of us, against `postkeep sim`.
pub(crate) fn exchangelib(workspace: &Workspace) -> Result {
    let python = exchangelib_python(workspace)?;
    let judge = client_judge(workspace, python.as_os_str(), "exchangelib")?;
    judge.run()
}

/// A Python that has exchangelib.
pub(crate) fn exchangelib_python(workspace: &Workspace) -> Result<PathBuf> {
    let venv = workspace.target_dir("judges").join("exchangelib-venv");
    python_with(&venv, &[EXCHANGELIB])
}

/// Runs ews-javascript-api, which npm installs below `target/`, against `postkeep sim`.
pub(crate) fn ews_javascript(workspace: &Workspace) -> Result {
    let modules = node_modules(workspace, "ews-javascript", &[EWS_JAVASCRIPT])?;
    let judge = client_judge(workspace, system_python().as_ref(), "ews_javascript")?;
    judge.arg("--modules").arg(&modules).run()
}

/// Runs node-ews, which npm installs below `target/`, against `postkeep sim` that serves Microsoft's
/// description of the service.
pub(crate) fn node_ews(workspace: &Workspace) -> Result {
    let Some(schema) = description(workspace)? else {
        return Ok(());
    };
    let modules = node_modules(workspace, "node-ews", &NODE_EWS)?;
    let judge = client_judge(workspace, system_python().as_ref(), "node_ews")?;
    let judge = judge.arg("--modules").arg(&modules);
    judge.arg("--schema").arg(schema).run()
}

/// Runs zeep, a SOAP client, on every operation that the same description names.
pub(crate) fn zeep(workspace: &Workspace) -> Result {
    let Some(schema) = description(workspace)? else {
        return Ok(());
    };
    let venv = workspace.target_dir("judges").join("zeep-venv");
    let python = python_with(&venv, &ZEEP)?;
    let judge = client_judge(workspace, python.as_os_str(), "zeep")?;
    judge.arg("--schema").arg(schema).run()
}

/// The folder with Microsoft's description of the service, which is no part of the project: where it is
/// missing, that is said and the judge left out, but never in CI.
fn description(workspace: &Workspace) -> Result<Option<PathBuf>> {
    match workspace.shared_dir() {
        Ok(shared) => Ok(Some(shared.join("ews/schema"))),
        Err(missing) if std::env::var_os("CI").is_none() => {
            println!("SKIPPED: this client judges nothing without the description: {missing}");
            Ok(None)
        }
        Err(missing) => Err(missing),
    }
}

/// The folder that has some packages of npm, made when it is not there yet.
fn node_modules(workspace: &Workspace, name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = workspace.target_dir("judges").join(format!("{name}-npm"));
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    let is_there = |package: &&str| {
        let name = package.split('@').next().unwrap_or_default();
        folder.join("node_modules").join(name).exists()
    };
    if !packages.iter().all(is_there) {
        Tool::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
            .args(["install", "--no-audit", "--no-fund", "--no-save"])
            .args(["--prefix".as_ref(), folder.as_os_str()])
            .args(packages)
            .run()?;
    }
    Ok(folder)
}

/// Runs DavMail, a gateway from IMAP, CalDAV and CardDAV to EWS, against `postkeep sim`.
pub(crate) fn davmail(workspace: &Workspace) -> Result {
    client_judge(workspace, system_python().as_ref(), "davmail")?.run()
}

/// Runs Thunderbird, the mail program, against `postkeep sim`; exchangelib looks up what came of it.
pub(crate) fn thunderbird(workspace: &Workspace) -> Result {
    let python = exchangelib_python(workspace)?;
    client_judge(workspace, python.as_os_str(), "thunderbird")?.run()
}

/// The command of a judge whose script is `<name>_check.py`, with the program built and an empty
/// folder for what it leaves behind.
fn client_judge(workspace: &Workspace, python: &OsStr, name: &str) -> Result<Tool> {
    let program = cargo_steps::program(workspace)?;
    let judges = workspace.root().join("crates/xtask/judges");
    let scratch = workspace.target_dir("judges").join(name);
    fresh_folder(&scratch)?;
    Ok(Tool::new(python)
        // The script lies among the sources, where no cache belongs.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(judges.join(format!("{name}_check.py")))
        .arg("--postkeep")
        .arg(program)
        .arg("--scratch")
        .arg(&scratch))
}

/// Lets Apache's NTLM and MIT's Kerberos judge how the client signs in.
pub(crate) fn auth(workspace: &Workspace) -> Result {
    let build = |arguments: &[&str]| {
        let cargo = Tool::cargo().arg("build").args(arguments);
        cargo.current_dir(workspace.root()).run()
    };
    build(&["--package", "postkeep", "--features", "kerberos"])?;
    let example = ["--example", "sign_in", "--features", "kerberos"];
    build(&[&["--package", "ews-client"][..], &example].concat())?;
    auth_built(workspace)
}

/// The same after the tests, with what they were built with.
pub(crate) fn auth_as_tested(workspace: &Workspace) -> Result {
    cargo_steps::build_as_tested(workspace, "sign_in")?;
    auth_built(workspace)
}

fn auth_built(workspace: &Workspace) -> Result {
    let scratch = workspace.target_dir("judges").join("auth");
    clear(&scratch)?;
    let programs = workspace.program("debug");
    let example = programs.with_file_name("examples").join("sign_in");
    Tool::new(system_python())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(workspace.root().join("crates/xtask/judges/auth_check.py"))
        .arg("--postkeep")
        .arg(&programs)
        .arg("--example")
        .arg(example)
        .arg("--scratch")
        .arg(&scratch)
        .run()
}

/// The system's Python 3, under the name it has here.
pub(crate) fn system_python() -> &'static str {
    if cfg!(windows) { "python" } else { "python3" }
}

/// An empty folder, whatever was there before.
pub(crate) fn fresh_folder(folder: &Path) -> Result {
    clear(folder)?;
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))
}

fn clear(folder: &Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
    }
    Ok(())
}

/// A Python environment that has some packages, made when it is not there yet.
pub(crate) fn python_with(venv: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = if cfg!(windows) {
        venv.join("Scripts").join("python.exe")
    } else {
        venv.join("bin").join("python")
    };
    if !python.exists() {
        Tool::new(system_python())
            .args(["-m", "venv"])
            .arg(venv)
            .run()?;
    }
    Tool::new(&python)
        .args(["-m", "pip", "install", "--quiet"])
        .args(packages)
        .run()?;
    Ok(python)
}
