//! Kerberos inside Negotiate (RFC 4559), judged by the system's GSSAPI with the keytab that it
//! finds: the default one, or what `KRB5_KTNAME` names.

use libgssapi::context::{CtxFlags, SecurityContext, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, OidSet};

use crate::error::Error;

/// `GSS_C_CHANNEL_BOUND_FLAG`: the client's token and the channel agree.
const CHANNEL_BOUND: CtxFlags = CtxFlags::from_bits_retain(2048);

/// The keys of the service.
pub(crate) struct Acceptor(Cred);

/// A token that was taken.
pub(crate) struct Accepted {
    /// Whose it is, as `name@REALM`.
    pub(crate) principal: String,
    /// What proves the server to the client, where that asks for it.
    pub(crate) answer: Option<Vec<u8>>,
    /// Whether it is bound to the channel.
    pub(crate) is_bound: bool,
}

impl Acceptor {
    /// Looks for keys.
    pub(crate) fn new() -> Result<Acceptor, Error> {
        let acquire = |mechanisms: &OidSet| {
            let accept = CredUsage::Accept;
            Cred::acquire(None, None, accept, Some(mechanisms))
        };
        let acquired = OidSet::singleton(GSS_MECH_KRB5).and_then(|mut mechanisms| {
            // By itself first: SPNEGO is also content with other mechanisms that the system has.
            acquire(&mechanisms)?;
            mechanisms.add(GSS_MECH_SPNEGO)?;
            acquire(&mechanisms)
        });
        acquired.map(Acceptor).map_err(|error| {
            let text = "Kerberos finds no key of this service in a keytab (the system's own, or the \
                        one that the environment variable KRB5_KTNAME names)";
            Error::invalid(text).with_source(error)
        })
    }

    /// Judges a token, which is a SPNEGO message or bare Kerberos. What would need another message
    /// is refused: Kerberos needs none.
    pub(crate) fn accept(&self, token: &[u8], channel: Option<&[u8]>) -> Option<Accepted> {
        let mut context = ServerCtx::new(Some(self.0.clone()));
        let answer = match context.step(token, channel) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "a Kerberos sign-in is refused");
                return None;
            }
        };
        if !context.is_complete() {
            tracing::debug!("a Kerberos sign-in that wants more messages is refused");
            return None;
        }
        let name = context.source_name().and_then(|name| name.display_name());
        let principal = String::from_utf8(name.ok()?.to_vec()).ok()?;
        let flags = context.flags().ok()?;
        Some(Accepted {
            principal,
            answer: answer.map(|token| token.to_vec()),
            is_bound: flags.contains(CHANNEL_BOUND),
        })
    }
}
