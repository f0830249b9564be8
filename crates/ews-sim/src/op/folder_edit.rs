//! CreateFolder, UpdateFolder, DeleteFolder, EmptyFolder and MoveFolder (MS-OXWSFOLD 3.1.4).

use super::item_edit::{deletion, to_folder};
use super::update_item::flag_attr;
use super::{Answer, Context, Failure, Oops, Reply};
use crate::handle::{Deletion, bin_of};
use crate::mailbox::{Refused, StoreKind};
use crate::op::resolve::FolderRef;
use crate::prop::Path;
use crate::settings::permission;
use crate::shape::{FolderShape, write_folder};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

/// Longest folder name, as Exchange's.
const MAX_NAME_CHARS: usize = 255;

pub(super) fn create(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let parent = request
        .child("ParentFolderId")
        .ok_or_else(|| Fault::schema("'ParentFolderId' is missing."))?;
    for element in request.required_list("Folders")? {
        answer.message(|w| {
            let parent = context.target_folder(parent).map_err(no_parent)?;
            context.check_create(&parent.store, parent.number)?;
            let name = element.child_text("DisplayName").unwrap_or_default();
            check_name(name)?;
            let class = element
                .child_text("FolderClass")
                .filter(|class| !class.is_empty());
            let class = class.unwrap_or_else(|| default_class(&element.name));
            let number = {
                let mut state = parent.store.write();
                let number = state.create_folder(parent.number, name, class)?;
                set_extended(&mut state, number, element)?;
                if parent.store.kind == StoreKind::Public {
                    context.world.place_new(&mut state, number);
                }
                number
            };
            let made = FolderRef {
                store: parent.store,
                number,
            };
            write_id_only(w, &made)
        })?;
    }
    answer.finish()
}

pub(super) fn no_parent(oops: Oops) -> Oops {
    match oops {
        Oops::Part(failure) if failure.code == "ErrorFolderNotFound" => Failure::new(
            "ErrorParentFolderNotFound",
            "The specified parent folder could not be found.",
        )
        .into(),
        other => other,
    }
}

pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(Failure::new(
            "ErrorFolderSave",
            "The folder name is missing or too long.",
        ));
    }
    Ok(())
}

pub(super) fn default_class(element: &str) -> &'static str {
    match element {
        "CalendarFolder" => "IPF.Appointment",
        "ContactsFolder" => "IPF.Contact",
        "TasksFolder" => "IPF.Task",
        _ => "IPF.Note",
    }
}

fn set_extended(
    state: &mut crate::mailbox::State,
    number: u64,
    element: &Element<'_>,
) -> Result<(), Oops> {
    for property in element
        .children
        .iter()
        .filter(|child| child.name == "ExtendedProperty")
    {
        let path = Path::inside(property)?;
        if let Path::Extended(extended) = path {
            let value = extended.value_in(property).ok_or(Failure::new(
                "ErrorInvalidExtendedPropertyValue",
                "The value of an extended property is not of its type.",
            ))?;
            state.edit_folder(number, |folder| {
                folder.props.set(&extended.id, value);
            })?;
        }
    }
    Ok(())
}

pub(super) fn write_id_only(w: &mut XmlWriter, found: &FolderRef) -> Result<(), Oops> {
    let state = found.store.read();
    let folder = state.folder(found.number).ok_or(Failure::NO_FOLDER)?;
    w.start("m:Folders");
    write_folder(w, &FolderShape::id_only(), &found.store, &state, folder);
    w.end("m:Folders");
    Ok(())
}

pub(super) fn update(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for change in request.required_list("FolderChanges")? {
        answer.message(|w| {
            let id = change.children.first();
            let id = id.ok_or_else(|| Fault::schema("'FolderChange' is empty."))?;
            let found = context.folder(id)?;
            context.check_owner(&found)?;
            for field in change.required_list("Updates")? {
                update_field(context, &found, field)?;
            }
            write_id_only(w, &found)
        })?;
    }
    answer.finish()
}

fn update_field(context: &Context<'_>, found: &FolderRef, field: &Element<'_>) -> Result<(), Oops> {
    let path = Path::inside(field)?;
    let mut state = found.store.write();
    if field.name == "DeleteFolderField" {
        return match path {
            Path::Extended(extended) => Ok(state.edit_folder(found.number, |folder| {
                folder.props.remove(&extended.id);
            })?),
            Path::Field(uri) if uri == "folder:PermissionSet" => {
                Ok(state.edit_folder(found.number, |folder| folder.permissions = None)?)
            }
            _ => Err(Failure::new(
                "ErrorInvalidPropertyDelete",
                "The property cannot be deleted.",
            )
            .into()),
        };
    }
    let holder = field
        .children
        .iter()
        .find(|child| !child.name.ends_with("FieldURI"));
    let holder = holder.ok_or_else(|| Fault::schema("a folder is missing in a field update."))?;
    match path {
        Path::Field(uri) if uri == "folder:DisplayName" => {
            let name = holder.child_text("DisplayName").unwrap_or_default();
            check_name(name)?;
            state.rename_folder(found.number, name)?;
        }
        Path::Field(uri) if uri == "folder:FolderClass" => {
            let class = holder
                .child_text("FolderClass")
                .unwrap_or_default()
                .to_owned();
            state.edit_folder(found.number, |folder| folder.class = class)?;
        }
        Path::Field(uri) if uri == "folder:PermissionSet" => {
            let set = holder
                .child("PermissionSet")
                .ok_or_else(|| Fault::schema("'PermissionSet' is missing."))?;
            let known = |address: &str| context.world.mailbox(address).is_some();
            let list = permission::read(set, holder.name == "CalendarFolder", known)?;
            state.edit_folder(found.number, |folder| folder.permissions = Some(list))?;
        }
        Path::Extended(_) => set_extended(&mut state, found.number, holder)?,
        _ => {
            return Err(
                Failure::new("ErrorInvalidPropertySet", "The property cannot be set.").into(),
            );
        }
    }
    Ok(())
}

pub(super) fn delete(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let how = deletion(request)?;
    let mut answer = Answer::new(context);
    for id in request.required_list("FolderIds")? {
        answer.message(|_| {
            let found = context.folder(id)?;
            context.check_owner(&found)?;
            let mut state = found.store.write();
            let bin = bin_of(&state, how);
            match (how, bin) {
                (Deletion::MoveToDeletedItems, Some(bin))
                    if !state.ancestors(found.number).contains(&bin) =>
                {
                    move_unique(&mut state, found.number, bin)?;
                }
                (Deletion::Soft, bin) => state.delete_folder(found.number, bin)?,
                _ => state.delete_folder(found.number, None)?,
            }
            Ok(())
        })?;
    }
    answer.finish()
}

/// Moves a folder, renaming it if the target has one of its name.
fn move_unique(state: &mut crate::mailbox::State, number: u64, target: u64) -> Result<(), Refused> {
    let name = state.folder(number).ok_or(Refused::NoFolder)?.name.clone();
    for attempt in 1..1000 {
        match state.move_folder(number, target) {
            Err(Refused::Exists) => {
                state
                    .rename_folder(number, &format!("{name}{attempt}"))
                    .or_else(|refused| match refused {
                        Refused::Exists => Ok(()),
                        other => Err(other),
                    })?;
            }
            done => return done,
        }
    }
    Err(Refused::Exists)
}

pub(super) fn empty(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let how = deletion(request)?;
    let below = flag_attr(request, "DeleteSubFolders")
        .ok_or_else(|| Fault::schema("'DeleteSubFolders' is missing."))?;
    let mut answer = Answer::new(context);
    for id in request.required_list("FolderIds")? {
        answer.message(|_| {
            let found = context.folder(id)?;
            context.check_owner(&found)?;
            let mut state = found.store.write();
            let bin = bin_of(&state, how);
            state.empty_folder(found.number, bin)?;
            if below {
                let children: Vec<u64> = state
                    .children(found.number)
                    .map(|child| child.number)
                    .collect();
                for child in children {
                    state.delete_folder(child, bin)?;
                }
            }
            Ok(())
        })?;
    }
    answer.finish()
}

pub(super) fn relocate(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let to = request
        .child("ToFolderId")
        .ok_or_else(|| Fault::schema("'ToFolderId' is missing."))?;
    for id in request.required_list("FolderIds")? {
        answer.message(|w| {
            let target = context.target_folder(to).map_err(to_folder)?;
            let found = context.folder(id)?;
            context.check_owner(&found)?;
            context.check_create(&target.store, target.number)?;
            if found.store.guid != target.store.guid {
                return Err(Failure::new(
                    "ErrorCrossMailboxMoveCopy",
                    "Folders cannot be moved to another mailbox.",
                )
                .into());
            }
            let moved = found.store.write().move_folder(found.number, target.number);
            moved.map_err(|refused| match refused {
                Refused::WellKnown => Failure::new(
                    "ErrorMoveDistinguishedFolder",
                    "Distinguished folders cannot be moved.",
                ),
                other => other.into(),
            })?;
            write_id_only(w, &found)
        })?;
    }
    answer.finish()
}
