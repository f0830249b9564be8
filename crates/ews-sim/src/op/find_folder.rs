//! FindFolder (MS-OXWSFOLD 3.1.4.5).

use super::{Answer, Context, Failure, Oops, Reply};
use crate::folder::Folder;
use crate::mailbox::{State, Store, StoreKind};
use crate::op::find_item::{Paging, write_page};
use crate::prop::Path;
use crate::restriction::{Restriction, Row, Value, extended_value};
use crate::shape::{FolderShape, folder_value, write_folder};
use crate::soap::Fault;
use crate::xml::Element;

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for id in request.required_list("ParentFolderIds")? {
        answer.message(|w| {
            let shape = FolderShape::read(request)?;
            let restriction = Restriction::read(request)?;
            let limit = context.most_rows(restriction.is_some());
            let paging = Paging::read(request, "Folder", limit)?;
            let parent = context.folder(id)?;
            context.item_fault(&parent.store.folder_id(parent.number), "")?;
            let state = parent.store.read();
            let mut folders = match request.attr("Traversal") {
                Some("Shallow") => state.children(parent.number).collect(),
                Some("Deep") if parent.store.kind == StoreKind::Public => {
                    return Err(deep_public().into());
                }
                Some("Deep") => state.descendants(parent.number),
                Some("SoftDeleted") => Vec::new(),
                _ => return Err(Fault::schema("The 'Traversal' attribute is invalid.").into()),
            };
            if let Some(restriction) = &restriction {
                let store = &parent.store;
                folders.retain(|folder| {
                    restriction.admits(&FolderRow {
                        store,
                        state: &state,
                        folder,
                    })
                });
            }
            let total = folders.len() as u64;
            let (from, count) = paging.window(total);
            w.start("m:RootFolder");
            write_page(w, &paging, from + count, total);
            w.start("t:Folders");
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            for folder in folders.into_iter().skip(from).take(count) {
                write_folder(w, &shape, &parent.store, &state, folder);
            }
            w.end("t:Folders");
            w.end("m:RootFolder");
            Ok::<(), Oops>(())
        })?;
    }
    answer.finish()
}

fn deep_public() -> Failure {
    Failure::new(
        "ErrorInvalidOperation",
        "Deep traversal is not supported for public folders.",
    )
}

/// A folder seen by a restriction.
struct FolderRow<'a> {
    store: &'a Store,
    state: &'a State,
    folder: &'a Folder,
}

impl Row for FolderRow<'_> {
    fn value(&self, path: &Path) -> Option<Value> {
        let count = |number: u64| Some(Value::Number(number as f64));
        match path {
            Path::Extended(extended) => {
                let value = folder_value(extended, self.store, self.state, self.folder)?;
                extended_value(extended, &value)
            }
            Path::Field(uri) => match uri.as_str() {
                "folder:DisplayName" => Some(Value::Text(self.folder.name.clone())),
                "folder:FolderClass" if !self.folder.class.is_empty() => {
                    Some(Value::Text(self.folder.class.clone()))
                }
                "folder:TotalCount" => count(self.folder.total()),
                "folder:UnreadCount" => count(self.folder.unread()),
                "folder:ChildFolderCount" => {
                    count(self.state.children(self.folder.number).count() as u64)
                }
                _ => None,
            },
            Path::Indexed { .. } => None,
        }
    }
}
