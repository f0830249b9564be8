//! `postkeep doctor`: what would keep backups from working, and what mends it.

use operator::{DestinationConfig, Finding, Health, Machine, doctor};
use serde::Serialize;

use crate::args::DoctorArgs;
use crate::config::Context;
use crate::exit::{Code, Result};
use crate::human::{counted, plain};
use crate::{operate, platform};

#[derive(Serialize)]
struct Document {
    good: bool,
    findings: Vec<Finding>,
}

pub async fn run(context: &Context, args: DoctorArgs) -> Result<Code> {
    let config = operate::load(&args.file)?;
    let cache_dir = config.cache_dir.clone().or_else(platform::cache_dir);
    let runner = operate::runner(context, config);
    for set in &args.sets {
        runner.set(set)?;
    }
    let sets = match args.sets.is_empty() {
        true => runner.config.sets.keys().cloned().collect(),
        false => args.sets.clone(),
    };
    let open = |config: &DestinationConfig| operate::open_store(&config.url, &context.environment);
    let machine = Machine::this(cache_dir.as_deref());
    let findings = doctor(&runner, &sets, &open, &machine).await;
    let document = Document {
        good: findings.iter().all(|finding| finding.health != Health::Bad),
        findings,
    };
    context.output.result(&document, people)?;
    Ok(match document.good {
        true => Code::Done,
        false => Code::Incomplete,
    })
}

fn people(document: &Document) -> String {
    let mut text = String::new();
    let mut of = "";
    for finding in &document.findings {
        if finding.of != of {
            of = &finding.of;
            text.push_str(&format!("{of}\n"));
        }
        let mark = match finding.health {
            Health::Good => "good",
            Health::Warning => "warn",
            Health::Bad => "BAD ",
            Health::Unknown => "?   ",
        };
        text.push_str(&format!(
            "  {mark}  {}: {}\n",
            finding.what,
            plain(&finding.told)
        ));
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("        try: {}\n", plain(fix)));
        }
    }
    let bad = document
        .findings
        .iter()
        .filter(|f| f.health == Health::Bad)
        .count() as u64;
    let warn = document
        .findings
        .iter()
        .filter(|f| f.health == Health::Warning)
        .count() as u64;
    text + &match (bad, warn) {
        (0, 0) => "all is well\n".to_owned(),
        (0, warn) => format!("it works, with {}\n", counted(warn, "warning")),
        (bad, _) => format!("{} to mend\n", counted(bad, "thing")),
    }
}
