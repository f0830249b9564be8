//! `postkeep init`: creates a repository.

use engine::Writers;
use serde::Serialize;

use crate::args::InitArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Result};

#[derive(Serialize)]
struct Created {
    id: String,
    repository: String,
    /// Whether the destination lets several machines write at the same time.
    many_writers: bool,
}

pub async fn run(context: &Context, args: InitArgs) -> Result<Code> {
    let (repo, access) = (&args.repository.repo, &args.repository.access);
    let passphrase = config::new_passphrase(repo, access)?;
    let vault = config::create_vault(context, repo, access, &passphrase, args.cipher).await?;
    let created = Created {
        id: vault.id(),
        repository: repo.clone(),
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
        text
    })?;
    context
        .output
        .note("Keep the passphrase somewhere safe: without it nothing can be read back.");
    Ok(Code::Done)
}
