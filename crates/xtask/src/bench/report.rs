//! Writing the measurements where people read them.

use std::fmt::Write as _;
use std::fs;

use super::{Corpus, Outcome};
use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The section of [`write()`].
const MAIN_JOB: &str = "main-job";

pub(super) const MEGABYTE: f64 = 1e6;
pub(super) const MEBIBYTE: f64 = 1_048_576.0;

pub(super) fn write(
    workspace: &Workspace,
    corpus: &Corpus,
    runs: usize,
    outcomes: &[Outcome],
) -> Result {
    let section = section(workspace, corpus, runs, outcomes)?;
    put_section(workspace, MAIN_JOB, &section)
}

/// Writes a benchmark's section of `docs/benchmarks.md`; the rest of the document stays.
pub(super) fn put_section(workspace: &Workspace, bench: &str, section: &str) -> Result {
    let path = workspace.root().join("docs/benchmarks.md");
    let old = fs::read_to_string(&path).unwrap_or_else(|_| "# Benchmarks\n".to_owned());
    fs::write(&path, replaced(&old, bench, section))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("{section}\nwritten to docs/benchmarks.md");
    Ok(())
}

fn section(
    workspace: &Workspace,
    corpus: &Corpus,
    runs: usize,
    outcomes: &[Outcome],
) -> Result<String> {
    let mut text = String::from("## The main job\n\n");
    let megabytes = corpus.bytes as f64 / MEGABYTE;
    let runs = if runs == 1 {
        "one run".to_owned()
    } else {
        format!("median of {runs} runs")
    };
    text += &format!(
        "{} real messages, {megabytes:.1} MB, {runs}, release build. {}\n\n",
        corpus.files,
        machine(workspace)
    );
    text += "Postkeep talks to `postkeep sim`, a process of its own on the same machine, whose \
             share stands in a column of its own; restic reads the same messages as files, which \
             costs next to nothing. Processor time includes all threads, user and system. MB are \
             10^6 bytes of original messages, MiB 2^20.\n\n";
    text += "| program | step | wall s | CPU s | server CPU s | peak MiB | items/s | MB/s |\n";
    text += "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for outcome in outcomes {
        for series in &outcome.steps {
            let Some(cost) = series.median() else {
                continue;
            };
            let rate = |amount: f64| match series.moves_all {
                true => format!("{:.1}", amount / cost.wall_seconds),
                false => "-".to_owned(),
            };
            let server = cost.server_seconds;
            let line = format!(
                "| {} | {} | {:.2} | {:.2} | {} | {:.0} | {} | {} |",
                outcome.program,
                series.name,
                cost.wall_seconds,
                cost.cpu_seconds(),
                server.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}")),
                cost.peak_rss_bytes as f64 / MEBIBYTE,
                rate(corpus.files as f64),
                rate(megabytes),
            );
            text += &line;
            text.push('\n');
        }
    }
    text += "\nStored after two backups:\n\n";
    for outcome in outcomes {
        let stored = outcome.stored_bytes as f64;
        let share = 100.0 * stored / corpus.bytes as f64;
        text += &format!(
            "- {}: {} bytes ({:.1} MB, {share:.1} % of the messages)\n",
            outcome.program,
            outcome.stored_bytes,
            stored / MEGABYTE
        );
    }
    text += "\nCommands:\n\n```\n";
    for outcome in outcomes {
        let commands = outcome.steps.iter().map(|series| series.command.as_str());
        text += &format!("# {}\n", outcome.version);
        text += &commands.collect::<Vec<_>>().join("\n");
        text.push('\n');
    }
    text += "```\n";
    Ok(text)
}

/// What was measured on, and which version.
pub(super) fn machine(workspace: &Workspace) -> String {
    let version = Tool::new("rustc").arg("--version").output();
    let version = version.unwrap_or_else(|_| "rustc of unknown version".to_owned());
    let commit = Tool::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(workspace.root())
        .output();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = format!("{}, {cores} cores", processor());
    let _ = write!(text, ", {}, {}", std::env::consts::OS, version.trim());
    if let Ok(commit) = commit {
        let _ = write!(text, ", commit {}", commit.trim());
    }
    text.push('.');
    text
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Puts a section in the place of its older self, or at the end.
///
/// Only what stands between the two lines is ours; the rest of the document is written by hand.
fn replaced(document: &str, bench: &str, section: &str) -> String {
    let begin = format!("<!-- begin: cargo xtask bench {bench} -->");
    let end = format!("<!-- end: cargo xtask bench {bench} -->");
    let ours = format!("{begin}\n\n{section}\n{end}\n");
    let place = document
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    match place {
        Some((before, after)) => {
            format!(
                "{before}{ours}{}",
                after.strip_prefix('\n').unwrap_or(after)
            )
        }
        None => format!("{}\n\n{ours}", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_added_once_and_then_replaced() {
        let once = replaced("# Benchmarks\n", "a", "old\n");
        let (begin, end) = (
            "<!-- begin: cargo xtask bench a -->",
            "<!-- end: cargo xtask bench a -->",
        );
        assert_eq!(once, format!("# Benchmarks\n\n{begin}\n\nold\n\n{end}\n"));
        let with_more = format!("{once}\n## By hand\n");
        let twice = replaced(&with_more, "a", "new\n");
        assert_eq!(twice, with_more.replace("old", "new"));
        let other = replaced(&twice, "b", "more\n");
        assert!(other.starts_with(&twice) && other.contains("bench b -->\n\nmore"));
    }
}
