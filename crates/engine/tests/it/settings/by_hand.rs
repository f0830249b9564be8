//! What a server says of settings, asked by requests that the client has no part in.

use std::io::{Read, Write};

use ews_client::Url;

use super::ALICE;
use crate::world::Server;

/// Sends one request as it would be typed, and returns the answer's text.
fn soap(server: &Server, mailbox: &str, body: &str) -> String {
    let url = Url::parse(server.url()).unwrap();
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" \
         xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\">\
         <s:Header><t:RequestServerVersion Version=\"Exchange2013\"/><t:ExchangeImpersonation>\
         <t:ConnectingSID><t:PrimarySmtpAddress>{mailbox}</t:PrimarySmtpAddress></t:ConnectingSID>\
         </t:ExchangeImpersonation></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    );
    let address = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let account = base64_simd::STANDARD.encode_to_string("svc@example.test:secret");
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {account}\r\nConnection: close\r\n\
         Content-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        url.path(),
        address.0,
        envelope.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(envelope.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("NoError"), "{body}\n{answer}");
    answer
}

pub(super) fn permissions_of(server: &Server, mailbox: &str, folder: &str) -> String {
    let body = format!(
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
         <t:FieldURI FieldURI=\"folder:PermissionSet\"/></t:AdditionalProperties></m:FolderShape>\
         <m:FolderIds><t:DistinguishedFolderId Id=\"{folder}\"/></m:FolderIds></m:GetFolder>"
    );
    between(
        &soap(server, mailbox, &body),
        "<t:PermissionSet>",
        "</t:PermissionSet>",
    )
}

pub(super) fn rules_of(server: &Server, mailbox: &str) -> String {
    let body = format!(
        "<m:GetInboxRules><m:MailboxSmtpAddress>{mailbox}</m:MailboxSmtpAddress></m:GetInboxRules>"
    );
    soap(server, mailbox, &body)
}

pub(super) fn delegates_of(server: &Server, mailbox: &str) -> String {
    let body = format!(
        "<m:GetDelegate IncludePermissions=\"true\"><m:Mailbox><t:EmailAddress>{mailbox}\
         </t:EmailAddress></m:Mailbox></m:GetDelegate>"
    );
    soap(server, mailbox, &body)
}

pub(super) fn oof_of(server: &Server, mailbox: &str) -> String {
    let body = format!(
        "<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{mailbox}</t:Address>\
         <t:RoutingType>SMTP</t:RoutingType></t:Mailbox></m:GetUserOofSettingsRequest>"
    );
    soap(server, mailbox, &body)
}

fn configuration_of(server: &Server, mailbox: &str, folder: &str, name: &str) -> String {
    let body = format!(
        "<m:GetUserConfiguration><m:UserConfigurationName Name=\"{name}\">\
         <t:DistinguishedFolderId Id=\"{folder}\"/></m:UserConfigurationName>\
         <m:UserConfigurationProperties>All</m:UserConfigurationProperties>\
         </m:GetUserConfiguration>"
    );
    soap(server, mailbox, &body)
}

/// Everything between the first place of one text and the next place of another.
fn between(text: &str, from: &str, to: &str) -> String {
    let (_, rest) = text
        .split_once(from)
        .unwrap_or_else(|| panic!("no {from} in {text}"));
    let (found, _) = rest.split_once(to).unwrap();
    found.to_owned()
}

/// What the server says of each setting of Alice's, without what it makes up anew.
pub(super) fn look(server: &Server) -> [String; 6] {
    [
        permissions_of(server, ALICE, "inbox"),
        permissions_of(server, ALICE, "calendar"),
        between(
            &delegates_of(server, ALICE),
            "<m:DelegateUser>",
            "</m:ResponseMessages>",
        ),
        between(&rules_of(server, ALICE), "<t:IsEnabled>", "</t:Rule>"),
        between(&oof_of(server, ALICE), "<t:OofState>", "</t:OofState>"),
        between(
            &configuration_of(server, ALICE, "calendar", "CategoryList"),
            "<t:XmlData>",
            "</t:XmlData>",
        ),
    ]
}
