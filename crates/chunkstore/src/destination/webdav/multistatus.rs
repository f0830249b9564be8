//! Answers of PROPFIND (RFC 4918, 13).

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use reqwest::Url;

use crate::destination::folder::percent_decode;
use crate::destination::frame::{Entry, is_name};
use crate::destination::http::answer::http_date;

/// Asks for what a listing needs and nothing else.
pub(super) const REQUEST: &[u8] = br#"<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>"#;
const DAV: &str = "DAV:";
/// The longest text of one property.
const MAX_TEXT: usize = 16 << 10;

/// What is being read of a response.
#[derive(Default)]
struct Open {
    href: String,
    entry: Entry,
}

/// Reads the entries of a folder; the folder itself is left out.
pub(super) fn parse(text: &[u8], folder: &Url) -> Result<Vec<Entry>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the listing is not UTF-8".to_owned())?;
    let broken = |error: quick_xml::Error| format!("the listing is not XML: {error}");
    let mut reader = NsReader::from_str(text);
    let mut entries = Vec::new();
    let mut open: Option<Open> = None;
    let mut value = String::new();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(broken)?;
        let is_dav = matches!(namespace, ResolveResult::Bound(name) if name.as_ref() == DAV);
        match event {
            Event::DocType(_) => return Err("the listing has a document type".to_owned()),
            Event::Start(start) if is_dav => {
                value.clear();
                match start.local_name().as_ref() {
                    "response" => open = Some(Open::default()),
                    "collection" => mark_folder(&mut open),
                    _ => {}
                }
            }
            Event::Empty(start) if is_dav && start.local_name().as_ref() == "collection" => {
                mark_folder(&mut open);
            }
            Event::Text(part) if value.len() < MAX_TEXT => value.push_str(&part),
            Event::CData(part) if value.len() < MAX_TEXT => value.push_str(&part),
            Event::GeneralRef(entity) => {
                let resolved = entity.resolve_char_ref().map_err(broken)?;
                match resolved {
                    Some(character) => value.push(character),
                    None => value.push_str(
                        quick_xml::escape::resolve_predefined_entity(&entity)
                            .ok_or("the listing has an unknown entity")?,
                    ),
                }
            }
            Event::End(end) if is_dav => {
                let name = end.local_name();
                if name.as_ref() == "response" {
                    entries.extend(open.take().and_then(|open| finish(open, folder)));
                } else if let Some(open) = &mut open {
                    property(open, name.as_ref(), value.trim());
                }
                value.clear();
            }
            Event::Eof => return Ok(entries),
            _ => {}
        }
    }
}

fn mark_folder(open: &mut Option<Open>) {
    if let Some(open) = open {
        open.entry.is_folder = true;
    }
}

fn property(open: &mut Open, name: &str, value: &str) {
    match name {
        "href" if open.href.is_empty() => open.href = value.to_owned(),
        "getcontentlength" => open.entry.size = value.parse().unwrap_or(0),
        "getlastmodified" => open.entry.modified = http_date(value).unwrap_or_default(),
        "getetag" if !value.is_empty() => open.entry.e_tag = Some(value.to_owned()),
        _ => {}
    }
}

/// The last segment of the link names the entry. A link out of the folder is none of its entries.
fn finish(open: Open, folder: &Url) -> Option<Entry> {
    let url = folder.join(&open.href).ok()?;
    let rest = url.path().strip_prefix(folder.path())?;
    let name = rest.trim_end_matches('/');
    if name.contains('/') {
        return None;
    }
    let name = String::from_utf8(percent_decode(name).ok()?).ok()?;
    is_name(&name).then_some(Entry { name, ..open.entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = r#"<?xml version="1.0"?>
<D:multistatus xmlns:D="DAV:" xmlns:x="other:">
<D:response><D:href>/dav/a%20b/</D:href><D:propstat><D:prop>
<D:resourcetype><D:collection/></D:resourcetype></D:prop></D:propstat></D:response>
<D:response><D:href>/dav/a%20b/one&amp;two</D:href><D:propstat><D:prop><D:resourcetype/>
<x:getcontentlength>7</x:getcontentlength><D:getcontentlength>42</D:getcontentlength>
<D:getlastmodified>Mon, 05 Feb 2024 10:00:00 GMT</D:getlastmodified><D:getetag>"x"</D:getetag>
</D:prop></D:propstat></D:response>
<D:response><D:href>http://host/dav/a%20b/sub/</D:href><D:propstat><D:prop>
<D:resourcetype><D:collection></D:collection></D:resourcetype></D:prop></D:propstat></D:response>
<D:response><D:href>/elsewhere/three</D:href></D:response>
</D:multistatus>"#;

    #[test]
    fn a_listing_gives_its_entries_and_not_the_folder_or_strangers() {
        let folder = Url::parse("http://host/dav/a%20b/").unwrap();
        let entries = parse(LISTING.as_bytes(), &folder).unwrap();
        assert_eq!(entries.len(), 2, "{entries:?}");
        assert_eq!((entries[0].name.as_str(), entries[0].size), ("one&two", 42));
        assert_eq!(entries[0].e_tag.as_deref(), Some("\"x\""));
        assert_eq!(entries[0].modified.timestamp(), 1_707_127_200);
        assert_eq!(
            (entries[1].name.as_str(), entries[1].is_folder),
            ("sub", true)
        );
    }

    #[test]
    fn broken_or_hostile_listings_are_errors() {
        let folder = Url::parse("http://host/").unwrap();
        for text in [
            "<a",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            "<a>&b;</a>",
        ] {
            assert!(parse(text.as_bytes(), &folder).is_err(), "{text}");
        }
        assert!(parse(&[0xff, 0xfe], &folder).is_err());
    }
}
