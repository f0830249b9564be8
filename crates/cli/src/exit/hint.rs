//! What to do next, by kind of error and where it came from.

use std::error::Error as _;

use engine::ErrorKind;

/// Stands for the account's name in a hint.
pub const USER: &str = "<account>";
/// Stands for the repository's address in a hint.
pub const REPOSITORY: &str = "<repository>";

/// Where an error came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Exchange,
    Repository,
    Here,
}

impl Side {
    fn of(error: &engine::Error) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<engine::ServerError>() || error.is::<engine::ServerItemError>() {
                return Self::Exchange;
            }
            if error.is::<engine::RepositoryError>() {
                return Self::Repository;
            }
            cause = error.source();
        }
        Self::Here
    }
}

fn is_about_old_tls(error: &engine::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<engine::ServerError>() {
            return error.kind() == engine::ServerErrorKind::OldTls;
        }
        cause = inner.source();
    }
    false
}

/// Whether the operating system said so of a file, and not a server of something it keeps.
fn is_about_a_file(error: &engine::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Io;
            return matches!(
                error.kind(),
                Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::NotFound
            );
        }
        cause = inner.source();
    }
    false
}

/// What the user can do about an error, where there is something.
pub fn next_step(error: &engine::Error) -> Option<&'static str> {
    use ErrorKind as K;
    Some(match (error.kind(), Side::of(error)) {
        (K::Auth, Side::Exchange) => {
            "check the account's name (DOMAIN\\user or user@domain) and password; --auth says how \
             to sign in"
        }
        (K::Auth, _) => {
            "give the passphrase that the repository was created with, or another of its keys \
             (--key-file, --recovery-phrase-file, --escrow-key-file)"
        }
        (K::Sealed, _) => {
            "open the repository with a key that reads: its passphrase, a full key file \
             (--key-file), its recovery phrase or escrow"
        }
        (K::Denied, Side::Exchange) => {
            "allow it in the Exchange Management Shell: New-ManagementRoleAssignment -Name postkeep \
             -Role ApplicationImpersonation -User <account>"
        }
        (K::Denied, Side::Here) if error.source().is_none() => return None,
        (K::Denied, Side::Repository) if !is_about_a_file(error) => {
            "give the account of the destination the right to do that, or another account: \
             docs/destinations.md says which rights each kind of destination takes"
        }
        (K::Denied, _) => "give the system account that runs postkeep the right to this folder",
        (K::NotFound, Side::Exchange) => {
            "give the mailbox's primary SMTP address as this server knows it"
        }
        (K::NotFound, Side::Repository) => "postkeep init --repo <repository>",
        (K::NotFound, Side::Here) => {
            "`postkeep snapshots` lists snapshots and mailboxes, `postkeep ls` folders and items"
        }
        (K::Unreachable, Side::Exchange) if is_about_old_tls(error) => {
            if cfg!(feature = "legacy-tls") {
                "--legacy-tls (legacy_tls = true in a configuration) speaks the system's TLS, old \
                 cipher suites included; better: update the server's"
            } else {
                "--legacy-tls, with a postkeep that was built with --features legacy-tls; better: \
                 update the server's TLS"
            }
        }
        (K::Unreachable, Side::Exchange) => {
            "check the host name, the port and the firewall; --ca-file trusts a private \
             certificate authority, --tls-fingerprint one certificate"
        }
        (K::Unreachable, Side::Repository) if !is_about_a_file(error) => {
            "check the repository's address and the network; a folder or share has to be mounted"
        }
        (K::Unreachable, _) => "check that the repository's folder or share is mounted",
        (K::NotEws, _) => {
            "give the address of EWS, as a rule https://HOST/EWS/Exchange.asmx; without a path \
             postkeep adds it"
        }
        (K::Conflict, Side::Repository) => {
            "a repository that is there is used without init; otherwise run the same command again"
        }
        (K::Busy, Side::Exchange) => {
            "wait, or use the server less: --mailboxes-at-once 1 --requests 2"
        }
        (K::Busy, _) => {
            "wait for the other postkeep that works on this mailbox, or give another --cache-dir"
        }
        (K::Corrupt, _) => {
            "postkeep check --read-data --repo <repository> names everything that is touched"
        }
        (K::NoSpace, _) => "free some space and run the same command again; it continues",
        (K::Unsupported, Side::Repository) => "use a newer version of postkeep",
        _ => return None,
    })
}
