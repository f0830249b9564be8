//! Finds what the ids in requests name.

use std::sync::Arc;

use fasttransfer::Message;

use super::{Context, Failure, Oops};
use crate::id::ObjectId;
use crate::item::{Content, Item, Occurrence};
use crate::mailbox::{Refused, Store};
use crate::series::{self, Found, Happening, Series};
use crate::settings::permission::Rights;
use crate::sim::Mailbox;
use crate::soap::Fault;
use crate::xml::Element;

/// The distinguished folder ids of the schema; others make a request invalid.
const DISTINGUISHED: &[&str] = &[
    "calendar",
    "contacts",
    "deleteditems",
    "drafts",
    "inbox",
    "journal",
    "notes",
    "outbox",
    "sentitems",
    "tasks",
    "msgfolderroot",
    "publicfoldersroot",
    "root",
    "junkemail",
    "searchfolders",
    "voicemail",
    "recoverableitemsroot",
    "recoverableitemsdeletions",
    "recoverableitemsversions",
    "recoverableitemspurges",
    "recoverableitemsdiscoveryholds",
    "archiveroot",
    "archivemsgfolderroot",
    "archivedeleteditems",
    "archiveinbox",
    "archiverecoverableitemsroot",
    "archiverecoverableitemsdeletions",
    "archiverecoverableitemsversions",
    "archiverecoverableitemspurges",
    "archiverecoverableitemsdiscoveryholds",
    "syncissues",
    "conflicts",
    "localfailures",
    "serverfailures",
    "recipientcache",
    "quickcontacts",
    "conversationhistory",
    "adminauditlogs",
    "todosearch",
    "mycontacts",
    "directory",
    "imcontactlist",
    "peopleconnect",
    "favorites",
    "mecontact",
    "personmetadata",
    "teamspaceactivity",
    "teamspacemessaging",
    "teamspaceworkitems",
    "scheduled",
    "orionnotes",
    "tagitems",
    "alltaggeditems",
    "externalcontacts",
    "teamchat",
    "teamchathistory",
    "yammerroot",
    "yammerinbound",
    "yammeroutbound",
    "yammerfeeds",
    "onedriveroot",
    "onedriverecylebin",
    "onedrivesystem",
    "onedrivevolume",
    "important",
    "starred",
    "archive",
    "allcontacts",
    "allitems",
];

/// A folder that a request names.
#[derive(Clone)]
pub(crate) struct FolderRef {
    pub(crate) store: Arc<Store>,
    pub(crate) number: u64,
}

/// An item that a request names, as it was when looked up.
#[derive(Clone)]
pub(crate) struct ItemRef {
    pub(crate) store: Arc<Store>,
    pub(crate) folder: u64,
    pub(crate) item: Item,
    pub(crate) id: String,
}

impl Context<'_> {
    /// Finds the folder that a FolderId or DistinguishedFolderId element names.
    pub(crate) fn folder(&self, element: &Element<'_>) -> Result<FolderRef, Oops> {
        let id = element.attr("Id").unwrap_or_default();
        match element.name.as_ref() {
            "FolderId" => Ok(self.folder_by_id(id)?),
            "DistinguishedFolderId" => self.distinguished(id, element),
            "AddressListId" => Err(Failure::NO_FOLDER.into()),
            name => Err(Fault::schema(format!("'{name}' is no folder id.")).into()),
        }
    }

    /// Finds a folder by the id in a FolderId element.
    pub(crate) fn folder_by_id(&self, id: &str) -> Result<FolderRef, Failure> {
        if id.is_empty() {
            return Err(Failure::new("ErrorInvalidIdEmpty", "Id must be non-empty."));
        }
        match ObjectId::parse(id) {
            Some(ObjectId::Folder { store, folder }) => {
                let store = self.reachable(store, folder)?;
                // What is moved or copied goes from one content mailbox to another by itself.
                if !matches!(self.operation, "MoveItem" | "CopyItem") {
                    self.check_route(&store, folder)?;
                }
                if store.read().folder(folder).is_none() {
                    return Err(Failure::NO_FOLDER);
                }
                Ok(FolderRef {
                    store,
                    number: folder,
                })
            }
            Some(_) => Err(Failure::new(
                "ErrorCannotUseItemIdForFolderId",
                "Id is an item id where a folder id is expected.",
            )),
            None => Err(Failure::MALFORMED_ID),
        }
    }

    fn distinguished(&self, id: &str, element: &Element<'_>) -> Result<FolderRef, Oops> {
        if !DISTINGUISHED.contains(&id) {
            return Err(Fault::schema(format!(
                "The 'Id' attribute is invalid - The value '{id}' is invalid according to its \
                 datatype 'DistinguishedFolderIdNameType' - The Enumeration constraint failed."
            ))
            .into());
        }
        let named = element
            .child("Mailbox")
            .and_then(|mailbox| mailbox.child_text("EmailAddress"));
        let mailbox = self.mailbox_called(named)?;
        let store = if id == "publicfoldersroot" {
            self.world.public.clone().ok_or(Failure::new(
                "ErrorPublicFolderServerNotFound",
                "There is no public folder server.",
            ))?
        } else if id.starts_with("archive") && id != "archive" {
            mailbox.archive.ok_or(Failure::new(
                "ErrorFolderNotFound",
                "The mailbox has no archive.",
            ))?
        } else {
            mailbox.primary
        };
        let number = store.read().well_known(id).map(|folder| folder.number);
        let number = number.ok_or(Failure::NO_FOLDER)?;
        if !self.is_own(&store) && !self.sees(&store, number) {
            return Err(Failure::NO_FOLDER.into());
        }
        self.check_route(&store, number)?;
        Ok(FolderRef { store, number })
    }

    /// Fails unless the request came to the mailbox that holds a public folder.
    fn check_route(&self, store: &Store, folder: u64) -> Result<(), Failure> {
        let world = self.world;
        world.check_route(self.route, self.operation, store, folder)
    }

    /// The acting mailbox, or the one an element names if the caller may open it.
    fn mailbox_called(&self, named: Option<&str>) -> Result<Mailbox, Failure> {
        let own = self.mailbox.clone();
        let Some(named) = named else {
            return own.ok_or(Failure::new(
                "ErrorMissingEmailAddress",
                "When making a request as an account that does not have a mailbox, you must \
                 specify the mailbox primary SMTP address for any distinguished folder Ids.",
            ));
        };
        match own {
            Some(own) if own.primary.address.eq_ignore_ascii_case(named) => Ok(own),
            _ => self.world.mailbox(named).ok_or(Failure::new(
                "ErrorNonExistentMailbox",
                "The SMTP address has no mailbox associated with it.",
            )),
        }
    }

    /// The mailbox whose settings are meant: its owner's alone, named or not.
    pub(crate) fn own_mailbox(&self, named: Option<&str>) -> Result<Mailbox, Failure> {
        let own = self.mailbox.clone();
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return own.ok_or(Failure::new(
                "ErrorMissingEmailAddress",
                "The account does not have a mailbox.",
            ));
        };
        if self.world.mailbox(named).is_none() {
            return Err(Failure::new(
                "ErrorNonExistentMailbox",
                "The SMTP address has no mailbox associated with it.",
            ));
        }
        own.filter(|own| own.primary.address.eq_ignore_ascii_case(named))
            .ok_or(Failure::DENIED)
    }

    /// A well-known folder of the acting mailbox.
    pub(crate) fn own_folder(&self, id: &str) -> Option<FolderRef> {
        let store = Arc::clone(&self.mailbox.as_ref()?.primary);
        let number = store.read().well_known(id)?.number;
        Some(FolderRef { store, number })
    }

    /// Whether a store is the caller's, or everybody's.
    fn is_own(&self, store: &Store) -> bool {
        let public = self.world.public.iter();
        let own = self
            .mailbox
            .iter()
            .flat_map(|mailbox| std::iter::once(&mailbox.primary).chain(&mailbox.archive));
        own.chain(public).any(|own| own.guid == store.guid)
    }

    fn rights(&self, store: &Store, folder: u64) -> Option<Rights> {
        let own = self.mailbox.as_ref()?;
        store.read().rights_of(folder, &own.primary.address)
    }

    /// Whether the caller may look into somebody else's folder.
    fn sees(&self, store: &Store, folder: u64) -> bool {
        self.rights(store, folder)
            .is_some_and(|rights| rights.sees())
    }

    /// Fails unless a store is the caller's own, or the rights in a folder of it suffice.
    fn check(
        &self,
        store: &Store,
        folder: u64,
        suffices: impl Fn(&Rights) -> bool,
    ) -> Result<(), Failure> {
        let may = || self.rights(store, folder).is_some_and(|r| suffices(&r));
        match self.is_own(store) || may() {
            true => Ok(()),
            false => Err(Failure::DENIED),
        }
    }

    /// Fails unless the caller may put items into a folder.
    pub(crate) fn check_insert(&self, store: &Store, folder: u64) -> Result<(), Failure> {
        self.check(store, folder, |rights| rights.creates())
    }

    /// Fails unless the caller may make folders in a folder.
    pub(crate) fn check_create(&self, store: &Store, folder: u64) -> Result<(), Failure> {
        let denied = Failure::new(
            "ErrorCreateSubfolderAccessDenied",
            "The user does not have permission to create folders there.",
        );
        self.check(store, folder, |rights| rights.nests())
            .map_err(|_| denied)
    }

    /// Fails unless the caller may change a folder itself.
    pub(crate) fn check_owner(&self, found: &FolderRef) -> Result<(), Failure> {
        self.check(&found.store, found.number, |rights| rights.owns())
    }

    /// Fails unless the caller may change an item.
    pub(crate) fn check_change(&self, found: &ItemRef) -> Result<(), Failure> {
        let is_own = self.made(found);
        self.check(&found.store, found.folder, |rights| rights.changes(is_own))
    }

    /// Fails unless the caller may delete an item.
    pub(crate) fn check_delete(&self, found: &ItemRef) -> Result<(), Failure> {
        let is_own = self.made(found);
        self.check(&found.store, found.folder, |rights| rights.deletes(is_own))
    }

    /// Whether the caller made an item in somebody else's mailbox.
    pub(crate) fn made(&self, found: &ItemRef) -> bool {
        let message = found.item.message();
        let maker = message.props.text(fasttransfer::tag::CREATOR_NAME);
        let own = self.mailbox.as_ref().map(|own| &own.primary.address);
        maker.zip(own).is_some_and(|(maker, own)| maker == *own)
    }

    /// Notes in an item for somebody else's mailbox who made it.
    pub(crate) fn sign(&self, store: &Store, message: &mut Message) {
        let own = self.mailbox.as_ref().map(|own| &own.primary.address);
        if let Some(own) = own.filter(|_| !self.is_own(store)) {
            message
                .props
                .set(fasttransfer::tag::CREATOR_NAME, own.as_str());
        }
    }

    /// Whether the caller may see what stands in a calendar, not only when.
    pub(crate) fn sees_calendar(&self, mailbox: &Mailbox) -> bool {
        let store = &mailbox.primary;
        let calendar = store
            .read()
            .well_known("calendar")
            .map(|folder| folder.number);
        self.is_own(store) || calendar.is_some_and(|calendar| self.sees(store, calendar))
    }

    /// The store of a guid, if the caller may look into a folder of it.
    fn reachable(&self, guid: crate::id::StoreGuid, folder: u64) -> Result<Arc<Store>, Failure> {
        let found = self.world.store(guid);
        Err(match found {
            Some(store) if self.is_own(&store) || self.sees(&store, folder) => return Ok(store),
            Some(_) => Failure::DENIED,
            None => Failure::new(
                "ErrorItemNotFound",
                "The mailbox that was requested doesn't support the specified RequestServerVersion \
                 or the id is of an unknown mailbox.",
            ),
        })
    }

    /// Finds the item that an ItemId element names.
    pub(crate) fn item(&self, element: &Element<'_>) -> Result<ItemRef, Oops> {
        match element.name.as_ref() {
            "ItemId" | "ParentItemId" => {
                Ok(self.item_by_id(element.attr("Id").unwrap_or_default())?)
            }
            "OccurrenceItemId" => {
                let master = element.attr("RecurringMasterId").unwrap_or_default();
                let index = element.attr("InstanceIndex").unwrap_or_default();
                let master = self.item_by_id(master)?;
                Ok(master.nth(index.trim().parse().unwrap_or(0))?)
            }
            "RecurringMasterItemId" => {
                Ok(self.master_of(element.attr("OccurrenceId").unwrap_or_default())?)
            }
            name => Err(Fault::schema(format!("'{name}' is no item id.")).into()),
        }
    }

    /// Finds an item by its id.
    pub(crate) fn item_by_id(&self, id: &str) -> Result<ItemRef, Failure> {
        if id.is_empty() {
            return Err(Failure::new("ErrorInvalidIdEmpty", "Id must be non-empty."));
        }
        let (guid, folder, key) = match ObjectId::parse(id) {
            Some(ObjectId::Item { store, folder, key }) => (store, folder, key),
            Some(ObjectId::Occurrence { day, .. }) => return self.master_of(id)?.on(day),
            Some(ObjectId::Folder { .. }) => {
                return Err(Failure::new(
                    "ErrorCannotUseFolderIdForItemId",
                    "Id is a folder id where an item id is expected.",
                ));
            }
            Some(ObjectId::Attachment { .. }) => {
                return Err(Failure::new(
                    "ErrorInvalidId",
                    "Id is an attachment id where an item id is expected.",
                ));
            }
            None => return Err(Failure::MALFORMED_ID),
        };
        let store = self.reachable(guid, folder)?;
        self.check_route(&store, folder)?;
        let item = store.read().item(folder, key).ok_or(Failure::NO_ITEM)?;
        Ok(ItemRef {
            store,
            folder,
            item,
            id: id.to_owned(),
        })
    }

    /// Finds the series that an occurrence belongs to.
    fn master_of(&self, id: &str) -> Result<ItemRef, Failure> {
        match ObjectId::parse(id) {
            Some(ObjectId::Occurrence {
                store, folder, key, ..
            }) => self.item_by_id(&ObjectId::Item { store, folder, key }.encode()),
            Some(ObjectId::Item { .. }) => Err(Failure::new(
                "ErrorCalendarCannotUseIdForRecurringMasterId",
                "The id is not that of an occurrence.",
            )),
            _ => Err(Failure::MALFORMED_ID),
        }
    }

    /// Finds an attachment's item and place by the attachment's id.
    pub(crate) fn attachment(&self, id: &str) -> Result<(ItemRef, Vec<u32>), Failure> {
        match ObjectId::parse(id) {
            Some(ObjectId::Attachment {
                store,
                folder,
                key,
                path,
            }) => {
                let owner = ObjectId::Item { store, folder, key }.encode();
                Ok((self.item_by_id(&owner)?, path))
            }
            Some(_) => Err(Failure::new(
                "ErrorInvalidAttachmentId",
                "The id is not that of an attachment.",
            )),
            None => Err(Failure::MALFORMED_ID),
        }
    }

    /// Finds the folder inside an element such as ToFolderId.
    pub(crate) fn target_folder(&self, parent: &Element<'_>) -> Result<FolderRef, Oops> {
        let child = parent
            .children
            .first()
            .ok_or_else(|| Fault::schema(format!("the element '{}' is empty.", parent.name)))?;
        self.folder(child)
    }
}

impl ItemRef {
    /// The occurrence of a series on a day, in minutes since 1601.
    pub(crate) fn on(&self, day: u32) -> Result<ItemRef, Failure> {
        let message = self.item.message();
        let series = Series::of(&message).ok_or(Failure::new(
            "ErrorCalendarCannotUseIdForOccurrenceId",
            "The item is no series.",
        ))?;
        match series::day_of(day).map(|day| series.on(day)) {
            Some(Found::Happens(one)) => Ok(self.standing_for(&series, &message, &one)),
            Some(Found::Deleted) => Err(Failure::new(
                "ErrorCalendarOccurrenceIsDeletedFromRecurrence",
                "The occurrence was deleted.",
            )),
            _ => Err(Failure::NO_ITEM),
        }
    }

    /// The occurrence of a series by its number, which begins with 1.
    fn nth(&self, index: usize) -> Result<ItemRef, Failure> {
        let message = self.item.message();
        let series = Series::of(&message).ok_or(Failure::new(
            "ErrorCalendarCannotUseIdForOccurrenceId",
            "The item is no series.",
        ))?;
        let day = series.nth(index).ok_or(Failure::new(
            "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
            "The series does not happen that often.",
        ))?;
        match series.on(day) {
            Found::Happens(one) => Ok(self.standing_for(&series, &message, &one)),
            _ => Err(Failure::new(
                "ErrorCalendarOccurrenceIsDeletedFromRecurrence",
                "The occurrence was deleted.",
            )),
        }
    }

    fn standing_for(&self, series: &Series, master: &Message, one: &Happening) -> ItemRef {
        let item = occurrence_item(&self.item, series, master, one);
        let Some(day) = item.occurrence.map(|occurrence| occurrence.day) else {
            return self.clone();
        };
        let id = ObjectId::Occurrence {
            store: self.store.guid,
            folder: self.folder,
            key: item.key,
            day,
        };
        ItemRef {
            store: Arc::clone(&self.store),
            folder: self.folder,
            item,
            id: id.encode(),
        }
    }
}

/// The item that stands for one occurrence of a series.
pub(crate) fn occurrence_item(
    master: &Item,
    series: &Series,
    message: &Message,
    one: &Happening,
) -> Item {
    Item {
        content: Content::Message(Arc::new(series.occurrence(message, one))),
        occurrence: Some(Occurrence {
            day: one.number(),
            is_exception: one.is_exception,
        }),
        ..master.clone()
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        match refused {
            Refused::NoFolder => Failure::NO_FOLDER,
            Refused::NoItem => Failure::NO_ITEM,
            Refused::Exists => Failure::new(
                "ErrorFolderExists",
                "A folder with the specified name already exists.",
            ),
            Refused::WellKnown => Failure::new(
                "ErrorDeleteDistinguishedFolder",
                "Distinguished folders cannot be deleted.",
            ),
            Refused::Cycle => Failure::new(
                "ErrorMoveCopyFailed",
                "A folder cannot be moved below itself.",
            ),
        }
    }
}

impl From<Refused> for Oops {
    fn from(refused: Refused) -> Oops {
        Oops::Part(refused.into())
    }
}
