//! How the inbox rules of a snapshot become those of a mailbox.

use ews_client::{InboxRule, RuleOperation};

use super::place::Places;
use super::users::mapped;
use super::wanted::Without;
use crate::restore::UserMap;

/// What has to be done to a mailbox's rules.
#[derive(Debug, Default)]
pub(super) struct RulePlan {
    pub(super) operations: Vec<RuleOperation>,
    /// The rules as they are after that, without ids where they are new.
    pub(super) after: Vec<InboxRule>,
}

/// A rule without what a server adds.
fn bare(rule: &InboxRule) -> InboxRule {
    InboxRule {
        id: None,
        is_not_supported: None,
        is_in_error: None,
        ..rule.clone()
    }
}

/// Translates a rule for another mailbox: its folders and the addresses of the user map.
fn translated(
    rule: &InboxRule,
    places: &Places,
    map: Option<&UserMap>,
) -> Result<InboxRule, String> {
    if rule.is_not_supported == Some(true) {
        return Err("it has parts that EWS cannot express".to_owned());
    }
    let mut rule = bare(rule);
    for id in rule.folder_ids() {
        if places.live_id(&id).is_none() {
            return Err("it names a folder that the mailbox does not have".to_owned());
        }
    }
    rule.map_folder_ids(|id| places.live_id(id).unwrap_or_default());
    let parts = [
        &mut rule.conditions,
        &mut rule.exceptions,
        &mut rule.actions,
    ];
    for part in parts.into_iter().flatten() {
        part.visit_mut("EmailAddress", &mut |element| {
            element.text = mapped(&element.text, map);
        });
    }
    Ok(rule)
}

/// Plans the changes. A rule meets the one of its name, of several the first that is not taken;
/// rules that are there and were not in the snapshot stay, unless exactly the snapshot's are
/// wanted.
pub(super) fn plan(
    stored: &[InboxRule],
    live: &[InboxRule],
    places: &Places,
    map: Option<&UserMap>,
    is_exact: bool,
) -> (RulePlan, Without) {
    let mut plan = RulePlan::default();
    let mut without = Without::new();
    let mut left: Vec<&InboxRule> = live.iter().collect();
    for rule in stored {
        let place = left
            .iter()
            .position(|now| now.display_name == rule.display_name);
        let now = place.map(|place| left.remove(place));
        let mut wanted = match translated(rule, places, map) {
            Ok(wanted) => wanted,
            Err(why) => {
                without.push((format!("rule {}", rule.display_name), why));
                plan.after.extend(now.cloned());
                continue;
            }
        };
        match now {
            Some(now) => {
                let is_same = comparable(now) == comparable(&wanted);
                wanted.id.clone_from(&now.id);
                if !is_same {
                    plan.operations.push(RuleOperation::Set(wanted.clone()));
                }
            }
            None => plan.operations.push(RuleOperation::Create(wanted.clone())),
        }
        plan.after.push(wanted);
    }
    for rule in left {
        match &rule.id {
            Some(id) if is_exact => plan.operations.push(RuleOperation::Delete(id.clone())),
            _ => plan.after.push(rule.clone()),
        }
    }
    plan.after.sort_by_key(|rule| rule.priority);
    (plan, without)
}

/// A rule in the form in which two are compared: no ids of its own, no change keys.
pub(super) fn comparable(rule: &InboxRule) -> InboxRule {
    let mut rule = bare(rule);
    rule.map_folder_ids(str::to_owned);
    rule
}

/// What an operation is about, for a report.
pub(super) fn title(operation: &RuleOperation) -> String {
    match operation {
        RuleOperation::Create(rule) | RuleOperation::Set(rule) => {
            format!("rule {}", rule.display_name)
        }
        RuleOperation::Delete(_) => "a rule to be removed".to_owned(),
    }
}
