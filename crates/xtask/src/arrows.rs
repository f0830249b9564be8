//! Which crate may depend on which. The table is the architecture; changing it is a decision.

use crate::Result;
use crate::workspace::{Package, Workspace};

/// What each member may name among its dependencies. The five leaves never see one another, and
/// the simulator shares no protocol code with the client: a shared codec would hide a shared
/// misreading of the protocol.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("postkeep", &["operator", "engine", "ews-sim"]),
    ("operator", &["engine"]),
    (
        "engine",
        &[
            "ews-client",
            "fasttransfer",
            "chunkstore",
            "mailindex",
            "mailsearch",
        ],
    ),
    ("ews-client", &[]),
    ("fasttransfer", &[]),
    ("chunkstore", &[]),
    ("mailindex", &[]),
    ("mailsearch", &[]),
    ("ews-sim", &["fasttransfer"]),
    (
        "testkit",
        &[
            "ews-sim",
            "engine",
            "ews-client",
            "fasttransfer",
            "chunkstore",
            "mailindex",
        ],
    ),
    (
        "bench",
        &["ews-client", "fasttransfer", "chunkstore", "mailindex"],
    ),
    ("xtask", &[]),
];

/// What every member may name for its tests besides: the equipment, and the peer to talk to.
const FOR_TESTS: [&str; 2] = ["testkit", "ews-sim"];

pub(crate) fn run(workspace: &Workspace) -> Result {
    let wrong = violations(workspace.packages());
    if wrong.is_empty() {
        println!("{} crates, no arrow points up", workspace.packages().len());
        return Ok(());
    }
    Err(wrong.join("\n       "))
}

fn violations(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("{name} has no line in crates/xtask/src/arrows.rs"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.path.is_some()) {
            let other = dependency.name.as_str();
            let in_tests = dependency.kind.as_deref() == Some("dev");
            if allowed.contains(&other) || (in_tests && FOR_TESTS.contains(&other)) {
                continue;
            }
            let kind = if in_tests { " even in tests" } else { "" };
            wrong.push(format!("{name} must not depend on {other}{kind}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::violations;
    use crate::workspace::{Dependency, Package};

    #[track_caller]
    fn check(name: &str, dependency: &str, kind: Option<&str>, allowed: bool) {
        let package = Package {
            name: name.to_owned(),
            dependencies: vec![Dependency {
                name: dependency.to_owned(),
                kind: kind.map(str::to_owned),
                path: Some("somewhere".into()),
            }],
        };
        let wrong = violations(&[package]);
        assert_eq!(wrong.is_empty(), allowed, "{wrong:?}");
    }

    #[test]
    fn arrows_point_down_only() {
        check("postkeep", "engine", None, true);
        check("postkeep", "chunkstore", None, false);
        check("operator", "engine", None, true);
        check("operator", "chunkstore", None, false);
        check("engine", "operator", None, false);
        check("engine", "mailindex", None, true);
        check("engine", "ews-sim", None, false);
        check("engine", "ews-sim", Some("dev"), true);
        check("chunkstore", "mailindex", None, false);
        check("chunkstore", "mailindex", Some("dev"), false);
        check("chunkstore", "testkit", Some("dev"), true);
        check("chunkstore", "testkit", Some("build"), false);
        check("ews-sim", "fasttransfer", None, true);
        check("ews-sim", "ews-client", None, false);
        check("newcomer", "engine", None, false);
    }
}
