//! Serves a folder of mail until the process is ended.
//!
//!     cargo run -p ews-sim --example serve -- ./mail 127.0.0.1:8080 [SCHEMA]
//!
//! Sign in as any mailbox, or as svc@example.test, with the password `secret`.

use ews_sim::Sim;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "name a folder of mail and an address to listen on";
    let (mail, address) = (
        arguments.next().ok_or(usage)?,
        arguments.next().ok_or(usage)?,
    );
    let mut sim = Sim::builder().load_dir(mail);
    if let Some(schema) = arguments.next() {
        sim = sim.schema(schema);
    }
    let sim = sim.build()?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    let server = sim.serve(listener).await?;
    std::future::pending::<()>().await;
    server.stop().await;
    Ok(())
}
