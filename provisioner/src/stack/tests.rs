//! Files that people write, and what they are told.

use std::path::Path;

use proptest::prelude::*;

use super::{Project, Source, Stack};

const EXAMPLE: &str = include_str!("../../../stack.toml");

fn project() -> Project {
    Project { id: "my-project".into(), number: 123_456_789_012, local: true }
}

/// Everything that is wrong with a file that begins with a valid `[stack]`.
fn problems(rest: &str) -> String {
    let text = format!("[stack]\nname = \"fx\"\nregion = \"europe-west1\"\n{rest}");
    match Stack::parse(Path::new("stack.toml"), &text) {
        Ok(_) => "valid".to_owned(),
        Err(invalid) => invalid.to_string(),
    }
}

#[test]
fn the_example_stands_for_these_resources() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stack.toml");
    let stack = Stack::read(&Source::file(&path)).expect("a valid stack");
    let resources = stack.resources(&project()).expect("resources");
    let line = |r: &crate::resource::Desired| match &r.implied_by {
        Some(by) => format!("{} (implied by {by})\n", r.address),
        None => format!("{}\n", r.address),
    };
    let shown: String = resources.iter().filter(|r| r.address.kind != "bucket_file").map(line).collect();
    insta::assert_snapshot!(shown, @"
    bucket.data
    cluster.main
    service_account.main-nodes (implied by cluster.main)
    grant.main-nodes-defaultnodeserviceaccount (implied by cluster.main)
    grant.main-nodes-reader (implied by cluster.main)
    node_pool.main/steady
    node_pool.main/workers
    job.fx
    namespace.main/fx (implied by job.fx)
    kubernetes_service_account.main/fx (implied by job.fx)
    grant.fx-pull (implied by job.fx)
    grant.fx-publish (implied by job.fx)
    grant.fx-objects-data (implied by job.fx)
    subscription.work
    topic.work-dead (implied by subscription.work)
    subscription.work-dead (implied by subscription.work)
    grant.work-dead-publisher (implied by subscription.work)
    grant.work-dead-subscriber (implied by subscription.work)
    topic.items
    ");
    assert_eq!(resources.iter().filter(|r| r.address.kind == "bucket_file").count(), 32);
}

#[test]
fn every_problem_of_a_file_is_shown_at_once() {
    insta::assert_snapshot!(problems(r#"
[topic.items]

[subscription.work]
topic = "itmes"
ack_deadline = "5s"
retention = 7
retry = { min = "10s", mx = "5s" }

[clutser.main]
"#), @r#"
    error: no topic "itmes"
     --> stack.toml:8:9
      |
    8 | topic = "itmes"
      |         ^^^^^^^
      |
      = help: did you mean "items"?

    error: `5s` is too short: at least 10s
     --> stack.toml:9:16
      |
    9 | ack_deadline = "5s"
      |                ^^^^

    error: wrong type: integer `7`, expected a time, such as "90s" or "1h30m"
      --> stack.toml:10:13
       |
    10 | retention = 7
       |             ^

    error: unknown key `mx`
      --> stack.toml:11:24
       |
    11 | retry = { min = "10s", mx = "5s" }
       |                        ^^
       |
       = help: did you mean `max`?

    error: `clutser` is not a kind of resource
      --> stack.toml:13:2
       |
    13 | [clutser.main]
       |  ^^^^^^^
       |
       = help: did you mean `cluster`?
    "#);
}

#[test]
fn impossible_pools_are_named() {
    insta::assert_snapshot!(problems(r"
[cluster.main.pool.steady]
nodes = 1
max_nodes = 2
[cluster.main.pool.workers]
min_nodes = 12
max_nodes = 10
[cluster.main.pool.open]
min_nodes = 2
[cluster.main.pool.none]
"), @"
    error: `nodes` fixes the size
     --> stack.toml:6:9
      |
    6 | nodes = 1
      |         ^
      |
      = help: drop it, or `min_nodes` and `max_nodes`

    error: `min_nodes` is 12, more than `max_nodes`, 10
     --> stack.toml:9:13
      |
    9 | min_nodes = 12
      |             ^^
      |
      = help: swap them?

    error: `min_nodes` needs `max_nodes`
      --> stack.toml:12:13
       |
    12 | min_nodes = 2
       |             ^
       |
       = help: add `max_nodes = 10`

    error: how many nodes?
      --> stack.toml:13:20
       |
    13 | [cluster.main.pool.none]
       |                    ^^^^
       |
       = help: set `nodes`, or `min_nodes` and `max_nodes`
    ");
}

#[test]
fn a_job_is_checked_against_the_rest_of_the_file() {
    insta::assert_snapshot!(problems(r#"
[topic.items]
[subscription.work]
topic = "items"
[bucket.data]
[cluster.main.pool.steady]
machine_type = "z9-strange-2"
nodes = 1
[job.fx]
subscription = "work"
bucket = "dat"
pool = "main/stedy"
[job.fx.etl]
extract = "https://{item}/rates.csv"
load = "gs://data/features.txt"
[job.other]
subscription = "work"
bucket = "data"
pool = "main/steady"
command = { argv = [] }
"#), @r#"
    error: no bucket "dat"
      --> stack.toml:14:10
       |
    14 | bucket = "dat"
       |          ^^^^^
       |
       = help: did you mean "data"?

    error: cluster.main has no pool "stedy"
      --> stack.toml:15:8
       |
    15 | pool = "main/stedy"
       |        ^^^^^^^^^^^^
       |
       = help: did you mean "main/steady"?

    error: CSV and NDJSON need a `schema`
      --> stack.toml:16:9
       |
    16 | [job.fx.etl]
       |         ^^^
       |
       = help: schema = { date = "date", rate = "double" }

    error: `{item}` may not choose the host or the bucket
      --> stack.toml:17:11
       |
    17 | extract = "https://{item}/rates.csv"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: every item would overwrite the same object
      --> stack.toml:18:8
       |
    18 | load = "gs://data/features.txt"
       |        ^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: put `{item}` in its name

    error: the ending of `gs://data/features.txt` tells no format
      --> stack.toml:18:8
       |
    18 | load = "gs://data/features.txt"
       |        ^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: .csv, .ndjson, .jsonl or .parquet, and perhaps .gz or .zst; or set `load_format`

    error: how much a worker may use of a `z9-strange-2` is not known here
      --> stack.toml:22:8
       |
    22 | pool = "main/steady"
       |        ^^^^^^^^^^^^^
       |
       = help: set `cpu_millis` and `memory_mib` in [job.other]

    error: a command names a program
      --> stack.toml:23:20
       |
    23 | command = { argv = [] }
       |                    ^^
       |
       = help: argv = ["python3", "work.py"]
    "#);
}

#[test]
fn an_etl_is_checked_key_by_key() {
    insta::assert_snapshot!(problems(r#"
[topic.items]
[subscription.work]
topic = "items"
[bucket.data]
[cluster.main.pool.steady]
nodes = 1
[job.fx]
subscription = "work"
bucket = "data"
pool = "main/steady"
[job.fx.etl]
extract = "gs://data/{item}"
max_input = "9"
schema = { day = "dat", rate = { type = "double", requird = true }, x = { min = 1 } }
load = "gs://data/{item}/{day}.csv"
rejects = "gs://data/rejects/{item}/{day}.csv"
[job.fx.etl.tables.codes]
from = "https://example.com/codes.csv"
schema = { code = "string" }
[job.fx.etl.http]
idle_timeout = "soon"
allowed_host = ["example.com"]
"#), @r#"
    error: `9` is not a size; write it as "256MiB" or "20GiB"
      --> stack.toml:17:13
       |
    17 | max_input = "9"
       |             ^^^

    error: `dat` is not a type; there are `string`, `bool`, `int8`, `int16`, `int32`, `int`, `double`, `date`, `time`, `timestamp` and `decimal(18,4)`, of 1 to 38 digits
      --> stack.toml:18:18
       |
    18 | schema = { day = "dat", rate = { type = "double", requird = true }, x = { min = 1 } }
       |                  ^^^^^

    error: unknown key `requird`
      --> stack.toml:18:51
       |
    18 | schema = { day = "dat", rate = { type = "double", requird = true }, x = { min = 1 } }
       |                                                   ^^^^^^^
       |
       = help: did you mean `required`?

    error: missing key `type`
      --> stack.toml:18:69
       |
    18 | schema = { day = "dat", rate = { type = "double", requird = true }, x = { min = 1 } }
       |                                                                     ^
       |
       = help: The type of its values.

    error: `soon` is not a time; write it as "90s", "10m" or "1h"
      --> stack.toml:25:16
       |
    25 | idle_timeout = "soon"
       |                ^^^^^^

    error: unknown key `allowed_host`
      --> stack.toml:26:1
       |
    26 | allowed_host = ["example.com"]
       | ^^^^^^^^^^^^
       |
       = help: did you mean `allowed_hosts`?
    "#);
}

#[test]
fn a_grant_that_nobody_could_own_is_refused() {
    insta::assert_snapshot!(problems(r#"
[grant.everybody]
member = "allUsers"
role = "viewer"
on = "bukcet.data"
[grant.theirs]
member = "user:ann@example.com"
role = "roles/viewer"
on = "project"
"#), @r#"
    error: `allUsers` is not a member
     --> stack.toml:6:10
      |
    6 | member = "allUsers"
      |          ^^^^^^^^^^
      |
      = help: write `service_account.NAME`, or an IAM member such as `user:ann@example.com`

    error: `viewer` is not a role
     --> stack.toml:7:8
      |
    7 | role = "viewer"
      |        ^^^^^^^^
      |
      = help: write it as `roles/storage.objectViewer`

    error: a grant cannot be on `bukcet.data`
     --> stack.toml:8:6
      |
    8 | on = "bukcet.data"
      |      ^^^^^^^^^^^^^
      |
      = help: write `project`, or one of bucket.NAME, topic.NAME, subscription.NAME, service_account.NAME

    error: neither the member nor the resource is the stack's own: nobody could tell whose grant it is
      --> stack.toml:10:10
       |
    10 | member = "user:ann@example.com"
       |          ^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: use a `service_account.NAME` of this file
    "#);
}

#[test]
fn bad_names_are_refused_before_the_cloud_would() {
    insta::assert_snapshot!(problems(r#"
[topic.Items]
[topic."it ems"]
[service_account.a]
name = "abc"
[bucket.data]
name = "Not_A_Bucket!"
"#), @r#"
    error: `Items` cannot be part of a name in the cloud
     --> stack.toml:5:8
      |
    5 | [topic.Items]
      |        ^^^^^
      |
      = help: a key is at most 40 lower-case letters, digits and hyphens; it begins with a letter and does not end with a hyphen

    error: `it ems` cannot be part of a name in the cloud
     --> stack.toml:6:8
      |
    6 | [topic."it ems"]
      |        ^^^^^^^^
      |
      = help: a key is at most 40 lower-case letters, digits and hyphens; it begins with a letter and does not end with a hyphen

    error: `abc` cannot be the name of a service account: it has 6 to 30 characters
     --> stack.toml:8:8
      |
    8 | name = "abc"
      |        ^^^^^
      |
      = help: `name = …` overrides it

    error: `Not_A_Bucket!` cannot be the name of a bucket
      --> stack.toml:10:8
       |
    10 | name = "Not_A_Bucket!"
       |        ^^^^^^^^^^^^^^^
       |
       = help: 3 to 63 lower-case letters, digits, hyphens, underscores and dots, not beginning with `goog`; `name = …` overrides it
    "#);
}

#[test]
fn a_file_without_a_stack_says_how_to_begin() {
    let invalid = Stack::parse(Path::new("stack.toml"), "").err().expect("a problem");
    insta::assert_snapshot!(invalid.to_string(), @r#"
    error: missing table `[stack]`
     --> stack.toml:1:1
      |
    1 |
      | ^
      |
      = help: begin the file with:
              [stack]
              name = "fx"
              region = "europe-west1"
    "#);
}

#[test]
fn broken_syntax_is_shown_where_it_breaks() {
    insta::assert_snapshot!(problems("[topic.items\n[bucket.data]\nlocation = \n"), @"
    error: unclosed table, expected `]`
     --> stack.toml:4:13
      |
    4 |   [topic.items
      |  _____________^
    5 | | [bucket.data]
      | |_^

    error: no value after the `=`
     --> stack.toml:6:12
      |
    6 | location = 
      |            ^
    ");
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stack.schema.json");
    let committed: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the schema")).expect("JSON");
    assert!(committed == super::json_schema(), "run `provision schema > stack.schema.json`");
}

#[test]
fn the_schema_knows_every_table() {
    let schema = super::json_schema();
    let tables: Vec<&String> = schema["properties"].as_object().expect("an object").keys().collect();
    let expected = [
        "api",
        "bucket",
        "cluster",
        "grant",
        "job",
        "secret",
        "service_account",
        "stack",
        "subscription",
        "topic",
    ];
    assert_eq!(tables, expected);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = Stack::parse(Path::new("stack.toml"), &text).map_err(|invalid| invalid.render(true));
    }

    #[test]
    fn no_edit_of_a_real_file_makes_the_parser_panic(
        at in 0..EXAMPLE.len(),
        cut in 0_usize..40,
        put in "[\\[\\]{}=\",.'#\\n0-9a-zé-]{0,12}",
    ) {
        let start = EXAMPLE.floor_char_boundary(at);
        let end = EXAMPLE.ceil_char_boundary((start + cut).min(EXAMPLE.len()));
        let text = format!("{}{put}{}", &EXAMPLE[..start], &EXAMPLE[end..]);
        if let Err(invalid) = Stack::parse(Path::new("stack.toml"), &text) {
            prop_assert!(!invalid.render(false).is_empty());
        }
    }
}
