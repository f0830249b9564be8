//! Tells people and programs of a run: by e-mail, by an HTTP request, by a command.

mod mail;
mod webhook;

use std::time::Duration;

use engine::{Error, ErrorKind, Result};
use jiff::tz::TimeZone;

use crate::config::{Config, NotifyConfig, When};
use crate::plan::Outcome;
use crate::process::{self, Invocation};
use crate::report::{Point, RunReport, report_page};
use crate::run::one_line;
use crate::secret::Lookup;
pub use webhook::https_client;

/// Longest time a notification may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is told.
pub(crate) struct News<'a> {
    pub(crate) report: &'a RunReport,
    pub(crate) histories: &'a [(String, Vec<Point>)],
    pub(crate) zone: &'a TimeZone,
}

impl News<'_> {
    pub(crate) fn page(&self) -> String {
        report_page(self.report, self.histories, self.zone)
    }
}

/// Whether somebody is to be told of a run.
pub(crate) fn wants(notify: &NotifyConfig, report: &RunReport) -> bool {
    let is_of_set = notify.sets.is_empty() || notify.sets.contains(&report.set);
    let outcome = report.outcome.unwrap_or(Outcome::Failure);
    is_of_set
        && match notify.when {
            When::Always => true,
            // A run that a window stopped is nothing to worry about.
            When::Warning => matches!(outcome, Outcome::Warning | Outcome::Failure),
            When::Failure => outcome == Outcome::Failure,
        }
}

/// Tells everybody who wants to know; says in a line each what could not be told.
pub(crate) async fn tell(config: &Config, news: &News<'_>, lookup: &Lookup) -> Vec<String> {
    let mut problems = Vec::new();
    for notify in &config.notify {
        if !wants(notify, news.report) {
            continue;
        }
        let told = tokio::time::timeout(TIMEOUT, tell_one(notify, news, lookup)).await;
        let told = told.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unreachable,
                "it took longer than a minute",
            ))
        });
        if let Err(error) = told {
            problems.push(format!(
                "{} is not told: {}",
                whom(notify),
                one_line(&error)
            ));
        }
    }
    problems
}

async fn tell_one(notify: &NotifyConfig, news: &News<'_>, lookup: &Lookup) -> Result<()> {
    if let Some(mail) = &notify.mail {
        mail::send(mail, news, lookup).await?;
    }
    if let Some(webhook) = &notify.webhook {
        webhook::post(webhook, news, lookup).await?;
    }
    if let Some(command) = &notify.command {
        let stdin = serde_json::to_vec(news.report).unwrap_or_default();
        let invocation = Invocation {
            command,
            stdin: &stdin,
            timeout: TIMEOUT,
        };
        let done = process::run(&invocation).await?;
        if !done.success {
            return Err(Error::new(ErrorKind::Invalid, done.summary()));
        }
    }
    Ok(())
}

/// Who it is, without anything secret: a webhook's path often is.
fn whom(notify: &NotifyConfig) -> String {
    if let Some(mail) = &notify.mail {
        return mail.to.join(", ");
    }
    if let Some(webhook) = &notify.webhook {
        let url = engine::Url::parse(&webhook.url).ok();
        let host = url.as_ref().and_then(|url| url.host_str());
        return format!("the webhook at {}", host.unwrap_or("?"));
    }
    let program = notify.command.as_ref().and_then(|command| command.first());
    format!("the command {}", program.map_or("?", String::as_str))
}
