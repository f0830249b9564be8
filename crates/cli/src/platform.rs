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

/// The folder of the system's configuration.
pub fn config_dir() -> Option<PathBuf> {
    if cfg!(windows) {
        Some(folder("ProgramData")?.join("postkeep"))
    } else {
        Some(PathBuf::from("/etc/postkeep"))
    }
}

/// The folder in which the daemon remembers what it has done, unless told otherwise.
pub fn state_dir() -> Option<PathBuf> {
    if let Some(given) = folder("POSTKEEP_STATE_DIR") {
        return Some(given);
    }
    let base = if cfg!(windows) {
        folder("LOCALAPPDATA")?
    } else if cfg!(target_os = "macos") {
        folder("HOME")?.join("Library").join("Application Support")
    } else {
        folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local").join("state")))?
    };
    Some(base.join("postkeep"))
}

/// Has large buffers given back to the system when they are freed, and the free end of each
/// thread's pool when it has more than `kept` bytes. To be called before there are other threads.
///
/// glibc raises the size from which it gives buffers back to that of the largest it has seen, here
/// a pack, and keeps what is smaller in a pool for each thread: twice of what is in use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn return_large_buffers(kept: i32) {
    const MEBIBYTE: libc::c_int = 1 << 20;
    // SAFETY: it takes two numbers; where it refuses them nothing changes.
    #[expect(unsafe_code, reason = "glibc offers it no other way")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MEBIBYTE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, kept);
    }
}

/// Other allocators give large buffers back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn return_large_buffers(_: i32) {}

/// The machine's name, as far as it can be known without asking the network.
pub fn machine_name() -> String {
    let variable = if cfg!(windows) {
        "COMPUTERNAME"
    } else {
        "HOSTNAME"
    };
    let file = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = std::env::var(variable).ok().or(file.ok());
    let name = name.map(|name| name.trim().to_owned()).unwrap_or_default();
    match name.as_str() {
        "" => "this machine".to_owned(),
        _ => name,
    }
}

/// A number of this machine's own, so that machines with one configuration do not begin at once.
pub fn machine_seed() -> u64 {
    // FNV-1a: any spreading of names does, as long as it never changes.
    machine_name()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
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

/// The user's folder.
pub fn home_dir() -> Option<PathBuf> {
    folder(if cfg!(windows) { "USERPROFILE" } else { "HOME" })
}

/// A command line for the system's shell.
pub fn shell(command: &str) -> std::process::Command {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let mut shell = std::process::Command::new(shell);
    shell.args([flag, command]);
    shell
}

/// Creates a file that only its owner can read; never touches one that is there.
pub fn write_private(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // On Windows the folder's own permissions decide.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The command that a shell of this system takes to set an environment variable.
pub fn set_variable(name: &str, value: &str) -> String {
    if cfg!(windows) {
        format!("$env:{name}='{value}'")
    } else {
        format!("export {name}='{value}'")
    }
}

/// What the system calls the user, as far as it says so.
pub fn user_name() -> Option<String> {
    let variable = if cfg!(windows) { "USERNAME" } else { "USER" };
    std::env::var(variable)
        .ok()
        .filter(|name| !name.trim().is_empty())
}
