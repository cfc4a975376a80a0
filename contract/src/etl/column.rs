//! The declared columns of an input: their types, and what their values must be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::column_type::ColumnType;
use super::literal::Literal;

/// Columns by name, as the input has them. Columns of the input that are not named are not read.
pub type Schema = BTreeMap<String, Column>;

/// A column: the type of its values, and what they must be beyond it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether no value may be null (in CSV an empty field is, but for strings).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Least value of a number, date, time or timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Literal>,
    /// Greatest value of a number, date, time or timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Literal>,
    /// All values that there may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Literal>,
    /// What the whole text of a string must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Texts that stand for null in this column, beside the etl's own `nulls`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
    /// Of a timestamp: the zone of values that name none, such as `Europe/Berlin`. Without it,
    /// they do not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl Column {
    /// Any value of a type, and null.
    #[must_use]
    pub fn of(kind: ColumnType) -> Self {
        Self {
            kind,
            required: false,
            min: None,
            max: None,
            allowed: Vec::new(),
            regex: None,
            nulls: Vec::new(),
            zone: None,
        }
    }
}

impl From<ColumnType> for Column {
    fn from(kind: ColumnType) -> Self {
        Self::of(kind)
    }
}

/// `date = "date"` is short for `date = { type = "date" }`.
pub(super) mod short {
    use std::borrow::Cow;
    use std::collections::BTreeMap;
    use std::fmt;

    use schemars::{JsonSchema, SchemaGenerator, json_schema};
    use serde::de::value::MapAccessDeserializer;
    use serde::de::{MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Column, ColumnType, Schema};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Schema, D::Error> {
        let columns = BTreeMap::<String, Short>::deserialize(d)?;
        Ok(columns.into_iter().map(|(name, Short(column))| (name, column)).collect())
    }

    pub(in super::super) fn serialize<S: Serializer>(schema: &Schema, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(schema.iter().map(|(name, column)| (name, Short(column.clone()))))
    }

    /// A column in its short form, or in its long one.
    pub(in super::super) struct Short(Column);

    impl Serialize for Short {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            let plain = self.0 == Column::of(self.0.kind);
            if plain { self.0.kind.serialize(s) } else { self.0.serialize(s) }
        }
    }

    impl<'de> Deserialize<'de> for Short {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            d.deserialize_any(Either).map(Self)
        }
    }

    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Column;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a type, or a table with `type` and rules")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Column, E> {
            text.parse::<ColumnType>().map(Column::of).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Column, A::Error> {
            Column::deserialize(MapAccessDeserializer::new(map))
        }
    }

    impl JsonSchema for Short {
        fn schema_name() -> Cow<'static, str> {
            "ColumnOrType".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
            let (kind, column) =
                (generator.subschema_for::<ColumnType>(), generator.subschema_for::<Column>());
            json_schema!({ "anyOf": [kind, column] })
        }
    }
}
