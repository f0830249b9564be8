//! Where to ask next: pure.

use std::collections::{HashSet, VecDeque};

use url::Url;

use super::form::{Answer, AutodiscoverForm};
use crate::client::redacted;
use crate::error::{Error, Result, quote};

/// Most redirects followed, of all kinds together.
const MAX_REDIRECTS: u32 = 10;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Try {
    pub(super) form: AutodiscoverForm,
    pub(super) url: Url,
    pub(super) address: String,
}

/// What an answer came to.
pub(super) struct Outcome {
    pub(super) found: Option<Url>,
    pub(super) text: String,
}

/// The questions left.
pub(super) struct Search {
    left: VecDeque<Try>,
    asked: HashSet<Try>,
    redirects: u32,
    was_refused: bool,
    domain: String,
    trusted_hosts: Vec<String>,
}

impl Search {
    pub(super) fn new(address: &str, servers: &[Url], trusted: &[String]) -> Result<Search> {
        let domain = domain_of(address)
            .ok_or_else(|| Error::invalid(format!("{} is no e-mail address", quote(address))))?;
        let mut search = Search {
            left: VecDeque::new(),
            asked: HashSet::new(),
            redirects: 0,
            was_refused: false,
            domain: domain.to_owned(),
            trusted_hosts: trusted.to_vec(),
        };
        for server in servers {
            search.push_back_origin(server, address);
        }
        search.push_back_domain(address);
        if search.left.is_empty() {
            let quoted = quote(address);
            return Err(Error::invalid(format!("{quoted} has no domain to ask")));
        }
        Ok(search)
    }

    pub(super) fn next(&mut self) -> Option<Try> {
        loop {
            let next = self.left.pop_front()?;
            if self.asked.insert(next.clone()) {
                return Some(next);
            }
        }
    }

    /// Whether a server refused the credentials.
    pub(super) fn was_refused(&self) -> bool {
        self.was_refused
    }

    /// Takes an answer in and says in words what it was.
    pub(super) fn take(&mut self, asked: &Try, answer: Answer) -> Outcome {
        let text = match answer {
            Answer::Found(url) => {
                return Outcome {
                    text: format!("found {}", redacted(&url)),
                    found: Some(url),
                };
            }
            Answer::RedirectUrl(place) => self.redirect_url(asked, &place),
            Answer::RedirectAddress(address) => self.redirect_address(asked, &address),
            Answer::Refused(text) => {
                self.was_refused = true;
                // The same password again at the same host would only lock the account.
                let host = asked.url.host_str();
                self.left.retain(|other| {
                    other.url.host_str() != host || other.form == AutodiscoverForm::Json
                });
                text
            }
            Answer::Nothing(text) => text,
        };
        Outcome { found: None, text }
    }

    fn redirect_url(&mut self, asked: &Try, place: &str) -> String {
        let shown = quote(place);
        let Ok(url) = asked.url.join(place) else {
            return format!("redirects to {shown}, which is no address");
        };
        let shown = redacted(&url);
        // Where the caller itself asked over plain http, the same origin stays as it is.
        if url.scheme() != "https" && url.origin() != asked.url.origin() {
            return format!("redirects to {shown}, which is not https: not followed");
        }
        let unsigned = asked.form == AutodiscoverForm::Redirect;
        if unsigned && !self.is_trusted(&url) {
            return format!(
                "redirects over plain http to {shown}, a host of another domain: not followed \
                 unless it is trusted by name"
            );
        }
        if !self.may_follow() {
            return format!("redirects to {shown}: one redirect too many");
        }
        let form = match asked.form {
            AutodiscoverForm::Redirect => AutodiscoverForm::Pox,
            form => form,
        };
        self.left.push_front(Try {
            form,
            url,
            address: asked.address.clone(),
        });
        format!("redirects to {shown}")
    }

    fn redirect_address(&mut self, asked: &Try, address: &str) -> String {
        let shown = quote(address);
        if domain_of(address).is_none() {
            return format!("redirects to {shown}, which is no e-mail address");
        }
        if !self.may_follow() {
            return format!("redirects to {shown}: one redirect too many");
        }
        let later = std::mem::take(&mut self.left);
        // The server that redirects often knows the other address as well.
        self.left.push_back(Try {
            address: address.to_owned(),
            ..asked.clone()
        });
        self.push_back_domain(address);
        self.left.extend(later);
        format!("redirects to {shown}")
    }

    fn may_follow(&mut self) -> bool {
        self.redirects += 1;
        self.redirects <= MAX_REDIRECTS
    }

    fn is_trusted(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let below = |domain: &str| {
            let domain = domain.to_ascii_lowercase();
            host == domain || host.ends_with(&format!(".{domain}"))
        };
        below(&self.domain)
            || self
                .trusted_hosts
                .iter()
                .any(|trusted| host.eq_ignore_ascii_case(trusted))
    }

    fn push_back_domain(&mut self, address: &str) {
        let Some(domain) = domain_of(address) else {
            return;
        };
        for host in [domain.to_owned(), format!("autodiscover.{domain}")] {
            if let Ok(origin) = Url::parse(&format!("https://{host}/")) {
                self.push_back_origin(&origin, address);
            }
        }
        let plain = format!("http://autodiscover.{domain}/autodiscover/autodiscover.xml");
        if let Ok(url) = Url::parse(&plain) {
            self.left.push_back(Try {
                form: AutodiscoverForm::Redirect,
                url,
                address: address.to_owned(),
            });
        }
    }

    /// All forms at one origin; the one that needs no password first.
    fn push_back_origin(&mut self, origin: &Url, address: &str) {
        for form in [
            AutodiscoverForm::Json,
            AutodiscoverForm::Pox,
            AutodiscoverForm::Soap,
        ] {
            if let Some(url) = form.url(origin, address) {
                self.left.push_back(Try {
                    form,
                    url,
                    address: address.to_owned(),
                });
            }
        }
    }
}

/// The part behind the last `@`, if both parts are there and nothing in them ends a host name.
fn domain_of(address: &str) -> Option<&str> {
    let (name, domain) = address.trim().rsplit_once('@')?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    (!name.is_empty() && !domain.is_empty() && domain.chars().all(is_plain)).then_some(domain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(address: &str) -> Search {
        Search::new(address, &[], &["mail.other.test".to_owned()]).unwrap()
    }

    fn places(search: &mut Search) -> Vec<String> {
        std::iter::from_fn(|| search.next())
            .map(|next| format!("{:?} {}", next.form, next.url))
            .collect()
    }

    #[test]
    fn an_address_makes_two_hosts_three_forms_and_one_plain_redirect() {
        let expected = [
            "Json https://x.test/autodiscover/autodiscover.json/v1.0/a+b@x.test?Protocol=EWS",
            "Pox https://x.test/autodiscover/autodiscover.xml",
            "Soap https://x.test/autodiscover/autodiscover.svc",
            "Json https://autodiscover.x.test/autodiscover/autodiscover.json/v1.0/a+b@x.test?Protocol=EWS",
            "Pox https://autodiscover.x.test/autodiscover/autodiscover.xml",
            "Soap https://autodiscover.x.test/autodiscover/autodiscover.svc",
            "Redirect http://autodiscover.x.test/autodiscover/autodiscover.xml",
        ];
        assert_eq!(places(&mut search("a+b@x.test")), expected);
        for wrong in ["", "x.test", "@x.test", "a@", "a@x/y", "a@x:1", "a@b c"] {
            assert!(Search::new(wrong, &[], &[]).is_err(), "{wrong}");
        }
    }

    #[track_caller]
    fn check(from: AutodiscoverForm, to: &str, outcome: &str, follows: bool) {
        let mut search = search("a@x.test");
        let at = if from == AutodiscoverForm::Redirect {
            "http"
        } else {
            "https"
        };
        let asked = Try {
            form: from,
            url: Url::parse(&format!(
                "{at}://autodiscover.x.test/autodiscover/autodiscover.xml"
            ))
            .unwrap(),
            address: "a@x.test".to_owned(),
        };
        let before = search.left.len();
        let told = search.take(&asked, Answer::RedirectUrl(to.to_owned()));
        assert!(told.text.contains(outcome), "{}", told.text);
        assert_eq!(search.left.len() > before, follows, "{to}");
    }

    #[test]
    fn redirects_lead_to_https_and_from_plain_http_only_into_the_domain() {
        use AutodiscoverForm::{Pox, Redirect};
        check(
            Pox,
            "https://elsewhere.test/a",
            "redirects to https://elsewhere.test/a",
            true,
        );
        check(
            Pox,
            "/other.xml",
            "redirects to https://autodiscover.x.test/other.xml",
            true,
        );
        check(Pox, "http://mail.x.test/a", "not https", false);
        check(Pox, "file:///etc/passwd", "not https", false);
        check(
            Redirect,
            "https://mail.x.test/a",
            "redirects to https://mail.x.test/a",
            true,
        );
        check(Redirect, "https://mail.other.test/a", "redirects to", true);
        check(Redirect, "https://evil.test/a", "another domain", false);
        check(Redirect, "https://evilx.test/a", "another domain", false);
        check(Pox, "https://", "no address", false);
    }

    #[test]
    fn endless_redirects_end() {
        let mut search = search("a@x.test");
        let mut count = 0;
        while let Some(next) = search.next() {
            count += 1;
            let place = format!("https://h{count}.test/");
            search.take(&next, Answer::RedirectUrl(place));
            assert!(count < 100);
        }
        assert_eq!(count, 17);
    }

    #[test]
    fn a_refused_password_is_not_tried_again_at_that_host() {
        let mut search = search("a@x.test");
        search.next();
        let pox = search.next().unwrap();
        search.take(&pox, Answer::Refused("no".into()));
        assert!(search.was_refused());
        let left = places(&mut search);
        assert!(
            left.iter().all(|place| !place.contains("//x.test")),
            "{left:?}"
        );
        assert_eq!(left.len(), 4);
    }

    proptest! {
        #[test]
        fn every_search_ends(answers in prop::collection::vec((0..5u8, "\\PC{0,40}"), 1..60)) {
            let mut search = search("a@x.test");
            let mut answers = answers.into_iter().cycle();
            let mut count = 0;
            while let Some(next) = search.next() {
                count += 1;
                prop_assert!(count < 200);
                let (kind, text) = answers.next().unwrap_or_default();
                search.take(&next, match kind {
                    0 => Answer::RedirectUrl(text),
                    1 => Answer::RedirectAddress(format!("{text}@y.test")),
                    2 => Answer::RedirectUrl(format!("https://h{count}.test/{text}")),
                    3 => Answer::Refused(text),
                    _ => Answer::Nothing(text),
                });
            }
        }
    }
}
