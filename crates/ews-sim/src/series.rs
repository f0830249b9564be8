//! Series of appointments: when they happen, and how single occurrences are changed
//! (MS-OXOCAL 2.2.1.44, MS-OXWSCDATA 2.2.4.50).

mod blob;
mod rule;
mod text;

use fasttransfer::{Message, PropId, PropValue, named, tag};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use crate::clock::{ticks_of, timestamp_of};
use crate::load::{Exception, Recurrence, RuleEnd, date_of_minutes, is_exception, minutes_of_day};
use crate::zones::{self, Clockwork};

pub(crate) use rule::{write_rule, write_task_rule};
pub(crate) use text::read as read_rule;

/// A task's rule in binary form.
pub(crate) fn task_blob(rule: &Recurrence, first: DateTime, slides: bool) -> Option<Vec<u8>> {
    blob::of_task(rule, first, slides)
}

/// Days looked through for occurrences: a hundred years.
const MAX_DAYS: usize = 36_525;

/// A series, as its appointment's properties say.
pub(crate) struct Series {
    pub(crate) rule: Recurrence,
    /// The first occurrence, in the series' own time.
    pub(crate) start: DateTime,
    minutes: i64,
    deleted: Vec<Date>,
    exceptions: Vec<Exception>,
    clock: Clockwork,
}

/// One occurrence. Times are 100 ns ticks since 1601.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// The day that the rule has it on, which names it.
    pub(crate) day: Date,
    pub(crate) original_start: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) is_exception: bool,
}

impl Happening {
    /// Its day in minutes since 1601.
    pub(crate) fn number(&self) -> u32 {
        let first = Date::constant(1601, 1, 1);
        let days = first.until(self.day).map_or(0, |span| span.get_days());
        u32::try_from(i64::from(days) * 1440).unwrap_or(0)
    }
}

/// The day of a number of minutes since 1601.
pub(crate) fn day_of(number: u32) -> Option<Date> {
    date_of_minutes(number)
}

/// What becomes of a day of a series.
pub(crate) enum Found {
    Happens(Happening),
    Deleted,
    /// The rule does not have it.
    None,
}

impl Series {
    /// The series that an appointment is the master of.
    pub(crate) fn of(message: &Message) -> Option<Series> {
        let props = &message.props;
        if props.boolean(&named::RECURRING) == Some(false) {
            return None;
        }
        let blob = blob::read(props.binary(&named::APPOINTMENT_RECUR)?)?;
        let minutes = i64::from(blob.end_offset) - i64::from(blob.start_offset);
        let start = minutes_of_day(blob.first, blob.start_offset)?;
        let first = props
            .time(&named::APPOINTMENT_START_WHOLE)
            .map(|time| time.0);
        let zone = props.text(&named::TIME_ZONE_DESCRIPTION);
        let clock = Clockwork::of(zone.as_deref(), start, first);
        let local = |ticks: u64| clock.local(timestamp_of(ticks));
        let mut exceptions: Vec<Exception> = message
            .attachments
            .iter()
            .filter(|attachment| is_exception(attachment))
            .filter_map(|attachment| Exception::of(attachment.embedded.as_deref()?, local, props))
            .collect();
        exceptions.sort_by_key(Exception::original_date);
        let is_modified = |day: &Date| exceptions.iter().any(|e| e.original_date() == *day);
        let deleted = blob.deleted.into_iter().filter(|day| !is_modified(day));
        Some(Series {
            deleted: deleted.collect(),
            rule: blob.rule,
            start,
            minutes,
            exceptions,
            clock,
        })
    }

    /// The rule of a task, and whether it depends on when the task was done.
    pub(crate) fn of_task(message: &Message) -> Option<(Series, bool)> {
        let blob = blob::read(message.props.binary(&named::TASK_RECURRENCE)?)?;
        let start = blob.first.to_datetime(jiff::civil::Time::midnight());
        Some((Series::begin(blob.rule, start, 0, None), blob.slides))
    }

    /// A new series with a rule, for an appointment that begins and lasts as it says.
    pub(crate) fn begin(
        rule: Recurrence,
        start: DateTime,
        minutes: i64,
        zone: Option<&str>,
    ) -> Series {
        Series {
            rule,
            start,
            minutes,
            deleted: Vec::new(),
            exceptions: Vec::new(),
            clock: Clockwork::of(zone, start, None),
        }
    }

    /// The series with another first occurrence; what was special about single days stays.
    pub(crate) fn moved(self, start: DateTime, minutes: i64, zone: Option<&str>) -> Series {
        Series {
            start,
            minutes,
            clock: Clockwork::of(zone, start, None),
            ..self
        }
    }

    /// The first occurrence's beginning and end.
    pub(crate) fn first_times(&self) -> (u64, u64) {
        (self.ticks(self.start), self.ticks(self.end_of(self.start)))
    }

    /// Writes the series into its master.
    pub(crate) fn put(&self, message: &mut Message) {
        message
            .attachments
            .retain(|attachment| !is_exception(attachment));
        message
            .attachments
            .extend(self.exceptions.iter().map(Exception::attachment));
        let props = &mut message.props;
        let (start, end) = self.first_times();
        let mut set_time = |id: PropId, ticks| {
            props.set(id, PropValue::Time(fasttransfer::FileTime(ticks)));
        };
        for id in [
            PropId::from(&named::APPOINTMENT_START_WHOLE),
            PropId::from(&named::COMMON_START),
            PropId::from(&named::CLIP_START),
            PropId::Tag(tag::START_DATE),
        ] {
            set_time(id, start);
        }
        for id in [
            PropId::from(&named::APPOINTMENT_END_WHOLE),
            PropId::from(&named::COMMON_END),
            PropId::Tag(tag::END_DATE),
        ] {
            set_time(id, end);
        }
        props.set(&named::RECURRING, PropValue::Boolean(true));
        props.set(&named::IS_RECURRING, PropValue::Boolean(true));
        props.set(
            &named::RECURRENCE_TYPE,
            PropValue::Int32(self.rule.frequency as i32),
        );
        let blob = self
            .rule
            .blob(self.start, self.minutes, &self.deleted, &self.exceptions);
        if let Some(blob) = blob {
            props.set(&named::APPOINTMENT_RECUR, blob);
        }
    }

    /// The days that the rule has, deleted and changed ones included, in order.
    fn days(&self) -> impl Iterator<Item = Date> + '_ {
        let first = self.start.date();
        let (last, count) = self.rule.bounds(first);
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
        days.take(MAX_DAYS)
            .take_while(move |day| last.is_none_or(|last| *day <= last))
            .filter(move |day| self.rule.occurs(first, *day))
            .take(count)
    }

    /// The occurrences in order, as they are.
    pub(crate) fn happenings(&self) -> impl Iterator<Item = Happening> + '_ {
        self.days()
            .filter(|day| !self.deleted.contains(day))
            .map(|day| self.happening(day))
    }

    /// The occurrences that overlap a time, by their beginning.
    pub(crate) fn between(&self, from: u64, until: u64) -> Vec<Happening> {
        // A changed occurrence may be earlier or later than its day; no rule day far beyond can.
        let far = self.exceptions.is_empty();
        let mut found: Vec<Happening> = self
            .happenings()
            .take_while(|one| !far || one.start < until)
            .take_while(|one| one.original_start < until.saturating_add(FAR_TICKS))
            .filter(|one| one.start < until && (one.end > from || one.start >= from))
            .collect();
        found.sort_by_key(|one| one.start);
        found
    }

    /// The occurrences that differ from the rule.
    pub(crate) fn changed(&self) -> Vec<Happening> {
        let days = self.exceptions.iter().map(Exception::original_date);
        days.map(|day| self.happening(day)).collect()
    }

    /// Whether there is a last occurrence.
    pub(crate) fn ends(&self) -> bool {
        !matches!(self.rule.end, RuleEnd::Never)
    }

    /// What becomes of a day.
    pub(crate) fn on(&self, day: Date) -> Found {
        if !self
            .days()
            .take_while(|known| *known <= day)
            .any(|known| known == day)
        {
            return Found::None;
        }
        match self.deleted.contains(&day) {
            true => Found::Deleted,
            false => Found::Happens(self.happening(day)),
        }
    }

    /// The day of an instance by its number, which begins with 1.
    pub(crate) fn nth(&self, index: usize) -> Option<Date> {
        self.days().nth(index.checked_sub(1)?)
    }

    /// Beginnings of deleted occurrences.
    pub(crate) fn deleted_starts(&self) -> impl Iterator<Item = u64> + '_ {
        let time = self.start.time();
        self.deleted
            .iter()
            .map(move |day| self.ticks(day.to_datetime(time)))
    }

    /// Takes an occurrence away.
    pub(crate) fn delete(&mut self, day: Date) {
        self.exceptions
            .retain(|exception| exception.original_date() != day);
        if !self.deleted.contains(&day) {
            self.deleted.push(day);
            self.deleted.sort_unstable();
        }
    }

    /// The appointment that stands for one occurrence.
    pub(crate) fn occurrence(&self, master: &Message, one: &Happening) -> Message {
        let mut message = master.clone();
        message
            .attachments
            .retain(|attachment| !is_exception(attachment));
        for id in [
            &named::APPOINTMENT_RECUR,
            &named::RECURRENCE_PATTERN,
            &named::RECURRENCE_TYPE,
        ] {
            message.props.remove(id);
        }
        message
            .props
            .set(&named::RECURRING, PropValue::Boolean(false));
        if let Some(exception) = self
            .exceptions
            .iter()
            .find(|e| e.original_date() == one.day)
        {
            exception.overlay(&mut message);
        }
        for (id, ticks) in [
            (&named::APPOINTMENT_START_WHOLE, one.start),
            (&named::APPOINTMENT_END_WHOLE, one.end),
            (&named::EXCEPTION_REPLACE_TIME, one.original_start),
        ] {
            message
                .props
                .set(id, PropValue::Time(fasttransfer::FileTime(ticks)));
        }
        message
    }

    /// Makes of a changed occurrence an exception.
    pub(crate) fn change(&mut self, day: Date, master: &Message, changed: &Message) {
        let original = day.to_datetime(self.start.time());
        let local = |ticks: u64| self.clock.local(timestamp_of(ticks));
        let mut inner = changed.clone();
        inner.attachments.clear();
        inner.recipients.clear();
        inner.props.set(
            &named::EXCEPTION_REPLACE_TIME,
            PropValue::Time(fasttransfer::FileTime(self.ticks(original))),
        );
        let Some(exception) = Exception::of(&inner, local, &master.props) else {
            return;
        };
        self.exceptions.retain(|old| old.original_date() != day);
        self.exceptions.push(exception);
        self.exceptions.sort_by_key(Exception::original_date);
        self.deleted.retain(|deleted| *deleted != day);
    }

    fn happening(&self, day: Date) -> Happening {
        let original = day.to_datetime(self.start.time());
        let exception = self.exceptions.iter().find(|e| e.original_date() == day);
        let (start, end) = match exception {
            Some(exception) => (exception.start, exception.end),
            None => (original, self.end_of(original)),
        };
        Happening {
            day,
            original_start: self.ticks(original),
            start: self.ticks(start),
            end: self.ticks(end),
            is_exception: exception.is_some(),
        }
    }

    fn end_of(&self, start: DateTime) -> DateTime {
        start.saturating_add(SignedDuration::from_mins(self.minutes))
    }

    fn ticks(&self, local: DateTime) -> u64 {
        ticks_of(self.clock.utc(local))
    }
}

/// How far from its day a changed occurrence is looked for: a year.
const FAR_TICKS: u64 = 366 * 86_400 * 10_000_000;

/// The local time at which an appointment begins, by its zone.
pub(crate) fn local_start(message: &Message, zone: Option<&str>) -> Option<DateTime> {
    let start = message.props.time(&named::APPOINTMENT_START_WHOLE)?;
    let at: Timestamp = timestamp_of(start.0);
    Some(zones::find(zone).to_datetime(at))
}
