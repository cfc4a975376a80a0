//! Overlays and `--set`: what they make of a stack, and what people are told.

use std::path::Path;

use super::texts::{Layer, Texts};
use super::{Origin, Stack, parse};

const BASE: &str = "\
[stack]
name = \"fx\"
region = \"europe-west1\"
[topic.items]
[subscription.work]
topic = \"items\"
retry = { min = \"2s\", max = \"30s\" }
[bucket.data]
[cluster.main.pool.steady]
nodes = 1
[cluster.main.pool.workers]
spot = true
max_nodes = 10
[job.fx]
subscription = \"work\"
bucket = \"data\"
pool = \"main/workers\"
etl = { extract = \"gs://data/{item}.parquet\", load = \"gs://data/out/{item}.parquet\" }
";

fn read(overlay: &str, sets: &[&str]) -> Result<Stack, String> {
    let mut texts = Texts::default();
    texts.push(Layer::File, "stack.toml", BASE);
    texts.push(Layer::Overlay, "stack.prod.toml", overlay);
    for set in sets {
        texts.push(Layer::Flag, "--set", *set);
    }
    parse::stack(Path::new("stack.toml"), Some("prod"), texts).map_err(|invalid| invalid.to_string())
}

fn problems(overlay: &str, sets: &[&str]) -> String {
    read(overlay, sets).err().unwrap_or_else(|| "valid".to_owned())
}

/// The value at a path, with where it comes from.
fn value(stack: &Stack, path: &str) -> String {
    let effective = stack.effective().expect("an effective stack");
    let steps: Vec<String> = path.split('/').map(str::to_owned).collect();
    let whole = effective.tables.iter().find(|(table, _)| steps.starts_with(table));
    let (table, values) = whole.expect("a table");
    let rest = &steps[table.len()..];
    let value = values.get(&rest[0]).and_then(|value| {
        value.pointer(&rest[1..].iter().map(|s| format!("/{s}")).collect::<Vec<_>>().concat())
    });
    match effective.origin(&steps) {
        Origin::Written(place) => format!("{} {place}", value.expect("a value")),
        Origin::Default => format!("{} default", value.expect("a value")),
    }
}

#[test]
fn tables_merge_and_other_values_take_the_place_of_those_below() {
    let overlay = "[subscription.work]\nretry.max = \"5m\"\n[cluster.main.pool.workers]\nmax_nodes = 100\n[topic.more]\n";
    let stack = read(overlay, &["cluster.main.pool.workers.max_nodes=7", "job.fx.image=p/worker@sha256:0a"]);
    let stack = stack.expect("a valid stack");
    assert_eq!(stack.owner(), "fx-prod");
    let values = [
        "stack/name",
        "stack/region",
        "subscription/work/retry/min",
        "subscription/work/retry/max",
        "subscription/work/ack_deadline",
        "cluster/main/pool/workers/max_nodes",
        "cluster/main/pool/workers/spot",
        "job/fx/image",
    ];
    insta::assert_snapshot!(values.map(|path| format!("{path} = {}", value(&stack, path))).join("\n"), @r#"
    stack/name = "fx-prod" stack.toml:2 and --env prod
    stack/region = "europe-west1" stack.toml:3
    subscription/work/retry/min = "2s" stack.toml:7
    subscription/work/retry/max = "5m" stack.prod.toml:2
    subscription/work/ack_deadline = "1m" default
    cluster/main/pool/workers/max_nodes = 7 --set
    cluster/main/pool/workers/spot = true stack.toml:12
    job/fx/image = "p/worker@sha256:0a" --set
    "#);
    assert!(stack.effective().expect("one").tables.iter().any(|(path, _)| path == &["topic", "more"]));
}

#[test]
fn whoever_names_the_stack_beyond_its_file_names_it_wholly() {
    assert_eq!(read("[stack]\nname = \"rates\"", &[]).expect("valid").owner(), "rates");
    assert_eq!(read("", &["stack.name=mine"]).expect("valid").owner(), "mine");
    assert_eq!(read("", &[]).expect("valid").owner(), "fx-prod");
}

#[test]
fn an_overlay_takes_keys_away() {
    let overlay = "remove = [\"cluster.main.pool.steady.nodes\"]\n[cluster.main.pool.steady]\nmin_nodes = 1\nmax_nodes = 3\n";
    let stack = read(overlay, &[]).expect("a valid stack");
    assert_eq!(value(&stack, "cluster/main/pool/steady/max_nodes"), "3 stack.prod.toml:4");
    insta::assert_snapshot!(problems("remove = [\"cluster.main.pol.steady\", 7, \"a..b\", \"topic.none\"]", &[]), @r#"
    error: the files have no `cluster.main.pol`
     --> stack.prod.toml:1:11
      |
    1 | remove = ["cluster.main.pol.steady", 7, "a..b", "topic.none"]
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `cluster.main.pool`?

    error: `remove` is a list of keys
     --> stack.prod.toml:1:38
      |
    1 | remove = ["cluster.main.pol.steady", 7, "a..b", "topic.none"]
      |                                      ^
      |
      = help: write it as remove = ["cluster.main.pool.steady.nodes"]

    error: this is not a path of keys: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`
     --> stack.prod.toml:1:41
      |
    1 | remove = ["cluster.main.pol.steady", 7, "a..b", "topic.none"]
      |                                         ^^^^^^
      |
      = help: write it as remove = ["cluster.main.pool.steady.nodes"]

    error: the files have no `topic.none`
     --> stack.prod.toml:1:49
      |
    1 | remove = ["cluster.main.pol.steady", 7, "a..b", "topic.none"]
      |                                                 ^^^^^^^^^^^^
      |
      = help: they have topic.items
    "#);
    insta::assert_snapshot!(problems("remove = \"topic.items\"", &[]), @r#"
    error: `remove` is a list of keys
     --> stack.prod.toml:1:10
      |
    1 | remove = "topic.items"
      |          ^^^^^^^^^^^^^
      |
      = help: write it as remove = ["cluster.main.pool.steady.nodes"]
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "what a person reads, whole")]
fn every_problem_of_every_text_points_to_who_wrote_it() {
    let overlay = "[stack]\nregoin = \"x\"\n[subscription.work]\ntopic = \"itmes\"\nack_deadline = \"1s\"\n[cluster.main.pool.workers]\nmin_nodes = 20\nspot = \"yes\"\n[bucket\n";
    let sets = [
        "job.fx.max_workers=seven",
        "job.fx.concurency=3",
        "jbo.fx.image=x",
        "job.fy.image=x",
        "cluster.main.pool.wrokers.max_nodes=3",
        "job.fx.bucket=dat",
        "subscription.work.retry=[1, ",
        "job.fx.image",
        "stack.labels=",
    ];
    insta::assert_snapshot!(problems(overlay, &sets), @r#"
    error: unknown key `regoin`
     --> stack.prod.toml:2:1
      |
    2 | regoin = "x"
      | ^^^^^^
      |
      = help: did you mean `region`?

    error: no topic "itmes"
     --> stack.prod.toml:4:9
      |
    4 | topic = "itmes"
      |         ^^^^^^^
      |
      = help: did you mean "items"?

    error: `1s` is too short: at least 10s
     --> stack.prod.toml:5:16
      |
    5 | ack_deadline = "1s"
      |                ^^^^

    error: `min_nodes` is 20, more than `max_nodes`, 10
     --> stack.prod.toml:7:13
      |
    7 | min_nodes = 20
      |             ^^
      |
      = help: swap them?

    error: wrong type: string "yes", expected a boolean
     --> stack.prod.toml:8:8
      |
    8 | spot = "yes"
      |        ^^^^^

    error: unclosed table, expected `]`
     --> stack.prod.toml:9:8
      |
    9 | [bucket
      |        ^

    error: wrong type: string "seven", expected a whole number
     --> --set:1:20
      |
    1 | job.fx.max_workers=seven
      |                    ^^^^^

    error: unknown key `concurency`
     --> --set:1:8
      |
    1 | job.fx.concurency=3
      |        ^^^^^^^^^^
      |
      = help: did you mean `concurrency`?

    error: `jbo` is not a kind of resource
     --> --set:1:1
      |
    1 | jbo.fx.image=x
      | ^^^
      |
      = help: did you mean `job`?

    error: the files have no `job.fy`
     --> --set:1:5
      |
    1 | job.fy.image=x
      |     ^^
      |
      = help: did you mean `job.fx`?

    error: the files have no `cluster.main.pool.wrokers`
     --> --set:1:19
      |
    1 | cluster.main.pool.wrokers.max_nodes=3
      |                   ^^^^^^^
      |
      = help: did you mean `cluster.main.pool.workers`?

    error: no bucket "dat"
     --> --set:1:15
      |
    1 | job.fx.bucket=dat
      |               ^^^
      |
      = help: did you mean "data"?

    error: unclosed array, expected `]`
     --> --set:1:28
      |
    1 | subscription.work.retry=[1, 
      |                            ^

    error: `--set` needs a key and a value, with a `=` between them
     --> --set:1:1
      |
    1 | job.fx.image
      | ^^^^^^^^^^^^
      |
      = help: write it as --set job.fx.max_workers=3

    error: no value after the `=`
     --> --set:1:13
      |
    1 | stack.labels=
      |             ^
      |
      = help: write `""` for a text without a character
    "#);
}

#[test]
fn a_name_that_its_environment_makes_too_long_says_so() {
    let mut texts = Texts::default();
    texts.push(Layer::File, "stack.toml", "[stack]\nname = \"exchange-rates\"\nregion = \"europe-west1\"\n");
    let told = parse::stack(Path::new("stack.toml"), Some("production"), texts).err().expect("a problem");
    insta::assert_snapshot!(told.to_string(), @r#"
    error: `exchange-rates-production` cannot be part of a name in the cloud
     --> stack.toml:2:8
      |
    2 | name = "exchange-rates"
      |        ^^^^^^^^^^^^^^^^
      |
      = help: a stack is at most 20 lower-case letters, digits and hyphens; it begins with a letter and does not end with a hyphen; with `name` in its own [stack], the overlay names the stack
    "#);
}
