//! Response messages.

use std::borrow::Cow;

use fasttransfer::{Message, tag};

use super::{Context, Reply};
use crate::fault::{FaultAction, FaultTarget};
use crate::soap::{self, Fault};
use crate::xml::XmlWriter;

/// Most rows of an answer where no policy says: clients that ask for all get it in parts.
const MOST_ROWS: u64 = 1000;

/// Why one part of a request failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: Cow<'static, str>,
    pub(crate) text: Cow<'static, str>,
    back_off_ms: Option<u64>,
}

impl Failure {
    pub(crate) const fn new(code: &'static str, text: &'static str) -> Failure {
        Failure {
            code: Cow::Borrowed(code),
            text: Cow::Borrowed(text),
            back_off_ms: None,
        }
    }

    pub(crate) fn with_text(code: &'static str, text: impl Into<String>) -> Failure {
        Failure {
            text: Cow::Owned(text.into()),
            ..Failure::new(code, "")
        }
    }

    pub(crate) fn named(
        code: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Failure {
        Failure {
            code: code.into(),
            text: text.into(),
            back_off_ms: None,
        }
    }

    pub(crate) fn busy(back_off_ms: u64) -> Failure {
        Failure {
            back_off_ms: Some(back_off_ms),
            ..Failure::new(
                "ErrorServerBusy",
                "The server cannot service this request right now. Try again later.",
            )
        }
    }

    pub(crate) const NO_FOLDER: Failure = Failure::new(
        "ErrorFolderNotFound",
        "The specified folder could not be found in the store.",
    );
    pub(crate) const NO_ITEM: Failure = Failure::new(
        "ErrorItemNotFound",
        "The specified object was not found in the store.",
    );
    pub(crate) const MALFORMED_ID: Failure =
        Failure::new("ErrorInvalidIdMalformed", "Id is malformed.");
    pub(crate) const STOPPED: Failure = Failure::new(
        "ErrorBatchProcessingStopped",
        "The request took too long; this part of it was not looked at.",
    );
    pub(crate) const DENIED: Failure = Failure::new(
        "ErrorAccessDenied",
        "Access is denied. Check credentials and try again.",
    );
}

/// A failure of a part, or a refusal of the whole request found while looking at a part.
#[derive(Debug)]
pub(crate) enum Oops {
    Part(Failure),
    Whole(Fault),
}

impl Failure {
    /// The class of the response message.
    fn class(&self) -> &'static str {
        match self.code.as_ref() {
            "ErrorBatchProcessingStopped" => "Warning",
            _ => "Error",
        }
    }

    /// Writes text, code and values into a response message that was opened as an error.
    pub(crate) fn write(&self, w: &mut XmlWriter) {
        w.leaf("m:MessageText", &self.text);
        w.leaf("m:ResponseCode", &self.code);
        w.leaf("m:DescriptiveLinkKey", "0");
        if let Some(back_off_ms) = self.back_off_ms {
            w.start("m:MessageXml");
            w.start("t:Value");
            w.attr("Name", "BackOffMilliseconds");
            w.text(&back_off_ms.to_string());
            w.end("t:Value");
            w.end("m:MessageXml");
        }
    }
}

/// The refusal of an operation whose answer is a response message itself.
pub(super) fn refused_single(context: &Context<'_>, failure: &Failure) -> Reply {
    let mut w = XmlWriter::new();
    soap::begin_single(
        &mut w,
        context.world.version,
        context.operation,
        Some("Error"),
    );
    failure.write(&mut w);
    soap::finish_single(&mut w, context.operation);
    Reply::Whole(w.into_bytes())
}

impl From<Failure> for Oops {
    fn from(failure: Failure) -> Oops {
        Oops::Part(failure)
    }
}

impl From<Fault> for Oops {
    fn from(fault: Fault) -> Oops {
        Oops::Whole(fault)
    }
}

/// An answer of response messages, being written.
pub(crate) struct Answer<'a> {
    context: &'a Context<'a>,
    w: XmlWriter,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Answer<'a> {
        let mut w = XmlWriter::new();
        soap::begin_response(&mut w, context.world.version, context.operation);
        Answer { context, w }
    }

    /// Writes one response message: what `content` writes, or its failure.
    pub(crate) fn message(
        &mut self,
        content: impl FnOnce(&mut XmlWriter) -> Result<(), Oops>,
    ) -> Result<(), Fault> {
        let mark = self.w.raw().len();
        let name = message_name(self.context.operation);
        let failure = match self.context.inner_busy {
            Some(back_off_ms) => Failure::busy(back_off_ms),
            None => {
                begin_success(&mut self.w, &name);
                let in_time = self.context.take_time().map_err(Oops::from);
                match in_time.and_then(|()| content(&mut self.w)) {
                    Ok(()) => {
                        self.w.end(&name);
                        return Ok(());
                    }
                    Err(Oops::Whole(fault)) => return Err(fault),
                    Err(Oops::Part(failure)) => failure,
                }
            }
        };
        self.w.rewind(mark);
        write_failure(&mut self.w, self.context.operation, &failure);
        Ok(())
    }

    /// Makes a warning of the only response message, if it is a success.
    pub(crate) fn warn(&mut self, code: &str, text: &str) {
        let good = "ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>";
        let warning = format!(
            "ResponseClass=\"Warning\"><m:MessageText>{text}</m:MessageText>\
             <m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        );
        let out = self.w.raw();
        *out = out.replacen(good, &warning, 1);
    }

    /// Ends the answer.
    pub(crate) fn finish(mut self) -> Result<Reply, Fault> {
        soap::finish_response(&mut self.w, self.context.operation);
        Ok(Reply::Whole(self.w.into_bytes()))
    }
}

fn message_name(operation: &str) -> String {
    format!("m:{operation}ResponseMessage")
}

/// Opens a response message that reports success.
pub(crate) fn begin_success(w: &mut XmlWriter, name: &str) {
    w.start(name);
    w.attr("ResponseClass", "Success");
    w.leaf("m:ResponseCode", "NoError");
}

/// Writes a response message that reports a failure.
pub(crate) fn write_failure(w: &mut XmlWriter, operation: &str, failure: &Failure) {
    let name = message_name(operation);
    w.start(&name);
    w.attr("ResponseClass", failure.class());
    failure.write(w);
    // These response messages must have their list even when there is nothing to list.
    match operation {
        "CreateItem" | "GetItem" | "UpdateItem" | "MoveItem" | "CopyItem" | "ArchiveItem" => {
            w.start("m:Items");
            w.end("m:Items");
        }
        "CreateAttachment" | "GetAttachment" => {
            w.start("m:Attachments");
            w.end("m:Attachments");
        }
        _ => {}
    }
    w.end(&name);
}

impl Context<'_> {
    /// Uses the time for one id up; fails when there is none left.
    pub(crate) fn take_time(&self) -> Result<(), Failure> {
        match self.ids_in_time.get() {
            Some(0) => Err(Failure::STOPPED),
            Some(left) => {
                self.ids_in_time.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The most rows of an answer.
    pub(crate) fn most_rows(&self, is_searched: bool) -> u64 {
        let policy = self.world.throttle_policy.as_ref();
        policy.map_or(MOST_ROWS, |policy| match is_searched {
            true => policy.searched_count,
            false => policy.find_count,
        })
    }

    /// Draws the fault of one item; failures are returned, truncation is told.
    pub(crate) fn item_fault(&self, id: &str, subject: &str) -> Result<bool, Failure> {
        if !self.world.faults.has_rules() {
            return Ok(false);
        }
        let target = FaultTarget { id, subject };
        let Some(action) = self.world.faults.for_item(self.operation, target) else {
            return Ok(false);
        };
        self.world
            .recorder
            .record(|stats| stats.faults_injected += 1);
        match action {
            FaultAction::Fail(code) => Err(Failure {
                code: Cow::Owned(code),
                text: Cow::Borrowed("Failed on purpose."),
                back_off_ms: None,
            }),
            _ => Ok(true),
        }
    }
}

/// The subject of a message; empty if it has none.
pub(crate) fn subject_of(message: &Message) -> String {
    message
        .props
        .text(tag::SUBJECT)
        .unwrap_or_default()
        .into_owned()
}
