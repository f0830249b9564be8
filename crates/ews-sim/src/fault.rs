//! Misbehaviour on demand.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::error::Error;

/// Rules that make the server misbehave, tried in order; the first that fires wins.
///
/// The text form, for command lines and configuration files, is a list of rules separated by
/// `;`, each `OPERATION[@TEXT] WHEN ACTION`:
///
/// - `OPERATION` is an operation's name or `*`; `@TEXT` limits the rule to requests or items
///   whose id equals the text or whose subject contains it.
/// - `WHEN` is `always`, `nth N` (once), `first N`, `every N` or `chance P` (0 to 1).
/// - `ACTION` is `busy MS [http503|fault500|inner200]`, `fail RESPONSECODE`, `truncate`,
///   `cut BYTES`, `stop ENTRIES`, `expire ENTRIES`, `delay MS`, `status HTTPSTATUS` or `garbage`.
///
/// ```
/// let plan: ews_sim::FaultPlan =
///     "ExportItems every 5 busy 200 http503; ExportItems@Report first 2 truncate".parse()?;
/// assert_eq!(plan.rules.len(), 2);
/// # Ok::<(), ews_sim::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultPlan {
    /// The rules, in order.
    pub rules: Vec<FaultRule>,
    /// Seed of the draws of [`FaultWhen::Chance`].
    pub seed: u64,
}

/// One rule of a [`FaultPlan`].
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRule {
    /// The operation, such as `ExportItems`; `None` means any.
    pub operation: Option<String>,
    /// Only requests or items with this id, or with a subject that contains this text.
    pub selector: Option<String>,
    /// When the rule fires.
    pub when: FaultWhen,
    /// What happens then.
    pub action: FaultAction,
}

/// When a rule fires, counted over the requests (for [`FaultAction::Fail`] and
/// [`FaultAction::Truncate`]: the items) that the rule matches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultWhen {
    /// Every time.
    Always,
    /// Only the n-th time, counted from 1.
    Nth(u64),
    /// The first n times.
    First(u64),
    /// Every n-th time.
    Every(u64),
    /// With this probability, drawn from the plan's seed.
    Chance(f64),
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultAction {
    /// Says that the server is busy.
    Busy {
        /// The `BackOffMilliseconds` told to the client.
        back_off_ms: u64,
        /// How it is said.
        shape: BusyShape,
    },
    /// Answers an item (or the whole request, where it has no items) with this response code.
    Fail(String),
    /// Ends an item's exported data early with the text `=== Truncated Data ===`.
    Truncate,
    /// Cuts the connection after this many bytes of the response body.
    Cut(u64),
    /// Carries out this many entries of a batch, then breaks the connection without an answer, as
    /// a server that is stopped under way.
    Stop(u32),
    /// Carries out this many entries of a batch and says `ErrorBatchProcessingStopped` of the
    /// rest, as Exchange when the minute is over.
    Expire(u32),
    /// Waits this many milliseconds, then answers as usual.
    Delay(u64),
    /// Answers with this HTTP status and an empty body.
    Status(u16),
    /// Answers 200 with bytes that are not XML.
    Garbage,
}

/// The three ways Exchange says "server busy".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyShape {
    /// HTTP 503 without a body.
    Http503,
    /// HTTP 500 with a SOAP fault `ErrorServerBusy`.
    Fault500,
    /// HTTP 200 with `ErrorServerBusy` in every response message.
    Inner200,
}

impl FaultPlan {
    /// Creates a plan without rules.
    pub fn none() -> FaultPlan {
        FaultPlan::default()
    }

    /// Adds a rule.
    pub fn rule(mut self, operation: &str, when: FaultWhen, action: FaultAction) -> FaultPlan {
        self.rules.push(FaultRule {
            operation: (operation != "*").then(|| operation.to_owned()),
            selector: None,
            when,
            action,
        });
        self
    }

    /// Adds a rule for items with this id, or with a subject that contains this text.
    pub fn rule_for(
        mut self,
        operation: &str,
        selector: &str,
        when: FaultWhen,
        action: FaultAction,
    ) -> FaultPlan {
        self = self.rule(operation, when, action);
        if let Some(rule) = self.rules.last_mut() {
            rule.selector = Some(selector.to_owned());
        }
        self
    }

    /// Sets the seed of probabilities.
    pub fn seed(mut self, seed: u64) -> FaultPlan {
        self.seed = seed;
        self
    }
}

impl std::str::FromStr for FaultPlan {
    type Err = Error;

    fn from_str(text: &str) -> Result<FaultPlan, Error> {
        let mut plan = FaultPlan::none();
        for rule in text
            .split(';')
            .map(str::trim)
            .filter(|rule| !rule.is_empty())
        {
            plan.rules.push(parse_rule(rule)?);
        }
        Ok(plan)
    }
}

fn parse_rule(text: &str) -> Result<FaultRule, Error> {
    let bad = |what: &str| Error::invalid(format!("fault rule '{text}': {what}"));
    let mut words = text.split_whitespace();
    let target = words.next().ok_or_else(|| bad("empty"))?;
    let (operation, selector) = match target.split_once('@') {
        Some((operation, selector)) => (operation, Some(selector.to_owned())),
        None => (target, None),
    };
    let number = |what: &str, words: &mut std::str::SplitWhitespace<'_>| {
        words
            .next()
            .and_then(|word| word.parse::<u64>().ok())
            .ok_or_else(|| bad(&format!("{what} needs a whole number")))
    };
    let entries = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let when = match words.next().unwrap_or_default() {
        "always" => FaultWhen::Always,
        "nth" => FaultWhen::Nth(number("nth", &mut words)?),
        "first" => FaultWhen::First(number("first", &mut words)?),
        "every" => FaultWhen::Every(number("every", &mut words)?.max(1)),
        "chance" => {
            let chance = words.next().and_then(|word| word.parse::<f64>().ok());
            FaultWhen::Chance(
                chance
                    .filter(|chance| (0.0..=1.0).contains(chance))
                    .ok_or_else(|| bad("chance needs a number from 0 to 1"))?,
            )
        }
        _ => return Err(bad("expected always, nth, first, every or chance")),
    };
    let action = match words.next().unwrap_or_default() {
        "busy" => FaultAction::Busy {
            back_off_ms: number("busy", &mut words)?,
            shape: match words.next().unwrap_or("fault500") {
                "http503" => BusyShape::Http503,
                "fault500" => BusyShape::Fault500,
                "inner200" => BusyShape::Inner200,
                _ => return Err(bad("expected http503, fault500 or inner200")),
            },
        },
        "fail" => FaultAction::Fail(words.next().ok_or_else(|| bad("fail needs a code"))?.into()),
        "truncate" => FaultAction::Truncate,
        "cut" => FaultAction::Cut(number("cut", &mut words)?),
        "stop" => FaultAction::Stop(entries(number("stop", &mut words)?)),
        "expire" => FaultAction::Expire(entries(number("expire", &mut words)?)),
        "delay" => FaultAction::Delay(number("delay", &mut words)?),
        "status" => FaultAction::Status(
            u16::try_from(number("status", &mut words)?)
                .ok()
                .filter(|status| (200..600).contains(status))
                .ok_or_else(|| bad("status needs an HTTP status"))?,
        ),
        "garbage" => FaultAction::Garbage,
        _ => return Err(bad("unknown action")),
    };
    if words.next().is_some() {
        return Err(bad("too many words"));
    }
    Ok(FaultRule {
        operation: (operation != "*").then(|| operation.to_owned()),
        selector,
        when,
        action,
    })
}

/// A plan being played.
#[derive(Default)]
pub(crate) struct FaultPlayer(Mutex<Playing>);

#[derive(Default)]
struct Playing {
    plan: FaultPlan,
    /// How often each rule matched.
    matches: Vec<u64>,
}

/// An item, as far as rules look at it.
#[derive(Clone, Copy)]
pub(crate) struct FaultTarget<'a> {
    pub(crate) id: &'a str,
    pub(crate) subject: &'a str,
}

impl FaultPlayer {
    pub(crate) fn set(&self, plan: FaultPlan) {
        let matches = vec![0; plan.rules.len()];
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Playing { plan, matches };
    }

    /// Tells whether there are any rules.
    pub(crate) fn has_rules(&self) -> bool {
        let playing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !playing.plan.rules.is_empty()
    }

    /// Tells whether any rule looks at the subjects of items.
    pub(crate) fn has_selectors(&self) -> bool {
        let playing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        playing
            .plan
            .rules
            .iter()
            .any(|rule| rule.selector.is_some())
    }

    /// Finds what a request gets: actions on whole requests only.
    pub(crate) fn for_request(
        &self,
        operation: &str,
        items: &[FaultTarget<'_>],
    ) -> Option<FaultAction> {
        self.draw(operation, |rule| {
            !is_item_action(&rule.action)
                && rule
                    .selector
                    .as_ref()
                    .is_none_or(|text| items.iter().any(|item| selects(text, *item)))
        })
    }

    /// Finds what one item of a request gets: failures and truncations.
    pub(crate) fn for_item(&self, operation: &str, item: FaultTarget<'_>) -> Option<FaultAction> {
        self.draw(operation, |rule| {
            is_item_action(&rule.action)
                && rule
                    .selector
                    .as_ref()
                    .is_none_or(|text| selects(text, item))
        })
    }

    fn draw(&self, operation: &str, fits: impl Fn(&FaultRule) -> bool) -> Option<FaultAction> {
        let mut playing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Playing { plan, matches } = &mut *playing;
        for (index, (rule, count)) in plan.rules.iter().zip(matches).enumerate() {
            let named = rule
                .operation
                .as_deref()
                .is_none_or(|name| name == operation);
            if named && fits(rule) {
                *count += 1;
                if fires(rule.when, *count, plan.seed, index) {
                    return Some(rule.action.clone());
                }
            }
        }
        None
    }
}

fn is_item_action(action: &FaultAction) -> bool {
    matches!(action, FaultAction::Fail(_) | FaultAction::Truncate)
}

fn selects(text: &str, item: FaultTarget<'_>) -> bool {
    item.id == text || item.subject.contains(text)
}

fn fires(when: FaultWhen, count: u64, seed: u64, rule: usize) -> bool {
    match when {
        FaultWhen::Always => true,
        FaultWhen::Nth(n) => count == n,
        FaultWhen::First(n) => count <= n,
        FaultWhen::Every(n) => count.is_multiple_of(n.max(1)),
        FaultWhen::Chance(chance) => {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes());
            hasher.update(&(rule as u64).to_le_bytes());
            hasher.update(&count.to_le_bytes());
            let mut draw = [0; 4];
            draw.copy_from_slice(&hasher.finalize().as_bytes()[..4]);
            f64::from(u32::from_le_bytes(draw)) < chance * f64::from(u32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_from_text() {
        let plan: FaultPlan = "* nth 3 delay 50; GetItem@x chance 0.5 fail ErrorItemCorrupt;"
            .parse()
            .unwrap();
        assert_eq!(plan.rules[0].operation, None);
        assert_eq!(plan.rules[0].action, FaultAction::Delay(50));
        assert_eq!(plan.rules[1].selector.as_deref(), Some("x"));
        for bad in [
            "x",
            "x always",
            "x always busy",
            "x chance 2 truncate",
            "x nth y cut 1",
        ] {
            assert!(bad.parse::<FaultPlan>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rules_fire_when_they_say() {
        let player = FaultPlayer::default();
        player.set("A every 2 status 500; A nth 3 garbage".parse().unwrap());
        let drawn: Vec<bool> = (0..6)
            .map(|_| player.for_request("A", &[]).is_some())
            .collect();
        assert_eq!(drawn, [false, true, false, true, true, true]);
        assert_eq!(player.for_request("B", &[]), None);
    }
}
