//! How inputs are asked for on the web.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::seconds;

/// How inputs are asked for on the web.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Headers of every request: a text, or `{ secret = "NAME" }`. They are not sent on to another
    /// host that a redirect names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, HeaderValue>,
    /// Hosts that may be asked, redirects included; `*.example.com` stands for all names below it.
    /// Without it, any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<String>,
    /// Whether hosts may have addresses of private networks (never the metadata server's). Always
    /// so with `--local`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
    /// Redirects that are followed.
    #[serde(default = "five")]
    #[schemars(range(max = 20))]
    pub redirects: u32,
    /// Requests for one input before the attempt fails; the pauses between them double, or are what
    /// the server asks for.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 20))]
    pub tries: u32,
    /// Longest that connecting may take.
    #[serde(default = "ten_seconds", with = "seconds")]
    #[schemars(with = "String")]
    pub connect_timeout: u64,
    /// Longest silence of a server.
    #[serde(default = "minute", with = "seconds")]
    #[schemars(with = "String")]
    pub idle_timeout: u64,
    /// Longest that one request may take from its beginning to the last byte.
    #[serde(default = "half_hour", with = "seconds")]
    #[schemars(with = "String")]
    pub timeout: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            headers: BTreeMap::new(),
            allowed_hosts: Vec::new(),
            allow_private: false,
            redirects: five(),
            tries: four(),
            connect_timeout: ten_seconds(),
            idle_timeout: minute(),
            timeout: half_hour(),
        }
    }
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HeaderValue {
    /// As it stands.
    Text(String),
    /// What the environment of the worker holds for it.
    Secret(SecretReference),
}

/// A value that stands in no file and no record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// Name of the secret.
    pub secret: String,
    /// Stands before the value: `"Bearer "`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

impl SecretReference {
    /// The variable of the worker's environment that holds the secret.
    #[must_use]
    pub fn variable(&self) -> String {
        crate::environment::secret(&self.secret)
    }
}

fn five() -> u32 {
    5
}

fn four() -> u32 {
    4
}

fn ten_seconds() -> u64 {
    10
}

fn minute() -> u64 {
    60
}

fn half_hour() -> u64 {
    1800
}
