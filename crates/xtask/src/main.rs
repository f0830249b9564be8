//! Checks, judges and measurements of this workspace: `cargo xtask help` lists them.
//!
//! `.ci/run` calls `cargo xtask ci`, and that is all a build server does; every step of it is also
//! a command of its own. Nothing here ships.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command-line program that prints, times and waits; it is no part of the product"
)]

mod arrows;
mod bench;
mod cargo_steps;
mod ci;
mod fuzz;
mod judge;
mod judge_export;
mod judge_format;
mod judge_servers;
mod judge_system;
mod package;
mod requirements;
mod servers;
mod tidy;
mod tool;
mod wire;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

/// What went wrong, in words for the person at the terminal.
type Result<T = ()> = std::result::Result<T, String>;

const HELP: &str = "\
usage: cargo xtask <command>

  ci                 every check below in order, then the tests; stops at the first failure
  fmt                cargo fmt --check
  clippy             clippy on all targets, warnings denied
  alone              clippy on each library without the features that others ask for
  doc                documentation of all crates, warnings denied
  arrows             which crate may depend on which
  tidy               file sizes, forgotten files, open ends, paths named in documents
  requirements       writes docs/requirements.md: which test covers which requirement of the protocol
       --check       only says whether it is current
  test [--nextest]   cargo test --workspace, or the same by nextest and cargo test --doc
  servers COMMAND... runs a command while real servers of every kind of destination run
  fuzz [TARGET]      arbitrary bytes for every decoder, or for one; needs a C++ compiler
       [--seconds N] for each target (default 60)
       [--seed N]    the same inputs again; 0, the default, is another seed every time
       [--input F]   runs one input of TARGET again
  wire [FOLDER]      validates captured messages (default: target/wire) against the EWS schema
  judge clients      the clients below, one after the other
  judge exchangelib  an independent client against `postkeep sim`
  judge ews-javascript
                     another one, from npm
  judge node-ews     a client that reads the service's description, from npm
  judge zeep         a SOAP client from PyPI that reads it, too, and calls every operation
  judge davmail      a gateway from IMAP, CalDAV and CardDAV to EWS, from Debian
  judge thunderbird  the mail program itself, without a window, from Debian
  judge auth         Apache with gss-ntlmssp, and MIT Kerberos, on how ews-client signs in
  judge format       a reader written from docs/format.md against `postkeep`
  judge servers      `postkeep` against odd servers written apart from the simulator
       [NAME]...     only these oddities; joined by + for several at once
       --short       a dozen that have half of them, as CI runs it
  judge traces       what `postkeep` sends to collectors, read by OpenTelemetry's own package
  judge keyring      secrets in a real GNOME Keyring, read by libsecret's tool
  judge export       every export format of the corpus, opened by other programs
  bench peers real|generated
                     everything one does with a backup, against restic, borg and rustic on the same
                     mail, into docs/benchmarks.md; installs what of them is not there
       [--runs N]    median of so many interleaved runs (default 3)
       [--mails N]   how many mails to make up (default 40,000)
       [--without P] leaves out restic, borg or rustic, which takes long to compile [repeatable]
  package files      what goes into packages besides the program: manual and completions
  package deb        the Debian package, by cargo-deb (cargo install cargo-deb)
  package static     a program for any Linux that needs no library of the system (musl-tools)
  package check      what goes into packages, written by the program as tested, and looked at
  bench index [N]    the index of a repository of N chunks (default 100,000,000): memory, look-ups
  bench export       export of 10,000 items in every format, into docs/benchmarks.md
  bench scale        cost against size, into docs/benchmarks.md and docs/scale.svg
       [--items N]   the largest mailbox (default 1,000,000)
       [--mailboxes N] the most mailboxes (default 10,000)
       [--snapshots N] the most snapshots (default 1,000)
  bench micro        small parts beside their physical limits, into docs/benchmarks.md
  bench parse        reading a server's answers beside the ews crate and exchangelib, likewise
  bench counts       instructions of small parts by valgrind, against crates/bench/counts.txt
       [--record]    writes that file anew; what grew by a tenth needs a line in the changelog
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Result {
    if matches!(words, [] | ["help" | "--help" | "-h"]) {
        print!("{HELP}");
        return Ok(());
    }
    let workspace = Workspace::load()?;
    match words {
        ["ci"] => ci::run(&workspace),
        ["fmt"] => cargo_steps::fmt(&workspace),
        ["clippy"] => cargo_steps::clippy(&workspace),
        ["alone"] => cargo_steps::alone(&workspace),
        ["doc"] => cargo_steps::doc(&workspace),
        ["arrows"] => arrows::run(&workspace),
        ["tidy"] => tidy::run(&workspace),
        ["requirements"] => requirements::write(&workspace),
        ["requirements", "--check"] => requirements::check(&workspace),
        ["test"] => cargo_steps::test(&workspace),
        ["test", "--nextest"] => cargo_steps::nextest(&workspace),
        ["servers", program, arguments @ ..] => servers::run(&workspace, program, arguments),
        ["fuzz", words @ ..] => fuzz::run(&workspace, &fuzz::Options::parse(words)?),
        ["wire"] => wire::run(&workspace, &workspace.wire_dir()),
        ["wire", folder] => wire::run(&workspace, folder.as_ref()),
        ["judge", "clients"] => judge::clients(&workspace),
        ["judge", "ews-javascript"] => judge::ews_javascript(&workspace),
        ["judge", "node-ews"] => judge::node_ews(&workspace),
        ["judge", "zeep"] => judge::zeep(&workspace),
        ["judge", "davmail"] => judge::davmail(&workspace),
        ["judge", "thunderbird"] => judge::thunderbird(&workspace),
        ["judge", "exchangelib"] => judge::exchangelib(&workspace),
        ["judge", "auth"] => judge::auth(&workspace),
        ["judge", "format"] => judge_format::format(&workspace),
        ["judge", "export"] => judge_export::run(&workspace),
        ["judge", "servers", only @ ..] => judge_servers::run(&workspace, only),
        ["judge", "traces"] => judge_system::traces(&workspace),
        ["judge", "keyring"] => judge_system::keyring(&workspace),
        ["package", "static"] => package::static_program(&workspace),
        ["package", "check"] => package::check(&workspace),
        ["package", "files"] => package::files(&workspace),
        ["package", "deb"] => package::deb(&workspace),
        ["bench", "export"] => bench::export(&workspace),
        ["bench", "index"] => bench::index(&workspace, None),
        ["bench", "index", chunks] => bench::index(&workspace, Some(chunks)),
        ["bench", "scale", words @ ..] => {
            bench::scale(&workspace, &bench::ScaleOptions::parse(words)?)
        }
        ["bench", "micro"] => bench::micro(&workspace),
        ["bench", "parse"] => bench::parse(&workspace),
        ["bench", "counts"] => bench::counts(&workspace, false),
        ["bench", "counts", "--record"] => bench::counts(&workspace, true),
        ["bench", "peers", words @ ..] => {
            bench::peers(&workspace, &bench::PeersOptions::parse(words)?)
        }
        _ => Err(format!("unknown command: {}\n\n{HELP}", words.join(" "))),
    }
}
