//! `postkeep verify`: checks a signed result without the repository.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use engine::{RepositoryErrorKind, SignerKey, verify_signature};
use serde::Serialize;

use crate::args::VerifyArgs;
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::human::plain;

/// The largest result that is read; drills of ten thousand mailboxes stay below.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize)]
struct Document {
    file: PathBuf,
    public_key: String,
    comment: String,
}

/// The file of a file's signature.
pub fn signature_of(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".minisig");
    PathBuf::from(name)
}

pub fn run(context: &Context, args: &VerifyArgs) -> Result<Code> {
    let trusted = args.public_keys.iter().map(|text| {
        SignerKey::parse(text).map_err(|error| {
            Failure::usage(format!("--public-key: {error}"))
                .hint("`postkeep key list` shows the repository's")
        })
    });
    let trusted: Vec<SignerKey> = trusted.collect::<Result<_>>()?;
    let document = read(&args.file)?;
    let beside = signature_of(&args.file);
    let signature = args.signature.as_ref().unwrap_or(&beside);
    let text = read(signature)?;
    let text = String::from_utf8_lossy(&text);
    let file = args.file.display();
    let signed = match verify_signature(&document, &text, &trusted) {
        Ok(signed) => signed,
        Err(error) => {
            let what = format!("{file} is not proven by {}: {error}", signature.display());
            let failure = Failure::new(Code::Damage, what);
            return Err(match error.kind() {
                RepositoryErrorKind::Invalid => {
                    failure.hint("--signature FILE names the file that `postkeep drill --out` wrote")
                }
                RepositoryErrorKind::NotFound => failure.hint(
                    "`postkeep key list` shows the public keys of the repository; a rotation adds one",
                ),
                _ => failure,
            });
        }
    };
    let document = Document {
        file: args.file.clone(),
        public_key: signed.by.to_string(),
        comment: signed.comment,
    };
    context.output.result(&document, |document| {
        format!(
            "{file} is what was signed: {}\nby {}\n",
            plain(&document.comment),
            document.public_key
        )
    })?;
    Ok(Code::Done)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Failure::io(format!("read {}", file.display()), &error);
    if std::fs::metadata(file).map_err(failed)?.len() > MAX_BYTES {
        return Err(Failure::usage(format!(
            "{} is too large for a result",
            file.display()
        )));
    }
    std::fs::read(file).map_err(failed)
}
