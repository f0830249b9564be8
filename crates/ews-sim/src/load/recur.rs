//! Recurrence rules as Exchange's recurrence blob ([MS-OXOCAL] 2.2.1.44).
//!
//! Only patterns the blob can say are converted; for others the rule's text is all there is.

use jiff::civil::{Date, DateTime, Weekday};

use super::ics::Exception;
use super::zone::{civil, ordinal_weekday, utc_seconds};

/// Days searched for the end of a counted or bounded series: about 100 years.
const MAX_DAYS: i32 = 36_525;
/// Most deleted occurrences written.
const MAX_DELETED: usize = 1_000;
/// EndDate of a series without end.
const NO_END: u32 = 0x5AE9_80DF;

/// PidLidRecurrenceType and the high half of RecurFrequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frequency {
    Daily = 1,
    Weekly = 2,
    Monthly = 3,
    Yearly = 4,
}

/// A rule in the terms of the blob.
#[derive(Debug)]
pub(crate) struct Recurrence {
    pub(crate) frequency: Frequency,
    pub(crate) interval: i32,
    pub(crate) pattern: Pattern,
    pub(crate) end: End,
    pub(crate) first_weekday: Weekday,
}

/// The days that a rule takes.
#[derive(Debug)]
pub(crate) enum Pattern {
    Day,
    /// Bit 0 is Sunday.
    Week(u32),
    MonthDay(i8),
    /// Weekday bits and 1 to 4, or 5 for the last.
    MonthNth(u32, i8),
}

/// When a series ends.
#[derive(Debug)]
pub(crate) enum End {
    Never,
    Until(Date),
    Count(u32),
}

impl Recurrence {
    /// Reads an RRULE value for a series that starts at `start`; `None` when the blob has no
    /// words for it. `to_local` is the series' clock: it tells the local time of a moment.
    pub(crate) fn read(
        rule: &str,
        start: DateTime,
        to_local: impl Fn(i64) -> Option<DateTime>,
    ) -> Option<Self> {
        let parts: Vec<(String, &str)> = rule
            .split(';')
            .filter_map(|p| p.split_once('='))
            .map(|(n, v)| (n.trim().to_ascii_uppercase(), v.trim()))
            .collect();
        // Other calendars have other months (RFC 7529).
        if parts
            .iter()
            .any(|(name, value)| name == "RSCALE" && !value.eq_ignore_ascii_case("GREGORIAN"))
        {
            return None;
        }
        let part = |name: &str| parts.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        if ["BYHOUR", "BYMINUTE", "BYSECOND", "BYYEARDAY", "BYWEEKNO"]
            .iter()
            .any(|n| part(n).is_some())
        {
            return None;
        }
        let frequency = match part("FREQ")?.to_ascii_uppercase().as_str() {
            "DAILY" => Frequency::Daily,
            "WEEKLY" => Frequency::Weekly,
            "MONTHLY" => Frequency::Monthly,
            "YEARLY" => Frequency::Yearly,
            _ => return None,
        };
        let months = part("BYMONTH").map_or(Some(start.month()), |m| m.parse().ok())?;
        if months != start.month() || (part("BYMONTH").is_some() && frequency != Frequency::Yearly)
        {
            return None;
        }
        let end = match (part("UNTIL"), part("COUNT")) {
            (Some(until), _) => End::Until(match civil(until)? {
                (utc, true) => to_local(utc_seconds(utc))?.date(),
                (local, false) => local.date(),
            }),
            (None, Some(count)) => End::Count(count.parse().ok().filter(|n| *n > 0)?),
            (None, None) => End::Never,
        };
        Some(Self {
            frequency,
            interval: part("INTERVAL")
                .map_or(Some(1), |i| i.parse().ok())
                .filter(|i| (1..=99).contains(i))?,
            pattern: pattern(frequency, start, part)?,
            end,
            first_weekday: part("WKST")
                .and_then(ordinal_weekday)
                .map_or(Weekday::Sunday, |(_, d)| d),
        })
    }

    /// The blob: start and end as local times, deleted occurrences as their dates. A modified
    /// occurrence is one that is deleted, and one that is added.
    pub(crate) fn blob(
        &self,
        start: DateTime,
        duration_minutes: i64,
        deleted: &[Date],
        exceptions: &[Exception],
    ) -> Option<Vec<u8>> {
        let first = start.date();
        let (last, count) = self.last(first)?;
        let modified = exceptions.iter().map(Exception::original_date);
        let mut deleted: Vec<u32> = deleted
            .iter()
            .copied()
            .chain(modified)
            .take(MAX_DELETED)
            .filter_map(minutes)
            .collect();
        deleted.sort_unstable();
        deleted.dedup();
        let mut out = Vec::with_capacity(90);
        let kind: u16 = match self.pattern {
            Pattern::Day => 0,
            Pattern::Week(_) => 1,
            Pattern::MonthDay(_) => 2,
            Pattern::MonthNth(..) => 3,
        };
        let period = self.period();
        let frequency = 0x2009 + self.frequency as u16;
        for word in [0x3004, 0x3004, frequency, kind, 0] {
            out.extend(u16::to_le_bytes(word));
        }
        let mut long = |value: u32| out.extend(value.to_le_bytes());
        long(self.first_date_time(first)?);
        long(period);
        long(0);
        match self.pattern {
            Pattern::Day => {}
            Pattern::Week(mask) => long(mask),
            Pattern::MonthDay(day) => long(u32::try_from(day).ok()?),
            Pattern::MonthNth(mask, nth) => {
                long(mask);
                long(u32::try_from(nth).ok()?);
            }
        }
        let end_type = match self.end {
            End::Until(_) => 0x2021,
            End::Count(_) => 0x2022,
            End::Never => 0x2023,
        };
        long(end_type);
        long(count);
        long(u32::try_from(self.first_weekday.to_sunday_zero_offset()).ok()?);
        long(u32::try_from(deleted.len()).ok()?);
        deleted.iter().for_each(|d| long(*d));
        let mut dates: Vec<u32> = exceptions
            .iter()
            .filter_map(|exception| minutes(exception.start.date()))
            .collect();
        dates.sort_unstable();
        long(u32::try_from(dates.len()).ok()?);
        dates.iter().for_each(|date| long(*date));
        long(minutes(first)?);
        long(last.and_then(minutes).unwrap_or(NO_END));
        long(0x3006);
        long(0x3009);
        let start_minute =
            u32::from(start.hour().unsigned_abs()) * 60 + u32::from(start.minute().unsigned_abs());
        long(start_minute);
        long(start_minute.saturating_add(u32::try_from(duration_minutes).unwrap_or(0)));
        super::ics::write_exceptions(exceptions, &mut out)?;
        Some(out)
    }

    fn is_weekly(&self) -> bool {
        matches!(self.pattern, Pattern::Week(_))
    }

    fn period(&self) -> u32 {
        let interval = self.interval.unsigned_abs();
        match self.frequency {
            // "Every workday" is a weekly pattern of daily frequency.
            Frequency::Daily if self.is_weekly() => interval,
            Frequency::Daily => interval * 1440,
            Frequency::Weekly | Frequency::Monthly => interval,
            Frequency::Yearly => interval * 12,
        }
    }

    /// FirstDateTime ([MS-OXOCAL] 2.2.1.44.1): where the pattern's grid starts after 1601.
    fn first_date_time(&self, first: Date) -> Option<u32> {
        let interval = self.interval.unsigned_abs();
        match self.frequency {
            Frequency::Daily if !self.is_weekly() => Some(minutes(first)? % (interval * 1440)),
            Frequency::Daily | Frequency::Weekly => {
                Some(minutes(week_start(first, self.first_weekday)?)? % (interval * 10_080))
            }
            Frequency::Monthly | Frequency::Yearly => {
                let months = (i32::from(first.year()) - 1601) * 12 + i32::from(first.month()) - 1;
                let rest = months.rem_euclid(i32::try_from(self.period()).ok()?);
                let year = i16::try_from(1601 + rest / 12).ok()?;
                minutes(Date::new(year, i8::try_from(rest % 12 + 1).ok()?, 1).ok()?)
            }
        }
    }

    /// Last date of the series, if it ends, and its number of occurrences (10 without an end, as
    /// Outlook writes).
    fn last(&self, first: Date) -> Option<(Option<Date>, u32)> {
        let (until, most) = match self.end {
            End::Never => return Some((None, 10)),
            End::Until(until) => (Some(until), u32::MAX),
            End::Count(count) => (None, count),
        };
        let (mut day, mut last, mut count) = (first, first, 0);
        for _ in 0..MAX_DAYS {
            if until.is_some_and(|until| day > until) || count >= most {
                break;
            }
            if self.occurs(first, day) {
                (last, count) = (day, count + 1);
            }
            day = day.tomorrow().ok()?;
        }
        Some((Some(until.unwrap_or(last)), count))
    }

    /// The last day that a series which begins on a day may have, and how often it happens.
    pub(crate) fn bounds(&self, first: Date) -> (Option<Date>, usize) {
        match self.end {
            End::Never => (None, usize::MAX),
            End::Until(last) => (Some(last.max(first)), usize::MAX),
            End::Count(count) => (None, usize::try_from(count).unwrap_or(usize::MAX)),
        }
    }

    /// Whether a series that begins on a day happens on another.
    pub(crate) fn occurs(&self, first: Date, day: Date) -> bool {
        let months = (i32::from(day.year()) - i32::from(first.year())) * 12
            + i32::from(day.month())
            - i32::from(first.month());
        match self.pattern {
            Pattern::Day => days_between(first, day) % self.interval == 0,
            Pattern::Week(mask) => {
                let weeks = week_start(first, self.first_weekday)
                    .zip(week_start(day, self.first_weekday))
                    .map_or(0, |(a, b)| days_between(a, b) / 7);
                weeks % self.interval == 0 && mask & bit(day.weekday()) != 0
            }
            Pattern::MonthDay(wanted) => {
                self.month_fits(months) && day.day() == wanted.min(day.days_in_month())
            }
            Pattern::MonthNth(mask, nth) => self.month_fits(months) && is_nth(day, mask, nth),
        }
    }

    fn month_fits(&self, months: i32) -> bool {
        i32::try_from(self.period()).is_ok_and(|period| months % period == 0)
    }
}

fn pattern<'a>(
    frequency: Frequency,
    start: DateTime,
    part: impl Fn(&str) -> Option<&'a str>,
) -> Option<Pattern> {
    let days: Vec<(Option<i8>, Weekday)> = match part("BYDAY") {
        Some(list) => list
            .split(',')
            .map(ordinal_weekday)
            .collect::<Option<_>>()?,
        None => Vec::new(),
    };
    let mask = days.iter().fold(0, |mask, (_, day)| mask | bit(*day));
    let plain = days.iter().all(|(n, _)| n.is_none());
    let month_day = part("BYMONTHDAY");
    match frequency {
        Frequency::Daily if days.is_empty() && month_day.is_none() => Some(Pattern::Day),
        Frequency::Daily
            if plain && month_day.is_none() && part("INTERVAL").is_none_or(|i| i == "1") =>
        {
            Some(Pattern::Week(mask))
        }
        Frequency::Weekly if plain && month_day.is_none() => Some(Pattern::Week(if mask == 0 {
            bit(start.weekday())
        } else {
            mask
        })),
        Frequency::Monthly | Frequency::Yearly => match (days.as_slice(), month_day) {
            ([], None) => Some(Pattern::MonthDay(start.day())),
            ([], Some(day)) => {
                let day: i8 = day.parse().ok()?;
                let day = if day == -1 { 31 } else { day };
                (1..=31).contains(&day).then_some(Pattern::MonthDay(day))
            }
            ([(Some(nth), _)], None) => nth_pattern(mask, *nth),
            (_, None) if plain => nth_pattern(mask, part("BYSETPOS")?.parse().ok()?),
            _ => None,
        },
        _ => None,
    }
}

fn nth_pattern(mask: u32, nth: i8) -> Option<Pattern> {
    match nth {
        1..=4 => Some(Pattern::MonthNth(mask, nth)),
        -1 | 5 => Some(Pattern::MonthNth(mask, 5)),
        _ => None,
    }
}

/// Whether a day is the n-th of its month among the days of a mask; 5 is the last.
fn is_nth(day: Date, mask: u32, nth: i8) -> bool {
    let in_mask = |number: &i8| {
        let other = Date::new(day.year(), day.month(), *number);
        other.is_ok_and(|other| mask & bit(other.weekday()) != 0)
    };
    if !in_mask(&day.day()) {
        return false;
    }
    match nth {
        5 => !(day.day() + 1..=day.days_in_month()).any(|number| in_mask(&number)),
        _ => (1..=day.day()).filter(in_mask).count() == usize::from(nth.unsigned_abs()),
    }
}

fn bit(day: Weekday) -> u32 {
    1 << day.to_sunday_zero_offset().unsigned_abs()
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

fn week_start(day: Date, first: Weekday) -> Option<Date> {
    let back = i64::from(day.weekday().since(first));
    day.checked_sub(jiff::Span::new().days(back)).ok()
}

/// Minutes from 1601-01-01 to a local time.
pub(crate) fn minutes_at(time: DateTime) -> Option<u32> {
    let of_day = i64::from(time.hour()) * 60 + i64::from(time.minute());
    minutes(time.date())?.checked_add(u32::try_from(of_day).ok()?)
}

/// The date of a midnight in minutes since 1601-01-01.
pub(crate) fn date_of_minutes(minutes: u32) -> Option<Date> {
    let first = Date::new(1601, 1, 1).ok()?;
    first
        .checked_add(jiff::Span::new().days(i64::from(minutes / 1440)))
        .ok()
}

/// The time so many minutes after the beginning of a day.
pub(crate) fn minutes_of_day(day: Date, minutes: u32) -> Option<DateTime> {
    day.to_datetime(jiff::civil::Time::midnight())
        .checked_add(jiff::SignedDuration::from_mins(i64::from(minutes)))
        .ok()
}

/// Minutes from 1601-01-01 to the start of a date.
fn minutes(day: Date) -> Option<u32> {
    let days = days_between(Date::new(1601, 1, 1).ok()?, day);
    u32::try_from(i64::from(days) * 1440).ok()
}
