//! How fast bytes may flow, by time of day.

mod store;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Environment, Pace};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::schedule::{Window, WindowRule};
use crate::units::{Size, as_text};
pub use store::limit_store;

/// A rate, and when it holds: `5 MB/s`, or `mon-fri 08:00-18:00 1 MB/s`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RateRule {
    text: String,
    hours: Option<WindowRule>,
    bytes_per_second: u64,
}

impl FromStr for RateRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as `5 MB/s` or `mon-fri 08:00-18:00 1 MB/s`".to_owned();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let rate = text.strip_suffix("/s").ok_or_else(wrong)?;
        // The number begins behind the last space that has no unit alone behind it.
        let digits = rate.rfind(|c: char| c.is_ascii_digit()).ok_or_else(wrong)?;
        let start = rate[..digits].rfind(' ').map_or(0, |space| space + 1);
        let size: Size = rate[start..].parse()?;
        let hours = match rate[..start].trim() {
            "" => None,
            hours => Some(hours.parse()?),
        };
        Ok(Self {
            hours,
            bytes_per_second: size.0,
            text,
        })
    }
}

impl fmt::Display for RateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

as_text!(RateRule);

/// Lets bytes pass no faster than the rules say; clones share one allowance.
#[derive(Clone)]
pub struct Pacer {
    shared: Arc<Shared>,
}

struct Shared {
    rules: Vec<(Option<Window>, u64)>,
    environment: Environment,
    /// When all that was let through so far is paid for.
    free_at: Mutex<Option<Instant>>,
}

impl fmt::Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacer")
            .field("rules", &self.shared.rules)
            .finish_non_exhaustive()
    }
}

impl Pacer {
    /// A pacer; `None` where no rule ever limits anything.
    pub fn new(rules: &[RateRule], zone: &TimeZone, environment: &Environment) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let window = |rule: &WindowRule| Window {
            rules: vec![rule.clone()],
            zone: zone.clone(),
        };
        let rules = rules
            .iter()
            .map(|rule| (rule.hours.as_ref().map(window), rule.bytes_per_second))
            .collect();
        Some(Self {
            shared: Arc::new(Shared {
                rules,
                environment: environment.clone(),
                free_at: Mutex::new(None),
            }),
        })
    }

    /// Bytes a second at this moment; `None` for as many as there are.
    pub fn rate(&self) -> Option<u64> {
        let now = (self.shared.environment.now_unix_ms)();
        let now = Timestamp::from_millisecond(now).ok()?;
        let holds = |window: &Option<Window>| window.as_ref().is_none_or(|w| w.is_open(now));
        let rule = self.shared.rules.iter().find(|(window, _)| holds(window));
        rule.map(|(_, rate)| *rate)
    }

    /// Waits until so many bytes may pass.
    pub async fn take(&self, bytes: u64) {
        let Some(rate) = self.rate() else {
            return;
        };
        let cost = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        let until = {
            let mut free_at = self
                .shared
                .free_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let start = free_at.map_or_else(Instant::now, |free| free.max(Instant::now()));
            *free_at = Some(start + cost);
            start + cost
        };
        tokio::time::sleep_until(until).await;
    }
}

#[async_trait]
impl Pace for Pacer {
    async fn take(&self, bytes: u64) {
        Self::take(self, bytes).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_hold_all_day_or_for_some_hours() {
        let check = |text: &str, expected: Option<(Option<&str>, u64)>| {
            let rule = text.parse::<RateRule>().ok();
            let found = rule.map(|rule| {
                let hours = rule.hours.map(|hours| hours.to_string());
                (hours, rule.bytes_per_second)
            });
            let expected = expected.map(|(hours, rate)| (hours.map(str::to_owned), rate));
            assert_eq!(found, expected, "{text}");
        };
        check("5 MB/s", Some((None, 5_000_000)));
        check("500kB/s", Some((None, 500_000)));
        check(
            "mon-fri  08:00-18:00 1 MiB/s",
            Some((Some("mon-fri 08:00-18:00"), 1 << 20)),
        );
        check("sat,sun 20MB/s", Some((Some("sat,sun"), 20_000_000)));
        for wrong in ["", "5 MB", "fast/s", "8-18 1 MB/s", "0 B/s"] {
            check(wrong, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_at_the_rate_of_the_hour() {
        let start = Instant::now();
        let base = 1_767_596_400_000; // 2026-01-05, a Monday, 07:00 UTC
        let environment = Environment::new(
            move || base + i64::try_from(start.elapsed().as_millis()).unwrap(),
            |_| {},
        );
        let rules = ["mon-fri 08:00-18:00 1 MB/s", "10 MB/s"].map(|rule| rule.parse().unwrap());
        let pacer = Pacer::new(&rules, &TimeZone::UTC, &environment).unwrap();
        for _ in 0..10 {
            pacer.take(10_000_000).await;
        }
        assert_eq!(start.elapsed().as_secs(), 10);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let before = start.elapsed();
        let halves = [pacer.take(5_000_000), pacer.take(5_000_000)];
        futures::future::join_all(halves).await;
        assert_eq!((start.elapsed() - before).as_secs(), 10);
    }
}
