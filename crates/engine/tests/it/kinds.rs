//! Every kind of item, wherever mail lies: backed up, deleted for good, restored, and compared
//! property by property by somebody else than the product.

mod items;
mod look;

use std::sync::Arc;

use engine::{RestoreOptions, RestoreReport};
use ews_sim::{Deletion, ItemInfo, MailboxHandle, Sim};
use fasttransfer::tag;
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest};
use items::Kind;
use look::{Facts, by_export, by_get_item, differences, of_message};

const ALICE: &str = "alice@example.test";

/// How items travel.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// ExportItems and UploadItems.
    Native,
    /// GetItem and CreateItem.
    Portable,
}

/// Where items lie.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Primary,
    Archive,
    Recoverable,
    Public,
}

impl Place {
    /// The mailbox as it is named to be backed up.
    fn name(self) -> &'static str {
        match self {
            Self::Primary => ALICE,
            Self::Archive => "alice@example.test/archive",
            Self::Recoverable => "alice@example.test/recoverable",
            Self::Public => "alice@example.test/public",
        }
    }

    /// The mailbox as its snapshots are named.
    fn stored(self) -> &'static str {
        match self {
            Self::Public => "example.test/public",
            other => other.name(),
        }
    }

    fn handle(self, sim: &Sim) -> MailboxHandle {
        match self {
            Self::Primary | Self::Recoverable => sim.mailbox(ALICE),
            Self::Archive => sim.archive(ALICE),
            Self::Public => sim.public_folders(),
        }
        .unwrap()
    }

    fn folder(self, kind: &Kind) -> String {
        match self {
            Self::Primary => kind.folder.to_owned(),
            Self::Archive => format!("Kept/{}", kind.folder),
            Self::Recoverable => "recoverableitemsdeletions".to_owned(),
            Self::Public => format!("Team/{}", kind.folder),
        }
    }

    /// Where it comes back: nothing can be written to what the server keeps of deleted items.
    fn restored_to(self, kind: &Kind) -> String {
        match self {
            Self::Recoverable => "Recovered Items/Deletions".to_owned(),
            other => other.folder(kind),
        }
    }

    fn has(self, kind: &Kind) -> bool {
        // What folders hold beside their items is not kept when it is deleted.
        !(self == Self::Recoverable && kind.associated)
    }
}

/// What does not come back in the portable form, by kind and the beginning of a property's name,
/// since neither MIME nor the list of properties asked for holds it.
const LOST: &[(&str, &str)] = &[
    // The names that other programs gave to properties cannot be asked for.
    ("custom class", "named InvoiceNumber"),
    ("custom class", "named Total"),
];

async fn there_and_back(form: Form, place: Place) {
    let Some(kinds) = items::all() else { return };
    let kinds: Vec<Kind> = kinds.into_iter().filter(|kind| place.has(kind)).collect();
    let builder = Sim::builder()
        .mailbox(ALICE)
        .archive(ALICE)
        .public_folders();
    let builder = match form {
        Form::Native => builder,
        Form::Portable => builder.without_export_items(),
    };
    let server = Server::start(builder.build().unwrap()).await;
    let handle = place.handle(&server.sim);
    let mut before = Vec::new();
    for kind in &kinds {
        let folder = place.folder(kind);
        let id = match kind.associated {
            true => handle.add_associated(&folder, kind.message.clone()),
            false => handle.add_message(&folder, kind.message.clone()),
        };
        let id = id.unwrap();
        let facts = look_at(&server, &handle, form, &id).await;
        before.push((handle.item(&id).unwrap(), facts));
    }
    let store = Store::create().await;
    backup(&store.vault, &server, &[place.name()]).await;
    for (item, _) in &before {
        handle.delete(&item.id, Deletion::Hard).unwrap();
    }

    let report = restore(&store, &server, place).await;
    let restorable = |kind: &&Kind| form == Form::Native || !kind.associated;
    let expected = kinds.iter().filter(restorable).count() as u64;
    assert_eq!(report.items_restored, expected, "{:#?}", report.failures);
    assert_eq!(report.items_reduced, 0);
    let unrestorable: Vec<&str> = report.failures.iter().map(|f| f.subject.as_str()).collect();
    assert_eq!(
        report.failures.len(),
        kinds.len() - expected as usize,
        "{unrestorable:?}"
    );

    let mut wrong = Vec::new();
    for (kind, (item, facts)) in kinds.iter().zip(&before).filter(|(k, _)| restorable(k)) {
        let back = come_back(&handle, &place.restored_to(kind), kind, item);
        let [back] = back.as_slice() else {
            wrong.push(format!("{}: {} came back", kind.name, back.len()));
            continue;
        };
        let after = look_at(&server, &handle, form, &back.id).await;
        wrong.extend(missed(kind, form, facts, &after));
    }
    assert!(
        wrong.is_empty(),
        "{} of {form:?} in {place:?}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );

    let again = restore(&store, &server, place).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, expected));
    assert_eq!(server.sim.sent_messages(), 0);
    let alice = server.sim.mailbox(ALICE).unwrap();
    for folder in ["outbox", "sentitems"] {
        assert_eq!(alice.item_count(folder).unwrap(), 0, "{folder}");
    }
}

async fn restore(store: &Store, server: &Server, place: Place) -> RestoreReport {
    let snapshot = latest(&store.vault, place.stored()).await;
    let options = RestoreOptions {
        to_mailbox: (place == Place::Public).then(|| place.name().to_owned()),
        ..RestoreOptions::default()
    };
    let silent = Arc::new(engine::Silent);
    let cancel = CancellationToken::new();
    let exchange = server.exchange();
    let restored = store
        .vault
        .restore(&snapshot, &exchange, &options, &cancel, silent);
    restored.await.unwrap()
}

/// The items of a folder that are of the kind, class and subject of one that was there.
fn come_back(handle: &MailboxHandle, folder: &str, kind: &Kind, item: &ItemInfo) -> Vec<ItemInfo> {
    let found = match kind.associated {
        true => handle.associated_items(folder),
        false => handle.items(folder),
    };
    let same = |other: &ItemInfo| (&other.class, &other.subject) == (&item.class, &item.subject);
    found.unwrap().into_iter().filter(same).collect()
}

/// Looks at an item over the wire, by GetItem and ExportItems; where there is no ExportItems,
/// at the simulator's own properties.
async fn look_at(server: &Server, handle: &MailboxHandle, form: Form, id: &str) -> Facts {
    let mut facts = by_get_item(server.url(), ALICE, id).await;
    facts.extend(match form {
        Form::Native => by_export(server.url(), ALICE, id).await,
        Form::Portable => of_message(&handle.message(id).unwrap()),
    });
    facts
}

/// The properties that are not as they were, those aside that the form is known to lose.
fn missed(kind: &Kind, form: Form, before: &Facts, after: &Facts) -> Vec<String> {
    // Text that a server makes of properties has its own times and ids; read as it was loaded, it
    // has to be the same to the byte.
    let is_made = !kind.message.props.contains(tag::MIME_SKELETON);
    let is_known = |property: &str| {
        let is_lost =
            |(name, lost): &(&str, &str)| *name == kind.name && property.starts_with(lost);
        (is_made && property.ends_with("/MimeContent"))
            || (form == Form::Portable && LOST.iter().any(is_lost))
            // Of MIME a server makes more properties than there were; none may be another.
            || (form == Form::Portable && !before.contains_key(property))
    };
    differences(before, after)
        .into_iter()
        .filter(|(property, _)| !is_known(property))
        .map(|(property, change)| format!("{}: {property}: {change}", kind.name))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_natively_into_the_mailbox() {
    there_and_back(Form::Native, Place::Primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_natively_into_the_archive() {
    there_and_back(Form::Native, Place::Archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_natively_from_recoverable_items() {
    there_and_back(Form::Native, Place::Recoverable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_natively_into_public_folders() {
    there_and_back(Form::Native, Place::Public).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_in_the_portable_form_into_the_mailbox() {
    there_and_back(Form::Portable, Place::Primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_in_the_portable_form_into_the_archive() {
    there_and_back(Form::Portable, Place::Archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_in_the_portable_form_from_recoverable_items() {
    there_and_back(Form::Portable, Place::Recoverable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_comes_back_in_the_portable_form_into_public_folders() {
    there_and_back(Form::Portable, Place::Public).await;
}
