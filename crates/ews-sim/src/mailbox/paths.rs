//! Folders by their paths.

use super::State;

impl State {
    /// Finds a folder by its path below a root, names compared without regard to case.
    pub(crate) fn by_path(&self, root: u64, path: &str) -> Option<u64> {
        if path.is_empty() {
            return Some(root);
        }
        // Names may contain the separator, so every prefix of the path is tried.
        self.children(root).find_map(|folder| {
            let name = path.get(..folder.name.len())?;
            if !name.eq_ignore_ascii_case(&folder.name) {
                return None;
            }
            let rest = &path[folder.name.len()..];
            match rest.strip_prefix('/') {
                Some(rest) => self.by_path(folder.number, rest),
                None => rest.is_empty().then_some(folder.number),
            }
        })
    }
}
