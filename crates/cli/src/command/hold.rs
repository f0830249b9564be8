//! `postkeep hold`: what no policy takes away.

use engine::{Held, Hold, HoldOptions, HoldTarget, SearchOptions, SnapshotSelector, Vault};
use serde::Serialize;

use crate::args::{HoldAddArgs, HoldArgs, HoldCommand, HoldListArgs, HoldRemoveArgs};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, counted, cut, time};
use crate::interrupt::Interrupt;
use crate::platform;
use crate::progress::Progress;
use crate::when;

#[derive(Serialize)]
struct Document {
    holds: Vec<Hold>,
}

pub async fn run(context: &Context, args: HoldArgs) -> Result<Code> {
    match args.command {
        HoldCommand::Add(args) => add(context, args).await,
        HoldCommand::List(args) => list(context, args).await,
        HoldCommand::Remove(args) => remove(context, args).await,
    }
}

async fn add(context: &Context, args: HoldAddArgs) -> Result<Code> {
    let options = HoldOptions {
        who: who(args.who.as_deref())?,
        why: args.why.clone(),
        until_unix_ms: match &args.until {
            Some(text) => Some(when::moment(text, &when::zone(None)?)?.as_millisecond()),
            None => None,
        },
    };
    let vault = config::open_vault(context, &args.repository).await?;
    let target = target(context, &vault, &args).await?;
    let made = vault.hold(target, &options).await;
    let holds = made.map_err(|error| Failure::from(error).for_repository(&args.repository.repo))?;
    context.output.result(&Document { holds }, |document| {
        format!("held:\n{}", holds_table(&document.holds))
    })?;
    Ok(Code::Done)
}

async fn target(context: &Context, vault: &Vault, args: &HoldAddArgs) -> Result<HoldTarget> {
    if let Some(query) = &args.search {
        let parsed = vault.parse_query(query)?;
        let options = SearchOptions {
            mailbox: args.mailbox.clone(),
            snapshot: None,
            limit: usize::MAX,
        };
        let progress = Progress::new("index", context.output, &context.environment);
        let interrupt = Interrupt::watch(progress.clone(), "stopping; Ctrl-C again ends at once");
        let found = vault
            .search(&parsed, &options, interrupt.token(), progress.clone())
            .await;
        progress.finish();
        return Ok(HoldTarget::Items {
            query: query.clone(),
            hits: found?.hits,
        });
    }
    if let Some(id) = &args.snapshot {
        let selector: SnapshotSelector = id.parse()?;
        let mut found = vault.select(&selector, None).await?;
        if found.len() != 1 {
            return Err(Failure::usage("name one snapshot by its id").hint("postkeep snapshots"));
        }
        return Ok(HoldTarget::Snapshot(Box::new(found.remove(0))));
    }
    let mailbox = args.mailbox.clone().unwrap_or_default();
    if !config::is_address(&mailbox) {
        return Err(Failure::usage(format!(
            "{mailbox} is not a mailbox address"
        )));
    }
    Ok(HoldTarget::Mailbox(mailbox))
}

async fn list(context: &Context, args: HoldListArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let now = (context.environment.now_unix_ms)();
    let mut holds = vault.holds().await?;
    holds.retain(|hold| args.all || hold.is_active(now));
    context.output.result(&Document { holds }, |document| {
        match document.holds.is_empty() {
            true => "nothing is held\n".to_owned(),
            false => holds_table(&document.holds),
        }
    })?;
    Ok(Code::Done)
}

async fn remove(context: &Context, args: HoldRemoveArgs) -> Result<Code> {
    let options = HoldOptions {
        who: who(args.who.as_deref())?,
        why: args.why,
        until_unix_ms: None,
    };
    let vault = config::open_vault(context, &args.repository).await?;
    let released = vault.release_hold(&args.hold, &options).await;
    let hold = released.map_err(|error| {
        let failure = Failure::from(error).for_repository(&args.repository.repo);
        match failure.code {
            Code::NotFound => failure.hint("postkeep hold list"),
            _ => failure,
        }
    })?;
    let document = Document { holds: vec![hold] };
    context.output.result(&document, |document| {
        format!("released:\n{}", holds_table(&document.holds))
    })?;
    Ok(Code::Done)
}

/// Who asks: as given, or as the system knows the user.
pub fn who(given: Option<&str>) -> Result<String> {
    given
        .map(str::to_owned)
        .or_else(platform::user_name)
        .ok_or_else(|| Failure::usage("this machine does not say who you are").hint("--who NAME"))
}

/// Holds as people read them.
pub fn holds_table(holds: &[Hold]) -> String {
    let mut table = Columns::new(&["HOLD", "SINCE", "UNTIL", "MAILBOX", "WHAT", "WHO", "WHY"]);
    for hold in holds {
        let what = match &hold.held {
            Held::Mailbox => "all snapshots".to_owned(),
            Held::Snapshot { snapshot } => {
                format!("snapshot {}", snapshot.get(..10).unwrap_or(snapshot))
            }
            Held::Items { query, items } => {
                format!("{}: {}", counted(*items, "item"), cut(query, 40))
            }
        };
        let until = match (&hold.released, hold.until_unix_ms) {
            (Some(released), _) => {
                format!(
                    "released {} by {}",
                    time(released.time_unix_ms),
                    cut(&released.who, 20)
                )
            }
            (None, Some(until)) => time(until),
            (None, None) => "it is released".to_owned(),
        };
        table.row([
            hold.id.get(..10).unwrap_or(&hold.id).to_owned(),
            time(hold.time_unix_ms),
            until,
            cut(&hold.mailbox, 40),
            what,
            cut(&hold.who, 20),
            cut(&hold.why, 50),
        ]);
    }
    table.to_string()
}
