//! CopyFolder (MS-OXWSFOLD 3.1.4.1) and CreateFolderPath (MS-OXWSFOLD 3.1.4.3).

use super::folder_edit::{check_name, default_class, no_parent, write_id_only};
use super::item_edit::to_folder;
use super::{Answer, Context, Failure, Oops, Reply};
use crate::item::Item;
use crate::mailbox::Refused;
use crate::op::resolve::FolderRef;
use crate::soap::Fault;
use crate::xml::Element;

/// Most folders that one request copies.
const MAX_COPIED: usize = 10_000;

/// A folder with all it holds, read before anything is written.
struct Copied {
    name: String,
    class: String,
    props: fasttransfer::PropertyBag,
    items: Vec<Item>,
    below: Vec<Copied>,
}

pub(super) fn copy(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let to = request
        .child("ToFolderId")
        .ok_or_else(|| Fault::schema("'ToFolderId' is missing."))?;
    for id in request.required_list("FolderIds")? {
        answer.message(|w| {
            let target = context.target_folder(to).map_err(to_folder)?;
            let found = context.folder(id)?;
            context.check_create(&target.store, target.number)?;
            let mut left = MAX_COPIED;
            let copied = read(&found, found.number, &mut left)?;
            if found.store.guid == target.store.guid {
                let state = found.store.read();
                let is_below = state.ancestors(target.number).contains(&found.number);
                if is_below || target.number == found.number {
                    return Err(Failure::new(
                        "ErrorMoveCopyFailed",
                        "A folder cannot be copied below itself.",
                    )
                    .into());
                }
            }
            let number = write(&target, target.number, copied)?;
            let made = FolderRef {
                store: target.store,
                number,
            };
            write_id_only(w, &made)
        })?;
    }
    answer.finish()
}

fn read(found: &FolderRef, number: u64, left: &mut usize) -> Result<Copied, Failure> {
    *left = left.checked_sub(1).ok_or(Failure::new(
        "ErrorMoveCopyFailed",
        "The folder has too many folders below it.",
    ))?;
    let state = found.store.read();
    let folder = state.folder(number).ok_or(Failure::NO_FOLDER)?;
    let copied = Copied {
        name: folder.name.clone(),
        class: folder.class.clone(),
        props: folder.props.clone(),
        items: folder
            .items_from(0, false)
            .chain(folder.items_from(0, true))
            .collect(),
        below: Vec::new(),
    };
    let below: Vec<u64> = state.children(number).map(|child| child.number).collect();
    drop(state);
    let below = below.into_iter().map(|child| read(found, child, left));
    Ok(Copied {
        below: below.collect::<Result<_, _>>()?,
        ..copied
    })
}

fn write(target: &FolderRef, parent: u64, copied: Copied) -> Result<u64, Refused> {
    let number = {
        let mut state = target.store.write();
        let number = state.create_folder(parent, &copied.name, &copied.class)?;
        state.edit_folder(number, |folder| folder.props = copied.props)?;
        for item in copied.items {
            state.adopt(number, item)?;
        }
        number
    };
    for child in copied.below {
        write(target, number, child)?;
    }
    Ok(number)
}

/// Creates the folders of a path, each in the one before; those that are there already are told.
pub(super) fn create_path(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let parent = request
        .child("ParentFolderId")
        .ok_or_else(|| Fault::schema("'ParentFolderId' is missing."))?;
    let mut at: Result<FolderRef, Failure> = match context.target_folder(parent).map_err(no_parent)
    {
        Ok(found) => Ok(found),
        Err(Oops::Part(failure)) => Err(failure),
        Err(Oops::Whole(fault)) => return Err(fault),
    };
    for element in request.required_list("RelativeFolderPath")? {
        let made = match &at {
            Ok(parent) => step(context, parent, element),
            Err(_) => Err(Failure::new(
                "ErrorParentFolderNotFound",
                "The folder before in the path could not be made.",
            )),
        };
        let first_failure = at.as_ref().err().map(|failure| failure.code.clone());
        answer.message(|w| match &made {
            Ok(made) => write_id_only(w, made),
            Err(failure) => {
                let code = first_failure.unwrap_or(failure.code.clone());
                Err(Failure::named(code, failure.text.clone()).into())
            }
        })?;
        at = made;
    }
    answer.finish()
}

fn step(
    context: &Context<'_>,
    parent: &FolderRef,
    element: &Element<'_>,
) -> Result<FolderRef, Failure> {
    let name = element.child_text("DisplayName").unwrap_or_default();
    check_name(name)?;
    let class = element
        .child_text("FolderClass")
        .filter(|class| !class.is_empty())
        .unwrap_or_else(|| default_class(&element.name));
    let mut state = parent.store.write();
    let there = state
        .children(parent.number)
        .find(|child| child.name.to_lowercase() == name.to_lowercase())
        .map(|child| child.number);
    let number = match there {
        Some(number) => number,
        None => {
            drop(state);
            context.check_create(&parent.store, parent.number)?;
            state = parent.store.write();
            state.create_folder(parent.number, name, class)?
        }
    };
    Ok(FolderRef {
        store: parent.store.clone(),
        number,
    })
}
