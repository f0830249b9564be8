//! Comparing two folders byte by byte.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes compared at a time.
const BLOCK: usize = 64 * 1024;

/// Differences named in the message of [`assert_same_dirs`]; the rest is only counted.
const NAMED: usize = 20;

/// One path at which two folders are not alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path relative to both folders.
    pub path: PathBuf,
    /// What is different there.
    pub kind: DifferenceKind,
}

/// How two folders differ at one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Only the expected folder has it.
    Missing,
    /// Only the actual folder has it.
    Unexpected,
    /// A file in one, a folder in the other.
    OtherType,
    /// Both are files, and the bytes differ first at this offset.
    Content {
        /// Bytes from the start that are alike.
        offset: u64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.kind {
            DifferenceKind::Missing => write!(f, "{path}: missing"),
            DifferenceKind::Unexpected => write!(f, "{path}: unexpected"),
            DifferenceKind::OtherType => write!(f, "{path}: a file in one, a folder in the other"),
            DifferenceKind::Content { offset } => write!(f, "{path}: differs at byte {offset}"),
        }
    }
}

/// Compares two folders: names, empty folders and every byte of every file. Times, owners and
/// permissions are not compared. The answer is sorted by path, and empty when they are alike.
///
/// # Panics
///
/// When either cannot be read.
#[track_caller]
pub fn differences(expected: &Path, actual: &Path) -> Vec<Difference> {
    let mut left = BTreeMap::new();
    let mut right = BTreeMap::new();
    walk(expected, Path::new(""), &mut left);
    walk(actual, Path::new(""), &mut right);
    let mut found = Vec::new();
    for (path, is_dir) in &left {
        let kind = match right.get(path) {
            None => Some(DifferenceKind::Missing),
            Some(other) if other != is_dir => Some(DifferenceKind::OtherType),
            Some(_) if *is_dir => None,
            Some(_) => first_difference(&expected.join(path), &actual.join(path))
                .map(|offset| DifferenceKind::Content { offset }),
        };
        found.extend(kind.map(|kind| (path.clone(), kind)));
    }
    let unexpected = right.keys().filter(|path| !left.contains_key(*path));
    found.extend(unexpected.map(|path| (path.clone(), DifferenceKind::Unexpected)));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
        .into_iter()
        .map(|(path, kind)| Difference { path, kind })
        .collect()
}

/// Fails the test unless two folders are alike in the sense of [`differences`].
///
/// # Panics
///
/// When they differ, naming the first differences, or when either cannot be read.
#[track_caller]
pub fn assert_same_dirs(expected: &Path, actual: &Path) {
    let found = differences(expected, actual);
    if found.is_empty() {
        return;
    }
    let mut message = format!(
        "{} and {} differ in {} places:",
        expected.display(),
        actual.display(),
        found.len()
    );
    for difference in found.iter().take(NAMED) {
        message.push_str(&format!("\n  {difference}"));
    }
    panic!("{message}");
}

#[track_caller]
fn walk(root: &Path, relative: &Path, into: &mut BTreeMap<PathBuf, bool>) {
    let folder = root.join(relative);
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder's entries can be listed");
        let path = relative.join(entry.file_name());
        let is_dir = entry.file_type().expect("an entry has a type").is_dir();
        if is_dir {
            walk(root, &path, into);
        }
        into.insert(path, is_dir);
    }
}

#[track_caller]
fn first_difference(expected: &Path, actual: &Path) -> Option<u64> {
    let (mut left, mut right) = (open(expected), open(actual));
    let (mut a, mut b) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut offset = 0;
    loop {
        let (m, n) = (fill(&mut left, &mut a), fill(&mut right, &mut b));
        let alike = a[..m].iter().zip(&b[..n]).take_while(|(x, y)| x == y);
        let alike = alike.count();
        offset += alike as u64;
        if alike < m.max(n) {
            return Some(offset);
        }
        if m < BLOCK {
            return None;
        }
    }
}

#[track_caller]
fn open(path: &Path) -> BufReader<File> {
    let file =
        File::open(path).unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
    BufReader::new(file)
}

/// Reads until the buffer is full or the file ends, so that equal files give equal blocks.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match file
            .read(&mut buffer[filled..])
            .expect("the file is readable")
        {
            0 => break,
            read => filled += read,
        }
    }
    filled
}
