//! Waits as people write them: `"30s"`.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

const UNITS: [(char, u64); 3] = [('h', 3600), ('m', 60), ('s', 1)];

/// Reads `"90s"`, `"10m"` or `"1h"`: a whole number above 0 and one of s, m, h.
///
/// # Errors
/// One sentence that says what a wait looks like.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a time; write it as \"90s\", \"10m\" or \"1h\"");
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(*unit)).ok_or_else(wrong)?;
    let number =
        text.strip_suffix(*unit).unwrap_or_default().parse::<u64>().ok().filter(|number| *number > 0);
    number.and_then(|number| number.checked_mul(*factor)).ok_or_else(wrong)
}

/// Writes seconds in the largest unit that divides them.
#[must_use]
pub fn print(seconds: u64) -> String {
    let fits = |(_, factor): &&(char, u64)| seconds > 0 && seconds.is_multiple_of(*factor);
    let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&UNITS[2]);
    format!("{}{unit}", seconds / factor)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    parse(&String::deserialize(d)?).map_err(D::Error::custom)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn serialize<S: Serializer>(seconds: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&print(*seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_and_written_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("1h", 3600)] {
            assert_eq!(parse(text), Ok(seconds));
            assert_eq!(print(seconds), text);
        }
        for wrong in ["", "s", "0s", "-1s", "1.5h", "10", "99999999999999999h", "1ss"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
