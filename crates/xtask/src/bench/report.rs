//! Writing the measurements where people read them.

use std::fmt::Write as _;
use std::fs;
use std::ops::{Range, RangeFrom};

use super::contender::Contender;
use super::mail::Mail;
use super::phase::Phase;
use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

pub(super) const MEGABYTE: f64 = 1e6;
pub(super) const MEBIBYTE: f64 = 1_048_576.0;

/// The first contenders are ours, native and portable: those that take a passphrase, as the peers
/// do, and those that take a key file.
const PASSPHRASE: Range<usize> = 0..2;
const KEY_FILE: Range<usize> = 2..4;
/// All others are the peers.
const PEERS: RangeFrom<usize> = 4..;
/// What a peer's memory is compared with.
const MEMORY_TARGET: f64 = 1.5;
const READER_TARGET: f64 = 20.0;

/// Everything that was measured on one corpus.
pub(super) struct Measured<'a> {
    pub(super) mail: &'a Mail,
    pub(super) runs: usize,
    pub(super) contenders: &'a [Contender],
    pub(super) reader: Option<&'a Contender>,
}

/// Our own figures, and those of the others.
struct Row {
    name: &'static str,
    ours: Vec<Option<f64>>,
    peers: Vec<Option<f64>>,
    target: Option<f64>,
}

impl Row {
    fn best_peer(&self) -> Option<f64> {
        let peers = self.peers.iter().flatten();
        peers.copied().min_by(f64::total_cmp)
    }

    /// A line of the table: figures, both ratios, the target and whether it is met.
    fn line(&self, decimals: usize) -> String {
        let figure = |figure: Option<f64>, decimals: usize| {
            figure.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
        };
        let mut cells: Vec<String> = vec![self.name.to_owned()];
        let figures = self.ours.iter().chain(&self.peers);
        cells.extend(figures.map(|value| figure(*value, decimals)));
        let ratio = |ours: &Option<f64>| Some((*ours)? / self.best_peer()?);
        let ratios: Vec<Option<f64>> = self.ours.iter().map(ratio).collect();
        cells.extend(ratios.iter().map(|ratio| figure(*ratio, 2)));
        // Without another program's figure there is nothing to meet.
        let target = self.target.filter(|_| self.best_peer().is_some());
        cells.push(match target {
            Some(target) if ratios.iter().flatten().all(|ratio| *ratio <= target) => {
                format!("{target} met")
            }
            Some(target) => format!("{target} **missed**"),
            None => String::new(),
        });
        format!("| {} |\n", cells.join(" | "))
    }
}

impl Measured<'_> {
    pub(super) fn section(&self, workspace: &Workspace) -> String {
        let mut text = format!(
            "## Against restic, borg and rustic: {}\n\n{} in {:.1} MB, median of {} interleaved \
             runs, built as packages are (profile `dist`). {}\n\n",
            self.mail
                .title
                .split(' ')
                .skip(1)
                .collect::<Vec<_>>()
                .join(" "),
            self.mail.title,
            self.mail.bytes as f64 / MEGABYTE,
            self.runs,
            machine(workspace)
        );
        text += "Postkeep talks to `postkeep sim`, a process of its own on the same machine; the \
                 others read the same messages as files. Processor seconds are user and system of \
                 all threads of the program that backs up. The ratios are ours to the best of the \
                 three others, for native and for portable items.\n\nProcessor seconds:\n\n";
        let cpu = |ours: &Range<usize>| Phase::ALL.map(|phase| self.cpu(phase, ours));
        text += &self.table(&PASSPHRASE, &cpu(&PASSPHRASE), 2);
        text += "\nThe same where a key file opens the repository, as unattended backups have it: it \
                 holds 256 random bits, which need no stretching. The others stretch whatever opens \
                 theirs.\n\n";
        text += &self.table(&KEY_FILE, &cpu(&KEY_FILE), 2);
        text += "\nStored MB:\n\n";
        let stored = [
            Phase::First,
            Phase::Changes,
            Phase::AfterDeletion,
            Phase::Prune,
        ];
        text += &self.table(&PASSPHRASE, &stored.map(|phase| self.stored(phase)), 2);
        text += "\nPeak resident memory, MiB:\n\n";
        text += &self.table(&PASSPHRASE, &Phase::ALL.map(|phase| self.memory(phase)), 0);
        text += "\nWall seconds:\n\n";
        text += &self.table(&PASSPHRASE, &Phase::ALL.map(|phase| self.wall(phase)), 2);
        text += &self.reading();
        text + &self.commands()
    }

    fn table(&self, ours: &Range<usize>, rows: &[Row], decimals: usize) -> String {
        let ours = self.contenders[ours.clone()].iter();
        let shown = ours.chain(&self.contenders[PEERS]);
        let names: Vec<&str> = shown.map(|contender| contender.program.name()).collect();
        let mut text = format!(
            "| | {} | native ratio | portable ratio | target |\n| --- |{}\n",
            names.join(" | "),
            " ---: |".repeat(names.len() + 3)
        );
        for row in rows {
            text += &row.line(decimals);
        }
        text
    }

    fn row(
        &self,
        name: &'static str,
        target: Option<f64>,
        ours: &Range<usize>,
        of: impl Fn(&Contender) -> Option<f64>,
    ) -> Row {
        Row {
            name,
            ours: self.contenders[ours.clone()].iter().map(&of).collect(),
            peers: self.contenders[PEERS].iter().map(&of).collect(),
            target,
        }
    }

    fn cpu(&self, phase: Phase, ours: &Range<usize>) -> Row {
        self.row(phase.name(), phase.target(), ours, |contender| {
            Some(contender.median(phase)?.cpu_seconds())
        })
    }

    fn wall(&self, phase: Phase) -> Row {
        self.row(phase.name(), None, &PASSPHRASE, |contender| {
            Some(contender.median(phase)?.wall_seconds)
        })
    }

    fn memory(&self, phase: Phase) -> Row {
        self.row(
            phase.name(),
            Some(MEMORY_TARGET),
            &PASSPHRASE,
            |contender| Some(contender.median(phase)?.peak_rss_bytes as f64 / MEBIBYTE),
        )
    }

    fn stored(&self, phase: Phase) -> Row {
        let target = (phase == Phase::First).then_some(self.mail.stored_target);
        self.row(phase.name(), target, &PASSPHRASE, |contender| {
            Some(contender.stored_bytes(phase)? as f64 / MEGABYTE)
        })
    }

    /// What a library costs that only reads.
    fn reading(&self) -> String {
        let ours = self.contenders.first().and_then(|c| c.median(Phase::First));
        let Some(reader) = self.reader else {
            return String::new();
        };
        let (Some(theirs), Some(ours)) = (reader.median(Phase::First), ours) else {
            return String::new();
        };
        let files = self.mail.files as f64;
        let times = theirs.cpu_seconds() / ours.cpu_seconds();
        let met = if times >= READER_TARGET {
            "met"
        } else {
            "**missed**"
        };
        format!(
            "\nReading alone, by {} from the same server: {:.2} processor seconds, {:.2} ms a mail. A \
             first backup, with everything that it does, takes {:.2} ms: {times:.0} times less (target \
             {READER_TARGET:.0}: {met}).\n",
            reader.version,
            theirs.cpu_seconds(),
            1000.0 * theirs.cpu_seconds() / files,
            1000.0 * ours.cpu_seconds() / files,
        )
    }

    fn commands(&self) -> String {
        let mut text = "\nCommands:\n\n```\n".to_owned();
        for contender in self.contenders {
            text += &format!("# {}: {}\n", contender.program.name(), contender.version);
            for (_, series) in &contender.series {
                text += &series.command.replace("{postkeep}", "postkeep");
                text.push('\n');
            }
        }
        text += "```\n";
        text
    }
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
