//! `postkeep check`: looks for damage.

use engine::{DamagedObject, PartRead, ReadData, VaultCheck};

use super::{MAX_NAMED, and_more};
use crate::args::CheckArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Result};
use crate::human::{bytes, count, counted, cut, plain, short_key, time};
use crate::progress::Progress;

pub async fn run(context: &Context, args: CheckArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let progress = Progress::new("check", context.output, &context.environment);
    let read = match (args.rotate, args.read_data_part) {
        (Some(parts), _) => ReadData::Rotate(parts),
        (None, Some(part)) => ReadData::Part(part),
        (None, None) if args.read_data => ReadData::All,
        (None, None) => ReadData::None,
    };
    let checked = vault.check_data(read, progress.clone()).await;
    progress.finish();
    let check = checked?;
    context.output.result(&check, |check| people(check, read))?;
    Ok(if check.is_clean() {
        Code::Done
    } else {
        Code::Damage
    })
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
    let items = &check.items_damaged;
    text.push_str(&format!(
        "items that cannot be restored whole: {}\n",
        count(items.len() as u64)
    ));
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
    text + &and_more(items.len())
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
