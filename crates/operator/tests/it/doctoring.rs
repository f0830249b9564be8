//! What the doctor finds: each finding once as it should be and once as it should not.

use std::sync::Arc;

use async_trait::async_trait;
use engine::{
    Client, ClientOptions, Credentials, Environment, Error, ErrorKind, Exchange, MemoryBudget,
    ObjectStore, Url, Vault, destination_from_url,
};
use ews_sim::{Account, RunningServer, Sim, SimBuilder, TlsIdentity};
use jiff::tz::TimeZone;
use operator::{
    Config, Connections, DestinationConfig, Finding, Health, Lookup, Machine, ProbeMailbox, Runner,
    SetConfig, doctor,
};
use tempfile::TempDir;
use testkit::{Call, Fault, FaultyStore, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::desk::Desk;

/// A server to look at, and what the set says of it.
struct Patient {
    desk: Arc<Desk>,
    password: &'static str,
    ca: Option<String>,
}

#[async_trait]
impl Connections for Patient {
    async fn exchange(&self, _: &str, set: &SetConfig) -> engine::Result<Exchange> {
        let url = Url::parse(&set.server).unwrap();
        let credentials = Credentials::basic(&set.user, self.password);
        let mut options = ClientOptions::new(url, credentials);
        options.extra_root_pem = self.ca.as_ref().map(|pem| pem.clone().into_bytes());
        Ok(Exchange::new(
            Client::new(options).unwrap(),
            &set.server,
            &set.user,
        ))
    }

    async fn probe(&self) -> engine::Result<ProbeMailbox> {
        self.desk.probe().await
    }

    async fn vault(&self, name: &str, destination: &DestinationConfig) -> engine::Result<Vault> {
        if destination.url == "locked" {
            return Err(Error::new(ErrorKind::Auth, "the passphrase opens nothing"));
        }
        self.desk.vault(name, destination).await
    }
}

/// The real clock, minutes off.
#[allow(clippy::disallowed_methods)]
fn environment(minutes_off: i64) -> Environment {
    let now = move || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(now.unwrap().as_millis()).unwrap() + minutes_off * 60_000
    };
    Environment::new(now, |bytes| bytes.fill(7))
}

async fn serve(builder: SimBuilder) -> (Sim, RunningServer) {
    let sim = builder.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sim.serve(listener).await.unwrap();
    (sim, server)
}

/// What the doctor is told, apart from the server.
struct Case {
    user: &'static str,
    password: &'static str,
    mailboxes: &'static str,
    url: &'static str,
    more: String,
    minutes_off: i64,
    store: Arc<dyn ObjectStore>,
    /// Bytes that are free at every folder, or what looking fails with.
    free_space: Result<u64, std::io::ErrorKind>,
    free_memory: Option<u64>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            user: "svc@example.test",
            password: "secret",
            mailboxes: "[\"alice@x.test\", \"bob@x.test\"]",
            url: "one",
            more: String::new(),
            minutes_off: 0,
            store: Arc::new(FaultyStore::in_memory()),
            free_space: Ok(500 << 30),
            free_memory: Some(8 << 30),
        }
    }
}

impl Case {
    async fn examine(&self, address: &str) -> Vec<Finding> {
        let (_, server) = serve(Sim::builder()).await;
        let desk = Arc::new(Desk {
            folder: TempDir::new().unwrap(),
            server,
            environment: environment(self.minutes_off),
        });
        let text = format!(
            "[destinations.one]\nurl = {:?}\n[sets.office]\nserver = {address:?}\nuser = {:?}\n\
             mailboxes = {}\ndestinations = \"one\"\n{}",
            self.url, self.user, self.mailboxes, self.more
        );
        let config = Config::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let ca = config.sets["office"].ca_file.as_ref();
        let patient = Patient {
            ca: ca.map(|file| std::fs::read_to_string(file).unwrap()),
            desk: desk.clone(),
            password: self.password,
        };
        let runner = Runner {
            config: Arc::new(config),
            connections: Arc::new(patient),
            environment: desk.environment.clone(),
            memory: MemoryBudget::default(),
            cache_dir: None,
            zone: TimeZone::UTC,
            machine: "desk".into(),
            lookup: Lookup::new(|_| None),
        };
        let open = |config: &DestinationConfig| match config.url.as_str() {
            "missing" => destination_from_url("/nowhere/at/all")
                .map_err(|error| Error::with_source(ErrorKind::NotFound, "open missing", error)),
            _ => Ok(Arc::clone(&self.store)),
        };
        let machine = Machine {
            cache_dir: Some(desk.folder.path()),
            free_space: &|_| self.free_space.map_err(std::io::Error::from),
            free_memory: self.free_memory,
        };
        doctor(&runner, &["office".to_owned()], &open, &machine).await
    }
}

#[track_caller]
fn check(findings: &[Finding], what: &str, health: Health, told: &str, fix: &str) {
    let mut of = findings.iter().filter(|finding| finding.what == what);
    let found = of.find(|finding| finding.health == health && finding.told.contains(told));
    let found = found.unwrap_or_else(|| panic!("no {health:?} {what}: {told}\n{findings:#?}"));
    let said = found.fix.as_deref().unwrap_or_default();
    assert!(said.contains(fix), "{found:#?}");
    assert!(!fix.is_empty() || found.fix.is_none(), "{found:#?}");
}

fn two() -> SimBuilder {
    Sim::builder().mailbox("alice@x.test").mailbox("bob@x.test")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_set_has_a_good_finding_for_everything() {
    let (_sim, server) = serve(two().public_folders()).await;
    let findings = Case::default().examine(server.url()).await;
    for (what, told) in [
        ("name", "127.0.0.1"),
        ("clock", "differs by"),
        ("sign-in", "svc@example.test is accepted"),
        ("mailboxes", "2 of 2 mailboxes open"),
        ("version", "15."),
        ("public folders", "at the top can be seen"),
        ("throttling", "none in"),
        ("create", "never twice"),
        ("delete", "can be deleted"),
        ("repository", "opens"),
    ] {
        check(&findings, what, Health::Good, told, "");
    }
    check(&findings, "free space", Health::Good, "537 GB free", "");
    check(&findings, "cache", Health::Good, "537 GB free", "");
    check(&findings, "memory", Health::Good, "8.6 GB free", "");
    // This server is not encrypted, and its store can be overwritten.
    check(
        &findings,
        "tls",
        Health::Warning,
        "not encrypted",
        "https://",
    );
    check(
        &findings,
        "object lock",
        Health::Unknown,
        "can be overwritten",
        "postkeep copy",
    );
    assert!(
        findings.iter().all(|finding| finding.health != Health::Bad),
        "{findings:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn little_space_and_memory_are_seen_and_the_less_the_worse() {
    let (_sim, server) = serve(two()).await;
    let with = async |free_space, free_memory, more: &str| {
        let case = Case {
            free_space,
            free_memory,
            more: more.to_owned(),
            ..Case::default()
        };
        case.examine(server.url()).await
    };
    let findings = with(Ok(1 << 30), Some(400 << 20), "").await;
    for what in ["free space", "cache"] {
        let fix = "use another disk";
        check(&findings, what, Health::Warning, "only 1.1 GB free at", fix);
    }
    check(
        &findings,
        "memory",
        Health::Warning,
        "419 MB free",
        "mailboxes_at_once",
    );
    let findings = with(Ok(5 << 20), Some(1 << 30), "[limits]\nmemory = \"2G\"\n").await;
    for what in ["free space", "cache"] {
        check(
            &findings,
            what,
            Health::Bad,
            "only 5.2 MB free at",
            "free some space",
        );
    }
    let told = "1.1 GB free, and items on their way may take 2.1 GB";
    check(
        &findings,
        "memory",
        Health::Warning,
        told,
        "`memory` in [limits]",
    );
    // What the system does not tell is not made up.
    let findings = with(Err(std::io::ErrorKind::PermissionDenied), None, "").await;
    let told = "cannot be found out at";
    check(&findings, "free space", Health::Unknown, told, "");
    check(&findings, "cache", Health::Unknown, "permission denied", "");
    assert!(!findings.iter().any(|finding| finding.what == "memory"));
}

#[test]
fn this_machine_tells_what_it_has() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::this(Some(folder.path()));
    assert!((machine.free_space)(folder.path()).unwrap() > 0);
    assert!((machine.free_space)(&folder.path().join("nothing")).is_err());
    if cfg!(target_os = "linux") {
        assert!(machine.free_memory.unwrap() > 1 << 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_ports_and_strangers_are_told_apart() {
    let case = Case::default();
    let findings = case.examine("https://no-such-host.invalid").await;
    check(
        &findings,
        "name",
        Health::Bad,
        "no-such-host.invalid",
        "Resolve-DnsName",
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let findings = case.examine(&format!("http://127.0.0.1:{port}")).await;
    check(
        &findings,
        "connection",
        Health::Bad,
        "",
        "Get-Service W3SVC",
    );
    // Something that answers and knows nothing of EWS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stranger = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let answer =
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    });
    let findings = case.examine(&format!("http://127.0.0.1:{port}")).await;
    stranger.abort();
    check(
        &findings,
        "clock",
        Health::Unknown,
        "does not tell its time",
        "",
    );
    check(
        &findings,
        "service",
        Health::Bad,
        "",
        "Get-WebServicesVirtualDirectory",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_only_where_somebody_trusts_it() {
    let identity = TlsIdentity::self_signed(&["localhost"]).unwrap();
    let sim = two().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sim.serve_tls(listener, &identity).await.unwrap();
    let address = server.url().replace("127.0.0.1", "localhost");
    let findings = Case::default().examine(&address).await;
    check(
        &findings,
        "tls",
        Health::Bad,
        "",
        "Enable-ExchangeCertificate",
    );
    let folder = TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, identity.certificate_pem()).unwrap();
    let case = Case {
        more: format!("ca_file = {ca:?}\n"),
        ..Case::default()
    };
    let findings = case.examine(&address).await;
    check(&findings, "tls", Health::Good, "trusted", "");
    check(&findings, "mailboxes", Health::Good, "2 of 2", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_come_with_the_command_that_gives_them() {
    let builder = two().account(Account::impersonator("svc@example.test", "secret"));
    let (_sim, server) = serve(builder.account(Account::new("weak@example.test", "secret"))).await;
    let wrong = Case {
        password: "wrong",
        ..Case::default()
    };
    let findings = wrong.examine(server.url()).await;
    check(
        &findings,
        "sign-in",
        Health::Bad,
        "",
        "Get-ADUser svc@example.test",
    );
    let weak = Case {
        user: "weak@example.test",
        ..Case::default()
    };
    let findings = weak.examine(server.url()).await;
    let fix = "New-ManagementRoleAssignment -Name postkeep -Role ApplicationImpersonation -User \
               weak@example.test";
    for mailbox in ["alice@x.test", "bob@x.test"] {
        check(&findings, "impersonation", Health::Bad, mailbox, fix);
    }
    let strange = Case {
        mailboxes: "[\"alice@x.test\", \"nobody@x.test\"]",
        ..Case::default()
    };
    let findings = strange.examine(server.url()).await;
    check(
        &findings,
        "mailboxes",
        Health::Bad,
        "nobody@x.test",
        "Get-Mailbox nobody@x.test",
    );
    check(&findings, "mailboxes", Health::Good, "1 of 2", "");
    // Without public folders nobody can see any.
    check(
        &findings,
        "public folders",
        Health::Unknown,
        "",
        "Add-PublicFolderClientPermission",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_and_a_wrong_clock_are_seen() {
    let faults = "FindFolder first 1 busy 50 fault500";
    let (_sim, server) = serve(two().faults(faults.parse().unwrap())).await;
    let case = Case {
        minutes_off: 10,
        ..Case::default()
    };
    let findings = case.examine(server.url()).await;
    let fix = "Set-ThrottlingPolicyAssociation svc@example.test -ThrottlingPolicy Backup";
    check(
        &findings,
        "throttling",
        Health::Warning,
        "made us wait 1 time",
        fix,
    );
    check(
        &findings,
        "clock",
        Health::Warning,
        "differs from the server's by",
        "timedatectl",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_at_destinations_are_tried_out() {
    let (_sim, server) = serve(two()).await;
    let missing = Case {
        url: "missing",
        ..Case::default()
    };
    let findings = missing.examine(server.url()).await;
    check(&findings, "destination", Health::Bad, "", "postkeep init");
    let locked = Case {
        url: "locked",
        ..Case::default()
    };
    let findings = locked.examine(server.url()).await;
    check(
        &findings,
        "repository",
        Health::Bad,
        "opens nothing",
        "passphrase_file",
    );
    let faulty = |rule: Rule| {
        let store = FaultyStore::in_memory();
        store.inject(rule);
        Case {
            store: Arc::new(store),
            ..Case::default()
        }
    };
    let findings = faulty(Rule::new(Call::Put, Fault::Fail))
        .examine(server.url())
        .await;
    check(
        &findings,
        "create",
        Health::Bad,
        "",
        "the right to write there",
    );
    assert!(!findings.iter().any(|finding| finding.what == "delete"));
    let findings = faulty(Rule::new(Call::Put, Fault::IgnoreCreate).always())
        .examine(server.url())
        .await;
    check(
        &findings,
        "create",
        Health::Warning,
        "created twice",
        "one machine at a time",
    );
    // The first put creates, the second tries to create again, the third overwrites.
    let findings = faulty(Rule::new(Call::Put, Fault::Fail).nth(3))
        .examine(server.url())
        .await;
    check(
        &findings,
        "object lock",
        Health::Good,
        "cannot be overwritten",
        "",
    );
    let findings = faulty(Rule::new(Call::Delete, Fault::Fail))
        .examine(server.url())
        .await;
    check(&findings, "delete", Health::Good, "as is safest", "");
}
