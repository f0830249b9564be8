//! A simulator, repositories in a folder, and connections to both.

use std::sync::Mutex;

use async_trait::async_trait;
use engine::{
    Argon2Params, Client, ClientOptions, CreateOptions, Credentials, Environment, Exchange,
    Passphrase, Url, Vault, VaultOptions, create_destination_from_url, destination_from_url,
};
use ews_sim::{RunningServer, Sim};
use operator::{Connections, DestinationConfig, ProbeMailbox, SetConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// A clock, and randomness that repeats.
pub fn environment(now_unix_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Environment {
    let drawn = Mutex::new(0_u64);
    Environment::new(now_unix_ms, move |bytes| {
        let mut drawn = drawn.lock().unwrap();
        *drawn += 1;
        blake3::Hasher::new()
            .update(&drawn.to_le_bytes())
            .finalize_xof()
            .fill(bytes);
    })
}

/// The same with a clock that goes on from a time as Tokio's does.
pub fn virtual_time(from_unix_ms: i64) -> Environment {
    let began = Instant::now();
    environment(move || from_unix_ms + i64::try_from(began.elapsed().as_millis()).unwrap())
}

/// A folder in memory where the system has such: a year is thousands of files made durable.
pub fn folder() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

/// A key that is stretched in no time.
pub fn quick_to_open() -> CreateOptions {
    CreateOptions {
        argon2: Argon2Params {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        },
        ..CreateOptions::default()
    }
}

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
            let destination = create_destination_from_url(url).unwrap();
            let first = Passphrase::new("p");
            return Vault::create(destination, first, &quick_to_open(), options).await;
        }
        Vault::open(
            destination_from_url(url).unwrap(),
            Passphrase::new("p"),
            options,
        )
        .await
    }
}
