//! Settings of mailboxes: read when it is time, kept as they were, restored one by one. What is on
//! the server is judged by requests that the client has no part in.

mod by_hand;
mod furnishing;

use std::sync::Arc;

use engine::{
    BackupOptions, BackupReport, SettingKind, SettingOutcome, SettingsOptions, SettingsReading,
    SettingsRestoreOptions, SettingsRestoreReport, Snapshot, UserMap,
};
use ews_client::*;
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest, of, set, sim_with};
use by_hand::{delegates_of, look, oof_of, permissions_of, rules_of};
use furnishing::{client, folder_id, furnish, rule, set_permissions, set_rules, take_away};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";
const CAROL: &str = "carol@example.test";

/// What a reading of all settings costs: permissions, delegates, rules, replies, and four
/// configurations.
const SETTINGS_REQUESTS: u64 = 8;

async fn run(store: &Store, server: &Server, options: &BackupOptions) -> BackupReport {
    let report = store
        .vault
        .backup(
            &server.exchange(),
            options,
            &CancellationToken::new(),
            Arc::new(engine::Silent),
        )
        .await
        .unwrap();
    assert!(report.is_complete(), "{report:#?}");
    report
}

async fn always(store: &Store, server: &Server, mailboxes: &[&str]) -> BackupReport {
    let options = BackupOptions {
        settings: SettingsReading::Always,
        ..of(mailboxes)
    };
    run(store, server, &options).await
}

async fn restore(
    store: &Store,
    server: &Server,
    snapshot: &Snapshot,
    options: &SettingsRestoreOptions,
) -> SettingsRestoreReport {
    store
        .vault
        .restore_settings(snapshot, &server.exchange(), options)
        .await
        .unwrap()
}

fn only(kind: SettingKind) -> SettingsRestoreOptions {
    SettingsRestoreOptions {
        settings: SettingsOptions {
            kinds: vec![kind],
            ..SettingsOptions::default()
        },
        ..SettingsRestoreOptions::default()
    }
}

fn changed(report: &SettingsRestoreReport) -> Vec<(&str, Option<&str>)> {
    let of = report.settings.iter();
    of.filter(|setting| setting.outcome == SettingOutcome::Changed)
        .map(|setting| (setting.kind.as_str(), setting.folder.as_deref()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_with_changes_or_after_a_day_and_cost_nothing_while_they_stay() {
    let server = Server::start(sim_with(&[ALICE, BOB], 5)).await;
    furnish(&server, ALICE).await;
    let (store, clock) = Store::with_clock("2026-11-02T12:00Z").await;
    let first = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(
        first
            .gaps
            .iter()
            .filter(|gap| gap.what.contains("settings"))
            .count(),
        0
    );

    // Nothing changed: two requests, no settings asked for, nothing stored.
    let again = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!((again.requests, again.bytes_stored), (2, 0));

    // A day later they are asked for, and are what they were.
    set(&clock, "2026-11-03T11:50Z");
    let later = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(
        (later.requests, later.bytes_stored),
        (2 + SETTINGS_REQUESTS, 0)
    );
    let again = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(again.requests, 2);

    // A permission leaves no mark: only asking tells.
    set(&clock, "2026-11-03T12:00Z");
    let author = [(BOB, PermissionLevel::Author)];
    set_permissions(&server, ALICE, DistinguishedFolder::Inbox, &author).await;
    let asked = always(&store, &server, &[ALICE]).await;
    assert_eq!(asked.requests, 2 + SETTINGS_REQUESTS);
    assert_eq!(asked.mailboxes[0].items_downloaded, 0);
    let history = store
        .vault
        .settings_history(ALICE, &SettingsOptions::default())
        .await
        .unwrap();
    assert_eq!(history.len(), 2);
    let change = &history[1].changes[..];
    assert_eq!(change.len(), 1);
    assert_eq!(change[0].folder.as_deref(), Some("Inbox"));
    assert_eq!(change[0].removed, [format!("{BOB}: Reviewer")]);
    assert_eq!(change[0].added, [format!("{BOB}: Author")]);

    // A new mail: they are asked for along with it.
    let alice = server.sim.mailbox(ALICE).unwrap();
    alice.add_mime("Inbox", &crate::world::mail(99)).unwrap();
    server.sim.reset_stats();
    backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(server.sim.stats().requests["GetInboxRules"], 1);
    let check = store
        .vault
        .check(true, Arc::new(engine::Silent))
        .await
        .unwrap();
    assert!(check.is_clean(), "{check:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_shows_each_setting_as_it_was_and_a_new_machine_does_too() {
    let server = Server::start(sim_with(&[ALICE, BOB], 1)).await;
    furnish(&server, ALICE).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    std::fs::remove_dir_all(store.folder.path().join("cache")).unwrap();
    let vault = store.open().await.unwrap();
    let all = vault
        .settings(&snapshot, &SettingsOptions::default())
        .await
        .unwrap();
    let said = |kind: SettingKind, folder: Option<&str>| {
        let found = all.iter();
        let mut found = found.filter(|s| s.kind == kind && s.folder.as_deref() == folder);
        found.next().unwrap().lines.clone()
    };
    let inbox = said(SettingKind::Permissions, Some("Inbox"));
    assert!(inbox.contains(&format!("{BOB}: Reviewer")), "{inbox:?}");
    assert!(
        all.iter().any(|s| s.folder.as_deref() == Some("")),
        "the top of the mailbox"
    );
    let rules = said(SettingKind::Rules, None);
    assert_eq!(
        rules,
        ["1. bill; if ContainsSubjectStrings bill; then MoveToFolder Inbox/Bills"]
    );
    assert!(said(SettingKind::Oof, None).contains(&"reply inside: In Rome".to_owned()));
    assert_eq!(said(SettingKind::Categories, None), ["Red (colour 0)"]);
    assert_eq!(said(SettingKind::WorkHours, None), ["w/Start = 08:00"]);
    assert_eq!(
        said(SettingKind::Regional, None),
        ["o@timezone = W. Europe"]
    );
    let delegates = said(SettingKind::Delegates, None);
    assert!(
        delegates.contains(&format!("{BOB}: calendar Editor")),
        "{delegates:?}"
    );
    // A machine that rebuilds its index continues without downloading anything.
    let report = backup(&vault, &server, &[ALICE]).await;
    assert_eq!(
        (report.requests, report.mailboxes[0].items_downloaded),
        (2, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_comes_back_on_its_own_and_a_second_time_changes_nothing() {
    let server = Server::start(sim_with(&[ALICE, BOB, CAROL], 1)).await;
    furnish(&server, ALICE).await;
    let before = look(&server);
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;

    take_away(&server).await;

    // A plan says what would change, and changes nothing.
    let plan = SettingsRestoreOptions {
        dry_run: true,
        ..SettingsRestoreOptions::default()
    };
    let planned = restore(&store, &server, &snapshot, &plan).await;
    let expected = [
        ("permissions", Some("Calendar")),
        ("permissions", Some("Inbox")),
        ("delegates", None),
        ("rules", None),
        ("oof", None),
        ("categories", None),
    ];
    assert_eq!(changed(&planned), expected);
    let inbox = &planned
        .settings
        .iter()
        .find(|s| s.folder.as_deref() == Some("Inbox"))
        .unwrap();
    assert!(
        inbox.removed.contains(&format!("{BOB}: None")),
        "{inbox:#?}"
    );
    assert!(inbox.before_xml.as_ref().unwrap().contains("None"));
    assert!(oof_of(&server, ALICE).contains("Disabled"));

    // One by one: each restores itself and nothing else.
    for (kind, count) in [
        (SettingKind::Oof, 1),
        (SettingKind::Permissions, 2),
        (SettingKind::Delegates, 1),
        (SettingKind::Rules, 1),
        (SettingKind::Categories, 1),
        (SettingKind::WorkHours, 0),
    ] {
        let report = restore(&store, &server, &snapshot, &only(kind)).await;
        assert!(report.is_complete(), "{report:#?}");
        assert_eq!(changed(&report).len(), count, "{kind} {report:#?}");
        assert!(
            report
                .settings
                .iter()
                .all(|setting| setting.kind == kind.name())
        );
    }
    assert_eq!(look(&server), before);
    let again = restore(
        &store,
        &server,
        &snapshot,
        &SettingsRestoreOptions::default(),
    )
    .await;
    assert_eq!(changed(&again), [], "{again:#?}");
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_move_to_another_domain_and_who_is_unknown_there_is_named() {
    let server = Server::start(sim_with(&[ALICE, BOB, CAROL], 1)).await;
    furnish(&server, ALICE).await;
    let both = [
        (BOB, PermissionLevel::Editor),
        (CAROL, PermissionLevel::Reviewer),
    ];
    set_permissions(&server, ALICE, DistinguishedFolder::Inbox, &both).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;

    let new = ["alice@new.test", "bob@new.test", "dora@new.test"];
    let other = Server::start(sim_with(&new, 1)).await;
    let dora = [("dora@new.test", PermissionLevel::Author)];
    set_permissions(&other, new[0], DistinguishedFolder::Inbox, &dora).await;
    let options = SettingsRestoreOptions {
        to_mailbox: Some(new[0].to_owned()),
        user_map: Some(UserMap::parse("@example.test,@new.test").unwrap()),
        ..SettingsRestoreOptions::default()
    };
    let report = restore(&store, &other, &snapshot, &options).await;
    // Carol has no mailbox there; the folder of the rule, which was not restored, neither.
    let named: Vec<_> = report
        .left_out
        .iter()
        .map(|left| (left.kind.as_str(), left.what.as_str()))
        .collect();
    assert!(named.contains(&("permissions", CAROL)), "{report:#?}");
    assert!(named.contains(&("rules", "rule bill")), "{report:#?}");
    let failed = report
        .settings
        .iter()
        .filter(|s| s.outcome == SettingOutcome::Failed);
    assert_eq!(failed.count(), 0, "{report:#?}");
    let inbox = permissions_of(&other, new[0], "inbox");
    assert!(
        inbox.contains("bob@new.test") && inbox.contains("Editor"),
        "{inbox}"
    );
    assert!(!inbox.contains("carol"));
    assert!(
        inbox.contains("dora@new.test"),
        "nobody loses what they have"
    );
    assert!(delegates_of(&other, new[0]).contains("bob@new.test"));
    assert!(oof_of(&other, new[0]).contains("In Rome"));

    // With the folder there, the rule comes too, and leads into it.
    other
        .sim
        .mailbox(new[0])
        .unwrap()
        .create_folder("Inbox/Bills")
        .unwrap();
    let exact = SettingsRestoreOptions {
        is_exact: true,
        ..options
    };
    restore(&store, &other, &snapshot, &exact).await;
    let bills = folder_id(&other, new[0], "Inbox/Bills").await;
    assert!(rules_of(&other, new[0]).contains(&bills));
    let inbox = permissions_of(&other, new[0], "inbox");
    assert!(!inbox.contains("dora@new.test"), "exactly the snapshot's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_a_gap_and_stays_as_it_was() {
    let server = Server::start(sim_with(&[ALICE, BOB], 2)).await;
    furnish(&server, ALICE).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let denied = |operation: &str| {
        let always = ews_sim::FaultWhen::Always;
        let fail = ews_sim::FaultAction::Fail("ErrorAccessDenied".into());
        ews_sim::FaultPlan::none().rule(operation, always, fail)
    };
    server.sim.set_faults(denied("GetDelegate"));
    let report = always(&store, &server, &[ALICE]).await;
    let gap = report
        .gaps
        .iter()
        .find(|gap| gap.what == "delegates")
        .unwrap();
    assert!(gap.reason.contains("ErrorAccessDenied"), "{gap:?}");
    // The next run does not ask, and says the same.
    let again = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(again.requests, 2);
    assert!(again.gaps.contains(gap));
    let snapshot = latest(&store.vault, ALICE).await;
    let delegates = SettingsOptions {
        kinds: vec![SettingKind::Delegates],
        ..SettingsOptions::default()
    };
    let kept = store.vault.settings(&snapshot, &delegates).await.unwrap();
    assert!(kept[0].lines.contains(&format!("{BOB}: calendar Editor")));
    let report = restore(&store, &server, &snapshot, &only(SettingKind::Delegates)).await;
    assert!(
        report.left_out[0].reason.contains("could not read it"),
        "{report:#?}"
    );
    assert_eq!(report.settings[0].outcome, SettingOutcome::Failed);
    // A restore of something else is not held up by it.
    let other = restore(&store, &server, &snapshot, &only(SettingKind::Oof)).await;
    assert!(other.is_complete());

    // Without settings a snapshot has none, and says so.
    let never = BackupOptions {
        settings: SettingsReading::Never,
        ..of(&[ALICE])
    };
    let report = run(&store, &server, &never).await;
    assert!(report.gaps.iter().any(|gap| gap.what == "mailbox settings"));
    let snapshot = latest(&store.vault, ALICE).await;
    let all = store
        .vault
        .settings(&snapshot, &SettingsOptions::default())
        .await
        .unwrap();
    assert_eq!(all, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_the_server_refuses_is_named_and_the_others_come_back() {
    let server = Server::start(sim_with(&[ALICE, BOB], 1)).await;
    furnish(&server, ALICE).await;
    let mut second = rule("second", "");
    second.priority = 2;
    second.actions =
        Some(XmlElement::new("Actions").with_children([XmlElement::leaf("MarkAsRead", "true")]));
    set_rules(&server, ALICE, vec![RuleOperation::Create(second)]).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let alice = client(&server, ALICE);
    let rules = alice
        .get_inbox_rules(&GetInboxRules {
            mailbox: Some(ALICE.to_owned()),
        })
        .await;
    let ids = rules.unwrap().rules.into_iter().filter_map(|rule| rule.id);
    set_rules(&server, ALICE, ids.map(RuleOperation::Delete).collect()).await;
    server
        .sim
        .mailbox(ALICE)
        .unwrap()
        .delete_folder("Inbox/Bills")
        .unwrap();
    let report = restore(&store, &server, &snapshot, &only(SettingKind::Rules)).await;
    assert_eq!(report.left_out.len(), 1, "{report:#?}");
    assert_eq!(report.left_out[0].what, "rule bill");
    let now = rules_of(&server, ALICE);
    assert!(
        now.contains("second") && !now.contains("<t:DisplayName>bill"),
        "{now}"
    );
}
