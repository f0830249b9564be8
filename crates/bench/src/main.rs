//! What small parts cost, beside what the machine itself needs for the same bytes.
//!
//! Every case is listed once and measured in two ways: `bench time` takes processor time and puts
//! the physical limit beside it (a copy in memory, the compressor, cipher or hash alone);
//! `bench once CASE` runs one case once inside [`measured`], for a program that counts
//! instructions, such as callgrind. `bench answers FOLDER` writes what a server sends, so that other
//! libraries can be timed on the same bytes. `cargo xtask bench micro`, `counts` and `parse` call it.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it measures time and prints it; nothing here ships"
)]

mod case;
mod cases;
mod material;
mod timing;

use std::path::Path;
use std::process::ExitCode;

use case::Case;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => {
            for case in cases::all() {
                println!("{}", case.name);
            }
            ExitCode::SUCCESS
        }
        ["time"] => {
            timing::table(&cases::all());
            ExitCode::SUCCESS
        }
        ["answers", folder] => match answers(Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("cannot write into {folder}: {error}");
                ExitCode::FAILURE
            }
        },
        ["once", name] => match cases::all().into_iter().find(|case| case.name == name) {
            Some(case) => {
                once(&case);
                ExitCode::SUCCESS
            }
            None => ExitCode::FAILURE,
        },
        _ => {
            println!("usage: bench list | bench time | bench once CASE | bench answers FOLDER");
            ExitCode::FAILURE
        }
    }
}

/// Writes one answer of a server of each kind into a folder, for other readers to be timed on the
/// same bytes, and prints what they take `ews-client`: operation, rows, seconds.
fn answers(folder: &Path) -> std::io::Result<()> {
    for mut answer in cases::answers() {
        let name = format!("{}.xml", answer.operation);
        std::fs::write(folder.join(name), &answer.xml)?;
        let seconds = timing::median(&mut *answer.read).as_secs_f64();
        println!("{} {} {seconds:.9}", answer.operation, answer.rows);
    }
    Ok(())
}

/// Runs a case twice, the second time inside [`measured`]: the first fills caches and pools.
fn once(case: &Case) {
    let mut prepared = (case.prepare)();
    (prepared.run)();
    measured(&mut *prepared.run);
}

/// What callgrind counts, by its name.
#[inline(never)]
fn measured(run: &mut dyn FnMut()) {
    run();
    // Keeps the call above from becoming a jump, which would end the counting too early.
    std::hint::black_box(());
}
