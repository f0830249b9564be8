//! Ctrl-C: the first ends the work cleanly, the second ends the program.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::exit::Code;
use crate::platform::stop_requested;
use crate::progress::Progress;

/// Watches for Ctrl-C until dropped. To be made only when secrets have been asked for: from then
/// on Ctrl-C no longer ends the program by itself.
pub struct Interrupt {
    token: CancellationToken,
    watcher: JoinHandle<()>,
}

impl Interrupt {
    /// Begins to watch; `meaning` says what the first Ctrl-C does.
    pub fn watch(progress: Arc<Progress>, meaning: &'static str) -> Self {
        let token = CancellationToken::new();
        let cancel = token.clone();
        let watcher = tokio::spawn(async move {
            if stop_requested().await.is_err() {
                return;
            }
            progress.say(meaning);
            cancel.cancel();
            if stop_requested().await.is_ok() {
                std::process::exit(Code::Interrupted as i32);
            }
        });
        Self { token, watcher }
    }

    /// Cancelled by the first Ctrl-C.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}
