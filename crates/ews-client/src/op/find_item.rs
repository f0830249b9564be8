//! FindItem (MS-OXWSSRCH 3.1.4.2).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::property::named;
use crate::model::{FolderIdRef, Item, ItemShape, PropertyPath};
use crate::op::find_folder::PageRows;
use crate::op::{Operation, Paging, Restriction, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

named! {
    /// Which of a folder's contents to list (`ItemQueryTraversalType`, MS-OXWSSRCH 2.2.5.7).
    ItemTraversal {
        Shallow, SoftDeleted, Associated,
    }
}

named! {
    /// Which end comes first (`SortDirectionType`, MS-OXWSSRCH 3.1.4.2.4.2).
    SortDirection {
        Ascending, Descending,
    }
}

/// Lists the items of one folder (FindItem, MS-OXWSSRCH 3.1.4.2).
#[derive(Clone, Debug)]
pub struct FindItem {
    /// The folder.
    pub folder: FolderIdRef,
    /// Normal, soft-deleted or hidden items.
    pub traversal: ItemTraversal,
    /// The properties wanted; FindItem sends neither MIME nor body.
    pub shape: ItemShape,
    /// Which rows; `None` for as many as the server gives (Exchange: 1,000).
    pub paging: Option<Paging>,
    /// Which items only; `None` for all. Exchange then gives 250 rows at most.
    pub restriction: Option<Restriction>,
    /// Order, most significant first. Without one, rows may shift between pages.
    pub sort: Vec<(PropertyPath, SortDirection)>,
}

impl FindItem {
    /// A page of a folder's normal items, unsorted.
    pub fn new(folder: impl Into<FolderIdRef>, shape: ItemShape, paging: Paging) -> FindItem {
        FindItem {
            folder: folder.into(),
            traversal: ItemTraversal::Shallow,
            shape,
            paging: Some(paging),
            restriction: None,
            sort: Vec::new(),
        }
    }
}

/// A page of items (FindItem's answer, MS-OXWSSRCH 3.1.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindItemPage {
    /// The items.
    pub items: Vec<Item>,
    /// How many there are in all pages, if the server says so.
    pub total: Option<u64>,
    /// The [`Paging::offset`] of the next page; `None` on the last page.
    pub next_offset: Option<u32>,
    /// Whether this is the last page.
    pub includes_last: bool,
}

impl Operation for FindItem {
    const NAME: &'static str = "FindItem";
    const IDEMPOTENT: bool = true;
    type Answer = FindItemPage;

    fn validate(&self) -> Result<()> {
        require(!self.shape.include_mime, "FindItem sends no MIME content")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:FindItem")
            .attribute("Traversal", self.traversal.as_str());
        element::item_shape(writer, &self.shape);
        element::paging(writer, "m:IndexedPageItemView", self.paging);
        if let Some(restriction) = &self.restriction {
            restriction.write(writer);
        }
        if !self.sort.is_empty() {
            writer.open("m:SortOrder");
            for (path, direction) in &self.sort {
                writer
                    .open("t:FieldOrder")
                    .attribute("Order", direction.as_str());
                element::property_path(writer, path);
                writer.close();
            }
            writer.close();
        }
        element::target_folder(writer, "m:ParentFolderIds", &self.folder);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let root = answer::required(message, "RootFolder")?;
        let items = root
            .child("Items")
            .map(answer::items)
            .transpose()?
            .unwrap_or_default();
        let rows = PageRows::read(root, self.paging, "Items");
        Ok(FindItemPage {
            items,
            total: rows.total,
            next_offset: rows.next_offset,
            includes_last: rows.includes_last,
        })
    }
}
