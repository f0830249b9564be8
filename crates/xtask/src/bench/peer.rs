//! restic on the same files: the general-purpose program an administrator would take instead.

use std::ffi::OsString;
use std::path::Path;

use super::cost::{Meter, Series};
use super::{Corpus, Outcome, clear, measure_folder};
use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

const STEPS: [(&str, &str, bool); 4] = [
    ("init", "init", false),
    ("first backup", "backup {files}", true),
    ("backup without changes", "backup {files}", false),
    (
        "restore into an empty folder",
        "restore latest --target {out}",
        true,
    ),
];

pub(super) fn measure(
    workspace: &Workspace,
    corpus: &Corpus,
    scratch: &Path,
    runs: usize,
) -> Result<Outcome> {
    let version = Tool::new("restic").arg("version").output()?;
    let scratch = scratch.join("restic");
    let repository = scratch.join("repository");
    let environment = vec![
        ("RESTIC_REPOSITORY", repository.clone().into_os_string()),
        ("RESTIC_PASSWORD", OsString::from("a benchmark's secret")),
        ("RESTIC_CACHE_DIR", scratch.join("cache").into_os_string()),
    ];
    let meter = Meter::new(workspace, &scratch, environment);
    let mut steps = STEPS.map(|(name, command, moves_all)| Series {
        name,
        command: format!(
            "restic {}",
            command.replace("{files}", "MAIL").replace("{out}", "OUT")
        ),
        moves_all,
        costs: Vec::new(),
    });
    for run in 1..=runs {
        println!("restic, run {run} of {runs}");
        clear(&scratch)?;
        for (series, (name, command, _)) in steps.iter_mut().zip(STEPS) {
            let words = command.split_whitespace().map(|word| match word {
                "{files}" => corpus.folder.clone().into_os_string(),
                "{out}" => scratch.join("out").into_os_string(),
                word => word.into(),
            });
            let line: Vec<OsString> = std::iter::once("restic".into()).chain(words).collect();
            let cost = meter.measure(name, &line)?;
            println!("  {name}: {:.2} s", cost.wall_seconds);
            series.costs.push(cost);
        }
    }
    Ok(Outcome {
        program: "restic",
        version: version.trim().to_owned(),
        steps: steps.into(),
        stored_bytes: measure_folder(&repository)?.1,
    })
}
