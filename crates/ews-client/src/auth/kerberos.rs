//! Kerberos by the system's GSSAPI, inside SPNEGO (RFC 4559): a token for a request.

use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE};

use super::Spnego;
use crate::error::quote;
use crate::transport::{TransportError, TransportErrorKind};

/// The Authorization header of one request to a host, bound to a channel where there is one.
pub(crate) async fn kerberos_authorization(
    host: &str,
    channel: Option<Vec<u8>>,
) -> Result<String, TransportError> {
    let host = host.to_owned();
    // A ticket may have to be fetched over the network.
    let made = tokio::task::spawn_blocking(move || token(&host, channel.as_deref())).await;
    let token = made.unwrap_or_else(|_| Err("a defect".to_owned()));
    let token = token.map_err(|text| {
        let text = format!("no Kerberos ticket for the server: {}", quote(&text));
        TransportError::new(TransportErrorKind::Auth, text)
    })?;
    let encoded = base64_simd::STANDARD.encode_to_string(&token);
    Ok(format!("Negotiate {encoded}"))
}

/// A token for `HTTP@host`, from the process's credential cache or keytab.
///
/// GSSAPI is asked for Kerberos, and the wrapping is our own: its own SPNEGO would silently try
/// other mechanisms that the system happens to have, and say of the last one why it failed.
fn token(host: &str, channel: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let told = |error: libgssapi::error::Error| error.to_string();
    let service = format!("HTTP@{host}");
    let name = Name::new(service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)).map_err(told)?;
    let flags = CtxFlags::GSS_C_MUTUAL_FLAG;
    let mut context = ClientCtx::new(None, name, flags, Some(GSS_MECH_KRB5));
    match context.step(None, channel).map_err(told)? {
        Some(token) => Ok(Spnego::kerberos(&token)),
        None => Err("GSSAPI made no token".to_owned()),
    }
}
