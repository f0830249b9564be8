//! A program that is measured: its commands, and the mail as it sees it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cost::{Cost, Meter, Series};
use super::mail::Mail;
use super::phase::Phase;
use super::{clear, measure_folder};
use crate::Result;
use crate::workspace::Workspace;

/// How a program is used. Words in braces stand for places and names.
pub(super) trait Program {
    /// As the report calls it.
    fn name(&self) -> &'static str;
    fn version(&self) -> Result<String>;
    fn environment(&self, scratch: &Path) -> Vec<(&'static str, OsString)>;
    /// Command lines of a phase; none: the program cannot do that.
    fn commands(&self, phase: Phase) -> &'static [&'static str];
    /// Makes the mail ready as it is before a first backup, in an empty folder.
    fn begin(&mut self, mail: &Mail, scratch: &Path) -> Result;
    /// What happens before a phase and is not measured.
    fn before(&mut self, phase: Phase, mail: &Mail, scratch: &Path) -> Result;
    /// What the words in braces stand for; `{scratch}` and `{repo}` are known to all.
    fn words(&self, mail: &Mail, scratch: &Path) -> Vec<(&'static str, OsString)>;
    /// Ends what works for it: the next program wants the machine for itself.
    fn end(&mut self) {}
    /// Processor seconds of a server that works for it, so far.
    fn server_seconds(&self) -> Option<f64> {
        None
    }
}

/// A program with what was measured of it.
pub(super) struct Contender {
    pub(super) program: Box<dyn Program>,
    pub(super) version: String,
    /// By phase, for those it knows.
    pub(super) series: Vec<(Phase, Series)>,
    /// Stored bytes after a phase, of each run.
    pub(super) stored: Vec<(Phase, Vec<u64>)>,
    scratch: PathBuf,
}

/// Phases after which the repository is weighed.
const WEIGHED: [Phase; 4] = [
    Phase::First,
    Phase::Changes,
    Phase::AfterDeletion,
    Phase::Prune,
];

impl Contender {
    pub(super) fn new(program: Box<dyn Program>, scratch: &Path) -> Result<Self> {
        let series = Phase::ALL.into_iter().filter_map(|phase| {
            let commands = program.commands(phase);
            let series = Series {
                command: commands.join("\n"),
                costs: Vec::new(),
            };
            (!commands.is_empty()).then_some((phase, series))
        });
        Ok(Contender {
            version: program.version()?.trim().to_owned(),
            series: series.collect(),
            stored: WEIGHED.map(|phase| (phase, Vec::new())).into(),
            scratch: scratch.join(program.name().replace(' ', "-")),
            program,
        })
    }

    /// Everything once.
    pub(super) fn run(&mut self, workspace: &Workspace, mail: &Mail) -> Result {
        clear(&self.scratch)?;
        self.program.begin(mail, &self.scratch)?;
        let environment = self.program.environment(&self.scratch);
        let meter = Meter::new(workspace, &self.scratch, environment);
        for (phase, series) in &mut self.series {
            self.program.before(*phase, mail, &self.scratch)?;
            let mut words: HashMap<&str, OsString> = self
                .program
                .words(mail, &self.scratch)
                .into_iter()
                .collect();
            words.insert("{scratch}", self.scratch.clone().into());
            words.insert("{repo}", self.scratch.join("repository").into());
            let before = self.program.server_seconds();
            let mut total: Option<Cost> = None;
            for command in self.program.commands(*phase) {
                let line: Vec<OsString> = command
                    .split_whitespace()
                    .map(|word| filled(word, &words))
                    .collect();
                let cost = meter.measure(phase.name(), &line)?;
                total = Some(match total {
                    Some(sum) => sum.and(&cost),
                    None => cost,
                });
            }
            let Some(mut cost) = total else { continue };
            cost.server_seconds = before
                .zip(self.program.server_seconds())
                .map(|(before, after)| after - before);
            println!("  {}: {:.2} s", phase.name(), cost.cpu_seconds());
            series.costs.push(cost);
            if let Some((_, stored)) = self.stored.iter_mut().find(|(of, _)| of == phase) {
                stored.push(measure_folder(&self.scratch.join("repository"))?.1);
            }
        }
        self.program.end();
        // Gigabytes that nobody needs any more.
        clear(&self.scratch)
    }

    pub(super) fn median(&self, phase: Phase) -> Option<&Cost> {
        let (_, series) = self.series.iter().find(|(of, _)| *of == phase)?;
        series.median()
    }

    /// The median of what was stored after a phase.
    pub(super) fn stored_bytes(&self, phase: Phase) -> Option<u64> {
        let (_, stored) = self.stored.iter().find(|(of, _)| *of == phase)?;
        let mut sorted = stored.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

/// A word of a command line; what stands in braces can be a part of it.
fn filled(word: &str, words: &HashMap<&str, OsString>) -> OsString {
    let mut filled = OsString::new();
    let mut rest = word;
    while let Some((before, inner)) = rest.split_once('{') {
        filled.push(before);
        let (name, after) = inner.split_once('}').unwrap_or((inner, ""));
        match words.get(format!("{{{name}}}").as_str()) {
            Some(value) => filled.push(value),
            None => filled.push(format!("{{{name}}}")),
        }
        rest = after;
    }
    filled.push(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_braces_are_replaced_wherever_they_stand() {
        let words = HashMap::from([("{repo}", OsString::from("/r")), ("{one}", "x".into())]);
        assert_eq!(filled("{repo}::a{one}-{two}", &words), "/r::ax-{two}");
        assert_eq!(filled("plain", &words), "plain");
    }
}
