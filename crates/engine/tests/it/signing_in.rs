//! Every way of signing in, over plain HTTP and TLS, against the simulator's own judgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ews_client::{
    AutodiscoverForm, AutodiscoverOptions, BaseShape, Client, ClientOptions, ClientSecret,
    Credentials, DistinguishedFolder, ErrorKind, FolderShape, GetFolder, Proxy, Token, TokenSource,
    Url, Zeroizing, async_trait, autodiscover,
};
use ews_sim::{RunningServer, SignIn, Sim, SimBuilder, TlsIdentity};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const USER: &str = "svc@example.test";
const PASSWORD: &str = "secret";

async fn plain(builder: SimBuilder) -> (Sim, RunningServer) {
    let sim = builder.mailbox(USER).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sim.serve(listener).await.unwrap();
    (sim, server)
}

async fn tls(builder: SimBuilder) -> (Sim, RunningServer, TlsIdentity) {
    let sim = builder.mailbox(USER).build().unwrap();
    let identity = TlsIdentity::self_signed(&["localhost", "127.0.0.1"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sim.serve_tls(listener, &identity).await.unwrap();
    (sim, server, identity)
}

fn options(server: &RunningServer, credentials: Credentials) -> ClientOptions {
    ClientOptions::new(server.url().parse().unwrap(), credentials)
}

fn pinned(
    server: &RunningServer,
    identity: &TlsIdentity,
    credentials: Credentials,
) -> ClientOptions {
    let mut options = options(server, credentials);
    options.pinned_certificates = vec![identity.fingerprint().parse().unwrap()];
    options
}

async fn ask(options: ClientOptions) -> ews_client::Result<Client> {
    let client = Client::new(options)?;
    get_inbox(&client).await?;
    Ok(client)
}

async fn get_inbox(client: &Client) -> ews_client::Result<()> {
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    let answers = client.get_folder(&request).await?;
    assert!(answers[0].is_ok(), "{answers:?}");
    Ok(())
}

fn application(server: &RunningServer, secret: &str) -> Credentials {
    let mut token_url: Url = server.url().parse().unwrap();
    token_url.set_path("/sim/token");
    let secret = ClientSecret {
        token_url,
        client_id: USER.to_owned(),
        client_secret: Zeroizing::new(secret.to_owned()),
        scope: "https://outlook.office365.com/.default".to_owned(),
    };
    Credentials::oauth_client(USER, secret)
}

/// Each way with that password, and the ways that the server offers for it.
fn all_ways(server: &RunningServer, password: &str) -> Vec<(Credentials, Vec<SignIn>)> {
    let all = SignIn::ALL.to_vec();
    vec![
        (Credentials::basic(USER, password), vec![SignIn::Basic]),
        (Credentials::ntlm(USER, password), vec![SignIn::Ntlm]),
        (
            Credentials::ntlm("EXAMPLE\\SVC", password),
            vec![SignIn::Ntlm],
        ),
        (
            Credentials::negotiate(USER, password),
            vec![SignIn::Negotiate],
        ),
        (Credentials::password(USER, password), all.clone()),
        (Credentials::password(USER, password), vec![SignIn::Basic]),
        (
            Credentials::password(USER, password),
            vec![SignIn::Negotiate],
        ),
        (application(server, password), vec![SignIn::Bearer]),
        (application(server, password), all),
    ]
}

#[tokio::test]
async fn right_passwords_are_taken_and_wrong_ones_refused_over_http_and_tls() {
    let (_, any, _) = tls(Sim::builder()).await;
    let ways = all_ways(&any, PASSWORD).len();
    any.stop().await;
    for way in 0..ways {
        let offers = all_ways(&plain(Sim::builder()).await.1, PASSWORD)[way]
            .1
            .clone();
        let (_, open) = plain(Sim::builder().sign_in(&offers)).await;
        let (_, closed, identity) = tls(Sim::builder().sign_in(&offers)).await;
        let right = |server| all_ways(server, PASSWORD).swap_remove(way).0;
        let wrong = |server| all_ways(server, "wrong").swap_remove(way).0;
        ask(options(&open, right(&open))).await.unwrap();
        ask(pinned(&closed, &identity, right(&closed)))
            .await
            .unwrap();
        for refused in [
            ask(options(&open, wrong(&open))).await,
            ask(pinned(&closed, &identity, wrong(&closed))).await,
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Auth, "{way}: {error}");
            assert_eq!(error.attempts(), 1);
            assert!(!error.to_string().contains("wrong\""), "{error}");
        }
        open.stop().await;
        closed.stop().await;
    }
}

#[tokio::test]
async fn a_way_that_the_server_does_not_offer_is_named() {
    let (_, server) = plain(Sim::builder().sign_in(&[SignIn::Basic, SignIn::Bearer])).await;
    let error = ask(options(&server, Credentials::ntlm(USER, PASSWORD)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    let text = error.to_string();
    assert!(
        text.ends_with("does not take NTLM authentication, only Basic, Bearer"),
        "{text}"
    );
    server.stop().await;
    let (_, server) = plain(Sim::builder().sign_in(&[SignIn::Bearer])).await;
    let error = ask(options(&server, Credentials::password(USER, PASSWORD)))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only Bearer"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn each_ntlm_connection_signs_in_once_however_many_requests_it_serves() {
    let (sim, server, identity) = tls(Sim::builder().require_channel_binding()).await;
    for credentials in [
        Credentials::ntlm(USER, PASSWORD),
        Credentials::negotiate(USER, PASSWORD),
    ] {
        sim.reset_stats();
        let client = Client::new(pinned(&server, &identity, credentials)).unwrap();
        let workers = (0..8).map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    get_inbox(&client).await.unwrap();
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.unwrap();
        }
        let stats = sim.stats();
        assert_eq!(stats.requests_total, 200);
        assert!(
            (1..=8).contains(&stats.connection_sign_ins),
            "{}",
            stats.connection_sign_ins
        );
        assert_eq!(stats.unauthorized, 0);
    }
    server.stop().await;
}

#[tokio::test]
async fn extended_protection_refuses_a_sign_in_that_is_bound_to_no_channel() {
    // Over plain HTTP there is no channel to bind to, as behind a proxy that ends TLS.
    let (_, server) = plain(Sim::builder().require_channel_binding()).await;
    let error = ask(options(&server, Credentials::ntlm(USER, PASSWORD)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    server.stop().await;
}

#[tokio::test]
async fn an_ntlm_connection_that_the_server_closed_is_signed_in_anew() {
    let sim = Sim::builder().mailbox(USER).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = sim.serve(listener).await.unwrap();
    let client = ask(options(&server, Credentials::ntlm(USER, PASSWORD)))
        .await
        .unwrap();
    server.stop().await;
    let again = sim
        .serve(TcpListener::bind(address).await.unwrap())
        .await
        .unwrap();
    get_inbox(&client).await.unwrap();
    get_inbox(&client).await.unwrap();
    assert_eq!(sim.stats().connection_sign_ins, 2);
    again.stop().await;
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_with_the_fingerprint_that_pins_it() {
    let (_, server, identity) = tls(Sim::builder()).await;
    let basic = || Credentials::basic(USER, PASSWORD);
    let error = ask(options(&server, basic())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let text = error.to_string();
    assert!(
        text.contains("not trusted") && text.contains(&identity.fingerprint()),
        "{text}"
    );
    ask(pinned(&server, &identity, basic())).await.unwrap();
    let other = TlsIdentity::self_signed(&["localhost"]).unwrap();
    let error = ask(pinned(&server, &other, basic())).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("not the pinned one") && text.contains(&identity.fingerprint()),
        "{text}"
    );
    let mut trusting = options(&server, basic());
    trusting.extra_root_pem = Some(identity.certificate_pem().as_bytes().to_vec());
    ask(trusting).await.unwrap();
    server.stop().await;
}

struct Counted(AtomicUsize, String);

#[async_trait]
impl TokenSource for Counted {
    async fn token(&self) -> Result<Token, Box<dyn std::error::Error + Send + Sync>> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Token::new("stale", None)),
            1 => Ok(Token::new(self.1.clone(), None)),
            _ => Err("no more".into()),
        }
    }
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_renewed_once_and_then_kept() {
    let (_, server) = plain(Sim::builder()).await;
    let mut token_url: Url = server.url().parse().unwrap();
    token_url.set_path("/sim/token");
    let form = format!("grant_type=client_credentials&client_id={USER}&client_secret={PASSWORD}");
    let mut stream = TcpStream::connect(token_url.socket_addrs(|| None).unwrap()[0])
        .await
        .unwrap();
    let request = format!(
        "POST /sim/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
        .await
        .unwrap();
    let token = answer
        .split("\"access_token\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let source = Arc::new(Counted(AtomicUsize::new(0), token.to_owned()));
    let credentials = Credentials::oauth_tokens(USER, source.clone());
    let client = ask(options(&server, credentials)).await.unwrap();
    get_inbox(&client).await.unwrap();
    assert_eq!(source.0.load(Ordering::SeqCst), 2);
    server.stop().await;
}

/// A proxy that wants a password and makes its tunnels to servers in turn, as a load balancer
/// does; the count of its tunnels, and its address.
async fn proxy_to(servers: Vec<String>) -> (Arc<AtomicUsize>, String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://user:geheim@{}/", listener.local_addr().unwrap());
    let tunnels = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&tunnels);
    let task = tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let mut client = BufReader::new(client);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                client.read_line(&mut head).await.unwrap();
            }
            assert!(head.contains("dXNlcjpnZWhlaW0="), "{head}");
            let target = servers[made.fetch_add(1, Ordering::SeqCst) % servers.len()].clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (tunnels, address, task)
}

fn authority(server: &RunningServer) -> String {
    let url: Url = server.url().parse().unwrap();
    url.socket_addrs(|| None).unwrap()[0].to_string()
}

#[tokio::test]
async fn a_sign_in_through_a_proxy_is_bound_to_the_certificate_behind_it() {
    let (_, server, identity) = tls(Sim::builder().require_channel_binding()).await;
    for credentials in [
        Credentials::ntlm(USER, PASSWORD),
        Credentials::negotiate(USER, PASSWORD),
    ] {
        let (tunnels, proxy, task) = proxy_to(vec![authority(&server)]).await;
        let mut options = pinned(&server, &identity, credentials);
        options.proxy = Some(Proxy::new(proxy.parse().unwrap()).unwrap());
        assert!(!format!("{options:?}").contains("geheim"));
        ask(options).await.unwrap();
        assert_eq!(tunnels.load(Ordering::SeqCst), 1);
        task.abort();
    }
    server.stop().await;
}

#[tokio::test]
async fn each_connection_is_bound_to_its_own_certificate_behind_a_load_balancer() {
    let (one_sim, one, one_identity) = tls(Sim::builder().require_channel_binding()).await;
    let (other_sim, other, other_identity) = tls(Sim::builder().require_channel_binding()).await;
    let (tunnels, proxy, task) = proxy_to(vec![authority(&one), authority(&other)]).await;
    let mut options = pinned(&one, &one_identity, Credentials::ntlm(USER, PASSWORD));
    let fingerprint = other_identity.fingerprint().parse().unwrap();
    options.pinned_certificates.push(fingerprint);
    options.proxy = Some(Proxy::new(proxy.parse().unwrap()).unwrap());
    let client = Client::new(options).unwrap();
    for _ in 0..5 {
        let workers = (0..8).map(|_| get_inbox(&client));
        futures::future::try_join_all(workers).await.unwrap();
    }
    let (one_stats, other_stats) = (one_sim.stats(), other_sim.stats());
    assert_eq!(one_stats.requests_total + other_stats.requests_total, 40);
    assert_eq!(one_stats.unauthorized + other_stats.unauthorized, 0);
    let sign_ins = one_stats.connection_sign_ins + other_stats.connection_sign_ins;
    assert_eq!(sign_ins, tunnels.load(Ordering::SeqCst) as u64);
    assert!(other_stats.connection_sign_ins > 0);
    task.abort();
    one.stop().await;
    other.stop().await;
}

fn look_for(server: &RunningServer, address: &str, password: &str) -> AutodiscoverOptions {
    let mut options = AutodiscoverOptions::new(address, Credentials::password(USER, password));
    options.servers = vec![server.url().parse().unwrap()];
    options
}

#[tokio::test]
async fn a_mailbox_is_found_from_its_address_by_each_form() {
    use ews_sim::AutodiscoverForm as Served;
    for (served, form) in [
        (Served::Json, AutodiscoverForm::Json),
        (Served::Pox, AutodiscoverForm::Pox),
        (Served::Soap, AutodiscoverForm::Soap),
    ] {
        let builder = Sim::builder()
            .autodiscover(&[served])
            .autodiscover_redirect("old@example.test", USER);
        let (_, server, identity) = tls(builder).await;
        for (address, steps) in [(USER, 0), ("old@example.test", 1)] {
            let mut options = look_for(&server, address, PASSWORD);
            options.pinned_certificates = vec![identity.fingerprint().parse().unwrap()];
            let found = autodiscover(&options).await.unwrap();
            assert_eq!(found.url.as_str(), server.url());
            let asked: Vec<_> = found
                .steps
                .iter()
                .filter(|step| step.form == form)
                .collect();
            assert_eq!(asked.len(), 1 + steps, "{:?}", found.steps);
            assert!(found.steps.last().unwrap().outcome.starts_with("found "));
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_search_that_finds_nothing_tells_every_step_and_a_wrong_password_is_used_once() {
    let (sim, server) = plain(
        Sim::builder()
            .autodiscover(&[
                ews_sim::AutodiscoverForm::Pox,
                ews_sim::AutodiscoverForm::Soap,
            ])
            .sign_in(&[SignIn::Basic]),
    )
    .await;
    // A domain that no name service knows.
    let nobody = "nobody@mail.invalid";
    let error = autodiscover(&look_for(&server, nobody, PASSWORD))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("can't be found"), "{error}");
    sim.reset_stats();
    let error = autodiscover(&look_for(&server, nobody, "wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    // One to learn what is offered, one with the password.
    assert_eq!(sim.stats().unauthorized, 2);
    server.stop().await;
}
