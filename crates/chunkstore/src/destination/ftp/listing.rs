//! What a folder's listing says: RFC 3659 (MLSD), or the text of LIST where a server lacks that.

use chrono::{DateTime, NaiveDateTime, Utc};
use suppaftp::list::{File, ListParser};

use crate::destination::frame::{Entry, is_name};

/// The entries of a machine-readable listing; what is neither file nor folder is passed over.
///
/// # Errors
/// Text for a line that makes no sense: an entry that is not seen would be taken for absent.
pub(super) fn parse_mlsd(text: &str) -> Result<Vec<Entry>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let entry = parse_fact_line(line);
            entry.ok_or_else(|| "a line of a listing makes no sense".to_owned())
        })
        .filter_map(Result::transpose)
        .collect()
}

/// `facts; name`. `None` makes no sense; `Some(None)` is nothing to list.
fn parse_fact_line(line: &str) -> Option<Option<Entry>> {
    // The name follows the first space and may have spaces itself.
    let (facts, name) = line.split_once(' ')?;
    let (mut kind, mut size, mut modified) = (None, None, None);
    for fact in facts.split(';').filter(|fact| !fact.is_empty()) {
        let (key, value) = fact.split_once('=')?;
        match key.to_ascii_lowercase().as_str() {
            "type" => kind = Some(value.to_ascii_lowercase()),
            "size" => size = Some(value.parse().ok()?),
            "modify" => modified = parse_time(value),
            _ => {}
        }
    }
    let is_folder = match kind?.as_str() {
        "file" => false,
        "dir" => true,
        _ => return Some(None),
    };
    let size = if is_folder { 0 } else { size? };
    // RFC 3659, 7.2: only the folder itself and the one above may be told with a path.
    if !is_name(name) {
        return None;
    }
    Some(Some(Entry {
        name: name.to_owned(),
        is_folder,
        size,
        modified: modified.unwrap_or_default(),
        e_tag: None,
    }))
}

/// `YYYYMMDDHHMMSS`, in UTC, maybe with fractions of a second.
fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let whole = text.get(..14)?;
    let time = NaiveDateTime::parse_from_str(whole, "%Y%m%d%H%M%S").ok()?;
    Some(time.and_utc())
}

/// The entries of a listing for people, as Unix or Windows servers write it.
///
/// # Errors
/// Text for a line in neither form.
pub(super) fn parse_list(text: &str) -> Result<Vec<Entry>, String> {
    let lines = text.lines().map(str::trim_end);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("total "));
    let mut entries = Vec::new();
    for line in lines {
        let file: File = ListParser::parse_posix(line)
            .or_else(|_| ListParser::parse_dos(line))
            .map_err(|_| "a line of a listing has an unknown form".to_owned())?;
        let is_shown =
            (file.is_file() || file.is_directory()) && !matches!(file.name(), "." | "..");
        if is_shown && !is_name(file.name()) {
            return Err("a line of a listing names something elsewhere".to_owned());
        }
        if is_shown {
            entries.push(Entry {
                name: file.name().to_owned(),
                is_folder: file.is_directory(),
                size: file.size() as u64,
                modified: file.modified().into(),
                e_tag: None,
            });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, is_folder: bool, size: u64) -> Entry {
        Entry {
            name: name.to_owned(),
            is_folder,
            size,
            modified: NaiveDateTime::parse_from_str("2026-11-23 02:10:09", "%Y-%m-%d %H:%M:%S")
                .unwrap()
                .and_utc(),
            e_tag: None,
        }
    }

    #[test]
    fn a_machine_readable_listing_is_read() {
        let text = "type=cdir;modify=20261123021009; .\r\n\
                    Type=file;Size=1234;Modify=20261123021009.123;perm=r; a b;c\r\n\
                    modify=20261123021009;type=dir;unique=8; packs\r\n";
        let read = parse_mlsd(text).unwrap();
        assert_eq!(read, [entry("a b;c", false, 1234), entry("packs", true, 0)]);
        for broken in [
            "type=file; name",
            "type=file;size=-1; name",
            "size=1;name",
            "nonsense",
            "type=file;size=1; elsewhere/name",
            "type=dir; ..",
            "type=dir; ",
        ] {
            assert!(parse_mlsd(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_lists_is_read_or_refused(
            any in "(\\PC|[ ;=\r\n]){0,99}",
            fact in "(type=(file|dir|cdir|\\PC{0,3});|size=[-0-9]{0,25};|modify=\\PC{0,20};){0,4} \\PC{0,9}",
            unix in "[-dl][rwxst-]{7,11} +[0-9]{0,25} +\\PC{1,5} +\\PC{1,5} +[0-9]{0,25} +[A-Za-z]{2,4} +[0-9]{1,4} +[0-9:]{1,6} \\PC{0,9}",
            windows in "[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,5} +[0-9]{1,3}:[0-9]{1,3}(AM|PM|) +(<DIR>|[0-9]{0,25}) +\\PC{0,9}",
        ) {
            for text in [any, fact, unix, windows] {
                let _ = (parse_mlsd(&text), parse_list(&text));
            }
        }
    }

    #[test]
    fn listings_of_unix_and_windows_are_read() {
        let unix = "total 12\r\n\
                    drwxr-xr-x   2 root root 4096 Nov 23 02:10 packs\r\n\
                    -rw-r--r--   1 root root  987 Nov 23  2025 repository.json\r\n";
        let read = parse_list(unix).unwrap();
        let names: Vec<_> = read
            .iter()
            .map(|e| (e.name.as_str(), e.is_folder, e.size))
            .collect();
        assert_eq!(names[1], ("repository.json", false, 987));
        assert_eq!((names[0].0, names[0].1), ("packs", true));
        let windows = "11-23-26  02:10AM       <DIR>          packs\r\n\
                       11-23-26  02:10AM                  987 repository.json\r\n";
        let read = parse_list(windows).unwrap();
        assert_eq!(read[1].size, 987);
        assert!(read[0].is_folder && read.len() == 2);
        assert!(parse_list("what is this").is_err());
    }
}
