//! Runs the fuzz targets of `fuzz/`: arbitrary bytes for every decoder, guided by which code they
//! reach. libFuzzer makes the inputs; the compiler's own coverage counters are stable flags, so no
//! nightly toolchain is needed.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Flags that count covered edges and comparisons for libFuzzer, and open the doors in the crates.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "--cfg=postkeep_fuzz",
];
/// Longest input in bytes.
const MAX_LEN: u32 = 64 << 10;
/// Most seconds that one input may take.
const MAX_SECONDS: u32 = 10;
/// Most memory of the whole process in MiB, the fuzzer's own tables and inputs included; what
/// decoders may allocate is limited in `fuzz/src/main.rs`.
const MAX_RSS_MB: u32 = 2048;
/// Targets at once.
const AT_ONCE: usize = 2;
/// Lines of a failed run's log that are shown.
const TAIL: usize = 40;
/// Seconds for each target where nothing else is said.
const SECONDS: u32 = 60;

/// libFuzzer's word for "another seed every time".
const ANY_SEED: u32 = 0;

/// What to run, and for how long.
pub(crate) struct Options {
    target: Option<String>,
    seconds: u32,
    seed: u32,
    input: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            target: None,
            seconds: SECONDS,
            seed: ANY_SEED,
            input: None,
        }
    }
}

impl Options {
    /// The same inputs in the same order every time, so that a change that has nothing to do with a
    /// decoder is not refused for what chance found in it.
    pub(crate) fn repeatable() -> Self {
        Options {
            seed: 1,
            ..Options::default()
        }
    }

    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--seconds" => {
                    let value = words.next().and_then(|value| value.parse().ok());
                    options.seconds = value.ok_or("--seconds needs a number")?;
                }
                "--seed" => {
                    let value = words.next().and_then(|value| value.parse().ok());
                    options.seed = value.ok_or("--seed needs a number")?;
                }
                "--input" => {
                    let value = words.next().ok_or("--input needs a file")?;
                    options.input = Some(PathBuf::from(value));
                }
                target if !target.starts_with('-') && options.target.is_none() => {
                    options.target = Some(target.to_owned());
                }
                other => return Err(format!("fuzz does not know {other}")),
            }
        }
        if options.input.is_some() && options.target.is_none() {
            return Err("--input needs the name of its target".to_owned());
        }
        Ok(options)
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let fuzzer = Fuzzer::build(workspace)?;
    let all = fuzzer.targets()?;
    let chosen: Vec<String> = match &options.target {
        None => all,
        Some(one) if all.contains(one) => vec![one.clone()],
        Some(one) => return Err(format!("no target {one}; there are {}", all.join(", "))),
    };
    if let (Some(input), Some(target)) = (&options.input, chosen.first()) {
        return fuzzer.tool(target).arg(input).run();
    }
    let waiting = Mutex::new(VecDeque::from(chosen));
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(target) = next(&waiting) {
            if let Err(message) = fuzzer.fuzz(&target, options) {
                failures
                    .lock()
                    .unwrap_or_else(|e| e.into_inner())
                    .push(message);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap_or_else(|e| e.into_inner());
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n")),
    }
}

fn next(waiting: &Mutex<VecDeque<String>>) -> Option<String> {
    waiting
        .lock()
        .unwrap_or_else(|e| e.into_inner())
        .pop_front()
}

/// The program with all targets, and its folders.
struct Fuzzer {
    program: PathBuf,
    folder: PathBuf,
    shared: Option<PathBuf>,
}

impl Fuzzer {
    fn build(workspace: &Workspace) -> Result<Self> {
        let fuzz = workspace.root().join("fuzz");
        // What is shipped is what is fuzzed: the same versions of everything.
        let lock = fuzz.join("Cargo.lock");
        fs::copy(workspace.root().join("Cargo.lock"), &lock)
            .map_err(|error| format!("cannot write {}: {error}", lock.display()))?;
        let folder = workspace.target_dir("fuzz");
        let host = host()?;
        let built = folder.join("build");
        // With a target named, build scripts and macros are compiled without these flags.
        Tool::cargo()
            .args(["build", "--quiet", "--target", &host, "--target-dir"])
            .arg(&built)
            .env("RUSTFLAGS", FLAGS.join(" "))
            .current_dir(&fuzz)
            .run()?;
        let name = format!("postkeep-fuzz{}", std::env::consts::EXE_SUFFIX);
        Ok(Fuzzer {
            program: built.join(host).join("debug").join(name),
            folder,
            shared: workspace.shared_dir().ok(),
        })
    }

    fn targets(&self) -> Result<Vec<String>> {
        let names = self.tool("list").output()?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The program, as one target.
    fn tool(&self, target: &str) -> Tool {
        let shared = self.shared.as_deref().unwrap_or(Path::new(""));
        let artifacts = self.folder.join("artifacts").join(target);
        let mut prefix = OsString::from("-artifact_prefix=");
        prefix.push(artifacts.join(""));
        Tool::new(&self.program)
            .env("POSTKEEP_FUZZ", target)
            .env("POSTKEEP_SHARED", shared)
            .arg(prefix)
            .arg(format!("-max_len={MAX_LEN}"))
            .arg(format!("-timeout={MAX_SECONDS}"))
            .arg(format!("-rss_limit_mb={MAX_RSS_MB}"))
    }

    /// Lets a target run; what it finds lies in a file that the error names.
    fn fuzz(&self, target: &str, options: &Options) -> Result {
        let corpus = self.make("corpus", target)?;
        let seeds = self.make("seeds", target)?;
        let artifacts = self.make("artifacts", target)?;
        self.tool(target)
            .env("POSTKEEP_FUZZ_SEEDS", &seeds)
            .output()?;
        // New inputs go into the first folder; the second is only read.
        let done = self
            .tool(target)
            .arg(format!("-max_total_time={}", options.seconds))
            .arg(format!("-seed={}", options.seed))
            .arg("-print_final_stats=1")
            .args([&corpus, &seeds])
            .capture()?;
        let log = String::from_utf8_lossy(&done.stderr);
        if done.status.success() {
            println!("    {target:<16} {}", summary(&log));
            return Ok(());
        }
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..);
        Err(format!(
            "fuzz target {target} found something; the input is in {}\n\
             run it again: cargo xtask fuzz {target} --input FILE\n{}",
            artifacts.display(),
            tail.unwrap_or_default().join("\n")
        ))
    }

    fn make(&self, kind: &str, target: &str) -> Result<PathBuf> {
        let path = self.folder.join(kind).join(target);
        fs::create_dir_all(&path)
            .map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        Ok(path)
    }
}

/// The machine's own triple.
fn host() -> Result<String> {
    let version = Tool::new("rustc").arg("-vV").output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc names no host".to_owned())
}

/// How many inputs ran, and how much code they reached.
fn summary(log: &str) -> String {
    let runs = log
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let last = log.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" cov: ")?;
        rest.split_whitespace().next()
    });
    format!(
        "{:>9} inputs, {:>6} edges",
        runs.unwrap_or("?").trim(),
        last.unwrap_or("?")
    )
}

#[cfg(test)]
mod tests {
    use super::{Options, summary};

    #[test]
    fn words_choose_target_and_time() {
        let options = Options::parse(&["ews-answers", "--seconds", "5"]);
        let options = options.map(|options| (options.target, options.seconds));
        assert_eq!(options, Ok((Some("ews-answers".to_owned()), 5)));
        for wrong in [
            &["--seconds"][..],
            &["--fast"],
            &["a", "b"],
            &["--input", "x"],
        ] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_log_is_summed_up_in_one_line() {
        let log = "#2\tINITED cov: 12 ft: 13\n#900\tDONE cov: 77 ft: 90\n\
                   stat::number_of_executed_units: 900\n";
        assert_eq!(summary(log), "      900 inputs,     77 edges");
    }
}
