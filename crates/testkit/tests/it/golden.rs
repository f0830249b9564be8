use std::fs;
use std::path::PathBuf;

use testkit::{Difference, DifferenceKind, assert_same_dirs, differences, temp_dir};

#[test]
fn equal_folders_have_no_differences() {
    let (a, b) = (temp_dir(), temp_dir());
    for folder in [&a, &b] {
        fs::create_dir_all(folder.path().join("x/empty")).unwrap();
        fs::write(folder.path().join("x/file"), vec![7; 200_000]).unwrap();
    }
    assert_same_dirs(a.path(), b.path());
}

#[test]
fn every_way_to_differ_is_named_with_its_path() {
    let (a, b) = (temp_dir(), temp_dir());
    fs::write(a.path().join("gone"), "").unwrap();
    fs::write(b.path().join("new"), "").unwrap();
    fs::write(a.path().join("type"), "").unwrap();
    fs::create_dir(b.path().join("type")).unwrap();
    fs::write(a.path().join("late"), vec![7; 100_000]).unwrap();
    fs::write(b.path().join("late"), [vec![7; 99_999], vec![8]].concat()).unwrap();
    fs::write(a.path().join("short"), "abc").unwrap();
    fs::write(b.path().join("short"), "abcd").unwrap();
    let expected = [
        ("gone", DifferenceKind::Missing),
        ("late", DifferenceKind::Content { offset: 99_999 }),
        ("new", DifferenceKind::Unexpected),
        ("short", DifferenceKind::Content { offset: 3 }),
        ("type", DifferenceKind::OtherType),
    ];
    let expected = expected.map(|(path, kind)| Difference {
        path: PathBuf::from(path),
        kind,
    });
    assert_eq!(differences(a.path(), b.path()), expected);
}

#[test]
#[should_panic(expected = "gone: missing")]
fn the_assertion_names_the_difference() {
    let (a, b) = (temp_dir(), temp_dir());
    fs::write(a.path().join("gone"), "").unwrap();
    assert_same_dirs(a.path(), b.path());
}
