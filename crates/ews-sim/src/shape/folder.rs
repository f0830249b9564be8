//! Folders as XML.

use std::borrow::Cow;

use fasttransfer::{FileTime, PropId, PropValue, tag};

use super::{Base, item::write_rights, read_base, write_id};
use crate::folder::Folder;
use crate::id::{KeyKind, ObjectId, change_key};
use crate::item::has_class;
use crate::mailbox::{State, Store, StoreKind};
use crate::op::Oops;
use crate::prop::{Extended, Path};
use crate::public_folders::{REPLICA_LIST, replica_list};
use crate::settings::permission;
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

/// A FolderShape element.
pub(crate) struct FolderShape {
    base: Base,
    paths: Vec<Path>,
    tells_permissions: bool,
}

impl FolderShape {
    /// Ids only.
    pub(crate) fn id_only() -> FolderShape {
        FolderShape {
            base: Base::IdOnly,
            paths: Vec::new(),
            tells_permissions: false,
        }
    }

    /// Reads the FolderShape of a request.
    pub(crate) fn read(request: &Element<'_>) -> Result<FolderShape, Oops> {
        let shape = request
            .child("FolderShape")
            .ok_or_else(|| Fault::schema("'FolderShape' is missing."))?;
        Ok(FolderShape {
            base: read_base(shape)?,
            paths: Path::read_all(shape.list("AdditionalProperties"))?,
            tells_permissions: false,
        })
    }

    /// Tells permissions too, where they are asked for.
    pub(crate) fn with_permissions(mut self) -> FolderShape {
        let asked = |path: &Path| matches!(path, Path::Field(uri) if uri == "folder:PermissionSet");
        self.tells_permissions = self.paths.iter().any(asked);
        self
    }

    fn wants(&self, base: Base, uri: &str) -> bool {
        self.base >= base
            || self
                .paths
                .iter()
                .any(|path| matches!(path, Path::Field(name) if name == uri))
    }
}

/// Writes a folder with the element of its class.
pub(crate) fn write_folder(
    w: &mut XmlWriter,
    shape: &FolderShape,
    store: &Store,
    state: &State,
    folder: &Folder,
) {
    let name = element_of(&folder.class);
    let key = |change| change_key(KeyKind::Folder, store.guid, change);
    w.start(name);
    write_id(
        w,
        "t:FolderId",
        &store.folder_id(folder.number),
        &key(folder.change),
    );
    if shape.wants(Base::All, "folder:ParentFolderId") {
        let parent = state
            .folder(folder.parent)
            .map_or(0, |parent| parent.change);
        write_id(
            w,
            "t:ParentFolderId",
            &store.folder_id(folder.parent),
            &key(parent),
        );
    }
    if shape.wants(Base::All, "folder:FolderClass") && !folder.class.is_empty() {
        w.leaf("t:FolderClass", &folder.class);
    }
    if shape.wants(Base::Default, "folder:DisplayName") {
        w.leaf("t:DisplayName", &folder.name);
    }
    if shape.wants(Base::Default, "folder:TotalCount") {
        w.number("t:TotalCount", folder.total());
    }
    if shape.wants(Base::Default, "folder:ChildFolderCount") {
        w.number("t:ChildFolderCount", state.children(folder.number).count());
    }
    for path in &shape.paths {
        if let Path::Extended(extended) = path
            && let Some(value) = extended_value(extended, store, state, folder)
        {
            extended.write(w, &value);
        }
    }
    if shape.wants(Base::All, "folder:EffectiveRights") {
        write_rights(w);
    }
    if shape.wants(Base::All, "folder:DistinguishedFolderId") && !folder.well_known.is_empty() {
        w.leaf("t:DistinguishedFolderId", folder.well_known);
    }
    // Asked for by name alone, as FindFolder must never tell it.
    if shape.tells_permissions {
        let is_calendar = name == "t:CalendarFolder";
        match &folder.permissions {
            Some(list) => permission::write(w, list, is_calendar),
            None => permission::write(w, &permission::defaults(is_calendar), is_calendar),
        }
    }
    let has_unread = !matches!(name, "t:CalendarFolder" | "t:ContactsFolder");
    if has_unread && shape.wants(Base::Default, "folder:UnreadCount") {
        w.number("t:UnreadCount", folder.unread());
    }
    w.end(name);
}

/// The element that stands for a folder of a class.
fn element_of(class: &str) -> &'static str {
    if has_class(class, "IPF.Appointment") {
        "t:CalendarFolder"
    } else if has_class(class, "IPF.Contact") {
        "t:ContactsFolder"
    } else if has_class(class, "IPF.Task") {
        "t:TasksFolder"
    } else {
        "t:Folder"
    }
}

/// The value of a MAPI property of a folder, computed or stored.
pub(crate) fn extended_value<'f>(
    extended: &Extended,
    store: &Store,
    state: &State,
    folder: &'f Folder,
) -> Option<Cow<'f, PropValue>> {
    if extended.id == PropId::Tag(REPLICA_LIST) {
        return replica_list(state, folder.number).map(Cow::Owned);
    }
    if let PropId::Tag(id) = &extended.id
        && let Some(value) = computed(*id, store, state, folder)
    {
        return Some(Cow::Owned(value));
    }
    folder.props.get(&extended.id).map(Cow::Borrowed)
}

fn computed(id: u16, store: &Store, state: &State, folder: &Folder) -> Option<PropValue> {
    let count = |number: u64| PropValue::Int32(i32::try_from(number).unwrap_or(i32::MAX));
    let entry_id = |number| {
        let id = ObjectId::Folder {
            store: store.guid,
            folder: number,
        };
        PropValue::Binary(id.entry_id().into())
    };
    Some(match id {
        tag::DISPLAY_NAME => PropValue::Unicode(folder.name.clone()),
        tag::CREATION_TIME => PropValue::Time(FileTime(folder.created)),
        tag::LAST_MODIFICATION_TIME => PropValue::Time(FileTime(folder.modified)),
        tag::ENTRY_ID | tag::RECORD_KEY => entry_id(folder.number),
        tag::PARENT_ENTRY_ID => entry_id(folder.parent),
        tag::LOCAL_COMMIT_TIME_MAX => PropValue::Time(FileTime(folder.commit_time)),
        tag::DELETED_COUNT_TOTAL => count(folder.deleted_total),
        // PidTagFolderType: the root is 0, others are 1.
        0x3601 => PropValue::Int32(i32::from(folder.parent != folder.number)),
        // PidTagContentCount, PidTagContentUnreadCount, PidTagSubfolders.
        0x3602 => count(folder.total()),
        0x3603 => count(folder.unread()),
        0x360A => PropValue::Boolean(state.children(folder.number).next().is_some()),
        // PidTagContainerClass.
        0x3613 if !folder.class.is_empty() => PropValue::Unicode(folder.class.clone()),
        // PidTagAssociatedContentCount.
        0x3617 => count(folder.associated()),
        // PidTagAttributeHidden.
        0x10F4 => PropValue::Boolean(outside_top(store, state, folder)),
        // PidTagFolderPathname, names joined by U+FFFE as Exchange does.
        0x66B5 => PropValue::Unicode(path_of(state, folder)),
        _ => return None,
    })
}

fn outside_top(store: &Store, state: &State, folder: &Folder) -> bool {
    store.kind != StoreKind::Public
        && !state
            .ancestors(folder.number)
            .iter()
            .chain([&folder.number])
            .any(|&number| {
                state
                    .folder(number)
                    .is_some_and(|above| above.well_known.ends_with("msgfolderroot"))
            })
}

fn path_of(state: &State, folder: &Folder) -> String {
    let above = state.ancestors(folder.number);
    let names = above
        .iter()
        .rev()
        .skip(2)
        .filter_map(|&number| state.folder(number));
    let names = names
        .map(|folder| folder.name.as_str())
        .chain([folder.name.as_str()]);
    names.fold(String::new(), |path, name| format!("{path}\u{fffe}{name}"))
}
