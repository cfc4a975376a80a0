//! The configuration of the built-in extract, transform, load.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Columns by name, as the input has them. Columns of the input that are not named are not read.
pub type Schema = BTreeMap<String, ColumnType>;

/// Extract an input, give it types, transform it in SQL, load the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EtlConfig {
    /// Where the input is: `gs://BUCKET/OBJECT`, `https://…`, or, with `--local` only,
    /// `file:PATH`. `{item}` stands for the item; `BUCKET` is the key of a bucket of the stack, or
    /// a bucket's own name. The ending tells the format: `.csv` or `.parquet`.
    pub extract: String,
    /// The input's columns and their types. Required for CSV; Parquet brings its own.
    #[serde(default, skip_serializing_if = "Schema::is_empty")]
    pub schema: Schema,
    /// What happens to a row that does not fit the schema.
    #[serde(default)]
    pub bad_rows: BadRows,
    /// A query over the table `input`; `$item` is the item's key. Without it the rows pass as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Where the output goes: `gs://BUCKET/OBJECT` with `{item}` in it. The ending tells the format:
    /// `.csv` or `.parquet`.
    pub load: String,
    /// Memory that the query may use, in bytes; beyond it, sorts and groupings spill to disk.
    #[serde(default = "default_memory", with = "size")]
    #[schemars(with = "String")]
    pub memory: u64,
}

fn default_memory() -> u64 {
    256 << 20
}

/// What happens to rows that do not fit the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// The item fails, naming the first such row.
    #[default]
    Fail,
    /// They are left out and counted in the receipt.
    Drop,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text, as it stands.
    String,
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A number of 64 bits, IEEE 754.
    Double,
    /// A day: `2026-01-31`.
    Date,
    /// An instant, RFC 3339, to the microsecond, in UTC.
    Timestamp,
}

/// Sizes as people write them: `"256MiB"`.
pub mod size {
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

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        parse(&String::deserialize(d)?).map_err(D::Error::custom)
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(super) fn serialize<S: Serializer>(bytes: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&print(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_and_written_as_people_write_them() {
        assert_eq!(size::parse("256MiB"), Ok(256 << 20));
        assert_eq!(size::parse("20 GiB"), Ok(20 << 30));
        assert_eq!(size::print(256 << 20), "256MiB");
        assert_eq!(size::print(1500), "1500B");
        for wrong in ["", "MiB", "-1B", "1.5GiB", "12", "99999999999GiB", "1é"] {
            assert!(size::parse(wrong).is_err(), "{wrong}");
        }
    }
}
