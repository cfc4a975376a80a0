//! The configuration of a command: a program of the user's that processes one item.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::etl::size;

/// A program that processes one item. It is told which by `PROVISION_ITEM` and by JSON on its
/// standard input; it exits with 0 when the item is done, with 65 when it never can be, and with
/// anything else to be tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program and its arguments. Never a shell, and the same for every item.
    pub argv: Vec<String>,
    /// Where the files go that the program leaves in the folder `PROVISION_OUTPUT`:
    /// `gs://BUCKET/PREFIX/` with `{item}` in it and a `/` at its end. Without it, it may leave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
    /// Further variables of its environment. A value that begins with `gs://KEY/` names a bucket of
    /// the stack, as does an argument.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of the secrets that it is given, each as `PROVISION_SECRET_NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Bytes that all output files of an item may have together.
    #[serde(default = "gibibyte", with = "size")]
    #[schemars(with = "String")]
    pub max_output: u64,
    /// Output files that an item may have.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_files: u32,
    /// Bytes that its temporary files (`PROVISION_SCRATCH`, `TMPDIR`) may take on disk.
    #[serde(default = "four_gibibytes", with = "size")]
    #[schemars(with = "String")]
    pub max_scratch: u64,
}

impl CommandConfig {
    /// Output files that an item may have at most, whatever the configuration says.
    pub const MOST_FILES: u32 = 10_000;

    /// A program and its arguments; every setting has its default.
    #[must_use]
    pub fn new(argv: &[&str]) -> Self {
        Self {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            load: None,
            env: BTreeMap::new(),
            secrets: Vec::new(),
            max_output: gibibyte(),
            max_files: hundred(),
            max_scratch: four_gibibytes(),
        }
    }
}

fn gibibyte() -> u64 {
    1 << 30
}

fn four_gibibytes() -> u64 {
    4 << 30
}

fn hundred() -> u32 {
    100
}
