//! `postkeep versions`: all versions of an item.

use engine::{Changed, ItemHistory, ItemVersion};

use crate::args::VersionsArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, bytes, cut, plain, short_key, time};

pub async fn run(context: &Context, args: VersionsArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let found = vault.versions(&args.item, args.mailbox.as_deref()).await;
    let history =
        found.map_err(|error| Failure::from(error).for_repository(&args.repository.repo))?;
    context.output.result(&history, people)?;
    Ok(Code::Done)
}

fn people(history: &ItemHistory) -> String {
    let subject = history
        .versions
        .last()
        .map_or("", |last| &last.summary.subject);
    let mut text = format!("{}  {}\n", plain(&history.mailbox), cut(subject, 80));
    let mut table = Columns::new(&[
        "FIRST SEEN",
        "LAST SEEN",
        "SNAPSHOT",
        "ITEM",
        "FOLDER",
        ">SIZE",
        "CHANGED",
    ]);
    for version in &history.versions {
        table.row([
            time(version.first_unix_ms),
            time(version.last_unix_ms),
            version
                .snapshot
                .get(..10)
                .unwrap_or(&version.snapshot)
                .to_owned(),
            short_key(&version.key).to_owned(),
            cut(&version.folder, 30),
            bytes(version.bytes),
            changes(version),
        ]);
    }
    text.push_str(&table.to_string());
    if let Some(gone) = history.gone_unix_ms {
        text.push_str(&format!("gone in the snapshot of {}\n", time(gone)));
    }
    if let Some(last) = history.versions.last() {
        let snapshot = last.snapshot.get(..10).unwrap_or(&last.snapshot);
        let key = short_key(&last.key);
        text.push_str(&format!(
            "one of them: postkeep cat --snapshot {snapshot} {key}; export and restore take \
             --snapshot {snapshot} --item {key}\n"
        ));
    }
    text
}

fn changes(version: &ItemVersion) -> String {
    let read = match version.is_read {
        Some(false) => "unread",
        _ => "read",
    };
    let mut words: Vec<&str> = version
        .changed
        .iter()
        .map(|changed| match changed {
            Changed::New => "new",
            Changed::Folder => "moved",
            Changed::ReadState => read,
            Changed::Flag => "flag",
            Changed::Categories => "categories",
            Changed::Subject => "subject",
            Changed::Body => "text",
            Changed::Recipients => "recipients",
            Changed::Attachments => "attachments",
            Changed::Times => "times",
            Changed::Content => "content",
        })
        .collect();
    if version.lost {
        words.push("(lost: its bytes are damaged)");
    }
    if version.kept {
        words.push("(kept)");
    }
    words.join(", ")
}
