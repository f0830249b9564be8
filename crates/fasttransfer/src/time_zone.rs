//! Time zones as Exchange stores them with appointments (MS-OXOCAL 2.2.1.39, 2.2.1.41).

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

/// Bits of TZRULE flags: in effect for the item; what the series was made with.
const EFFECTIVE: u16 = 2;
const OF_SERIES: u16 = 1;
/// Rules looked at in a definition.
const MAX_RULES: usize = 256;
/// Minutes by which a zone may differ from UTC.
const MAX_BIAS: i32 = 24 * 60;

/// When a zone changes its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// A year if the change is on one date only, 0 for a rule.
    year: i16,
    pub(crate) month: i8,
    /// 0 is Sunday.
    pub(crate) weekday: i8,
    /// The n-th such weekday in the month, 5 for the last; the day itself where there is a year.
    pub(crate) nth: i8,
    hour: i8,
    minute: i8,
    second: i8,
}

/// A zone: offsets from UTC, and when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) name: String,
    /// Minutes that standard time is ahead of UTC.
    pub(crate) standard_minutes: i32,
    pub(crate) daylight_minutes: i32,
    /// To standard and to daylight time, if clocks change.
    pub(crate) changes: Option<(Change, Change)>,
}

impl Zone {
    /// Reads a PidLidTimeZoneStruct.
    pub(crate) fn from_struct(bytes: &[u8], name: &str) -> Option<Self> {
        let bias = number(bytes, 0)?;
        let (standard, daylight) = (number(bytes, 4)?, number(bytes, 8)?);
        Self::new(
            name,
            [bias, standard, daylight],
            Change::read(bytes.get(14..30)?),
            Change::read(bytes.get(32..48)?),
        )
    }

    /// Reads a definition: the rule in effect, else the one of the series, else the last.
    pub(crate) fn from_definition(bytes: &[u8]) -> Option<Self> {
        let header = usize::from(short(bytes, 2)?);
        let name_units = usize::from(short(bytes, 6)?);
        let name = bytes.get(8..8 + name_units * 2)?;
        let (units, _) = name.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let name = String::from_utf16_lossy(&units);
        let mut best: Option<(u16, &[u8])> = None;
        let mut rest = bytes.get(4 + header..)?;
        for _ in 0..MAX_RULES {
            let Some(size) = short(rest, 2).map(usize::from) else {
                break;
            };
            let Some(rule) = rest.get(4..4 + size) else {
                break;
            };
            let rank = match short(rule, 0)? {
                flags if flags & EFFECTIVE != 0 => 2,
                flags if flags & OF_SERIES != 0 => 1,
                _ => 0,
            };
            if best.is_none_or(|(other, _)| rank >= other) {
                best = Some((rank, rule));
            }
            rest = rest.get(4 + size..)?;
        }
        let (_, rule) = best?;
        Self::new(
            &name,
            [number(rule, 18)?, number(rule, 22)?, number(rule, 26)?],
            Change::read(rule.get(30..46)?),
            Change::read(rule.get(46..62)?),
        )
    }

    fn new(
        name: &str,
        [bias, standard, daylight]: [i32; 3],
        to_standard: Option<Change>,
        to_daylight: Option<Change>,
    ) -> Option<Self> {
        let ahead = |minutes: i32| {
            let total = bias.checked_add(minutes)?.checked_neg()?;
            (-MAX_BIAS..=MAX_BIAS).contains(&total).then_some(total)
        };
        Some(Self {
            name: name.to_owned(),
            standard_minutes: ahead(standard)?,
            daylight_minutes: ahead(daylight)?,
            changes: to_standard.zip(to_daylight),
        })
    }

    /// Whether clocks show what UTC says, all year.
    pub(crate) fn is_utc(&self) -> bool {
        self.standard_minutes == 0 && self.changes.is_none()
    }

    /// Minutes ahead of UTC at a local time.
    fn ahead_at(&self, local: DateTime) -> i32 {
        let Some((to_standard, to_daylight)) = &self.changes else {
            return self.standard_minutes;
        };
        let year = local.year();
        let (Some(standard), Some(daylight)) =
            (to_standard.in_year(year), to_daylight.in_year(year))
        else {
            return self.standard_minutes;
        };
        let is_daylight = if daylight < standard {
            (daylight..standard).contains(&local)
        } else {
            !(standard..daylight).contains(&local)
        };
        if is_daylight {
            self.daylight_minutes
        } else {
            self.standard_minutes
        }
    }

    /// The moment of a local time.
    pub(crate) fn to_utc(&self, local: DateTime) -> Option<Timestamp> {
        let minutes = i64::from(self.ahead_at(local));
        let utc = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Timestamp::from_second(utc.as_second() - minutes * 60).ok()
    }

    /// What clocks show at a moment.
    pub(crate) fn to_local(&self, time: Timestamp) -> Option<DateTime> {
        let at = |minutes: i32| {
            let shifted =
                Timestamp::from_second(time.as_second() + i64::from(minutes) * 60).ok()?;
            Some(shifted.to_zoned(TimeZone::UTC).datetime())
        };
        let standard = at(self.standard_minutes)?;
        // The hour that is left out is no daylight time yet.
        if self.changes.is_none() || self.ahead_at(standard) == self.standard_minutes {
            return Some(standard);
        }
        let daylight = at(self.daylight_minutes)?;
        // In the hour that happens twice, the first time is daylight time.
        if self.ahead_at(daylight) == self.daylight_minutes {
            Some(daylight)
        } else {
            Some(standard)
        }
    }
}

impl Change {
    /// A SYSTEMTIME; `None` if the clocks do not change.
    fn read(bytes: &[u8]) -> Option<Self> {
        let field = |at: usize| {
            let value = short(bytes, at * 2)?;
            i8::try_from(value).ok()
        };
        let change = Self {
            year: i16::try_from(short(bytes, 0)?).ok()?,
            month: field(1)?,
            weekday: field(2)?,
            nth: field(3)?,
            hour: field(4)?,
            minute: field(5)?,
            second: field(6)?,
        };
        let fits = (1..=12).contains(&change.month)
            && (0..=6).contains(&change.weekday)
            && (1..=if change.year == 0 { 5 } else { 31 }).contains(&change.nth)
            && (0..24).contains(&change.hour)
            && (0..60).contains(&change.minute)
            && (0..60).contains(&change.second);
        fits.then_some(change)
    }

    /// When it happens in a year, by the clocks before it.
    pub(crate) fn in_year(&self, year: i16) -> Option<DateTime> {
        if self.year != 0 {
            let date = Date::new(self.year, self.month, self.nth).ok()?;
            return (self.year == year).then(|| date.at(self.hour, self.minute, self.second, 0));
        }
        let weekday = Weekday::from_sunday_zero_offset(self.weekday).ok()?;
        let month = Date::new(year, self.month, 1).ok()?;
        let nth = if self.nth == 5 { -1 } else { self.nth };
        let date = month.nth_weekday_of_month(nth, weekday).ok()?;
        Some(date.at(self.hour, self.minute, self.second, 0))
    }

    /// Whether it happens every year.
    pub(crate) fn is_yearly(&self) -> bool {
        self.year == 0
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
