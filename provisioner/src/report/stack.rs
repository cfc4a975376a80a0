//! The effective stack as text: TOML that is a valid stack again, each value with where it comes
//! from, and JSON. Pure: nothing printed.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::resource::Desired;
use crate::stack::{Effective, Origin};

/// The version of the JSON format.
const FORMAT_VERSION: u32 = 1;
/// Column that the remarks begin in.
const REMARKS: usize = 44;
/// A table with more keys than this has its own header.
const SHORT: usize = 3;

/// The stack as TOML. What it implies follows as remarks.
pub(crate) fn stack_toml(stack: &Effective<'_>, implied: &[Desired]) -> Result<String> {
    let mut text = String::new();
    for (path, values) in &stack.tables {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "[{}]", dotted(path));
        push_table(&mut text, stack, path, path.len(), values)?;
    }
    if !implied.is_empty() {
        text.push_str("\n# implied:\n");
    }
    for resource in implied {
        let by = resource.implied_by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        let _ = writeln!(text, "# {}{}", one_line(&resource.address.to_string()), one_line(&by));
    }
    Ok(text)
}

/// The lines of a table whose header names the first `headed` steps of `path`, then the tables in it
/// that have headers of their own.
fn push_table(
    text: &mut String,
    stack: &Effective<'_>,
    path: &[String],
    headed: usize,
    values: &Map<String, Value>,
) -> Result<()> {
    let mut apart = Vec::new();
    for (key, value) in values {
        let path: Vec<String> = path.iter().chain([key]).cloned().collect();
        match value {
            Value::Object(inner) if stands_apart(inner) => apart.push((path, inner)),
            Value::Object(inner) if !inner.is_empty() => push_table(text, stack, &path, headed, inner)?,
            value => push_value(text, stack, &path, headed, value)?,
        }
    }
    for (path, inner) in apart {
        // A table that only holds other tables needs no header.
        if inner.values().any(|value| !value.is_object()) {
            let _ = writeln!(text, "[{}]", dotted(&path));
        }
        push_table(text, stack, &path, path.len(), inner)?;
    }
    Ok(())
}

fn stands_apart(table: &Map<String, Value>) -> bool {
    table.len() > SHORT || table.values().any(Value::is_object)
}

fn push_value(
    text: &mut String,
    stack: &Effective<'_>,
    path: &[String],
    headed: usize,
    value: &Value,
) -> Result<()> {
    let from = match stack.origin(path) {
        Origin::Written(place) => one_line(&place),
        Origin::Default => "default".to_owned(),
    };
    let line = format!("{} = {}", dotted(&path[headed..]), toml::Value::try_from(value)?);
    let last = line.rsplit('\n').next().unwrap_or_default().chars().count();
    let _ = writeln!(text, "{line}{:gap$} # {from}", "", gap = REMARKS.saturating_sub(last));
    Ok(())
}

fn dotted(path: &[String]) -> String {
    path.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(".")
}

/// A key as TOML writes it, bare where it may be.
pub(crate) fn quoted(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match !key.is_empty() && key.bytes().all(bare) {
        true => key.to_owned(),
        // JSON's escapes are TOML's; only DEL needs one in TOML alone.
        false => Value::from(key).to_string().replace('\u{7f}', "\\u007F"),
    }
}

/// A remark ends with its line: nothing in a name may go on behind it.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The stack as data: its tables, and where each value comes from, by dotted path.
pub(crate) fn stack_json(stack: &Effective<'_>, implied: &[Desired]) -> Value {
    let mut whole = Map::new();
    let mut origins = Map::new();
    for (path, values) in &stack.tables {
        put(&mut whole, path, values);
        push_origins(&mut origins, stack, path, values);
    }
    let implied =
        implied.iter().map(|r| json!({ "address": r.address, "implied_by": r.implied_by, "id": r.id }));
    json!({
        "format_version": FORMAT_VERSION,
        "stack": whole,
        "origins": origins,
        "implied": implied.collect::<Vec<_>>(),
    })
}

fn put(whole: &mut Map<String, Value>, path: &[String], values: &Map<String, Value>) {
    let Some((step, rest)) = path.split_first() else { return whole.extend(values.clone()) };
    if let Value::Object(inner) = whole.entry(step.as_str()).or_insert_with(|| json!({})) {
        put(inner, rest, values);
    }
}

fn push_origins(
    origins: &mut Map<String, Value>,
    stack: &Effective<'_>,
    path: &[String],
    values: &Map<String, Value>,
) {
    for (key, value) in values {
        let path: Vec<String> = path.iter().chain([key]).cloned().collect();
        match value {
            Value::Object(inner) if !inner.is_empty() => push_origins(origins, stack, &path, inner),
            _ => {
                let from = match stack.origin(&path) {
                    Origin::Written(place) => place,
                    Origin::Default => "default".to_owned(),
                };
                origins.insert(dotted(&path), from.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::stack::{Project, Source, Stack};

    const HOSTILE: &str = r#"
[stack]
name = "fx"
region = "europe-west1"
labels = { team = "a\nb # \"c\"", "dotted.key" = "\u007f\u0001'''" }
[topic.items]
[subscription.work]
topic = "items"
filter = "attributes.x = \"\"\"\""
[bucket.data]
name = "fx-data"
lifecycle = [{ prefix = "tmp/", delete_after_days = 3 }]
[topic.shared]
existing = true
"#;

    fn bare(text: &str) -> String {
        let effective = Stack::parse(Path::new("stack.toml"), text).expect("a valid stack");
        let mut shown = stack_json(&effective.effective().expect("values"), &[]);
        shown["origins"].take();
        shown.to_string()
    }

    fn toml(text: &str) -> String {
        let stack = Stack::parse(Path::new("stack.toml"), text).map_err(|invalid| invalid.to_string());
        stack_toml(&stack.expect("a valid stack").effective().expect("values"), &[]).expect("TOML")
    }

    #[test]
    fn what_is_shown_is_the_same_stack_again() {
        let shown = toml(HOSTILE);
        assert_eq!(bare(&shown), bare(HOSTILE), "{shown}");
        assert_eq!(bare(&toml(&shown)), bare(HOSTILE));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "the stack is shown whole")]
    fn the_example_is_shown_with_where_each_value_comes_from() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stack.toml");
        let source = Source { set: vec!["job.fx.max_workers=3".into()], ..Source::file(&path) };
        let stack = Stack::read(&source).expect("a valid stack");
        let project = Project { id: "p".into(), number: 0, local: true };
        let implied: Vec<Desired> = stack
            .resources(&project)
            .expect("resources")
            .into_iter()
            .filter(|r| r.implied_by.is_some())
            .collect();
        let text = stack_toml(&stack.effective().expect("values"), &implied).expect("TOML");
        insta::assert_snapshot!(text.replace(&path.display().to_string(), "stack.toml"), @r#"
        [stack]
        labels = {}                                  # default
        name = "fx"                                  # stack.toml:8
        protect = []                                 # default
        region = "europe-west1"                      # stack.toml:9
        zone = "europe-west1-b"                      # stack.toml:10

        [bucket.data]
        files."rates/" = "examples/fx/rates"         # stack.toml:19
        labels = {}                                  # default
        lifecycle = []                               # default
        public_access_prevention = true              # default
        uniform_access = true                        # default
        versioning = false                           # default

        [cluster.main]
        endpoint = "dns"                             # default
        labels = {}                                  # default
        release_channel = "regular"                  # default
        [cluster.main.pool.steady]
        disk_gb = 50                                 # default
        labels = {}                                  # default
        machine_type = "e2-medium"                   # stack.toml:23
        nodes = 1                                    # stack.toml:24
        spot = false                                 # default
        [cluster.main.pool.workers]
        disk_gb = 50                                 # default
        labels = {}                                  # default
        machine_type = "e2-standard-2"               # stack.toml:26
        max_nodes = 10                               # stack.toml:29
        min_nodes = 0                                # stack.toml:28
        spot = true                                  # stack.toml:27

        [job.fx]
        attempts = 5                                 # default
        bucket = "data"                              # stack.toml:33
        concurrency = 1                              # default
        grace = "15s"                                # default
        item_timeout = "10m"                         # default
        max_run_time = "1d"                          # default
        max_workers = 3                              # --set
        pool = "main/workers"                        # stack.toml:34
        reads = []                                   # default
        retry.first = "1s"                           # default
        retry.most = "10m"                           # default
        subscription = "work"                        # stack.toml:32
        writes = []                                  # default
        [job.fx.etl]
        bad_rows = "drop"                            # stack.toml:39
        extract = "gs://data/rates/{item}.csv"       # stack.toml:37
        load = "gs://data/features/{item}.csv"       # stack.toml:40
        memory = "256MiB"                            # default
        schema.date = "date"                         # stack.toml:38
        schema.rate = "double"                       # stack.toml:38
        sql = """
        WITH returns AS (
          SELECT date, rate, rate / lag(rate) OVER (ORDER BY date) - 1 AS return_1d
          FROM input
        )
        SELECT
          date,
          rate,
          return_1d,
          avg(rate) OVER (ORDER BY date ROWS 19 PRECEDING) AS sma_20,
          avg(rate) OVER (ORDER BY date ROWS 49 PRECEDING) AS sma_50,
          stddev(return_1d) OVER (ORDER BY date ROWS 19 PRECEDING) AS volatility_20,
          rate / max(rate) OVER (ORDER BY date ROWS UNBOUNDED PRECEDING) - 1 AS drawdown
        FROM returns
        ORDER BY date
        """                                          # stack.toml:41

        [subscription.work]
        ack_deadline = "10s"                         # stack.toml:16
        dead_letter.attempts = 100                   # default
        filter = ""                                  # default
        labels = {}                                  # default
        retention = "7d"                             # default
        retry.max = "1m"                             # default
        retry.min = "1s"                             # default
        topic = "items"                              # stack.toml:15

        [topic.items]
        labels = {}                                  # default

        # implied:
        # service_account.main-nodes, by cluster.main
        # grant.main-nodes-defaultnodeserviceaccount, by cluster.main
        # grant.main-nodes-reader, by cluster.main
        # namespace.main/fx, by job.fx
        # kubernetes_service_account.main/fx, by job.fx
        # grant.fx-pull, by job.fx
        # grant.fx-publish, by job.fx
        # grant.fx-objects-data, by job.fx
        # topic.work-dead, by subscription.work
        # subscription.work-dead, by subscription.work
        # grant.work-dead-publisher, by subscription.work
        # grant.work-dead-subscriber, by subscription.work
        "#);
    }
}
