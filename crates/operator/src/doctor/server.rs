//! The server: its name, its certificate, its clock, and what the account may do there.

use std::time::Duration;

use engine::{Environment, ErrorKind, Exchange, Url};

use super::{Finding, Health, MAX_MAILBOXES};
use crate::config::SetConfig;
use crate::run::one_line;

/// Longest time for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Clocks that differ by more let Kerberos fail, and confuse whoever reads two logs.
const MAX_SKEW_MS: i64 = 60_000;

/// Finds the name, connects, and compares the clocks. Says whether to go on.
pub(super) async fn reachable(
    name: &str,
    set: &SetConfig,
    environment: &Environment,
    findings: &mut Vec<Finding>,
) -> bool {
    let address = match set.server.contains("://") {
        true => set.server.clone(),
        false => format!("https://{}", set.server),
    };
    let Ok(mut url) = Url::parse(&address) else {
        return false;
    };
    if matches!(url.path(), "" | "/") {
        url.set_path("/EWS/Exchange.asmx");
    }
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    match tokio::net::lookup_host((host.as_str(), port)).await {
        Ok(found) => {
            let found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
            findings.push(Finding::good(
                name,
                "name",
                format!("{host} is {}", found.join(", ")),
            ));
        }
        Err(error) => {
            let fix = format!("correct `server`, or add {host} to DNS: Resolve-DnsName {host}");
            findings.push(Finding::bad(name, "name", format!("{host}: {error}"), fix));
            return false;
        }
    }
    match ask(&url, set).await {
        Ok(answer) => {
            let tls = match url.scheme() {
                "https" => Finding::good(name, "tls", "the certificate is trusted"),
                _ => Finding::bad(
                    name,
                    "tls",
                    "the connection is not encrypted",
                    "write https:// in `server`",
                )
                .with(Health::Warning),
            };
            findings.push(tls);
            findings.push(clock(name, &answer, environment));
            true
        }
        Err(error) => {
            let text = causes(&error);
            let (what, fix) = match text.to_lowercase().contains("certificate") {
                true => (
                    "tls",
                    "name the certificate authority in `ca_file`, or give the server a certificate \
                     with this name: Get-ExchangeCertificate; Enable-ExchangeCertificate -Services \
                     IIS",
                ),
                false => (
                    "connection",
                    "open the port in the firewall, and see that IIS runs: Test-NetConnection; \
                     Get-Service W3SVC",
                ),
            };
            findings.push(Finding::bad(name, what, text, fix));
            false
        }
    }
}

async fn ask(url: &Url, set: &SetConfig) -> reqwest::Result<reqwest::Response> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    if url.scheme() == "https"
        && let Some(file) = &set.ca_file
        && let Ok(pem) = tokio::fs::read(file).await
    {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem)?);
    }
    builder.build()?.get(url.clone()).send().await
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

fn clock(name: &str, answer: &reqwest::Response, environment: &Environment) -> Finding {
    let date = answer
        .headers()
        .get("date")
        .and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| {
        jiff::fmt::rfc2822::parse(date)
            .ok()
            .map(|date| date.timestamp().as_millisecond())
    });
    let Some(theirs) = theirs else {
        return Finding::good(name, "clock", "the server does not tell its time")
            .with(Health::Unknown);
    };
    let skew = ((environment.now_unix_ms)() - theirs).abs();
    match skew <= MAX_SKEW_MS {
        true => Finding::good(name, "clock", format!("differs by {} s at most", skew / 1000 + 1)),
        false => Finding::bad(
            name,
            "clock",
            format!("differs from the server's by {} s", skew / 1000),
            "set this machine's clock by NTP: timedatectl set-ntp true; on the server: w32tm /resync",
        )
        .with(Health::Warning),
    }
}

/// Signs in and opens each mailbox as a backup would.
pub(super) async fn rights(
    name: &str,
    exchange: &Exchange,
    set: &SetConfig,
    mailboxes: &[String],
    findings: &mut Vec<Finding>,
) {
    let mut opened = 0;
    let mut version = None;
    for mailbox in mailboxes.iter().take(MAX_MAILBOXES) {
        match exchange.look_at_mailbox(mailbox).await {
            Ok(look) => {
                opened += 1;
                version = version.or(look.server_version);
            }
            Err(error) => {
                let ends = matches!(
                    error.kind(),
                    ErrorKind::Auth | ErrorKind::NotEws | ErrorKind::Unreachable
                );
                findings.push(refused(name, set, mailbox, &error));
                if ends {
                    return;
                }
            }
        }
    }
    if opened > 0 {
        findings.push(Finding::good(
            name,
            "sign-in",
            format!("{} is accepted", set.user),
        ));
        let told = format!(
            "{opened} of {} mailboxes open",
            mailboxes.len().min(MAX_MAILBOXES)
        );
        findings.push(Finding::good(name, "mailboxes", told));
    }
    if let Some(version) = version {
        findings.push(Finding::good(name, "version", version));
    }
    public_folders(name, exchange, mailboxes, findings).await;
    throttling(name, exchange, set, findings);
}

fn refused(name: &str, set: &SetConfig, mailbox: &str, error: &engine::Error) -> Finding {
    let user = &set.user;
    let (what, fix) = match error.kind() {
        ErrorKind::Auth => (
            "sign-in",
            format!(
                "correct `user`, the password and `auth`; see which ways the server allows: \
                 Get-WebServicesVirtualDirectory | Format-List *Authentication; is the account \
                 locked? Get-ADUser {user} -Properties LockedOut"
            ),
        ),
        ErrorKind::Denied => (
            "impersonation",
            format!(
                "New-ManagementRoleAssignment -Name postkeep -Role ApplicationImpersonation -User \
                 {user}"
            ),
        ),
        ErrorKind::NotFound => (
            "mailboxes",
            format!("Get-Mailbox {mailbox} | Format-List PrimarySmtpAddress, or take it out"),
        ),
        ErrorKind::NotEws => (
            "service",
            "give the address of EWS: Get-WebServicesVirtualDirectory | Format-List InternalUrl"
                .to_owned(),
        ),
        _ => (
            "server",
            "Test-WebServicesConnectivity tells more, on the server".to_owned(),
        ),
    };
    Finding::bad(name, what, format!("{mailbox}: {}", one_line(error)), fix)
}

async fn public_folders(
    name: &str,
    exchange: &Exchange,
    mailboxes: &[String],
    findings: &mut Vec<Finding>,
) {
    let Some(mailbox) = mailboxes.first() else {
        return;
    };
    let what = "public folders";
    findings.push(match exchange.look_at_public_folders(mailbox).await {
        Ok(look) => Finding::good(
            name,
            what,
            format!("{} at the top can be seen", look.folders),
        ),
        Err(error) => Finding::bad(
            name,
            what,
            one_line(&error),
            "only if you have any: Add-PublicFolderClientPermission \\ -User ACCOUNT -AccessRights \
             Reviewer",
        )
        .with(Health::Unknown),
    });
}

fn throttling(name: &str, exchange: &Exchange, set: &SetConfig, findings: &mut Vec<Finding>) {
    let stats = exchange.client().stats();
    findings.push(match stats.waits {
        0 => Finding::good(
            name,
            "throttling",
            format!("none in {} requests", stats.requests),
        ),
        waits => Finding::bad(
            name,
            "throttling",
            format!(
                "the server made us wait {waits} times in {} requests",
                stats.requests
            ),
            format!(
                "New-ThrottlingPolicy Backup -EwsMaxConcurrency Unlimited -EwsMaxBurst Unlimited \
                 -EwsRechargeRate Unlimited -EwsCutoffBalance Unlimited -ThrottlingPolicyScope \
                 Regular; Set-ThrottlingPolicyAssociation {} -ThrottlingPolicy Backup",
                set.user
            ),
        )
        .with(Health::Warning),
    });
}
