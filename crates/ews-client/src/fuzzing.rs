//! The decoders that no answer to a request reaches, for `fuzz/`.

use crate::auth::{Challenges, Ntlm, NtlmFreshness, Scheme, Spnego, channel_binding};
use crate::model::{
    Delegate, FolderPermissions, InboxRule, OofSettings, UserConfiguration, XmlElement,
};

/// Reads bytes as an answer of Autodiscover in each form.
pub fn autodiscover(data: &[u8]) {
    crate::autodiscover::read_all_forms(data);
}

/// Reads bytes as what a server says while one signs in: headers, messages, its certificate.
pub fn sign_in(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let offers = Challenges::read(text.lines());
    for scheme in [
        Scheme::Basic,
        Scheme::Ntlm,
        Scheme::Negotiate,
        Scheme::Bearer,
    ] {
        drop((offers.offers(scheme), offers.token(scheme)));
    }
    let fresh = NtlmFreshness {
        client_challenge: [7; 8],
        file_time: 1,
        target_name: "HTTP/mail.example.test",
        channel_binding: Some(&[1; 16]),
    };
    let ntlm = Ntlm::new("example\\alice", "secret");
    if let Ok(message) = ntlm.authenticate(data, &fresh) {
        assert!(message.starts_with(b"NTLMSSP\0"));
    }
    if let Some(token) = Spnego::unwrap(data) {
        assert!(token.len() <= data.len());
    }
    drop(channel_binding(data));
}

/// Reads bytes as a setting that was kept as XML; what can be read is written and read again the
/// same.
pub fn setting(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(element) = XmlElement::from_xml(&text) else {
        return;
    };
    let again = XmlElement::from_xml(&element.to_xml());
    assert_eq!(again.ok().as_ref(), Some(&element));
    if let Ok(read) = InboxRule::from_element(&element) {
        drop(read.to_element());
    }
    if let Ok(read) = FolderPermissions::from_element(&element) {
        drop(read.to_element());
    }
    if let Ok(read) = OofSettings::from_element(&element) {
        drop(read.to_element());
    }
    if let Ok(read) = UserConfiguration::from_element(&element) {
        drop(read.to_element());
    }
    if let Ok(read) = Delegate::from_element(&element) {
        drop(read.to_element());
    }
}
