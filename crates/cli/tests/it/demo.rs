//! The demonstration from start to end.

use crate::desk::{Desk, files};

#[test]
fn the_demonstration_restores_everything_and_leaves_nothing_behind() {
    let desk = Desk::new();
    let temporary = desk.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = desk.command(&["demo", "--mailboxes", "2", "--items", "60", "--json"]);
    let run = crate::desk::Run::of(command.env("TMPDIR", &temporary).env("TEMP", &temporary));
    assert_eq!(
        run.code,
        0,
        "{}{}",
        String::from_utf8_lossy(&run.stdout),
        run.stderr
    );
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["success"], true);
    assert_eq!(report["sent_messages"], 0);
    let restores = report["steps"].as_array().unwrap();
    let restores: Vec<_> = restores
        .iter()
        .filter(|step| step["kind"] == "restore")
        .collect();
    assert_eq!(restores.len(), 2);
    for restore in restores {
        let report = &restore["report"];
        assert!(report["items_restored"].as_u64().unwrap() > 0);
        assert_eq!(report["items_restored"], report["items_verified"]);
    }
    assert_eq!(files(&temporary), Vec::<String>::new());
    assert!(
        !desk.path("repo").exists(),
        "the demonstration must not touch the real repository"
    );
}

#[test]
fn the_demonstration_takes_mail_from_a_folder() {
    let desk = Desk::new();
    let mail = desk.mail();
    let text = desk.ok(&["demo", "--mail", mail.to_str().unwrap()]);
    assert!(
        text.contains("2 mailboxes with 4 items") && text.contains("no mail was sent"),
        "{text}"
    );
}
