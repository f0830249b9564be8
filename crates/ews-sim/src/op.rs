//! Operations: a request body in, an answer out.

use std::sync::Arc;

use axum::body::Bytes;
use futures::stream::BoxStream;

use crate::account::Account;
use crate::fault::FaultAction;
use crate::sim::World;
use crate::soap::{self, Fault};
use crate::stats::InFlight;

/// Who asks, and of which world.
pub(crate) struct Caller {
    pub(crate) world: Arc<World>,
    pub(crate) account: Account,
    /// Every response message says the server is busy, with this back-off.
    pub(crate) inner_busy: Option<u64>,
}

/// An answer.
pub(crate) enum Reply {
    /// Bytes.
    Whole(Vec<u8>),
    /// Exports, made while they are sent.
    Export(ExportReply),
}

pub(crate) struct ExportReply;
impl ExportReply {
    pub(crate) fn into_stream(self, world: Arc<World>, in_flight: InFlight) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
        drop((world, in_flight));
        Box::pin(futures::stream::empty())
    }
}

pub(crate) fn look(world: &World, body: &[u8]) -> Result<Option<FaultAction>, Fault> {
    let envelope = soap::parse(body)?;
    world.recorder.request(&envelope.operation.name);
    Ok(world.faults.for_request(&envelope.operation.name, &[]))
}

pub(crate) fn run(caller: &Caller, body: &[u8]) -> Result<Reply, Fault> {
    let envelope = soap::parse(body)?;
    let _ = (&caller.account, caller.inner_busy, &envelope.impersonate);
    Err(Fault::new("ErrorInvalidRequest", "Unknown operation"))
}
