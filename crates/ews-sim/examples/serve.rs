//! Serves generated mailboxes (or a folder of mail) for playing with EWS clients.
//!
//! `cargo run -p ews-sim --example serve -- 127.0.0.1:8080 [DIR [SCHEMA]]`; SCHEMA
//! has the service's description, which some clients read first.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_sim::{GenerateConfig, Sim};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let builder = match arguments.next() {
        Some(dir) => Sim::builder().load_dir(dir),
        None => Sim::builder().generate(GenerateConfig {
            seed: 1,
            mailboxes: 3,
            items: 200,
        }),
    };
    let builder = match arguments.next() {
        Some(schema) => builder.schema(schema),
        None => builder,
    };
    let sim = builder.archive("alice@example.test").build()?;
    let server = sim
        .serve(tokio::net::TcpListener::bind(address).await?)
        .await?;
    println!("serving {:?} at {}", sim.mailboxes(), server.url());
    println!("sign in as svc@example.test (impersonation) or a mailbox, password: secret");
    std::future::pending::<()>().await;
    Ok(())
}
