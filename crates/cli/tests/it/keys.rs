//! Keys of a repository, as an administrator handles them.

use std::process::Command;

use crate::desk::{Desk, Run, Server};

/// Without the passphrase that desks have in their environment.
fn without_passphrase(desk: &Desk, args: &[&str]) -> Command {
    let mut command = desk.command(args);
    command.env_remove("POSTKEEP_PASSPHRASE");
    command
}

#[track_caller]
fn ok(mut command: Command) -> String {
    let run = Run::of(&mut command);
    assert_eq!(run.code, 0, "{}", run.stderr);
    String::from_utf8(run.stdout).unwrap()
}

#[track_caller]
fn refused(mut command: Command, code: i32, words: &str) {
    let run = Run::of(&mut command);
    assert_eq!(run.code, code, "{}", run.stderr);
    assert!(run.stderr.contains(words), "{}", run.stderr);
}

#[test]
fn the_recovery_phrase_of_init_opens_and_recovers() {
    let desk = Desk::new();
    let created = desk.json(&["init", "--recovery-phrase"]);
    let words = created["recovery_phrase"].as_str().unwrap();
    assert_eq!(words.split(' ').count(), 24);
    desk.write("words.txt", words.to_uppercase().as_bytes());
    let new = desk.write("new.txt", b"a new passphrase\n");
    let args = ["snapshots", "--recovery-phrase-file", "words.txt"];
    ok(without_passphrase(&desk, &args));
    let mut args = vec!["key", "recover", "--recovery-phrase-file", "words.txt"];
    args.extend([
        "--new-passphrase-file",
        "new.txt",
        "--label",
        "after the loss",
    ]);
    ok(without_passphrase(&desk, &args));
    let mut list = desk.command(&["key", "list"]);
    list.env("POSTKEEP_PASSPHRASE", "a new passphrase");
    let list = ok(list);
    assert!(list.contains("after the loss"), "{list}");
    assert_eq!(list.matches("recovery phrase").count(), 1, "{list}");
    let wrong = words.replacen(words.split(' ').next().unwrap(), "zebra", 1);
    desk.write("wrong.txt", wrong.as_bytes());
    let args = ["snapshots", "--recovery-phrase-file", "wrong.txt"];
    refused(without_passphrase(&desk, &args), 2, "wrong.txt");
    // Recovering is not for the everyday passphrase.
    let args = [
        "key",
        "recover",
        "--new-passphrase-file",
        new.to_str().unwrap(),
    ];
    refused(
        desk.command(&args),
        2,
        "takes an escrow or a recovery phrase",
    );
}

#[test]
fn a_key_file_is_made_used_and_removed() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    let args = [
        "key",
        "add",
        "--new-key-file",
        "host.key",
        "--label",
        "host a",
    ];
    let added = desk.json(&args);
    let id = added["id"].as_str().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(desk.path("host.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    refused(desk.command(&args), 9, "host.key");
    ok(without_passphrase(
        &desk,
        &["snapshots", "--key-file", "host.key"],
    ));
    let mut by_variable = without_passphrase(&desk, &["snapshots"]);
    by_variable.env("POSTKEEP_KEY_FILE", desk.path("host.key"));
    ok(by_variable);
    let list = desk.json(&["key", "list"]);
    let keys = list["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(
        (&keys[0]["in_use"], &keys[1]["label"]),
        (&true.into(), &"host a".into())
    );
    let planned = desk.json(&["key", "remove", &id[..8], "--dry-run"]);
    assert_eq!(planned["key"]["id"], id);
    desk.ok(&["key", "remove", &id[..8]]);
    let after = without_passphrase(&desk, &["snapshots", "--key-file", "host.key"]);
    refused(
        after,
        5,
        "no key slot of the repository is opened by a secret of this kind",
    );
    let last = keys[0]["id"].as_str().unwrap();
    refused(
        desk.command(&["key", "remove", last]),
        9,
        "`postkeep key add` first",
    );
    refused(desk.command(&["key", "remove", "ffff"]), 7, "no key ffff");
}

#[test]
fn a_passphrase_comes_from_a_command_and_is_changed() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    desk.write("new.txt", b"changed\n");
    desk.ok(&["key", "passphrase", "--new-passphrase-file", "new.txt"]);
    refused(desk.command(&["snapshots"]), 5, "opens none");
    let by_command = ["snapshots", "--passphrase-command", "echo changed"];
    ok(without_passphrase(&desk, &by_command));
    let failing = ["snapshots", "--passphrase-command", "exit 3"];
    refused(without_passphrase(&desk, &failing), 2, "it failed");
    let both = [
        "snapshots",
        "--passphrase-file",
        "new.txt",
        "--key-file",
        "x",
    ];
    refused(desk.command(&both), 2, "cannot be used with");
}

#[test]
fn a_lost_passphrase_is_recovered_by_two_of_three_consoles_and_not_by_one() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    let mut escrow = vec!["key".to_owned(), "escrow".to_owned()];
    for n in 0..3 {
        let file = format!("console-{n}.key");
        let public = desk.ok(&["key", "generate-escrow", "--out", &file]);
        assert!(public.starts_with("pkescrow1"), "{public}");
        escrow.extend(["--to".to_owned(), public.trim().to_owned()]);
    }
    escrow.extend(["--threshold".to_owned(), "2".to_owned()]);
    let escrow: Vec<&str> = escrow.iter().map(String::as_str).collect();
    desk.ok(&escrow);
    for n in 0..3 {
        let (file, out) = (format!("console-{n}.key"), format!("share-{n}.txt"));
        let share = ["key", "share", "--escrow-key-file", &file, "--out", &out];
        ok(without_passphrase(&desk, &share));
    }
    desk.write("new.txt", b"found again\n");
    let recover = |files: &[&str]| {
        let mut args = vec!["key", "recover", "--new-passphrase-file", "new.txt"];
        for file in files {
            args.extend(["--escrow-share-file", file]);
        }
        without_passphrase(&desk, &args)
    };
    refused(recover(&["share-1.txt"]), 5, "1 of the 2 shares");
    refused(
        recover(&["share-1.txt", "share-1.txt"]),
        5,
        "1 of the 2 shares",
    );
    ok(recover(&["share-2.txt", "share-0.txt"]));
    ok(without_passphrase(
        &desk,
        &["snapshots", "--passphrase-file", "new.txt"],
    ));
    let mut by_keys = vec!["snapshots"];
    by_keys.extend(["--escrow-key-file", "console-0.key"]);
    refused(without_passphrase(&desk, &by_keys), 5, "1 of the 2 shares");
    by_keys.extend(["--escrow-key-file", "console-1.key"]);
    ok(without_passphrase(&desk, &by_keys));
    let nobody = ["key", "escrow", "--to", "pkescrow1qqqq"];
    refused(desk.command(&nobody), 2, "--to");
}

#[test]
fn a_rotation_is_shown_first_and_ends_the_other_keys() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    desk.ok(&[
        "key",
        "add",
        "--new-key-file",
        "left.key",
        "--label",
        "of one who left",
    ]);
    let plan = desk.json(&["key", "rotate", "--dry-run"]);
    assert_eq!(plan["ended"][0]["label"], "of one who left");
    assert_eq!(plan["ended"].as_array().unwrap().len(), 1);
    ok(without_passphrase(
        &desk,
        &["snapshots", "--key-file", "left.key"],
    ));
    let done = desk.json(&["key", "rotate"]);
    assert_eq!(
        (&done["epoch"], &done["dry_run"]),
        (&2.into(), &false.into())
    );
    refused(
        without_passphrase(&desk, &["snapshots", "--key-file", "left.key"]),
        5,
        "postkeep: ",
    );
    let list = desk.json(&["key", "list"]);
    assert_eq!(list["keys"].as_array().unwrap().len(), 1);
    assert_eq!(list["keys"][0]["epoch"], 2);
}

#[test]
fn a_drill_s_result_is_checked_by_who_has_the_public_key_alone() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    desk.back_up(&server, "alice@example.test");
    let drill = desk.json(&["drill", "--items", "2", "--out", "proof"]);
    assert_eq!(
        (&drill["passed"], &drill["signature"]),
        (&true.into(), &"good".into())
    );
    let file = drill["file"].as_str().unwrap();
    let key = desk.json(&["key", "list"])["public_keys"][0].clone();
    let key = key.as_str().unwrap();
    let verify = ["verify", file, "--public-key", key];
    let verified = desk.json(&verify);
    assert!(verified["comment"].as_str().unwrap().ends_with("passed"));
    // What is kept is written again, byte for byte.
    let listed = desk.json(&["drill", "--list", "--out", "again"]);
    let again = desk.path(listed["drills"][0]["file"].as_str().unwrap());
    let written = std::fs::read_to_string(desk.path(file)).unwrap();
    assert_eq!(std::fs::read_to_string(again).unwrap(), written);
    std::fs::write(desk.path(file), written.replace("true", "false")).unwrap();
    refused(desk.command(&verify), 4, "is not what was signed");
    refused(
        desk.command(&["verify", file, "--public-key", &key[1..]]),
        2,
        "no public key",
    );
}
