//! Items that are days or months, from the range that somebody wrote. Days are UTC.

use jiff::ToSpan as _;
use jiff::civil::Date;

/// Most items of one range: 273 years of days.
const MOST: usize = 100_000;
/// One more: what a longer range is cut to before it is refused.
const TOO_MANY: u32 = 100_001;

/// What a range looks like, for whoever wrote another thing.
const FORMS: &str = "write days as 2026-01-01..2026-01-31, 2026-01-31, yesterday, today or last-7d, \
                     months as 2026-01..2026-12; days are UTC, and both ends are in the range";

/// A range that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RangeError {
    /// It is no range.
    #[error("`{0}` is not a range of days: {FORMS}")]
    NotARange(String),
    /// One end is none.
    #[error("`{0}` in `{1}` is no {2}: {FORMS}")]
    NotAnEnd(String, String, &'static str),
    /// It ends before it begins.
    #[error("the range `{0}` ends before it begins: did you mean {2}..{1}?")]
    Backwards(String, String, String),
    /// It is too long.
    #[error("the range `{0}` has more than {MOST} items")]
    TooLong(String),
}

/// The items of a range, in order. `today` is today in UTC.
pub(crate) fn expand(text: &str, today: Date) -> Result<Vec<String>, RangeError> {
    let yesterday = today.saturating_sub(1.day());
    if let Some(count) = text.strip_prefix("last-").and_then(|rest| rest.strip_suffix('d')) {
        // Whole days only: today is not over.
        let days = count.parse::<u32>().ok().filter(|days| *days > 0);
        let days = days.ok_or_else(|| RangeError::NotARange(text.to_owned()))?;
        let first = today.saturating_sub(i64::from(days.min(TOO_MANY)).days());
        return days_between(text, first, yesterday);
    }
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    if let (Some(first), Some(last)) = (month(first), month(last)) {
        return months_between(text, first, last);
    }
    // One end tells whether the other should have been a month.
    let of_months = month(first).is_some() || month(last).is_some();
    let end = |end: &str| match end {
        "today" => Ok(today),
        "yesterday" => Ok(yesterday),
        _ => day(end).ok_or_else(|| not_an_end(text, end, false)),
    };
    match (of_months, month(first)) {
        (false, _) => days_between(text, end(first)?, end(last)?),
        (true, Some(_)) => Err(not_an_end(text, last, true)),
        (true, None) => Err(not_an_end(text, first, true)),
    }
}

fn not_an_end(text: &str, end: &str, of_months: bool) -> RangeError {
    match text.contains("..") {
        true => {
            RangeError::NotAnEnd(end.to_owned(), text.to_owned(), if of_months { "month" } else { "day" })
        }
        false => RangeError::NotARange(text.to_owned()),
    }
}

fn days_between(text: &str, first: Date, last: Date) -> Result<Vec<String>, RangeError> {
    all(text, first, last, |day| day.to_string(), |day| day.checked_add(1.day()).ok())
}

fn months_between(text: &str, first: Date, last: Date) -> Result<Vec<String>, RangeError> {
    let name = |month: Date| month.strftime("%Y-%m").to_string();
    all(text, first, last, name, |month| month.checked_add(1.month()).ok())
}

fn all(
    text: &str,
    first: Date,
    last: Date,
    name: impl Fn(Date) -> String,
    next: impl Fn(Date) -> Option<Date>,
) -> Result<Vec<String>, RangeError> {
    if last < first {
        return Err(RangeError::Backwards(text.to_owned(), name(first), name(last)));
    }
    let dates = std::iter::successors(Some(first), |date| next(*date)).take_while(|date| *date <= last);
    let names: Vec<String> = dates.take(MOST + 1).map(name).collect();
    if names.len() > MOST { Err(RangeError::TooLong(text.to_owned())) } else { Ok(names) }
}

/// The first day of a month written `2026-01`.
fn month(text: &str) -> Option<Date> {
    day(&format!("{text}-01"))
}

/// A day written `2026-01-31`: other spellings, which the parser takes, would make other items.
fn day(text: &str) -> Option<Date> {
    let digit_or_dash = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    let in_full = text.len() == 10 && text.bytes().enumerate().all(digit_or_dash);
    text.parse().ok().filter(|_| in_full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn items(text: &str) -> Result<Vec<String>, RangeError> {
        expand(text, date(2026, 3, 2))
    }

    fn said(text: &str) -> String {
        items(text).expect_err("no range").to_string()
    }

    #[test]
    fn days_and_months_are_counted_with_both_ends() {
        assert_eq!(
            items("2026-02-27..2026-03-01").expect("days"),
            ["2026-02-27", "2026-02-28", "2026-03-01"]
        );
        assert_eq!(items("2024-02-29").expect("a day"), ["2024-02-29"]);
        assert_eq!(items("2025-11..2026-01").expect("months"), ["2025-11", "2025-12", "2026-01"]);
        assert_eq!(items("2026-01-01..2026-12-31").expect("a year").len(), 365);
    }

    #[test]
    fn what_moves_is_told_from_today_and_whole_days_end_yesterday() {
        assert_eq!(items("today").expect("a day"), ["2026-03-02"]);
        assert_eq!(items("yesterday").expect("a day"), ["2026-03-01"]);
        assert_eq!(items("last-2d").expect("days"), ["2026-02-28", "2026-03-01"]);
        assert_eq!(items("2026-02-28..yesterday").expect("days"), ["2026-02-28", "2026-03-01"]);
    }

    #[test]
    fn a_range_that_is_none_says_what_one_looks_like() {
        for wrong in ["", "..", "tomorrow", "last-0d", "last-d", "last--1d", "last-7", "20260101", "2026-1-1"]
        {
            assert!(said(wrong).contains("2026-01-01..2026-01-31"), "{wrong}: {}", said(wrong));
        }
        assert!(
            said("2026-02-01..2026-02-30").starts_with("`2026-02-30` in `2026-02-01..2026-02-30` is no day")
        );
        assert!(said("2026-01..2026-13").starts_with("`2026-13` in `2026-01..2026-13` is no month"));
        assert!(said("2026-01..2026-02-01").starts_with("`2026-02-01` in `2026-01..2026-02-01` is no month"));
        assert_eq!(
            said("2026-01-31..2026-01-01"),
            "the range `2026-01-31..2026-01-01` ends before it begins: did you mean 2026-01-01..2026-01-31?"
        );
    }

    #[test]
    fn a_range_has_a_bound() {
        assert!(said("0001-01-01..9999-12-31").contains("more than 100000 items"));
        assert!(said("last-4294967295d").contains("more than 100000 items"));
        assert_eq!(items("last-100000d").expect("days").len(), MOST);
    }
}
