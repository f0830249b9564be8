//! `postkeep status`: every set at a glance.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use operator::{Memory, Planner, SetStatus, status};
use serde::Serialize;

use super::schedule::now;
use crate::args::StatusArgs;
use crate::config::Context;
use crate::exit::{Code, Result};
use crate::human::{Columns, count, plain, time_in};
use crate::{operate, platform};

/// Mailboxes that are listed for people when all is well with them; `--json` lists all.
const MAX_GOOD: usize = 40;

#[derive(Serialize)]
struct Document {
    good: bool,
    sets: Vec<SetStatus>,
}

pub async fn run(context: &Context, args: StatusArgs) -> Result<Code> {
    let config = operate::load(&args.file)?;
    let memory = Memory::at(&operate::state_dir(&config)?);
    let zone = TimeZone::system();
    let seed = platform::machine_seed();
    let planner = Planner::looking(&config, &zone, seed, memory.load()?, now(context));
    // Times stand in the clock that the set's schedule follows.
    let zones: BTreeMap<_, _> = config
        .sets
        .iter()
        .map(|(name, set)| (name.clone(), config.zone_of(set, &zone)))
        .collect();
    let runner = operate::runner(context, config);
    let sets = status(&runner, &planner).await;
    let document = Document {
        good: sets.iter().all(|set| set.good),
        sets,
    };
    context.output.result(&document, |document| {
        let sets = document.sets.iter();
        let sets = sets.map(|set| people(set, zones.get(&set.set).unwrap_or(&zone)));
        sets.collect::<Vec<_>>().join("\n")
    })?;
    Ok(match document.good {
        true => Code::Done,
        false => Code::Incomplete,
    })
}

fn people(set: &SetStatus, zone: &TimeZone) -> String {
    let next = match set.next_run_unix_ms {
        _ if set.running => "running now".to_owned(),
        Some(at) => format!("next run {}", time_in(zone, at)),
        None => "no schedule".to_owned(),
    };
    let word = if set.good { "good" } else { "NOT GOOD" };
    let destinations = set.destinations.iter();
    let destinations: String = destinations
        .map(|place| of_destination(place, zone))
        .collect();
    format!("{}: {word}, {next}\n{destinations}", set.set)
}

fn of_destination(destination: &operator::DestinationStatus, zone: &TimeZone) -> String {
    let mut text = format!("  {}", destination.name);
    match (&destination.error, &destination.last_run) {
        (Some(error), _) => text.push_str(&format!(": {}\n", plain(error))),
        (None, Some(last)) => text.push_str(&format!(": {}\n", plain(last))),
        (None, None) => text.push_str(": no run yet\n"),
    }
    let mut table = Columns::new(&["    MAILBOX", "LAST GOOD", ">AGE", ">ITEMS", ">SHARD", ""]);
    let (late, good): (Vec<_>, Vec<_>) = destination.mailboxes.iter().partition(|m| m.late);
    let hidden = good.len().saturating_sub(MAX_GOOD);
    for mailbox in late.iter().chain(good.iter().take(MAX_GOOD)) {
        table.row([
            format!("    {}", mailbox.mailbox),
            mailbox
                .last_good_unix_ms
                .map_or("never".to_owned(), |at| time_in(zone, at)),
            mailbox.age_ms.map_or(String::new(), age),
            count(mailbox.items),
            mailbox
                .shard
                .map_or(String::new(), |shard| shard.to_string()),
            if mailbox.late { "LATE" } else { "" }.to_owned(),
        ]);
    }
    if destination.error.is_none() {
        text.push_str(&table.to_string());
    }
    if hidden > 0 {
        text.push_str(&format!(
            "    and {} more, all good\n",
            count(hidden as u64)
        ));
    }
    text
}

/// An age in its largest unit.
fn age(ms: u64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}
