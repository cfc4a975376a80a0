//! A table that queries may name beside `input`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::column::{Schema, short};
use super::{Compression, Format};

/// A table that queries may name beside `input`: the same one for every item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Where it is: `gs://BUCKET/OBJECT` or, with `--local` only, `file:PATH`. The ending tells the
    /// format, as for `extract`.
    pub from: String,
    /// The format, if its name does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How it is compressed, if its name does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Its columns. Required unless it is Parquet, which brings its own.
    #[serde(default, with = "short", skip_serializing_if = "Schema::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, short::Short>")]
    pub schema: Schema,
    /// Texts that stand for null in every column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
}
