//! Every check in order, cheapest first: sources, tests, other people's programs, fuzzing.

use std::fs;
use std::time::{Duration, Instant};

use crate::servers::Servers;
use crate::workspace::Workspace;
use crate::{
    Result, arrows, bench, cargo_steps, fuzz, judge, judge_export, judge_format, judge_servers,
    judge_system, package, requirements, tidy, wire,
};

type Step = (&'static str, fn(&Workspace) -> Result);

const CHECKS: [Step; 7] = [
    ("format", cargo_steps::fmt),
    ("arrows", arrows::run),
    ("tidy", tidy::run),
    ("requirements", requirements::check),
    ("clippy", cargo_steps::clippy),
    ("alone", cargo_steps::alone),
    ("documentation", cargo_steps::doc),
];

/// What stands around the program on a machine.
const AROUND: [Step; 3] = [
    ("traces", judge_system::traces),
    ("keyring", judge_system::keyring),
    ("package", package::check),
];

pub(crate) fn run(workspace: &Workspace) -> Result {
    let mut timings = Vec::new();
    let total = CHECKS.len() + 3;
    for (index, (name, step)) in CHECKS.iter().enumerate() {
        heading(index + 1, total, name);
        timings.push((*name, timed(name, || step(workspace))?));
    }
    heading(
        total - 2,
        total,
        "tests, and the wire traffic they leave behind",
    );
    let folder = workspace.wire_dir();
    clear(&folder)?;
    let mut servers = None;
    let starting = timed("servers", || {
        servers = Some(Servers::start(workspace)?);
        Ok(())
    })?;
    timings.push(("servers", starting));
    let mut summary = None;
    let tests = timed("tests", || {
        if let Some(servers) = &servers {
            summary = Some(cargo_steps::test_capturing(workspace, &folder, servers)?);
        }
        Ok(())
    })?;
    timings.push(("tests", tests));
    timings.push(("wire", timed("wire", || wire::run(workspace, &folder))?));
    heading(
        total - 1,
        total,
        "other people's programs, as clients, as gatekeepers and as readers of exports",
    );
    timings.push((
        "sign-in",
        timed("sign-in", || judge::auth_as_tested(workspace))?,
    ));
    for (name, step) in AROUND {
        timings.push((name, timed(name, || step(workspace))?));
    }
    let odd = timed("odd servers", || judge_servers::short(workspace))?;
    timings.push(("odd servers", odd));
    timings.push(("clients", timed("clients", || judge::clients(workspace))?));
    let exports = timed("exports", || judge_export::check(workspace))?;
    timings.push(("exports", exports));
    let format = timed("format", || judge_format::format(workspace))?;
    timings.push(("format", format));
    let counts = timed("instructions", || {
        bench::counts_after_tests(workspace, false)
    })?;
    timings.push(("instructions", counts));
    heading(total, total, "arbitrary bytes for every decoder");
    let fuzzing = timed("fuzzing", || {
        fuzz::run(workspace, &fuzz::Options::repeatable())
    })?;
    timings.push(("fuzzing", fuzzing));
    for (name, duration) in timings {
        println!("    {name:<14} {:>7.1} s", duration.as_secs_f64());
    }
    println!("==> all checks passed; the test runner's last words:\n");
    if let Some(summary) = summary {
        summary.print();
    }
    Ok(())
}

fn heading(number: usize, total: usize, name: &str) {
    println!("\n==> {number}/{total} {name}");
}

fn timed(name: &str, step: impl FnOnce() -> Result) -> Result<Duration> {
    let start = Instant::now();
    step().map_err(|message| format!("{name}: {message}"))?;
    Ok(start.elapsed())
}

/// Captures of an earlier run would prove nothing about this one.
fn clear(folder: &std::path::Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
    }
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))
}
