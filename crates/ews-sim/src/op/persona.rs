//! FindPeople and GetPersona (MS-OXWSPERS 3.1.4): the address book and the contacts of a mailbox.

use fasttransfer::{Message, PropId, named, tag};

use super::find_item::Paging;
use super::{Context, Failure, Oops, Reply};
use crate::directory::Entry;
use crate::id::{ObjectId, StoreGuid};
use crate::item::{has_class, item_class};
use crate::op::resolve::FolderRef;
use crate::prop::Path;
use crate::query::Query;
use crate::restriction::{Restriction, Row, SortOrder, Value};
use crate::shape::{Base, read_base};
use crate::soap::{self, Fault};
use crate::xml::{Element, XmlWriter};

/// Most people in one answer.
const MAX_PEOPLE: u64 = 1000;

/// Somebody, as far as one source knows.
#[derive(Clone, Debug, Default)]
struct Persona {
    id: String,
    is_group: bool,
    is_contact: bool,
    name: String,
    file_as: String,
    given_name: String,
    surname: String,
    title: String,
    department: String,
    company: String,
    emails: Vec<String>,
    phone: String,
}

impl Persona {
    fn of_entry(entry: &Entry) -> Persona {
        Persona {
            id: directory_id(&entry.address),
            is_group: entry.is_group,
            name: entry.name().to_owned(),
            emails: vec![entry.address.clone()],
            ..Persona::default()
        }
    }

    fn of_contact(id: String, message: &Message) -> Persona {
        let text = |id: PropId| message.props.text(id).unwrap_or_default().into_owned();
        let emails = [
            &named::EMAIL1_EMAIL_ADDRESS,
            &named::EMAIL2_EMAIL_ADDRESS,
            &named::EMAIL3_EMAIL_ADDRESS,
        ];
        let emails = emails.into_iter().map(|id| text(id.into()));
        let phones = [
            tag::MOBILE_TELEPHONE_NUMBER,
            tag::BUSINESS_TELEPHONE_NUMBER,
            tag::HOME_TELEPHONE_NUMBER,
        ];
        let mut phones = phones.into_iter().map(|id| text(id.into()));
        Persona {
            id,
            is_group: false,
            is_contact: true,
            name: text(tag::DISPLAY_NAME.into()),
            file_as: text((&named::FILE_UNDER).into()),
            given_name: text(tag::GIVEN_NAME.into()),
            surname: text(tag::SURNAME.into()),
            title: text(tag::TITLE.into()),
            department: text(tag::DEPARTMENT_NAME.into()),
            company: text(tag::COMPANY_NAME.into()),
            emails: emails.filter(|email| !email.is_empty()).collect(),
            phone: phones.find(|phone| !phone.is_empty()).unwrap_or_default(),
        }
    }

    fn field(&self, uri: &str) -> Option<String> {
        let text = match uri {
            "persona:DisplayName" | "contacts:DisplayName" | "persona:DisplayNameFirstLast" => {
                &self.name
            }
            "persona:DisplayNameLastFirst" | "persona:FileAs" | "contacts:FileAs" => &self.file_as,
            "persona:GivenName" | "contacts:GivenName" => &self.given_name,
            "persona:Surname" | "contacts:Surname" => &self.surname,
            "persona:Title" => &self.title,
            "persona:Department" => &self.department,
            "persona:CompanyName" | "contacts:CompanyName" => &self.company,
            "persona:EmailAddress" => self.emails.first()?,
            "persona:EmailAddresses" => return Some(self.emails.join("; ")),
            "persona:PhoneNumber" => &self.phone,
            "persona:PersonaType" => return Some(self.kind().to_owned()),
            // What a query looks into when it names nothing.
            "item:Subject" => {
                return Some(format!("{} {}", self.name, self.emails.join(" ")));
            }
            _ => return None,
        };
        (!text.is_empty()).then(|| text.clone())
    }

    fn kind(&self) -> &'static str {
        match self.is_group {
            true => "DistributionList",
            false => "Person",
        }
    }

    fn write(&self, w: &mut XmlWriter, shape: &Shape) {
        w.start("t:Persona");
        w.start("t:PersonaId");
        w.attr("Id", &self.id);
        w.end("t:PersonaId");
        let mut text = |name: &str, text: &str| {
            if !text.is_empty() && shape.wants(name) {
                w.leaf(&format!("t:{name}"), text);
            }
        };
        text("PersonaType", self.kind());
        text("DisplayName", &self.name);
        text("DisplayNameFirstLast", &self.name);
        text("DisplayNameLastFirst", &self.file_as);
        text("FileAs", &self.file_as);
        text("GivenName", &self.given_name);
        text("Surname", &self.surname);
        text("Title", &self.title);
        text("Department", &self.department);
        text("CompanyName", &self.company);
        if let Some(first) = self.emails.first().filter(|_| shape.wants("EmailAddress")) {
            self.write_email(w, "t:EmailAddress", first);
        }
        if !self.emails.is_empty() && shape.wants("EmailAddresses") {
            w.start("t:EmailAddresses");
            for email in &self.emails {
                self.write_email(w, "t:Address", email);
            }
            w.end("t:EmailAddresses");
        }
        if !self.phone.is_empty() && shape.wants("PhoneNumber") {
            w.start("t:PhoneNumber");
            w.leaf("t:Number", &self.phone);
            w.leaf("t:Type", "Mobile");
            w.end("t:PhoneNumber");
        }
        w.end("t:Persona");
    }

    fn write_email(&self, w: &mut XmlWriter, element: &str, email: &str) {
        w.start(element);
        w.leaf("t:Name", &self.name);
        w.leaf("t:EmailAddress", email);
        w.leaf("t:RoutingType", "SMTP");
        w.leaf(
            "t:MailboxType",
            match (self.is_contact, self.is_group) {
                (true, _) => "Contact",
                (_, true) => "PublicDL",
                _ => "Mailbox",
            },
        );
        w.end(element);
    }
}

impl Row for Persona {
    fn value(&self, path: &Path) -> Option<Value> {
        match path {
            Path::Field(uri) => self.field(uri).map(Value::Text),
            _ => None,
        }
    }
}

/// What of a persona is wanted.
struct Shape {
    base: Base,
    names: Vec<String>,
}

impl Shape {
    const ALL: Shape = Shape {
        base: Base::All,
        names: Vec::new(),
    };

    fn read(request: &Element<'_>) -> Result<Shape, Oops> {
        let Some(shape) = request.child("PersonaShape") else {
            return Ok(Shape::ALL);
        };
        let paths = Path::read_all(shape.list("AdditionalProperties"))?;
        let names = paths.into_iter().filter_map(|path| match path {
            Path::Field(uri) => Some(uri.strip_prefix("persona:")?.to_owned()),
            _ => None,
        });
        Ok(Shape {
            base: read_base(shape)?,
            names: names.collect(),
        })
    }

    fn wants(&self, name: &str) -> bool {
        self.base > Base::IdOnly || self.names.iter().any(|wanted| wanted == name)
    }
}

fn directory_id(address: &str) -> String {
    let id = StoreGuid::of(address, "persona");
    base64_simd::STANDARD.encode_to_string(id.0)
}

/// The contacts in a folder.
fn contacts(folder: &FolderRef) -> Vec<Persona> {
    let state = folder.store.read();
    let items = state
        .folder(folder.number)
        .into_iter()
        .flat_map(|found| found.items_from(0, false));
    let persona = |item: crate::item::Item| {
        let message = item.message();
        let id = folder.store.item_id(folder.number, item.key);
        has_class(&item_class(&message), "IPM.Contact").then(|| Persona::of_contact(id, &message))
    };
    items.filter_map(persona).collect()
}

fn directory(context: &Context<'_>) -> Vec<Persona> {
    let entries = context.world.directory();
    entries.iter().map(Persona::of_entry).collect()
}

pub(super) fn find(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    match search(context, request) {
        Ok(reply) => Ok(reply),
        Err(Oops::Whole(fault)) => Err(fault),
        Err(Oops::Part(failure)) => Ok(super::answer::refused_single(context, &failure)),
    }
}

fn search(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Oops> {
    let paging = Paging::read(request, "Item", MAX_PEOPLE)?;
    let shape = Shape::read(request)?;
    let folder = request.list("ParentFolderId").first();
    let in_directory = folder.and_then(|folder| folder.attr("Id")) == Some("directory");
    let mut people = match folder {
        Some(folder) if !in_directory => contacts(&context.folder(folder)?),
        Some(_) => directory(context),
        None => {
            let own = context.own_folder("contacts");
            let own = own.as_ref().map(contacts).unwrap_or_default();
            own.into_iter().chain(directory(context)).collect()
        }
    };
    let restriction = Restriction::read(request)?;
    let words = request.child_text("QueryString").and_then(Query::read);
    people.retain(|one| {
        let admitted = restriction.as_ref().is_none_or(|r| r.admits(one));
        admitted && words.as_ref().is_none_or(|words| words.admits(one))
    });
    let order = SortOrder::read(request)?;
    people.sort_by(|one, other| {
        let by_order = order.compare(&order.key(one), &order.key(other));
        by_order.then_with(|| one.name.to_lowercase().cmp(&other.name.to_lowercase()))
    });
    let total = people.len() as u64;
    let (from, count) = paging.window(total);
    let cut = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:People");
    for one in people.iter().skip(cut(from)).take(cut(count)) {
        one.write(&mut w, &shape);
    }
    w.end("m:People");
    w.number("m:TotalNumberOfPeopleInView", total);
    w.number("m:FirstMatchingRowIndex", 0);
    w.number("m:FirstLoadedRowIndex", from);
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

/// The answer's element is the response message itself, whose name has one word more.
const ELEMENT: &str = "GetPersonaResponseMessage";

pub(super) fn get(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let found = match persona(context, request) {
        Ok(found) => Ok(found),
        Err(Oops::Part(failure)) => Err(failure),
        Err(Oops::Whole(fault)) => return Err(fault),
    };
    let mut w = XmlWriter::new();
    soap::begin(&mut w, context.world.version);
    let element = format!("m:{ELEMENT}");
    w.start(&element);
    w.attr("xmlns:m", soap::NS_MESSAGES);
    w.attr("xmlns:t", soap::NS_TYPES);
    w.attr(
        "ResponseClass",
        if found.is_ok() { "Success" } else { "Error" },
    );
    match found {
        Ok(found) => {
            w.leaf("m:ResponseCode", "NoError");
            let mut inner = XmlWriter::new();
            found.write(&mut inner, &Shape::ALL);
            let inner = String::from_utf8_lossy(&inner.into_bytes()).into_owned();
            w.raw().push_str(
                &inner
                    .replace("<t:Persona>", "<m:Persona>")
                    .replace("</t:Persona>", "</m:Persona>"),
            );
        }
        Err(failure) => {
            failure.write(&mut w);
            // The schema wants a persona even where there is none.
            w.raw()
                .push_str("<m:Persona><t:PersonaId Id=\"\"/></m:Persona>");
        }
    }
    w.end(&element);
    soap::finish(&mut w);
    Ok(Reply::Whole(w.into_bytes()))
}

fn persona(context: &Context<'_>, request: &Element<'_>) -> Result<Persona, Oops> {
    let none = || Failure::new("ErrorItemNotFound", "The persona was not found.");
    if let Some(id) = request.child("PersonaId").and_then(|id| id.attr("Id")) {
        if matches!(ObjectId::parse(id), Some(ObjectId::Item { .. })) {
            let found = context.item_by_id(id)?;
            return Ok(Persona::of_contact(id.to_owned(), &found.item.message()));
        }
        let mut all = directory(context).into_iter();
        return Ok(all.find(|one| one.id == id).ok_or_else(none)?);
    }
    let address = request
        .child("EmailAddress")
        .and_then(|address| address.child_text("EmailAddress"))
        .ok_or_else(|| Fault::schema("'PersonaId' is missing."))?;
    let own = context.own_folder("contacts");
    let own = own.as_ref().map(contacts).unwrap_or_default();
    let mut all = directory(context).into_iter().chain(own);
    let is_it = |one: &Persona| {
        let mut emails = one.emails.iter();
        emails.any(|email| email.eq_ignore_ascii_case(address))
    };
    Ok(all.find(is_it).ok_or_else(none)?)
}
