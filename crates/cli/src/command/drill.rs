//! `postkeep drill`: proves that backups come back.

use std::path::{Path, PathBuf};

use engine::{Drill, DrillOptions, Exchange, KeptDrill, SignatureState, Timestamp};
use serde::Serialize;

use super::{failed_items, verify};
use crate::args::DrillArgs;
use crate::config::{self, Account, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, count, counted, plain, time};
use crate::interrupt::Interrupt;
use crate::platform;
use crate::probe::{self, Probe};
use crate::progress::Progress;

#[derive(Serialize)]
struct Past {
    drills: Vec<Shown>,
}

/// A result, what its signature says, and the file it was written to.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    drill: Drill,
    signature: SignatureState,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

pub async fn run(context: &Context, args: DrillArgs) -> Result<Code> {
    if args.list {
        let vault = config::open_vault(context, &args.repository).await?;
        let drills = vault.drills(args.limit).await?;
        let drills = drills
            .into_iter()
            .map(|kept| show(kept, args.out.as_deref()));
        let drills = drills.collect::<Result<_>>()?;
        context.output.result(&Past { drills }, past)?;
        return Ok(Code::Done);
    }
    let account = account(context, &args)?;
    let vault = config::open_vault(context, &args.repository).await?;
    let snapshots = config::snapshots(&vault, &args.snapshot).await?;
    let now = (context.environment.now_unix_ms)();
    let mut options = DrillOptions {
        items: args.items,
        to_mailbox: probe::MAILBOX.to_owned(),
        to_folder: format!("Drill {}", time(now).replace(':', ".")),
        recorded: false,
        place: "this program's simulator".to_owned(),
        by: format!(
            "{} on {}",
            concat!("postkeep ", env!("CARGO_PKG_VERSION")),
            platform::machine_name()
        ),
    };
    let progress = Progress::new("drill", context.output, &context.environment);
    let interrupt = Interrupt::watch(
        progress.clone(),
        "stopping after the requests under way; Ctrl-C again ends at once",
    );
    let mut own = None;
    let exchange: &Exchange = match &account {
        Some((exchange, mailbox)) => {
            options.to_mailbox.clone_from(mailbox);
            options.recorded = true;
            options.place = format!("{mailbox} at {}", exchange.server());
            exchange
        }
        None => {
            &own.insert(Probe::start(&context.environment).await?)
                .exchange
        }
    };
    let token = interrupt.token();
    let drill = vault
        .drill(&snapshots, exchange, &options, token, progress.clone())
        .await;
    progress.finish();
    let shown = show(drill?, args.out.as_deref())?;
    context.output.result(&shown, people)?;
    Ok(match (token.is_cancelled(), shown.drill.passed) {
        (true, _) => Code::Interrupted,
        (false, true) => Code::Done,
        (false, false) => Code::Damage,
    })
}

/// Writes a result and its signature into a folder, if one is given.
fn show(kept: KeptDrill, folder: Option<&Path>) -> Result<Shown> {
    let file = match folder {
        Some(folder) => Some(write(&kept, folder)?),
        None => None,
    };
    Ok(Shown {
        drill: kept.drill,
        signature: kept.signed,
        file,
    })
}

fn write(kept: &KeptDrill, folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::io(format!("make the folder {}", folder.display()), &error))?;
    let started = Timestamp::from_millisecond(kept.drill.started_unix_ms).unwrap_or_default();
    let file = folder.join(
        started
            .strftime("drill-%Y-%m-%dT%H-%M-%S.%3fZ.json")
            .to_string(),
    );
    let signature = verify::signature_of(&file);
    for (file, text) in [(&file, &kept.document), (&signature, &kept.signature)] {
        // Results kept before drills were signed have none.
        if !text.is_empty() {
            std::fs::write(file, text)
                .map_err(|error| Failure::io(format!("write {}", file.display()), &error))?;
        }
    }
    Ok(file)
}

/// Where to, if not into the simulator: who signs in, and the probe mailbox.
fn account(context: &Context, args: &DrillArgs) -> Result<Option<(Exchange, String)>> {
    let (Some(server), Some(mailbox)) = (&args.to_server, &args.to_mailbox) else {
        return Ok(None);
    };
    config::mailbox_name(mailbox)?;
    let Some(account) = args.account.account() else {
        return Err(Failure::usage("a drill on a server needs an account").hint("--user NAME"));
    };
    let exchange = Account::new(context, &account)?.at(&config::server_url(server)?)?;
    Ok(Some((exchange, mailbox.clone())))
}

fn people(shown: &Shown) -> String {
    let drill = &shown.drill;
    let mut table = Columns::new(&["MAILBOX", "SNAPSHOT", "MADE", ">ITEMS", ">TRIED", ">EQUAL"]);
    for line in &drill.snapshots {
        table.row([
            line.mailbox.clone(),
            line.snapshot.get(..10).unwrap_or(&line.snapshot).to_owned(),
            time(line.time_unix_ms),
            count(line.items),
            count(line.sampled),
            count(line.equal),
        ]);
    }
    let mut text = format!("{table}\n");
    for line in &drill.snapshots {
        if let Some(error) = &line.error {
            text.push_str(&format!("{}: {}\n", plain(&line.mailbox), plain(error)));
        }
        if !line.failures.is_empty() {
            text.push_str(&failed_items("not restored as it was", &line.failures));
        }
    }
    let equal: u64 = drill.snapshots.iter().map(|line| line.equal).sum();
    text.push_str(&match drill.passed {
        true => format!(
            "passed: {} restored into {}, read back and found equal\n",
            counted(equal, "item"),
            plain(&drill.place)
        ),
        false => "NOT passed\n".to_owned(),
    });
    text.push_str(&written(shown));
    text
}

fn written(shown: &Shown) -> String {
    match &shown.file {
        Some(file) => format!("written to {}\n", file.display()),
        None => String::new(),
    }
}

fn past(past: &Past) -> String {
    if past.drills.is_empty() {
        return "there was no drill yet\n".to_owned();
    }
    let mut table = Columns::new(&[
        "WHEN",
        "",
        "SIGNATURE",
        ">SNAPSHOTS",
        ">TRIED",
        ">EQUAL",
        "WHERE",
        "BY",
    ]);
    for shown in &past.drills {
        let drill = &shown.drill;
        let sum = |of: fn(&engine::DrilledSnapshot) -> u64| drill.snapshots.iter().map(of).sum();
        table.row([
            time(drill.started_unix_ms),
            if drill.passed { "passed" } else { "NOT passed" }.to_owned(),
            match shown.signature {
                SignatureState::Good => "good",
                SignatureState::Unknown => "none of this repository",
                SignatureState::Bad => "BAD",
            }
            .to_owned(),
            count(drill.snapshots.len() as u64),
            count(sum(|line| line.sampled)),
            count(sum(|line| line.equal)),
            drill.place.clone(),
            drill.by.clone(),
        ]);
    }
    let mut text = table.to_string();
    for shown in &past.drills {
        text.push_str(&written(shown));
    }
    text
}
