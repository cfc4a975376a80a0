//! Sizes as people write them: `"256MiB"`.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `"256MiB"`: a whole number and one of B, KiB, MiB, GiB.
///
/// # Errors
/// One sentence that says what a size looks like.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write it as \"256MiB\" or \"20GiB\"");
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(wrong)?;
    let number = text[..text.len() - unit.len()].trim_end();
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).ok_or_else(wrong)
}

/// Writes bytes in the largest unit that divides them.
#[must_use]
pub fn print(bytes: u64) -> String {
    let fits = |(_, factor): &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*factor);
    let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&UNITS[3]);
    format!("{}{unit}", bytes / factor)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    parse(&String::deserialize(d)?).map_err(D::Error::custom)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(crate) fn serialize<S: Serializer>(bytes: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&print(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_as_people_write_them() {
        assert_eq!(parse("256MiB"), Ok(256 << 20));
        assert_eq!(parse("20 GiB"), Ok(20 << 30));
        assert_eq!(print(256 << 20), "256MiB");
        assert_eq!(print(1500), "1500B");
        for wrong in ["", "MiB", "-1B", "1.5GiB", "12", "99999999999GiB", "1é"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
