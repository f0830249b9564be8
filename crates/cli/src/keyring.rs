//! The system's keyring: the Secret Service of a Linux desktop (GNOME Keyring, KWallet), the
//! Credential Manager of Windows, the Keychain of macOS.

use zeroize::Zeroizing;

use crate::exit::Result;

/// Reads a secret. May wait for somebody to unlock the keyring.
pub fn read(name: &str) -> Result<Zeroizing<String>> {
    system::read(name)
}

/// Keeps a secret, in place of one that has the name already.
pub fn write(name: &str, secret: &str) -> Result<()> {
    system::write(name, secret)
}

/// Takes a secret away.
pub fn remove(name: &str) -> Result<()> {
    system::remove(name)
}

#[cfg(feature = "keyring")]
mod system {
    use keyring::{Entry, Error};
    use zeroize::Zeroizing;

    use crate::exit::{Code, Failure, Result};

    /// What all our entries belong to.
    const SERVICE: &str = "postkeep";

    pub(super) fn read(name: &str) -> Result<Zeroizing<String>> {
        with_entry(name, |entry| entry.get_password().map(Zeroizing::new))
    }

    pub(super) fn write(name: &str, secret: &str) -> Result<()> {
        with_entry(name, |entry| entry.set_password(secret))
    }

    pub(super) fn remove(name: &str) -> Result<()> {
        with_entry(name, |entry| entry.delete_credential())
    }

    /// Works in a thread of its own: the library waits for the bus, which a thread that runs tasks
    /// must not do.
    fn with_entry<T: Send>(
        name: &str,
        work: impl FnOnce(&Entry) -> keyring::Result<T> + Send,
    ) -> Result<T> {
        let done = std::thread::scope(|scope| {
            let worker = scope.spawn(|| Entry::new(SERVICE, name).and_then(|entry| work(&entry)));
            worker.join()
        });
        match done {
            Ok(done) => done.map_err(|error| told(name, &error)),
            Err(_) => Err(Failure::new(
                Code::Internal,
                "a defect stopped the keyring's library",
            )),
        }
    }

    fn told(name: &str, error: &Error) -> Failure {
        match error {
            Error::NoEntry => Failure::new(
                Code::NotFound,
                format!("the keyring has no secret `{name}`"),
            )
            .hint(format!("postkeep keyring set {name}")),
            Error::NoStorageAccess(_) => {
                Failure::new(Code::Denied, format!("the keyring is locked: {error}"))
                    .hint("unlock it, or log in at the desktop")
            }
            Error::NoDefaultStore | Error::PlatformFailure(_) => {
                let why = match Entry::store_status() {
                    Err(why) => why.to_string(),
                    Ok(()) => error.to_string(),
                };
                Failure::new(
                    Code::Unreachable,
                    format!("the keyring cannot be reached: {why}"),
                )
                .hint(
                    "on Linux it needs a session with a secret service, such as gnome-keyring; a \
                     service of the system takes a file or a command",
                )
            }
            other => Failure::new(Code::Internal, format!("the keyring: {other}")),
        }
    }
}

#[cfg(not(feature = "keyring"))]
mod system {
    use zeroize::Zeroizing;

    use crate::exit::{Code, Failure, Result};

    pub(super) fn read(_: &str) -> Result<Zeroizing<String>> {
        Err(absent())
    }

    pub(super) fn write(_: &str, _: &str) -> Result<()> {
        Err(absent())
    }

    pub(super) fn remove(_: &str) -> Result<()> {
        Err(absent())
    }

    fn absent() -> Failure {
        Failure::new(Code::Internal, "this program was built without keyrings").hint(
            "build it with `--features keyring`, or let a command ask the keyring: \
             --passphrase-command, `password_command`",
        )
    }
}
