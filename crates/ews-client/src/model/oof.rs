//! Out-of-office settings (MS-OXWOOF).

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::model::property::named;
use crate::model::time;
use crate::model::xml_element::{Parts, XmlElement, expect_name};

named! {
    /// Whether replies are sent (`OofState`, MS-OXWOOF 2.2.5.2).
    OofState {
        Disabled, Enabled, Scheduled,
    }
}

named! {
    /// Who outside the organisation gets a reply (`ExternalAudience`, MS-OXWOOF 2.2.5.1).
    ExternalAudience {
        None, Known, All,
    }
}

/// An automatic reply (`ReplyBody`, MS-OXWOOF).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OofReply {
    /// The text, as a rule HTML.
    pub message: String,
    /// Its language, for example `en-US`.
    pub lang: Option<String>,
}

/// The settings (`UserOofSettings`, MS-OXWOOF 3.1.4.1.3.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OofSettings {
    /// Whether replies are sent.
    pub state: OofState,
    /// Who outside gets one.
    pub external_audience: ExternalAudience,
    /// From when until when, in UTC, where the state is `Scheduled` (and often otherwise).
    pub duration: Option<(Timestamp, Timestamp)>,
    /// What people of the organisation get.
    pub internal_reply: Option<OofReply>,
    /// What others get.
    pub external_reply: Option<OofReply>,
    /// What newer servers add: told and kept; Exchange on premises refuses it in requests, so it
    /// is not sent.
    pub other: Vec<XmlElement>,
}

impl OofSettings {
    /// The schema's form, as `UserOofSettings`, with everything that was read.
    pub fn to_element(&self) -> XmlElement {
        let mut element = self.to_update();
        element.children.extend(self.other.iter().cloned());
        element
    }

    /// The form a server takes.
    pub(crate) fn to_update(&self) -> XmlElement {
        let mut parts = Parts::default();
        parts.text("OofState", Some(self.state.as_str()));
        parts.text("ExternalAudience", Some(self.external_audience.as_str()));
        if let Some((start, end)) = self.duration {
            let times = [
                XmlElement::leaf("StartTime", start.to_string()),
                XmlElement::leaf("EndTime", end.to_string()),
            ];
            parts
                .0
                .push(XmlElement::new("Duration").with_children(times));
        }
        let replies = [
            ("InternalReply", &self.internal_reply),
            ("ExternalReply", &self.external_reply),
        ];
        for (name, reply) in replies {
            parts.0.extend(reply.as_ref().map(|reply| {
                let element = XmlElement::new(name)
                    .with_children([XmlElement::leaf("Message", &reply.message)]);
                match &reply.lang {
                    Some(lang) => element.with_attribute("lang", lang),
                    None => element,
                }
            }));
        }
        parts.of("UserOofSettings")
    }

    /// Reads the schema's form, as `OofSettings` or `UserOofSettings`.
    ///
    /// # Errors
    ///
    /// `Protocol` for another element, and for a state that is none.
    pub fn from_element(element: &XmlElement) -> Result<OofSettings> {
        const KNOWN: [&str; 5] = [
            "OofState",
            "ExternalAudience",
            "Duration",
            "InternalReply",
            "ExternalReply",
        ];
        expect_name(element, &["UserOofSettings", "OofSettings"])?;
        let state = element.child_text("OofState").unwrap_or_default();
        let state = OofState::parse(state).ok_or_else(|| {
            Error::protocol(format!("OofState is {}", crate::error::quote(state)))
        })?;
        let audience = element.child_text("ExternalAudience");
        let reply = |name| {
            element.child(name).map(|reply| OofReply {
                message: reply.child_text("Message").unwrap_or_default().to_owned(),
                lang: reply.attribute("lang").map(str::to_owned),
            })
        };
        let other = element.children.iter();
        let other = other.filter(|child| !KNOWN.contains(&child.name.as_str()));
        Ok(OofSettings {
            state,
            external_audience: audience
                .and_then(ExternalAudience::parse)
                .unwrap_or(ExternalAudience::None),
            duration: element.child("Duration").and_then(|duration| {
                let at = |name| time::parse(duration.child_text(name)?);
                Some((at("StartTime")?, at("EndTime")?))
            }),
            internal_reply: reply("InternalReply"),
            external_reply: reply("ExternalReply"),
            other: other.cloned().collect(),
        })
    }
}
