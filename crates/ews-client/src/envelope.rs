//! The SOAP 1.1 envelope: request headers, answer headers, faults.

use std::time::Duration;

use crate::answer;
use crate::error::{Error, ErrorKind, Result, quote};
use crate::model::{ItemError, Outcome};
use crate::response_code::ResponseCode;
use crate::version::{SchemaVersion, ServerVersion};
use crate::xml::{Document, Node, Writer};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";

/// Writes the envelope up to the body's content.
pub(crate) fn open(
    version: SchemaVersion,
    impersonate: Option<&str>,
    time_zone: Option<&str>,
) -> Writer {
    let mut writer = Writer::default();
    writer.raw(|text| text.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>"));
    writer
        .open("soap:Envelope")
        .attribute("xmlns:soap", SOAP)
        .attribute("xmlns:m", MESSAGES)
        .attribute("xmlns:t", TYPES)
        .open("soap:Header");
    writer
        .open("t:RequestServerVersion")
        .attribute("Version", version.as_str())
        .close();
    if let Some(smtp) = impersonate {
        writer
            .open("t:ExchangeImpersonation")
            .open("t:ConnectingSID")
            .leaf("t:PrimarySmtpAddress", smtp)
            .close()
            .close();
    }
    if let Some(name) = time_zone {
        writer.open("t:TimeZoneContext");
        writer.open("t:TimeZoneDefinition").attribute("Id", name);
        writer.close().close();
    }
    writer.close().open("soap:Body");
    writer
}

/// The value of the SOAPAction header.
pub(crate) fn action(operation: &str) -> String {
    format!("\"{MESSAGES}/{operation}\"")
}

/// What an answer says of its server.
pub(crate) fn server_version(root: Node<'_>) -> Option<ServerVersion> {
    let info = root.child("Header")?.child("ServerVersionInfo")?;
    Some(read_server_version(|name| {
        info.attribute(name).map(str::to_owned)
    }))
}

/// Reads the attributes of a ServerVersionInfo element.
pub(crate) fn read_server_version(attribute: impl Fn(&str) -> Option<String>) -> ServerVersion {
    let number = |name| {
        attribute(name)
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    };
    ServerVersion {
        major: number("MajorVersion"),
        minor: number("MinorVersion"),
        build: number("MajorBuildNumber"),
        revision: number("MinorBuildNumber"),
        schema: attribute("Version").filter(|version| !version.is_empty()),
    }
}

/// The response element of an answer, or the fault in its place.
pub(crate) fn response<'d>(document: &'d Document<'d>) -> Result<Node<'d>> {
    let root = document.root();
    if root.name().eq_ignore_ascii_case("html") {
        return Err(Error::new(ErrorKind::NotEws, "the server sent a web page"));
    }
    if root.name() != "Envelope" {
        return Err(Error::new(
            ErrorKind::NotEws,
            format!(
                "the server sent a {} document, no SOAP envelope",
                quote(root.name())
            ),
        ));
    }
    let body = root
        .child("Body")
        .ok_or_else(|| Error::protocol("the envelope has no body"))?;
    if let Some(fault) = body.child("Fault") {
        return Err(fault_error(read_fault(fault)));
    }
    body.children()
        .next()
        .ok_or_else(|| Error::protocol("the envelope's body is empty"))
}

/// Reads a fault: Exchange puts the code into the detail, others only into `faultcode`, some
/// nowhere.
pub(crate) fn read_fault(fault: Node<'_>) -> ItemError {
    let detail = fault.child("detail").or_else(|| fault.child("Detail"));
    let text = |name: &str| detail.and_then(|detail| detail.find(name)).map(Node::text);
    let fault_code = fault
        .child_text("faultcode")
        .or_else(|| fault.child("Code")?.child_text("Value"));
    let fault_code = fault_code.unwrap_or_default().trim();
    let local = fault_code
        .rsplit_once(':')
        .map_or(fault_code, |(_, local)| local);
    let reason = fault
        .child_text("faultstring")
        .or_else(|| fault.child("Reason")?.child_text("Text"));
    let code = match text("ResponseCode")
        .map(str::trim)
        .filter(|code| !code.is_empty())
    {
        Some(code) => ResponseCode::parse(code),
        None => ResponseCode::parse(local),
    };
    let message = [reason, text("Message")]
        .into_iter()
        .flatten()
        .map(quote)
        .find(|text| !text.is_empty());
    let mut error = ItemError::new(code, message.unwrap_or_default());
    // MessageXml has no namespace of its own in some builds and comes twice in others.
    if let Some(xml) = detail.and_then(|detail| detail.find("MessageXml")) {
        error.values = answer::message_values(xml);
        error.back_off = answer::back_off(&error.values);
    }
    error
}

/// A fault as the failure of the call. Servers that implement a part of EWS say in many ways that
/// they do not know an operation.
pub(crate) fn fault_error(fault: ItemError) -> Error {
    const PHRASES: [&str; 6] = [
        "unknown request",
        "unknown operation",
        "unknown method",
        "not implemented",
        "not supported",
        "unsupported",
    ];
    let unknown = match &fault.code {
        ResponseCode::Other(code) => {
            let text = fault.message.to_ascii_lowercase();
            code.eq_ignore_ascii_case("ActionNotSupported")
                || PHRASES.iter().any(|phrase| text.contains(phrase))
        }
        _ => false,
    };
    let error = fault.into_error();
    if unknown {
        error.with_kind(ErrorKind::Unsupported)
    } else {
        error
    }
}

/// Whether a failure is about the schema version asked for, so that an older one may do.
pub(crate) fn is_version_complaint(error: &Error) -> bool {
    match error.response_code() {
        Some(
            ResponseCode::ErrorInvalidServerVersion | ResponseCode::ErrorIncorrectSchemaVersion,
        ) => true,
        Some(
            ResponseCode::ErrorSchemaValidation
            | ResponseCode::ErrorInvalidRequest
            | ResponseCode::Other(_),
        ) => {
            let text = error.to_string();
            text.contains("RequestServerVersion") || text.contains("ExchangeVersionType")
        }
        _ => false,
    }
}

/// The busy answer, where the server turned away every entry of a request for that reason alone.
pub(crate) fn refused_as_busy(response: Node<'_>) -> Option<ItemError> {
    let messages = answer::messages(response);
    let mut refusals = messages.into_iter().map(answer::outcome).map(Outcome::err);
    let first = refusals.next()??;
    let busy = |error: &ItemError| is_refusal(&error.code);
    (busy(&first) && refusals.all(|error| error.as_ref().is_some_and(busy))).then_some(first)
}

/// The longest pause that entries of a partly served batch ask for; `None` if none was turned
/// away.
pub(crate) fn entries_refused(response: Node<'_>) -> Option<Duration> {
    let messages = answer::messages(response).into_iter();
    let errors = messages.filter_map(|message| answer::outcome(message).err());
    let refused = errors.filter(|error| is_refusal(&error.code));
    refused
        .map(|error| error.back_off.unwrap_or_default())
        .max()
}

/// Codes that mean the request was not looked at.
pub(crate) fn is_refusal(code: &ResponseCode) -> bool {
    matches!(
        code,
        ResponseCode::ErrorServerBusy | ResponseCode::ErrorExceededConnectionCount
    )
}
