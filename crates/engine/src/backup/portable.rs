//! Downloads items of a server without ExportItems: MIME text and properties by GetItem.

use std::collections::VecDeque;
use std::sync::Arc;

use chunkstore::{Format, ItemWriter, Opaque};
use ews_client::{GetItem, Item, ItemError, Outcome, ResponseCode};

use super::fetch::{Fetched, GROUP, PendingRow, Seen, Tried, Try, Wanted, put_off, refused_split};
use super::mailbox::Mailbox;
use crate::error::Result;
use crate::portable::{Group, shape, summary, to_bytes};
use crate::split_mime::MimeFormat;
use crate::state::Form;

/// Asks for a batch once, group by group: what is asked for depends on the kind of item.
pub(super) async fn try_once(mailbox: &Mailbox, attempt: Try) -> Result<Tried> {
    let mut tried = Tried::default();
    let mut items = attempt.items;
    for group in Group::ALL {
        let (these, others): (Vec<Wanted>, Vec<Wanted>) = items
            .into_iter()
            .partition(|wanted| Group::of_class(&wanted.class) == group);
        items = others;
        if these.is_empty() {
            continue;
        }
        let mut plain = Vec::new();
        tried = ask(
            mailbox,
            these,
            group,
            attempt.opaque,
            Some(&mut plain),
            tried,
        )
        .await?;
        if !plain.is_empty() {
            tried = ask(mailbox, plain, group, attempt.opaque, None, tried).await?;
        }
    }
    Ok(tried)
}

/// Asks for items of one group. Those whose MIME text the server cannot make go to `plain`, to be
/// asked for without; where there is no `plain`, no MIME text is asked for.
async fn ask(
    mailbox: &Mailbox,
    items: Vec<Wanted>,
    group: Group,
    opaque: bool,
    mut plain: Option<&mut Vec<Wanted>>,
    mut tried: Tried,
) -> Result<Tried> {
    let request = GetItem {
        shape: shape(group, plain.is_some()),
        ids: items.iter().map(|wanted| wanted.id.clone()).collect(),
    };
    let client = mailbox.client_of(&items);
    let answer = {
        let _permit = mailbox.permits.acquire().await;
        client.get_item(&request).await
    };
    let mut waiting: VecDeque<Wanted> = items.into();
    let outcomes = match answer {
        Ok(outcomes) => outcomes,
        Err(error) => return put_off(tried, waiting, &error, "read items"),
    };
    for outcome in outcomes {
        let Some(wanted) = waiting.pop_front() else {
            break;
        };
        match (outcome, plain.as_deref_mut()) {
            (Err(error), Some(plain)) if is_about_mime(&error) => plain.push(wanted),
            (outcome, _) => keep(mailbox, wanted, outcome, opaque, &mut tried).await?,
        }
    }
    Ok(tried)
}

/// Whether the item could be read if its MIME text were left out.
fn is_about_mime(error: &ItemError) -> bool {
    matches!(
        error.code,
        ResponseCode::ErrorUnsupportedMimeConversion
            | ResponseCode::ErrorContentConversionFailed
            | ResponseCode::ErrorUnsupportedTypeForConversion
            | ResponseCode::ErrorMimeContentConversionFailed
            | ResponseCode::ErrorMimeContentInvalid
    )
}

/// Stores an item that came, or sorts why it did not.
async fn keep(
    mailbox: &Mailbox,
    wanted: Wanted,
    outcome: Outcome<Item>,
    opaque: bool,
    tried: &mut Tried,
) -> Result<()> {
    let item = match outcome {
        Ok(item) => item,
        Err(error) => {
            tried.refuse(wanted, &error);
            return Ok(());
        }
    };
    let bytes = to_bytes(&item);
    match store(mailbox, &wanted, &item, &bytes, opaque).await {
        Ok(row) => {
            mailbox.transferred(bytes.len() as u64);
            tried.done.push(Fetched::Stored(Box::new(row)));
        }
        Err(error) => tried.opaque |= refused_split(error, &mut tried.again, wanted)?,
    }
    Ok(())
}

async fn store(
    mailbox: &Mailbox,
    wanted: &Wanted,
    item: &Item,
    bytes: &[u8],
    opaque: bool,
) -> chunkstore::Result<PendingRow> {
    let format: Arc<dyn Format> = if opaque {
        Arc::new(Opaque)
    } else {
        Arc::new(MimeFormat)
    };
    let mut writer = ItemWriter::new(&mailbox.skeletons, GROUP, format);
    writer.push(bytes).await?;
    let content = writer.finish().await?;
    let mut summary = summary(item);
    if summary.subject.is_empty() {
        summary.subject.clone_from(&wanted.subject);
    }
    let seen = Seen {
        class: item.item_class.clone(),
        is_read: item.is_read,
        bytes: bytes.len() as u64,
        form: Form::Portable,
    };
    seen.row(mailbox, wanted, summary, content).await
}
