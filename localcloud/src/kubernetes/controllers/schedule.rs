//! Cron schedules: five fields, names, ranges, steps and the macros. In UTC.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

/// When a `CronJob` is due. Each field is a set of bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A day fits both fields if either is `*`, else one of them.
    either_day: bool,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// No schedule is without a day for longer: 29 February on one weekday.
const LONGEST_GAP_DAYS: i32 = 366 * 40;

impl Schedule {
    /// Reads a schedule; an error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        let mut schedule = Self {
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            weekdays: field(weekdays, 0, 7, &WEEKDAYS)?,
            either_day: !days.starts_with(['*', '?']) && !weekdays.starts_with(['*', '?']),
        };
        // Sunday is 0 and 7.
        schedule.weekdays |= schedule.weekdays >> 7 & 1;
        Ok(schedule)
    }

    /// The first time after `after` that fits; none if there is none.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = Offset::UTC.to_datetime(after);
        let mut at = start.with().second(0).subsec_nanosecond(0).build().ok()?;
        at = at.checked_add(Span::new().minutes(1)).ok()?;
        for _ in 0..LONGEST_GAP_DAYS {
            if self.fits_day(at)
                && let Some(at) = self.first_of_day(at)
            {
                return Offset::UTC.to_timestamp(at).ok();
            }
            at = at.date().tomorrow().ok()?.at(0, 0, 0, 0);
        }
        None
    }

    fn first_of_day(&self, from: DateTime) -> Option<DateTime> {
        let is_set = |set: u64, bit: i8| set >> bit & 1 == 1;
        for hour in (from.hour()..24).filter(|hour| is_set(self.hours, *hour)) {
            let first = if hour == from.hour() { from.minute() } else { 0 };
            if let Some(minute) = (first..60).find(|minute| is_set(self.minutes, *minute)) {
                return Some(from.date().at(hour, minute, 0, 0));
            }
        }
        None
    }

    fn fits_day(&self, at: DateTime) -> bool {
        let day = self.days >> at.day() & 1 == 1;
        let weekday = self.weekdays >> at.weekday().to_sunday_zero_offset() & 1 == 1;
        let month = self.months >> at.month() & 1 == 1;
        month && if self.either_day { day || weekday } else { day && weekday }
    }
}

fn field(text: &str, low: u32, high: u32, names: &[&str]) -> Result<u64, String> {
    let mut set = 0;
    for part in text.split(',') {
        let wrong = || format!("failed to parse {part:?} of {text:?}: expected numbers from {low} to {high}");
        let number = |text: &str| {
            let known = names.iter().position(|name| name.eq_ignore_ascii_case(text));
            let value = known.and_then(|at| u32::try_from(at).ok()).map(|at| at + low);
            value
                .or_else(|| text.parse().ok())
                .filter(|number| (low..=high).contains(number))
                .ok_or_else(wrong)
        };
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(wrong)?))
            }
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (low, high),
            Some((first, last)) => (number(first)?, number(last)?),
            None if step.is_some() => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if first > last {
            return Err(wrong());
        }
        (first..=last).step_by(step.unwrap_or(1)).for_each(|number| set |= 1 << number);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_of_a_schedule_is_the_first_that_fits() {
        for (schedule, after, next) in [
            ("* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z"),
            ("0 0 31 2 *", "2026-01-01T00:00:00Z", ""),
            ("*/15 3-5 * * *", "2026-01-01T05:50:00Z", "2026-01-02T03:00:00Z"),
            ("0 12 29 feb *", "2026-03-01T00:00:00Z", "2028-02-29T12:00:00Z"),
            ("0 0 13 * fri", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("@hourly", "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"),
        ] {
            let after: Timestamp = after.parse().expect("a time");
            let found = Schedule::parse(schedule).expect(schedule).next(after);
            assert_eq!(found.map(|at| at.to_string()).unwrap_or_default(), next, "{schedule}");
        }
        for wrong in ["", "* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "@never"] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
