//! Where everything is, as cargo and git tell it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Result;
use crate::tool::Tool;

/// The checkout this program was built from.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    packages: Vec<Package>,
}

/// A workspace member.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A line of a member's manifest.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for an ordinary one.
    pub(crate) kind: Option<String>,
    /// Set for crates of this workspace.
    pub(crate) path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Package>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        // The folder this program was compiled in, so that it works from anywhere below it.
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let json = Tool::cargo()
            .args(["metadata", "--no-deps", "--format-version=1"])
            .arg("--manifest-path")
            .arg(manifest)
            .output()?;
        let metadata: Metadata = serde_json::from_str(&json)
            .map_err(|error| format!("cargo metadata answered something unknown: {error}"))?;
        Ok(Workspace {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            packages: metadata.packages,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// A folder of our own below cargo's target folder.
    pub(crate) fn target_dir(&self, name: &str) -> PathBuf {
        self.target.join(name)
    }

    /// Where the tests leave the messages they exchange.
    pub(crate) fn wire_dir(&self) -> PathBuf {
        self.target_dir("wire")
    }

    /// The program, built with a profile named like its output folder: `debug`, `release`, `dist`.
    pub(crate) fn program(&self, folder: &str) -> PathBuf {
        let name = format!("postkeep{}", std::env::consts::EXE_SUFFIX);
        self.target.join(folder).join(name)
    }

    /// The corpora and schemas beside the checkout, or where `POSTKEEP_SHARED` says.
    pub(crate) fn shared_dir(&self) -> Result<PathBuf> {
        let folder = std::env::var_os("POSTKEEP_SHARED")
            .filter(|value| !value.is_empty())
            .map_or_else(|| self.root.join("../shared"), PathBuf::from);
        if !folder.join("ews").is_dir() {
            return Err(format!(
                "no test material at {} (set POSTKEEP_SHARED to its folder)",
                folder.display()
            ));
        }
        Ok(folder)
    }

    /// Every file that is part of the project: known to git or about to be, relative to the root,
    /// with forward slashes.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let listing = Tool::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()?;
        // A file deleted but not yet committed is still listed.
        let present = |name: &&str| self.root.join(name).is_file();
        let mut files: Vec<String> = listing.lines().filter(present).map(str::to_owned).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}
