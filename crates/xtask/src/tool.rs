//! Running other programs.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::Result;

/// A command line, with errors that say what could not be run.
pub(crate) struct Tool {
    command: Command,
    name: String,
}

impl Tool {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let name = Path::new(program).file_name().unwrap_or(program);
        Tool {
            command: Command::new(program),
            name: name.to_string_lossy().into_owned(),
        }
    }

    /// The cargo that started this program.
    pub(crate) fn cargo() -> Self {
        Tool::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs with our own terminal; failure is an error.
    pub(crate) fn run(mut self) -> Result {
        let status = self
            .command
            .status()
            .map_err(|error| self.cannot_start(&error))?;
        self.judge(status)
    }

    /// Runs and returns the standard output; failure is an error with what was on standard error.
    pub(crate) fn output(self) -> Result<String> {
        let name = self.name.clone();
        let output = self.capture()?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "{name} failed ({}): {}",
                output.status,
                complaint.trim()
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs and returns everything, whether it succeeded or not.
    pub(crate) fn capture(mut self) -> Result<Output> {
        self.command.stdin(Stdio::null());
        self.command
            .output()
            .map_err(|error| self.cannot_start(&error))
    }

    /// Starts the program with its standard output piped to us.
    pub(crate) fn spawn_piped(&mut self) -> Result<Child> {
        self.command.stdout(Stdio::piped());
        self.spawn()
    }

    /// Starts the program.
    pub(crate) fn spawn(&mut self) -> Result<Child> {
        self.command
            .spawn()
            .map_err(|error| self.cannot_start(&error))
    }

    /// Starts the program with nothing to read and its output thrown away.
    pub(crate) fn spawn_silent(&mut self) -> Result<Child> {
        self.command.stdin(Stdio::null()).stdout(Stdio::null());
        self.spawn()
    }

    /// Starts the program with nothing to read and nobody to read what it says.
    pub(crate) fn spawn_mute(&mut self) -> Result<Child> {
        self.command.stderr(Stdio::null());
        self.spawn_silent()
    }

    /// An unsuccessful end is an error.
    pub(crate) fn judge(&self, status: ExitStatus) -> Result {
        if status.success() {
            return Ok(());
        }
        Err(format!("{} failed ({status})", self.name))
    }

    fn cannot_start(&self, error: &std::io::Error) -> String {
        match error.kind() {
            ErrorKind::NotFound => format!("{} is not installed", self.name),
            _ => format!("cannot run {}: {error}", self.name),
        }
    }
}
