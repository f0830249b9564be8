//! Reads the binary recurrence of an appointment (MS-OXOCAL 2.2.1.44.5), as far as its rule and
//! the days that are gone, and that of a task (MS-OXOTASK 2.2.2.2.15); what differs on other days is in the exceptions' own messages.

use jiff::civil::{Date, DateTime, Weekday};

use crate::load::{Frequency, Pattern, Recurrence, RuleEnd, date_of_minutes};

/// Most deleted or changed days read.
const MAX_DAYS: u32 = 10_000;

/// Where the flag of sliding rules is.
const SLIDING_AT: usize = 18;

/// What a blob says.
pub(super) struct Blob {
    pub(super) rule: Recurrence,
    pub(super) first: Date,
    /// Whether the next time depends on when the last one was done.
    pub(super) slides: bool,
    /// Minutes into the day.
    pub(super) start_offset: u32,
    pub(super) end_offset: u32,
    /// Days that were deleted or changed.
    pub(super) deleted: Vec<Date>,
}

/// `None` for calendars and patterns that no rule says, and for damage.
pub(super) fn read(bytes: &[u8]) -> Option<Blob> {
    let mut input = Input(bytes);
    input.skip(4)?;
    let frequency = input.u16()?;
    let kind = input.u16()?;
    let calendar = input.u16()?;
    if !matches!(calendar, 0 | 1 | 2 | 9..=12) {
        return None;
    }
    input.skip(4)?;
    let period = i32::try_from(input.u32()?).ok()?;
    let slides = input.u32()? != 0;
    let pattern = match kind {
        0 => Pattern::Day,
        1 => Pattern::Week(input.u32()?),
        2 | 4 => Pattern::MonthDay(i8::try_from(input.u32()?).ok()?),
        3 => Pattern::MonthNth(input.u32()?, i8::try_from(input.u32()?).ok()?),
        _ => return None,
    };
    let end_type = input.u32()? & 0xFFFF;
    let count = input.u32()?;
    let first_weekday = i8::try_from(input.u32()?.min(6)).ok()?;
    let deleted = input.days()?;
    input.days()?;
    let first = date_of_minutes(input.u32()?)?;
    let last = input.u32()?;
    let (frequency, interval) = match (frequency, &pattern) {
        (0x200A, Pattern::Day) => (Frequency::Daily, period / 1440),
        (0x200A | 0x200B, _) => (Frequency::Weekly, period),
        (0x200C, _) => (Frequency::Monthly, period),
        (0x200D, _) => (Frequency::Yearly, period / 12),
        _ => return None,
    };
    let end = match end_type {
        0x2021 => RuleEnd::Until(date_of_minutes(last)?),
        0x2022 => RuleEnd::Count(count),
        _ => RuleEnd::Never,
    };
    // A task's ends here; an appointment's goes on with its times.
    let (start_offset, end_offset) = match input.0 {
        [] => (0, 0),
        _ => {
            input.skip(8)?;
            (input.u32()?, input.u32()?)
        }
    };
    Some(Blob {
        slides,
        rule: Recurrence {
            frequency,
            interval: interval.max(1),
            pattern,
            end,
            first_weekday: Weekday::from_sunday_zero_offset(first_weekday).ok()?,
        },
        first,
        start_offset,
        end_offset,
        deleted,
    })
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn u16(&mut self) -> Option<u16> {
        let (head, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*head))
    }

    fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*head))
    }

    fn days(&mut self) -> Option<Vec<Date>> {
        let count = self.u32()?;
        if count > MAX_DAYS {
            return None;
        }
        (0..count).map(|_| date_of_minutes(self.u32()?)).collect()
    }
}

/// The rule alone, as a task has it.
pub(super) fn of_task(rule: &Recurrence, first: DateTime, slides: bool) -> Option<Vec<u8>> {
    let mut blob = rule.blob(first, 0, &[], &[])?;
    let specific = match rule.pattern {
        Pattern::Day => 0,
        Pattern::Week(_) | Pattern::MonthDay(_) => 4,
        Pattern::MonthNth(..) => 8,
    };
    if slides {
        *blob.get_mut(SLIDING_AT)? = 1;
    }
    // Head, pattern, kind of end, count, first weekday, no days that are gone, first and last day.
    blob.truncate(22 + specific + 28);
    Some(blob)
}
