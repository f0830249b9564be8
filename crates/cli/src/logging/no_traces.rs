//! In place of traces, in a program without the feature `otel`.

use tokio::runtime::Handle;

use super::BoxedLayer;
use crate::exit::{Code, Failure, Result};

/// There is none.
pub(super) enum Traces {}

impl Traces {
    /// Refuses what the arguments or the configuration ask for. The environment's variables are
    /// about all programs: they ask nothing of this one.
    pub(super) fn start(named: Option<&str>, _: &Handle) -> Result<Option<(Self, BoxedLayer)>> {
        match named {
            None => Ok(None),
            Some(_) => Err(
                Failure::new(Code::Internal, "this program was built without traces")
                    .hint("build it with `--features otel`, or leave out `--traces` and `traces`"),
            ),
        }
    }

    /// Nothing is left to be sent.
    pub(super) fn finish(self) -> Option<String> {
        match self {}
    }
}
