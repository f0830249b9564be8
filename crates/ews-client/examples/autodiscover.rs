//! Finds the EWS endpoint of an address, and shows every step.
//!
//! `cargo run -p ews-client --example autodiscover -- ADDRESS [SERVER]` with the password in the
//! environment variable `EWS_PASSWORD`. Try it on `postkeep sim`:
//! `autodiscover alice@example.test http://127.0.0.1:8080`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{AutodiscoverOptions, Credentials, autodiscover};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .ok_or("usage: autodiscover ADDRESS [SERVER]")?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| "EWS_PASSWORD is not set")?;
    let credentials = Credentials::password(&address, password);
    let mut options = AutodiscoverOptions::new(&address, credentials);
    if let Some(server) = arguments.next() {
        options.servers.push(server.parse()?);
    }
    let found = autodiscover(&options).await?;
    for step in &found.steps {
        println!("{:8} {}: {}", step.form.as_str(), step.url, step.outcome);
    }
    println!("{}", found.url);
    Ok(())
}
