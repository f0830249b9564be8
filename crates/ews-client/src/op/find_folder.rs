//! FindFolder (MS-OXWSSRCH 3.1.4.1).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::property::named;
use crate::model::{Folder, FolderIdRef, FolderShape, ItemError};
use crate::op::{Operation, Paging, Restriction, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

named! {
    /// How far below the parents to look (`FolderQueryTraversalType`, MS-OXWSSRCH).
    FolderTraversal {
        Shallow, Deep, SoftDeleted,
    }
}

/// Lists folders below others (FindFolder, MS-OXWSSRCH 3.1.4.1).
#[derive(Clone, Debug)]
pub struct FindFolder {
    /// Where to look; at least one. Pages of several parents are merged.
    pub parents: Vec<FolderIdRef>,
    /// How far down. Public folders know no `Deep`.
    pub traversal: FolderTraversal,
    /// The properties wanted.
    pub shape: FolderShape,
    /// Which folders only; `None` for all.
    pub restriction: Option<Restriction>,
    /// Which rows; `None` for as many as the server gives.
    pub paging: Option<Paging>,
}

impl FindFolder {
    /// All folders below one, at any depth.
    pub fn deep(parent: impl Into<FolderIdRef>, shape: FolderShape) -> FindFolder {
        FindFolder {
            parents: vec![parent.into()],
            traversal: FolderTraversal::Deep,
            shape,
            restriction: None,
            paging: None,
        }
    }
}

/// A page of folders (FindFolder's answer, MS-OXWSSRCH 3.1.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindFolderPage {
    /// The folders, parents before children as far as the server orders them so.
    pub folders: Vec<Folder>,
    /// How many there are in all pages, if the server says so; of several parents, the most that
    /// one has.
    pub total: Option<u64>,
    /// The [`Paging::offset`] of the next page; `None` on the last page.
    pub next_offset: Option<u32>,
    /// Whether this is the last page.
    pub includes_last: bool,
}

impl Operation for FindFolder {
    const NAME: &'static str = "FindFolder";
    const IDEMPOTENT: bool = true;
    type Answer = FindFolderPage;

    fn validate(&self) -> Result<()> {
        require(!self.parents.is_empty(), "no parent folder given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:FindFolder")
            .attribute("Traversal", self.traversal.as_str());
        element::folder_shape(writer, &self.shape);
        element::paging(writer, "m:IndexedPageFolderView", self.paging);
        if let Some(restriction) = &self.restriction {
            restriction.write(writer);
        }
        element::folder_refs(writer, "m:ParentFolderIds", &self.parents);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let mut page = FindFolderPage {
            includes_last: true,
            ..FindFolderPage::default()
        };
        answer::single(response)?;
        for message in answer::messages(response) {
            let message = answer::outcome(message).map_err(ItemError::into_error)?;
            let root = answer::required(message, "RootFolder")?;
            let rows = PageRows::read(root, self.paging, "Folders");
            page.folders.extend(
                root.child("Folders")
                    .into_iter()
                    .flat_map(Node::children)
                    .filter_map(answer::folder),
            );
            page.total = page.total.max(rows.total);
            page.next_offset = page.next_offset.max(rows.next_offset);
            page.includes_last &= rows.includes_last;
        }
        Ok(page)
    }
}

/// The paging attributes of a `RootFolder` element.
pub(super) struct PageRows {
    pub(super) total: Option<u64>,
    pub(super) next_offset: Option<u32>,
    pub(super) includes_last: bool,
}

impl PageRows {
    /// Reads them; where a server leaves some out, what it sent is counted instead.
    pub(super) fn read(root: Node<'_>, paging: Option<Paging>, list: &str) -> PageRows {
        let number = |name: &str| {
            root.attribute(name)
                .and_then(|text| text.trim().parse::<u64>().ok())
        };
        let count = root.child(list).map_or(0, |list| list.children().count()) as u64;
        let start = paging.map_or(0, |paging| u64::from(paging.offset));
        let total = number("TotalItemsInView");
        let reached = start.saturating_add(count);
        // An empty page is the last one whatever it claims: otherwise a caller would loop.
        let includes_last = count == 0
            || root
                .attribute_bool("IncludesLastItemInRange")
                .unwrap_or_else(|| match total {
                    Some(total) => reached >= total,
                    None => paging.is_none_or(|paging| count < u64::from(paging.max_entries)),
                });
        let next = number("IndexedPagingOffset")
            .filter(|next| *next > start)
            .unwrap_or(reached);
        let next_offset = if includes_last {
            None
        } else {
            u32::try_from(next).ok()
        };
        PageRows {
            total,
            next_offset,
            includes_last,
        }
    }
}
