//! SyncFolderHierarchy (MS-OXWSSYNC 3.1.4.1).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{Folder, FolderId, FolderIdRef, FolderShape, SyncState};
use crate::op::Operation;
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks what changed in the folder tree (SyncFolderHierarchy, MS-OXWSSYNC 3.1.4.1).
#[derive(Clone, Debug)]
pub struct SyncFolderHierarchy {
    /// The properties wanted.
    pub shape: FolderShape,
    /// The tree's top; `None` is the mailbox's root.
    pub folder: Option<FolderIdRef>,
    /// Where the last call ended; `None` to start over.
    pub sync_state: Option<SyncState>,
}

/// A change in the folder tree (`SyncFolderHierarchyChangesType`, MS-OXWSSYNC 3.1.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderChange {
    /// A folder the client does not know yet.
    Create(Folder),
    /// A known folder changed.
    Update(Folder),
    /// A known folder is gone.
    Delete(FolderId),
}

/// A page of changes (SyncFolderHierarchy's answer, MS-OXWSSYNC 3.1.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyPage {
    /// Where to continue.
    pub sync_state: SyncState,
    /// Whether nothing remains.
    pub includes_last: bool,
    /// The changes in order.
    pub changes: Vec<FolderChange>,
}

impl Operation for SyncFolderHierarchy {
    const NAME: &'static str = "SyncFolderHierarchy";
    const IDEMPOTENT: bool = true;
    type Answer = HierarchyPage;

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:SyncFolderHierarchy");
        element::folder_shape(writer, &self.shape);
        if let Some(folder) = &self.folder {
            element::target_folder(writer, "m:SyncFolderId", folder);
        }
        if let Some(state) = &self.sync_state {
            writer.leaf("m:SyncState", state.as_str());
        }
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let changes: Vec<FolderChange> = message
            .child("Changes")
            .into_iter()
            .flat_map(Node::children)
            .filter_map(change)
            .collect();
        let sync_state = answer::sync_state(message, self.sync_state.as_ref(), changes.is_empty())?;
        let includes_last = message
            .child_bool("IncludesLastFolderInRange")
            .unwrap_or(changes.is_empty());
        Ok(HierarchyPage {
            sync_state,
            includes_last,
            changes,
        })
    }
}

/// Reads one change; kinds this client does not know are passed over.
fn change(node: Node<'_>) -> Option<FolderChange> {
    match node.name() {
        "Create" => node
            .children()
            .find_map(answer::folder)
            .map(FolderChange::Create),
        "Update" => node
            .children()
            .find_map(answer::folder)
            .map(FolderChange::Update),
        "Delete" => node
            .child("FolderId")
            .and_then(answer::folder_id)
            .map(FolderChange::Delete),
        _ => None,
    }
}
