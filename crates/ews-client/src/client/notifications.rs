//! The calls that tell of changes.

use std::time::Duration;

use crate::client::Client;
use crate::error::Result;
use crate::op::{
    EventStream, GetEvents, GetStreamingEvents, Notification, Operation, Subscribe, Subscription,
    Unsubscribe,
};

impl Client {
    /// Subscribe: asks to be told of changes.
    ///
    /// # Errors
    ///
    /// `Invalid` without an event, for a `StatusEvent` and for minutes out of range, else those
    /// of [every call](Client#errors).
    pub async fn subscribe(&self, request: &Subscribe) -> Result<Subscription> {
        self.call(request).await
    }

    /// GetEvents: what happened since a watermark.
    ///
    /// # Errors
    ///
    /// A subscription the server no longer knows fails with the kind `NotFound` or the code
    /// `ErrorInvalidSubscription`: subscribe again, and sync. `Invalid` without a subscription,
    /// else those of [every call](Client#errors).
    pub async fn get_events(&self, request: &GetEvents) -> Result<Notification> {
        self.call(request).await
    }

    /// Unsubscribe: ends a subscription.
    ///
    /// # Errors
    ///
    /// `Invalid` without a subscription, else those of [every call](Client#errors).
    pub async fn unsubscribe(&self, request: &Unsubscribe) -> Result<()> {
        self.call(request).await
    }

    /// GetStreamingEvents (MS-OXWSNTIF 3.1.4.2): events of streaming subscriptions as they happen.
    /// Sends nothing until the first [`EventStream::next`]; each connection is asked to last
    /// `connection_minutes`, 1 to 30, and another follows it.
    ///
    /// # Errors
    ///
    /// `Invalid` without a subscription, or for minutes out of range.
    pub fn stream_events(
        &self,
        subscription_ids: impl IntoIterator<Item = String>,
        connection_minutes: u32,
    ) -> Result<EventStream> {
        let request = GetStreamingEvents {
            subscription_ids: subscription_ids.into_iter().collect(),
            connection_minutes,
        };
        request.validate()?;
        Ok(EventStream::new(self.clone(), request))
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.shared.options.sleeper.sleep(duration).await;
    }
}
