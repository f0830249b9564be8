//! What the index of a very large repository takes.

use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Chunks of some 300 million mails.
const DEFAULT_CHUNKS: &str = "100000000";

/// Runs the measurement that is a test of chunkstore, with so many chunks.
pub(crate) fn index(workspace: &Workspace, chunks: Option<&str>) -> Result {
    Tool::cargo()
        .args(["test", "--release", "--package", "chunkstore", "--lib"])
        .args(["an_index_in_files", "--", "--nocapture"])
        .env("POSTKEEP_INDEX_CHUNKS", chunks.unwrap_or(DEFAULT_CHUNKS))
        .current_dir(workspace.root())
        .run()
}
