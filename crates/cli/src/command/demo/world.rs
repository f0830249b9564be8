//! The simulated mailboxes of the demonstration, and what their users do between two backups.

use ews_sim::{Deletion, Error, GenerateConfig, ItemInfo, MailboxHandle, Sim, new_mail};

use crate::args::DemoArgs;
use crate::exit::{Failure, Result as CommandResult};
use crate::human::{count, counted};

/// The simulator's account that may open every mailbox.
pub const ACCOUNT: &str = "svc@example.test";
/// Its password.
pub const PASSWORD: &str = "secret";

/// Of a thousand items, so many are new, changed, moved, deleted and read or unread afterwards; at
/// least one each.
const NEW_PER_MILLE: u64 = 20;
const CHANGED_PER_MILLE: u64 = 5;

/// The simulated organisation.
pub struct World {
    pub sim: Sim,
    /// The mailboxes to back up.
    pub mailboxes: Vec<String>,
    /// An empty mailbox to restore into.
    pub target: String,
    seed: u64,
}

/// What the users did.
#[derive(Default)]
pub struct Changes {
    new: u64,
    edited: u64,
    moved: u64,
    deleted: u64,
    flagged: u64,
    /// One of the deleted mails, to be restored.
    pub deleted_mail: Option<DeletedMail>,
}

/// A mail that a user deleted for good.
pub struct DeletedMail {
    pub mailbox: String,
    pub folder: String,
    pub id: String,
    pub subject: String,
    pub mime: Vec<u8>,
}

impl World {
    pub fn build(args: &DemoArgs) -> Result<Self, Error> {
        let builder = match &args.mail {
            Some(dir) => Sim::builder().load_dir(dir),
            None => Sim::builder().generate(GenerateConfig {
                seed: args.seed,
                mailboxes: usize::from(args.mailboxes),
                items: args.items as usize,
            }),
        };
        let sim = builder.build()?;
        let mailboxes = sim.mailboxes();
        let target = (1..)
            .map(|n| match n {
                1 => "restored@example.test".to_owned(),
                n => format!("restored-{n}@example.test"),
            })
            .find(|address| !mailboxes.contains(address))
            .unwrap_or_default();
        sim.add_mailbox(&target)?;
        Ok(Self {
            sim,
            mailboxes,
            target,
            seed: args.seed,
        })
    }

    pub fn handle(&self, address: &str) -> CommandResult<MailboxHandle> {
        self.sim
            .mailbox(address)
            .map_err(|error| Failure::sim(&error))
    }

    /// The mailbox that is looked at more closely.
    pub fn first(&self) -> CommandResult<MailboxHandle> {
        match self.mailboxes.first() {
            Some(address) => self.handle(address),
            None => Err(Failure::usage("the folder holds no mail")),
        }
    }

    /// Items in the mailboxes to back up.
    pub fn item_count(&self) -> u64 {
        let handles = self
            .mailboxes
            .iter()
            .filter_map(|address| self.sim.mailbox(address).ok());
        handles
            .flat_map(|handle| handle.folders())
            .map(|folder| folder.total)
            .sum()
    }

    /// Users receive, edit, move, delete and read mail.
    pub fn change(&self) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        for address in &self.mailboxes {
            let handle = self.sim.mailbox(address)?;
            changes.in_mailbox(&handle, self.seed)?;
        }
        Ok(changes)
    }
}

impl Changes {
    pub fn describe(&self) -> String {
        format!(
            "{}, {} edited, {} moved, {} deleted, {} marked read or unread",
            counted(self.new, "new mail"),
            count(self.edited),
            count(self.moved),
            count(self.deleted),
            count(self.flagged)
        )
    }

    fn in_mailbox(&mut self, handle: &MailboxHandle, seed: u64) -> Result<(), Error> {
        let folders = handle.folders();
        let inside = folders
            .iter()
            .filter(|folder| !folder.path.starts_with('/'));
        let items: u64 = folders.iter().map(|folder| folder.total).sum();
        // The liveliest folder: the inbox, as a rule.
        let Some(folder) = inside.max_by_key(|folder| folder.total) else {
            return Ok(());
        };
        let (few, many) = (
            items * CHANGED_PER_MILLE / 1000 + 1,
            items * NEW_PER_MILLE / 1000 + 1,
        );
        let mut there = handle.items(&folder.path)?.into_iter();
        let mut take = |n: u64| there.by_ref().take(n as usize).collect::<Vec<ItemInfo>>();
        for item in take(few) {
            if self.deleted_mail.is_none() {
                self.deleted_mail = Some(DeletedMail {
                    mailbox: handle.address().to_owned(),
                    folder: folder.path.clone(),
                    id: item.id.clone(),
                    subject: item.subject.clone(),
                    mime: handle.mime(&item.id)?,
                });
            }
            handle.delete(&item.id, Deletion::Hard)?;
            self.deleted += 1;
        }
        for item in take(few) {
            handle.edit_subject(&item.id, &format!("{} (edited)", item.subject))?;
            self.edited += 1;
        }
        for item in take(few) {
            handle.move_item(&item.id, "Done")?;
            self.moved += 1;
        }
        for item in take(few) {
            handle.set_read(&item.id, !item.is_read)?;
            self.flagged += 1;
        }
        for n in 0..many {
            handle.add_message(&folder.path, new_mail(seed, n, handle.address()))?;
            self.new += 1;
        }
        Ok(())
    }
}
