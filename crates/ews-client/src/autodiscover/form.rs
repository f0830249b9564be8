//! The forms of Autodiscover: what to ask, and what the answers mean. Pure.

use serde::Deserialize;
use url::Url;

use crate::error::quote;
use crate::xml::{Document, Writer};

/// Where a server answers the plain form.
pub(crate) const POX_PATH: &str = "/autodiscover/autodiscover.xml";
const POX_REQUEST: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const POX_RESPONSE: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const SETTINGS: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
const SOAP_ACTION: &str =
    "\"http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings\"";

/// A form of Autodiscover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AutodiscoverForm {
    /// `autodiscover.json`, version 1.0 of the JSON service; asks for no password.
    Json,
    /// `autodiscover.xml`: plain XML (MS-OXDSCLI).
    Pox,
    /// `autodiscover.svc`: GetUserSettings (MS-OXWSADISC).
    Soap,
    /// A GET over plain http that may only redirect (MS-OXDISCO section 3.1.5.4).
    Redirect,
}

impl AutodiscoverForm {
    /// The form as a word, for messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            AutodiscoverForm::Json => "JSON",
            AutodiscoverForm::Pox => "POX",
            AutodiscoverForm::Soap => "SOAP",
            AutodiscoverForm::Redirect => "redirect",
        }
    }

    /// Where an origin answers this form.
    pub(super) fn url(self, origin: &Url, address: &str) -> Option<Url> {
        let mut url = origin.clone();
        url.set_query(None);
        url.set_fragment(None);
        match self {
            AutodiscoverForm::Json => {
                url.set_path("/autodiscover/autodiscover.json/v1.0/");
                // An address may hold a slash, which must not become one of the path.
                url.path_segments_mut().ok()?.pop_if_empty().push(address);
                url.set_query(Some("Protocol=EWS"));
            }
            AutodiscoverForm::Pox | AutodiscoverForm::Redirect => {
                url.set_path(POX_PATH);
            }
            AutodiscoverForm::Soap => url.set_path("/autodiscover/autodiscover.svc"),
        }
        Some(url)
    }
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Found(Url),
    RedirectUrl(String),
    RedirectAddress(String),
    /// The credentials were refused.
    Refused(String),
    /// Nothing that leads on, in words.
    Nothing(String),
}

/// A request to post.
pub(super) struct Request {
    pub(super) body: String,
    pub(super) action: &'static str,
}

/// What to post; `None` for forms that only get.
pub(super) fn request(form: AutodiscoverForm, address: &str) -> Option<Request> {
    match form {
        AutodiscoverForm::Pox => Some(Request {
            body: pox_request(address),
            action: "",
        }),
        AutodiscoverForm::Soap => {
            let mut writer = declared();
            writer.open("s:Envelope").attribute("xmlns:s", SOAP);
            writer.attribute("xmlns:a", SETTINGS);
            writer.attribute("xmlns:w", ADDRESSING);
            writer.open("s:Header");
            writer.leaf("a:RequestedServerVersion", "Exchange2013_SP1");
            writer.leaf("w:Action", SOAP_ACTION.trim_matches('"'));
            writer.close();
            writer.open("s:Body");
            writer.open("a:GetUserSettingsRequestMessage");
            writer.open("a:Request");
            writer.open("a:Users").open("a:User");
            writer.leaf("a:Mailbox", address);
            writer.close().close();
            writer.open("a:RequestedSettings");
            writer.leaf("a:Setting", "ExternalEwsUrl");
            writer.leaf("a:Setting", "InternalEwsUrl");
            writer.close().close().close().close().close();
            Some(Request {
                body: writer.finish(),
                action: SOAP_ACTION,
            })
        }
        AutodiscoverForm::Json | AutodiscoverForm::Redirect => None,
    }
}

/// A request in the plain form.
pub(crate) fn pox_request(address: &str) -> String {
    let mut writer = declared();
    writer.open("Autodiscover").attribute("xmlns", POX_REQUEST);
    writer.open("Request");
    writer.leaf("EMailAddress", address);
    writer.leaf("AcceptableResponseSchema", POX_RESPONSE);
    writer.close().close();
    writer.finish()
}

fn declared() -> Writer {
    let mut writer = Writer::default();
    writer.raw(|text| text.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>"));
    writer
}

/// What the settings say of a mailbox beside its endpoint (MS-OXDSCLI 2.2.4.1.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoxSettings {
    /// `User/AutoDiscoverSMTPAddress`.
    pub(crate) address: Option<String>,
    /// `Server` of the protocol EXCH: a GUID in front of a domain on Exchange 2013 and later.
    pub(crate) server: Option<String>,
    /// `Account/PublicFolderInformation/SmtpAddress`.
    pub(crate) public_folders: Option<String>,
}

/// Reads the settings of an answer in the plain form; `None` where it has none.
pub(crate) fn pox_settings(body: &[u8]) -> Option<PoxSettings> {
    let text = String::from_utf8_lossy(body);
    let document = Document::parse(&text).ok()?;
    let root = document.root();
    let response = (root.name() == "Autodiscover").then(|| root.child("Response"))??;
    let account = response.child("Account")?;
    let address = |text: Option<&str>| {
        let text = text?.trim();
        let usable =
            text.contains('@') && !text.contains(|c: char| c.is_control() || !c.is_ascii());
        usable.then(|| text.to_owned())
    };
    let mut protocols = account
        .children()
        .filter(|child| child.name() == "Protocol");
    let inside = protocols.find(|protocol| protocol.child_text("Type") == Some("EXCH"));
    let information = account.child("PublicFolderInformation");
    let user = response.child("User");
    Some(PoxSettings {
        address: address(user.and_then(|user| user.child_text("AutoDiscoverSMTPAddress"))),
        server: address(inside.and_then(|inside| inside.child_text("Server"))),
        public_folders: address(information.and_then(|named| named.child_text("SmtpAddress"))),
    })
}

/// Reads an answer.
pub(super) fn read(
    form: AutodiscoverForm,
    status: u16,
    location: Option<&str>,
    body: &[u8],
) -> Answer {
    match (status, location) {
        (301 | 302 | 303 | 307 | 308, Some(location)) => {
            return Answer::RedirectUrl(location.to_owned());
        }
        (401, _) => return Answer::Refused("the server refuses the user name or password".into()),
        _ => {}
    }
    let text = String::from_utf8_lossy(body);
    let read = match form {
        AutodiscoverForm::Json => json(body),
        AutodiscoverForm::Pox => pox(&text),
        AutodiscoverForm::Soap => soap(&text),
        AutodiscoverForm::Redirect => None,
    };
    match read {
        Some(answer) => answer,
        None if (200..300).contains(&status) => {
            Answer::Nothing("no Autodiscover answer, though the server answers".to_owned())
        }
        None => Answer::Nothing(format!("no Autodiscover there (HTTP {status})")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Json {
    url: Option<String>,
    error_message: Option<String>,
}

fn json(body: &[u8]) -> Option<Answer> {
    let read: Json = serde_json::from_slice(body).ok()?;
    if let Some(url) = read.url.as_deref().and_then(endpoint) {
        return Some(Answer::Found(url));
    }
    Some(Answer::Nothing(quote(&read.error_message?)))
}

fn pox(text: &str) -> Option<Answer> {
    let document = Document::parse(text).ok()?;
    let root = document.root();
    let response = (root.name() == "Autodiscover").then(|| root.child("Response"))??;
    if let Some(error) = response.child("Error") {
        let message = error.child_text("Message").unwrap_or("an error");
        return Some(Answer::Nothing(quote(message)));
    }
    let account = response.child("Account")?;
    let trimmed = |name| {
        account
            .child_text(name)
            .map(|text: &str| text.trim().to_owned())
    };
    match trimmed("Action")?.as_str() {
        "redirectAddr" => return Some(Answer::RedirectAddress(trimmed("RedirectAddr")?)),
        "redirectUrl" => return Some(Answer::RedirectUrl(trimmed("RedirectUrl")?)),
        _ => {}
    }
    let protocols = || {
        account
            .children()
            .filter(|child| child.name() == "Protocol")
    };
    // EXPR is reached from everywhere, EXCH from inside.
    let of = |kind: Option<&str>| {
        protocols()
            .filter(|protocol| kind.is_none() || protocol.child_text("Type") == kind)
            .find_map(|protocol| endpoint(protocol.child_text("EwsUrl")?))
    };
    let url = of(Some("EXPR"))
        .or_else(|| of(Some("EXCH")))
        .or_else(|| of(None));
    Some(url.map_or_else(
        || Answer::Nothing("the settings name no EWS address".to_owned()),
        Answer::Found,
    ))
}

fn soap(text: &str) -> Option<Answer> {
    let document = Document::parse(text).ok()?;
    let root = document.root();
    let body = (root.name() == "Envelope").then(|| root.child("Body"))??;
    if let Some(fault) = body.child("Fault") {
        let reason = fault.child_text("faultstring").unwrap_or("a fault");
        return Some(Answer::Nothing(quote(reason)));
    }
    let user = body.find("UserResponse")?;
    let target = user
        .child_text("RedirectTarget")
        .map(|text| text.trim().to_owned());
    match (user.child_text("ErrorCode").map(str::trim), target) {
        (Some("RedirectAddress"), Some(target)) => return Some(Answer::RedirectAddress(target)),
        (Some("RedirectUrl"), Some(target)) => return Some(Answer::RedirectUrl(target)),
        _ => {}
    }
    let settings = user.child("UserSettings");
    let of = |name: &str| {
        settings?
            .children()
            .filter(|setting| setting.child_text("Name").map(str::trim) == Some(name))
            .find_map(|setting| endpoint(setting.child_text("Value")?))
    };
    if let Some(url) = of("ExternalEwsUrl").or_else(|| of("InternalEwsUrl")) {
        return Some(Answer::Found(url));
    }
    let message = user.child_text("ErrorMessage").unwrap_or_default();
    Some(Answer::Nothing(match quote(message) {
        empty if empty.is_empty() => "the settings name no EWS address".to_owned(),
        message => message,
    }))
}

/// An EWS address that a server named.
fn endpoint(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let usable = matches!(url.scheme(), "https" | "http") && url.host().is_some();
    usable.then_some(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(form: AutodiscoverForm, body: &str, expected: Answer) {
        assert_eq!(read(form, 200, None, body.as_bytes()), expected, "{body}");
    }

    fn found(url: &str) -> Answer {
        Answer::Found(url.parse().unwrap())
    }

    const EWS: &str = "https://mail.x.test/EWS/Exchange.asmx";

    #[test]
    fn plain_answers_prefer_the_address_that_is_reached_from_everywhere() {
        use AutodiscoverForm::Pox;
        let account = |content: &str| {
            format!(
                "<?xml version=\"1.0\"?><Autodiscover xmlns=\"{POX_RESPONSE}\"><Response><Account>\
                 <AccountType>email</AccountType>{content}</Account></Response></Autodiscover>"
            )
        };
        let protocol = |kind: &str, url: &str| {
            format!("<Protocol><Type>{kind}</Type><EwsUrl>{url}</EwsUrl></Protocol>")
        };
        let both = protocol("EXCH", "https://in.x.test/") + &protocol("EXPR", EWS);
        let settings = |content: &str| account(&format!("<Action>settings</Action>{content}"));
        check(Pox, &settings(&both), found(EWS));
        check(Pox, &settings(&protocol("EXHTTP", EWS)), found(EWS));
        let none = Answer::Nothing("the settings name no EWS address".into());
        check(Pox, &settings(&protocol("EXCH", "javascript:x")), none);
        check(
            Pox,
            &account("<Action>redirectAddr</Action><RedirectAddr> b@y.test </RedirectAddr>"),
            Answer::RedirectAddress("b@y.test".into()),
        );
        check(
            Pox,
            &account("<Action>redirectUrl</Action><RedirectUrl>https://y.test/</RedirectUrl>"),
            Answer::RedirectUrl("https://y.test/".into()),
        );
        let error = "<Autodiscover><Response><Error><Message>Unknown.</Message></Error></Response></Autodiscover>";
        check(Pox, error, Answer::Nothing("Unknown.".into()));
    }

    #[test]
    fn soap_and_json_answers_are_read() {
        use AutodiscoverForm::{Json, Soap};
        let envelope = |content: &str| {
            format!(
                "<s:Envelope xmlns:s=\"{SOAP}\"><s:Body><M xmlns=\"{SETTINGS}\"><Response>\
                 <UserResponses><UserResponse>{content}</UserResponse></UserResponses></Response></M>\
                 </s:Body></s:Envelope>"
            )
        };
        let setting = |name: &str, url: &str| {
            format!("<UserSetting><Name>{name}</Name><Value>{url}</Value></UserSetting>")
        };
        let both =
            setting("InternalEwsUrl", "https://in.x.test/") + &setting("ExternalEwsUrl", EWS);
        let settings = format!("<ErrorCode>NoError</ErrorCode><UserSettings>{both}</UserSettings>");
        check(Soap, &envelope(&settings), found(EWS));
        check(
            Soap,
            &envelope(
                "<ErrorCode>RedirectUrl</ErrorCode><RedirectTarget>https://y/</RedirectTarget>",
            ),
            Answer::RedirectUrl("https://y/".into()),
        );
        check(
            Soap,
            &envelope(
                "<ErrorCode>InvalidUser</ErrorCode><ErrorMessage>No such user</ErrorMessage>",
            ),
            Answer::Nothing("No such user".into()),
        );
        check(
            Json,
            &format!("{{\"Protocol\":\"EWS\",\"Url\":\"{EWS}\"}}"),
            found(EWS),
        );
        let error = "{\"ErrorCode\":\"UserNotFound\",\"ErrorMessage\":\"Nobody\"}";
        check(Json, error, Answer::Nothing("Nobody".into()));
        let web = "no Autodiscover answer, though the server answers";
        check(Json, "<html>", Answer::Nothing(web.into()));
    }

    #[test]
    fn statuses_redirect_refuse_or_lead_nowhere() {
        let read = |status, location| super::read(AutodiscoverForm::Pox, status, location, b"");
        assert_eq!(read(302, Some("/x")), Answer::RedirectUrl("/x".into()));
        assert!(matches!(read(401, None), Answer::Refused(_)));
        assert!(matches!(read(302, None), Answer::Nothing(_)));
        assert!(matches!(read(404, None), Answer::Nothing(_)));
    }

    #[test]
    fn requests_hold_the_address_escaped() {
        for form in [AutodiscoverForm::Pox, AutodiscoverForm::Soap] {
            let request = request(form, "o&b@x.test").unwrap();
            let document = Document::parse(&request.body).unwrap();
            let named = ["EMailAddress", "Mailbox"].map(|name| document.root().find(name));
            let told = named.into_iter().flatten().next().unwrap();
            assert_eq!(told.text(), "o&b@x.test");
        }
    }

    #[test]
    fn every_collected_answer_leads_on_or_says_why_not() {
        let shared = std::env::var_os("POSTKEEP_SHARED").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
            Into::into,
        );
        let samples = shared.join("ews/samples");
        if !samples.is_dir() {
            assert!(
                std::env::var_os("CI").is_none(),
                "no test material at {shared:?}"
            );
            return;
        }
        let (mut found, mut all) = (0, 0);
        for (form, folder) in [
            (AutodiscoverForm::Pox, "Autodiscover-POX"),
            (AutodiscoverForm::Soap, "Autodiscover-SOAP"),
        ] {
            for entry in std::fs::read_dir(samples.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if !path.to_string_lossy().ends_with(".response.xml") {
                    continue;
                }
                all += 1;
                match read(form, 200, None, &std::fs::read(&path).unwrap()) {
                    Answer::Found(url) => {
                        found += 1;
                        assert!(
                            url.path().to_lowercase().ends_with("/exchange.asmx"),
                            "{url}"
                        );
                    }
                    Answer::Nothing(why) => assert!(!why.is_empty(), "{path:?}"),
                    Answer::RedirectUrl(to) | Answer::RedirectAddress(to) => {
                        assert!(!to.is_empty(), "{path:?}");
                    }
                    Answer::Refused(why) => panic!("{path:?}: {why}"),
                }
            }
        }
        assert!(all >= 25 && found >= 5, "{found} of {all} name an endpoint");
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in "\\PC{0,200}", inner in "[<>/a-zA-Z ]{0,60}", status in 100..600u16) {
            for form in [AutodiscoverForm::Json, AutodiscoverForm::Pox, AutodiscoverForm::Soap, AutodiscoverForm::Redirect] {
                read(form, status, Some(&body), body.as_bytes());
                let xml = format!("<Autodiscover><Response><Account>{inner}</Account></Response></Autodiscover>");
                read(form, status, None, xml.as_bytes());
                read(form, status, None, format!("{{\"Url\":{body}}}").as_bytes());
            }
        }
    }
}
