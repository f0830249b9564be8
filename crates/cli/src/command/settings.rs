//! `postkeep settings`: what mailboxes have beside items.

use std::fs;

use engine::{
    Setting, SettingChange, SettingOutcome, SettingVersion, SettingsRestoreOptions,
    SettingsRestoreReport, Snapshot, SnapshotSelector, UserMap, Vault,
};
use serde::Serialize;

use crate::args::{
    SettingsArgs, SettingsCommand, SettingsDiffArgs, SettingsExportArgs, SettingsHistoryArgs,
    SettingsListArgs, SettingsRestoreArgs, SettingsSelectionArgs, SettingsShowArgs, SnapshotArgs,
};
use crate::config::{self, Account, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, cut, plain, time};

/// Characters of a setting that a list shows.
const SHOWN_CHARS: usize = 60;

#[derive(Serialize)]
struct Document {
    snapshots: Vec<Settings>,
}

#[derive(Serialize)]
struct Settings {
    mailbox: String,
    snapshot: String,
    time_unix_ms: i64,
    /// When they were read; absent: the snapshot has none.
    read_unix_ms: Option<i64>,
    /// What could not be read then.
    unread: Vec<engine::SettingGap>,
    settings: Vec<Setting>,
}

pub async fn run(context: &Context, args: SettingsArgs) -> Result<Code> {
    match args.command {
        SettingsCommand::List(args) => list(context, args).await,
        SettingsCommand::Show(args) => show(context, args).await,
        SettingsCommand::Diff(args) => diff(context, args).await,
        SettingsCommand::History(args) => history(context, args).await,
        SettingsCommand::Export(args) => export(context, args).await,
        SettingsCommand::Restore(args) => restore(context, *args).await,
    }
}

async fn list(context: &Context, args: SettingsListArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let document = read(&vault, &args.snapshot, &args.selection).await?;
    context.output.result(&document, |document| {
        let parts = document.snapshots.iter().map(listed);
        parts.collect::<Vec<_>>().join("\n")
    })?;
    Ok(Code::Done)
}

async fn show(context: &Context, args: SettingsShowArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let document = read(&vault, &args.snapshot, &args.selection).await?;
    context.output.result(&document, |document| {
        let parts = document.snapshots.iter().map(|one| shown(one, args.xml));
        parts.collect::<Vec<_>>().join("\n")
    })?;
    Ok(Code::Done)
}

/// The settings of the snapshots that are meant.
async fn read(
    vault: &Vault,
    chosen: &SnapshotArgs,
    selection: &SettingsSelectionArgs,
) -> Result<Document> {
    let selector = config::selector(chosen)?;
    let mut document = Document {
        snapshots: Vec::new(),
    };
    for snapshot in vault.select(&selector, chosen.mailbox.as_deref()).await? {
        let settings = vault.settings(&snapshot, &selection.options()).await?;
        document.snapshots.push(Settings::of(snapshot, settings));
    }
    Ok(document)
}

impl Settings {
    fn of(snapshot: Snapshot, settings: Vec<Setting>) -> Self {
        let read = snapshot.about.settings;
        Self {
            read_unix_ms: read.as_ref().map(|read| read.read_unix_ms),
            unread: read.map(|read| read.unread).unwrap_or_default(),
            mailbox: snapshot.mailbox,
            snapshot: snapshot.id,
            time_unix_ms: snapshot.time_unix_ms,
            settings,
        }
    }

    fn heading(&self) -> String {
        let id = self.snapshot.get(..10).unwrap_or(&self.snapshot);
        let read = match self.read_unix_ms {
            Some(read) => format!("settings as of {}", time(read)),
            None => "no settings: the backup was told not to read them".to_owned(),
        };
        let when = time(self.time_unix_ms);
        format!("{}  {id}  {when}  {read}\n\n", plain(&self.mailbox))
    }

    /// What could not be read.
    fn footing(&self) -> String {
        let lines = self.unread.iter();
        let lines = lines.map(|gap| plain(&format!("not read: {}: {}", gap.what, gap.reason)));
        lines.map(|line| line + "\n").collect()
    }
}

fn folder_of(folder: Option<&str>) -> String {
    match folder {
        Some("") => "(top of the mailbox)".to_owned(),
        Some(path) => plain(path),
        None => String::new(),
    }
}

fn listed(settings: &Settings) -> String {
    let mut table = Columns::new(&["SETTING", "FOLDER", ">LINES", "BEGINNING"]);
    for setting in &settings.settings {
        table.row([
            setting.kind.name().to_owned(),
            folder_of(setting.folder.as_deref()),
            setting.lines.len().to_string(),
            cut(
                setting.lines.first().map_or("", String::as_str),
                SHOWN_CHARS,
            ),
        ]);
    }
    format!("{}{table}{}", settings.heading(), settings.footing())
}

fn title(kind: &str, folder: Option<&str>) -> String {
    match folder {
        Some(folder) => format!("{kind} of {}\n", folder_of(Some(folder))),
        None => format!("{kind}\n"),
    }
}

fn shown(settings: &Settings, as_xml: bool) -> String {
    let mut text = settings.heading();
    for setting in &settings.settings {
        text.push_str(&title(setting.kind.name(), setting.folder.as_deref()));
        if as_xml {
            text.push_str(&format!("  {}\n", plain(&setting.xml)));
            continue;
        }
        for line in &setting.lines {
            text.push_str(&format!("  {}\n", plain(line)));
        }
    }
    text + &settings.footing()
}

#[derive(Serialize)]
struct Differences {
    mailbox: String,
    first: String,
    second: String,
    changes: Vec<SettingChange>,
}

async fn diff(context: &Context, args: SettingsDiffArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let first = only(vault.select(&args.from.parse()?, None).await?)?;
    let to: SnapshotSelector = args.to.parse()?;
    let second = only(vault.select(&to, Some(&first.mailbox)).await?)?;
    let options = args.selection.options();
    let changes = vault.settings_diff(&first, &second, &options).await?;
    let document = Differences {
        mailbox: first.mailbox,
        first: first.id,
        second: second.id,
        changes,
    };
    context.output.result(&document, |document| {
        let text: String = document.changes.iter().map(change).collect();
        if text.is_empty() {
            return format!("{}: no difference\n", plain(&document.mailbox));
        }
        text
    })?;
    Ok(Code::Done)
}

fn only(mut snapshots: Vec<Snapshot>) -> Result<Snapshot> {
    match snapshots.pop() {
        Some(snapshot) if snapshots.is_empty() => Ok(snapshot),
        _ => Err(Failure::usage("that means several snapshots").hint("give a snapshot's id")),
    }
}

fn change(change: &SettingChange) -> String {
    let heading = title(change.kind.name(), change.folder.as_deref());
    heading + &lines(&change.removed, &change.added)
}

/// Lines that went, and lines that came.
fn lines(removed: &[String], added: &[String]) -> String {
    let removed = removed.iter().map(|line| format!("  - {}\n", plain(line)));
    let added = added.iter().map(|line| format!("  + {}\n", plain(line)));
    let text: String = removed.chain(added).collect();
    if text.is_empty() {
        return "  changed beyond what is shown\n".to_owned();
    }
    text
}

#[derive(Serialize)]
struct History {
    mailbox: String,
    versions: Vec<SettingVersion>,
}

async fn history(context: &Context, args: SettingsHistoryArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let options = args.selection.options();
    let versions = vault.settings_history(&args.mailbox, &options).await?;
    let document = History {
        mailbox: args.mailbox,
        versions,
    };
    context.output.result(&document, |document| {
        let mut text = String::new();
        for version in &document.versions {
            let id = version.snapshot.get(..10).unwrap_or(&version.snapshot);
            text.push_str(&format!("{}  {id}\n", time(version.time_unix_ms)));
            text.extend(version.changes.iter().map(change));
        }
        if text.is_empty() {
            return "no settings in any snapshot\n".to_owned();
        }
        text
    })?;
    Ok(Code::Done)
}

#[derive(Serialize)]
struct Exported {
    files: Vec<String>,
}

async fn export(context: &Context, args: SettingsExportArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let document = read(&vault, &args.snapshot, &args.selection).await?;
    let failed = |what: String| move |error: std::io::Error| Failure::io(what, &error);
    fs::create_dir_all(&args.out).map_err(failed(format!("create {}", args.out.display())))?;
    let mut files = Vec::new();
    for settings in &document.snapshots {
        let safe = |c: char| match c {
            c if c.is_alphanumeric() || "@.-_".contains(c) => c,
            _ => '_',
        };
        let name: String = settings.mailbox.chars().map(safe).collect();
        let path = args.out.join(format!("{name}.settings.json"));
        let text = serde_json::to_vec_pretty(settings).map_err(|error| {
            Failure::new(
                Code::Internal,
                format!("write the settings as JSON: {error}"),
            )
        })?;
        fs::write(&path, text).map_err(failed(format!("write {}", path.display())))?;
        files.push(path.display().to_string());
    }
    let document = Exported { files };
    context.output.result(&document, |document| {
        let lines = document.files.iter();
        lines.map(|file| format!("wrote {file}\n")).collect()
    })?;
    Ok(Code::Done)
}

#[derive(Serialize)]
struct Restores {
    restores: Vec<Restored>,
}

#[derive(Serialize)]
struct Restored {
    from_mailbox: String,
    snapshot: String,
    server: String,
    #[serde(flatten)]
    report: SettingsRestoreReport,
}

async fn restore(context: &Context, args: SettingsRestoreArgs) -> Result<Code> {
    if args.selection.kinds.is_empty() && args.selection.folders.is_empty() {
        return Err(Failure::usage("which settings?")
            .hint("permissions, delegates, rules, oof, categories, regional, work-hours, calendar, or all"));
    }
    if let Some(to) = &args.to_mailbox {
        config::mailbox_name(to)?;
    }
    let map = args.user_map.as_ref().map(|file| {
        let csv = fs::read_to_string(file)
            .map_err(|error| Failure::io(format!("read {}", file.display()), &error))?;
        Ok::<_, Failure>(UserMap::parse(&csv)?)
    });
    let map = map.transpose()?;
    let account = Account::new(context, &args.account)?;
    let vault = config::open_vault(context, &args.repository).await?;
    let selector = config::selector(&args.snapshot)?;
    let chosen = vault
        .select(&selector, args.snapshot.mailbox.as_deref())
        .await?;
    if let (Some(to), [first, _, ..]) = (&args.to_mailbox, chosen.as_slice()) {
        let message = format!(
            "that means {} mailboxes, and {to} is only one",
            chosen.len()
        );
        return Err(Failure::usage(message).hint(format!("--mailbox {}", first.mailbox)));
    }
    let mut document = Restores {
        restores: Vec::new(),
    };
    for snapshot in chosen {
        let mapped = map.as_ref().and_then(|map| map.target(&snapshot.mailbox));
        let options = SettingsRestoreOptions {
            settings: args.selection.options(),
            to_mailbox: args.to_mailbox.clone().or(mapped),
            user_map: map.clone(),
            is_exact: args.exact,
            discards_outlook_rules: args.discard_outlook_rules,
            dry_run: args.dry_run,
        };
        let named = args.to_server.as_deref();
        let server = config::server_url(named.unwrap_or(&snapshot.about.server))?;
        let exchange = account.at(&server)?;
        let done = vault.restore_settings(&snapshot, &exchange, &options).await;
        let report = done.map_err(|error| {
            Failure::from(error)
                .for_user(&args.account.user)
                .for_repository(&args.repository.repo)
        })?;
        document.restores.push(Restored {
            from_mailbox: snapshot.mailbox.clone(),
            snapshot: snapshot.id.clone(),
            server: server.to_string(),
            report,
        });
    }
    context.output.result(&document, |document| {
        let parts = document.restores.iter().map(restored);
        parts.collect::<Vec<_>>().join("\n")
    })?;
    let complete = document.restores.iter().all(|one| one.report.is_complete());
    Ok(if complete {
        Code::Done
    } else {
        Code::Incomplete
    })
}

fn restored(restored: &Restored) -> String {
    let report = &restored.report;
    let id = restored.snapshot.get(..10).unwrap_or(&restored.snapshot);
    let mut text = plain(&format!(
        "{} {id} -> {} at {}",
        restored.from_mailbox, report.mailbox, restored.server
    ));
    text.push_str("\n\n");
    let mut same = 0;
    for setting in &report.settings {
        let folder = setting.folder.as_deref();
        match setting.outcome {
            SettingOutcome::Same => same += 1,
            SettingOutcome::Failed => {
                text.push_str(title(&setting.kind, folder).trim_end());
                let reason = setting.reason.as_deref().unwrap_or_default();
                text.push_str(&format!(": failed: {}\n", plain(reason)));
            }
            _ => {
                text.push_str(&title(&setting.kind, folder));
                text.push_str(&lines(&setting.removed, &setting.added));
            }
        }
    }
    for left in &report.left_out {
        let folder = left.folder.as_ref().map(|folder| format!(" of {folder}"));
        text.push_str(&plain(&format!(
            "left out: {}{}: {}: {}",
            left.kind,
            folder.unwrap_or_default(),
            left.what,
            left.reason
        )));
        text.push('\n');
    }
    let changed = report.settings.iter();
    let changed = changed
        .filter(|s| s.outcome == SettingOutcome::Changed)
        .count();
    let verb = if report.dry_run {
        "would change"
    } else {
        "changed"
    };
    text.push_str(&format!("{verb} {changed}; {same} as they were already\n"));
    text
}
