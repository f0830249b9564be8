//! Which items of a folder that is read are meant, as far as their listing tells.

use ews_client::{DistinguishedPropertySet, ExtendedPath, Item, ItemShape, MapiType, PropertyPath};

use super::fetch::Wanted;
use super::folder::item_shape;
use super::mailbox::Mailbox;
use crate::selection::{ItemFacts, ItemVerdict, has_age};
use crate::state::Reading;

/// PidLidClipEnd: when an appointment ends, or the last one of a series; the year 4500 for a
/// series without end.
const CLIP_END: ExtendedPath = ExtendedPath::id(
    DistinguishedPropertySet::Appointment,
    0x8236,
    MapiType::SystemTime,
);

/// From when a listed item's age counts; `None` where the listing does not say, and for items
/// without one.
pub(crate) fn time_of(item: &Item) -> Option<i64> {
    if !has_age(item.item_class.as_deref().unwrap_or_default()) {
        return None;
    }
    let end = item
        .extended
        .iter()
        .find(|property| property.path.key == CLIP_END.key)
        .and_then(|property| property.as_timestamp());
    end.or(item.date_time_received)
        .map(|time| time.as_millisecond())
}

/// The properties by which a listed item can be judged.
pub(crate) fn condition_fields() -> Vec<PropertyPath> {
    let mut fields = vec![
        PropertyPath::field("item:ItemClass"),
        PropertyPath::field("item:Size"),
        PropertyPath::field("item:DateTimeReceived"),
    ];
    fields.push(CLIP_END.into());
    fields
}

impl Mailbox {
    /// The properties a listing asks for under this run's selection.
    pub(super) fn item_shape(&self) -> ItemShape {
        let shape = item_shape();
        if self.round.options.selection.asks_for_times() {
            return shape.with([
                PropertyPath::field("item:DateTimeReceived"),
                CLIP_END.into(),
            ]);
        }
        shape
    }

    /// Whether a listed item is meant.
    pub(super) fn judge(&self, found: &Wanted) -> ItemVerdict {
        let facts = ItemFacts {
            class: &found.class,
            size_bytes: found.size_bytes,
            time_unix_ms: found.time_unix_ms,
        };
        let now = self.round.vault.now_unix_ms();
        self.round.options.selection.judge(&facts, now)
    }

    /// This run's conditions on items, in words by which they can be compared.
    pub(super) fn conditions(&self) -> String {
        self.round
            .options
            .selection
            .describe_conditions()
            .join("\n")
    }

    /// Whether a folder read before has to be listed as a whole: under other conditions, or
    /// because items that were left out have become old enough.
    pub(super) fn must_list(&self, reading: &Reading) -> bool {
        let now = self.round.vault.now_unix_ms();
        reading.conditions != self.conditions()
            || reading.left_out.ripe_unix_ms.is_some_and(|ripe| ripe < now)
    }
}
