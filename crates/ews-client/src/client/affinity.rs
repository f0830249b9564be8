//! Staying with one server of an organisation.

use std::sync::{Arc, Mutex, PoisonError};

/// The cookie by which a server in front knows where to.
const COOKIE: &str = "X-BackEndOverrideCookie";
/// A longer value is none.
const MAX_VALUE_BYTES: usize = 4096;

/// Keeps requests with one server behind the one in front, as a group of subscriptions needs that
/// one connection is to listen to: `X-PreferServerAffinity`, and the cookie that answers it.
/// Clones share the cookie.
#[derive(Clone, Debug, Default)]
pub struct Affinity(Arc<Mutex<Learnt>>);

#[derive(Debug, Default)]
struct Learnt {
    cookie: Option<String>,
    server: Option<String>,
}

impl Affinity {
    /// None yet: the first answer says where requests go from then on.
    pub fn new() -> Affinity {
        Affinity::default()
    }

    /// The headers of a request.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut headers = vec![("x-preferserveraffinity", "true".to_owned())];
        headers.extend(
            known
                .cookie
                .iter()
                .map(|value| ("cookie", format!("{COOKIE}={value}"))),
        );
        headers
    }

    /// The mailbox server that answered, where the one in front names it; `None` before the first
    /// answer.
    pub fn server(&self) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.server.clone()
    }

    /// Learns from an answer's Set-Cookie headers, and from the header that names its server.
    pub(crate) fn learn<'a>(&self, cookies: impl Iterator<Item = &'a str>, server: Option<&str>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = server.filter(|name| name.len() <= MAX_VALUE_BYTES) {
            known.server = Some(server.trim().to_lowercase());
        }
        for cookie in cookies {
            let pair = cookie.split(';').next().unwrap_or_default().trim();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let fits = !value.is_empty()
                && value.len() <= MAX_VALUE_BYTES
                && value.bytes().all(|byte| byte.is_ascii_graphic());
            if name.eq_ignore_ascii_case(COOKIE) && fits {
                known.cookie = Some(value.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_of_an_answer_goes_with_the_next_request() {
        let affinity = Affinity::new();
        assert_eq!(affinity.headers().len(), 1);
        let cookies = ["other=1; path=/", "X-BackEndOverrideCookie=mbx1~19; path=/"];
        affinity.learn(cookies.into_iter(), Some("MBX1.example.test"));
        assert_eq!(affinity.server().as_deref(), Some("mbx1.example.test"));
        let cookie = ("cookie", "X-BackEndOverrideCookie=mbx1~19".to_owned());
        assert_eq!(affinity.clone().headers()[1], cookie);
        let cookies = [
            "X-BackEndOverrideCookie=; path=/",
            "X-BackEndOverrideCookie",
        ];
        affinity.learn(cookies.into_iter(), None);
        assert_eq!(
            affinity.headers()[1],
            cookie,
            "what is no cookie changes nothing"
        );
    }
}
