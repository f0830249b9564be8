//! What Postkeep costs, against general-purpose backup programs on the same mail.

mod contender;
mod cost;
mod export;
mod index;
mod library;
mod mail;
mod micro;
mod parse;
mod peers;
mod phase;
mod plot;
mod product;
mod report;
mod scale;
mod server;

use std::fs;
use std::path::{Path, PathBuf};

use contender::Contender;
pub(crate) use export::export;
pub(crate) use index::index;
use library::Exchangelib;
use mail::Mail;
pub(crate) use micro::{counts, counts_after_tests, micro};
pub(crate) use parse::parse;
use product::{Form, Postkeep, Secret};
pub(crate) use scale::{ScaleOptions, scale};

use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Enough for a median to throw out one disturbed run.
const DEFAULT_RUNS: usize = 3;
const DEFAULT_MAILS: u32 = 40_000;

/// The library that only reads, for `--without`.
const READER: &str = "exchangelib";

/// What to measure.
pub(crate) struct PeersOptions {
    runs: usize,
    /// How many mails to make up; `None`: real ones.
    mails: Option<u32>,
    /// Other programs that are left out; exchangelib needs minutes for each ten thousand mails.
    without: Vec<String>,
}

impl PeersOptions {
    /// Reads `real|generated [--runs N] [--mails N] [--without PROGRAM]...`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let (corpus, mut words) = words.split_first().ok_or("say real or generated")?;
        let mut options = PeersOptions {
            runs: DEFAULT_RUNS,
            mails: match *corpus {
                "real" => None,
                "generated" => Some(DEFAULT_MAILS),
                other => return Err(format!("no corpus is called {other}: real or generated")),
            },
            without: Vec::new(),
        };
        while let [name, value, rest @ ..] = words {
            words = rest;
            if *name == "--without" {
                options.without.push((*value).to_owned());
                continue;
            }
            let number: u32 = value
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{name} takes a number, not {value}"))?;
            match (*name, &mut options.mails) {
                ("--runs", _) => options.runs = number as usize,
                ("--mails", Some(mails)) => *mails = number,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        match words {
            [] => Ok(options),
            [name, ..] => Err(format!("{name} needs a value")),
        }
    }

    fn section(&self) -> &'static str {
        match self.mails {
            None => "peers real",
            Some(_) => "peers generated",
        }
    }
}

/// The profile that packages are built with: the others are measured as theirs have them, too.
const SHIPPED: &str = "dist";

/// Builds the program as packages have it.
fn shipped(workspace: &Workspace) -> Result<PathBuf> {
    Tool::cargo()
        .args(["build", "--profile", SHIPPED, "--package", "postkeep"])
        .current_dir(workspace.root())
        .run()?;
    Ok(workspace.program(SHIPPED))
}

/// Measures and writes a section of `docs/benchmarks.md`.
pub(crate) fn peers(workspace: &Workspace, options: &PeersOptions) -> Result {
    let program = shipped(workspace)?;
    let scratch = workspace.target_dir("bench");
    create(&scratch)?;
    let mail = match options.mails {
        None => Mail::real(workspace, &scratch)?,
        Some(mails) => Mail::generated(workspace, &scratch, mails)?,
    };
    let mut contenders = Vec::new();
    for secret in [Secret::Passphrase, Secret::KeyFile] {
        for form in [Form::Native, Form::Portable] {
            let postkeep = Postkeep::new(program.clone(), form, secret);
            contenders.push(Contender::new(Box::new(postkeep), &scratch)?);
        }
    }
    for peer in peers::installed(&scratch, &options.without)? {
        contenders.push(Contender::new(Box::new(peer), &scratch)?);
    }
    let mut reader = match options.without.iter().any(|name| name == READER) {
        true => None,
        false => {
            let reader = Exchangelib::install(workspace, program)?;
            Some(Contender::new(Box::new(reader), &scratch)?)
        }
    };
    for run in 1..=options.runs {
        for contender in contenders.iter_mut().chain(&mut reader) {
            println!(
                "{}, run {run} of {}",
                contender.program.name(),
                options.runs
            );
            contender.run(workspace, &mail)?;
        }
    }
    let measured = report::Measured {
        mail: &mail,
        runs: options.runs,
        contenders: &contenders,
        reader: reader.as_ref(),
    };
    report::put_section(workspace, options.section(), &measured.section(workspace))
}

/// Counts the files below a folder and their bytes.
fn measure_folder(folder: &Path) -> Result<(u64, u64)> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let metadata = entry.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            let (inner_files, inner_bytes) = measure_folder(&entry.path())?;
            files += inner_files;
            bytes += inner_bytes;
        } else {
            files += 1;
            bytes += metadata.len();
        }
    }
    Ok((files, bytes))
}

fn clear(folder: &Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
    }
    create(folder)
}

fn create(folder: &Path) -> Result {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_wrong_ones_named() {
        let words = "generated --mails 500 --without rustic --runs 5";
        let words: Vec<&str> = words.split(' ').collect();
        let options = PeersOptions::parse(&words);
        let options = options.unwrap_or_else(|message| panic!("{message}"));
        assert_eq!((options.runs, options.mails), (5, Some(500)));
        assert_eq!(options.without, ["rustic"]);
        for (wrong, complaint) in [
            (&[][..], "say real"),
            (&["other"], "no corpus"),
            (&["real", "--mails", "5"], "unknown option --mails"),
            (&["real", "--runs"], "needs a value"),
            (&["real", "--runs", "0"], "takes a number"),
        ] {
            let error = PeersOptions::parse(wrong).err().unwrap_or_default();
            assert!(error.contains(complaint), "{wrong:?}: {error}");
        }
    }
}
