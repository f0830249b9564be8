//! FindItem (MS-OXWSSRCH 3.1.4.2).

use std::borrow::Cow;

use fasttransfer::{Message, named};

use super::grouping::Grouping;
use super::resolve::{FolderRef, occurrence_item};
use super::{Answer, Context, Failure, Oops, Reply};
use crate::clock::parse_xml_time;
use crate::folder::Folder;
use crate::item::Item;
use crate::prop::Path;
use crate::query::Query as Words;
use crate::restriction::{Restriction, Row, SortOrder, Value, compare};
use crate::series::Series;
use crate::shape::{ItemShape, View};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

/// Which rows of a result are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    max: u64,
    start: Start,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    /// No view: everything, up to the server's limit.
    None,
    Beginning(u64),
    End(u64),
    Fraction(u64, u64),
}

impl Paging {
    /// Reads an IndexedPage or FractionalPage view.
    pub(super) fn read(request: &Element<'_>, kind: &str, limit: u64) -> Result<Paging, Oops> {
        let number = |view: &Element<'_>, name: &str| {
            view.attr(name).map(|text| {
                text.trim().parse::<u64>().map_err(|_| {
                    Oops::from(Failure::new(
                        "ErrorInvalidIndexedPagingParameters",
                        "A paging parameter is not a number.",
                    ))
                })
            })
        };
        let calendar = request
            .child("CalendarView")
            .or(request.child("ContactsView"));
        let indexed = request.child(&format!("IndexedPage{kind}View"));
        let fractional = request.child(&format!("FractionalPage{kind}View"));
        let view = indexed.or(fractional).or(calendar);
        let max = match view.and_then(|view| number(view, "MaxEntriesReturned")) {
            Some(max) => max?.min(limit),
            None => limit,
        };
        if max == 0 {
            return Err(Failure::new(
                "ErrorInvalidPagingMaxRows",
                "MaxEntriesReturned must be positive.",
            )
            .into());
        }
        let start = if let Some(view) = indexed {
            let offset = number(view, "Offset").transpose()?.unwrap_or(0);
            match view.attr("BasePoint") {
                Some("End") => Start::End(offset),
                _ => Start::Beginning(offset),
            }
        } else if let Some(view) = fractional {
            let numerator = number(view, "Numerator").transpose()?.unwrap_or(0);
            let denominator = number(view, "Denominator").transpose()?.unwrap_or(1);
            if denominator == 0 || numerator > denominator {
                return Err(Failure::new(
                    "ErrorInvalidFractionalPagingParameters",
                    "The fraction is not between 0 and 1.",
                )
                .into());
            }
            Start::Fraction(numerator, denominator)
        } else {
            Start::None
        };
        Ok(Paging { max, start })
    }

    /// The first row and the number of rows, of so many.
    pub(super) fn window(&self, total: u64) -> (u64, u64) {
        match self.start {
            Start::None => (0, total.min(self.max)),
            Start::Beginning(offset) => {
                let from = offset.min(total);
                (from, (total - from).min(self.max))
            }
            Start::End(offset) => {
                let end = total.saturating_sub(offset);
                let from = end.saturating_sub(self.max);
                (from, end - from)
            }
            Start::Fraction(numerator, denominator) => {
                let from = u128::from(total) * u128::from(numerator) / u128::from(denominator);
                let from = u64::try_from(from).unwrap_or(total);
                (from, (total - from).min(self.max))
            }
        }
    }
}

/// Writes the attributes of a RootFolder element.
pub(super) fn write_page(w: &mut XmlWriter, paging: &Paging, next: u64, total: u64) {
    match paging.start {
        Start::None => {}
        Start::Fraction(..) => {
            w.attr("NumeratorOffset", &next.to_string());
            w.attr("AbsoluteDenominator", &total.to_string());
        }
        Start::End(_) => {
            let (from, _) = paging.window(total);
            w.attr("IndexedPagingOffset", &(total - from).to_string());
        }
        Start::Beginning(_) => w.attr("IndexedPagingOffset", &next.to_string()),
    }
    let last = match paging.start {
        Start::End(_) => paging.window(total).0 == 0,
        _ => next >= total,
    };
    w.attr("TotalItemsInView", &total.to_string());
    w.attr(
        "IncludesLastItemInRange",
        if last { "true" } else { "false" },
    );
}

/// What a FindItem asks for, apart from the folders.
struct Query {
    shape: ItemShape,
    restriction: Option<Restriction>,
    words: Option<Words>,
    sort: SortOrder,
    grouping: Option<Grouping>,
    paging: Paging,
    calendar: Option<(u64, u64)>,
    associated: bool,
    nothing: bool,
}

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for id in request.required_list("ParentFolderIds")? {
        answer.message(|w| {
            let query = Query::read(context, request)?;
            let found = context.folder(id)?;
            query.answer(w, &found)
        })?;
    }
    answer.finish()
}

impl Query {
    fn read(context: &Context<'_>, request: &Element<'_>) -> Result<Query, Oops> {
        let traversal = request.attr("Traversal");
        if !matches!(traversal, Some("Shallow" | "SoftDeleted" | "Associated")) {
            return Err(Fault::schema("The 'Traversal' attribute is invalid.").into());
        }
        let calendar = match request.child("CalendarView") {
            None => None,
            Some(view) => {
                let time = |name| view.attr(name).and_then(parse_xml_time);
                let (Some(start), Some(end)) = (time("StartDate"), time("EndDate")) else {
                    return Err(Fault::schema("'CalendarView' lacks its dates.").into());
                };
                if end < start {
                    return Err(Failure::new(
                        "ErrorCalendarEndDateIsEarlierThanStartDate",
                        "EndDate is earlier than StartDate.",
                    )
                    .into());
                }
                Some((start, end))
            }
        };
        let words = request.child_text("QueryString").and_then(Words::read);
        let restriction = Restriction::read(request)?;
        let limit = context.most_rows(restriction.is_some() || words.is_some());
        Ok(Query {
            shape: ItemShape::read(request, "ItemShape", true)?,
            restriction,
            words,
            sort: SortOrder::read(request)?,
            grouping: Grouping::read(request)?,
            paging: Paging::read(request, "Item", limit)?,
            calendar,
            associated: traversal == Some("Associated") && context.world.lists_associated,
            nothing: traversal == Some("SoftDeleted"),
        })
    }

    fn answer(&self, w: &mut XmlWriter, found: &FolderRef) -> Result<(), Oops> {
        let state = found.store.read();
        let folder = state.folder(found.number).ok_or(Failure::NO_FOLDER)?;
        let plain = self.grouping.is_none()
            && self.sort.is_none()
            && self.restriction.is_none()
            && self.words.is_none()
            && self.calendar.is_none();
        let (items, next, total) = if self.nothing {
            (Vec::new(), 0, 0)
        } else if plain {
            // Nothing to compare: the window is cut without looking at the rows outside it.
            let total = if self.associated {
                folder.associated()
            } else {
                folder.total()
            };
            let (from, count) = self.paging.window(total);
            let rows = folder.items_from(from, self.associated);
            let count_rows = usize::try_from(count).unwrap_or(usize::MAX);
            let rows = rows.take(count_rows).map(|item| (String::new(), item));
            (rows.collect(), from + count, total)
        } else {
            self.select(found, folder)
        };
        w.start("m:RootFolder");
        match self.calendar {
            Some(_) => {
                w.attr("TotalItemsInView", &total.to_string());
                let last = items.len() as u64 >= total;
                w.attr(
                    "IncludesLastItemInRange",
                    if last { "true" } else { "false" },
                );
            }
            None => write_page(w, &self.paging, next, total),
        }
        match self.grouping {
            Some(_) => {
                w.start("t:Groups");
                for group in items.chunk_by(|one, other| one.0 == other.0) {
                    w.start("t:GroupedItems");
                    w.leaf("t:GroupIndex", &group[0].0);
                    self.write_items(w, found, folder, group);
                    w.end("t:GroupedItems");
                }
                w.end("t:Groups");
            }
            None => self.write_items(w, found, folder, &items),
        }
        w.end("m:RootFolder");
        Ok(())
    }

    fn write_items(
        &self,
        w: &mut XmlWriter,
        found: &FolderRef,
        folder: &Folder,
        items: &[(String, Item)],
    ) {
        w.start("t:Items");
        for (_, item) in items {
            let message = item.message();
            let place = (folder.number, folder.change);
            let view = View::of_item(&found.store, place, item, &message, &self.shape);
            self.shape.write(w, &view);
        }
        w.end("t:Items");
    }

    /// Filters, sorts and groups all rows, then cuts the window. Each item stands with what its group is
    /// called.
    fn select(&self, found: &FolderRef, folder: &Folder) -> (Vec<(String, Item)>, u64, u64) {
        let place = (folder.number, folder.change);
        let mut rows: Vec<(Vec<Option<Value>>, Item)> = Vec::new();
        let stored = folder.items_from(0, self.associated);
        for item in stored.flat_map(|item| self.expanded(item)) {
            let key = {
                let message: Cow<'_, Message> = item.message();
                let view = View::of_item(&found.store, place, &item, &message, &self.shape);
                if !self.admits(&view) {
                    continue;
                }
                self.sort.key(&view)
            };
            rows.push((key, item));
        }
        if self.calendar.is_some() {
            // A calendar is told in its own order, whatever else is asked for.
            let start = |item: &Item| item.message().props.time(&named::APPOINTMENT_START_WHOLE);
            rows.sort_by_key(|row| start(&row.1));
        } else {
            rows.sort_by(|one, other| self.sort.compare(&one.0, &other.0));
        }
        let total = rows.len() as u64;
        let (from, count) = self.paging.window(total);
        let rows: Vec<Item> = rows.into_iter().map(|row| row.1).collect();
        let rows = match &self.grouping {
            Some(grouping) => grouping.arrange(rows, |item, path| {
                let message = item.message();
                View::of_item(&found.store, place, item, &message, &self.shape).value(path)
            }),
            None => rows.into_iter().map(|item| (String::new(), item)).collect(),
        };
        let items = rows
            .into_iter()
            .skip(usize::try_from(from).unwrap_or(usize::MAX))
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .collect();
        (items, from + count, total)
    }

    /// An item, or the occurrences of a series where a calendar is asked for.
    fn expanded(&self, item: Item) -> Vec<Item> {
        let Some((from, until)) = self.calendar else {
            return vec![item];
        };
        let message = item.message();
        let Some(series) = Series::of(&message) else {
            drop(message);
            return vec![item];
        };
        let happenings = series.between(from, until);
        happenings
            .iter()
            .map(|one| occurrence_item(&item, &series, &message, one))
            .collect()
    }

    fn admits(&self, view: &View<'_>) -> bool {
        let restriction = self.restriction.as_ref();
        if !restriction.is_none_or(|restriction| restriction.admits(view)) {
            return false;
        }
        if let Some((from, until)) = self.calendar {
            let value = |uri: &str| view.value(&Path::Field(uri.to_owned()));
            let starts = value("calendar:Start").and_then(|v| compare(&v, &Value::Time(until)));
            let ends = value("calendar:End").and_then(|v| compare(&v, &Value::Time(from)));
            let begins = value("calendar:Start").and_then(|v| compare(&v, &Value::Time(from)));
            // What takes no time is inside when it begins inside.
            let inside = starts.is_some_and(|o| o.is_lt())
                && (ends.is_some_and(|o| o.is_gt()) || begins.is_some_and(|o| o.is_ge()));
            if !inside {
                return false;
            }
        }
        self.words.as_ref().is_none_or(|words| words.admits(view))
    }
}
