//! `postkeep sim`: serves simulated mailboxes until Ctrl-C.

use std::path::Path;
use std::time::Duration;

use ews_sim::{
    Account, Config, FaultPlan, Language, ServerVersion, SignIn, Sim, ThrottlePolicy, TlsIdentity,
};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::args::SimArgs;
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, count};
use crate::platform::stop_requested;
use crate::secrets::{self, Secret};

/// The password of made-up accounts; the simulator's default.
const DEFAULT_PASSWORD: &str = "secret";
/// The account there is unless others are named; the simulator's default.
const DEFAULT_ACCOUNT: &str = "svc@example.test";
/// Mailboxes made up when the command line names none.
const DEFAULT_MAILBOXES: u16 = 3;

/// How often changes are written, with `--state`.
const SAVE_EVERY: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Document {
    url: String,
    accounts: Vec<String>,
    mailboxes: Vec<Mailbox>,
    /// The certificate's SHA-256 hash, with `--tls`.
    tls_fingerprint: Option<String>,
    #[serde(skip)]
    sign_in: String,
}

#[derive(Serialize)]
struct Mailbox {
    mailbox: String,
    folders: u64,
    items: u64,
}

pub async fn run(context: &Context, args: SimArgs) -> Result<Code> {
    let password = match &args.account_password_file {
        Some(file) => Some(secrets::from_file(Secret::Password, file)?),
        None => None,
    };
    let sim = build(&args, password.as_deref())?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::io(format!("listen on {}", args.listen), &error))?;
    let failed = |error: ews_sim::Error| Failure::sim(&error);
    let identity = match args.tls {
        true => Some(identity(&args).map_err(failed)?),
        false => None,
    };
    let serving = match &identity {
        Some(identity) => sim.serve_tls(listener, identity).await,
        None => sim.serve(listener).await,
    };
    let server = serving.map_err(failed)?;
    let document = Document {
        url: server.url().to_owned(),
        accounts: accounts(&args),
        mailboxes: mailboxes(&sim)?,
        tls_fingerprint: identity.as_ref().map(TlsIdentity::fingerprint),
        sign_in: sign_in(&args, password.is_some()),
    };
    context.output.result(&document, people)?;
    context.output.note("Ctrl-C stops.");
    let stopped = keep_until_stopped(&sim, args.state.as_deref()).await;
    server.stop().await;
    if let Some(folder) = &args.state {
        sim.save(folder).map_err(failed)?;
    }
    stopped.map(|()| Code::Done)
}

/// Waits for Ctrl-C, and writes the state meanwhile where something changed.
async fn keep_until_stopped(sim: &Sim, state: Option<&Path>) -> Result<()> {
    let mut saved = sim.changes();
    let stopping = stop_requested();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            done = &mut stopping => {
                return done.map_err(|error| Failure::io("wait for Ctrl-C", &error));
            }
            () = tokio::time::sleep(SAVE_EVERY) => {}
        }
        let now = sim.changes();
        if let Some(folder) = state.filter(|_| now != saved) {
            let (sim, folder) = (sim.clone(), folder.to_owned());
            let written = tokio::task::spawn_blocking(move || sim.save(folder)).await;
            written
                .unwrap_or(Ok(()))
                .map_err(|error| Failure::sim(&error))?;
            saved = now;
        }
    }
}

fn build(args: &SimArgs, password: Option<&str>) -> Result<Sim> {
    let failed = |error: ews_sim::Error| Failure::sim(&error);
    let mut builder = Sim::builder();
    if let Some(file) = &args.config {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::io(format!("read {}", file.display()), &error))?;
        let config = Config::from_json(&text).map_err(failed)?;
        builder = builder.config(&config).map_err(failed)?;
    }
    for dir in &args.mail {
        builder = builder.load_dir(dir);
    }
    let is_empty = args.mail.is_empty() && args.mailboxes.is_empty() && args.config.is_none();
    if let Some(mailboxes) = args.generate.or(is_empty.then_some(DEFAULT_MAILBOXES)) {
        builder = builder.generate(ews_sim::GenerateConfig {
            seed: args.seed,
            mailboxes: usize::from(mailboxes),
            items: args.items as usize,
        });
    }
    for mailbox in &args.mailboxes {
        builder = builder.mailbox(mailbox);
    }
    for account in &args.accounts {
        let password = password.unwrap_or(DEFAULT_PASSWORD);
        builder = builder.account(Account::impersonator(account, password));
    }
    if let (true, Some(password)) = (args.accounts.is_empty(), password) {
        builder = builder.account(Account::impersonator(DEFAULT_ACCOUNT, password));
    }
    builder = match args.exchange.as_deref() {
        None => builder,
        Some("no-export") => builder.without_export_items(),
        Some(name) => builder.version(ServerVersion::named(name).map_err(failed)?),
    };
    if let Some(code) = &args.language {
        builder = builder.language(Language::named(code).map_err(failed)?);
    }
    if !args.sign_in.is_empty() {
        let ways: std::result::Result<Vec<SignIn>, _> = args
            .sign_in
            .iter()
            .map(|name| SignIn::named(name))
            .collect();
        builder = builder.sign_in(&ways.map_err(failed)?);
    }
    if args.kerberos {
        builder = builder.kerberos();
    }
    if let Some(name) = &args.throttle {
        builder = builder.throttle(ThrottlePolicy::named(name).map_err(failed)?);
    }
    if !args.faults.is_empty() {
        let plan: FaultPlan = args.faults.join(";").parse().map_err(failed)?;
        builder = builder.faults(plan.seed(args.seed));
    }
    if args.without_export {
        builder = builder.without_export_items();
    }
    if let Some(folder) = &args.schema {
        if !folder.join("services.wsdl").is_file() {
            let text = format!("there is no services.wsdl in {}", folder.display());
            return Err(Failure::usage(text));
        }
        builder = builder.schema(folder);
    }
    if let Some(folder) = &args.state {
        builder = builder.state(folder);
    }
    builder.build().map_err(failed)
}

/// A certificate for the address that is listened on, and for this machine by name.
fn identity(args: &SimArgs) -> std::result::Result<TlsIdentity, ews_sim::Error> {
    let address = args.listen.ip().to_string();
    TlsIdentity::self_signed(&["localhost", "127.0.0.1", "::1", &address])
}

/// The accounts that the command line makes; a configuration file may name others.
fn accounts(args: &SimArgs) -> Vec<String> {
    match (&args.accounts[..], &args.config) {
        ([], None) => vec![DEFAULT_ACCOUNT.to_owned()],
        (accounts, _) => accounts.to_vec(),
    }
}

fn mailboxes(sim: &Sim) -> Result<Vec<Mailbox>> {
    let describe = |address: String| {
        let handle = sim
            .mailbox(&address)
            .map_err(|error| Failure::sim(&error))?;
        let folders = handle.folders();
        Ok(Mailbox {
            mailbox: address,
            folders: folders.len() as u64,
            items: folders.iter().map(|folder| folder.total).sum(),
        })
    };
    sim.mailboxes().into_iter().map(describe).collect()
}

/// How to sign in, without telling a password that came from a file.
fn sign_in(args: &SimArgs, has_password_file: bool) -> String {
    let names = accounts(args).join(", ");
    let password = match has_password_file {
        true => "its password from the file".to_owned(),
        false => format!("password {DEFAULT_PASSWORD}"),
    };
    match (names.as_str(), &args.config) {
        ("", Some(file)) => format!("accounts as {} says", file.display()),
        (names, _) => format!("account {names}, {password}: may open every mailbox"),
    }
}

fn people(document: &Document) -> String {
    let mut table = Columns::new(&["MAILBOX", ">FOLDERS", ">ITEMS"]);
    for mailbox in &document.mailboxes {
        table.row([
            mailbox.mailbox.clone(),
            count(mailbox.folders),
            count(mailbox.items),
        ]);
    }
    let fingerprint = document.tls_fingerprint.as_ref();
    let trust = fingerprint.map(|hash| format!("--tls-fingerprint {hash}\n"));
    let (url, sign_in) = (&document.url, &document.sign_in);
    format!("{url}\n{sign_in}\n{}\n{table}", trust.unwrap_or_default())
}
