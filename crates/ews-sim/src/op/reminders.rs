//! GetReminders and PerformReminderAction (EWS reference).

use fasttransfer::{FileTime, Message, PropValue, named, tag};

use super::{Context, Failure, Oops, Reply};
use crate::clock::{parse_xml_time, xml_time};
use crate::id::{ObjectId, change_key};
use crate::item::{Item, has_class, item_class, key_kind};
use crate::mailbox::Store;
use crate::op::resolve::occurrence_item;
use crate::series::Series;
use crate::shape::{uid_of, write_id};
use crate::soap::{self, Fault};
use crate::xml::{Element, XmlWriter};

/// Most reminders in one answer, as the schema allows.
const MAX_REMINDERS: usize = 200;
/// How far a series is looked through: two years before and after now, in ticks.
const TWO_YEARS: u64 = 2 * 366 * 86_400 * 10_000_000;
const MINUTE: u64 = 600_000_000;

/// A reminder that is due at some time.
struct Reminder {
    due: u64,
    start: u64,
    end: u64,
    subject: String,
    location: String,
    uid: String,
    id: String,
    change_key: String,
    master: Option<String>,
    group: &'static str,
}

pub(super) fn get(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mailbox = match context.own_mailbox(None) {
        Ok(mailbox) => mailbox,
        Err(failure) => return refused(context, &failure),
    };
    let store = &mailbox.primary;
    let now = store.clock().now();
    let time = |name: &str| request.child_text(name).and_then(parse_xml_time);
    let (from, until) = (time("BeginTime"), time("EndTime"));
    let most = request
        .child_text("MaxItems")
        .and_then(|text| text.parse().ok());
    // None, and 0, mean as many as there may be.
    let most = most.filter(|most| *most > 0).unwrap_or(MAX_REMINDERS);
    let kind = request.child_text("ReminderType").unwrap_or("All");
    let mut found = all(store, now);
    found.retain(|one| {
        let in_time =
            from.is_none_or(|from| one.due >= from) && until.is_none_or(|until| one.due <= until);
        let is_old = one.end < now;
        in_time
            && match kind {
                "Current" => !is_old,
                "Old" => is_old,
                _ => true,
            }
    });
    found.sort_by_key(|one| one.due);
    found.truncate(most.min(MAX_REMINDERS));
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:Reminders");
    for one in &found {
        one.write(&mut w);
    }
    w.end("m:Reminders");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

fn refused(context: &Context<'_>, failure: &Failure) -> Result<Reply, Fault> {
    let mut w = XmlWriter::new();
    let version = context.world.version;
    soap::begin_single(&mut w, version, context.operation, Some("Error"));
    failure.write(&mut w);
    w.leaf("m:Reminders", "");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

/// The reminders of a mailbox: of appointments, tasks and flagged mail.
fn all(store: &Store, now: u64) -> Vec<Reminder> {
    let state = store.read();
    let mut found = Vec::new();
    for folder in state.folders() {
        for item in folder.items_from(0, false) {
            let message = item.message();
            if message.props.boolean(&named::REMINDER_SET) != Some(true) {
                continue;
            }
            match Series::of(&message) {
                None => found.extend(reminder(store, folder.number, &item, &message, None)),
                Some(series) => {
                    let from = now.saturating_sub(TWO_YEARS);
                    let until = now.saturating_add(TWO_YEARS);
                    for one in series.between(from, until) {
                        let occurrence = occurrence_item(&item, &series, &message, &one);
                        let shown = occurrence.message().into_owned();
                        let master = Some(store.item_id(folder.number, item.key));
                        let number = folder.number;
                        found.extend(reminder(store, number, &occurrence, &shown, master));
                    }
                }
            }
        }
    }
    found
}

fn reminder(
    store: &Store,
    folder: u64,
    item: &Item,
    message: &Message,
    master: Option<String>,
) -> Option<Reminder> {
    let props = &message.props;
    let time = |id: &fasttransfer::NamedProp| props.time(id).map(|time| time.0);
    let class = item_class(message);
    let is_task = has_class(&class, "IPM.Task");
    let start = time(&named::APPOINTMENT_START_WHOLE).or_else(|| time(&named::TASK_START_DATE));
    let before = props.i32(&named::REMINDER_DELTA).unwrap_or(15).max(0);
    let before = u64::from(before.unsigned_abs()) * MINUTE;
    let signal = time(&named::REMINDER_SIGNAL_TIME).filter(|_| item.occurrence.is_none());
    let due = signal
        .or_else(|| start.map(|start| start.saturating_sub(before)))
        .or_else(|| time(&named::REMINDER_TIME))?;
    let start = start.unwrap_or(due);
    let end = time(&named::APPOINTMENT_END_WHOLE).or_else(|| time(&named::TASK_DUE_DATE));
    let object = match item.occurrence {
        None => ObjectId::Item {
            store: store.guid,
            folder,
            key: item.key,
        },
        Some(occurrence) => ObjectId::Occurrence {
            store: store.guid,
            folder,
            key: item.key,
            day: occurrence.day,
        },
    };
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
    Some(Reminder {
        due,
        start,
        end: end.unwrap_or(start),
        subject: text(props.text(tag::SUBJECT)),
        location: text(props.text(&named::LOCATION)),
        uid: uid_of(message).unwrap_or_default(),
        id: object.encode(),
        change_key: change_key(key_kind(&class), store.guid, item.change()),
        master,
        group: if is_task { "Task" } else { "Calendar" },
    })
}

impl Reminder {
    fn write(&self, w: &mut XmlWriter) {
        w.start("t:Reminder");
        w.leaf("t:Subject", &self.subject);
        w.leaf("t:Location", &self.location);
        w.leaf("t:ReminderTime", &xml_time(self.due));
        w.leaf("t:StartDate", &xml_time(self.start));
        w.leaf("t:EndDate", &xml_time(self.end));
        write_id(w, "t:ItemId", &self.id, &self.change_key);
        if let Some(master) = &self.master {
            write_id(w, "t:RecurringMasterItemId", master, &self.change_key);
        }
        w.leaf("t:ReminderGroup", self.group);
        w.leaf("t:UID", &self.uid);
        w.end("t:Reminder");
    }
}

pub(super) fn perform(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut updated = Vec::new();
    let mut failure = None;
    for action in request.required_list("ReminderItemActions")? {
        match act(context, action) {
            Ok(ids) => updated.push(ids),
            Err(Oops::Whole(fault)) => return Err(fault),
            Err(Oops::Part(part)) => failure = Some(part),
        }
    }
    let mut w = XmlWriter::new();
    let class = failure.as_ref().map(|_| "Error");
    soap::begin_single(&mut w, context.world.version, context.operation, class);
    match &failure {
        None => w.leaf("m:ResponseCode", "NoError"),
        Some(failure) => failure.write(&mut w),
    }
    w.start("m:UpdatedItemIds");
    if updated.is_empty() {
        // The schema wants one even where nothing was done.
        updated.push((String::new(), String::new()));
    }
    for (id, change_key) in &updated {
        write_id(&mut w, "t:ItemId", id, change_key);
    }
    w.end("m:UpdatedItemIds");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

/// Puts a reminder off, or ends it.
fn act(context: &Context<'_>, action: &Element<'_>) -> Result<(String, String), Oops> {
    let id = action
        .child("ItemId")
        .ok_or_else(|| Fault::schema("'ItemId' is missing."))?;
    let found = context.item(id)?;
    context.check_change(&found)?;
    let later = action
        .child_text("NewReminderTime")
        .and_then(parse_xml_time);
    let snoozes = match (action.child_text("ActionType"), later) {
        (Some("Dismiss"), _) => None,
        (Some("Snooze"), Some(later)) => Some(later),
        _ => return Err(Fault::schema("The 'ActionType' element is invalid.").into()),
    };
    found
        .store
        .write()
        .edit_item(found.folder, found.item.key, |message| {
            let (id, value) = match snoozes {
                None => (&named::REMINDER_SET, PropValue::Boolean(false)),
                Some(later) => (
                    &named::REMINDER_SIGNAL_TIME,
                    PropValue::Time(FileTime(later)),
                ),
            };
            message.props.set(id, value);
        })?;
    let state = found.store.read();
    let item = state
        .item(found.folder, found.item.key)
        .ok_or(Failure::NO_ITEM)?;
    let class = item_class(&item.message()).into_owned();
    let change = change_key(key_kind(&class), found.store.guid, item.change());
    Ok((found.id.clone(), change))
}
