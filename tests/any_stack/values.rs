//! What the fields of a stack may be. Each has at least two values where it can, so that it can be edited.

use serde_json::{Map, Value, json};

use super::AnyStack;
use crate::Random;

/// Keys that a table must have.
pub(super) const MUST_BE: [(&str, &str); 2] = [("cluster.*.pool", "steady"), ("cluster.*.pool", "workers")];

/// The keys that a table of one's own keys may have.
pub(super) fn keys(pattern: &str) -> &'static [&'static str] {
    match pattern {
        "stack.labels" => &["team", "env"],
        "cluster.*.pool" => &["steady", "workers", "large"],
        "cluster.*.pool.*.labels" => &["disk", "example.com-tier"],
        "bucket.*.files" => &["in/", "one.txt"],
        "job.*.etl.tables" => &["codes", "rates"],
        "job.*.etl.schema" | "job.*.etl.tables.*.schema" => &["x", "when", "word"],
        "job.*.etl.http.headers" => &["X-Plain", "Authorization"],
        "job.*.command.env" => &["LEVEL", "WHERE"],
        _ if pattern.ends_with(".labels") => &["color", "tier"],
        _ => panic!("no keys for {pattern}: add some"),
    }
}

/// The values of a field at a place of a stack. None, if it can have none there.
#[expect(clippy::too_many_lines, clippy::match_same_arms, reason = "a table, in the order of the schema")]
pub(super) fn of(pattern: &str, at: &[String], stack: &AnyStack) -> Vec<Value> {
    let texts = |all: &[&str]| all.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    let keys = |table: &str| stack.keys(table).map(Value::from).collect::<Vec<_>>();
    let named = |table: &str| stack.keys(table).map(|key| format!("{table}.{key}")).collect::<Vec<_>>();
    let key = at.last().map_or("", String::as_str);
    let own = at.get(1).map_or("", String::as_str);
    let field = pattern.rsplit('.').next().unwrap_or_default();
    match pattern {
        // Another prefix is another stack, unless its resources were renamed.
        "stack.name" | "stack.prefix" => texts(&["stack"]),
        "stack.project" => texts(&["local-cloud"]),
        "stack.region" => texts(&["europe-west1"]),
        "stack.zone" => texts(&["europe-west1-b"]),
        "stack.expires" => texts(&["8h", "30d"]),
        "stack.protect" => vec![json!([]), json!(["topic.items"]), json!(["bucket.data", "topic.items"])],
        "stack.labels.*" => texts(&["a", "b"]),

        "topic.*.name" | "subscription.*.name" => vec![format!("called-{own}").into()],
        "bucket.*.name" => vec![format!("called-{own}-of-property").into()],
        "service_account.*.name" | "cluster.*.name" => vec![format!("called-{own}").into()],
        // Nothing in the cloud bears these names.
        "grant.*.name" | "job.*.name" | "secret.*.name" => vec![],
        "api.*.name" => vec![format!("{own}.googleapis.com").into()],
        // Theirs are made by the test that needs them.
        _ if field == "existing" => vec![false.into()],
        _ if field == "timeout" && at.len() == 3 => texts(&["20m", "1h"]),

        "topic.*.retention" => texts(&["10m", "1d", "31d"]),
        "subscription.*.topic" => keys("topic"),
        "subscription.*.ack_deadline" => texts(&["10s", "90s", "10m"]),
        "subscription.*.retention" => texts(&["10m", "36h", "31d"]),
        "subscription.*.retry.min" => texts(&["0s", "5s"]),
        "subscription.*.retry.max" => texts(&["30s", "10m"]),
        "subscription.*.dead_letter.attempts" => vec![5.into(), 50.into(), 100.into()],
        // It takes the implied ones away: imported stacks have it in their tests.
        "subscription.*.dead_letter.topic" => vec![],
        "subscription.*.expires" => texts(&["31d", "90d"]),
        "subscription.*.filter" => texts(&["attributes:kind", "attributes.kind = \"a\""]),

        "bucket.*.location" => texts(&["EU", "us"]),
        "bucket.*.versioning" | "bucket.*.uniform_access" | "bucket.*.public_access_prevention" => {
            vec![true.into(), false.into()]
        }
        "bucket.*.lifecycle[].prefix" => texts(&["tmp/", "old/"]),
        "bucket.*.lifecycle[].suffix" => texts(&[".csv", ".tmp"]),
        "bucket.*.lifecycle[].delete_after_days" => vec![1.into(), 30.into(), 365.into()],
        "bucket.*.files.*" if key.ends_with('/') => texts(&["files/a", "files/b"]),
        "bucket.*.files.*" => texts(&["files/a/one.txt", "files/b/two.txt"]),

        "service_account.*.display_name" => texts(&["Worker", "Zoë’s “worker”"]),
        "grant.*.member" => {
            let others = ["user:ann@example.com", "group:team@example.com"].map(str::to_owned);
            named("service_account").into_iter().chain(others).map(Value::from).collect()
        }
        "grant.*.role" => texts(&["roles/viewer", "roles/browser"]),
        "grant.*.on" => {
            ["bucket", "topic", "subscription"].into_iter().flat_map(named).map(Value::from).collect()
        }
        "api.*" => vec![],

        "secret.*.env" => texts(&["PROPERTY_ONE", "PROPERTY_TWO"]),
        "secret.*.file" => texts(&["files/a/one.txt", "files/b/two.txt"]),
        "secret.*.secret_manager" => texts(&["kept-one", "projects/local-cloud/secrets/kept-two"]),
        "secret.*.version" => texts(&["1", "latest"]),

        "cluster.*.release_channel" => texts(&["rapid", "regular", "stable", "extended"]),
        "cluster.*.endpoint" => texts(&["dns", "ip"]),
        "cluster.*.pool.*.machine_type" => texts(&["e2-medium", "e2-standard-4", "n2-highmem-2"]),
        "cluster.*.pool.*.spot" => vec![true.into(), false.into()],
        "cluster.*.pool.*.nodes" => vec![1.into(), 2.into()],
        "cluster.*.pool.*.min_nodes" => vec![0.into(), 1.into()],
        "cluster.*.pool.*.max_nodes" => vec![2.into(), 3.into()],
        "cluster.*.pool.*.disk_gb" => vec![10.into(), 64.into()],

        "job.*.subscription" => keys("subscription"),
        "job.*.bucket" => keys("bucket"),
        "job.*.pool" => texts(&["main/steady", "main/workers"]),
        "job.*.service_account" => keys("service_account"),
        "job.*.image" => texts(&["docker.io/library/python:3.12", "example.com/work:2"]),
        "job.*.worker_image" => texts(&["example.com/worker:1", "example.com/worker:2"]),
        "job.*.reads" | "job.*.writes" => vec![json!([]), json!(named("bucket"))],
        "job.*.concurrency" => vec![1.into(), 7.into(), 1000.into()],
        "job.*.attempts" => vec![1.into(), 5.into(), 100.into()],
        "job.*.item_timeout" => texts(&["1s", "90s", "10m"]),
        "job.*.retry.first" => texts(&["0s", "10s"]),
        "job.*.retry.most" => texts(&["1m", "10m"]),
        "job.*.grace" => texts(&["5s", "15s", "2m"]),
        "job.*.max_run_time" => texts(&["1h", "1d", "9d"]),
        "job.*.max_workers" => vec![1.into(), 3.into()],
        "job.*.cpu_millis" => vec![250.into(), 1000.into(), 1500.into()],
        "job.*.memory_mib" => vec![512.into(), 1024.into(), 1500.into()],

        "job.*.etl.extract" => texts(&["gs://data/in/{item}.csv", "https://example.com/{item}.parquet"]),
        "job.*.etl.load" => texts(&["gs://data/out/{item}.csv", "gs://data/out/{item}/{x}.parquet"]),
        "job.*.etl.rejects" => texts(&["gs://data/bad/{item}.csv", "gs://data/bad/{item}.ndjson.gz"]),
        "job.*.etl.sql" => {
            texts(&["SELECT * FROM input", "SELECT x\nFROM input -- 'quoted' \"words\"\nORDER BY x"])
        }
        "job.*.etl.format" | "job.*.etl.tables.*.format" => texts(&["csv", "ndjson"]),
        "job.*.etl.load_format" => texts(&["csv", "parquet"]),
        "job.*.etl.compression" | "job.*.etl.tables.*.compression" | "job.*.etl.load_compression" => {
            texts(&["none", "gzip", "zstd"])
        }
        "job.*.etl.memory" => texts(&["64MiB", "1GiB"]),
        "job.*.etl.max_input" => texts(&["1MiB", "2GiB"]),
        "job.*.etl.bad_rows" => texts(&["fail", "drop", "reject"]),
        "job.*.etl.tables.*.from" => texts(&["gs://data/codes.csv", "gs://data/codes.ndjson.gz"]),
        "job.*.etl.http.allow_private" => vec![true.into(), false.into()],
        "job.*.etl.http.allowed_hosts" => vec![json!(["example.com"]), json!(["*.example.com", "a.test"])],
        "job.*.etl.http.connect_timeout" | "job.*.etl.http.idle_timeout" => texts(&["5s", "20s"]),
        "job.*.etl.http.timeout" => texts(&["2m", "10m"]),
        "job.*.etl.http.redirects" => vec![0.into(), 5.into()],
        "job.*.etl.http.tries" => vec![1.into(), 4.into()],
        "job.*.etl.http.headers.*" => texts(&["plain", "Zoë"]),
        "job.*.etl.http.headers.*.secret" => keys("secret"),
        "job.*.etl.http.headers.*.prefix" => texts(&["Bearer ", "Token "]),
        _ if field == "nulls" => vec![json!([]), json!(["N/A", ""])],
        _ if pattern.ends_with(".schema.*") => texts(&["int", "string", "decimal(18,4)"]),
        _ if pattern.contains(".schema.*.") => match field {
            "type" => texts(&["double", "string", "timestamp"]),
            "required" => vec![true.into(), false.into()],
            "min" => vec![0.into(), json!(-1.5)],
            "max" => vec![10.into(), json!(1e9)],
            "allowed" => vec![json!(["a", "b"]), json!(["a"])],
            "regex" => texts(&["[a-z]+", "\\d{3}"]),
            "zone" => texts(&["Europe/Berlin", "UTC"]),
            _ => panic!("no values for {pattern}: add some"),
        },

        "job.*.command.argv" => {
            vec![json!(["true"]), json!(["sh", "-c", "echo \"$1\" > 'x'", "gs://data/in/"])]
        }
        "job.*.command.env.*" => texts(&["plain", "gs://data/lists/a.txt"]),
        "job.*.command.load" => texts(&["gs://data/out/{item}/", "gs://data/{item}/out/"]),
        "job.*.command.max_files" => vec![1.into(), 10_000.into()],
        "job.*.command.max_output" | "job.*.command.max_scratch" => texts(&["1MiB", "10GiB"]),
        "job.*.command.secrets" => vec![json!([]), keys("secret").into()],
        "job.*.library.program" => texts(&["my-worker", "/usr/bin/my-worker"]),
        "job.*.library.config" => {
            vec![json!({}), json!({ "list": [1, 2.5, "gs://data/x"], "deep": { "on": true } })]
        }
        _ if pattern.ends_with(".labels.*") => texts(&["blue", "r-2_d", ""]),
        _ => panic!("no values for {pattern}: add some"),
    }
}

/// Takes out of a table what cannot stand together, and puts in what else must be.
pub(super) fn tidy(
    pattern: &str,
    at: &[String],
    table: &mut Map<String, Value>,
    stack: &AnyStack,
    random: &mut Random,
) {
    let put = |table: &mut Map<String, Value>, field: &str, random: &mut Random| {
        let path: Vec<String> = at.iter().cloned().chain([field.to_owned()]).collect();
        let value = random.one(&of(&format!("{pattern}.{field}"), &path, stack)).cloned();
        table.extend(value.map(|value| (field.to_owned(), value)));
    };
    match pattern {
        "cluster.*.pool.*" => {
            if table.contains_key("nodes") {
                table.retain(|field, _| field != "min_nodes" && field != "max_nodes");
            } else if !table.contains_key("max_nodes") {
                put(table, "max_nodes", random);
            }
            if at.last().is_some_and(|key| key == "steady") {
                table.remove("spot");
            }
        }
        "secret.*" => {
            // Each key is of one kind, so that another value is another value of that kind.
            let kept = match at.last().map(String::as_str) {
                Some("in-env") => "env",
                Some("in-file") => "file",
                _ => "secret_manager",
            };
            table.retain(|field, _| match field.as_str() {
                "env" | "file" | "secret_manager" => field == kept,
                "version" => kept == "secret_manager",
                _ => true,
            });
            if !table.contains_key(kept) {
                put(table, kept, random);
            }
        }
        "job.*" => {
            let works = ["etl", "command", "library"];
            let kept = works[random.below(works.len())];
            table.retain(|field, _| !works.contains(&field.as_str()) || field == kept);
            if !table.contains_key(kept) {
                // The least of each.
                table.insert(
                    kept.to_owned(),
                    match kept {
                        "etl" => json!({ "extract": "gs://data/in/{item}.parquet", "load": "gs://data/out/{item}.csv" }),
                        "command" => json!({ "argv": ["true"] }),
                        _ => json!({ "program": "my-worker" }),
                    },
                );
            }
            if kept != "command" {
                table.remove("worker_image");
            }
            if table.get("service_account").is_some_and(Value::is_null) {
                table.remove("service_account");
            }
        }
        "job.*.etl" => {
            if table.get("schema").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
                table.insert("schema".to_owned(), json!({ "x": "int" }));
            }
            if table.get("bad_rows").is_some_and(|bad| bad == "reject") {
                put(table, "rejects", random);
            } else {
                table.remove("rejects");
            }
        }
        "job.*.etl.http.headers.*" if stack.keys("secret").next().is_none() => {
            *table = Map::new();
        }
        "job.*.etl.http.headers" => {
            table.retain(|_, value| value.as_object().is_none_or(|one| !one.is_empty()));
        }
        _ if pattern.ends_with(".schema.*") => {
            let fits: &[&str] = match table["type"].as_str() {
                Some("double") => &["min", "max"],
                Some("timestamp") => &["zone"],
                _ => &["allowed", "regex"],
            };
            table.retain(|field, _| {
                ["type", "required", "nulls"].contains(&field.as_str()) || fits.contains(&field.as_str())
            });
        }
        _ => {}
    }
}
