//! Configurations: mistakes with their places, the schema, and what is written.

use operator::{Answers, Config, json_schema, settings_as_markdown, write_config};

/// A configuration that uses every setting, without a mistake.
const RIGHT: &str = include_str!("right.toml");

/// Each wrong configuration is the right one with one text in place of another, and what is said
/// of it: `line:column: message`, and after an arrow what is suggested.
const WRONG: &[(&str, &str, &[&str])] = &include!("wrong.in");

#[test]
fn every_wrong_configuration_gets_its_message() {
    assert!(WRONG.len() >= 40, "{}", WRONG.len());
    let mut failed = String::new();
    for (right, wrong, expected) in WRONG {
        assert!(RIGHT.contains(right), "{right}");
        let text = RIGHT.replacen(right, wrong, 1);
        let mistakes = Config::parse(&text).err().unwrap_or_default();
        let found: Vec<String> = mistakes
            .iter()
            .map(|mistake| match &mistake.suggestion {
                Some(suggestion) => format!("{mistake} -> {suggestion}"),
                None => mistake.to_string(),
            })
            .collect();
        if found != *expected {
            failed.push_str(&format!("({right:?}, {wrong:?}, &{found:?}),\n"));
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = RIGHT
        .replacen("server =", "sever =", 1)
        .replacen("\"10m\"", "\"10x\"", 1)
        .replacen("when = \"always\"", "when = \"allways\"", 1);
    let mistakes = Config::parse(&text).unwrap_err();
    let suggestions: Vec<_> = mistakes.iter().map(|m| m.suggestion.as_deref()).collect();
    assert_eq!(mistakes.len(), 4, "{mistakes:#?}");
    assert!(suggestions.contains(&Some("server")) && suggestions.contains(&Some("always")));
    let lines: Vec<_> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn a_right_configuration_says_what_it_says() {
    let config = Config::parse(RIGHT).unwrap();
    let set = &config.sets["office"];
    assert_eq!(set.destinations, ["main", "second"]);
    assert_eq!(set.schedule.len(), 2);
    assert_eq!(set.limits.seal_after.to_string(), "10m");
    assert_eq!(config.destinations["second"].bandwidth.len(), 2);
    assert_eq!(config.notify.len(), 7);
    // What is not said takes the defaults that the table of settings promises.
    let small = &config.sets["by-hand"];
    assert!(small.catch_up && small.schedule.is_empty());
    assert_eq!(
        (small.limits.requests, small.limits.mailboxes_at_once),
        (4, 4)
    );
    assert!(small.hooks.before_must_succeed);
}

/// The defaults that the schema names are those that act.
#[test]
fn the_defaults_of_the_schema_are_those_that_act() {
    let schema = json_schema();
    let text = "[destinations.a]\nurl = \"x\"\n[sets.s]\nserver = \"h\"\nuser = \"u@x\"\n\
                destinations = \"a\"\n[sets.s.check]\nschedule = \"daily\"\n\
                [sets.s.retention]\nkeep_within = \"1d\"\n[sets.s.drill]\nschedule = \"daily\"\n\
                [[notify]]\ncommand = [\"true\"]\n\
                [[notify]]\nmail = { to = \"a@x\", from = \"b@x\", server = \"h\" }\n";
    let config = serde_json::to_value(Config::parse(text).unwrap()).unwrap();
    let properties = |schema: &serde_json::Value| schema["properties"].clone();
    let of = |name: &str| properties(&schema)[name].clone();
    let set = of("sets")["additionalProperties"].clone();
    let pairs = [
        (of("daemon"), config["daemon"].clone()),
        (
            of("destinations")["additionalProperties"].clone(),
            config["destinations"]["a"].clone(),
        ),
        (set.clone(), config["sets"]["s"].clone()),
        (
            properties(&set)["limits"].clone(),
            config["sets"]["s"]["limits"].clone(),
        ),
        (
            properties(&set)["check"].clone(),
            config["sets"]["s"]["check"].clone(),
        ),
        (
            properties(&set)["retention"].clone(),
            config["sets"]["s"]["retention"].clone(),
        ),
        (
            properties(&set)["drill"].clone(),
            config["sets"]["s"]["drill"].clone(),
        ),
        (
            properties(&set)["hooks"].clone(),
            config["sets"]["s"]["hooks"].clone(),
        ),
        (of("notify")["items"].clone(), config["notify"][0].clone()),
        (
            properties(&of("notify")["items"])["mail"].clone(),
            config["notify"][1]["mail"].clone(),
        ),
    ];
    let mut compared = 0;
    for (section, values) in pairs {
        for (name, property) in properties(&section).as_object().unwrap() {
            assert!(
                values.get(name).is_some(),
                "no field holds the setting {name}"
            );
            if let Some(default) = property.get("default") {
                assert_eq!(*default, values[name], "{name}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 14, "{compared}");
}

/// `right.toml` has every setting there is: a new one must be tried here.
#[test]
fn the_example_uses_every_setting() {
    fn names(schema: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, property) in properties {
                found.push(name.clone());
                for inner in [
                    property,
                    &property["additionalProperties"],
                    &property["items"],
                ] {
                    names(inner, found);
                }
            }
        }
    }
    let mut all = Vec::new();
    names(&json_schema(), &mut all);
    assert!(all.len() > 50);
    for name in all {
        let used = RIGHT.contains(&format!("{name} ="))
            || RIGHT.contains(&format!("[{name}"))
            || RIGHT.contains(&format!(".{name}]"));
        assert!(used, "right.toml does not use {name}");
    }
}

#[test]
fn the_page_about_the_configuration_lists_every_setting() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let wanted = settings_as_markdown();
    let told = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("settings.md");
    std::fs::write(&told, &wanted).unwrap();
    assert!(
        page.contains(wanted.trim()),
        "docs/configuration.md does not hold what `postkeep config schema --markdown` prints, and \
         {} has",
        told.display()
    );
}

#[test]
fn what_is_written_from_answers_has_no_mistake() {
    let mut answers = Answers {
        name: "My office!".into(),
        server: "mail.example.com".into(),
        user: "EXAMPLE\\svc \"x\"".into(),
        password_file: "C:\\secrets\\password".into(),
        mailboxes: vec!["alice@example.com".into(), "@more.txt".into()],
        repository: "/srv/backup".into(),
        passphrase_file: "/etc/postkeep/passphrase".into(),
        schedule: "daily 22:00".into(),
        time_zone: "Europe/Berlin".into(),
        mail: Some(("a@x".into(), "localhost".into(), "b@x".into())),
    };
    let config = Config::parse(&write_config(&answers)).unwrap();
    let set = &config.sets["My-office-"];
    assert_eq!(set.user, answers.user);
    assert_eq!(set.mailboxes, answers.mailboxes);
    assert_eq!(set.schedule[0].to_string(), "daily 22:00");
    answers.mail = None;
    answers.schedule.clear();
    answers.time_zone.clear();
    assert!(Config::parse(&write_config(&answers)).is_ok());
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let mut config = Config::parse(RIGHT).unwrap();
    config.rebase(std::path::Path::new("/etc/postkeep"));
    assert_eq!(config.destinations["main"].url, "/etc/postkeep/repo");
    assert_eq!(config.destinations["second"].url, "file:///srv/second");
    let set = &config.sets["office"];
    assert!(
        set.mailboxes
            .contains(&"@/etc/postkeep/mailboxes.txt".to_owned())
    );
    assert!(
        set.password
            .file
            .as_ref()
            .unwrap()
            .starts_with("/etc/postkeep")
    );
}

/// Whoever gets a message also gets what to write, except where the syntax is so broken that nobody
/// can know.
#[test]
fn every_mistake_comes_with_its_place_and_a_suggestion() {
    for (right, wrong, _) in WRONG {
        let text = RIGHT.replacen(right, wrong, 1);
        for mistake in Config::parse(&text).err().unwrap_or_default() {
            assert!(mistake.line > 0 && mistake.column > 0, "{mistake:?}");
            assert!(!mistake.message.is_empty());
            let suggestion = mistake.suggestion.as_deref().unwrap_or_default();
            assert!(!suggestion.is_empty(), "{wrong}: {mistake:?}");
        }
    }
}
