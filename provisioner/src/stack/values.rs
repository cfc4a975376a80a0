//! Times as people write them, with the bounds that the cloud sets.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A time in whole seconds between `MIN` and `MAX`, written `"90s"`, `"10m"`, `"1h30m"`, `"7d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds<const MIN: u64, const MAX: u64>(u64);

/// A time with no bound but a hundred years.
pub(crate) type AnyTime = Seconds<0, 3_153_600_000>;

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    /// That many seconds, brought within the bounds.
    #[must_use]
    pub(crate) const fn clamped(seconds: u64) -> Self {
        let floor = if seconds < MIN { MIN } else { seconds };
        Self(if floor > MAX { MAX } else { floor })
    }

    /// Whole seconds.
    #[must_use]
    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let seconds = parse(text).ok_or_else(|| {
            format!("`{text}` is not a time; write it as \"90s\", \"10m\", \"1h30m\" or \"7d\"")
        })?;
        match seconds {
            s if s < MIN => Err(format!("`{text}` is too short: at least {}", Shown(MIN))),
            s if s > MAX => Err(format!("`{text}` is too long: at most {}", Shown(MAX))),
            s => Ok(Self(s)),
        }
    }
}

fn parse(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        // Larger units first, each once: "1h30m", never "30m1h".
        if seconds >= last {
            return None;
        }
        last = seconds;
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = &rest[digits + 1..];
    }
    (last != u64::MAX).then_some(total)
}

/// A time of any length, as people write it.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    parse(text).map(Duration::from_secs)
}

struct Shown(u64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        for (name, seconds) in UNITS {
            if left >= seconds {
                write!(f, "{}{name}", left / seconds)?;
                left %= seconds;
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Seconds<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.0).fmt(f)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Seconds<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Written<const MIN: u64, const MAX: u64>;

        impl<const MIN: u64, const MAX: u64> Visitor<'_> for Written<MIN, MAX> {
            type Value = Seconds<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time, such as \"90s\" or \"1h30m\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Seconds::parse(text).map_err(E::custom)
            }
        }

        d.deserialize_str(Written)
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Seconds<MIN, MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Seconds<MIN, MAX> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Seconds{MIN}To{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Deadline = Seconds<10, 600>;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [("10s", 10), ("1m30s", 90), ("10m", 600), ("600s", 600)] {
            assert_eq!(Deadline::parse(text), Ok(Seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_says_how_to_write_one() {
        for text in ["", "10", "s", "ten", "30s1m", "1m1m", "-5s", "1.5h", "99999999999999999999s", "5 m"] {
            let error = Deadline::parse(text).expect_err(text);
            assert!(error.contains("write it as"), "{text}: {error}");
        }
    }

    #[test]
    fn the_bounds_are_named() {
        assert_eq!(Deadline::parse("5s"), Err("`5s` is too short: at least 10s".into()));
        assert_eq!(Deadline::parse("1h"), Err("`1h` is too long: at most 10m".into()));
    }

    #[test]
    fn times_are_written_the_shortest_way() {
        for (seconds, text) in [(0, "0s"), (90, "1m30s"), (604_800, "7d"), (3_600, "1h")] {
            assert_eq!(Shown(seconds).to_string(), text);
        }
    }
}
