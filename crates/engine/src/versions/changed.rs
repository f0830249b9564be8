//! What differs between two contents of an item, in the words of people.

use chunkstore::Entry;
use fasttransfer::{Message, PropId, PropName, PropertyBag};
use serde::Serialize;

use crate::portable;
use crate::restore::is_of_the_store;
use crate::vault::Vault;

/// Contents larger than this are not read to say what changed in them.
const MAX_COMPARED_BYTES: u64 = 16 << 20;

/// What makes a version another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changed {
    /// It is the first.
    New,
    /// It lies in another folder, or the folder has another name.
    Folder,
    /// It was marked as read or unread.
    ReadState,
    /// Its follow-up flag.
    Flag,
    /// Its categories.
    Categories,
    /// Its subject.
    Subject,
    /// Its text.
    Body,
    /// Its recipients or attendees.
    Recipients,
    /// Its attachments.
    Attachments,
    /// Start, end or recurrence of an appointment; due or start date of a task.
    Times,
    /// Something else of its content.
    Content,
}

/// PSETID_Appointment, PSETID_Task, PSETID_Common and PS_PUBLIC_STRINGS: the first four bytes of
/// these property sets, of which the other twelve are the same.
const APPOINTMENT: [u8; 4] = [0x02, 0x20, 0x06, 0];
const TASK: [u8; 4] = [0x03, 0x20, 0x06, 0];
const COMMON: [u8; 4] = [0x08, 0x20, 0x06, 0];

impl Vault {
    /// Says what differs between the contents of two entries; `Content` where they cannot be read.
    pub(super) async fn changed_parts(&self, old: &Entry, new: &Entry) -> Vec<Changed> {
        match (self.message(old).await, self.message(new).await) {
            (Some(old), Some(new)) => differences(&old, &new),
            _ => vec![Changed::Content],
        }
    }

    async fn message(&self, entry: &Entry) -> Option<Message> {
        let content = entry.contents.first()?;
        let bytes = self.read_whole(content, MAX_COMPARED_BYTES).await.ok()?;
        Some(portable::read_any(&bytes).ok()?.message)
    }
}

fn differences(old: &Message, new: &Message) -> Vec<Changed> {
    let mut changed: Vec<Changed> = ids_that_differ(&old.props, &new.props)
        .iter()
        .filter_map(part)
        .collect();
    if old.recipients != new.recipients {
        changed.push(Changed::Recipients);
    }
    if old.attachments != new.attachments {
        changed.push(Changed::Attachments);
    }
    changed.sort();
    changed.dedup();
    // The more telling words make the general one needless.
    if changed.len() > 1 {
        changed.retain(|part| *part != Changed::Content);
    }
    changed
}

fn ids_that_differ(old: &PropertyBag, new: &PropertyBag) -> Vec<PropId> {
    let mut ids = Vec::new();
    for property in old.iter() {
        if new.get(&property.id) != Some(&property.value) {
            ids.push(property.id.clone());
        }
    }
    for property in new.iter() {
        if old.get(&property.id).is_none() {
            ids.push(property.id.clone());
        }
    }
    ids
}

/// The part of an item that a property belongs to; nothing for what the store computes.
fn part(id: &PropId) -> Option<Changed> {
    if is_of_the_store(id) {
        return None;
    }
    Some(match id {
        PropId::Tag(tag) => match tag {
            // PidTagMessageFlags
            0x0E07 => Changed::ReadState,
            // PidTagFlagStatus, PidTagFlagCompleteTime, PidTagFollowupIcon, PidTagReplyTime and such
            0x1090 | 0x1091 | 0x1095 | 0x0E2B | 0x0C06 | 0x0030 => Changed::Flag,
            // PidTagSubject, its prefix, the normalised one, PidTagConversationTopic
            0x0037 | 0x003D | 0x0E1D | 0x0070 => Changed::Subject,
            // PidTagBody, PidTagRtfCompressed, PidTagHtml, PidTagRtfInSync
            0x1000 | 0x1009 | 0x1013 | 0x0E1F => Changed::Body,
            // PidTagDisplayBcc, -Cc, -To
            0x0E02..=0x0E04 => Changed::Recipients,
            // PidTagHasAttachments
            0x0E1B => Changed::Attachments,
            // PidTagStartDate, PidTagEndDate
            0x0060 | 0x0061 => Changed::Times,
            _ => Changed::Content,
        },
        PropId::Named(named) => match (&named.name, &named.guid.0[..4]) {
            (PropName::Name(name), _) if name == "Keywords" => Changed::Categories,
            // PidLidAppointmentStartWhole, -EndWhole, -Duration, -Recur, -StartTime and such
            (PropName::Id(0x820D..=0x8216), set) if set == APPOINTMENT => Changed::Times,
            // PidLidTaskStartDate, PidLidTaskDueDate
            (PropName::Id(0x8104 | 0x8105), set) if set == TASK => Changed::Times,
            // PidLidCommonStart, PidLidCommonEnd
            (PropName::Id(0x8516 | 0x8517), set) if set == COMMON => Changed::Times,
            // PidLidFlagRequest, PidLidFlagString, PidLidReminder and its times, to-do order
            (PropName::Id(0x8530 | 0x85C0 | 0x85A0 | 0x85A4), set) if set == COMMON => {
                Changed::Flag
            }
            _ => Changed::Content,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fasttransfer::PropValue;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Message), expected: &[Changed]) {
        let mut old = Message::default();
        old.props
            .set(PropId::Tag(0x0037), PropValue::Unicode("Hello".into()));
        old.props.set(PropId::Tag(0x0E07), PropValue::Int32(1));
        let mut new = old.clone();
        change(&mut new);
        assert_eq!(differences(&old, &new), expected);
    }

    fn set(tag: u16, number: i32) -> impl FnOnce(&mut Message) {
        move |message| {
            drop(
                message
                    .props
                    .set(PropId::Tag(tag), PropValue::Int32(number)),
            )
        }
    }

    #[test]
    fn what_changed_is_told_in_words() {
        check(set(0x3008, 7), &[]);
        check(set(0x1090, 2), &[Changed::Flag]);
        check(set(0x0E07, 0), &[Changed::ReadState]);
        check(set(0x7ABC, 7), &[Changed::Content]);
        check(
            |message| {
                set(0x7ABC, 7)(message);
                let subject = PropValue::Unicode("Hallo".into());
                message.props.set(PropId::Tag(0x0037), subject);
                message.recipients.push(PropertyBag::default());
            },
            &[Changed::Subject, Changed::Recipients],
        );
    }
}
