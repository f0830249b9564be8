//! The binary recurrence of appointments and tasks (MS-OXOCAL 2.2.1.44).

use crate::code_page;

/// Modified and deleted occurrences read of one series; a series of a hundred years of days.
const MAX_OCCURRENCES: usize = 40_000;
/// The RecurFrequency values.
const DAILY: u16 = 0x200A;
const WEEKLY: u16 = 0x200B;
const MONTHLY: u16 = 0x200C;
const YEARLY: u16 = 0x200D;
/// The writer from which ChangeHighlight is part of extended exceptions.
const WRITER_WITH_HIGHLIGHT: u32 = 0x3009;
/// Bits of OverrideFlags, in the order of the fields they announce.
const SUBJECT: u16 = 0x0001;
const MEETING_TYPE: u16 = 0x0002;
const REMINDER_DELTA: u16 = 0x0004;
const REMINDER: u16 = 0x0008;
const LOCATION: u16 = 0x0010;
const BUSY_STATUS: u16 = 0x0020;
const ATTACHMENT: u16 = 0x0040;
const SUB_TYPE: u16 = 0x0080;
const APP_COLOR: u16 = 0x0100;

/// How often a series happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// Which days of its period a series takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Days {
    /// Every day of the interval.
    Each,
    /// Days of the week; bit 0 is Sunday.
    Week(u32),
    /// A day of the month, or the last one of a month that is shorter.
    Month(u32),
    /// The n-th of these days of the week in the month; 5 is the last.
    Nth(u32, u32),
}

/// When a series ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Never,
    After(u32),
    /// Midnight of the last day, minutes since 1601, local.
    On(u32),
}

/// One occurrence that differs from its series; times are minutes since 1601, local.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) original_start: u32,
    pub(crate) subject: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) busy_status: Option<u32>,
    pub(crate) all_day: Option<bool>,
    pub(crate) reminder: Option<bool>,
    pub(crate) reminder_minutes: Option<u32>,
    flags: u16,
}

/// A series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recurrence {
    pub(crate) frequency: Frequency,
    /// Days, weeks, months or years from one period to the next.
    pub(crate) interval: u32,
    pub(crate) days: Days,
    pub(crate) end: End,
    /// 0 is Sunday.
    pub(crate) first_weekday: u32,
    /// Midnights of occurrences that are gone or were modified.
    pub(crate) deleted: Vec<u32>,
    /// Midnight of the first occurrence.
    pub(crate) start_date: u32,
    /// Minutes into the day, of appointments.
    pub(crate) start_offset: u32,
    /// Minutes from the day's beginning to the end, of appointments.
    pub(crate) end_offset: u32,
    pub(crate) exceptions: Vec<Exception>,
}

impl Recurrence {
    /// Reads a RecurrencePattern (tasks) or AppointmentRecurrencePattern (appointments).
    ///
    /// `None` for what no rule of iCalendar says, such as lunar calendars, and for damage. What
    /// follows a whole pattern is optional: exceptions that cannot be read are left out.
    pub(crate) fn read(bytes: &[u8], code_page: u16) -> Option<Self> {
        let mut input = Input(bytes);
        // ReaderVersion, WriterVersion.
        input.skip(4)?;
        let frequency = input.u16()?;
        let pattern = input.u16()?;
        let calendar = input.u16()?;
        let _first_date_time = input.u32()?;
        let period = input.u32()?;
        let _sliding = input.u32()?;
        let days = match pattern {
            0 => Days::Each,
            1 => Days::Week(input.u32()?),
            2 | 4 => Days::Month(input.u32()?),
            3 => Days::Nth(input.u32()?, input.u32()?),
            // The Hijri calendar has months of its own.
            _ => return None,
        };
        // Gregorian, in one of its spellings.
        if !matches!(calendar, 0 | 1 | 2 | 9..=12) {
            return None;
        }
        let end_type = input.u32()?;
        let count = input.u32()?;
        let first_weekday = input.u32()?.min(6);
        let deleted = input.list()?;
        let modified = input.list()?;
        let start_date = input.u32()?;
        let end_date = input.u32()?;
        let end = match end_type & 0xFFFF {
            0x2021 => End::On(end_date),
            0x2022 => End::After(count),
            _ => End::Never,
        };
        let (frequency, interval) = match frequency {
            DAILY if days == Days::Each => (Frequency::Daily, period / 1_440),
            // "Every weekday" is a daily pattern of days of the week.
            DAILY | WEEKLY => (Frequency::Weekly, period),
            MONTHLY => (Frequency::Monthly, period),
            YEARLY => (Frequency::Yearly, period / 12),
            _ => return None,
        };
        let mut series = Self {
            frequency,
            interval: interval.max(1),
            days,
            end,
            first_weekday,
            deleted,
            start_date,
            start_offset: 0,
            end_offset: 0,
            exceptions: Vec::new(),
        };
        series.read_times(&mut input, modified.len(), code_page);
        Some(series)
    }

    /// The part that only appointments have.
    fn read_times(&mut self, input: &mut Input<'_>, modified: usize, code_page: u16) -> Option<()> {
        let _reader_version = input.u32()?;
        let writer_version = input.u32()?;
        self.start_offset = input.u32()?;
        self.end_offset = input.u32()?;
        let count = usize::from(input.u16()?);
        for _ in 0..count.min(modified.max(count)) {
            self.exceptions.push(Exception::read(input, code_page)?);
        }
        let reserved = input.u32()?;
        input.skip(reserved as usize)?;
        for exception in &mut self.exceptions {
            exception.read_extended(input, writer_version)?;
        }
        Some(())
    }
}

impl Exception {
    fn read(input: &mut Input<'_>, code_page: u16) -> Option<Self> {
        let mut exception = Self {
            start: input.u32()?,
            end: input.u32()?,
            original_start: input.u32()?,
            flags: input.u16()?,
            ..Self::default()
        };
        let has = |flag| exception.flags & flag != 0;
        let (subject, location) = (has(SUBJECT), has(LOCATION));
        let (meeting, delta, reminder) = (has(MEETING_TYPE), has(REMINDER_DELTA), has(REMINDER));
        let (busy, attachment, sub_type) = (has(BUSY_STATUS), has(ATTACHMENT), has(SUB_TYPE));
        let color = has(APP_COLOR);
        if subject {
            exception.subject = Some(input.narrow(code_page)?);
        }
        if meeting {
            input.u32()?;
        }
        if delta {
            exception.reminder_minutes = Some(input.u32()?);
        }
        if reminder {
            exception.reminder = Some(input.u32()? != 0);
        }
        if location {
            exception.location = Some(input.narrow(code_page)?);
        }
        if busy {
            exception.busy_status = Some(input.u32()?);
        }
        if attachment {
            input.u32()?;
        }
        if sub_type {
            exception.all_day = Some(input.u32()? != 0);
        }
        if color {
            input.u32()?;
        }
        Some(exception)
    }

    /// The texts once more, in Unicode.
    fn read_extended(&mut self, input: &mut Input<'_>, writer_version: u32) -> Option<()> {
        if writer_version >= WRITER_WITH_HIGHLIGHT {
            let size = input.u32()?;
            input.skip(size as usize)?;
        }
        let reserved = input.u32()?;
        input.skip(reserved as usize)?;
        if self.flags & (SUBJECT | LOCATION) != 0 {
            // Start, end and original start again.
            input.skip(12)?;
            if self.flags & SUBJECT != 0 {
                self.subject = Some(input.wide()?);
            }
            if self.flags & LOCATION != 0 {
                self.location = Some(input.wide()?);
            }
            let reserved = input.u32()?;
            input.skip(reserved as usize)?;
        }
        Some(())
    }
}

/// Little-endian fields; `None` behind the end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn list(&mut self) -> Option<Vec<u32>> {
        let count = self.u32()? as usize;
        if count > MAX_OCCURRENCES || count > self.0.len() / 4 {
            return None;
        }
        (0..count).map(|_| self.u32()).collect()
    }

    /// A length and one more than it, then bytes of a code page.
    fn narrow(&mut self, code_page: u16) -> Option<String> {
        let _with_end = self.u16()?;
        let count = self.u16()?;
        let bytes = self.take(usize::from(count))?;
        Some(code_page::encoding(code_page).decode(bytes).0.into_owned())
    }

    fn wide(&mut self) -> Option<String> {
        let count = usize::from(self.u16()?);
        let (units, _) = self.take(count * 2)?.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        Some(String::from_utf16_lossy(&units))
    }
}

#[cfg(test)]
mod tests;
