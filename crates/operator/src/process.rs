//! Commands of the user's: hooks, notifications, secrets.

use std::process::Stdio;
use std::time::Duration;

use engine::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::secret::io_error;

/// Bytes kept of what a command prints; the rest is read and dropped, so that it can end.
const MAX_OUTPUT_BYTES: usize = 256 * 1024;

/// A command to be run.
pub(crate) struct Invocation<'a> {
    /// The program and its arguments; no shell sees them.
    pub(crate) command: &'a [String],
    /// What it reads.
    pub(crate) stdin: &'a [u8],
    /// When it is killed.
    pub(crate) timeout: Duration,
}

/// How a command ended.
pub(crate) struct Done {
    pub(crate) success: bool,
    pub(crate) ended: String,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Done {
    /// The end, with the last line that the command said of itself.
    pub(crate) fn summary(&self) -> String {
        let stderr = String::from_utf8_lossy(&self.stderr);
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
        match last {
            Some(line) => format!("{}: {}", self.ended, line.trim()),
            None => self.ended.clone(),
        }
    }
}

/// Runs a command to its end. A failing command is no error of this function's.
///
/// # Errors
/// Only where it could not be started.
///
/// # Cancellation
/// Dropping the future kills the command.
pub(crate) async fn run(invocation: &Invocation<'_>) -> Result<Done> {
    let Some((program, arguments)) = invocation.command.split_first() else {
        return Err(Error::new(
            engine::ErrorKind::Invalid,
            "the command names no program",
        ));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io_error(&format!("start {program}"), error))?;
    let stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A command that does not read its input is nothing to complain about.
            let _ = stdin.write_all(invocation.stdin).await;
        }
    };
    let work = async { tokio::join!(feed, drain(stdout), drain(stderr), child.wait()) };
    let Ok(((), stdout, stderr, status)) = tokio::time::timeout(invocation.timeout, work).await
    else {
        return Ok(Done {
            success: false,
            ended: format!("stopped after {} s", invocation.timeout.as_secs()),
            stdout: Vec::new(),
            stderr: Vec::new(),
        });
    };
    let status = status.map_err(|error| io_error(&format!("wait for {program}"), error))?;
    Ok(Done {
        success: status.success(),
        ended: status.to_string(),
        stdout,
        stderr,
    })
}

async fn drain(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let Some(mut stream) = stream else {
        return Vec::new();
    };
    let mut kept = Vec::new();
    let mut buffer = [0; 8 * 1024];
    // A broken pipe is the end of what there is to read.
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = MAX_OUTPUT_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    kept
}
