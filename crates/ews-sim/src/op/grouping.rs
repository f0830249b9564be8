//! Groups of what a FindItem finds (MS-OXWSSRCH, GroupBy and DistinguishedGroupBy).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Failure;
use crate::clock::xml_time;
use crate::item::Item;
use crate::prop::Path;
use crate::restriction::{Value, compare};
use crate::xml::Element;

/// By what items are grouped, and in which order the groups stand.
pub(super) struct Grouping {
    by: Path,
    /// Of each group's items the largest or smallest value of this property decides.
    aggregate: Path,
    largest: bool,
    descending: bool,
}

/// Items with one value in common.
#[derive(Default)]
struct Group {
    aggregate: Option<Value>,
    items: Vec<Item>,
}

impl Grouping {
    pub(super) fn read(request: &Element<'_>) -> Result<Option<Grouping>, Failure> {
        let descends = |element: &Element<'_>| element.attr("Order") == Some("Descending");
        if let Some(grouped) = request.child("GroupBy") {
            let lacks = || Failure::new("ErrorInvalidOperation", "'AggregateOn' is missing.");
            let aggregate = grouped.child("AggregateOn").ok_or_else(lacks)?;
            return Ok(Some(Grouping {
                by: Path::inside(grouped)?,
                aggregate: Path::inside(aggregate)?,
                largest: aggregate.attr("Aggregate") == Some("Maximum"),
                descending: descends(grouped),
            }));
        }
        // There is one distinguished way: by topic, as the newest mail says.
        let conversations = |element| Grouping {
            by: Path::Field("message:ConversationTopic".to_owned()),
            aggregate: Path::Field("item:DateTimeReceived".to_owned()),
            largest: true,
            descending: descends(element),
        };
        Ok(request.child("DistinguishedGroupBy").map(conversations))
    }

    /// The items in the order of their groups, each with what its group is called. Within a group
    /// they keep the order that they have.
    pub(super) fn arrange(
        &self,
        items: Vec<Item>,
        value: impl Fn(&Item, &Path) -> Option<Value>,
    ) -> Vec<(String, Item)> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for item in items {
            let index = value(&item, &self.by).map_or_else(String::new, index_of);
            let aggregate = value(&item, &self.aggregate);
            let group = groups.entry(index).or_default();
            if self.prefers(aggregate.as_ref(), group.aggregate.as_ref()) {
                group.aggregate = aggregate;
            }
            group.items.push(item);
        }
        let mut groups: Vec<(String, Group)> = groups.into_iter().collect();
        groups.sort_by(|one, other| {
            let ordering = order(one.1.aggregate.as_ref(), other.1.aggregate.as_ref());
            if self.descending {
                ordering.reverse()
            } else {
                ordering
            }
        });
        let named = groups.into_iter().flat_map(|(index, group)| {
            let items = group.items.into_iter();
            items.map(move |item| (index.clone(), item))
        });
        named.collect()
    }

    /// Whether a group's order is decided by a value rather than by the one before.
    fn prefers(&self, new: Option<&Value>, old: Option<&Value>) -> bool {
        let ordering = order(new, old);
        let extreme = if self.largest {
            ordering.is_gt()
        } else {
            ordering.is_lt()
        };
        new.is_some() && (old.is_none() || extreme)
    }
}

/// What has no value comes first.
fn order(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => compare(one, other).unwrap_or(Ordering::Equal),
        _ => one.is_some().cmp(&other.is_some()),
    }
}

/// What a group is called: its value, and of a name its number.
fn index_of(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        Value::List(texts) => texts.join("; "),
        Value::Ranked(number, _) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Time(ticks) => xml_time(ticks),
        Value::Bytes(bytes) => base64_simd::STANDARD.encode_to_string(bytes),
    }
}
