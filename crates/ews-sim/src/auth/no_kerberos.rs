//! In place of Kerberos in a build without the feature.

use crate::error::Error;

/// There is none.
pub(crate) enum Acceptor {}

/// A token that was taken: none ever is.
pub(crate) struct Accepted {
    pub(crate) principal: String,
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) is_bound: bool,
}

impl Acceptor {
    pub(crate) fn new() -> Result<Acceptor, Error> {
        Err(Error::invalid(
            "Kerberos is not part of this build: build it with the feature kerberos",
        ))
    }

    pub(crate) fn accept(&self, _token: &[u8], _channel: Option<&[u8]>) -> Option<Accepted> {
        match *self {}
    }
}
