//! What an Exchange server answers over HTTP when it is not asked a question in SOAP: the service's
//! page, the files that describe it, and refusals of what it does not take.

use std::path::Path;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::server::{plain, response};

/// Methods that the address takes.
const METHODS: &str = "OPTIONS, GET, HEAD, POST";
/// The files that describe the service, by the names at which clients ask for them.
const FILES: [&str; 3] = ["services.wsdl", "messages.xsd", "types.xsd"];

const PAGE: &str = "<!DOCTYPE html><html><head><title>Service</title></head><body>\
<h1>Exchange Web Services</h1><p>You have created a service.</p>\
<p>This address takes SOAP 1.1 requests by POST. It is described in \
<a href=\"Services.wsdl\">Services.wsdl</a>.</p></body></html>\n";

/// The file of the service's description that a path in lower case names.
pub(crate) fn description(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    FILES.into_iter().find(|file| *file == name)
}

/// Answers a request that is no POST.
pub(crate) fn answer(method: &Method) -> Response<Body> {
    match *method {
        Method::GET => response(StatusCode::OK, "text/html; charset=utf-8", PAGE.into()),
        Method::HEAD => response(StatusCode::OK, "text/html; charset=utf-8", Body::empty()),
        Method::OPTIONS => allowing(StatusCode::OK),
        _ => allowing(StatusCode::METHOD_NOT_ALLOWED),
    }
}

fn allowing(status: StatusCode) -> Response<Body> {
    let mut response = plain(status, "");
    let methods = HeaderValue::from_static(METHODS);
    response.headers_mut().insert(header::ALLOW, methods);
    response
}

/// Answers a request for a file of the description, from the folder that has them.
pub(crate) fn file(folder: Option<&Path>, name: &'static str, method: &Method) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return allowing(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some(text) = folder.and_then(|folder| std::fs::read(folder.join(name)).ok()) else {
        return plain(StatusCode::NOT_FOUND, "");
    };
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => Body::from(text),
    };
    response(StatusCode::OK, "text/xml; charset=utf-8", body)
}

/// Why the body of a request cannot be one in SOAP 1.1; `None` where it can.
pub(crate) fn unsupported(headers: &HeaderMap) -> Option<Response<Body>> {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_ascii_lowercase()
    };
    let kind = text(header::CONTENT_TYPE);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let encoding = text(header::CONTENT_ENCODING);
    // Requests are not decompressed, only answers may be compressed.
    let is_plain = matches!(encoding.trim(), "" | "identity");
    (kind != "text/xml" || !is_plain).then(|| {
        plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Cannot process the message because the content type was not the expected type \
             'text/xml; charset=utf-8', or the body is compressed.",
        )
    })
}

/// A body in UTF-8; one that begins with the byte order mark of UTF-16 is converted.
pub(crate) fn in_utf8(body: Bytes) -> Bytes {
    match encoding_rs::Encoding::for_bom(&body) {
        Some((encoding, _)) if encoding != encoding_rs::UTF_8 => {
            let (text, _) = encoding.decode_with_bom_removal(&body);
            text.into_owned().into()
        }
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_xml_as_it_is_is_taken() {
        let check = |kind: &'static str, encoding: Option<&'static str>, taken: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            if let Some(encoding) = encoding {
                let value = HeaderValue::from_static(encoding);
                headers.insert(header::CONTENT_ENCODING, value);
            }
            assert_eq!(
                unsupported(&headers).is_none(),
                taken,
                "{kind} {encoding:?}"
            );
        };
        check("text/xml; charset=utf-8", None, true);
        check("Text/XML", Some("identity"), true);
        check("text/xml", Some("gzip"), false);
        check("application/soap+xml; charset=utf-8", None, false);
        check("application/x-www-form-urlencoded", None, false);
        assert!(unsupported(&HeaderMap::new()).is_some());
    }

    #[test]
    fn utf_16_becomes_utf_8() {
        let text = "\u{feff}<a>é</a>";
        for bytes in [
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ] {
            let bytes: Vec<u8> = bytes;
            assert_eq!(in_utf8(bytes.into()), "<a>é</a>".as_bytes());
        }
        assert_eq!(in_utf8(Bytes::from_static(b"<a/>")), "<a/>".as_bytes());
    }
}
