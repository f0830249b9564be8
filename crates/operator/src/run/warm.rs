//! Connections that stay: opening a repository takes a second and much memory, since passphrases are
//! made hard to guess.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Exchange, Result, Vault};
use tokio::sync::Mutex;

use super::{Connections, ProbeMailbox};
use crate::config::{DestinationConfig, SetConfig};

/// Opens each repository and each connection once, as long as they work.
pub(crate) struct Warm {
    inner: Arc<dyn Connections>,
    exchanges: Mutex<HashMap<String, Exchange>>,
    vaults: Mutex<HashMap<String, Vault>>,
}

impl Warm {
    pub(crate) fn new(inner: Arc<dyn Connections>) -> Self {
        Self {
            inner,
            exchanges: Mutex::default(),
            vaults: Mutex::default(),
        }
    }
}

#[async_trait]
impl Connections for Warm {
    async fn exchange(&self, name: &str, set: &SetConfig) -> Result<Exchange> {
        let mut known = self.exchanges.lock().await;
        if let Some(exchange) = known.get(name) {
            return Ok(exchange.clone());
        }
        let exchange = self.inner.exchange(name, set).await?;
        known.insert(name.to_owned(), exchange.clone());
        Ok(exchange)
    }

    async fn probe(&self) -> Result<ProbeMailbox> {
        self.inner.probe().await
    }

    async fn vault(&self, name: &str, destination: &DestinationConfig) -> Result<Vault> {
        let mut known = self.vaults.lock().await;
        if let Some(vault) = known.get(name) {
            // What another process wrote meanwhile is read; a repository that is gone is opened anew.
            if vault.snapshots().await.is_ok() {
                return Ok(vault.clone());
            }
            known.remove(name);
        }
        let vault = self.inner.vault(name, destination).await?;
        known.insert(name.to_owned(), vault.clone());
        Ok(vault)
    }
}
