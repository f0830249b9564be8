//! What went wrong with one entry of a batch.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::response_code::ResponseCode;

/// The result for one entry of a batch; order is the request's.
pub type Outcome<T> = std::result::Result<T, ItemError>;

/// Why the server refused one entry of a batch (`ResponseMessageType`, MS-OXWSCDATA 2.2.4.67).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemError {
    /// The server's code, or one of the client's own.
    pub code: ResponseCode,
    /// The server's text, one line; may be empty.
    pub message: String,
    /// How long the server asks to be left alone, to the millisecond, and at most an hour.
    pub back_off: Option<Duration>,
    /// The named values of `MessageXml`.
    pub values: Vec<(String, String)>,
}

impl ItemError {
    pub(crate) fn new(code: ResponseCode, message: impl Into<String>) -> ItemError {
        ItemError {
            code,
            message: message.into(),
            back_off: None,
            values: Vec::new(),
        }
    }

    /// What the caller does about it.
    pub fn kind(&self) -> ErrorKind {
        self.code.kind()
    }

    /// The same as the failure of the whole call.
    pub(crate) fn into_error(self) -> Error {
        Error::new(self.code.kind(), self.to_string())
            .with_retry_after(self.back_off)
            .with_code(self.code)
    }
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "{}", self.code)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

impl std::error::Error for ItemError {}
