//! Mail folders in files: `mboxrd` and Maildir.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::record::Flags;

/// Stands between a Maildir file's name and its flags. Windows forbids the colon.
const FLAGS_FROM: char = if cfg!(windows) { ';' } else { ':' };

/// The directories of a Maildir.
pub(super) const MAILDIR: [&str; 3] = ["cur", "new", "tmp"];

/// A mail as it stands in an mboxrd file, and where in it the mail itself begins. Lines that begin
/// with any number of `>` and `From ` get one `>` more, so that reading gives the mail back.
pub(super) fn mbox_entry(mail: &[u8], sender: &str, seconds: i64) -> (Vec<u8>, usize) {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = time
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime("%a %b %e %H:%M:%S %Y")
        .to_string();
    let mut out = format!("From {sender} {time}\n").into_bytes();
    let start = out.len();
    out.reserve(mail.len() + mail.len() / 64 + 2);
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let quotes = line.iter().take_while(|byte| **byte == b'>').count();
        if line[quotes..].starts_with(b"From ") {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
    if out.last() != Some(&b'\n') {
        out.push(b'\n');
    }
    out.push(b'\n');
    (out, start)
}

/// Writes an entry at an offset, and drops whatever an interrupted run left behind it.
pub(super) fn put_entry(path: &Path, offset: u64, entry: &[u8]) -> std::io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.set_len(offset)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(entry)
}

/// The file name of a mail in a Maildir, with the directory it belongs in.
pub(super) fn maildir_name(key: &str, seconds: i64, is_read: Option<bool>, flags: Flags) -> String {
    let name = format!("{seconds}.{key}.postkeep");
    // The order of the letters is part of the format.
    let letters: String = [
        (flags.draft, 'D'),
        (flags.flagged, 'F'),
        (flags.passed, 'P'),
        (flags.replied, 'R'),
        (is_read != Some(false), 'S'),
    ]
    .into_iter()
    .filter_map(|(is_set, letter)| is_set.then_some(letter))
    .collect();
    match letters.as_str() {
        "" => format!("new/{name}"),
        letters => format!("cur/{name}{FLAGS_FROM}2,{letters}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_lines_are_quoted_once_more() {
        let check = |mail: &str, expected: &str| {
            let (entry, start) = mbox_entry(mail.as_bytes(), "a@b.test", 1);
            assert_eq!(&entry[..start], b"From a@b.test Thu Jan  1 00:00:01 1970\n");
            assert_eq!(String::from_utf8_lossy(&entry[start..]), expected);
        };
        check(
            "From x\n>From y\n From z\n",
            ">From x\n>>From y\n From z\n\n",
        );
        check("A: b\r\n\r\nFrom c", "A: b\r\n\r\n>From c\n\n");
        // Of an empty mail only the line that ends every entry is left.
        check("", "\n");
    }

    #[test]
    fn what_is_unread_and_untouched_is_new() {
        let flags = Flags {
            flagged: true,
            replied: true,
            ..Flags::default()
        };
        let colon = FLAGS_FROM;
        let check = |read, flags, expected: String| {
            assert_eq!(maildir_name("0a", 7, read, flags), expected);
        };
        check(Some(false), Flags::default(), "new/7.0a.postkeep".into());
        check(Some(false), flags, format!("cur/7.0a.postkeep{colon}2,FR"));
        check(Some(true), flags, format!("cur/7.0a.postkeep{colon}2,FRS"));
        check(
            None,
            Flags::default(),
            format!("cur/7.0a.postkeep{colon}2,S"),
        );
    }
}
