//! The program's own simulator as a place to restore into, where nobody's mailbox is at hand.

use engine::{Client, ClientOptions, Credentials, Environment, Exchange};
use ews_sim::{Account, RunningServer, Sim};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::config;
use crate::exit::{Code, Failure, Result};

/// The mailbox that it has.
pub const MAILBOX: &str = "probe@drill.invalid";
const ACCOUNT: &str = "drill@drill.invalid";

/// A simulator with one empty mailbox, which ends when this is dropped.
pub struct Probe {
    pub exchange: Exchange,
    /// Serves until it is dropped.
    pub server: RunningServer,
}

impl Probe {
    /// Starts it on a free port of the loopback interface. Real mail is about to be in it: the
    /// password is random and nobody is told.
    pub async fn start(environment: &Environment) -> Result<Self> {
        let mut random = Zeroizing::new([0; 32]);
        (environment.random)(&mut *random);
        let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let password = Zeroizing::new(password);
        let failed = |error: ews_sim::Error| Failure::sim(&error);
        let sim = Sim::builder()
            .mailbox(MAILBOX)
            .mailbox_password(&password)
            .account(Account::impersonator(ACCOUNT, password.as_str()))
            .build()
            .map_err(failed)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(|error| Failure::io("listen on this machine", &error))?;
        let server = sim.serve(listener).await.map_err(failed)?;
        let url = config::server_url(server.url())?;
        let credentials = Credentials::basic(ACCOUNT, password.as_str());
        let client = Client::new(ClientOptions::new(url.clone(), credentials))
            .map_err(|error| Failure::new(Code::Internal, crate::exit::chain(&error)))?;
        Ok(Self {
            exchange: Exchange::new(client, url, ACCOUNT),
            server,
        })
    }
}
