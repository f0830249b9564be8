//! Policies, holds, versions and the live mailbox, as a user types them.

use crate::desk::{Desk, Server};

const ALICE: &str = "alice@example.test";

/// A desk with two snapshots of alice's mailbox.
fn desk() -> (Desk, Server) {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.json(&["init"]);
    desk.back_up(&server, ALICE);
    desk.back_up(&server, ALICE);
    (desk, server)
}

#[test]
fn a_policy_is_planned_applied_and_held_up() {
    let (desk, _server) = desk();
    let plan = desk.json(&[
        "retention",
        "plan",
        "--keep-last",
        "1",
        "--time-zone",
        "Europe/Berlin",
    ]);
    assert_eq!(plan["time_zone"], "Europe/Berlin");
    let snapshots = plan["mailboxes"][0]["snapshots"].as_array().unwrap();
    assert_eq!(snapshots[0]["kept_by"].as_array().unwrap().len(), 0);
    assert_eq!(snapshots[1]["kept_by"][1]["rule"], "last");
    let first = snapshots[0]["id"].as_str().unwrap();

    let held = [
        "hold",
        "add",
        "--snapshot",
        &first[..12],
        "--why",
        "a case",
        "--who",
        "Ann",
    ];
    let hold = desk.json(&held);
    let hold = hold["holds"][0]["id"].as_str().unwrap().to_owned();
    let text = desk.ok(&["retention", "apply", "--keep-last", "1"]);
    assert!(
        text.contains("a case") && text.contains("forgot 0 snapshots; 2 stay"),
        "{text}"
    );
    let refused = desk.run(&["forget", &first[..12]]);
    assert_eq!(refused.code, 6, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("try: postkeep hold list"),
        "{}",
        refused.stderr
    );
    assert!(desk.ok(&["hold", "list"]).contains("Ann"));

    desk.json(&[
        "hold",
        "remove",
        &hold[..10],
        "--why",
        "closed",
        "--who",
        "Bob",
    ]);
    assert!(desk.ok(&["hold", "list"]).contains("nothing is held"));
    assert!(desk.ok(&["hold", "list", "--all"]).contains("Bob"));
    let text = desk.ok(&["forget", &first[..12], "--dry-run"]);
    assert!(text.contains("1 snapshot would go and 1 stay"), "{text}");
    let applied = desk.json(&["retention", "apply", "--keep-last", "1"]);
    assert_eq!(applied["applied"], true);
    let left = desk.json(&["snapshots"]);
    assert_eq!(left["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(
        desk.json(&["snapshots", "--kept"])["snapshots"][0]["kept"],
        false
    );
    let nothing = desk.run(&["retention", "plan", "--keep-deleted-items", "30d"]);
    assert_eq!(nothing.code, 2, "{}", nothing.stderr);
}

#[test]
fn a_list_of_users_says_where_mailboxes_go_and_a_state_goes_into_a_folder_of_its_own() {
    let (desk, _server) = desk();
    let map = desk.write("users.csv", b"source,target\n@example.test,@example.test\n");
    let map = map.to_str().unwrap();
    let restore = |more: &[&str]| {
        let args = [
            "restore",
            "--user",
            "svc@example.test",
            "--mailbox",
            ALICE,
            "--folder",
            "inbox",
        ];
        desk.json(&[&args[..], more].concat())
    };
    let plan = restore(&["--user-map", map, "--into", "--dry-run"]);
    let folders = plan["restores"][0]["folders"].as_array().unwrap();
    let path = folders[0]["path"].as_str().unwrap();
    assert!(
        path.starts_with("Restored from 20") && !path.contains(':'),
        "{path}"
    );
    for created in [3, 0] {
        let done = restore(&["--user-map", map, "--into", "--verify"]);
        assert_eq!(done["restores"][0]["items_restored"], created);
        assert_eq!(done["restores"][0]["mailbox"], ALICE);
    }
    desk.write(
        "users.csv",
        b"source,target\nalice@example.test,bob@example.test\n",
    );
    let done = restore(&["--user-map", map]);
    assert_eq!(done["restores"][0]["mailbox"], "bob@example.test");
    assert_eq!(done["restores"][0]["items_restored"], 3);
    desk.write("users.csv", b"carol@example.test,bob@example.test\n");
    let args = [
        "restore",
        "--user",
        "svc@example.test",
        "--mailbox",
        ALICE,
        "--user-map",
        map,
    ];
    let run = desk.run(&args);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("alice@example.test"), "{}", run.stderr);
}

#[test]
fn versions_points_in_time_and_the_live_mailbox_are_looked_at() {
    let (desk, _server) = desk();
    let listed = desk.json(&["ls", "--mailbox", ALICE, "inbox", "--as-of", "2999-01-01"]);
    let key = listed["mailboxes"][0]["items"][0]["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let history = desk.json(&["versions", &key[..12]]);
    assert_eq!(history["mailbox"], ALICE);
    assert_eq!(history["versions"].as_array().unwrap().len(), 1);
    let text = desk.ok(&["versions", &key]);
    assert!(
        text.contains("new") && text.contains("postkeep cat --snapshot"),
        "{text}"
    );
    assert_eq!(desk.run(&["ls", "--as-of", "2001-01-01 10:00"]).code, 7);
    assert_eq!(desk.run(&["ls", "--as-of", "some day"]).code, 2);
    let live = desk.json(&[
        "diff",
        "--live",
        "--user",
        "svc@example.test",
        "--mailbox",
        ALICE,
    ]);
    assert_eq!(live["differences"][0]["items"].as_array().unwrap().len(), 0);
    let text = desk.ok(&[
        "diff",
        "--live",
        "--user",
        "svc@example.test",
        "--mailbox",
        ALICE,
    ]);
    assert!(text.contains("-> live"), "{text}");
}

#[test]
fn one_persons_mail_is_erased_after_a_look_at_what_goes() {
    let (desk, server) = desk();
    desk.back_up(&server, "bob@example.test");
    desk.ok(&["drill", "--items", "2"]);
    let erase = [
        "erase",
        "--mailbox",
        ALICE,
        "--why",
        "request 4711",
        "--who",
        "Ann",
    ];
    let plan = desk.json(&erase);
    assert_eq!(
        (&plan["snapshots"], &plan["records"]),
        (&2.into(), &0.into())
    );
    let text = desk.ok(&erase);
    assert!(
        text.contains("alice@example.test: 2 snapshots") && text.contains("--yes erases it"),
        "{text}"
    );
    assert_eq!(
        desk.json(&["snapshots"])["snapshots"]
            .as_array()
            .unwrap()
            .len(),
        3
    );

    let text = desk.ok(&[&erase[..], &["--yes"]].concat());
    assert!(text.contains("nothing is left"), "{text}");
    let left = desk.json(&["snapshots"]);
    let left = left["snapshots"].as_array().unwrap();
    assert!(
        left.len() == 1 && left[0]["mailbox"] == "bob@example.test",
        "{left:?}"
    );
    // What was signed is signed anew without her.
    let drill = &desk.json(&["drill", "--list"])["drills"][0];
    assert_eq!(drill["signature"], "good");
    assert_eq!(drill["snapshots"].as_array().unwrap().len(), 1, "{drill}");
    desk.ok(&["check", "--read-data"]);
    let nothing = desk.run(&[&erase[..], &["--yes"]].concat());
    assert_eq!(nothing.code, 7, "{}", nothing.stderr);
    assert!(
        nothing.stderr.contains("try: postkeep snapshots"),
        "{}",
        nothing.stderr
    );
}
