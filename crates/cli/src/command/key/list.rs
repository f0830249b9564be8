//! `postkeep key list`.

use engine::{KeyInfo, KeyMethod, KeyRole, KeyState};
use serde::Serialize;

use crate::args::KeyListArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Result};
use crate::human::{Columns, cut, plain, time};

#[derive(Serialize)]
struct Document {
    keys: Vec<Line>,
    damaged: Vec<Damaged>,
    /// What signatures of this repository are checked with: one an epoch, oldest first.
    public_keys: Vec<String>,
}

#[derive(Serialize)]
struct Damaged {
    object: String,
    reason: String,
}

/// A key as JSON shows it.
#[derive(Serialize)]
pub struct Line {
    pub id: String,
    pub kind: &'static str,
    /// `full`, or `writer`: adds and lists, and does not read what is stored.
    role: &'static str,
    pub label: String,
    created_unix_ms: Option<i64>,
    epoch: u32,
    state: &'static str,
    /// Whether this very key opened the repository now.
    in_use: bool,
    /// Whether its passphrase can be tried faster than is wise.
    weak: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    escrow: Option<Escrow>,
}

#[derive(Serialize)]
struct Escrow {
    threshold: u8,
    recipients: Vec<String>,
}

pub async fn run(context: &Context, args: KeyListArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let list = vault.keys().await?;
    let own = vault.opened_with();
    let document = Document {
        keys: list
            .keys
            .iter()
            .map(|key| line(key, key.id == own))
            .collect(),
        damaged: list
            .damaged
            .into_iter()
            .map(|(object, reason)| Damaged { object, reason })
            .collect(),
        public_keys: vault.signers().iter().map(ToString::to_string).collect(),
    };
    let damaged = !document.damaged.is_empty();
    context.output.result(&document, people)?;
    Ok(if damaged { Code::Damage } else { Code::Done })
}

pub fn line(key: &KeyInfo, in_use: bool) -> Line {
    let (kind, escrow) = match &key.method {
        KeyMethod::Passphrase(_) => ("passphrase", None),
        KeyMethod::KeyFile => ("key-file", None),
        KeyMethod::RecoveryPhrase => ("recovery-phrase", None),
        KeyMethod::Escrow {
            recipients,
            threshold,
        } => {
            let recipients = recipients.iter().map(ToString::to_string).collect();
            let escrow = Escrow {
                threshold: *threshold,
                recipients,
            };
            ("escrow", Some(escrow))
        }
        KeyMethod::Writer => ("writer", None),
        _ => ("other", None),
    };
    Line {
        id: key.id.to_string(),
        kind,
        role: match key.role() {
            KeyRole::Full => "full",
            KeyRole::Writer => "writer",
            _ => "other",
        },
        label: key.label.clone(),
        created_unix_ms: key.created_unix_ms,
        epoch: key.epoch,
        state: match key.state {
            KeyState::Usable => "usable",
            KeyState::Replaced => "replaced",
            KeyState::Unfinished => "unfinished",
            _ => "other",
        },
        in_use,
        weak: key.is_weak(),
        escrow,
    }
}

fn people(document: &Document) -> String {
    let mut table = Columns::new(&["KEY", "KIND", "MADE", "LABEL", ""]);
    for key in &document.keys {
        table.row([
            key.id.get(..8).unwrap_or(&key.id).to_owned(),
            kind(key),
            key.created_unix_ms.map(time).unwrap_or_default(),
            cut(&plain(&key.label), 40),
            remarks(key),
        ]);
    }
    let mut text = table.to_string();
    for damaged in &document.damaged {
        text.push_str(&plain(&format!("damaged: {}", damaged.reason)));
        text.push('\n');
    }
    let signatures = match document.public_keys.len() {
        1 => "public key of signatures",
        _ => "public keys of signatures, oldest first",
    };
    text.push_str(&format!(
        "{signatures}: {}\n",
        document.public_keys.join(" ")
    ));
    text
}

fn kind(key: &Line) -> String {
    match &key.escrow {
        Some(escrow) => format!("escrow {} of {}", escrow.threshold, escrow.recipients.len()),
        None => key.kind.replace('-', " "),
    }
}

fn remarks(key: &Line) -> String {
    let mut remarks = Vec::new();
    if key.role == "writer" {
        remarks.push("writes, does not read");
    }
    if key.in_use {
        remarks.push("in use now");
    }
    match key.state {
        "replaced" => remarks.push("replaced by a rotation, opens nothing: remove it"),
        "unfinished" => remarks.push("of a rotation that did not finish, opens nothing: remove it"),
        _ => {}
    }
    if key.weak {
        remarks.push("weak: can be guessed fast; replace it");
    }
    remarks.join("; ")
}
