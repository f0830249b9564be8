//! `postkeep check`: looks for damage.

use engine::{
    DamagedItem, DamagedObject, Donors, PackRepairOptions, PackRepairReport, PartRead, ReadData,
    VaultCheck,
};
use serde::Serialize;

use super::{MAX_NAMED, and_more};
use crate::args::CheckArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Result};
use crate::human::{bytes, count, counted, cut, plain, short_key, time};
use crate::other;
use crate::progress::Progress;

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    check: VaultCheck,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<PackRepairReport>,
}

pub async fn run(context: &Context, args: CheckArgs) -> Result<Code> {
    let (vault, other) = match &args.repair_from {
        Some(url) => {
            let both = other::open_both(context, &args.repository, &args.other, url).await?;
            (both.0, Some(both.1))
        }
        None => (config::open_vault(context, &args.repository).await?, None),
    };
    let progress = Progress::new("check", context.output, &context.environment);
    let read = match (args.rotate, args.read_data_part) {
        (Some(parts), _) => ReadData::Rotate(parts),
        (None, Some(part)) => ReadData::Part(part),
        (None, None) if args.read_data => ReadData::All,
        (None, None) => ReadData::None,
    };
    let checked = vault.check_data(read, progress.clone()).await;
    progress.finish();
    let mut document = Document {
        check: checked?,
        repair: None,
    };
    if let Some(other) = other.filter(|_| !document.check.is_clean()) {
        let progress = Progress::new("repair", context.output, &context.environment);
        let donors = Donors {
            other: Some(&other),
            exchange: None,
        };
        let options = PackRepairOptions {
            quick: !args.read_data,
            dry_run: false,
        };
        let repaired = vault.repair_packs(donors, options, progress.clone()).await;
        progress.finish();
        document.repair = Some(repaired?);
    }
    let show = |document: &Document| {
        let repair = document.repair.as_ref().map(super::repair::packs_text);
        people(&document.check, read) + &repair.unwrap_or_default()
    };
    context.output.result(&document, show)?;
    let is_whole = match &document.repair {
        Some(repair) => repair.is_whole(),
        None => document.check.is_clean(),
    };
    Ok(if is_whole { Code::Done } else { Code::Damage })
}

fn people(check: &VaultCheck, read: ReadData) -> String {
    let mut text = format!(
        "checked {} ({} read), {}, {}\n",
        counted(check.objects, "object"),
        bytes(check.bytes),
        counted(check.snapshots, "snapshot"),
        counted(check.items, "item version"),
    );
    if let Some(part) = &check.part {
        text.push_str(&part_text(part));
    }
    if check.chunks_not_opened > 0 {
        text.push_str(&format!(
            "{} not opened: a writer's key compares the hashes of packs; one that reads looks into \
             them\n",
            counted(check.chunks_not_opened, "chunk")
        ));
    }
    if check.is_clean() {
        text.push_str("no damage found\n");
        if read == ReadData::None {
            text.push_str(
                "names, lengths and headers were looked at; --read-data reads all bytes\n",
            );
        }
        return text;
    }
    objects(&mut text, "damaged objects", &check.objects_damaged);
    objects(
        &mut text,
        "snapshots that cannot be read",
        &check.snapshots_damaged,
    );
    let heading = "items that cannot be restored whole";
    items(&mut text, heading, &check.items_damaged);
    text
}

/// Names damaged items, under a heading.
pub fn items(text: &mut String, heading: &str, items: &[DamagedItem]) {
    if items.is_empty() {
        return;
    }
    text.push_str(&format!("{heading}: {}\n", count(items.len() as u64)));
    for item in items.iter().take(MAX_NAMED) {
        text.push_str(&format!(
            "  {}  {}  {}  {}  {}\n",
            plain(&item.mailbox),
            item.snapshot,
            plain(&item.folder),
            short_key(&item.key),
            cut(&item.subject, 60)
        ));
    }
    text.push_str(&and_more(items.len()));
}

/// Which part was read, and how far round the machine is.
fn part_text(part: &PartRead) -> String {
    let mut text = format!("read part {} of {}", part.number, part.of);
    if let Some(since) = part.all_since_unix_ms {
        text.push_str(&format!("; everything was read since {}", time(since)));
    } else if let Some(read) = part.parts_read {
        text.push_str(&format!("; {read} of {} read so far", part.of));
    }
    text + "\n"
}

pub fn objects(text: &mut String, heading: &str, objects: &[DamagedObject]) {
    if objects.is_empty() {
        return;
    }
    text.push_str(&format!("{heading}: {}\n", count(objects.len() as u64)));
    for object in objects.iter().take(MAX_NAMED) {
        text.push_str(&format!(
            "  {}: {}\n",
            plain(&object.object),
            plain(&object.what)
        ));
    }
    text.push_str(&and_more(objects.len()));
}
