//! What a reader would stumble over and no compiler sees.

mod doc_paths;
mod modules;
mod size;
mod words;

use std::collections::BTreeSet;
use std::fs;

use crate::Result;
use crate::workspace::Workspace;

/// The project's files as the checks see them.
struct Project {
    /// Relative paths with forward slashes, sorted.
    files: BTreeSet<String>,
    /// The text files among them, with their text.
    texts: Vec<(String, String)>,
}

pub(crate) fn run(workspace: &Workspace) -> Result {
    let project = Project::load(workspace)?;
    let checks = [size::check, modules::check, words::check, doc_paths::check];
    let found: Vec<String> = checks.iter().flat_map(|check| check(&project)).collect();
    if found.is_empty() {
        println!("{} files are tidy", project.files.len());
        return Ok(());
    }
    Err(format!(
        "{} findings\n       {}",
        found.len(),
        found.join("\n       ")
    ))
}

impl Project {
    fn load(workspace: &Workspace) -> Result<Self> {
        let files: BTreeSet<String> = workspace.files()?.into_iter().collect();
        let mut texts = Vec::new();
        for file in &files {
            let bytes = fs::read(workspace.root().join(file))
                .map_err(|error| format!("cannot read {file}: {error}"))?;
            // What is not text has nothing to say to these checks.
            if let Ok(text) = String::from_utf8(bytes) {
                texts.push((file.clone(), text));
            }
        }
        Ok(Project { files, texts })
    }

    fn texts_ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .filter(move |(file, _)| file.ends_with(ending))
            .map(|(file, text)| (file.as_str(), text.as_str()))
    }

    #[cfg(test)]
    fn of(texts: &[(&str, &str)]) -> Self {
        let own = |(file, text): &(&str, &str)| ((*file).to_owned(), (*text).to_owned());
        Project {
            files: texts.iter().map(|(file, _)| (*file).to_owned()).collect(),
            texts: texts.iter().map(own).collect(),
        }
    }
}
