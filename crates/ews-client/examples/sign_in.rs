//! Signs in and says whose Inbox it found.
//!
//! `cargo run -p ews-client --example sign_in -- URL USER [auto|basic|ntlm|negotiate|kerberos] [FINGERPRINT]`
//! with the password in the environment variable `EWS_PASSWORD`. `EWS_PROXY` names a proxy,
//! `EWS_CA_FILE` certificates to trust, and `EWS_TLS=legacy` asks for old cipher suites. Try it on
//! `postkeep sim --tls`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, FolderShape, GetFolder,
    Proxy, TlsSupport,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: sign_in URL USER [auto|basic|ntlm|negotiate|kerberos] [FINGERPRINT]";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| "EWS_PASSWORD is not set")?;
    let credentials = match arguments.next().as_deref() {
        None | Some("auto") => Credentials::password(user, password),
        Some("basic") => Credentials::basic(user, password),
        Some("ntlm") => Credentials::ntlm(user, password),
        Some("negotiate") => Credentials::negotiate(user, password),
        #[cfg(feature = "kerberos")]
        Some("kerberos") => Credentials::kerberos(user),
        Some(_) => return Err(usage.into()),
    };
    let mut options = ClientOptions::new(url.parse()?, credentials);
    if let Some(fingerprint) = arguments.next() {
        options.pinned_certificates.push(fingerprint.parse()?);
    }
    if let Ok(proxy) = std::env::var("EWS_PROXY") {
        options.proxy = Some(Proxy::new(proxy.parse()?)?);
    }
    if let Ok(file) = std::env::var("EWS_CA_FILE") {
        options.extra_root_pem = Some(std::fs::read(file)?);
    }
    if std::env::var("EWS_TLS").as_deref() == Ok("legacy") {
        options.tls = TlsSupport::Legacy;
    }
    let client = Client::new(options)?;
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::Default),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    for folder in client.get_folder(&request).await? {
        match folder {
            Ok(folder) => println!("{:?}: {:?} items", folder.display_name, folder.total_count),
            Err(error) => println!("signed in, but: {error}"),
        }
    }
    if let Some(version) = client.server_version() {
        println!("the server is {version:?}");
    }
    Ok(())
}
