//! GetServerTimeZones (MS-OXWSGTZ 3.1.4.1).

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::{Dst, TimeZone};

use super::{Answer, Context, Reply};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};
use crate::zones::{self, ZONES};

/// The year whose rules are told, as a server of that time knows no later ones.
const YEAR_BEGINS: i64 = 1_767_225_600;
const SECONDS_PER_YEAR: i64 = 365 * 86_400;

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
                write_rules(w, &zones::find(Some(name)));
            }
            w.end("t:TimeZoneDefinition");
        }
        w.end("m:TimeZoneDefinitions");
        Ok(())
    })?;
    answer.finish()
}

/// A change of clocks: when, by the clocks before it, and what it leads to.
struct Change {
    at: DateTime,
    to_daylight: bool,
}

fn write_rules(w: &mut XmlWriter, zone: &TimeZone) {
    let begin = Timestamp::from_second(YEAR_BEGINS).unwrap_or(Timestamp::UNIX_EPOCH);
    let end = YEAR_BEGINS + SECONDS_PER_YEAR;
    let mut changes = Vec::new();
    for next in zone
        .following(begin)
        .take_while(|next| next.timestamp().as_second() < end)
    {
        let before = zone.to_offset(next.timestamp() - jiff::SignedDuration::from_secs(1));
        changes.push(Change {
            at: before.to_datetime(next.timestamp()),
            to_daylight: next.dst() == Dst::Yes,
        });
    }
    let offset_when = |daylight: bool| {
        let infos = [begin, begin + jiff::SignedDuration::from_secs(182 * 86_400)];
        let infos = infos.map(|at| zone.to_offset_info(at));
        infos
            .iter()
            .find(|info| (info.dst() == Dst::Yes) == daylight)
            .map_or(infos[0].offset().seconds(), |info| info.offset().seconds())
    };
    let has_daylight = changes.len() == 2;
    w.start("t:Periods");
    write_period(w, "Standard", "std", offset_when(false));
    if has_daylight {
        write_period(w, "Daylight", "dlt", offset_when(true));
    }
    w.end("t:Periods");
    w.start("t:TransitionsGroups");
    w.start("t:TransitionsGroup");
    w.attr("Id", "0");
    match has_daylight {
        true => changes.iter().for_each(|change| write_change(w, change)),
        false => write_target(w, "t:Transition", "Period", "std"),
    }
    w.end("t:TransitionsGroup");
    w.end("t:TransitionsGroups");
    w.start("t:Transitions");
    write_target(w, "t:Transition", "Group", "0");
    w.end("t:Transitions");
}

/// A bias is what is added to local time, so it has the sign that offsets do not.
fn write_period(w: &mut XmlWriter, name: &str, id: &str, offset_seconds: i32) {
    let minutes = offset_seconds.unsigned_abs() / 60;
    let sign = if offset_seconds > 0 { "-" } else { "" };
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

fn write_change(w: &mut XmlWriter, change: &Change) {
    let day = change.at.date();
    let is_last = day.day() + 7 > day.days_in_month();
    let nth = if is_last { -1 } else { (day.day() - 1) / 7 + 1 };
    let weekday = match day.weekday() {
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
    w.text(if change.to_daylight { "dlt" } else { "std" });
    w.end("t:To");
    w.leaf(
        "t:TimeOffset",
        &format!("PT{}H{}M", change.at.hour(), change.at.minute()),
    );
    w.number("t:Month", day.month());
    w.leaf("t:DayOfWeek", weekday);
    w.number("t:Occurrence", nth);
    w.end("t:RecurringDayTransition");
}
