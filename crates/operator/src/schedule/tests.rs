use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str, zone: &TimeZone) -> Timestamp {
    let civil: DateTime = text.parse().unwrap();
    zone.to_ambiguous_timestamp(civil).compatible().unwrap()
}

/// The next times of a rule after a local time, in local time with the offset.
#[track_caller]
fn check(rule: &str, zone_name: &str, after: &str, expected: &[&str]) {
    let zone = zone(zone_name);
    let schedule: Schedule = rule.parse().unwrap();
    let mut time = at(after, &zone);
    let mut found = Vec::new();
    for _ in expected {
        time = schedule.next_after(time, &zone).unwrap();
        let zoned = time.to_zoned(zone.clone());
        found.push(zoned.strftime("%Y-%m-%d %H:%M %:z").to_string());
    }
    assert_eq!(found, expected, "{rule}");
}

#[test]
fn words_name_the_times_one_expects() {
    let berlin = "Europe/Berlin";
    check(
        "every 4h",
        berlin,
        "2026-01-05T00:30",
        &["2026-01-05 01:00 +01:00", "2026-01-05 05:00 +01:00"],
    );
    check(
        "hourly :15,:45",
        berlin,
        "2026-01-05T00:15",
        &["2026-01-05 00:45 +01:00", "2026-01-05 01:15 +01:00"],
    );
    check(
        "daily 22:00,06:30",
        berlin,
        "2026-01-05T06:30",
        &["2026-01-05 22:00 +01:00", "2026-01-06 06:30 +01:00"],
    );
    check(
        "weekly mon,thu 21:30",
        berlin,
        "2026-01-05T21:30",
        &["2026-01-08 21:30 +01:00", "2026-01-12 21:30 +01:00"],
    );
    check(
        "weekly fri-mon at 1:00",
        berlin,
        "2026-01-07T00:00",
        &[
            "2026-01-09 01:00 +01:00",
            "2026-01-10 01:00 +01:00",
            "2026-01-11 01:00 +01:00",
            "2026-01-12 01:00 +01:00",
            "2026-01-16 01:00 +01:00",
        ],
    );
}

#[test]
fn words_name_days_of_the_month_and_cron_expressions_theirs() {
    let berlin = "Europe/Berlin";
    check(
        "monthly last sun",
        berlin,
        "2026-01-05T00:00",
        &["2026-01-25 00:00 +01:00", "2026-02-22 00:00 +01:00"],
    );
    check(
        "monthly 2nd tuesday 03:00",
        berlin,
        "2026-01-05T00:00",
        &["2026-01-13 03:00 +01:00", "2026-02-10 03:00 +01:00"],
    );
    check(
        "monthly 1,31 03:00",
        berlin,
        "2026-01-31T03:00",
        &[
            "2026-02-01 03:00 +01:00",
            "2026-03-01 03:00 +01:00",
            "2026-03-31 03:00 +02:00",
        ],
    );
    check(
        "monthly last day 23:00",
        berlin,
        "2028-02-01T00:00",
        &["2028-02-29 23:00 +01:00", "2028-03-31 23:00 +02:00"],
    );
    check(
        "*/20 8-9 * * mon",
        berlin,
        "2026-01-05T08:50",
        &[
            "2026-01-05 09:00 +01:00",
            "2026-01-05 09:20 +01:00",
            "2026-01-05 09:40 +01:00",
            "2026-01-12 08:00 +01:00",
        ],
    );
    check(
        "0 3 * * SUN#L",
        berlin,
        "2026-01-05T00:00",
        &["2026-01-25 03:00 +01:00"],
    );
}

#[test]
fn a_time_that_spring_skips_comes_later_and_one_that_autumn_doubles_comes_once() {
    let berlin = "Europe/Berlin";
    let spring = [
        "2026-03-28 02:30 +01:00",
        "2026-03-29 03:30 +02:00",
        "2026-03-30 02:30 +02:00",
    ];
    check("daily 02:30", berlin, "2026-03-28T00:00", &spring);
    let cron = [
        "2026-03-28 02:30 +01:00",
        "2026-03-29 03:00 +02:00",
        "2026-03-30 02:30 +02:00",
    ];
    check("30 2 * * *", berlin, "2026-03-28T00:00", &cron);
    let autumn = ["2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"];
    check("daily 02:30", berlin, "2026-10-25T00:00", &autumn);
    check("30 2 * * *", berlin, "2026-10-25T00:00", &autumn);
    // Real time goes on: four hours stay four hours, and each hour is one.
    check(
        "every 4h",
        berlin,
        "2026-03-29T01:30",
        &["2026-03-29 06:00 +02:00", "2026-03-29 10:00 +02:00"],
    );
    check(
        "hourly",
        berlin,
        "2026-10-25T01:30",
        &[
            "2026-10-25 02:00 +02:00",
            "2026-10-25 02:00 +01:00",
            "2026-10-25 03:00 +01:00",
        ],
    );
    // The other half of the world, half an hour, midnight that is skipped, and a lost day.
    check(
        "daily 02:15",
        "Australia/Lord_Howe",
        "2026-10-03T03:00",
        &["2026-10-04 02:45 +11:00", "2026-10-05 02:15 +11:00"],
    );
    check(
        "daily",
        "America/Asuncion",
        "2023-09-30T12:00",
        &["2023-10-01 01:00 -03:00", "2023-10-02 00:00 -03:00"],
    );
    check(
        "daily 10:00",
        "Pacific/Apia",
        "2011-12-29T09:00",
        &[
            "2011-12-29 10:00 -10:00",
            "2011-12-31 10:00 +14:00",
            "2012-01-01 10:00 +14:00",
        ],
    );
}

#[test]
fn what_is_no_schedule_is_refused_with_a_hint() {
    let check = |text: &str, hint: &str| {
        let error = text.parse::<Schedule>().unwrap_err();
        assert!(error.contains(hint), "{text}: {error}");
    };
    check("dayly 22:00", "did you mean `daily`");
    check("22:00", "write it as");
    check("daily 25:00", "no time of the day");
    check("daily 7", "no time of the day");
    check("weekly 21:30", "no day of the week");
    check("weekly", "name days");
    check("weekly thrusday 1:00", "did you mean `thursday`");
    check("monthly 32", "no day of a month");
    check("every 10s", "shortest");
    check("every tuesday", "give a time");
    check("0 0 30 2 *", "never happens");
    check("61 * * * *", "cron");
    check("", "write it as");
}

fn window(rules: &[&str]) -> Window {
    Window {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        zone: zone("Europe/Berlin"),
    }
}

#[test]
fn windows_open_and_close_across_midnight_weekends_and_clock_changes() {
    let berlin = zone("Europe/Berlin");
    let at = |text: &str| at(text, &berlin);
    let nights = window(&["mon-fri 22:00-06:00", "sat,sun"]);
    assert!(!nights.is_open(at("2026-01-05T21:59")));
    assert!(nights.is_open(at("2026-01-05T22:00")));
    assert!(nights.is_open(at("2026-01-06T05:59")));
    assert!(!nights.is_open(at("2026-01-06T06:00")));
    assert_eq!(
        nights.closes_after(at("2026-01-05T23:00")),
        Some(at("2026-01-06T06:00"))
    );
    // Friday evening runs into the whole weekend, which ends on Monday at midnight.
    assert_eq!(
        nights.closes_after(at("2026-01-09T23:00")),
        Some(at("2026-01-12T00:00"))
    );
    assert_eq!(
        nights.next_open(at("2026-01-06T12:00")),
        Some(at("2026-01-06T22:00"))
    );
    assert_eq!(
        nights.next_open(at("2026-01-06T23:00")),
        Some(at("2026-01-06T23:00"))
    );
    // The night in which the clock goes forward is an hour shorter.
    let night = window(&["22:00-06:00"]);
    let closes = night.closes_after(at("2026-03-28T22:00")).unwrap();
    assert_eq!(
        closes.as_second() - at("2026-03-28T22:00").as_second(),
        7 * 3600
    );
    assert_eq!(
        window(&["00:00-24:00"]).closes_after(at("2026-01-05T21:59")),
        None
    );
    assert!(window(&[]).is_open(at("2026-01-05T21:59")));
    assert_eq!(window(&[]).closes_after(at("2026-01-05T21:59")), None);
}

#[test]
fn windows_that_make_no_sense_are_refused() {
    for wrong in [
        "",
        "22:00",
        "mon 22-23",
        "22:00-22:00",
        "blursday 22:00-23:00",
        "24:00-25:00",
    ] {
        assert!(wrong.parse::<WindowRule>().is_err(), "{wrong}");
    }
}

fn rules() -> impl Strategy<Value = String> {
    let time = (0..24_u8, 0..60_u8).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let day = prop::sample::select(vec!["mon", "tue", "wed-fri", "sat", "weekends"]);
    let nth = prop::sample::select(vec!["first", "2nd", "third", "last"]);
    let weekday = prop::sample::select(vec!["mon", "wed", "sun"]);
    prop_oneof![
        (1..3000_u32).prop_map(|minutes| format!("every {minutes}m")),
        (0..60_u8).prop_map(|minute| format!("hourly :{minute}")),
        time.clone().prop_map(|time| format!("daily {time}")),
        (day, time.clone()).prop_map(|(day, time)| format!("weekly {day} {time}")),
        (nth, weekday, time.clone()).prop_map(|(n, day, time)| format!("monthly {n} {day} {time}")),
        (1..32_u8, time).prop_map(|(day, time)| format!("monthly {day} {time}")),
        (0..60_u8, 0..24_u8).prop_map(|(minute, hour)| format!("{minute} {hour} * * *")),
    ]
}

const ZONES: [&str; 5] = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Looking from any moment between two runs finds the second one: no run is skipped or moved
    /// by when somebody happens to look.
    #[test]
    fn the_next_run_does_not_depend_on_when_one_looks(
        rule in rules(), zone_name in prop::sample::select(ZONES.to_vec()),
        start in 1_262_304_000_i64..2_000_000_000, part in 0.0..1.0_f64,
    ) {
        let zone = zone(zone_name);
        let schedule: Schedule = rule.parse().unwrap();
        let start = Timestamp::from_second(start).unwrap();
        let first = schedule.next_after(start, &zone).unwrap();
        let second = schedule.next_after(first, &zone).unwrap();
        prop_assert!(start < first && first < second);
        let gap = (second.as_second() - first.as_second()) as f64;
        let look = Timestamp::from_second(first.as_second() + (gap * part) as i64).unwrap();
        let look = look.min(second - std::time::Duration::from_secs(1));
        prop_assert_eq!(schedule.next_after(look, &zone), Some(second), "{} {}", rule, zone_name);
    }

    /// With jitter no run is lost or doubled, each lies within its span, and the order holds.
    #[test]
    fn jitter_moves_runs_within_its_span_and_loses_none(
        rule in rules(), minutes in 0..600_u64, seed: u64, start in 1_600_000_000_i64..1_900_000_000,
    ) {
        let table = |jitter| Timetable {
            schedules: vec![rule.parse().unwrap()],
            zone: zone("Europe/Berlin"),
            jitter: TimeSpan::secs(jitter),
            seed,
        };
        let (plain, moved) = (table(0), table(minutes * 60));
        let start = Timestamp::from_second(start).unwrap();
        let mut from = start;
        let mut nominal = Vec::new();
        for _ in 0..20 {
            let found = moved.next_after(from).unwrap();
            prop_assert!(found.at > from);
            let delay = found.at.as_second() - found.nominal.as_second();
            prop_assert!((0..=(minutes * 60) as i64).contains(&delay));
            nominal.push(found.nominal);
            from = found.at;
        }
        let mut sorted = nominal.clone();
        sorted.sort();
        sorted.dedup();
        // Two runs may fall on one second, where one stands for both.
        prop_assert!(sorted.len() == 20);
        let (first, last) = (sorted[0], sorted[19]);
        let mut expected = 0;
        let mut time = first - std::time::Duration::from_secs(1);
        while let Some(found) = plain.next_after(time).filter(|found| found.at <= last) {
            expected += 1;
            time = found.at;
        }
        // At the edges a run of the span can lie outside of the twenty.
        let edges = (minutes * 60 / 60 + 2) as usize;
        prop_assert!(expected >= 20 && expected <= 20 + edges, "{} {}", expected, rule);
    }

    /// Within an open window the closing time is the first at which it is closed.
    #[test]
    fn a_window_is_open_until_it_closes(
        from in 0..1440_u32, to in 0..1440_u32, minute in 28_401_120_i64..28_926_720,
    ) {
        prop_assume!(from != to);
        let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let window = window(&[&format!("{}-{}", clock(from), clock(to)), "tue 03:00-04:00"]);
        let time = Timestamp::from_second(minute * 60).unwrap();
        let open = window.next_open(time).unwrap();
        prop_assert!(open >= time && window.is_open(open));
        if open > time {
            prop_assert!(!window.is_open(open - std::time::Duration::from_secs(1)));
        }
        let closes = window.closes_after(open).unwrap();
        prop_assert!(!window.is_open(closes));
        prop_assert!(window.is_open(closes - std::time::Duration::from_secs(1)));
    }
}
