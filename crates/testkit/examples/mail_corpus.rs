//! Writes the made-up corpus as files: `mail_corpus FOLDER MAILS [SEED]`.
//!
//! `FOLDER/now/<address>/<folder>/NNNNNN.eml` are the mails; `FOLDER/later` has two mails for
//! each hundred that come afterwards, and `FOLDER/changed` one of each two hundred, changed.

#![expect(clippy::print_stderr, reason = "a tool that says how to use it")]

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use testkit::{CorpusMail, MailCorpus};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, mails, seed) = match arguments.as_slice() {
        [folder, mails] => (folder, mails.parse(), Ok(1)),
        [folder, mails, seed] => (folder, mails.parse(), seed.parse()),
        _ => {
            eprintln!("usage: mail_corpus FOLDER MAILS [SEED]");
            return ExitCode::FAILURE;
        }
    };
    let (Ok(mails), Ok(seed)) = (mails, seed) else {
        eprintln!("MAILS and SEED are numbers");
        return ExitCode::FAILURE;
    };
    match write(folder.as_ref(), mails, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write to {folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, mails: usize, seed: u64) -> io::Result<()> {
    let mut corpus = MailCorpus::new(seed);
    let mut touched = Vec::new();
    for (number, mail) in corpus.by_ref().take(mails).enumerate() {
        save(&folder.join("now"), number, &mail)?;
        if number % 200 == 100 {
            touched.push((number, mail));
        }
    }
    for (number, mail) in touched {
        save(&folder.join("changed"), number, &corpus.changed(&mail))?;
    }
    for (number, mail) in corpus.take(mails / 50).enumerate() {
        save(&folder.join("later"), mails + number, &mail)?;
    }
    Ok(())
}

fn save(folder: &Path, number: usize, mail: &CorpusMail) -> io::Result<()> {
    let folder = folder.join(&mail.mailbox).join(mail.folder);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{number:06}.eml")), &mail.mime)
}
