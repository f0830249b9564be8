//! The demonstration's report: step by step for people, as one document for machines.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::human::{bytes, duration, plain};

/// Characters of a step's title, so that the times stand below one another.
const TITLE_CHARS: usize = 58;

/// What happened so far.
pub struct Story<'a> {
    context: &'a Context,
    started_unix_ms: i64,
    step_unix_ms: i64,
    document: Document,
}

#[derive(Serialize)]
struct Document {
    success: bool,
    steps: Vec<Step>,
    elapsed_ms: u64,
    read_bytes: u64,
    stored_bytes: u64,
    sent_messages: u64,
}

#[derive(Serialize)]
struct Step {
    title: String,
    details: Vec<String>,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<serde_json::Value>,
}

impl<'a> Story<'a> {
    pub fn begin(context: &'a Context) -> Self {
        let now = (context.environment.now_unix_ms)();
        Self {
            context,
            started_unix_ms: now,
            step_unix_ms: now,
            document: Document {
                success: true,
                steps: Vec::new(),
                elapsed_ms: 0,
                read_bytes: 0,
                stored_bytes: 0,
                sent_messages: 0,
            },
        }
    }

    /// A step ended; the time since the one before is its own.
    pub fn step(&mut self, title: &str, details: &[String]) {
        self.add(title, details, None, None);
    }

    /// A step with a report of its own ended.
    pub fn step_with(
        &mut self,
        title: &str,
        details: &[String],
        kind: &'static str,
        report: &impl Serialize,
    ) {
        self.add(
            title,
            details,
            Some(kind),
            serde_json::to_value(report).ok(),
        );
    }

    fn add(
        &mut self,
        title: &str,
        details: &[String],
        kind: Option<&'static str>,
        report: Option<serde_json::Value>,
    ) {
        let now = (self.context.environment.now_unix_ms)();
        let elapsed_ms = u64::try_from(now - self.step_unix_ms).unwrap_or(0);
        self.step_unix_ms = now;
        if !self.context.output.is_json() {
            let number = self.document.steps.len() + 1;
            let time = duration(elapsed_ms);
            let mut text = format!("{number:2}. {title:TITLE_CHARS$} {time:>8}\n");
            for line in details.iter().flat_map(|detail| detail.lines()) {
                text.push_str(&format!("      {}\n", plain(line)));
            }
            // Whoever closed standard output does not want to see the rest either.
            let _ = self.context.output.raw(text.as_bytes());
        }
        let title = title.to_owned();
        self.document.steps.push(Step {
            title,
            details: details.to_vec(),
            elapsed_ms,
            kind,
            report,
        });
    }

    /// Something is not as it should be.
    pub fn went_wrong(&mut self) {
        self.document.success = false;
    }

    /// A backup read so much.
    pub fn add_read(&mut self, bytes: u64) {
        self.document.read_bytes += bytes;
    }

    /// What the repository takes, and what was sent.
    pub fn totals(&mut self, stored_bytes: u64, sent_messages: u64) {
        let now = (self.context.environment.now_unix_ms)();
        self.document.stored_bytes = stored_bytes;
        self.document.sent_messages = sent_messages;
        self.document.elapsed_ms = u64::try_from(now - self.started_unix_ms).unwrap_or(0);
    }

    /// Prints the end, and where the repository is if it was left behind.
    pub fn end(&self, repository: Option<PathBuf>) -> Result<()> {
        let output = self.context.output;
        if output.is_json() {
            let mut document = serde_json::to_value(&self.document).map_err(|error| {
                Failure::new(Code::Internal, format!("write the report as JSON: {error}"))
            })?;
            if let (Some(folder), Some(members)) = (repository, document.as_object_mut()) {
                members.insert("repository".into(), folder.display().to_string().into());
            }
            return output.result(&document, |_| String::new());
        }
        let document = &self.document;
        let verdict = match document.success {
            true => "All is as it should be",
            false => "SOMETHING IS WRONG, see above",
        };
        let sent = match document.sent_messages {
            0 => "no mail was sent".to_owned(),
            sent => format!("{sent} MAILS WERE SENT"),
        };
        let text = format!(
            "\n{verdict}: {} of mail read, {} stored; {sent}; {} in all.\n",
            bytes(document.read_bytes),
            bytes(document.stored_bytes),
            duration(document.elapsed_ms)
        );
        output.raw(text.as_bytes())
    }

    pub fn code(&self) -> Code {
        if self.document.success {
            Code::Done
        } else {
            Code::Incomplete
        }
    }
}
