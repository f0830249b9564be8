//! A simulator, repositories in a folder, and connections to both.

use async_trait::async_trait;
use engine::{
    Argon2Params, Client, ClientOptions, CreateOptions, Credentials, Environment, Exchange,
    Passphrase, Url, Vault, VaultOptions, create_destination_from_url, destination_from_url,
};
use ews_sim::{RunningServer, Sim};
use operator::{Connections, DestinationConfig, ProbeMailbox, SetConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A simulator, a folder for repositories, and the way to both.
pub struct Desk {
    pub folder: TempDir,
    pub server: RunningServer,
    pub environment: Environment,
}

#[async_trait]
impl Connections for Desk {
    async fn exchange(&self, _: &str, set: &SetConfig) -> engine::Result<Exchange> {
        let url = Url::parse(self.server.url()).unwrap();
        let options = ClientOptions::new(url, Credentials::basic(&set.user, "secret"));
        Ok(Exchange::new(
            Client::new(options).unwrap(),
            self.server.url(),
            &set.user,
        ))
    }

    async fn probe(&self) -> engine::Result<ProbeMailbox> {
        let sim = Sim::builder().mailbox("probe@x.test").build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = sim.serve(listener).await.unwrap();
        let url = Url::parse(server.url()).unwrap();
        let options = ClientOptions::new(url, Credentials::basic("svc@example.test", "secret"));
        Ok(ProbeMailbox {
            exchange: Exchange::new(
                Client::new(options).unwrap(),
                server.url(),
                "svc@example.test",
            ),
            mailbox: "probe@x.test".into(),
            server: Box::new((sim, server)),
        })
    }

    async fn vault(&self, _: &str, destination: &DestinationConfig) -> engine::Result<Vault> {
        let options = VaultOptions {
            cache_dir: self.folder.path().join("cache"),
            environment: self.environment.clone(),
        };
        let place = self.folder.path().join(&destination.url);
        let url = place.to_str().unwrap();
        if !place.exists() {
            let argon2 = Argon2Params {
                memory_kib: 64,
                passes: 1,
                lanes: 1,
            };
            let create = CreateOptions {
                argon2,
                ..CreateOptions::default()
            };
            let destination = create_destination_from_url(url).unwrap();
            return Vault::create(destination, Passphrase::new("p"), &create, options).await;
        }
        Vault::open(
            destination_from_url(url).unwrap(),
            Passphrase::new("p"),
            options,
        )
        .await
    }
}
