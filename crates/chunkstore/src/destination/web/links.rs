//! The entries that a page of links shows, and whose page it is.

use reqwest::Url;

use crate::destination::folder::percent_decode;
use crate::destination::frame::is_name;

/// The longest title that is compared with others: a path, and some words.
const MAX_TITLE_BYTES: usize = 8 << 10;

/// A link to something in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) is_folder: bool,
}

/// A page of links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// What it calls itself; empty where it does not.
    pub(super) title: String,
    /// What it names in its folder, each once.
    pub(super) links: Vec<Link>,
}

impl Page {
    /// Whether this page of the folder `path`, below the one that `first` shows, is of the same
    /// making. Servers put the folder's path into the title of each listing, or its name: apart from
    /// that the titles are the same. Somebody's own page has a title of its own.
    pub(super) fn is_made_like(&self, first: &FirstPage, path: &str) -> bool {
        let by_path = is_inserted(&first.title, &self.title, path);
        let name = path.rsplit('/').next().unwrap_or(path);
        let by_name = !first.name.is_empty()
            && first.title.match_indices(&first.name).any(|(at, own)| {
                let (before, after) = (first.title.get(..at), first.title.get(at + own.len()..));
                let between = before
                    .and_then(|before| self.title.strip_prefix(before))
                    .zip(after)
                    .and_then(|(rest, after)| rest.strip_suffix(after));
                between == Some(name)
            });
        !first.title.is_empty() && (by_path || by_name)
    }
}

/// What is remembered of the page that names the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FirstPage {
    pub(super) title: String,
    /// The folder's own name.
    pub(super) name: String,
}

/// Whether `longer` is `text` with a path, and slashes around it, put in at one place.
fn is_inserted(text: &str, longer: &str, path: &str) -> bool {
    let Some(more) = longer.len().checked_sub(text.len()) else {
        return false;
    };
    let mut places = (0..=text.len()).filter(|at| text.is_char_boundary(*at));
    places.any(|at| {
        let (before, after) = text.split_at(at);
        let inserted = longer.get(at..at + more);
        longer.starts_with(before)
            && longer.ends_with(after)
            && inserted.is_some_and(|inserted| inserted.trim_matches('/') == path)
    })
}

/// Reads a folder's page.
///
/// # Errors
/// Text for what is no page, or half of one: what is not seen would be taken for absent.
pub(super) fn parse(text: &[u8], folder: &Url) -> Result<Page, String> {
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
    let title = title(text).unwrap_or_default();
    Ok(Page { title, links })
}

/// The text of the first `<title>`, if it is of a sensible length.
fn title(text: &str) -> Option<String> {
    let mut tags = text.split('<').skip(1);
    let shown = tags.find_map(|tag| {
        let (name, shown) = tag.split_once('>')?;
        name.eq_ignore_ascii_case("title").then_some(shown)
    })?;
    if shown.len() > MAX_TITLE_BYTES {
        return None;
    }
    let plain = shown
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    Some(plain.trim().to_owned())
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
    if !is_here || name.contains('/') {
        return None;
    }
    let name = String::from_utf8(percent_decode(name).ok()?).ok()?;
    is_name(&name).then_some(Link { name, is_folder })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(page: &str, expected: &[(&str, bool)]) {
        let folder = Url::parse("http://host:81/a%20b/packs/").unwrap();
        let links = parse(page.as_bytes(), &folder).unwrap().links;
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
            for link in parse(page.as_bytes(), &folder).unwrap().links {
                prop_assert!(is_name(&link.name), "{}", link.name);
            }
        }
    }

    #[track_caller]
    fn check_title(first: &str, name: &str, title: &str, is_listing: bool) {
        let first = FirstPage {
            title: first.to_owned(),
            name: name.to_owned(),
        };
        let page = Page {
            title: title.to_owned(),
            links: Vec::new(),
        };
        let found = page.is_made_like(&first, "packs/0a");
        assert_eq!(found, is_listing, "{first:?} {title}");
    }

    #[test]
    fn a_listing_is_told_from_somebodys_page_by_its_title() {
        let apache = "Index of /a b";
        check_title(apache, "a b", "Index of /a b/packs/0a", true);
        check_title(apache, "a b", "Index of /a b/packs", false);
        check_title(apache, "a b", "Index of /a b", false);
        check_title(apache, "a b", "Welcome to packs/0a", false);
        check_title(apache, "a b", "", false);
        // nginx and Python.
        check_title("Index of /b/", "b", "Index of /b/packs/0a/", true);
        check_title(
            "Directory listing for /",
            "",
            "Directory listing for /packs/0a/",
            true,
        );
        // IIS.
        check_title("host - /b/", "b", "host - /b/packs/0a/", true);
        // Caddy names the folder alone.
        check_title("backup/", "backup", "0a/", true);
        check_title("backup/", "backup", "0b/", false);
        check_title("", "", "", false);
        let page = b"<HTML><Title> a &lt;b&gt; &amp;amp; </Title></HTML>";
        let folder = Url::parse("http://host/").unwrap();
        assert_eq!(parse(page, &folder).unwrap().title, "a <b> &amp;");
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
