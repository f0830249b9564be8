//! Packages of the program, and the files in them that it writes itself.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::cargo_steps::cargo;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The profile of what is shipped.
const PROFILE: &str = "dist";
/// What packages have: destinations besides folders.
const FEATURES: [&str; 2] = ["--features", "postkeep/destinations"];
/// The shells and what their files are called.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "postkeep.bash"),
    ("zsh", "_postkeep"),
    ("fish", "postkeep.fish"),
];

/// Builds the program and writes manual and completions into `target/package`.
pub(crate) fn files(workspace: &Workspace) -> Result {
    cargo(
        workspace,
        &["build", "--package", "postkeep", "--profile", PROFILE],
    )
    .args(FEATURES)
    .run()?;
    let program = workspace.program(PROFILE);
    let folder = workspace.target_dir("package");
    let man = folder.join("man");
    // Pages of commands that are gone must not be packaged.
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(told(&folder, &error));
        }
        _ => {}
    }
    fs::create_dir_all(&man).map_err(|error| told(&man, &error))?;
    Tool::new(&program).args(["man", "--dir"]).arg(&man).run()?;
    for (shell, file) in SHELLS {
        let script = Tool::new(&program).args(["completions", shell]).output()?;
        let file = folder.join(file);
        fs::write(&file, script).map_err(|error| told(&file, &error))?;
    }
    println!("package: {}", folder.display());
    Ok(())
}

/// Makes the Debian package.
pub(crate) fn deb(workspace: &Workspace) -> Result {
    files(workspace)?;
    let deb = [
        "deb",
        "--package",
        "postkeep",
        "--profile",
        PROFILE,
        "--no-build",
    ];
    cargo(workspace, &deb).run()
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
