//! Source files that no module names: they are never compiled, and their tests never run.

use super::Project;

/// Folders whose first level belongs to a crate root.
const ROOTS: [&str; 2] = ["src", "tests/it"];

pub(super) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for (file, _) in project.texts_ending(".rs") {
        let Some((crate_dir, inside)) = split_crate(file) else {
            continue;
        };
        for root in ROOTS {
            let prefix = format!("{crate_dir}/{root}/");
            let Some(module) = file.strip_prefix(&prefix) else {
                continue;
            };
            if is_root(module) {
                continue;
            }
            let parents = parents(&prefix, module);
            let name = module_name(module);
            if !parents.iter().any(|parent| declares(project, parent, name)) {
                found.push(format!("{crate_dir}: no module declares {inside}"));
            }
        }
    }
    found
}

/// Splits `crates/x/src/a.rs` into `crates/x` and `src/a.rs`.
fn split_crate(file: &str) -> Option<(&str, &str)> {
    let rest = file.strip_prefix("crates/")?;
    let slash = rest.find('/')? + "crates/".len();
    Some((&file[..slash], &file[slash + 1..]))
}

fn is_root(module: &str) -> bool {
    matches!(module, "main.rs" | "lib.rs") || module.starts_with("bin/")
}

fn module_name(module: &str) -> &str {
    let module = module.strip_suffix("/mod.rs").unwrap_or(module);
    let last = module.rsplit('/').next().unwrap_or(module);
    last.strip_suffix(".rs").unwrap_or(last)
}

/// The files that may declare a module, by where it lies.
fn parents(prefix: &str, module: &str) -> Vec<String> {
    let module = module.strip_suffix("/mod.rs").unwrap_or(module);
    match module.rsplit_once('/') {
        None => vec![format!("{prefix}lib.rs"), format!("{prefix}main.rs")],
        Some((folder, _)) => vec![
            format!("{prefix}{folder}.rs"),
            format!("{prefix}{folder}/mod.rs"),
        ],
    }
}

fn declares(project: &Project, parent: &str, name: &str) -> bool {
    let wanted = format!("mod {name};");
    let found = project.texts.iter().find(|(file, _)| file == parent);
    found.is_some_and(|(_, text)| {
        text.lines()
            .map(str::trim_start)
            .filter(|line| !line.starts_with("//"))
            // What a declaration is for may stand behind it.
            .map(|line| line.split("//").next().unwrap_or_default().trim_end())
            .any(|line| line.ends_with(&wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_declaration_is_found() {
        let project = Project::of(&[
            (
                "crates/a/src/lib.rs",
                "mod one;\npub mod two;\n// mod three;\n",
            ),
            ("crates/a/src/one.rs", "#[cfg(test)]\nmod tests;\n"),
            ("crates/a/src/one/tests.rs", ""),
            ("crates/a/src/two.rs", ""),
            ("crates/a/src/three.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/tests/it/main.rs", "mod subject;\n"),
            ("crates/a/tests/it/subject.rs", ""),
            ("crates/a/tests/it/forgotten.rs", ""),
        ]);
        let expected = [
            "crates/a: no module declares src/three.rs",
            "crates/a: no module declares tests/it/forgotten.rs",
        ];
        assert_eq!(check(&project), expected);
    }
}
