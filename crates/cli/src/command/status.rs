//! `postkeep status`: every set at a glance.

use jiff::tz::TimeZone;
use operator::{Memory, Planner, SetStatus, status};
use serde::Serialize;

use super::schedule::now;
use crate::args::StatusArgs;
use crate::config::Context;
use crate::exit::{Code, Result};
use crate::human::{Columns, count, plain, time};
use crate::{operate, platform};

/// Mailboxes that are listed for people when all is well with them; `--json` lists all.
const MAX_GOOD: usize = 40;

#[derive(Serialize)]
struct Document {
    good: bool,
    sets: Vec<SetStatus>,
}

pub async fn run(context: &Context, args: StatusArgs) -> Result<Code> {
    let config = operate::load(&args.file, None)?;
    let memory = Memory::at(&operate::state_dir(&config)?);
    let zone = TimeZone::system();
    let seed = platform::machine_seed();
    let planner = Planner::looking(&config, &zone, seed, memory.load()?, now(context));
    let runner = operate::runner(context, config);
    let sets = status(&runner, &planner).await;
    let document = Document {
        good: sets.iter().all(|set| set.good),
        sets,
    };
    context.output.result(&document, people)?;
    Ok(match document.good {
        true => Code::Done,
        false => Code::Incomplete,
    })
}

fn people(document: &Document) -> String {
    let mut text = String::new();
    for set in &document.sets {
        if !text.is_empty() {
            text.push('\n');
        }
        let next = match set.next_run_unix_ms {
            _ if set.running => "running now".to_owned(),
            Some(at) => format!("next run {}", time(at)),
            None => "no schedule".to_owned(),
        };
        let word = if set.good { "good" } else { "NOT GOOD" };
        text.push_str(&format!("{}: {word}, {next}\n", set.set));
        for destination in &set.destinations {
            text.push_str(&of_destination(destination));
        }
    }
    text
}

fn of_destination(destination: &operator::DestinationStatus) -> String {
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
            mailbox.last_good_unix_ms.map_or("never".to_owned(), time),
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
