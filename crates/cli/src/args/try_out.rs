//! Commands to try things on: the demonstration and the simulator.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::AccessArgs;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Use the mail in this folder (DIR/<address>/<folder>/*.eml|.ics|.vcf) instead of made-up mail
    #[arg(long, value_name = "DIR", help_heading = "Mail")]
    pub mail: Option<PathBuf>,
    /// Back up into this repository, created if need be, instead of a temporary one.
    // The environment variable of the other commands is not read: a demonstration must not end up
    // in the real repository.
    #[arg(long, value_name = "URL", help_heading = "Repository")]
    pub repo: Option<String>,
    #[command(flatten)]
    pub access: AccessArgs,
    /// How many mailboxes to make up
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "mail", help_heading = "Mail",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub mailboxes: u16,
    /// How many items to make up in each
    #[arg(long, value_name = "N", default_value_t = 500, conflicts_with = "mail", help_heading = "Mail",
          value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub items: u32,
    /// The same seed makes the same mail
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Mail")]
    pub seed: u64,
    /// Leave the temporary repository behind, to look into it
    #[arg(long, help_heading = "Repository")]
    pub keep: bool,
}

#[derive(Debug, Args)]
pub struct SimArgs {
    /// Serve the mail in this folder: DIR/<address>/<folder>/*.eml|.ics|.vcf; a folder of loose
    /// files becomes alice@example.test's Inbox [repeatable]
    #[arg(long, value_name = "DIR")]
    pub mail: Vec<PathBuf>,
    /// Make up this many mailboxes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub generate: Option<u16>,
    /// How many items to make up in each of them
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub items: u32,
    /// The same seed makes the same mail
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Add an empty mailbox [repeatable]
    #[arg(long = "mailbox", value_name = "SMTP")]
    pub mailboxes: Vec<String>,
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// An account that may impersonate every mailbox, in place of svc@example.test [repeatable]
    #[arg(long = "account", value_name = "NAME")]
    pub accounts: Vec<String>,
    /// File that holds the accounts' password [default password: secret]
    #[arg(long, value_name = "FILE")]
    pub account_password_file: Option<PathBuf>,
    /// Be a server without ExportItems and UploadItems, of which only the portable form of items
    /// can be had
    #[arg(long)]
    pub without_export: bool,
    /// A JSON file with accounts, mailboxes and faults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep mailboxes in this folder: written when the simulator stops and every minute in which
    /// something changed, and read when it starts, in place of the mail that it began with
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Be this Exchange: 2013-sp1, 2016, 2019, se, or no-export for a server without ExportItems
    /// and UploadItems
    #[arg(long, value_name = "VERSION", value_parser = ["2013-sp1", "2016", "2019", "se", "no-export"])]
    pub exchange: Option<String>,
    /// The language of mailboxes, which decides what their folders are called
    #[arg(long, value_name = "CODE", value_parser = ["en", "de", "fr", "ja"])]
    pub language: Option<String>,
    /// Serve services.wsdl, messages.xsd and types.xsd of this folder beside the service, for
    /// clients that read them first
    #[arg(long, value_name = "DIR")]
    pub schema: Option<PathBuf>,
    /// Limit each mailbox as Exchange's default policy does, or not at all
    #[arg(long, value_name = "POLICY", value_parser = ["default", "unlimited"])]
    pub throttle: Option<String>,
    /// Offer these ways of signing in only [repeatable; default: all]
    #[arg(long, value_name = "WAY", value_delimiter = ',',
          value_parser = ["basic", "ntlm", "negotiate", "bearer"])]
    pub sign_in: Vec<String>,
    /// Take Kerberos, too, with the keys of the system's keytab or the one that KRB5_KTNAME names
    /// (in builds with the feature kerberos): a principal NAME@REALM is the account of that name
    #[arg(long)]
    pub kerberos: bool,
    /// Serve over TLS with a self-signed certificate, made anew each time
    #[arg(long)]
    pub tls: bool,
    /// Misbehave: OPERATION[@TEXT] WHEN ACTION, such as "ExportItems every 5 busy 200" [repeatable]
    #[arg(long = "fault", value_name = "RULE")]
    pub faults: Vec<String>,
}
