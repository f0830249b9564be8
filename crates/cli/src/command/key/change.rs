//! `postkeep key add`, `remove`, `passphrase`, `rotate` and `recover`.

use engine::{KeyMethod, NewKey, Unlock, Vault};
use serde::Serialize;

use super::list::{self, Line};
use super::new::{Made, make};
use crate::args::{KeyAddArgs, KeyAddNewArgs, KeyPassphraseArgs, KeyRemoveArgs, KeyRotateArgs};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};

#[derive(Serialize)]
struct Added {
    id: String,
    /// The words of a new recovery phrase, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_phrase: Option<String>,
}

pub async fn add(context: &Context, args: KeyAddNewArgs) -> Result<Code> {
    let KeyAddArgs { repository, new } = &args.key;
    let vault = config::open_vault(context, repository).await?;
    vault.may_change_keys()?;
    let file = new.new_key_file.as_deref().filter(|_| args.writer);
    let made = match file {
        Some(file) => {
            let label = new.label.clone().unwrap_or_default();
            Made::writer_file(context, file, label)?
        }
        None => make(context, new, &repository.repo)?,
    };
    add_to(context, &vault, &made).await
}

pub async fn recover(context: &Context, args: KeyAddArgs) -> Result<Code> {
    let access = &args.repository.access;
    if !access.is_recovery() {
        return Err(
            Failure::usage("recovering takes an escrow or a recovery phrase").hint(
                "--escrow-key-file FILE, --escrow-share-file FILE, or --recovery-phrase-file FILE",
            ),
        );
    }
    let vault = config::open_vault(context, &args.repository).await?;
    context
        .output
        .note("the repository is open; now its new key");
    let made = make(context, &args.new, &args.repository.repo)?;
    add_to(context, &vault, &made).await
}

async fn add_to(context: &Context, vault: &Vault, made: &Made) -> Result<Code> {
    let added = add_made(vault, made).await?;
    context.output.result(&added, |added| {
        let mut text = format!("added key {}\n", short(&added.id));
        text.push_str(&phrase_text(added.recovery_phrase.as_deref()));
        text
    })?;
    Ok(Code::Done)
}

async fn add_made(vault: &Vault, made: &Made) -> Result<Added> {
    match vault.add_key(&made.key, &made.label).await {
        Ok(id) => Ok(Added {
            id: id.to_string(),
            recovery_phrase: made.words.as_deref().cloned(),
        }),
        Err(error) => {
            made.undo();
            Err(error.into())
        }
    }
}

/// The words, as they are to be written down.
pub fn phrase_text(words: Option<&str>) -> String {
    let Some(words) = words else {
        return String::new();
    };
    let mut text = String::from(
        "\nThe recovery phrase, shown this once. Write it down and keep it away from this machine:\n\n",
    );
    let words: Vec<&str> = words.split(' ').collect();
    for (row, line) in words.chunks(6).enumerate() {
        let numbered = line.iter().enumerate();
        let numbered = numbered.map(|(n, word)| format!("{:>2}. {word:<9}", row * 6 + n + 1));
        text.push_str(&format!("  {}\n", numbered.collect::<String>().trim_end()));
    }
    text
}

#[derive(Serialize)]
struct Removed {
    dry_run: bool,
    key: Line,
}

pub async fn remove(context: &Context, args: KeyRemoveArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    vault.may_change_keys()?;
    let key = vault.find_key(&args.id).await?;
    if !args.dry_run {
        vault.remove_key(key.id).await.map_err(last_key)?;
    }
    let removed = Removed {
        dry_run: args.dry_run,
        key: list::line(&key, key.id == vault.opened_with()),
    };
    context.output.result(&removed, |removed| {
        let verb = if removed.dry_run {
            "would remove"
        } else {
            "removed"
        };
        format!(
            "{verb} key {} ({})\n",
            short(&removed.key.id),
            name(&removed.key)
        )
    })?;
    if !args.dry_run {
        context.output.note(
            "Who has copied it can still open what was written so far; `postkeep key rotate` ends \
             that for all that comes.",
        );
    }
    Ok(Code::Done)
}

fn last_key(error: engine::Error) -> Failure {
    let conflict = error.kind() == engine::ErrorKind::Conflict;
    let failure = Failure::from(error);
    if conflict {
        failure.hint("`postkeep key add` first")
    } else {
        failure
    }
}

pub async fn passphrase(context: &Context, args: KeyPassphraseArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let own = vault.find_key(&vault.opened_with().to_string()).await?;
    if !matches!(own.method, KeyMethod::Passphrase(_)) {
        return Err(
            Failure::usage("the repository was not opened with a passphrase")
                .hint("open it with the passphrase to be replaced, or take `postkeep key add`"),
        );
    }
    let from = (
        args.new_passphrase_file.as_deref(),
        args.new_passphrase_keyring.as_deref(),
    );
    let made = Made::passphrase(from, &args.repository.repo, own.label.clone())?;
    let added = add_made(&vault, &made).await?;
    vault.remove_key(own.id).await?;
    context.output.result(&added, |added| {
        format!(
            "the passphrase is changed; its key is {}\n",
            short(&added.id)
        )
    })?;
    Ok(Code::Done)
}

#[derive(Serialize)]
struct Rotated {
    dry_run: bool,
    /// The epoch that new data belongs to; `None` for a dry run.
    epoch: Option<u32>,
    /// The key that opens the repository from now on.
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_phrase: Option<String>,
    /// Keys that end without a successor.
    ended: Vec<Line>,
}

pub async fn rotate(context: &Context, args: KeyRotateArgs) -> Result<Code> {
    let unlock = config::unlock(&args.repository.repo, &args.repository.access)?;
    let vault = config::open_vault_with(context, &args.repository, &unlock).await?;
    vault.may_change_keys()?;
    let own = vault.find_key(&vault.opened_with().to_string()).await?;
    let made = match same_key(&unlock).filter(|_| !args.new.is_given()) {
        Some(key) => Kept::Same(key, args.new.label.clone().unwrap_or(own.label)),
        None if args.dry_run => Kept::None,
        None => Kept::Made(make(context, &args.new, &args.repository.repo)?),
    };
    let keep = made.keys();
    let planned: Vec<NewKey> = keep.iter().map(|(key, _)| key.clone()).collect();
    let ended = vault.rotation_drops(&planned).await?;
    let ended = ended.iter().map(|key| list::line(key, false)).collect();
    let mut document = Rotated {
        dry_run: args.dry_run,
        epoch: None,
        key: None,
        recovery_phrase: None,
        ended,
    };
    if !args.dry_run {
        let rotation = match vault.rotate_keys(&keep).await {
            Ok(rotation) => rotation,
            Err(error) => {
                made.undo();
                return Err(error.into());
            }
        };
        document.epoch = Some(rotation.epoch);
        document.key = rotation.keys.first().map(ToString::to_string);
        document.recovery_phrase = made.words();
    }
    context.output.result(&document, rotated_text)?;
    Ok(Code::Done)
}

fn rotated_text(rotated: &Rotated) -> String {
    let mut text = match rotated.epoch {
        Some(epoch) => format!(
            "new data is sealed with keys of epoch {epoch} from now on; key {} opens everything\n",
            rotated.key.as_deref().map(short).unwrap_or_default()
        ),
        None => "new data would be sealed with fresh keys; nothing was changed\n".to_owned(),
    };
    for key in &rotated.ended {
        let verb = if rotated.dry_run {
            "would end"
        } else {
            "ended"
        };
        text.push_str(&format!("{verb}: key {} ({})\n", short(&key.id), name(key)));
    }
    text + &phrase_text(rotated.recovery_phrase.as_deref())
}

/// The key that a rotation keeps.
enum Kept {
    Same(NewKey, String),
    Made(Made),
    /// A dry run asks for nothing.
    None,
}

impl Kept {
    fn keys(&self) -> Vec<(NewKey, String)> {
        match self {
            Self::Same(key, label) => vec![(key.clone(), label.clone())],
            Self::Made(made) => vec![(made.key.clone(), made.label.clone())],
            Self::None => Vec::new(),
        }
    }

    fn undo(&self) {
        if let Self::Made(made) = self {
            made.undo();
        }
    }

    fn words(&self) -> Option<String> {
        match self {
            Self::Made(made) => made.words.as_deref().cloned(),
            _ => None,
        }
    }
}

/// The key that is opened by the same secret.
fn same_key(unlock: &Unlock) -> Option<NewKey> {
    match unlock {
        Unlock::Passphrase(passphrase) => Some(NewKey::from(passphrase)),
        Unlock::KeyFile(file) => Some(NewKey::KeyFile(file.clone())),
        Unlock::RecoveryPhrase(phrase) => Some(NewKey::RecoveryPhrase(phrase.clone())),
        _ => None,
    }
}

fn name(key: &Line) -> String {
    match key.label.as_str() {
        "" => key.kind.replace('-', " "),
        label => format!("{}, {label}", key.kind.replace('-', " ")),
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
