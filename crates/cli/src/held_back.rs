//! Shows while work goes on when the server holds it back.

use std::sync::Arc;
use std::time::Duration;

use engine::{Client, Throttling};
use tokio::task::JoinHandle;

use crate::human::{counted, duration};
use crate::progress::Progress;

/// How often the client is asked.
const EVERY: Duration = Duration::from_millis(500);

/// Looks at a client until dropped.
pub struct HeldBack(JoinHandle<()>);

impl HeldBack {
    pub fn watch(progress: Arc<Progress>, client: &Client) -> Self {
        let client = client.clone();
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                progress.paused(client.throttle().longest_back_off());
            }
        }))
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A line of the report; nothing where the server never turned a request away.
pub fn line(throttling: &Throttling) -> String {
    if throttling.refusals == 0 {
        return String::new();
    }
    format!(
        "the server was busy: it turned {} away, the work paused for {}, and at times no \
         more than {} at once went to a mailbox\n",
        counted(throttling.refusals, "request"),
        duration(throttling.held_back_ms),
        counted(u64::from(throttling.lowest_limit), "request"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_was_busy_is_not_spoken_of() {
        assert_eq!(line(&Throttling::default()), "");
        let mut busy = Throttling::default();
        (busy.refusals, busy.held_back_ms, busy.lowest_limit) = (3, 297_749, 2);
        assert_eq!(
            line(&busy),
            "the server was busy: it turned 3 requests away, the work paused for 4 min 57 s, and \
             at times no more than 2 requests at once went to a mailbox\n"
        );
    }
}
