//! Days, times of day and instants, as texts have them.

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use jiff::Timestamp;
use jiff::civil::{Date, Time};

/// `YYYY-MM-DD` and nothing else, as days since 1970-01-01.
pub(super) fn day(text: &str) -> Option<i64> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    Some(days(year.into(), month.into(), day.into()))
}

fn number(digits: &[u8]) -> Option<i16> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0')))
}

/// Days since 1970-01-01 of a day of the Gregorian calendar: years begin in March, so that the leap
/// day is the last of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let day_of_year = (153 * since_march + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Microseconds since midnight.
pub(super) fn time(text: &str) -> Option<i64> {
    let time: Time = text.parse().ok()?;
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    Some(seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1000)
}

/// Microseconds since 1970-01-01T00:00:00Z. A text that names no offset is in `zone`; there, an hour
/// that the clocks skip or repeat is no instant.
pub(super) fn timestamp(text: &str, zone: Option<Tz>) -> Option<i64> {
    match zone {
        None => text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond),
        Some(zone) => string_to_datetime(&zone, text).ok().map(|at| at.timestamp_micros()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(day("1970-01-02"), Some(1));
        assert_eq!(day("1969-12-31"), Some(-1));
        assert_eq!(day("2000-02-29"), Some(11_016));
        for wrong in ["2026-02-30", "20260130", "2026-01-31T00:00:00", "2026-1-31", "é026-01-3", "2026-00-01"]
        {
            assert_eq!(day(wrong), None, "{wrong}");
        }
        let first = Date::constant(1, 1, 1);
        for at in (0..3_000_000).step_by(977) {
            let date = first.checked_add(jiff::Span::new().days(at)).expect("a day");
            let since = Date::constant(1970, 1, 1).until(date).expect("days").get_days();
            assert_eq!(day(&date.to_string()), Some(since.into()), "{date}");
        }
    }

    #[test]
    fn offsets_count_and_a_declared_zone_fills_in_for_one() {
        assert_eq!(timestamp("1970-01-01T01:00:00.000001+01:00", None), Some(1));
        assert_eq!(timestamp("1970-01-01T00:00:00", None), None);
        let berlin = "Europe/Berlin".parse::<Tz>().ok();
        assert_eq!(timestamp("1970-01-01T01:00:00", berlin), Some(0));
        assert_eq!(timestamp("1970-01-01 01:00:00.5", berlin), Some(500_000));
        assert_eq!(timestamp("2026-07-01T00:00:00", berlin), timestamp("2026-06-30T22:00:00Z", None));
        assert_eq!(timestamp("2026-07-01T00:00:00-05:00", berlin), timestamp("2026-07-01T05:00:00Z", None));
        for no_instant in ["2026-03-29T02:30:00", "2026-10-25T02:30:00", "31.01.2026", ""] {
            assert_eq!(timestamp(no_instant, berlin), None, "{no_instant}");
        }
    }

    #[test]
    fn times_of_day_are_read_to_the_microsecond() {
        assert_eq!(time("00:00:01.000002"), Some(1_000_002));
        assert_eq!(time("23:59:59"), Some(86_399_000_000));
        for wrong in ["24:00:00", "8 o'clock", ""] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }
}
