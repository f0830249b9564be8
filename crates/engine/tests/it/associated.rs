//! Folder-associated items: categories, views, settings of programs.

use engine::{RestoreOptions, Selection};
use ews_client::{
    Access, BaseShape, Client, ClientOptions, Credentials, FindItem, FolderId, ItemShape,
    ItemTraversal, Paging, PropertyPath, UploadAction, UploadItem, Url,
};
use ews_sim::{Deletion, MailboxHandle, Sim};

use crate::world::{SERVICE, Server, Store, backup, fill_inbox, latest, mail, restore, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";
const CATEGORIES: &str = "IPM.Configuration.CategoryList";
const VIEW: &str = "IPM.Microsoft.FolderDesign.NamedView";

fn client(server: &Server, mailbox: &str) -> Client {
    let url = Url::parse(server.url()).unwrap();
    let options = ClientOptions::new(url, Credentials::basic(SERVICE, "secret"));
    Client::new(options)
        .unwrap()
        .for_mailbox(Access::Impersonate(mailbox.to_owned()))
}

fn folder_id(mailbox: &MailboxHandle, path: &str) -> FolderId {
    let folders = mailbox.folders();
    let folder = folders.iter().find(|folder| folder.path == path).unwrap();
    FolderId::new(folder.id.clone())
}

/// Puts an associated item into a folder, as programs do: an item of its own class.
async fn add(server: &Server, mailbox: &MailboxHandle, folder: &str, class: &str, subject: &str) {
    let id = mailbox.add_mime(folder, &mail(900)).unwrap();
    mailbox
        .edit(&id, |message| {
            message.props.set(fasttransfer::tag::MESSAGE_CLASS, class);
            message.props.set(fasttransfer::tag::SUBJECT, subject);
        })
        .unwrap();
    let stream = mailbox.export(&id).unwrap();
    mailbox.delete(&id, Deletion::Hard).unwrap();
    let upload = UploadItem {
        parent: folder_id(mailbox, folder),
        action: UploadAction::CreateNew,
        associated: Some(true),
        data: bytes::Bytes::from(stream).into(),
    };
    let outcomes = client(server, mailbox.address())
        .upload_items(vec![upload])
        .await
        .unwrap();
    outcomes.into_iter().next().unwrap().unwrap();
}

/// The ids, classes and subjects of a folder's associated items.
async fn associated(
    server: &Server,
    mailbox: &MailboxHandle,
    folder: &str,
) -> Vec<(String, String, String)> {
    let shape = ItemShape::new(BaseShape::IdOnly)
        .with(["item:ItemClass", "item:Subject"].map(PropertyPath::field));
    let paging = Paging {
        offset: 0,
        max_entries: 100,
    };
    let request = FindItem {
        traversal: ItemTraversal::Associated,
        ..FindItem::new(folder_id(mailbox, folder), shape, paging)
    };
    let page = client(server, mailbox.address())
        .find_item(&request)
        .await
        .unwrap();
    let mut found: Vec<_> = page
        .items
        .into_iter()
        .map(|item| {
            (
                item.id.unwrap().id,
                item.item_class.unwrap(),
                item.subject.unwrap_or_default(),
            )
        })
        .collect();
    found.sort_by(|a, b| (&a.1, &a.2).cmp(&(&b.1, &b.2)));
    found
}

async fn world() -> (Server, Store) {
    let server = Server::start(sim_with(&[ALICE, BOB], 3)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    add(&server, &alice, "Calendar", CATEGORIES, "Categories").await;
    add(&server, &alice, "Inbox", VIEW, "By sender").await;
    add(&server, &alice, "Inbox", VIEW, "By size").await;
    (server, Store::create().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn associated_items_are_backed_up_listed_and_read_again_only_when_they_change() {
    let (server, store) = world().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, 6);
    let visible = alice
        .folders()
        .iter()
        .filter(|f| !f.path.starts_with('/'))
        .count() as u64;
    assert_eq!(report.mailboxes[0].folders, visible);
    let snapshot = latest(&store.vault, ALICE).await;
    let folders = store.vault.folders(&snapshot).await.unwrap();
    let hidden: Vec<_> = folders.iter().filter(|folder| folder.associated).collect();
    let counts: Vec<_> = hidden.iter().map(|f| (f.path.as_str(), f.items)).collect();
    assert_eq!(counts, [("Calendar", 1), ("Inbox", 2)]);
    let inbox = Selection::of_folders(["@inbox".to_owned()]);
    let items = store.vault.items(&snapshot, &inbox).await.unwrap();
    let views: Vec<_> = items
        .iter()
        .filter(|item| item.folder == "Inbox (associated)")
        .map(|item| item.class.as_str())
        .collect();
    assert_eq!((views, items.len()), (vec![VIEW, VIEW], 5));

    // Unchanged: two requests and nothing more.
    server.sim.reset_stats();
    backup(&store.vault, &server, &[ALICE]).await;
    let stats = server.sim.stats();
    assert_eq!(
        (stats.requests_total, stats.items_exported),
        (2, 0),
        "{stats:#?}"
    );

    // One of them changes, one goes: only the one is downloaded.
    let found = associated(&server, &alice, "Inbox").await;
    alice
        .edit_subject(&found[0].0, "By sender and day")
        .unwrap();
    alice.delete(&found[1].0, Deletion::Hard).unwrap();
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    let mine = &report.mailboxes[0];
    assert_eq!(
        (mine.items, mine.items_downloaded, mine.items_deleted),
        (5, 1, 1)
    );
    let stats = server.sim.stats();
    assert_eq!(stats.items_exported, 1);
    assert_eq!(
        stats.requests["FindItem"], 1,
        "one list, of the folder that changed"
    );

    // When the last goes, its place goes too.
    let found = associated(&server, &alice, "Inbox").await;
    alice.delete(&found[0].0, Deletion::Hard).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let folders = store.vault.folders(&snapshot).await.unwrap();
    assert_eq!(folders.iter().filter(|folder| folder.associated).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn associated_items_come_back_as_what_they_were_and_never_twice() {
    let (server, store) = world().await;
    let (alice, bob) = (
        server.sim.mailbox(ALICE).unwrap(),
        server.sim.mailbox(BOB).unwrap(),
    );
    // Bob has categories of his own: programs must not meet two lists.
    add(&server, &bob, "Calendar", CATEGORIES, "Categories").await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let options = RestoreOptions {
        to_mailbox: Some(BOB.into()),
        verify: true,
        ..RestoreOptions::default()
    };
    let planned = restore(
        &store.vault,
        &snapshot,
        &server,
        &RestoreOptions {
            dry_run: true,
            verify: false,
            ..options.clone()
        },
    )
    .await;
    assert_eq!((planned.items_restored, planned.items_skipped), (5, 1));
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!((report.items_restored, report.items_verified), (5, 5));
    let views = associated(&server, &bob, "Inbox").await;
    let subjects: Vec<_> = views
        .iter()
        .map(|(_, _, subject)| subject.as_str())
        .collect();
    assert_eq!(subjects, ["By sender", "By size"]);
    assert_eq!(associated(&server, &bob, "Calendar").await.len(), 1);
    assert_eq!(bob.item_count("Inbox").unwrap(), 6, "no view became a mail");

    let again = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 6));

    // One that was deleted comes back to where it was, alone.
    let gone = associated(&server, &alice, "Inbox").await.remove(1);
    alice.delete(&gone.0, Deletion::Hard).unwrap();
    let single = RestoreOptions {
        selection: Selection::of_items([gone.0]),
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &single).await;
    assert_eq!((report.items_restored, report.items_verified), (1, 1));
    assert_eq!(associated(&server, &alice, "Inbox").await.len(), 2);
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_items_listed_as_associated_ones_are_backed_up_once_and_that_is_said() {
    let sim = Sim::builder().ignoring_associated_traversal();
    let sim = sim.mailbox(ALICE).mailbox(BOB).build().unwrap();
    fill_inbox(&sim, &[ALICE, BOB], 3);
    let server = Server::start(sim).await;
    for name in [ALICE, BOB] {
        let mailbox = server.sim.mailbox(name).unwrap();
        // As many as there are mails: the folder's own count does not give the server away.
        for subject in ["By sender", "By size", "By day"] {
            add(&server, &mailbox, "Inbox", VIEW, subject).await;
        }
    }
    let store = Store::create().await;
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &[ALICE, BOB]).await;
    for mailbox in &report.mailboxes {
        assert_eq!((mailbox.items, mailbox.items_downloaded), (3, 3));
    }
    let stats = server.sim.stats();
    assert_eq!(stats.items_exported, 6, "none of them twice");
    // Two lists at most were asked for before it was known, and one to compare with.
    assert!(stats.requests["FindItem"] <= 3, "{stats:#?}");
    let gaps: Vec<_> = report
        .gaps
        .iter()
        .filter(|gap| gap.what == "associated items")
        .collect();
    assert!(gaps[0].reason.contains("ordinary items"), "{gaps:?}");
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    let snapshot = latest(&store.vault, ALICE).await;
    let folders = store.vault.folders(&snapshot).await.unwrap();
    assert!(folders.iter().all(|folder| !folder.associated));

    // A new mail is read, and the folder looked at no other way.
    let alice = server.sim.mailbox(ALICE).unwrap();
    alice.add_mime("Inbox", &mail(77)).unwrap();
    let report = backup(&store.vault, &server, &[ALICE, BOB]).await;
    let downloaded: u64 = report.mailboxes.iter().map(|m| m.items_downloaded).sum();
    assert_eq!(downloaded, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_associated_items_as_mails_are_no_reason_for_doubt() {
    let (server, store) = world().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    add(&server, &alice, "Inbox", VIEW, "By day").await;
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, 7);
    assert!(report.gaps.iter().all(|gap| gap.what != "associated items"));
    // The calendar's and the inbox's lists, and one to compare the latter with.
    assert_eq!(server.sim.stats().requests["FindItem"], 3);
}
