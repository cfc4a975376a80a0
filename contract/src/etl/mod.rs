//! The configuration of the built-in extract, transform, load.

mod column;
mod column_type;
mod format;
mod http;
mod literal;
pub mod seconds;
pub mod size;
mod table;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use column::short;

pub use column::{Column, Schema};
pub use column_type::ColumnType;
pub use format::{Compression, Format, Named};
pub use http::{HeaderValue, HttpConfig, SecretReference};
pub use literal::Literal;
pub use table::TableConfig;

/// Extract an input, give it types, transform it in SQL, load the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EtlConfig {
    /// Where the input is: `gs://BUCKET/OBJECT`, `https://…`, or, with `--local` only,
    /// `file:PATH`. `{item}` stands for the item; `BUCKET` is the key of a bucket of the stack, or
    /// a bucket's own name. The ending tells the format: `.csv`, `.ndjson`, `.jsonl` or `.parquet`,
    /// and `.gz` or `.zst` after it.
    pub extract: String,
    /// The input's format, if its name does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How the input is compressed, if its name does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Largest input, in bytes, as it is sent and as it is unpacked.
    #[serde(default = "default_max_input", with = "size", skip_serializing_if = "is_default_max_input")]
    #[schemars(with = "String")]
    pub max_input: u64,
    /// How inputs are asked for on the web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpConfig>,
    /// The input's columns and their types. Required for CSV and NDJSON; Parquet brings its own.
    #[serde(default, with = "short", skip_serializing_if = "Schema::is_empty")]
    #[schemars(with = "BTreeMap<String, short::Short>")]
    pub schema: Schema,
    /// Texts that stand for null in every column: `["N/A"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
    /// What happens to a row that does not fit the schema.
    #[serde(default)]
    pub bad_rows: BadRows,
    /// Where rows that do not fit go, with the reason: `gs://BUCKET/OBJECT` with `{item}` in it, ending
    /// in `.csv` or `.ndjson` and perhaps `.gz` or `.zst`. For `bad_rows = "reject"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// Tables that the query may name beside `input`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, TableConfig>,
    /// A query over the table `input`; `$item` is the item's key. Without it the rows pass as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Where the output goes: `gs://BUCKET/OBJECT` with `{item}` in it. The ending tells the format,
    /// as for `extract`. A column of the output in braces, `{date}`, makes an object of each of its
    /// values.
    pub load: String,
    /// The output's format, if its name does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_format: Option<Format>,
    /// How the output is compressed, if its name does not tell; of Parquet, its pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_compression: Option<Compression>,
    /// Memory that the query may use, in bytes; beyond it, sorts and groupings spill to disk.
    #[serde(default = "default_memory", with = "size")]
    #[schemars(with = "String")]
    pub memory: u64,
}

impl EtlConfig {
    /// Copies an input to an output as it is; every setting has its default.
    #[must_use]
    pub fn new(extract: &str, load: &str) -> Self {
        Self {
            extract: extract.to_owned(),
            format: None,
            compression: None,
            max_input: default_max_input(),
            http: None,
            schema: Schema::new(),
            nulls: Vec::new(),
            bad_rows: BadRows::default(),
            rejects: None,
            tables: BTreeMap::new(),
            sql: None,
            load: load.to_owned(),
            load_format: None,
            load_compression: None,
            memory: default_memory(),
        }
    }
}

fn default_memory() -> u64 {
    256 << 20
}

fn default_max_input() -> u64 {
    10 << 30
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_default_max_input(bytes: &u64) -> bool {
    *bytes == default_max_input()
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
    /// They are left out, counted, and stored in the object that `rejects` names.
    Reject,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_a_short_form_and_a_long_one() {
        let json = r#"{"extract":"file:in.csv","schema":{"date":"date",
            "rate":{"type":"decimal(9,4)","required":true,"min":0,"max":"1e3","allowed":[1.5,"2"]}},
            "load":"gs://b/{item}.csv"}"#;
        let etl: EtlConfig = serde_json::from_str(json).expect("a configuration");
        assert_eq!(etl.schema["date"], ColumnType::Date.into());
        let rate = &etl.schema["rate"];
        assert!(rate.required);
        let texts: Vec<&str> =
            rate.min.iter().chain(&rate.max).chain(&rate.allowed).map(|l| l.0.as_str()).collect();
        assert_eq!(texts, ["0", "1e3", "1.5", "2"]);
        let again = serde_json::to_value(&etl).expect("JSON");
        assert_eq!(again["schema"]["date"], "date");
        assert_eq!(serde_json::from_value::<EtlConfig>(again).expect("a configuration"), etl);
    }

    #[test]
    fn what_is_wrong_with_a_column_is_said() {
        let wrong = |column: &str| {
            let json = format!(r#"{{"extract":"x","load":"y","schema":{{"a":{column}}}}}"#);
            serde_json::from_str::<EtlConfig>(&json).expect_err("an error").to_string()
        };
        assert!(wrong(r#""dubble""#).starts_with("`dubble` is not a type; there are `string`, `bool`"));
        assert!(wrong(r#"{"type":"int","mim":1}"#).contains("unknown field `mim`"));
        assert!(wrong(r#"{"min":1}"#).contains("missing field `type`"));
        assert!(wrong("7").contains("a type, or a table with `type` and rules"));
    }

    #[test]
    fn a_secret_is_known_by_its_variable() {
        let secret = SecretReference { secret: "vendor-token.2".to_owned(), prefix: String::new() };
        assert_eq!(secret.variable(), "PROVISION_SECRET_VENDOR_TOKEN_2");
    }
}
