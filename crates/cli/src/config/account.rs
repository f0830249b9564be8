//! Accounts, and connections to servers.

use std::path::Path;
use std::sync::Arc;

use engine::{
    AutodiscoverOptions, Client, ClientOptions, ClientSecret, Credentials, Exchange, Fingerprint,
    Pace, Proxy, SharedThrottle, TlsSupport, TokioSleeper, Url,
};
use operator::Pacer;
use zeroize::Zeroizing;

use super::{Context, is_address, pacer};
use crate::args::{Auth, BackupArgs, FlowArgs, ServerArgs};
use crate::exit::{Code, Failure, Result};
use crate::output::Output;
use crate::secrets::{self, Secret};
use crate::{exit, keyring, operate};

/// An account, and how hard it may work at the server.
pub fn limited_account(context: &Context, server: &ServerArgs, flow: &FlowArgs) -> Result<Account> {
    let options = operate::throttle_options(Some(u32::from(flow.server_requests)));
    let throttle = SharedThrottle::new(options, Arc::new(TokioSleeper));
    let account = Account::new(context, server)?;
    Ok(account.limited(Some(throttle), pacer(context, &flow.bandwidth)))
}

/// An account whose password is known; makes connections to any number of servers.
pub struct Account {
    user: String,
    credentials: Credentials,
    extra_root_pem: Option<Vec<u8>>,
    pins: Vec<Fingerprint>,
    tls: TlsSupport,
    proxy: Option<Proxy>,
    throttle: Option<SharedThrottle>,
    pacer: Option<Pacer>,
    output: Output,
}

const USER_AGENT: &str = concat!("postkeep/", env!("CARGO_PKG_VERSION"));

impl Account {
    pub fn new(context: &Context, args: &ServerArgs) -> Result<Self> {
        let file = args.sign_in.password_file.as_deref();
        let secret = match &args.sign_in.password_keyring {
            Some(name) => keyring::read(name)?.to_string(),
            None => secrets::find(Secret::Password, file, &args.user)?,
        };
        Self::with_secret(context, args, secret)
    }

    /// An account whose password, or an application's secret, is at hand.
    pub fn with_secret(context: &Context, args: &ServerArgs, secret: String) -> Result<Self> {
        let usage = |error: engine::ServerError| Failure::usage(exit::chain(&error));
        let extra_root_pem = args
            .sign_in
            .ca_file
            .as_deref()
            .map(read_certificates)
            .transpose()?;
        let pins = args.sign_in.tls_fingerprint.iter().map(|text| text.parse());
        let pins = pins.collect::<Result<_, _>>().map_err(usage)?;
        let proxy = args.sign_in.proxy.as_deref().map(proxy).transpose()?;
        Ok(Self {
            user: args.user.clone(),
            credentials: credentials(args, secret)?,
            extra_root_pem,
            pins,
            tls: match args.sign_in.legacy_tls {
                true => TlsSupport::Legacy,
                false => TlsSupport::Modern,
            },
            proxy,
            throttle: None,
            pacer: None,
            output: context.output,
        })
    }

    /// The same with limits that connections share.
    pub fn limited(self, throttle: Option<SharedThrottle>, pacer: Option<Pacer>) -> Self {
        Self {
            throttle,
            pacer,
            ..self
        }
    }

    pub fn at(&self, server: &Url) -> Result<Exchange> {
        warn_of_plain_http(self.output, server);
        let mut options = ClientOptions::new(server.clone(), self.credentials.clone());
        options.user_agent = USER_AGENT.to_owned();
        options.extra_root_pem.clone_from(&self.extra_root_pem);
        options.pinned_certificates.clone_from(&self.pins);
        options.tls = self.tls;
        options.proxy.clone_from(&self.proxy);
        options.shared_throttle.clone_from(&self.throttle);
        let pace = self.pacer.clone();
        options.pace = pace.map(|pacer| Arc::new(pacer) as Arc<dyn Pace>);
        let client = Client::new(options).map_err(|error| Failure::usage(exit::chain(&error)))?;
        Ok(Exchange::new(client, server.as_str(), &self.user))
    }

    /// Finds the server of a mailbox by Autodiscover, and tells where it was led.
    pub async fn find(&self, address: &str, first: Option<&str>) -> Result<Url> {
        let mut options = AutodiscoverOptions::new(address, self.credentials.clone());
        options.user_agent = USER_AGENT.to_owned();
        options.extra_root_pem.clone_from(&self.extra_root_pem);
        options.pinned_certificates.clone_from(&self.pins);
        options.tls = self.tls;
        options.proxy.clone_from(&self.proxy);
        options.servers = first.map(server_url).transpose()?.into_iter().collect();
        let found = engine::autodiscover(&options).await.map_err(|error| {
            let code = match error.kind() {
                engine::ServerErrorKind::Auth => Code::SignIn,
                engine::ServerErrorKind::Invalid => Code::Usage,
                _ => Code::NotFound,
            };
            Failure::new(code, exit::chain(&error)).hint("--server URL says where the server is")
        })?;
        for step in &found.steps {
            let (form, url, outcome) = (step.form.as_str(), &step.url, &step.outcome);
            let told = format!("autodiscover: {form} at {url}: {outcome}");
            self.output.note(&told);
        }
        Ok(found.url)
    }
}

/// Where Autodiscover finds the server of the address that the arguments name.
pub async fn server(args: &BackupArgs, account: &Account, mailboxes: &[String]) -> Result<Url> {
    let user = Some(&args.account.user).filter(|user| is_address(user));
    let address = args.autodiscover.as_ref().or(user).or(mailboxes.first());
    let Some(address) = address else {
        return Err(
            Failure::usage("neither a server is named nor an address to find it by")
                .hint("--server URL, or --autodiscover SMTP"),
        );
    };
    account
        .find(address, args.autodiscover_server.as_deref())
        .await
}

fn credentials(args: &ServerArgs, secret: String) -> Result<Credentials> {
    let user = &args.user;
    Ok(match args.sign_in.auth {
        Auth::Auto => Credentials::password(user, secret),
        Auth::Basic => Credentials::basic(user, secret),
        Auth::Ntlm => Credentials::ntlm(user, secret),
        Auth::Negotiate => Credentials::negotiate(user, secret),
        Auth::Oauth => {
            let url = args.sign_in.token_url.as_deref().unwrap_or_default();
            let token_url = Url::parse(url).map_err(|error| {
                Failure::usage(format!("the token address is not a URL: {error}"))
            })?;
            if token_url.scheme() != "https" && !is_this_machine(&token_url) {
                return Err(Failure::usage("the token address must be an https address"));
            }
            let secret = ClientSecret {
                token_url,
                client_id: args.sign_in.client_id.clone().unwrap_or_default(),
                client_secret: Zeroizing::new(secret),
                scope: args.sign_in.scope.clone(),
            };
            Credentials::oauth_client(user, secret)
        }
    })
}

fn proxy(text: &str) -> Result<Proxy> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    // The address may hold a password, so it is not repeated.
    let url = Url::parse(&with_scheme)
        .map_err(|error| Failure::usage(format!("the proxy's address is not a URL: {error}")))?;
    Proxy::new(url).map_err(|error| Failure::usage(exit::chain(&error)))
}

/// Says so where a password would travel unencrypted.
fn warn_of_plain_http(output: Output, server: &Url) {
    if server.scheme() == "http" && !is_this_machine(server) {
        output.note(&format!(
            "warning: {server} is not encrypted: password and mail can be read on the way"
        ));
    }
}

fn read_certificates(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file)
        .map_err(|error| Failure::io(format!("read certificates from {}", file.display()), &error))
}

fn is_this_machine(server: &Url) -> bool {
    server.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// An EWS address as typed: the scheme and the usual path are added where they are missing.
pub fn server_url(text: &str) -> Result<Url> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let mut url = Url::parse(&with_scheme)
        .map_err(|error| Failure::usage(format!("the server address is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            Failure::usage("the server address must not hold a name or password")
                .hint("--user NAME, and the password by --password-file or POSTKEEP_PASSWORD"),
        );
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Failure::usage(format!(
            "{text} is neither an https nor an http address"
        )));
    }
    if matches!(url.path(), "" | "/") {
        url.set_path("/EWS/Exchange.asmx");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: Option<&str>) {
        let url = server_url(typed).ok().map(|url| url.to_string());
        assert_eq!(url.as_deref(), expected, "{typed}");
    }

    #[test]
    fn a_server_can_be_typed_short() {
        check(
            "mail.example.test",
            Some("https://mail.example.test/EWS/Exchange.asmx"),
        );
        check(
            "http://127.0.0.1:8080/",
            Some("http://127.0.0.1:8080/EWS/Exchange.asmx"),
        );
        check("https://h/ews/x.asmx", Some("https://h/ews/x.asmx"));
        check("https://user:secret@h/", None);
        check("ftp://h/", None);
        check("", None);
    }

    #[test]
    fn passwords_may_only_travel_unencrypted_within_the_machine() {
        let is = |text: &str| is_this_machine(&server_url(text).unwrap());
        assert!(is("http://127.0.0.1:8080"));
        assert!(is("http://[::1]:8080"));
        assert!(is("http://localhost"));
        assert!(!is("http://mail.example.test"));
    }
}
