//! Destinations by URL.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::error::Result;

/// Opens the destination of an existing repository.
///
/// | URL | destination |
/// | --- | --- |
/// | a path, `file:///path` | a local or mounted folder, written with fsync |
/// | `memory://` | memory of this process, empty at first |
///
/// # Errors
/// `NotFound` when the folder does not exist, `Unsupported` for another scheme.
pub fn destination_from_url(url: &str) -> Result<Arc<dyn ObjectStore>> {
    todo!()
}

/// Like [`destination_from_url`], and creates the folder where it does not exist.
///
/// # Errors
/// `Denied`, `NoSpace` when it cannot be created.
pub fn create_destination_from_url(url: &str) -> Result<Arc<dyn ObjectStore>> {
    todo!()
}
