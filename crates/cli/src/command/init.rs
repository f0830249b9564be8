//! `postkeep init`: creates a repository.

use engine::Writers;
use serde::Serialize;

use crate::args::InitArgs;
use crate::command::key::{Made, phrase_text};
use crate::config::{self, Context};
use crate::exit::{Code, Result};

#[derive(Serialize)]
struct Created {
    id: String,
    repository: String,
    /// Whether the destination lets several machines write at the same time.
    many_writers: bool,
    /// The words of the recovery phrase, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_phrase: Option<String>,
}

pub async fn run(context: &Context, args: InitArgs) -> Result<Code> {
    let (repo, access) = (&args.repository.repo, &args.repository.access);
    let first = config::first_key(repo, access)?;
    let vault = config::create_vault(context, repo, access, first, args.cipher).await?;
    let phrase = if args.recovery_phrase {
        let made = Made::recovery_phrase(context, "made by init".to_owned());
        vault.add_key(&made.key, &made.label).await?;
        made.words
    } else {
        None
    };
    let created = Created {
        id: vault.id(),
        repository: repo.clone(),
        recovery_phrase: phrase.as_deref().cloned(),
        many_writers: vault.repository().writers() == Writers::Many,
    };
    context.output.result(&created, |created| {
        let mut text = format!(
            "created repository {} in {}\n",
            created.id, created.repository
        );
        if !created.many_writers {
            text.push_str("only one postkeep may write to this destination at a time\n");
        }
        text.push_str(&phrase_text(created.recovery_phrase.as_deref()));
        text
    })?;
    context.output.note(if args.recovery_phrase {
        "Without the passphrase or the recovery phrase nothing can be read back."
    } else {
        "Keep the passphrase somewhere safe: without it nothing can be read back."
    });
    Ok(Code::Done)
}
