//! Fills mailboxes with loaded and generated content.

use std::path::Path;

use crate::config::GenerateConfig;
use crate::error::Error;
use crate::generate;
use crate::handle::MailboxHandle;
use crate::load::{self, LoadedFolder, LoadedMailbox};
use crate::mailbox::NewItem;
use crate::sim::Sim;

/// Loads a folder of mail.
pub(crate) fn load_dir(sim: &Sim, dir: &Path) -> Result<(), Error> {
    for mailbox in load::load_dir(dir)? {
        add_mailbox(sim, mailbox)?;
    }
    Ok(())
}

/// Makes up mailboxes.
pub(crate) fn generate(sim: &Sim, config: GenerateConfig) -> Result<(), Error> {
    let mailboxes = generate::Mailboxes {
        seed: config.seed,
        mailboxes: config.mailboxes,
        items: config.items,
    };
    for mailbox in mailboxes.generate() {
        add_mailbox(sim, mailbox)?;
    }
    Ok(())
}

fn add_mailbox(sim: &Sim, loaded: LoadedMailbox) -> Result<(), Error> {
    let handle = sim.add_mailbox(&loaded.address)?;
    let top = handle.top_number();
    for folder in loaded.folders {
        add_folder(&handle, top, folder)?;
    }
    Ok(())
}

fn add_folder(handle: &MailboxHandle, parent: u64, folder: LoadedFolder) -> Result<(), Error> {
    let number = folder_number(handle, parent, &folder)?;
    {
        let mut state = handle.store().write();
        for item in folder.items {
            let mut new = NewItem::from_message(item.message);
            new.is_read = item.is_read;
            let added = state.add_item(number, new);
            added.map_err(|_| Error::invalid(format!("cannot add to {}", folder.name)))?;
        }
    }
    for child in folder.folders {
        add_folder(handle, number, child)?;
    }
    Ok(())
}

fn folder_number(handle: &MailboxHandle, parent: u64, folder: &LoadedFolder) -> Result<u64, Error> {
    let mut state = handle.store().write();
    if let Some(known) = folder.distinguished.and_then(|id| state.well_known(id)) {
        return Ok(known.number);
    }
    let existing = state
        .children(parent)
        .find(|child| child.name == folder.name);
    if let Some(existing) = existing {
        return Ok(existing.number);
    }
    let class = folder.kind.container_class();
    // Two directories may differ in case only, which folder names may not.
    let made = (0..100).find_map(|attempt| {
        let name = match attempt {
            0 => folder.name.clone(),
            _ => format!("{} ({attempt})", folder.name),
        };
        state.create_folder(parent, &name, class).ok()
    });
    made.ok_or_else(|| Error::invalid(format!("cannot create folder {}", folder.name)))
}
