//! SyncFolderHierarchy, requirement by requirement (MS-OXWSSYNC); which test stands for which is
//! in `tests/requirements`.

use ews_sim::{MailboxHandle, Sim};

use crate::support::{ALICE, Bench, between};

const KINDS: [(&str, &str); 4] = [
    ("Folder", "IPF.Note"),
    ("CalendarFolder", "IPF.Appointment"),
    ("ContactsFolder", "IPF.Contact"),
    ("TasksFolder", "IPF.Task"),
];

async fn bench() -> (Bench, MailboxHandle) {
    let sim = Sim::builder().mailbox(ALICE).build().unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    (Bench::start(sim).await, alice)
}

fn sync(shape: &str, rest: &str) -> String {
    format!(
        "<m:SyncFolderHierarchy><m:FolderShape>{shape}</m:FolderShape>{rest}</m:SyncFolderHierarchy>"
    )
}

const IDS: &str = "<t:BaseShape>IdOnly</t:BaseShape>";
const USUAL: &str = "<t:BaseShape>Default</t:BaseShape>";
const TOP: &str =
    "<m:SyncFolderId><t:DistinguishedFolderId Id=\"msgfolderroot\"/></m:SyncFolderId>";

fn since(state: &str) -> String {
    format!("{TOP}<m:SyncState>{state}</m:SyncState>")
}

fn state_of(answer: &str) -> String {
    between(answer, "<m:SyncState>", "</m:SyncState>").to_owned()
}

fn changes<'t>(answer: &'t str, kind: &str) -> Vec<&'t str> {
    let end = format!("</t:{kind}>");
    let begin = format!("<t:{kind}>");
    let parts = answer.split(&begin).skip(1);
    parts.map(|part| part.split(&end).next().unwrap()).collect()
}

/// Creates a folder of each kind through the protocol and gives their ids.
async fn create_kinds(bench: &Bench) -> Vec<String> {
    let folders: String = KINDS
        .iter()
        .map(|(element, class)| {
            format!(
                "<t:{element}><t:FolderClass>{class}</t:FolderClass>\
                 <t:DisplayName>My {element}</t:DisplayName></t:{element}>"
            )
        })
        .collect();
    let request = format!(
        "<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id=\"msgfolderroot\"/>\
         </m:ParentFolderId><m:Folders>{folders}</m:Folders></m:CreateFolder>"
    );
    crate::support::attrs(&bench.ask(ALICE, &request).await, "t:FolderId", "Id")
}

#[tokio::test]
async fn folders_of_every_kind_are_created_and_updated_under_their_own_name() {
    let (bench, alice) = bench().await;
    let before = bench.ask(ALICE, &sync(USUAL, TOP)).await;
    let ids = create_kinds(&bench).await;
    let created = bench
        .ask(ALICE, &sync(USUAL, &since(&state_of(&before))))
        .await;
    let found = changes(&created, "Create");
    assert_eq!(found.len(), KINDS.len());
    for (((element, _), id), change) in KINDS.iter().zip(&ids).zip(&found) {
        assert!(change.starts_with(&format!("<t:{element}>")), "{change}");
        assert!(change.contains(id.as_str()));
    }
    for ((element, _), id) in KINDS.iter().zip(&ids) {
        alice
            .rename_folder(id, &format!("Renamed {element}"))
            .unwrap();
    }
    let updated = bench
        .ask(ALICE, &sync(USUAL, &since(&state_of(&created))))
        .await;
    let found = changes(&updated, "Update");
    assert_eq!(found.len(), KINDS.len());
    for (((element, _), id), change) in KINDS.iter().zip(&ids).zip(&found) {
        assert!(change.starts_with(&format!("<t:{element}>")), "{change}");
        assert!(
            change.contains(id.as_str()) && change.contains("Renamed"),
            "{change}"
        );
    }
    assert!(changes(&updated, "Create").is_empty());
}

#[tokio::test]
async fn deleted_folders_are_named() {
    let (bench, alice) = bench().await;
    let ids = create_kinds(&bench).await;
    let state = state_of(&bench.ask(ALICE, &sync(IDS, TOP)).await);
    alice.delete_folder(&ids[1]).unwrap();
    let answer = bench.ask(ALICE, &sync(IDS, &since(&state))).await;
    let gone = changes(&answer, "Delete");
    assert_eq!(gone.len(), 1);
    assert!(
        gone[0].contains(&format!("<t:FolderId Id=\"{}\"", ids[1])),
        "{answer}"
    );
}

#[tokio::test]
async fn without_a_sync_state_every_folder_is_new_and_with_one_only_what_changed() {
    let (bench, alice) = bench().await;
    let first = bench.ask(ALICE, &sync(IDS, TOP)).await;
    let again = bench.ask(ALICE, &sync(IDS, TOP)).await;
    let all = alice.folders().len();
    assert_eq!(
        changes(&first, "Create").len(),
        changes(&again, "Create").len()
    );
    assert!(all > 8 && changes(&first, "Create").len() >= 8);
    let state = state_of(&first);
    assert!(base64_simd::STANDARD.decode_to_vec(&state).is_ok());
    let none = bench.ask(ALICE, &sync(IDS, &since(&state))).await;
    assert!(none.contains("<m:Changes/>"), "{none}");
    for answer in [first, again, none] {
        assert!(answer.contains("<m:ResponseCode>NoError</m:ResponseCode>"));
        assert!(answer.contains("<m:IncludesLastFolderInRange>true<"));
    }
    for bad in ["garbage", "AAAA"] {
        let answer = bench.ask(ALICE, &sync(IDS, &since(bad))).await;
        assert!(
            answer.contains("<m:ResponseCode>ErrorInvalidSyncStateData<"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn the_folder_to_look_below_may_be_left_out() {
    let (bench, alice) = bench().await;
    alice.create_folder("Inbox/Projects").unwrap();
    let below = "<m:SyncFolderId><t:DistinguishedFolderId Id=\"inbox\"/></m:SyncFolderId>";
    let below = bench.ask(ALICE, &sync(USUAL, below)).await;
    assert_eq!(changes(&below, "Create").len(), 1);
    assert!(below.contains("<t:DisplayName>Projects<"), "{below}");
    let all = bench.ask(ALICE, &sync(USUAL, "")).await;
    for name in ["Projects", "Inbox", "Recoverable Items"] {
        assert!(all.contains(&format!("<t:DisplayName>{name}<")), "{name}");
    }
    for answer in [below, all] {
        assert!(answer.contains("<m:ResponseCode>NoError</m:ResponseCode>"));
    }
}

#[tokio::test]
async fn shapes_decide_what_is_told_of_a_folder() {
    let (bench, _) = bench().await;
    let of = async |shape: &str| bench.ask(ALICE, &sync(shape, TOP)).await;
    let ids = of(IDS).await;
    assert!(ids.contains("<t:FolderId ") && !ids.contains("<t:DisplayName>"));
    let usual = of(USUAL).await;
    assert!(usual.contains("<t:DisplayName>") && !usual.contains("<t:EffectiveRights>"));
    let all = of("<t:BaseShape>AllProperties</t:BaseShape>").await;
    assert!(all.contains("<t:DisplayName>") && all.contains("<t:EffectiveRights>"));
    let chosen = format!(
        "{IDS}<t:AdditionalProperties><t:FieldURI FieldURI=\"folder:FolderClass\"/>\
         <t:ExtendedFieldURI PropertyTag=\"0x3602\" PropertyType=\"Integer\"/></t:AdditionalProperties>"
    );
    let chosen = of(&chosen).await;
    assert!(chosen.contains("<t:FolderClass>") && chosen.contains("PropertyTag=\"0x3602\""));
    assert!(!chosen.contains("<t:DisplayName>"));
}
