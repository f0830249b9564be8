//! Packages of the program, and the files in them that it writes itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::cargo_steps::{self, cargo};
use crate::judge::fresh_folder;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The profile of what is shipped.
const PROFILE: &str = "dist";
/// What packages have: destinations besides folders, keyrings and traces.
const FEATURES: [&str; 2] = ["--features", "postkeep/packaged"];
/// The shells, what their files are called, and how a shell reads a script without running it.
const SHELLS: [(&str, &str, &str); 3] = [
    ("bash", "postkeep.bash", "-n"),
    ("zsh", "_postkeep", "-n"),
    ("fish", "postkeep.fish", "--no-execute"),
];
/// Where a static program runs: on any Linux of this processor.
const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";
/// What a package must have, besides manual pages.
const PACKAGED: [&str; 8] = [
    "usr/bin/postkeep",
    "usr/lib/systemd/system/postkeep.service",
    "usr/lib/sysusers.d/postkeep.conf",
    "usr/share/bash-completion/completions/postkeep",
    "usr/share/zsh/vendor-completions/_postkeep",
    "usr/share/fish/vendor_completions.d/postkeep.fish",
    "usr/share/doc/postkeep/examples/postkeep.toml",
    "usr/share/doc/postkeep/copyright",
];

/// Builds the program and writes manual and completions into `target/package`.
pub(crate) fn files(workspace: &Workspace) -> Result {
    build(workspace, &[])?;
    let folder = workspace.target_dir("package");
    write(&workspace.program(PROFILE), &folder)?;
    println!("package: {}", folder.display());
    Ok(())
}

/// Makes the Debian package, and looks whether everything is in it and the program in it runs.
pub(crate) fn deb(workspace: &Workspace) -> Result {
    files(workspace)?;
    let arguments = [
        "deb",
        "--package",
        "postkeep",
        "--profile",
        PROFILE,
        "--no-build",
    ];
    let told = cargo(workspace, &arguments).output()?;
    let path = told
        .lines()
        .next_back()
        .map(PathBuf::from)
        .unwrap_or_default();
    let scratch = workspace.target_dir("package-unpacked");
    fresh_folder(&scratch)?;
    Tool::new("dpkg-deb")
        .arg("--extract")
        .args([&path, &scratch])
        .run()?;
    for name in PACKAGED {
        if !scratch.join(name).is_file() {
            return Err(format!("{} lacks {name}", path.display()));
        }
    }
    let program = scratch.join("usr/bin/postkeep");
    Tool::new(&program).arg("--version").run()?;
    examples(&program, workspace)?;
    println!("package: {} ({})", path.display(), megabytes(&path)?);
    Ok(())
}

/// Builds a program that needs no library of the system.
pub(crate) fn static_program(workspace: &Workspace) -> Result {
    build(workspace, &["--target", STATIC_TARGET])?;
    let program = workspace
        .target_dir(STATIC_TARGET)
        .join(PROFILE)
        .join("postkeep");
    let linked = Tool::new("ldd").arg(&program).capture()?;
    let told = String::from_utf8_lossy(&linked.stdout);
    if !told.contains("statically linked") && linked.status.success() {
        return Err(format!("{} is not static: {told}", program.display()));
    }
    Tool::new(&program).arg("--version").run()?;
    println!("package: {} ({})", program.display(), megabytes(&program)?);
    Ok(())
}

/// Looks at what goes into packages, with the program as CI tests it: that shells read the
/// completions, that every command has its page, and that the examples are right.
pub(crate) fn check(workspace: &Workspace) -> Result {
    cargo_steps::build_as_tested(workspace, "sign_in")?;
    let program = workspace.program("debug");
    let folder = workspace.target_dir("judges").join("package");
    write(&program, &folder)?;
    let mut read = Vec::new();
    for (shell, file, dry) in SHELLS {
        if Tool::new(shell).arg("--version").capture().is_ok() {
            Tool::new(shell).arg(dry).arg(folder.join(file)).run()?;
            read.push(shell);
        }
    }
    if !read.contains(&"bash") {
        return Err("bash is not installed".to_owned());
    }
    let pages = pages(&program, &folder)?;
    examples(&program, workspace)?;
    let read = read.join(", ");
    println!("package: {pages} manual pages; completions that these read: {read}");
    Ok(())
}

fn build(workspace: &Workspace, more: &[&str]) -> Result {
    let arguments = ["build", "--package", "postkeep", "--profile", PROFILE];
    cargo(workspace, &arguments).args(FEATURES).args(more).run()
}

/// Lets a program write its manual and completions into a folder.
fn write(program: &Path, folder: &Path) -> Result {
    // Pages of commands that are gone must not be packaged.
    fresh_folder(folder)?;
    let man = folder.join("man");
    fs::create_dir_all(&man).map_err(|error| told(&man, &error))?;
    Tool::new(program).args(["man", "--dir"]).arg(&man).run()?;
    for (shell, file, _) in SHELLS {
        let script = Tool::new(program).args(["completions", shell]).output()?;
        let file = folder.join(file);
        fs::write(&file, script).map_err(|error| told(&file, &error))?;
    }
    Ok(())
}

/// Looks for the page of each command that the help lists; gives how many pages there are.
fn pages(program: &Path, folder: &Path) -> Result<usize> {
    let help = Tool::new(program).arg("--help").output()?;
    let man = folder.join("man");
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help");
    for command in commands {
        let page = man.join(format!("postkeep-{command}.1"));
        let text = fs::read_to_string(&page).map_err(|error| told(&page, &error))?;
        let has = |part: &str| text.contains(part);
        if !has(".SH NAME")
            || !has(".SH SYNOPSIS")
            || !(has(".SH OPTIONS") || has(".SH SUBCOMMANDS"))
        {
            return Err(format!("{} is no whole page", page.display()));
        }
    }
    let pages = fs::read_dir(&man).map_err(|error| told(&man, &error))?;
    Ok(pages.count())
}

/// The configuration that packages have as an example must be right.
fn examples(program: &Path, workspace: &Workspace) -> Result {
    let example = workspace.root().join("packaging/postkeep.toml");
    Tool::new(program)
        .args(["config", "check", "--config"])
        .arg(example)
        .run()
}

fn megabytes(path: &Path) -> Result<String> {
    let about = fs::metadata(path).map_err(|error| told(path, &error))?;
    Ok(format!("{:.1} MB", about.len() as f64 / 1e6))
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
