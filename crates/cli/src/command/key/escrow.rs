//! `postkeep key escrow`, `generate-escrow` and `share`.

use engine::{EscrowPrivateKey, EscrowPublicKey, NewKey};
use serde::Serialize;
use zeroize::Zeroizing;

use super::new::write_secret;
use crate::args::{KeyEscrowArgs, KeyGenerateArgs, KeyShareArgs};
use crate::config::{self, Context};
use crate::destination;
use crate::exit::{Code, Failure, Result};
use crate::secrets::{self, Secret};

#[derive(Serialize)]
struct Escrowed {
    id: String,
    threshold: u8,
    recipients: usize,
}

pub async fn add(context: &Context, args: KeyEscrowArgs) -> Result<Code> {
    let recipients = args.to.iter().map(|text| {
        EscrowPublicKey::parse(text.trim()).map_err(|error| {
            Failure::usage(format!("--to: {error}"))
                .hint("`postkeep key generate-escrow` prints public keys, pkescrow1...")
        })
    });
    let recipients: Vec<EscrowPublicKey> = recipients.collect::<Result<_>>()?;
    let vault = config::open_vault(context, &args.repository).await?;
    vault.may_change_keys()?;
    let escrowed = recipients.len();
    let new = NewKey::Escrow {
        recipients,
        threshold: args.threshold,
    };
    let id = vault
        .add_key(&new, args.label.as_deref().unwrap_or_default())
        .await?;
    let document = Escrowed {
        id: id.to_string(),
        threshold: args.threshold,
        recipients: escrowed,
    };
    context.output.result(&document, |document| {
        format!(
            "added key {}: {} of {} private keys recover the repository\n",
            document.id.get(..8).unwrap_or_default(),
            document.threshold,
            document.recipients
        )
    })?;
    Ok(Code::Done)
}

#[derive(Serialize)]
struct Generated {
    public_key: String,
    private_key_file: String,
}

pub fn generate(context: &Context, args: KeyGenerateArgs) -> Result<Code> {
    let private = EscrowPrivateKey::generate(&context.environment);
    let public = private.public_key().to_string();
    let text = Zeroizing::new(format!(
        "# postkeep escrow key: whoever has it recovers repositories escrowed to\n# {public}\n{}\n",
        *private.to_text()
    ));
    write_secret(&args.out, &text)?;
    let document = Generated {
        public_key: public,
        private_key_file: args.out.display().to_string(),
    };
    context
        .output
        .result(&document, |document| format!("{}\n", document.public_key))?;
    context.output.note(&format!(
        "The private key is in {}: keep it away from the machines that back up.",
        args.out.display()
    ));
    Ok(Code::Done)
}

#[derive(Serialize)]
struct Shares {
    shares: Vec<String>,
}

pub async fn share(context: &Context, args: KeyShareArgs) -> Result<Code> {
    let failed = |failure: Failure| failure.for_repository(&args.repo);
    let destination = destination::find(
        &args.repo,
        args.destination_file.as_deref(),
        &context.environment,
    )?;
    let destination = destination.open().map_err(|e| failed(e.into()))?;
    let text = Zeroizing::new(secrets::from_file(
        Secret::EscrowKey,
        &args.escrow_key_file,
    )?);
    let private =
        EscrowPrivateKey::parse(&text).map_err(config::bad_secret(&args.escrow_key_file))?;
    let shares = engine::escrow_shares(destination, &private)
        .await
        .map_err(|e| failed(e.into()))?;
    let lines: Vec<String> = shares
        .iter()
        .map(|share| share.to_text().to_string())
        .collect();
    if let Some(out) = &args.out {
        write_secret(out, &Zeroizing::new(lines.join("\n") + "\n"))?;
        context
            .output
            .note(&format!("the share is in {}", out.display()));
        return Ok(Code::Done);
    }
    let document = Shares { shares: lines };
    context
        .output
        .result(&document, |document| document.shares.join("\n") + "\n")?;
    Ok(Code::Done)
}
