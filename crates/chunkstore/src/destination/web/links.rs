//! The entries that a page of links shows.

use reqwest::Url;

use crate::destination::folder::percent_decode;

/// A link to something in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) is_folder: bool,
}

/// What the links of a folder's page name in that folder, each once.
///
/// # Errors
/// Text for what is no page, or half of one: what is not seen would be taken for absent.
pub(super) fn parse(text: &[u8], folder: &Url) -> Result<Vec<Link>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    // Servers write it last; so a page that was cut is known even where its length was not told.
    let tail = text.trim_end().as_bytes();
    let end = b"</html>";
    if !tail
        .len()
        .checked_sub(end.len())
        .and_then(|at| tail.get(at..))
        .is_some_and(|last| last.eq_ignore_ascii_case(end))
    {
        return Err("the answer is no page of links, or not all of it".to_owned());
    }
    let mut links: Vec<Link> = anchors(text)
        .filter_map(|target| link(target, folder))
        .collect();
    links.sort_by(|a, b| a.name.cmp(&b.name));
    links.dedup();
    Ok(links)
}

/// The targets of all `<a href="…">`, as they stand there.
fn anchors(text: &str) -> impl Iterator<Item = &str> {
    text.split('<').skip(1).filter_map(|tag| {
        let tag = tag.split_once('>')?.0;
        let (name, attributes) = tag.split_once(|c: char| c.is_ascii_whitespace())?;
        if !name.eq_ignore_ascii_case("a") {
            return None;
        }
        let at = attributes.to_ascii_lowercase().find("href")?;
        let value = attributes.get(at + "href".len()..)?.trim_start();
        let value = value.strip_prefix('=')?.trim_start();
        match value.chars().next()? {
            quote @ ('"' | '\'') => Some(value.get(1..)?.split_once(quote)?.0),
            _ => value.split_ascii_whitespace().next(),
        }
    })
}

/// What a target names, if it is in the folder: neither a column to sort by nor the folder above.
fn link(target: &str, folder: &Url) -> Option<Link> {
    let url = folder.join(&target.replace("&amp;", "&")).ok()?;
    let is_here = url.origin() == folder.origin() && url.query().is_none();
    let rest = url.path().strip_prefix(folder.path())?;
    let (name, is_folder) = match rest.strip_suffix('/') {
        Some(name) => (name, true),
        None => (rest, false),
    };
    if !is_here || name.is_empty() || name.contains('/') {
        return None;
    }
    let name = String::from_utf8(percent_decode(name).ok()?).ok()?;
    let is_name = !matches!(name.as_str(), "." | "..") && !name.contains(['/', '\0']);
    is_name.then_some(Link { name, is_folder })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(page: &str, expected: &[(&str, bool)]) {
        let folder = Url::parse("http://host:81/a%20b/packs/").unwrap();
        let links = parse(page.as_bytes(), &folder).unwrap();
        let links: Vec<_> = links
            .iter()
            .map(|l| (l.name.as_str(), l.is_folder))
            .collect();
        assert_eq!(links, expected);
    }

    #[test]
    fn pages_of_apache_nginx_python_and_iis_are_read() {
        check(
            "<html><head><link href=\"style.css\"></head><table><tr><th><a href=\"?C=N;O=D\">Name</a>\
             <tr><td><img src=\"/icons/back.gif\"><td><a href=\"/a%20b/\">Parent Directory</a>\
             <tr><td><a href=\"00/\">00/</a><tr><td><a href=\"x.end\">x.end</a></table></body></html>\n",
            &[("00", true), ("x.end", false)],
        );
        check(
            "<html>\r\n<head><title>Index of /packs/</title></head>\r\n<body>\r\n<h1>Index of /packs/\
             </h1><hr><pre><a href=\"../\">../</a>\r\n<a href=\"00/\">00/</a>   23-Nov-2026 -\r\n\
             <a href=\"a%20%26b\">a &amp;b</a> 23-Nov-2026 02:10 7\r\n</pre><hr></body>\r\n</html>\r\n",
            &[("00", true), ("a &b", false)],
        );
        check(
            "<!DOCTYPE HTML>\n<html lang=\"en\">\n<ul>\n<li><a href='00/'>00/</a></li>\n\
             <li><a href=file>file</a></li>\n</ul>\n</html>",
            &[("00", true), ("file", false)],
        );
        check(
            "<html><A HREF=\"/a%20b/\">[To Parent Directory]</A><br><A class=x HREF = \"/a%20b/packs/f\">\
             f</A><A HREF=\"http://other/a%20b/packs/g\">g</A></HTML>",
            &[("f", false)],
        );
        check(
            "<html><a href=\"deep/er\">x</a><a>no</a><a href>n</a></html>",
            &[],
        );
    }

    proptest! {
        #[test]
        fn whatever_a_page_links_is_a_name_in_the_folder(
            targets in prop::collection::vec("(\\PC|[/.%&?#'\"<>=]|%[0-9a-f]{2}|&amp;|\\.\\./){0,20}", 0..9),
        ) {
            let folder = Url::parse("http://host:81/a%20b/").unwrap();
            let links = targets.iter().map(|target| format!("<a href=\"{target}\">{target}</a>"));
            let page = format!("<html>{}</html>", links.collect::<String>());
            for link in parse(page.as_bytes(), &folder).unwrap() {
                prop_assert!(!link.name.is_empty() && !link.name.contains(['/', '\0']));
                prop_assert!(link.name != "." && link.name != "..");
            }
        }
    }

    #[test]
    fn what_is_no_page_or_half_of_one_is_refused() {
        let folder = Url::parse("http://host/").unwrap();
        for text in [
            &b""[..],
            b"<html><a href=\"00/\">00/</a>",
            b"\xff</html>",
            b"[]",
        ] {
            assert!(parse(text, &folder).is_err(), "{text:?}");
        }
    }
}
