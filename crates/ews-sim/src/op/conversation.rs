//! FindConversation, GetConversationItems and ApplyConversationAction (MS-OXWSCONV 3.1.4).
//!
//! Items of one topic are one conversation, as in a mailbox without the newer conversation rules.

mod action;
mod summary;

pub(super) use action::apply;

use std::collections::BTreeMap;
use std::sync::Arc;

use fasttransfer::tag;

use self::summary::{Summary, write_pair};
use super::find_item::Paging;
use super::resolve::{FolderRef, ItemRef};
use super::{Answer, Context, Failure, Oops, Reply};
use crate::item::Item;
use crate::mailbox::{State, Store};
use crate::query::Query;
use crate::shape::{ItemShape, View, conversation_of};
use crate::soap::{self, Fault};
use crate::xml::{Element, XmlWriter};

/// Most conversations in one answer.
const MAX_CONVERSATIONS: u64 = 1000;
/// Most items of a conversation in one answer, as Exchange's default.
const MAX_ITEMS: usize = 100;

impl Failure {
    const NO_CONVERSATION: Failure = Failure::new(
        "ErrorItemNotFound",
        "The conversation was not found in the mailbox.",
    );
}

/// What a folder and the whole mailbox hold of one conversation.
#[derive(Default)]
struct Found {
    here: Summary,
    everywhere: Summary,
}

pub(super) fn find(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let found = match look(context, request) {
        Ok(found) => found,
        Err(Oops::Whole(fault)) => return Err(fault),
        Err(Oops::Part(failure)) => return Ok(super::answer::refused_single(context, &failure)),
    };
    let (paging, found) = found;
    let total = found.len() as u64;
    let (from, count) = paging.window(total);
    let cut = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:Conversations");
    for (id, one) in found.iter().skip(cut(from)).take(cut(count)) {
        write_pair(&mut w, id, &one.here, &one.everywhere);
    }
    w.end("m:Conversations");
    w.number("m:TotalConversationsInView", total);
    w.number("m:IndexedOffset", from + count);
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

type Conversations = Vec<([u8; 16], Found)>;

fn look(context: &Context<'_>, request: &Element<'_>) -> Result<(Paging, Conversations), Oops> {
    let paging = Paging::read(request, "Item", MAX_CONVERSATIONS)?;
    let parent = request
        .child("ParentFolderId")
        .ok_or_else(|| Fault::schema("'ParentFolderId' is missing."))?;
    let folder = context.target_folder(parent)?;
    let query = request.child_text("QueryString").and_then(Query::read);
    let is_deep = request.attr("Traversal") == Some("Deep");
    let state = folder.store.read();
    let below: Vec<u64> = match is_deep {
        true => state
            .descendants(folder.number)
            .iter()
            .map(|folder| folder.number)
            .collect(),
        false => Vec::new(),
    };
    let mut all: BTreeMap<[u8; 16], Found> = BTreeMap::new();
    let mut wanted: BTreeMap<[u8; 16], bool> = BTreeMap::new();
    each_message(&folder.store, &state, |number, id, view| {
        let entry = all.entry(id).or_default();
        entry.everywhere.add(view);
        if number == folder.number || below.contains(&number) {
            entry.here.add(view);
            let hit = query.as_ref().is_none_or(|query| query.admits(view));
            *wanted.entry(id).or_default() |= hit;
        }
    });
    let mut found: Conversations = all
        .into_iter()
        .filter(|(id, _)| wanted.get(id) == Some(&true))
        .collect();
    let ascends = request
        .list("SortOrder")
        .first()
        .is_some_and(|field| field.attr("Order") == Some("Ascending"));
    found.sort_by_key(|(id, one)| (one.here.last_delivery(), *id));
    if !ascends {
        found.reverse();
    }
    Ok((paging, found))
}

/// Shows every message of a mailbox that belongs to a conversation, with its folder's number.
fn each_message(store: &Arc<Store>, state: &State, mut show: impl FnMut(u64, [u8; 16], &View<'_>)) {
    let shape = ItemShape::id_only();
    let Some(top) = top_of(state) else {
        return;
    };
    for folder in state.descendants(top) {
        for item in folder.items_from(0, false) {
            let message = item.message();
            let Some(id) = conversation_of(&message) else {
                continue;
            };
            let place = (folder.number, folder.change);
            let view = View::of_item(store, place, &item, &message, &shape);
            show(folder.number, id, &view);
        }
    }
}

fn top_of(state: &State) -> Option<u64> {
    let ids = ["msgfolderroot", "archivemsgfolderroot", "publicfoldersroot"];
    let mut found = ids.iter().filter_map(|id| state.well_known(id));
    found.next().map(|folder| folder.number)
}

/// Reads a ConversationId element.
fn id_of(element: Option<&Element<'_>>) -> Result<[u8; 16], Oops> {
    let id = element
        .and_then(|element| element.attr("Id"))
        .ok_or_else(|| Fault::schema("'ConversationId' is missing."))?;
    let bytes = base64_simd::STANDARD
        .decode_to_vec(id.as_bytes())
        .map_err(|_| Failure::MALFORMED_ID)?;
    Ok(bytes.try_into().map_err(|_| Failure::MALFORMED_ID)?)
}

/// The items of a conversation in the folders that a test admits.
fn items_of(store: &Arc<Store>, wanted: [u8; 16], admits: impl Fn(u64) -> bool) -> Vec<ItemRef> {
    let state = store.read();
    let Some(top) = top_of(&state) else {
        return Vec::new();
    };
    let is_wanted = |item: &Item| conversation_of(&item.message()) == Some(wanted);
    let mut found = Vec::new();
    for folder in state.descendants(top) {
        if !admits(folder.number) {
            continue;
        }
        for item in folder.items_from(0, false).filter(is_wanted) {
            found.push(ItemRef {
                store: Arc::clone(store),
                folder: folder.number,
                id: store.item_id(folder.number, item.key),
                item,
            });
        }
    }
    found
}

/// The store that a request about conversations means.
fn own_store(context: &Context<'_>) -> Result<Arc<Store>, Failure> {
    Ok(context.own_mailbox(None)?.primary)
}

pub(super) fn items(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for conversation in request.required_list("Conversations")? {
        answer.message(|w| {
            let shape = ItemShape::read(request, "ItemShape", false)?;
            let id = id_of(conversation.child("ConversationId"))?;
            let store = own_store(context)?;
            let ignored = ignored(context, request)?;
            let mut found = items_of(&store, id, |number| {
                let is_it = |one: &FolderRef| one.store.guid == store.guid && one.number == number;
                !ignored.iter().any(is_it)
            });
            if found.is_empty() {
                return Err(Failure::NO_CONVERSATION.into());
            }
            let order = request.child_text("SortOrder");
            found.sort_by_cached_key(|one| sort_key(one, order));
            if order.is_some_and(|order| order.ends_with("Descending")) {
                found.reverse();
            }
            let most = request
                .child_text("MaxItemsToReturn")
                .and_then(|most| most.parse().ok());
            found.truncate(most.unwrap_or(MAX_ITEMS));
            write_nodes(w, conversation, &shape, &found)
        })?;
    }
    answer.finish()
}

fn ignored(context: &Context<'_>, request: &Element<'_>) -> Result<Vec<FolderRef>, Oops> {
    let ids = request.list("FoldersToIgnore").iter();
    ids.map(|id| context.folder(id)).collect()
}

/// The place in the tree, which a conversation's index spells out, or the time.
fn sort_key(found: &ItemRef, order: Option<&str>) -> (Vec<u8>, u64) {
    let message = found.item.message();
    let by_tree = order.is_none_or(|order| order.starts_with("Tree"));
    let index = message.props.binary(tag::CONVERSATION_INDEX);
    let index = index.filter(|_| by_tree).unwrap_or_default().to_vec();
    let time = message.props.time(tag::MESSAGE_DELIVERY_TIME);
    (index, time.map_or(found.item.created, |time| time.0))
}

fn write_nodes(
    w: &mut XmlWriter,
    asked: &Element<'_>,
    shape: &ItemShape,
    found: &[ItemRef],
) -> Result<(), Oops> {
    let id = asked.child("ConversationId").and_then(|id| id.attr("Id"));
    w.start("m:Conversation");
    w.start("t:ConversationId");
    w.attr("Id", id.unwrap_or_default());
    w.end("t:ConversationId");
    let newest = found.iter().map(|one| one.item.change()).max();
    w.base64("t:SyncState", &newest.unwrap_or(0).to_le_bytes());
    w.start("t:ConversationNodes");
    for one in found {
        let message = one.item.message();
        let text = |id| message.props.text(id).unwrap_or_default();
        w.start("t:ConversationNode");
        w.leaf("t:InternetMessageId", &text(tag::INTERNET_MESSAGE_ID));
        w.leaf("t:ParentInternetMessageId", &text(tag::IN_REPLY_TO_ID));
        w.start("t:Items");
        super::get_item::write_item(w, shape, one)?;
        w.end("t:Items");
        w.end("t:ConversationNode");
    }
    w.end("t:ConversationNodes");
    w.end("m:Conversation");
    Ok(())
}
