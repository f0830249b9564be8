//! Signs in with OAuth 2: as an application with its secret, or with tokens that come from elsewhere.
//!
//! `cargo run -p ews-client --example oauth -- URL MAILBOX TOKEN_URL CLIENT_ID` with the application's
//! secret in the environment variable `EWS_CLIENT_SECRET`; or `-- URL MAILBOX` with `EWS_TOKEN_FILE`
//! naming a file that something else keeps a good token in. Try it on `postkeep sim`, where
//! `http://127.0.0.1:8080/sim/token` takes accounts for applications.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use ews_client::{
    Access, BaseShape, Client, ClientOptions, ClientSecret, Credentials, DistinguishedFolder,
    FolderShape, GetFolder, Token, TokenSource, async_trait,
};

/// Reads the file whenever the client wants a new token.
struct TokenFile(PathBuf);

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<Token, Box<dyn Error + Send + Sync>> {
        let text = std::fs::read_to_string(&self.0)?;
        Ok(Token::new(text.trim(), None))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: oauth URL MAILBOX [TOKEN_URL CLIENT_ID]";
    let (url, mailbox) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let credentials = match arguments.next().zip(arguments.next()) {
        Some((token_url, client_id)) => Credentials::oauth_client(
            client_id.clone(),
            ClientSecret {
                token_url: token_url.parse()?,
                client_id,
                client_secret: std::env::var("EWS_CLIENT_SECRET")?.into(),
                scope: "https://outlook.office365.com/.default".to_owned(),
            },
        ),
        None => {
            let file = TokenFile(std::env::var_os("EWS_TOKEN_FILE").ok_or(usage)?.into());
            Credentials::oauth_tokens("tokens of a file", Arc::new(file))
        }
    };
    let client = Client::new(ClientOptions::new(url.parse()?, credentials))?;
    // An application has no mailbox of its own: it acts for the owner of one.
    let client = client.for_mailbox(Access::Impersonate(mailbox.clone()));
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::Default),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    let inbox = client.get_folder(&request).await?.remove(0)?;
    println!(
        "{mailbox} has {:?} items in {:?}",
        inbox.total_count, inbox.display_name
    );
    Ok(())
}
