//! The cases are code that nothing else runs: each must still do what it measures.

use std::process::Command;

#[test]
fn every_case_runs() {
    let program = env!("CARGO_BIN_EXE_bench");
    let list = Command::new(program).arg("list").output().unwrap();
    let names = String::from_utf8(list.stdout).unwrap();
    assert!(names.lines().count() >= 15, "{names}");
    for name in names.lines() {
        let once = Command::new(program).args(["once", name]).output().unwrap();
        let complaint = String::from_utf8_lossy(&once.stderr);
        assert!(once.status.success(), "{name}: {complaint}");
    }
    let unknown = Command::new(program)
        .args(["once", "no such case"])
        .status();
    assert!(!unknown.unwrap().success());
}
