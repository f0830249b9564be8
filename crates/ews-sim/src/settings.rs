//! What a mailbox has beside items: delegates, rules, replies.

pub(crate) mod permission;

use serde::{Deserialize, Serialize};

use crate::tree::Tree;

/// The settings of one store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// DelegateUser elements.
    pub(crate) delegates: Vec<Tree>,
    /// DeliverMeetingRequestsType.
    pub(crate) deliver_meeting_requests: String,
    /// The rules in the order of their priorities.
    pub(crate) rules: Vec<Rule>,
    next_rule: u64,
    /// Whether Outlook keeps rules of its own here.
    pub(crate) has_outlook_rules: bool,
    /// A UserOofSettings element, once it was set.
    pub(crate) oof: Option<Tree>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            delegates: Vec::new(),
            deliver_meeting_requests: "NoForward".to_owned(),
            rules: Vec::new(),
            next_rule: 0x0126,
            has_outlook_rules: false,
            oof: None,
        }
    }
}

/// An inbox rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) priority: i32,
    pub(crate) enabled: bool,
    /// Conditions, Exceptions and Actions, as far as there are any.
    pub(crate) parts: Vec<Tree>,
}

impl Rule {
    /// The id as clients see it.
    pub(crate) fn id(&self) -> String {
        base64_simd::STANDARD.encode_to_string(rule_bytes(self.number))
    }
}

fn rule_bytes(number: u64) -> [u8; 8] {
    let mut bytes = number.to_be_bytes();
    bytes[0] = 1;
    bytes
}

impl Settings {
    /// Adds a rule behind those of the same or a lower priority.
    pub(crate) fn add_rule(&mut self, mut rule: Rule) {
        rule.number = self.next_rule;
        self.next_rule += 1;
        self.rules.push(rule);
        self.sort_rules();
    }

    /// Puts the rules into the order of their priorities, keeping that of equals.
    pub(crate) fn sort_rules(&mut self) {
        self.rules.sort_by_key(|rule| rule.priority);
    }
}
