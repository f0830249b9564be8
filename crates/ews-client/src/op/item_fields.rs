//! Which of an item's own elements can be read and written again, and in which order.

use crate::model::{ItemField, ItemKind};
use crate::xml::{Node, Writer};

/// Elements inside elements kept; deeper ones are left out.
const MAX_DEPTH: usize = 6;

/// The writable ones of ContactItemType, in its order. FileAsMapping is left out, since FileAs
/// says what came of it, and so is what the server computes.
const CONTACT: &[&str] = &[
    "t:FileAs",
    "t:DisplayName",
    "t:GivenName",
    "t:Initials",
    "t:MiddleName",
    "t:Nickname",
    "t:CompanyName",
    "t:EmailAddresses",
    "t:PhysicalAddresses",
    "t:PhoneNumbers",
    "t:AssistantName",
    "t:Birthday",
    "t:BusinessHomePage",
    "t:Children",
    "t:Companies",
    "t:Department",
    "t:Generation",
    "t:ImAddresses",
    "t:JobTitle",
    "t:Manager",
    "t:Mileage",
    "t:OfficeLocation",
    "t:PostalAddressIndex",
    "t:Profession",
    "t:SpouseName",
    "t:Surname",
    "t:WeddingAnniversary",
];

/// The writable ones of DistributionListType.
const LIST: &[&str] = &["t:DisplayName", "t:FileAs", "t:Members"];

/// The writable ones of TaskType.
const TASK: &[&str] = &[
    "t:ActualWork",
    "t:BillingInformation",
    "t:Companies",
    "t:CompleteDate",
    "t:Contacts",
    "t:DueDate",
    "t:Mileage",
    "t:PercentComplete",
    "t:Recurrence",
    "t:StartDate",
    "t:Status",
    "t:TotalWork",
];

/// Everything that may stand inside one of these. An ItemId of a list's member means nothing
/// elsewhere and is not among them.
const INNER: &[&str] = &[
    "t:String",
    "t:Entry",
    "t:Street",
    "t:City",
    "t:State",
    "t:CountryOrRegion",
    "t:PostalCode",
    "t:Member",
    "t:Mailbox",
    "t:Name",
    "t:EmailAddress",
    "t:RoutingType",
    "t:MailboxType",
    "t:Status",
    "t:RelativeYearlyRecurrence",
    "t:AbsoluteYearlyRecurrence",
    "t:RelativeMonthlyRecurrence",
    "t:AbsoluteMonthlyRecurrence",
    "t:WeeklyRecurrence",
    "t:DailyRecurrence",
    "t:DailyRegeneration",
    "t:WeeklyRegeneration",
    "t:MonthlyRegeneration",
    "t:YearlyRegeneration",
    "t:NoEndRecurrence",
    "t:EndDateRecurrence",
    "t:NumberedRecurrence",
    "t:DaysOfWeek",
    "t:DayOfWeekIndex",
    "t:Month",
    "t:Interval",
    "t:DayOfMonth",
    "t:FirstDayOfWeek",
    "t:StartDate",
    "t:EndDate",
    "t:NumberOfOccurrences",
];

const ATTRIBUTES: &[&str] = &["Key", "Name", "RoutingType", "MailboxType"];

fn own(kind: &ItemKind) -> &'static [&'static str] {
    match kind {
        ItemKind::Contact => CONTACT,
        ItemKind::DistributionList => LIST,
        ItemKind::Task => TASK,
        _ => &[],
    }
}

/// The qualified form of a name among `known`.
fn find(known: &[&'static str], name: &str) -> Option<&'static str> {
    let same = |full: &&'static str| full.strip_prefix("t:") == Some(name);
    known.iter().copied().find(same)
}

impl ItemField {
    /// Whether an item of this kind can be created with the element. Others are passed over.
    pub fn is_writable(&self, kind: &ItemKind) -> bool {
        find(own(kind), &self.name).is_some()
    }
}

/// Reads an element of an item; `None` for those that cannot be written.
pub(crate) fn read(kind: &ItemKind, node: Node<'_>) -> Option<ItemField> {
    find(own(kind), node.name()).map(|_| field(node, 0))
}

fn field(node: Node<'_>, depth: usize) -> ItemField {
    let attribute = |name: &&str| Some(((*name).to_owned(), node.attribute(name)?.to_owned()));
    let children = node
        .children()
        .filter(|child| find(INNER, child.name()).is_some());
    let children: Vec<ItemField> = if depth < MAX_DEPTH {
        children.map(|child| field(child, depth + 1)).collect()
    } else {
        Vec::new()
    };
    ItemField {
        name: node.name().to_owned(),
        attributes: ATTRIBUTES.iter().filter_map(attribute).collect(),
        // White space between elements is no text.
        text: if children.is_empty() {
            node.text().to_owned()
        } else {
            String::new()
        },
        children,
    }
}

/// Writes the elements of an item in the order of its type, each once.
pub(crate) fn write(writer: &mut Writer, kind: &ItemKind, fields: &[ItemField]) {
    for full in own(kind).iter().copied() {
        let found = fields
            .iter()
            .find(|field| full.strip_prefix("t:") == Some(&*field.name));
        if let Some(field) = found {
            write_one(writer, full, field, 0);
        }
    }
}

fn write_one(writer: &mut Writer, full: &'static str, field: &ItemField, depth: usize) {
    writer.open(full);
    for known in ATTRIBUTES {
        if let Some((_, value)) = field.attributes.iter().find(|(name, _)| name == known) {
            writer.attribute(known, value);
        }
    }
    if field.children.is_empty() {
        if !field.text.is_empty() {
            writer.text(&field.text);
        }
    } else if depth < MAX_DEPTH {
        for child in &field.children {
            if let Some(full) = find(INNER, &child.name) {
                write_one(writer, full, child, depth + 1);
            }
        }
    }
    writer.close();
}
