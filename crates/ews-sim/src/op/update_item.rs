//! UpdateItem (MS-OXWSCORE 3.1.4.9).

use fasttransfer::Message;

use super::item_edit::hand_over;
use super::{Answer, Context, Failure, Oops, Reply};
use crate::id::parse_change_key;
use crate::item::item_class;
use crate::load;
use crate::op::answer::subject_of;
use crate::op::get_item::write_item;
use crate::op::resolve::ItemRef;
use crate::prop::{Path, parse_bool};
use crate::series::{self, Series};
use crate::set::{self, Placing};
use crate::shape::{ItemShape, element_name};
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
            check_telling(request, &found)?;
            context.check_change(&found)?;
            update(change, &found)?;
            let left = send(context, request, &found)?;
            w.start("m:Items");
            if let Some(left) = left {
                write_item(w, &ItemShape::id_only(), &left)?;
            }
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

fn update(change: &Element<'_>, found: &ItemRef) -> Result<(), Oops> {
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
    Ok(())
}

/// Sends an updated item where that is asked for, and tells what is left of it.
fn send(
    context: &Context<'_>,
    request: &Element<'_>,
    found: &ItemRef,
) -> Result<Option<ItemRef>, Oops> {
    let updated = context.item_by_id(&found.id)?;
    let disposition = request.attr("MessageDisposition");
    let is_mail = element_name(&item_class(&updated.item.message())) == "t:Message";
    if !is_mail || !matches!(disposition, Some("SendOnly" | "SendAndSaveCopy")) {
        return Ok(Some(updated));
    }
    let target = match request.child("SavedItemFolderId") {
        _ if disposition == Some("SendOnly") => None,
        Some(holder) => Some(context.target_folder(holder)?),
        None => context.own_folder("sentitems"),
    };
    hand_over(context, &updated, target.as_ref())
}

/// Fails where an attribute is missing that says whether others are told.
fn check_telling(request: &Element<'_>, found: &ItemRef) -> Result<(), Failure> {
    let class = item_class(&found.item.message()).into_owned();
    match element_name(&class) {
        "t:Message" if request.attr("MessageDisposition").is_none() => Err(Failure::new(
            "ErrorMessageDispositionRequired",
            "The MessageDisposition attribute is required.",
        )),
        "t:CalendarItem"
            if request
                .attr("SendMeetingInvitationsOrCancellations")
                .is_none() =>
        {
            Err(Failure::new(
                "ErrorSendMeetingInvitationsOrCancellationsRequired",
                "The SendMeetingInvitationsOrCancellations attribute is required.",
            ))
        }
        _ => Ok(()),
    }
}

fn apply(message: &mut Message, field: &Element<'_>, result: &mut Update) -> Result<(), Oops> {
    let path = Path::inside(field)?;
    let is_read = matches!(&path, Path::Field(uri) if uri == "message:IsRead");
    if !is_read {
        result.content = true;
        result.rewrites_mime |= rewrites_mime(&path);
    }
    match field.name.as_ref() {
        how @ ("SetItemField" | "AppendToItemField") => {
            let placing = match how {
                "SetItemField" => Placing::Instead,
                _ if appends(&path) => Placing::Behind,
                _ => {
                    return Err(Failure::new(
                        "ErrorInvalidPropertyAppend",
                        "Nothing can be appended to the property.",
                    )
                    .into());
                }
            };
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
            let outside = set::apply(message, holder, placing)?;
            result.is_read = outside.is_read.or(result.is_read);
        }
        "DeleteItemField" if is_read => result.is_read = Some(false),
        "DeleteItemField" => set::remove(message, &path)?,
        name => return Err(Fault::schema(format!("'{name}' is no field update.")).into()),
    }
    Ok(())
}

/// Whether there can be more of a property (MS-OXWSCORE 2.2.4.4).
fn appends(path: &Path) -> bool {
    let Path::Field(uri) = path else {
        return false;
    };
    matches!(
        uri.as_str(),
        "item:Body"
            | "message:ToRecipients"
            | "message:CcRecipients"
            | "message:BccRecipients"
            | "calendar:RequiredAttendees"
            | "calendar:OptionalAttendees"
            | "calendar:Resources"
    )
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
