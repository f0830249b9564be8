//! What a state file keeps of a store besides its items.

use super::State;
use crate::clock::Clock;
use crate::folder::Folder;

impl State {
    /// All but the items that are kept.
    pub(crate) fn without_items(&self) -> State {
        State {
            folders: self
                .folders
                .iter()
                .map(|(number, folder)| (*number, folder.without_items()))
                .collect(),
            deleted_folders: self.deleted_folders.clone(),
            next_folder: self.next_folder,
            next_key: self.next_key,
            change: self.change,
            last_time: self.last_time,
            clock: self.clock.clone(),
            settings: self.settings.clone(),
            origins: self.origins.clone(),
        }
    }

    /// Takes another clock.
    pub(crate) fn tick_by(&mut self, clock: &Clock) {
        self.clock = clock.clone();
    }

    pub(crate) fn folder_mut(&mut self, number: u64) -> Option<&mut Folder> {
        self.folders.get_mut(&number)
    }
}
