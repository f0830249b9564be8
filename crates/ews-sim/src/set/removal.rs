//! Removes properties.

use fasttransfer::{Message, named, tag};

use super::appointment;
use super::contact::member;
use super::people::{clear_people, clear_sender};
use super::simple::simple;
use crate::op::Failure;
use crate::prop::Path;
use crate::zones::definition;

/// Removes a property that a DeleteItemField names.
pub(crate) fn remove(message: &mut Message, path: &Path) -> Result<(), Failure> {
    let refused = || {
        Failure::new(
            "ErrorInvalidPropertyDelete",
            "The property cannot be deleted.",
        )
    };
    match path {
        Path::Extended(extended) => drop(message.props.remove(&extended.id)),
        Path::Field(uri) => match uri.split_once(':').map_or("", |(_, name)| name) {
            "Body" => {
                for id in [tag::BODY, tag::HTML, tag::RTF_COMPRESSED] {
                    message.props.remove(id);
                }
            }
            "Attachments" => message.attachments.clear(),
            "ToRecipients" | "RequiredAttendees" => clear_people(message, 1),
            "CcRecipients" | "OptionalAttendees" => clear_people(message, 2),
            "BccRecipients" | "Resources" => clear_people(message, 3),
            "From" | "Sender" => clear_sender(message, uri.ends_with("From")),
            "ReplyTo" => {
                message.props.remove(tag::REPLY_RECIPIENT_NAMES);
                message.props.remove(tag::REPLY_RECIPIENT_ENTRIES);
            }
            "Flag" => {
                message.props.remove(tag::FLAG_STATUS);
            }
            "Recurrence" => {
                for id in [
                    &named::APPOINTMENT_RECUR,
                    &named::RECURRING,
                    &named::IS_RECURRING,
                    &named::TASK_RECURRENCE,
                    &named::TASK_F_RECURRING,
                ] {
                    message.props.remove(id);
                }
                definition::forget_series(&mut message.props);
            }
            "EndTimeZone" => {
                message
                    .props
                    .remove(&named::APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY);
            }
            "StartTimeZone" | "MeetingTimeZone" => appointment::forget_zone(message),
            name => {
                let (id, _) = simple(name).ok_or_else(refused)?;
                message.props.remove(id);
            }
        },
        Path::Indexed { uri, index } => {
            message
                .props
                .remove(member(uri, index).ok_or_else(refused)?);
        }
    }
    Ok(())
}
