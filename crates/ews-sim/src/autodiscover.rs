//! Autodiscover in its three forms: POX (MS-OXDSCLI), SOAP (MS-OXWSADISC) and JSON v2.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode, header};

use crate::listen::Remote;
use crate::server::{plain, response, xml_response};
use crate::sim::World;
use crate::xml::{self, Element, XmlWriter};

/// Most bytes of a request.
const MAX_REQUEST_BYTES: usize = 64 << 10;
const POX_RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const POX_OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SETTINGS: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";

/// A form of Autodiscover that the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AutodiscoverForm {
    /// `GET /autodiscover/autodiscover.json/v1.0/ADDRESS?Protocol=EWS`.
    Json,
    /// `POST /autodiscover/autodiscover.xml`.
    Pox,
    /// `POST /autodiscover/autodiscover.svc`.
    Soap,
}

impl AutodiscoverForm {
    /// All of them.
    pub const ALL: [AutodiscoverForm; 3] = [
        AutodiscoverForm::Json,
        AutodiscoverForm::Pox,
        AutodiscoverForm::Soap,
    ];

    /// The form that a path in lower case asks for.
    pub(crate) fn at(path: &str) -> Option<AutodiscoverForm> {
        match path.strip_prefix("/autodiscover/autodiscover.")? {
            "xml" => Some(AutodiscoverForm::Pox),
            "svc" => Some(AutodiscoverForm::Soap),
            rest if rest == "json" || rest.starts_with("json/") => Some(AutodiscoverForm::Json),
            _ => None,
        }
    }
}

/// What is known of an address.
enum Found {
    /// The EWS endpoint, and the address of the mailbox.
    Here(String, Named),
    /// Another address to ask for.
    Redirect(String),
    Unknown,
}

/// `GET /autodiscover/autodiscover.json/v1.0/ADDRESS?Protocol=EWS`, which asks nobody who they
/// are.
pub(crate) fn json(world: &World, request: &Request, remote: &Remote) -> Response<Body> {
    let query: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
            .collect();
    let last = request.uri().path().rsplit('/').next().unwrap_or_default();
    let in_path = url::form_urlencoded::parse(last.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .filter(|name| name.contains('@'));
    let address = in_path.or_else(|| query.get("email").cloned());
    let error = |status, code: &str, text: &str| {
        let body = serde_json::json!({ "ErrorCode": code, "ErrorMessage": text });
        response(status, "application/json", Body::from(body.to_string()))
    };
    let Some(address) = address else {
        return error(
            StatusCode::BAD_REQUEST,
            "MandatoryParameterMissing",
            "Email is missing.",
        );
    };
    let protocol = query
        .get("protocol")
        .map(String::as_str)
        .unwrap_or_default();
    if !protocol.eq_ignore_ascii_case("ews") {
        let text = "The given protocol value is invalid. Supported values are: EWS.";
        return error(StatusCode::BAD_REQUEST, "InvalidProtocol", text);
    }
    match find(world, &address, request, remote) {
        Found::Here(url, _) => {
            let body = serde_json::json!({ "Protocol": "EWS", "Url": url });
            response(
                StatusCode::OK,
                "application/json",
                Body::from(body.to_string()),
            )
        }
        Found::Redirect(to) => {
            let mut moved = plain(StatusCode::FOUND, "");
            let place = format!(
                "{}/autodiscover/autodiscover.json/v1.0/{to}?Protocol=EWS",
                origin(request, remote)
            );
            if let Ok(place) = place.parse() {
                moved.headers_mut().insert(header::LOCATION, place);
            }
            moved
        }
        Found::Unknown => error(
            StatusCode::NOT_FOUND,
            "UserNotFound",
            "There is no such mailbox.",
        ),
    }
}

/// POST of either XML form; which one, the request itself says.
pub(crate) async fn xml(world: &World, request: Request, remote: &Remote) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "");
    };
    let head = Request::from_parts(parts, Body::empty());
    let Ok(root) = xml::parse(&bytes) else {
        return plain(StatusCode::BAD_REQUEST, "");
    };
    if root.name == "Envelope" {
        let address = text_of(&root, "Mailbox").unwrap_or_default();
        let found = find(world, address, &head, remote);
        return xml_response(StatusCode::OK, Body::from(soap(&found)));
    }
    let address = text_of(&root, "EMailAddress").unwrap_or_default();
    let found = find(world, address, &head, remote);
    xml_response(StatusCode::OK, Body::from(pox(&found, address)))
}

/// What the settings say of a mailbox beside the endpoint.
#[derive(Default)]
struct Named {
    /// Its primary address, where it was asked for by another.
    address: Option<String>,
    /// Its name as a server: a GUID in front of the domain.
    server: Option<String>,
    /// The mailbox with the hierarchy of public folders.
    public_folders: Option<String>,
}

fn find(world: &World, address: &str, request: &Request, remote: &Remote) -> Found {
    world.recorder.record(|stats| stats.autodiscover += 1);
    if let Some(to) = world.redirects.get(&address.to_lowercase()) {
        return Found::Redirect(to.clone());
    }
    let here = |named| {
        Found::Here(
            format!("{}/EWS/Exchange.asmx", origin(request, remote)),
            named,
        )
    };
    if let Some(mailbox) = world.public_mailbox(address) {
        return here(Named {
            address: Some(mailbox.address.clone()),
            server: Some(mailbox.guid_address()),
            public_folders: None,
        });
    }
    if world.mailbox(address).is_none() {
        return Found::Unknown;
    }
    let first = world.public_mailboxes.first();
    here(Named {
        public_folders: first.map(|first| first.address.clone()),
        ..Named::default()
    })
}

/// Scheme and authority as the client called them.
fn origin(request: &Request, remote: &Remote) -> String {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).map(str::to_owned);
    let scheme = if remote.is_tls { "https" } else { "http" };
    format!("{scheme}://{}", host.unwrap_or_else(|| remote.authority()))
}

fn pox(found: &Found, address: &str) -> Vec<u8> {
    let mut w = XmlWriter::new();
    w.raw()
        .push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    w.start("Autodiscover");
    w.attr("xmlns", POX_RESPONSE);
    w.start("Response");
    match found {
        Found::Unknown => {
            w.start("Error");
            w.attr("Time", "08:00:00.0000000");
            w.attr("Id", "1");
            w.leaf("ErrorCode", "500");
            w.leaf("Message", "The email address can't be found.");
            w.leaf("DebugData", "");
            w.end("Error");
        }
        known => {
            w.attr("xmlns", POX_OUTLOOK);
            w.start("User");
            w.leaf("DisplayName", address);
            let own = match known {
                Found::Here(_, named) => named.address.as_deref(),
                _ => None,
            };
            w.leaf("AutoDiscoverSMTPAddress", own.unwrap_or(address));
            w.end("User");
            w.start("Account");
            w.leaf("AccountType", "email");
            match known {
                Found::Redirect(to) => {
                    w.leaf("Action", "redirectAddr");
                    w.leaf("RedirectAddr", to);
                }
                Found::Here(url, named) => {
                    w.leaf("Action", "settings");
                    for kind in ["EXCH", "EXPR"] {
                        w.start("Protocol");
                        w.leaf("Type", kind);
                        let inside = named.server.as_deref().filter(|_| kind == "EXCH");
                        w.leaf("Server", inside.unwrap_or("ews-sim.example.test"));
                        w.leaf("ASUrl", url);
                        w.leaf("EwsUrl", url);
                        w.end("Protocol");
                    }
                    if let Some(address) = &named.public_folders {
                        w.start("PublicFolderInformation");
                        w.leaf("SmtpAddress", address);
                        w.end("PublicFolderInformation");
                    }
                }
                Found::Unknown => {}
            }
            w.end("Account");
        }
    }
    w.end("Response");
    w.end("Autodiscover");
    w.into_bytes()
}

fn soap(found: &Found) -> Vec<u8> {
    let mut w = XmlWriter::new();
    w.raw()
        .push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    w.start("s:Envelope");
    w.attr("xmlns:s", SOAP);
    w.start("s:Body");
    w.start("GetUserSettingsResponseMessage");
    w.attr("xmlns", SETTINGS);
    w.start("Response");
    w.attr("xmlns:i", "http://www.w3.org/2001/XMLSchema-instance");
    w.leaf("ErrorCode", "NoError");
    w.leaf("ErrorMessage", "");
    w.start("UserResponses");
    w.start("UserResponse");
    let (code, text) = match found {
        Found::Here(..) => ("NoError", "No error."),
        Found::Redirect(_) => ("RedirectAddress", "Ask for another address."),
        Found::Unknown => ("InvalidUser", "Invalid user."),
    };
    w.leaf("ErrorCode", code);
    w.leaf("ErrorMessage", text);
    if let Found::Redirect(to) = found {
        w.leaf("RedirectTarget", to);
    }
    w.start("UserSettingErrors");
    w.end("UserSettingErrors");
    w.start("UserSettings");
    if let Found::Here(url, _) = found {
        for name in ["InternalEwsUrl", "ExternalEwsUrl"] {
            w.start("UserSetting");
            w.attr("i:type", "StringSetting");
            w.leaf("Name", name);
            w.leaf("Value", url);
            w.end("UserSetting");
        }
    }
    w.end("UserSettings");
    for name in [
        "UserResponse",
        "UserResponses",
        "Response",
        "GetUserSettingsResponseMessage",
    ] {
        w.end(name);
    }
    w.end("s:Body");
    w.end("s:Envelope");
    w.into_bytes()
}

/// The text of the first element of that name, whatever its namespace.
fn text_of<'a>(element: &'a Element<'_>, name: &str) -> Option<&'a str> {
    if element.name == name {
        return Some(element.text.trim());
    }
    element
        .children
        .iter()
        .find_map(|child| text_of(child, name))
}
