//! What reading a server's answers costs, beside the `ews` crate's types and exchangelib on the same
//! bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::micro::bench_program;
use super::report::{machine, put_section};
use crate::Result;
use crate::judge::exchangelib_python;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Rows a second that a page of changes must reach.
const ROWS_WANTED: f64 = 1e6;
/// Bytes a second that an answer with items must reach.
const BYTES_WANTED: f64 = 1e9;

/// Rows and seconds of each operation.
type Times = BTreeMap<String, (f64, f64)>;

/// Writes the section of `docs/benchmarks.md` about reading answers.
pub(crate) fn parse(workspace: &Workspace) -> Result {
    let folder = workspace.target_dir("bench").join("answers");
    super::create(&folder)?;
    let ours = times(
        &Tool::new(bench_program(workspace)?)
            .arg("answers")
            .arg(&folder)
            .output()?,
    )?;
    let crate_ = times(&ews_crate(workspace)?.arg(&folder).output()?)?;
    let script = workspace
        .root()
        .join("crates/xtask/judges/exchangelib_parse.py");
    let python = exchangelib_python(workspace)?;
    let library = times(&Tool::new(&python).arg(script).arg(&folder).output()?)?;
    let mut section = format!(
        "## Reading answers\n\nOne thread, in memory, release build, medians; the same bytes for all. \
         {}\n\n\
         | answer | bytes | rows | ews-client | `ews` crate | exchangelib | target |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        machine(workspace)
    );
    for (operation, time) in &ours {
        let bytes = length(&folder, operation)?;
        let others = [crate_.get(operation), library.get(operation)];
        section += &row(operation, bytes, *time, others);
    }
    section += "\nThe `ews` crate (0.1.2) has no ExportItems and leaves MIME text in base64; \
        exchangelib's time has its transport's bookkeeping in it, `ews-client`'s its own.\n";
    put_section(workspace, "parse", &section)
}

/// The program of `judges/ews-crate`, built outside of the workspace.
fn ews_crate(workspace: &Workspace) -> Result<Tool> {
    let built = workspace.target_dir("bench").join("ews-crate");
    Tool::cargo()
        .args(["build", "--quiet", "--release", "--target-dir"])
        .arg(&built)
        .current_dir(&workspace.root().join("crates/xtask/judges/ews-crate"))
        .run()?;
    let name = format!("ews-crate{}", std::env::consts::EXE_SUFFIX);
    Ok(Tool::new(built.join("release").join(name)))
}

/// Reads lines of an operation, its rows, and seconds.
fn times(text: &str) -> Result<Times> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let operation = words.next()?.to_owned();
        Some((
            operation,
            (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        ))
    };
    text.lines()
        .map(|text| line(text).ok_or_else(|| format!("not a time: {text}")))
        .collect()
}

fn length(folder: &Path, operation: &str) -> Result<f64> {
    let path = folder.join(format!("{operation}.xml"));
    let metadata = fs::metadata(&path);
    metadata
        .map(|metadata| metadata.len() as f64)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn row(
    operation: &str,
    bytes: f64,
    (rows, seconds): (f64, f64),
    others: [Option<&(f64, f64)>; 2],
) -> String {
    // A page of changes is counted in rows, what carries items in bytes.
    let by_rows = operation.starts_with("Sync");
    let rate = |seconds: f64| match by_rows {
        true => format!("{:.3} M rows/s", rows / seconds / 1e6),
        false => format!("{:.0} MB/s", bytes / seconds / 1e6),
    };
    let (reached, target) = match by_rows {
        true => (rows / seconds >= ROWS_WANTED, "1 M rows/s"),
        false => (bytes / seconds >= BYTES_WANTED, "1,000 MB/s"),
    };
    let mut line = format!("| {operation} | {bytes} | {rows} | {} |", rate(seconds));
    for other in others {
        let cell = match other {
            Some((_, theirs)) => {
                format!("{} ({:.0} times slower)", rate(*theirs), theirs / seconds)
            }
            None => "-".to_owned(),
        };
        let _ = write!(line, " {cell} |");
    }
    let verdict = if reached { "met" } else { "**missed**" };
    line + &format!(" {target} {verdict} |\n")
}

#[cfg(test)]
mod tests {
    use super::{row, times};

    #[test]
    fn lines_become_times_and_times_a_row() {
        let read = times("GetItem 40 0.002\n").unwrap();
        let time = *read.get("GetItem").unwrap();
        assert_eq!(time, (40.0, 0.002));
        assert!(times("GetItem forty\n").is_err());
        let line = row("GetItem", 4e6, time, [None, Some(&(40.0, 0.2))]);
        assert_eq!(
            line,
            "| GetItem | 4000000 | 40 | 2000 MB/s | - | 20 MB/s (100 times slower) | 1,000 MB/s met |\n"
        );
    }
}
