//! What a server offers in its WWW-Authenticate headers (RFC 9110 section 11.6.1).

/// Most offers looked at.
const MAX_OFFERS: usize = 16;

/// A way of signing in that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    Ntlm,
    Negotiate,
    Bearer,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scheme::Basic => "Basic",
            Scheme::Ntlm => "NTLM",
            Scheme::Negotiate => "Negotiate",
            Scheme::Bearer => "Bearer",
        }
    }

    fn named(name: &str) -> Option<Scheme> {
        [
            Scheme::Basic,
            Scheme::Ntlm,
            Scheme::Negotiate,
            Scheme::Bearer,
        ]
        .into_iter()
        .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }
}

/// The offers, each with its token where it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenges(Vec<(String, Option<String>)>);

impl Challenges {
    /// Reads the headers' values: several offers may stand in one, separated by commas, as may
    /// the parameters of one offer.
    pub(crate) fn read<'a>(values: impl Iterator<Item = &'a str>) -> Challenges {
        let mut offers: Vec<(String, Option<String>)> = Vec::new();
        for part in values.flat_map(outer_commas) {
            if offers.len() >= MAX_OFFERS {
                break;
            }
            let part = part.trim();
            let (first, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
            let is_scheme = !first.is_empty()
                && first
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !is_scheme || rest.trim_start().starts_with('=') {
                continue;
            }
            let rest = rest.trim();
            // A token may end in '='; a parameter has one in front of its value.
            let is_token = !rest.is_empty() && !rest.trim_end_matches('=').contains('=');
            offers.push((first.to_owned(), is_token.then(|| rest.to_owned())));
        }
        Challenges(offers)
    }

    pub(crate) fn offers(&self, scheme: Scheme) -> bool {
        self.0
            .iter()
            .any(|(name, _)| Scheme::named(name) == Some(scheme))
    }

    /// The token that comes with an offer.
    pub(crate) fn token(&self, scheme: Scheme) -> Option<Vec<u8>> {
        let mut tokens = self.0.iter();
        let found = tokens.find_map(|(name, token)| {
            token
                .as_ref()
                .filter(|_| Scheme::named(name) == Some(scheme))
        })?;
        base64_simd::STANDARD.decode_to_vec(found.as_bytes()).ok()
    }

    /// The offers' names, for messages.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The parts between commas that no quotes hold.
fn outer_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(values: &[&str], names: &str) -> Challenges {
        let challenges = Challenges::read(values.iter().copied());
        assert_eq!(challenges.names(), names, "{values:?}");
        challenges
    }

    #[test]
    fn offers_come_one_by_one_or_in_a_row() {
        check(
            &["Negotiate", "NTLM", "Basic realm=\"a, b\""],
            "Negotiate, NTLM, Basic",
        );
        let offers = check(
            &["Bearer client_id=\"x\", trusted_issuers=\"a@*, b@*\", Basic realm=\"m\", ntlm"],
            "Bearer, Basic, ntlm",
        );
        assert!(offers.offers(Scheme::Ntlm) && !offers.offers(Scheme::Negotiate));
        assert_eq!(offers.token(Scheme::Ntlm), None);
        let token = check(&["NTLM QUJDRA==", "Basic realm=x"], "NTLM, Basic");
        assert_eq!(token.token(Scheme::Ntlm).as_deref(), Some(&b"ABCD"[..]));
        check(&["", ", ,", "=x"], "");
    }

    proptest! {
        #[test]
        fn no_header_panics(values in prop::collection::vec("\\PC{0,80}", 0..6)) {
            let challenges = Challenges::read(values.iter().map(String::as_str));
            let _ = (challenges.token(Scheme::Negotiate), challenges.names());
        }
    }
}
