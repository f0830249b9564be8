//! What the program prints: results on standard output, messages on standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::args::GlobalArgs;
use crate::exit::{Code, Failure, Result};
use crate::human::{self, plain};
use crate::logging::Logging;

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
    logging: Logging,
}

impl Output {
    pub fn new(global: &GlobalArgs, logging: Logging) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            logging,
        }
    }

    /// Whether results are for machines.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether bars can be drawn on standard error without garbling anything.
    pub fn can_draw(self) -> bool {
        !self.quiet && self.logging != Logging::Screen && io::stderr().is_terminal()
    }

    /// Prints a command's result: the document for machines, or what `people` makes of it.
    pub fn result<T: Serialize>(
        self,
        document: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        if self.json {
            let mut text = serde_json::to_vec_pretty(document).map_err(|error| {
                Failure::new(Code::Internal, format!("write the result as JSON: {error}"))
            })?;
            text.push(b'\n');
            self.raw(&text)
        } else {
            self.raw(people(document).as_bytes())
        }
    }

    /// Prints a foreign text. A terminal gets it without what it would obey; a file or a program
    /// gets the very bytes.
    pub fn foreign(self, text: &[u8]) -> Result<()> {
        if io::stdout().is_terminal() {
            self.raw(human::plain_lines(&String::from_utf8_lossy(text)).as_bytes())
        } else {
            self.raw(text)
        }
    }

    /// Prints bytes as they are.
    pub fn raw(self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done.map_err(|error| Failure::io("write to standard output", &error)),
        }
    }

    /// Says something that is no result.
    pub fn note(self, message: &str) {
        if !self.quiet {
            self.say(&format!("{}\n", plain(message)));
        }
    }

    /// Says what belongs into a log: there, or on standard error where there is none.
    pub fn log(self, time: &str, message: &str) {
        match self.logging {
            Logging::Off => self.note(&format!("{time} {message}")),
            _ => tracing::info!(target: "postkeep", "{}", plain(message)),
        }
    }

    /// Says why the command failed.
    pub fn failure(self, failure: &Failure) {
        self.say(&failure.lines());
        if self.json {
            // Standard error has told it; a standard output that is gone changes nothing.
            let _ = self.result(&failure.document(), |_| String::new());
        }
    }

    fn say(self, text: &str) {
        // Where standard error is gone there is nobody left to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
