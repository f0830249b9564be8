//! What differs between operating systems.

use std::path::PathBuf;

/// The folder in which the index files are kept unless told otherwise; `None` where the
/// environment names no such place.
pub fn cache_dir() -> Option<PathBuf> {
    let base = if cfg!(windows) {
        folder("LOCALAPPDATA")?
    } else if cfg!(target_os = "macos") {
        folder("HOME")?.join("Library").join("Caches")
    } else {
        folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?
    };
    Some(base.join("postkeep"))
}

/// An absolute folder that an environment variable names.
fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
}

/// Returns when the user or the system asks the program to end. To be called once more for every
/// further request.
#[cfg(unix)]
pub async fn stop_requested() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminate.recv() => Ok(()),
    }
}

/// Returns when the user or the system asks the program to end. To be called once more for every
/// further request.
#[cfg(windows)]
pub async fn stop_requested() -> std::io::Result<()> {
    let mut close = tokio::signal::windows::ctrl_close()?;
    let mut shutdown = tokio::signal::windows::ctrl_shutdown()?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = close.recv() => Ok(()),
        _ = shutdown.recv() => Ok(()),
    }
}

/// The command that a shell of this system takes to set an environment variable.
pub fn set_variable(name: &str, value: &str) -> String {
    if cfg!(windows) {
        format!("$env:{name}='{value}'")
    } else {
        format!("export {name}='{value}'")
    }
}
