//! GetServerTimeZones (MS-OXWSGTZ 3.1.4.1).

use jiff::civil::Weekday;

use super::{Answer, Context, Reply};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};
use crate::zones::{self, Change, Rules, THIS_YEAR, ZONES};

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let wanted: Vec<&str> = request
        .list("Ids")
        .iter()
        .map(|id| id.text.trim())
        .collect();
    let whole = request.attr("ReturnFullTimeZoneData") != Some("false");
    let mut answer = Answer::new(context);
    answer.message(|w| {
        w.start("m:TimeZoneDefinitions");
        for (id, shown, name) in ZONES {
            if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(id)) {
                continue;
            }
            w.start("t:TimeZoneDefinition");
            w.attr("Id", id);
            w.attr("Name", shown);
            if whole {
                write_rules(w, id, &Rules::in_year(&zones::find(Some(name)), THIS_YEAR));
            }
            w.end("t:TimeZoneDefinition");
        }
        w.end("m:TimeZoneDefinitions");
        Ok(())
    })?;
    answer.finish()
}

/// A period's id names the zone, the first year of its rules and the period, as on Exchange: there are
/// clients that take it apart.
fn write_rules(w: &mut XmlWriter, zone: &str, rules: &Rules) {
    let period = |name| format!("trule:Microsoft/Registry/{zone}/1-{name}");
    let [standard, daylight_id] = [period("Standard"), period("Daylight")];
    w.start("t:Periods");
    write_period(w, "Standard", &standard, rules.standard_minutes);
    if let Some(daylight) = &rules.daylight {
        write_period(w, "Daylight", &daylight_id, daylight.minutes);
    }
    w.end("t:Periods");
    w.start("t:TransitionsGroups");
    w.start("t:TransitionsGroup");
    w.attr("Id", "0");
    match &rules.daylight {
        Some(daylight) => {
            let mut changes = [(&standard, daylight.ends), (&daylight_id, daylight.begins)];
            changes.sort_by_key(|(_, change)| change.month);
            for (period, change) in changes {
                write_change(w, period, &change);
            }
        }
        None => write_target(w, "t:Transition", "Period", &standard),
    }
    w.end("t:TransitionsGroup");
    w.end("t:TransitionsGroups");
    w.start("t:Transitions");
    write_target(w, "t:Transition", "Group", "0");
    w.end("t:Transitions");
}

/// A bias is what is added to local time, so it has the sign that offsets do not.
fn write_period(w: &mut XmlWriter, name: &str, id: &str, ahead: i32) {
    let minutes = ahead.unsigned_abs();
    let sign = if ahead > 0 { "-" } else { "" };
    w.start("t:Period");
    w.attr(
        "Bias",
        &format!("{sign}PT{}H{}M", minutes / 60, minutes % 60),
    );
    w.attr("Name", name);
    w.attr("Id", id);
    w.end("t:Period");
}

fn write_target(w: &mut XmlWriter, element: &str, kind: &str, id: &str) {
    w.start(element);
    w.start("t:To");
    w.attr("Kind", kind);
    w.text(id);
    w.end("t:To");
    w.end(element);
}

fn write_change(w: &mut XmlWriter, period: &str, change: &Change) {
    let weekday = match change.weekday {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    w.start("t:RecurringDayTransition");
    w.start("t:To");
    w.attr("Kind", "Period");
    w.text(period);
    w.end("t:To");
    w.leaf(
        "t:TimeOffset",
        &format!("PT{}H{}M", change.hour, change.minute),
    );
    w.number("t:Month", change.month);
    w.leaf("t:DayOfWeek", weekday);
    w.number("t:Occurrence", change.nth);
    w.end("t:RecurringDayTransition");
}
