//! The SOAP envelope: what comes in, what goes out, and faults.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::local_time;
use crate::sim::ServerVersion;
use crate::xml::{self, Element, Ns, XmlWriter};

/// Namespace of messages.
pub(crate) const NS_MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
/// Namespace of types.
pub(crate) const NS_TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
/// Namespace of SOAP 1.1.
pub(crate) const NS_SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const NS_ERRORS: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";

/// Versions a client may ask for.
const KNOWN_VERSIONS: &[&str] = &[
    "Exchange2007",
    "Exchange2007_SP1",
    "Exchange2009",
    "Exchange2010",
    "Exchange2010_SP1",
    "Exchange2010_SP2",
    "Exchange2012",
    "Exchange2013",
    "Exchange2013_SP1",
    "Exchange2015",
    "Exchange2016",
];

/// What a request's envelope holds.
pub(crate) struct Envelope<'a> {
    /// Address of the mailbox to act for, from ExchangeImpersonation.
    pub(crate) impersonate: Option<String>,
    /// The operation's element.
    pub(crate) operation: Element<'a>,
}

/// A refusal of the whole request.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: Cow<'static, str>,
    pub(crate) text: String,
    pub(crate) back_off_ms: Option<u64>,
}

impl Fault {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Fault {
        Fault {
            code: Cow::Borrowed(code),
            text: text.into(),
            back_off_ms: None,
        }
    }

    pub(crate) fn schema(what: impl std::fmt::Display) -> Fault {
        Fault::new(
            "ErrorSchemaValidation",
            format!("The request failed schema validation: {what}"),
        )
    }

    pub(crate) fn busy(back_off_ms: u64) -> Fault {
        Fault {
            back_off_ms: Some(back_off_ms),
            ..Fault::new(
                "ErrorServerBusy",
                "The server cannot service this request right now. Try again later.",
            )
        }
    }

    pub(crate) fn render(&self, version: ServerVersion) -> Vec<u8> {
        let mut w = XmlWriter::new();
        begin(&mut w, version);
        w.start("s:Fault");
        let _ = write!(
            w.raw(),
            "<faultcode xmlns:a=\"{NS_TYPES}\">a:{}</faultcode>",
            self.code
        );
        w.start("faultstring");
        w.attr("xml:lang", "en-US");
        w.text(&self.text);
        w.end("faultstring");
        w.start("detail");
        let _ = write!(
            w.raw(),
            "<e:ResponseCode xmlns:e=\"{NS_ERRORS}\">{}</e:ResponseCode>",
            self.code
        );
        w.start("e:Message");
        w.attr("xmlns:e", NS_ERRORS);
        w.text(&self.text);
        w.end("e:Message");
        if let Some(back_off_ms) = self.back_off_ms {
            w.start("t:MessageXml");
            w.attr("xmlns:t", NS_TYPES);
            w.start("t:Value");
            w.attr("Name", "BackOffMilliseconds");
            w.text(&back_off_ms.to_string());
            w.end("t:Value");
            w.end("t:MessageXml");
        }
        w.end("detail");
        w.end("s:Fault");
        finish(&mut w);
        w.into_bytes()
    }
}

/// Reads an envelope.
pub(crate) fn parse(body: &[u8]) -> Result<Envelope<'_>, Fault> {
    let root = xml::parse(body).map_err(|what| {
        Fault::new(
            "ErrorSchemaValidation",
            format!("The request is not valid XML: {what}"),
        )
    })?;
    if root.ns != Ns::Soap || root.name != "Envelope" {
        return Err(Fault::schema(
            "the root element is not a SOAP 1.1 Envelope.",
        ));
    }
    let mut impersonate = None;
    let mut operation = None;
    let mut zone = None;
    for part in root.children {
        match (part.ns, part.name.as_ref()) {
            (Ns::Soap, "Header") => {
                impersonate = read_header(&part)?;
                zone = local_time::zone_of(&part);
            }
            (Ns::Soap, "Body") => operation = part.children.into_iter().next(),
            _ => {}
        }
    }
    match operation {
        Some(mut operation) if operation.ns == Ns::Messages => {
            local_time::settle(&mut operation, zone.as_ref());
            Ok(Envelope {
                impersonate,
                operation,
            })
        }
        Some(operation) => Err(Fault::schema(format!(
            "the element '{}' is not in the messages namespace.",
            operation.name
        ))),
        None => Err(Fault::schema("the body is empty.")),
    }
}

fn read_header(header: &Element<'_>) -> Result<Option<String>, Fault> {
    if let Some(version) = header.child("RequestServerVersion") {
        let version = version.attr("Version").unwrap_or("Exchange2007");
        let future =
            version.starts_with('V') && version[1..].starts_with(|c: char| c.is_ascii_digit());
        if !future && !KNOWN_VERSIONS.contains(&version) {
            return Err(Fault::new(
                "ErrorInvalidServerVersion",
                "The specified server version is invalid.",
            ));
        }
    }
    let Some(impersonation) = header.child("ExchangeImpersonation") else {
        return Ok(None);
    };
    let sid = impersonation.child("ConnectingSID").ok_or_else(|| {
        Fault::new(
            "ErrorInvalidExchangeImpersonationHeaderData",
            "ExchangeImpersonation names no account.",
        )
    })?;
    let named = ["PrimarySmtpAddress", "SmtpAddress", "PrincipalName"]
        .into_iter()
        .find_map(|name| sid.child(name));
    match named.map(|named| named.text.trim()) {
        Some(address) if !address.is_empty() => Ok(Some(address.to_owned())),
        _ => Err(Fault::new(
            "ErrorInvalidExchangeImpersonationHeaderData",
            "ExchangeImpersonation names no known kind of account.",
        )),
    }
}

/// Opens an answer up to its body.
pub(crate) fn begin(w: &mut XmlWriter, version: ServerVersion) {
    let (major, minor, build, revision, schema) = version.numbers();
    let _ = write!(
        w.raw(),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"{NS_SOAP}\"><s:Header>\
         <h:ServerVersionInfo MajorVersion=\"{major}\" MinorVersion=\"{minor}\" \
         MajorBuildNumber=\"{build}\" MinorBuildNumber=\"{revision}\" Version=\"{schema}\" \
         xmlns:h=\"{NS_TYPES}\"/></s:Header><s:Body>"
    );
}

/// Closes what [`begin`] opened.
pub(crate) fn finish(w: &mut XmlWriter) {
    w.raw().push_str("</s:Body></s:Envelope>");
}

/// Opens an answer that has no list of response messages.
pub(crate) fn begin_plain(w: &mut XmlWriter, version: ServerVersion, operation: &str) {
    begin(w, version);
    w.start(&format!("m:{operation}Response"));
    w.attr("xmlns:m", NS_MESSAGES);
    w.attr("xmlns:t", NS_TYPES);
}

/// Opens an answer that is a response message itself; of success unless another class is given.
pub(crate) fn begin_single(
    w: &mut XmlWriter,
    version: ServerVersion,
    operation: &str,
    class: Option<&str>,
) {
    begin_plain(w, version, operation);
    w.attr("ResponseClass", class.unwrap_or("Success"));
}

/// Closes what [`begin_plain`] or [`begin_single`] opened.
pub(crate) fn finish_single(w: &mut XmlWriter, operation: &str) {
    w.end(&format!("m:{operation}Response"));
    finish(w);
}

/// Opens an answer with response messages.
pub(crate) fn begin_response(w: &mut XmlWriter, version: ServerVersion, operation: &str) {
    begin(w, version);
    let _ = write!(
        w.raw(),
        "<m:{operation}Response xmlns:m=\"{NS_MESSAGES}\" xmlns:t=\"{NS_TYPES}\"><m:ResponseMessages>"
    );
}

/// Closes what [`begin_response`] opened.
pub(crate) fn finish_response(w: &mut XmlWriter, operation: &str) {
    let _ = write!(w.raw(), "</m:ResponseMessages></m:{operation}Response>");
    finish(w);
}
