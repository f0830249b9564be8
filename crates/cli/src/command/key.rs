//! `postkeep key`: who can open the repository.

mod change;
mod escrow;
mod list;
mod new;

use crate::args::{KeyArgs, KeyCommand};
use crate::config::Context;
use crate::exit::{Code, Result};

pub use change::phrase_text;
pub use new::Made;

pub async fn run(context: &Context, args: KeyArgs) -> Result<Code> {
    match args.command {
        KeyCommand::List(args) => list::run(context, args).await,
        KeyCommand::Add(args) => change::add(context, args).await,
        KeyCommand::Remove(args) => change::remove(context, args).await,
        KeyCommand::Passphrase(args) => change::passphrase(context, args).await,
        KeyCommand::Rotate(args) => change::rotate(context, args).await,
        KeyCommand::Escrow(args) => escrow::add(context, args).await,
        KeyCommand::GenerateEscrow(args) => escrow::generate(context, args),
        KeyCommand::Share(args) => escrow::share(context, args).await,
        KeyCommand::Recover(args) => change::recover(context, args).await,
    }
}
