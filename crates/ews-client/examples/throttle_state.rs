//! Shows how much a server allows while many requests are under way.
//!
//! `cargo run -p ews-client --example throttle_state -- URL USER` with the password in the
//! environment variable `EWS_PASSWORD`. Try it on `postkeep sim --throttle default`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use std::time::Duration;

use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, FolderShape, GetFolder,
};

/// Calls made in all, and at one time.
const CALLS: usize = 200;
const AT_ONCE: usize = 16;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: throttle_state URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let client = Client::new(ClientOptions::new(
        url.parse()?,
        Credentials::basic(user, password),
    ))?;
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, request) = (client.clone(), request.clone());
        calls.spawn(async move {
            for _ in 0..CALLS / AT_ONCE {
                client.get_folder(&request).await?;
            }
            Ok::<_, ews_client::Error>(())
        });
    }
    loop {
        let state = client.throttle();
        println!(
            "{} under way of {} at most, {} waiting, {} refused, pause {:?}",
            state.running,
            state.limit,
            state.queued,
            state.refusals,
            state.longest_back_off()
        );
        tokio::select! {
            ended = calls.join_next() => match ended {
                Some(ended) => ended??,
                None => break,
            },
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    println!("{} requests sent", client.stats().requests);
    Ok(())
}
