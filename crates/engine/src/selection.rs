//! Which folders and items of a mailbox are meant.

/// A choice of folders and items; empty means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Folder paths (`Inbox/Projects`) or distinguished names (`inbox`), subfolders included.
    pub folders: Vec<String>,
    /// EWS ItemIds, or the keys that listings show, or the beginning of a key.
    pub items: Vec<String>,
}

impl Selection {
    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        self.folders.is_empty() && self.items.is_empty()
    }

    /// Whether a folder is meant, by itself or because one above it is.
    pub(crate) fn has_folder(&self, path: &str, distinguished: Option<&str>) -> bool {
        self.folders.is_empty()
            || self.folders.iter().any(|wanted| {
                folder_matches(wanted, path)
                    || distinguished.is_some_and(|name| name.eq_ignore_ascii_case(wanted))
            })
    }

    /// What was chosen, one text each, for a snapshot's description.
    pub(crate) fn describe(&self) -> Vec<String> {
        let folders = self.folders.iter().map(|folder| format!("folder {folder}"));
        folders
            .chain(self.items.iter().map(|item| format!("item {item}")))
            .collect()
    }
}

/// Whether `path` is the wanted folder or lies below it, without regard to case.
pub(crate) fn folder_matches(wanted: &str, path: &str) -> bool {
    let wanted = wanted.trim_matches('/').to_lowercase();
    let path = path.to_lowercase();
    path == wanted
        || path
            .strip_prefix(&wanted)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_chosen_by_path_or_distinguished_name_with_all_below() {
        let check = |wanted: &str, path: &str, distinguished: Option<&str>, expected: bool| {
            let selection = Selection {
                folders: vec![wanted.into()],
                items: vec![],
            };
            assert_eq!(
                selection.has_folder(path, distinguished),
                expected,
                "{wanted} {path}"
            );
        };
        check("Inbox", "Inbox", Some("inbox"), true);
        check("inbox", "Posteingang", Some("inbox"), true);
        check("/Inbox/", "Inbox/Projects", None, true);
        check("Inbox", "Inbox2", None, false);
        check("Inbox/Projects", "Inbox", Some("inbox"), false);
        assert!(Selection::default().has_folder("Anything", None));
    }
}
