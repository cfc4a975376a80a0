//! The types of columns, and their names.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Most digits of a decimal.
const MOST_DIGITS: u8 = 38;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text, as it stands.
    String,
    /// `true` or `false`.
    Bool,
    /// A whole number of 8 bits.
    Int8,
    /// A whole number of 16 bits.
    Int16,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int,
    /// A number of 64 bits, IEEE 754.
    Double,
    /// `decimal(18,4)`: a number of so many digits, so many of them after the point; never rounded.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Those after the point.
        scale: u8,
    },
    /// A day: `2026-01-31`.
    Date,
    /// A time of day, to the microsecond: `08:00:00.5`.
    Time,
    /// An instant, RFC 3339, to the microsecond, kept in UTC.
    Timestamp,
}

/// The names of all types but decimals.
const NAMES: [(&str, ColumnType); 10] = [
    ("string", ColumnType::String),
    ("bool", ColumnType::Bool),
    ("int8", ColumnType::Int8),
    ("int16", ColumnType::Int16),
    ("int32", ColumnType::Int32),
    ("int", ColumnType::Int),
    ("double", ColumnType::Double),
    ("date", ColumnType::Date),
    ("time", ColumnType::Time),
    ("timestamp", ColumnType::Timestamp),
];

impl FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        named.or_else(|| decimal(text)).ok_or_else(|| {
            let all = NAMES.map(|(name, _)| format!("`{name}`")).join(", ");
            format!("`{text}` is not a type; there are {all} and `decimal(18,4)`, of 1 to 38 digits")
        })
    }
}

/// `decimal(PRECISION,SCALE)`.
fn decimal(text: &str) -> Option<ColumnType> {
    let (precision, scale) = text.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    ((1..=MOST_DIGITS).contains(&precision) && scale <= precision)
        .then_some(ColumnType::Decimal { precision, scale })
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Decimal { precision, scale } = self {
            return write!(f, "decimal({precision},{scale})");
        }
        let name = NAMES.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        let names = NAMES.map(|(name, _)| name);
        let decimal = r"^decimal\(\s*[0-9]{1,2}\s*,\s*[0-9]{1,2}\s*\)$";
        json_schema!({
            "description": "The type of a column.",
            "type": "string",
            "anyOf": [{ "enum": names }, { "pattern": decimal }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_they_are_read() {
        for (name, kind) in NAMES {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(kind.to_string(), name);
        }
        let money = ColumnType::Decimal { precision: 18, scale: 4 };
        assert_eq!("decimal(18, 4)".parse(), Ok(money));
        assert_eq!(money.to_string(), "decimal(18,4)");
        for wrong in ["float", "decimal", "decimal(39,0)", "decimal(3,4)", "decimal(0,0)", "decimal(1)", ""] {
            assert!(wrong.parse::<ColumnType>().is_err(), "{wrong}");
        }
    }
}
