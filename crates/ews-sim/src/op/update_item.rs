//! UpdateItem (MS-OXWSCORE 3.1.4.9).

use fasttransfer::Message;

use super::{Answer, Context, Failure, Oops, Reply};
use crate::id::parse_change_key;
use crate::load;
use crate::op::answer::subject_of;
use crate::op::get_item::write_item;
use crate::op::resolve::ItemRef;
use crate::prop::{Path, parse_bool};
use crate::series::{self, Series};
use crate::set;
use crate::shape::ItemShape;
use crate::soap::Fault;
use crate::xml::Element;

/// What an UpdateItem does to one item.
#[derive(Default)]
struct Update {
    is_read: Option<bool>,
    /// Whether anything but the read flag changes.
    content: bool,
    /// Whether the MIME text the item was made from no longer holds.
    rewrites_mime: bool,
}

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for change in request.required_list("ItemChanges")? {
        answer.message(|w| {
            let id = change.children.first();
            let id = id.ok_or_else(|| Fault::schema("'ItemChange' is empty."))?;
            let found = context.item(id)?;
            context.item_fault(&found.id, &subject_of(&found.item.message()))?;
            check_conflict(request, id, &found)?;
            context.check_write(&found.store, found.folder)?;
            update(context, request, change, &found)?;
            let found = context.item_by_id(&found.id)?;
            w.start("m:Items");
            write_item(w, &ItemShape::id_only(), &found)?;
            w.end("m:Items");
            w.start("m:ConflictResults");
            w.leaf("t:Count", "0");
            w.end("m:ConflictResults");
            Ok(())
        })?;
    }
    answer.finish()
}

fn check_conflict(request: &Element<'_>, id: &Element<'_>, found: &ItemRef) -> Result<(), Failure> {
    if request.attr("ConflictResolution") != Some("NeverOverwrite") {
        return Ok(());
    }
    let known = id.attr("ChangeKey").and_then(parse_change_key);
    match known {
        Some(change) if change == found.item.change() => Ok(()),
        Some(_) => Err(Failure::new(
            "ErrorIrresolvableConflict",
            "The item was changed since the change key was read.",
        )),
        None => Err(Failure::new(
            "ErrorChangeKeyRequiredForWriteOperations",
            "A change key is required.",
        )),
    }
}

fn update(
    context: &Context<'_>,
    request: &Element<'_>,
    change: &Element<'_>,
    found: &ItemRef,
) -> Result<(), Oops> {
    let mut message = found.item.message().into_owned();
    let mut result = Update::default();
    for field in change.required_list("Updates")? {
        apply(&mut message, field, &mut result)?;
    }
    set::settle(&mut message)?;
    let mut state = found.store.write();
    let key = found.item.key;
    if let Some(occurrence) = found.item.occurrence {
        let day = series::day_of(occurrence.day).ok_or(Failure::NO_ITEM)?;
        state.edit_item(found.folder, key, |master| {
            if let Some(mut series) = Series::of(master) {
                series.change(day, master, &message);
                series.put(master);
            }
        })?;
    } else if result.content {
        if result.rewrites_mime {
            load::forget_original(&mut message);
        }
        state.edit_item(found.folder, key, |stored| *stored = message)?;
    }
    if let Some(is_read) = result.is_read {
        state.set_read(found.folder, key, is_read)?;
    }
    drop(state);
    let sends = matches!(
        request.attr("MessageDisposition"),
        Some("SendOnly" | "SendAndSaveCopy")
    );
    if sends {
        context
            .world
            .recorder
            .record(|stats| stats.sent_messages += 1);
    }
    Ok(())
}

fn apply(message: &mut Message, field: &Element<'_>, result: &mut Update) -> Result<(), Oops> {
    let path = Path::inside(field)?;
    let is_read = matches!(&path, Path::Field(uri) if uri == "message:IsRead");
    if !is_read {
        result.content = true;
        result.rewrites_mime |= rewrites_mime(&path);
    }
    match field.name.as_ref() {
        "SetItemField" | "AppendToItemField" => {
            let holder = field
                .children
                .iter()
                .find(|child| !child.name.ends_with("FieldURI") && child.name != "Path")
                .ok_or_else(|| Fault::schema("an item is missing in a field update."))?;
            if holder.children.len() > 1 {
                return Err(Failure::new(
                    "ErrorIncorrectUpdatePropertyCount",
                    "An item of a field update has one property.",
                )
                .into());
            }
            if let Some(mime) = holder.child("MimeContent") {
                return replace_mime(message, &mime.text);
            }
            let outside = set::apply(message, holder)?;
            result.is_read = outside.is_read.or(result.is_read);
        }
        "DeleteItemField" if is_read => result.is_read = Some(false),
        "DeleteItemField" => set::remove(message, &path)?,
        name => return Err(Fault::schema(format!("'{name}' is no field update.")).into()),
    }
    Ok(())
}

fn replace_mime(message: &mut Message, text: &str) -> Result<(), Oops> {
    let compact: String = text.split_ascii_whitespace().collect();
    let raw = base64_simd::STANDARD.decode_to_vec(compact.as_bytes());
    let raw = raw
        .map_err(|_| Failure::new("ErrorMimeContentInvalid", "The MIME content is not base64."))?;
    *message = load::message_from_mime(&raw);
    Ok(())
}

/// Whether a property shows in the MIME text. Flags, categories and reminders do not.
fn rewrites_mime(path: &Path) -> bool {
    match path {
        Path::Field(uri) => !matches!(
            uri.as_str(),
            "item:Categories"
                | "item:Flag"
                | "item:ReminderIsSet"
                | "item:ReminderDueBy"
                | "item:ReminderMinutesBeforeStart"
                | "item:MimeContent"
        ),
        Path::Extended(_) => false,
        Path::Indexed { .. } => true,
    }
}

/// Reads an attribute that is a boolean.
pub(super) fn flag_attr(element: &Element<'_>, name: &str) -> Option<bool> {
    element.attr(name).and_then(parse_bool)
}
