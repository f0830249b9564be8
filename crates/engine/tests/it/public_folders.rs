//! Public folders whose hierarchy and contents lie in several mailboxes on several servers.

use std::sync::Arc;

use engine::{
    BackupReport, Exchange, RestoreMode, RestoreOptions, Silent, Snapshot, UndoOptions, Vault,
};
use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, FindFolder, FindItem,
    FolderId, FolderIdRef, FolderShape, FolderTraversal, ItemShape, MapiType, Paging, PropertyPath,
    REPLICA_LIST, Routing,
};
use ews_sim::{Deletion, MailboxHandle, Sim};
use tokio_util::sync::CancellationToken;

use crate::world::{SERVICE, Server, Store, exchange, latest, mail, of};

const ALICE: &str = "alice@example.test";
const READER: &str = "alice@example.test/public";
const PUBLIC: &str = "example.test/public";
const FIRST: &str = "pf1@example.test";
const SECOND: &str = "pf2@example.test";

/// The hierarchy and Sales on one server, Support and Sales/North on another.
async fn organisation() -> (Server, MailboxHandle) {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .public_folder_mailbox(FIRST, "mbx1")
        .public_folder_mailbox(SECOND, "mbx2")
        .build()
        .unwrap();
    let public = sim.public_folders().unwrap();
    for (folder, number) in [
        ("Sales", 1),
        ("Sales/North", 2),
        ("Sales/North", 3),
        ("Support", 4),
    ] {
        public.add_mime(folder, &mail(number)).unwrap();
    }
    sim.place_public_folder("Sales/North", SECOND).unwrap();
    sim.place_public_folder("Support", SECOND).unwrap();
    (Server::start(sim).await, public)
}

/// Alice herself, as whom the domain's public folders are opened where no reader is named.
fn alice(server: &Server) -> Exchange {
    exchange(server.url(), ALICE, "secret")
}

async fn backup(vault: &Vault, exchange: &Exchange) -> BackupReport {
    let (cancel, options) = (CancellationToken::new(), of(&[READER]));
    let run = vault.backup(exchange, &options, &cancel, Arc::new(Silent));
    let report = run.await.unwrap();
    assert!(report.is_complete(), "{report:#?}");
    assert!(report.gaps.is_empty(), "{:?}", report.gaps);
    report
}

async fn restore(
    vault: &Vault,
    snapshot: &Snapshot,
    exchange: &Exchange,
    options: &RestoreOptions,
) -> engine::RestoreReport {
    let cancel = CancellationToken::new();
    let run = vault.restore(snapshot, exchange, options, &cancel, Arc::new(Silent));
    let report = run.await.unwrap();
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    report
}

fn into_public(mode: RestoreMode, to_folder: Option<&str>) -> RestoreOptions {
    RestoreOptions {
        to_mailbox: Some(READER.to_owned()),
        to_folder: to_folder.map(str::to_owned),
        verify: true,
        mode,
        ..RestoreOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_folder_is_read_in_the_mailbox_that_holds_its_content() {
    let (server, public) = organisation().await;
    let store = Store::create().await;
    let exchange = alice(&server);
    let report = backup(&store.vault, &exchange).await;
    assert_eq!(report.mailboxes[0].items, 4);
    assert_eq!(server.sim.stats().items_exported, 4);
    // For the user, for the hierarchy's mailbox, and once for each that holds contents.
    assert_eq!(server.sim.stats().autodiscover, 4);

    // Unchanged: the hierarchy, level by level, and nobody is asked where anything lies.
    server.sim.reset_stats();
    backup(&store.vault, &exchange).await;
    let stats = server.sim.stats();
    assert_eq!((stats.items_exported, stats.autodiscover), (0, 0));
    assert_eq!(stats.requests["FindFolder"], 3 - 1);
    assert_eq!(stats.requests["GetFolder"], 1);

    // Another process asks again, and reads what is new where it lies.
    public.add_mime("Support", &mail(5)).unwrap();
    server.sim.reset_stats();
    let report = backup(&store.vault, &alice(&server)).await;
    let stats = server.sim.stats();
    assert_eq!(report.mailboxes[0].items, 5);
    assert_eq!((stats.items_exported, stats.autodiscover), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_go_back_into_the_mailboxes_that_hold_their_folders() {
    let (server, public) = organisation().await;
    let store = Store::create().await;
    let exchange = alice(&server);
    backup(&store.vault, &exchange).await;
    let snapshot = latest(&store.vault, PUBLIC).await;
    for folder in ["Sales", "Sales/North", "Support"] {
        let item = public.items(folder).unwrap().remove(0);
        public.delete(&item.id, Deletion::Hard).unwrap();
    }
    let kept = public.items("Sales/North").unwrap().remove(0);
    public.edit_subject(&kept.id, "edited").unwrap();

    let original = into_public(RestoreMode::Overwrite, None);
    let report = restore(&store.vault, &snapshot, &exchange, &original).await;
    assert_eq!((report.items_restored, report.items_replaced), (3, 1));
    for (folder, items) in [("Sales", 1), ("Sales/North", 2), ("Support", 1)] {
        assert_eq!(public.item_count(folder).unwrap(), items, "{folder}");
    }
    let subjects = public.items("Sales/North").unwrap();
    assert!(subjects.iter().all(|item| item.subject != "edited"));

    let diff = store.vault.diff_live(&snapshot, &exchange).await.unwrap();
    assert!(diff.folders_added.is_empty() && diff.folders_removed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_folders_are_filled_where_the_server_put_them_and_taken_back() {
    let (server, public) = organisation().await;
    let store = Store::create().await;
    let exchange = alice(&server);
    backup(&store.vault, &exchange).await;
    let snapshot = latest(&store.vault, PUBLIC).await;

    let elsewhere = into_public(RestoreMode::Missing, Some("Restored"));
    let report = restore(&store.vault, &snapshot, &exchange, &elsewhere).await;
    assert_eq!((report.items_restored, report.items_verified), (4, 4));
    assert_eq!(public.item_count("Restored/Sales/North").unwrap(), 2);
    assert_eq!(public.item_count("Restored/Support").unwrap(), 1);
    let again = restore(&store.vault, &snapshot, &exchange, &elsewhere).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 4));

    let run = report.run.expect("the run is recorded");
    let run = store.vault.restore_run(&run).await.unwrap();
    let options = UndoOptions::default();
    let cancel = CancellationToken::new();
    let undone = store
        .vault
        .undo_restore(&run, &exchange, &options, &cancel, Arc::new(Silent));
    let undone = undone.await.unwrap();
    assert!(undone.left.is_empty(), "{:?}", undone.left);
    assert_eq!((undone.items_deleted, undone.folders_deleted), (4, 4));
    assert!(public.item_count("Restored").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_public_folders_is_kept_for_what_is_done_with_the_backup() {
    let (server, public) = organisation().await;
    let store = Store::create().await;
    // An account that has no mailbox, and so sees no public folders itself.
    let exchange = server.exchange();
    assert_eq!(exchange.account(), SERVICE);
    backup(&store.vault, &exchange).await;
    let snapshot = latest(&store.vault, PUBLIC).await;
    assert_eq!(snapshot.about.reader.as_deref(), Some(ALICE));
    let item = public.items("Support").unwrap().remove(0);
    public.delete(&item.id, Deletion::Hard).unwrap();

    let diff = store.vault.diff_live(&snapshot, &exchange).await.unwrap();
    assert_eq!(diff.items.len(), 1, "{diff:?}");
    let missing = RestoreOptions {
        mode: RestoreMode::Missing,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &exchange, &missing).await;
    assert_eq!(report.items_restored, 1);
    assert_eq!(public.item_count("Support").unwrap(), 1);

    let run = report.run.expect("the run is recorded");
    let run = store.vault.restore_run(&run).await.unwrap();
    assert_eq!(run.reader.as_deref(), Some(ALICE));
    let (options, cancel) = (UndoOptions::default(), CancellationToken::new());
    // Who read them for the restore may be gone; another is named then.
    let mut gone = run.clone();
    gone.reader = Some("gone@example.test".to_owned());
    let refused = store
        .vault
        .undo_restore(&gone, &exchange, &options, &cancel, Arc::new(Silent));
    assert_eq!(
        refused.await.unwrap_err().kind(),
        engine::ErrorKind::NotFound
    );
    let undone = store
        .vault
        .undo_restore(&run, &exchange, &options, &cancel, Arc::new(Silent));
    let undone = undone.await.unwrap();
    assert!(undone.left.is_empty(), "{:?}", undone.left);
    assert_eq!(undone.items_deleted, 1);
    assert_eq!(public.item_count("Support").unwrap(), 0);

    // Whoever forgets the reader asks as the account, which has nothing to see.
    let mut forgetful = snapshot.clone();
    forgetful.about.reader = None;
    let error = store.vault.diff_live(&forgetful, &exchange).await;
    assert_eq!(error.unwrap_err().kind(), engine::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_request_that_comes_to_another_mailbox_is_refused() {
    let (server, public) = organisation().await;
    let url = server.url().parse().unwrap();
    let credentials = Credentials::basic(SERVICE, "secret");
    let client = Client::new(ClientOptions::new(url, credentials)).unwrap();
    let alice = client.for_mailbox(ews_client::Access::Impersonate(ALICE.into()));

    let hierarchy = alice.public_folder_hierarchy(ALICE).await.unwrap().unwrap();
    assert_eq!(hierarchy.anchor_mailbox.as_deref(), Some(FIRST));
    let reader = alice.routed(hierarchy.clone());
    let shape = FolderShape::new(BaseShape::IdOnly).with([
        PropertyPath::field("folder:DisplayName"),
        PropertyPath::tag(REPLICA_LIST, MapiType::Binary),
    ]);
    let mut list = FindFolder::deep(DistinguishedFolder::PublicFoldersRoot, shape);
    list.traversal = FolderTraversal::Shallow;
    let folders = reader.find_folder(&list).await.unwrap().folders;
    let mailbox_of = |name: &str| {
        let mut folders = folders.iter();
        let folder = folders.find(|folder| folder.display_name == name).unwrap();
        folder.content_mailbox().unwrap()
    };
    let content = alice
        .public_folder_content(&mailbox_of("Support"), "example.test")
        .await
        .unwrap();
    assert_eq!(content.anchor_mailbox.as_deref(), Some(SECOND));
    let support = public.folders();
    let support = support.iter().find(|f| f.path == "Support").unwrap();
    let parent = FolderIdRef::Id(FolderId::new(support.id.clone()));
    let paging = Paging {
        offset: 0,
        max_entries: 10,
    };
    let items = FindItem::new(parent, ItemShape::new(BaseShape::IdOnly), paging);
    let found = alice.routed(content.clone()).find_item(&items).await;
    assert_eq!(found.unwrap().items.len(), 1);

    // The hierarchy's mailbox holds no items of Support, the other no hierarchy, and the anchor of
    // one server leads to no mailbox of the other.
    let astray = Routing {
        anchor_mailbox: Some(FIRST.into()),
        ..content.clone()
    };
    for wrong in [hierarchy.clone(), astray, Routing::default()] {
        let error = alice.routed(wrong).find_item(&items).await.unwrap_err();
        let code = error.response_code().map(|code| code.as_str().to_owned());
        assert_eq!(code.as_deref(), Some("ErrorNoPublicFolderReplicaAvailable"));
    }
    let error = alice.routed(content).find_folder(&list).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("ErrorNoPublicFolderReplicaAvailable")
    );
    let unknown = Routing {
        public_folder_mailbox: Some("pf9@example.test".into()),
        ..hierarchy
    };
    let error = alice.routed(unknown).find_item(&items).await.unwrap_err();
    assert_eq!(error.kind(), ews_client::ErrorKind::NotFound);
}
