//! What somebody should do after a run.

use std::collections::BTreeSet;

use super::{DestinationReport, RunReport};
use crate::plan::Outcome;

/// Share of the time spent waiting for the server from which it is worth a word.
const MUCH_WAITING: f64 = 0.2;

pub(super) fn next_steps(report: &RunReport) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(error) = &report.error {
        steps.push(format!("Nothing was done: {error}."));
    }
    for destination in &report.destinations {
        of_destination(report, destination, &mut steps);
    }
    for hook in report.hooks.iter().filter(|hook| !hook.success) {
        steps.push(format!(
            "The hook `{}` ({}) failed: {}. Run it by hand to see why.",
            hook.program, hook.when, hook.ended
        ));
    }
    // Destinations tell the same of one server.
    let mut seen = BTreeSet::new();
    steps.retain(|step| seen.insert(step.clone()));
    steps
}

fn of_destination(report: &RunReport, destination: &DestinationReport, steps: &mut Vec<String>) {
    let name = &destination.name;
    if let Some(error) = &destination.error {
        steps.push(format!("`{name}` got nothing: {error}. {}", cure(error)));
    }
    if let Some(check) = &destination.check
        && !check.is_clean()
    {
        steps.push(format!(
            "`{name}` is damaged: {} object(s), {} item(s). Keep it as it is, and look at `postkeep \
             check --read-data`.",
            check.objects_damaged.len() + check.snapshots_damaged.len(),
            check.items_damaged.len()
        ));
    }
    if let Some(drill) = &destination.drill
        && !drill.passed
    {
        steps.push(format!(
            "Not all that was tried came back from `{name}` as it was stored: look at `postkeep \
             check --read-data`, and keep the report."
        ));
    }
    if let Some(retention) = &destination.retention
        && retention.undeletable > 0
    {
        steps.push(format!(
            "`{name}` refused to delete {} object(s), which keep their space: let a machine prune \
             whose credentials may delete, once their lock has ended.",
            retention.undeletable
        ));
    }
    of_copy(destination, steps);
    let Some(backup) = &destination.backup else {
        return;
    };
    for mailbox in &backup.mailboxes {
        if let Some(error) = &mailbox.error {
            let who = &mailbox.mailbox;
            steps.push(format!("{who} was not backed up: {error}. {}", cure(error)));
        }
    }
    if !backup.failures.is_empty() {
        steps.push(format!(
            "{} item(s) could not be read. The next run tries them again; open one in Outlook if it \
             keeps failing, since the server itself may not be able to read it.",
            backup.failures.len()
        ));
    }
    let waited = destination.traffic.waited_ms as f64;
    let at_once = backup.mailboxes.len().clamp(1, 4) as f64;
    if waited > 10_000.0 && waited / at_once > MUCH_WAITING * report.elapsed_ms() as f64 {
        steps.push(
            "The server made us wait for much of the time. Lower `requests` in [limits], or give \
             the account a throttling policy of its own: New-ThrottlingPolicy Backup \
             -EwsMaxConcurrency Unlimited -ThrottlingPolicyScope Regular; \
             Set-ThrottlingPolicyAssociation ACCOUNT -ThrottlingPolicy Backup"
                .to_owned(),
        );
    }
    if destination.outcome == Some(Outcome::Stopped) {
        steps.push(format!(
            "The run was stopped before its end. What was read is in `{name}`; the next run \
             continues there."
        ));
    }
}

fn of_copy(destination: &DestinationReport, steps: &mut Vec<String>) {
    let name = &destination.name;
    if let Some(copy) = &destination.copy
        && !copy.failures.is_empty()
    {
        steps.push(format!(
            "{} item(s) could not be copied from `{}` to `{name}`, since they cannot be read there: \
             `postkeep check --read-data` names the damage.",
            copy.failures.len(),
            copy.from
        ));
    }
}

/// What helps against an error, by what it says.
fn cure(error: &str) -> &'static str {
    let error = error.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["impersonat", "accessdenied"]) {
        "Grant the right in the Exchange Management Shell: New-ManagementRoleAssignment -Name \
         postkeep -Role ApplicationImpersonation -User ACCOUNT"
    } else if says(&["nonexistentmailbox", "no mailbox", "smtp address"]) {
        "Correct the address in `mailboxes`, or take it out"
    } else if says(&["passphrase", "password", "sign-in", "401"]) {
        "See `postkeep doctor` for what the server or the repository says to the secret"
    } else if says(&["no space", "full"]) {
        "Free some space; the next run continues"
    } else {
        "`postkeep doctor` looks for the cause"
    }
}
