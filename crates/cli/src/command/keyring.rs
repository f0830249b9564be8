//! `postkeep keyring`: secrets that the system keeps.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::{KeyringCommand, KeyringRemoveArgs, KeyringSetArgs};
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::keyring;
use crate::secrets::{self, Secret};

/// Random bytes of a secret that is made, as much as a key has.
const GENERATED_BYTES: usize = 32;

#[derive(Serialize)]
struct Done {
    name: String,
    /// `set`, `there`, `removed` or `would remove`.
    done: &'static str,
}

pub fn run(context: &Context, command: KeyringCommand) -> Result<Code> {
    let (name, done) = match command {
        KeyringCommand::Set(args) => (args.entry.name.clone(), set(context, &args)?),
        KeyringCommand::Check(args) => {
            keyring::read(&args.name)?;
            (args.name, "there")
        }
        KeyringCommand::Remove(args) => (args.entry.name.clone(), remove(&args)?),
    };
    let document = Done { name, done };
    context.output.result(&document, |document| {
        let Done { name, done } = document;
        match *done {
            "set" => format!("the keyring has `{name}` now\n"),
            "there" => format!("the keyring has `{name}`\n"),
            done => format!("{done} `{name}`\n"),
        }
    })?;
    Ok(Code::Done)
}

fn set(context: &Context, args: &KeyringSetArgs) -> Result<&'static str> {
    let name = &args.entry.name;
    if !args.replace {
        match keyring::read(name) {
            Ok(_) => {
                let message = format!("the keyring has a secret `{name}` already");
                return Err(Failure::new(Code::Conflict, message)
                    .hint("another name, or --replace if nothing needs the old one"));
            }
            Err(failure) if failure.code == Code::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    let secret = match args.generate {
        true => generated(context),
        false => {
            let file = args.secret_file.as_deref();
            Zeroizing::new(secrets::find_new(Secret::Kept, file, name)?)
        }
    };
    keyring::write(name, &secret)?;
    Ok("set")
}

fn generated(context: &Context) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; GENERATED_BYTES]);
    (context.environment.random)(&mut *bytes);
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Zeroizing::new(digits.collect())
}

fn remove(args: &KeyringRemoveArgs) -> Result<&'static str> {
    if args.dry_run {
        keyring::read(&args.entry.name)?;
        return Ok("would remove");
    }
    keyring::remove(&args.entry.name)?;
    Ok("removed")
}
