//! One command's cost, and the median of several.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Result;
use crate::judge::system_python;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// What `measure.py` writes, and what the server spent meanwhile.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Cost {
    pub(super) wall_seconds: f64,
    user_seconds: f64,
    system_seconds: f64,
    pub(super) peak_rss_bytes: u64,
    /// Processor seconds of the simulated server, where there is one and the system tells.
    #[serde(default)]
    pub(super) server_seconds: Option<f64>,
}

impl Cost {
    /// One command after the other.
    pub(super) fn and(&self, next: &Self) -> Self {
        Cost {
            wall_seconds: self.wall_seconds + next.wall_seconds,
            user_seconds: self.user_seconds + next.user_seconds,
            system_seconds: self.system_seconds + next.system_seconds,
            peak_rss_bytes: self.peak_rss_bytes.max(next.peak_rss_bytes),
            server_seconds: None,
        }
    }

    pub(super) fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// One step, run several times.
pub(super) struct Series {
    /// The commands, a line each, with placeholders instead of this machine's paths.
    pub(super) command: String,
    pub(super) costs: Vec<Cost>,
}

impl Series {
    /// The run in the middle by processor time, whole: its figures belong together.
    pub(super) fn median(&self) -> Option<&Cost> {
        let mut sorted: Vec<&Cost> = self.costs.iter().collect();
        sorted.sort_by(|a, b| a.cpu_seconds().total_cmp(&b.cpu_seconds()));
        sorted.get(sorted.len() / 2).copied()
    }
}

/// Measures commands in one environment.
pub(super) struct Meter<'a> {
    script: PathBuf,
    scratch: &'a Path,
    environment: Vec<(&'static str, OsString)>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(
        workspace: &Workspace,
        scratch: &'a Path,
        environment: Vec<(&'static str, OsString)>,
    ) -> Self {
        Meter {
            script: workspace.root().join("crates/xtask/judges/measure.py"),
            scratch,
            environment,
        }
    }

    /// Runs a command, keeps its standard output beside the repository and returns its cost.
    pub(super) fn measure(&self, name: &str, command: &[OsString]) -> Result<Cost> {
        let report = self.scratch.join("cost.json");
        let mut tool = Tool::new(system_python())
            .arg(&self.script)
            .arg(&report)
            .args(command)
            // borg writes into the folder where it is started.
            .current_dir(self.scratch);
        for (variable, value) in &self.environment {
            tool = tool.env(variable, value);
        }
        let output = tool.capture()?;
        let log = self.scratch.join(format!(
            "{}.out",
            name.replace(|c: char| !c.is_alphanumeric(), "-")
        ));
        fs::write(&log, &output.stdout)
            .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name}: {}: {}", output.status, complaint.trim()));
        }
        let json = fs::read_to_string(&report)
            .map_err(|error| format!("cannot read {}: {error}", report.display()))?;
        serde_json::from_str(&json).map_err(|error| format!("measure.py wrote {json:?}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_whole_run() {
        let cost = |user_seconds: f64, peak_rss_bytes| Cost {
            wall_seconds: 0.0,
            user_seconds,
            system_seconds: 0.0,
            peak_rss_bytes,
            server_seconds: None,
        };
        let series = Series {
            command: String::new(),
            costs: vec![cost(9.0, 1), cost(1.0, 2), cost(2.0, 3)],
        };
        assert_eq!(series.median().map(|cost| cost.peak_rss_bytes), Some(3));
    }
}
