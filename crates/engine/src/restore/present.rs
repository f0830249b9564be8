//! What a folder of the target holds already.

use std::collections::{HashMap, HashSet};

use ews_client::{
    BaseShape, Client, FindItem, FolderId, FolderIdRef, Item, ItemId, ItemShape, ItemTraversal,
    Paging, PropertyPath,
};
use mailindex::FolderKey;
use tokio::sync::Semaphore;

use super::meeting::{self, Meeting};
use super::rewrite::origin_path;
use crate::error::{Doing, Result};
use crate::keys::{Holds, folder_key};
use crate::origin::Origin;

/// Exchange returns at most 1,000 rows of a FindItem.
const PAGE: u32 = 1000;

/// What to look for in a folder.
pub(crate) struct Look<'a> {
    pub(crate) folder: &'a FolderId,
    pub(crate) path: &'a str,
    pub(crate) holds: Holds,
    /// Whether the ids of all items matter, or only of those that a restore put there.
    pub(crate) ids: bool,
    /// Whether it matters what the items are like, or only that they are there.
    pub(crate) details: bool,
    /// Whether meetings are to be told apart.
    pub(crate) meetings: bool,
}

/// A live item.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// Its id and change key.
    pub(crate) id: ItemId,
    /// The folder it lies in.
    pub(crate) folder: FolderKey,
    pub(crate) is_read: Option<bool>,
    pub(crate) origin: Option<Origin>,
    pub(super) meeting: Meeting,
}

impl Live {
    pub(crate) fn change_key(&self) -> &str {
        self.id.change_key.as_deref().unwrap_or_default()
    }
}

/// What a folder holds already.
#[derive(Default)]
pub(crate) struct Present {
    versions: HashSet<String>,
    ids: HashSet<String>,
    /// Classes and subjects, of associated items.
    associated: HashMap<(String, String), usize>,
    /// The items, where it matters what they are like, and who is which of them.
    pub(crate) live: Vec<Live>,
    by_id: HashMap<String, usize>,
    by_version: HashMap<String, Vec<usize>>,
    by_which: HashMap<String, Vec<usize>>,
    by_meeting: HashMap<Vec<u8>, Vec<usize>>,
}

impl Present {
    /// Whether an item is there: by its origin, or by its id.
    pub(super) fn has(&self, origin: &Origin, item_id: &str) -> bool {
        self.versions.contains(origin.version()) || self.ids.contains(item_id)
    }

    /// The live item that this one of a snapshot is, or was made of: by its id, or by its origin,
    /// whichever version of it was restored.
    pub(super) fn counterpart(&self, origin: &Origin, item_id: &str) -> Option<&Live> {
        let by_version = || self.by_version.get(origin.version())?.first();
        let at = self.by_id.get(item_id).or_else(by_version);
        let by_which = || self.by_which.get(origin.which())?.last();
        self.live.get(*at.or_else(by_which)?)
    }

    /// The live items that were made of this very version.
    pub(super) fn copies(&self, origin: &Origin) -> impl Iterator<Item = &Live> {
        let places = self.by_version.get(origin.version()).into_iter().flatten();
        places.filter_map(|at| self.live.get(*at))
    }

    /// Another item that is the same meeting.
    pub(super) fn same_meeting(&self, stored: &Meeting) -> Option<&Live> {
        let at = self.by_meeting.get(stored.id.as_ref()?)?.last()?;
        self.live.get(*at)
    }

    /// The associated item of this class and subject.
    pub(super) fn associated(&self, class: &str, subject: &str) -> Option<&Live> {
        let key = (class.to_lowercase(), subject.to_owned());
        self.live.get(*self.associated.get(&key)?)
    }

    /// Whether there is an associated item of this class and subject.
    pub(super) fn has_associated(&self, class: &str, subject: &str) -> bool {
        let key = (class.to_lowercase(), subject.to_owned());
        self.associated.contains_key(&key)
    }

    /// Whether a live item may stand for another one of the snapshot, though it may be one itself.
    pub(super) fn has_substitutes(&self) -> bool {
        let substitutes = self.by_which.len() + self.by_meeting.len();
        substitutes > 0 && !self.by_id.is_empty()
    }

    /// Says that an item of the snapshot has this id: the live item is that one and stands for no
    /// other. Else a restored item and the one that it was made of, both in the snapshot, would
    /// replace one another.
    pub(super) fn claim(&mut self, item_id: &str) {
        let Some(&claimed) = self.by_id.get(item_id) else {
            return;
        };
        let Some(live) = self.live.get(claimed) else {
            return;
        };
        if let Some(origin) = &live.origin {
            if let Some(copies) = self.by_version.get_mut(origin.version()) {
                copies.retain(|at| *at != claimed);
            }
            if let Some(others) = self.by_which.get_mut(origin.which()) {
                others.retain(|at| *at != claimed);
            }
        }
        if let Some(others) = live
            .meeting
            .id
            .as_ref()
            .and_then(|id| self.by_meeting.get_mut(id))
        {
            others.retain(|at| *at != claimed);
        }
    }

    /// Takes an item of the listing, and returns its id.
    fn note(&mut self, item: Item, look: &Look<'_>) -> Option<String> {
        let origin = item
            .extended
            .iter()
            .find(|property| property.path.key == origin_path().key)
            .and_then(|property| Origin::parse(property.as_str()?));
        if let Some(origin) = &origin {
            self.versions.insert(origin.version().to_owned());
        }
        let at = self.live.len();
        if look.holds == Holds::Associated {
            let class = item.item_class.clone().unwrap_or_default().to_lowercase();
            let subject = item.subject.clone().unwrap_or_default();
            self.associated.insert((class, subject), at);
        }
        let id = item.id.clone()?;
        if look.ids {
            self.ids.insert(id.id.clone());
        }
        let listed = id.id.clone();
        let matters = look.ids || look.meetings || look.holds == Holds::Associated;
        if !look.details || !(matters || origin.is_some()) {
            return Some(listed);
        }
        let meeting = match look.meetings {
            true => Meeting::of_live(&item),
            false => Meeting::default(),
        };
        if look.ids {
            self.by_id.insert(id.id.clone(), at);
        }
        if let Some(origin) = &origin {
            let version = origin.version().to_owned();
            self.by_version.entry(version).or_default().push(at);
            let which = origin.which().to_owned();
            self.by_which.entry(which).or_default().push(at);
        }
        if let Some(id) = &meeting.id {
            self.by_meeting.entry(id.clone()).or_default().push(at);
        }
        self.live.push(Live {
            id,
            folder: folder_key(&look.folder.id),
            is_read: item.is_read,
            origin,
            meeting,
        });
        Some(listed)
    }
}

/// What a folder holds: the origins of restored items and, if asked for, all ids.
pub(crate) async fn present_in(
    client: &Client,
    permits: &Semaphore,
    look: Look<'_>,
) -> Result<Present> {
    let mut present = Present::default();
    let mut previous = Vec::new();
    let (mut offset, mut listed) = (0, 0u64);
    loop {
        let paging = Paging {
            offset,
            max_entries: PAGE,
        };
        let request = look.request(paging);
        let page = {
            let _permit = permits.acquire().await;
            client
                .find_item(&request)
                .await
                .doing(|| format!("look what the folder {} holds", look.path))?
        };
        let got = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        let mut listed_ids = Vec::with_capacity(page.items.len());
        for item in page.items {
            listed_ids.extend(present.note(item, &look));
        }
        listed += u64::from(got);
        // Some servers claim the end too early, others never: the total decides where there is
        // one, and a page without anything new ends it all.
        let ended = page.includes_last && page.total.is_some_and(|total| listed >= total);
        if ended || got == 0 || listed_ids == previous {
            return Ok(present);
        }
        previous = listed_ids;
        offset = page
            .next_offset
            .filter(|next| *next > offset)
            .unwrap_or(offset + got);
    }
}

impl Look<'_> {
    fn request(&self, paging: Paging) -> FindItem {
        let mut shape = ItemShape::new(BaseShape::IdOnly).with([origin_path().into()]);
        let mut traversal = ItemTraversal::Shallow;
        if self.holds == Holds::Associated {
            traversal = ItemTraversal::Associated;
            shape = shape.with(["item:ItemClass", "item:Subject"].map(PropertyPath::field));
        } else if self.details {
            shape = shape.with(["message:IsRead"].map(PropertyPath::field));
        }
        if self.meetings {
            shape = shape.with(meeting::paths());
        }
        FindItem {
            traversal,
            ..FindItem::new(FolderIdRef::Id(self.folder.clone()), shape, paging)
        }
    }
}
