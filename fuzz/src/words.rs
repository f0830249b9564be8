//! What people and earlier runs wrote.

use operator::{RateRule, Schedule, Shard, Size, TimeSpan};

/// What an export left in its folder, texts that users give, configurations.
pub fn written(data: &[u8]) {
    match data.split_first() {
        Some((b'{', _)) => {
            thread_local! {
                static FOLDER: tempfile::TempDir =
                    tempfile::tempdir().expect("a folder for what was left behind");
            }
            FOLDER.with(|folder| engine::fuzzing::export_folder(data, folder.path()));
        }
        Some((b'!', rest)) => engine::fuzzing::words(rest),
        _ => configuration(data),
    }
}

/// A configuration, or one of the texts in it.
fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match operator::Config::parse(&text) {
        Ok(config) => {
            let written = operator::config_as_toml(&config);
            // It has defaults that mean nothing without others, so it need not be free of mistakes.
            drop(operator::Config::parse(&written));
        }
        Err(mistakes) => assert!(!mistakes.is_empty()),
    }
    if text.len() > 200 {
        return;
    }
    let now = engine::Timestamp::from_second(1_700_000_000).expect("a time");
    let zone = engine::TimeZone::get("Europe/Berlin").unwrap_or(engine::TimeZone::UTC);
    if let Ok(schedule) = text.parse::<Schedule>() {
        assert_eq!(
            schedule.to_string().parse::<Schedule>(),
            Ok(schedule.clone())
        );
        let mut at = now;
        for _ in 0..5 {
            let Some(next) = schedule.next_after(at, &zone) else {
                break;
            };
            assert!(next > at, "{schedule}");
            at = next;
        }
    }
    shown::<TimeSpan>(&text);
    shown::<Size>(&text);
    shown::<Shard>(&text);
    drop(text.parse::<operator::WindowRule>());
    drop(text.parse::<RateRule>());
}

/// What is shown is read back the same.
fn shown<T: std::str::FromStr + std::fmt::Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let shown = value.to_string();
        let again = shown.parse::<T>().map(|again| again.to_string());
        assert_eq!(again.ok(), Some(shown));
    }
}
