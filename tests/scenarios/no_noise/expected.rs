//! What an edit means: the changes that must come of it, and those that may. Where nothing is said of a
//! field, its own resource changes in that field, and nothing else does.

use scenarios::any_stack::{AnyStack, Edit};
use serde_json::Value;

/// The changes of a plan.
pub(super) struct Expected {
    /// Addresses that must be in it.
    must: Vec<String>,
    /// Beginnings of addresses that may be in it, too.
    may: Vec<String>,
    /// The field that must be the only one to change, of the address that must be there.
    only: Option<String>,
}

/// No change at all.
pub(super) fn nothing() -> Expected {
    Expected { must: Vec::new(), may: Vec::new(), only: None }
}

/// What comes of an edit of a stack.
pub(super) fn of(stack: &AnyStack, edit: &Edit) -> Expected {
    let (table, key) = (edit.path[0].as_str(), edit.path.get(1).map_or("", String::as_str));
    let field = edit.path.get(2).map_or("", String::as_str);
    let address = format!("{table}.{key}");
    let exactly = |must: Vec<String>| Expected { must, may: Vec::new(), only: None };
    let with = |must: Vec<String>, may: &[&str]| Expected {
        must,
        may: may.iter().map(|&one| one.to_owned()).collect(),
        only: None,
    };
    let own = || Expected { only: Some(field.to_owned()), ..exactly(vec![address.clone()]) };
    let jobs_with = |field: &str, value: &str| -> Vec<String> {
        let jobs = [stack, &edit.stack].into_iter().flat_map(|stack| {
            let of = |job: &&str| stack.0["job"][*job][field] == value;
            stack.keys("job").filter(of).map(|job| format!("job.{job}")).collect::<Vec<_>>()
        });
        jobs.collect()
    };
    let is_new = edit.path.len() == 2;
    match (table, field) {
        ("stack", _) => of_header(stack, edit),
        (_, "timeout" | "existing") => exactly(Vec::new()),
        // Others lie on it, or name it.
        (_, "name") if table != "api" => with(
            vec![address],
            &[
                "topic.",
                "subscription.",
                "bucket",
                "grant.",
                "job.",
                "cluster.",
                "node_pool.",
                "namespace.",
                "kubernetes_service_account.",
                "secret.",
                "service_account.",
            ],
        ),
        ("topic" | "service_account", _) if is_new => exactly(vec![address]),
        ("bucket", _) if is_new => with(vec![address], &["bucket_file."]),
        ("subscription", _) if is_new => with(
            vec![address.clone()],
            &[
                &format!("topic.{key}-dead"),
                &format!("subscription.{key}-dead"),
                &format!("grant.{key}-dead"),
                "grant.pubsub ",
            ],
        ),
        ("grant", _) | ("job", "reads" | "writes") => with(vec![], &["grant."]),
        ("api", _) => with(vec![], &["api."]),
        ("subscription", "topic" | "filter") => with(vec![address], &["grant.", "job."]),
        ("subscription", "ack_deadline") => exactly([vec![address], jobs_with("subscription", key)].concat()),
        ("subscription", "retry") if edit.path.last().is_some_and(|field| field == "min") => own(),
        ("subscription", "retry") => with(
            vec![address],
            &jobs_with("subscription", key).iter().map(String::as_str).collect::<Vec<_>>(),
        ),
        ("subscription", "labels") => {
            exactly(vec![address.clone(), format!("{address}-dead"), format!("topic.{key}-dead")])
        }
        ("bucket", "location") => with(vec![address], &["bucket_file.", "grant."]),
        ("bucket", "files") => with(vec![], &[&format!("bucket_file.{key}/")]),
        ("cluster", _) if is_new => {
            let with_it = ["node_pool.", "grant.", "service_account.", "namespace.", "secret.", "api."];
            with(vec![address], &with_it)
        }
        ("cluster", "pool") => of_pool(stack, edit),
        ("secret", _) => with(vec![], &["secret.", "job.", "grant."]),
        // A run asks for it when it starts.
        ("job", "max_workers") => nothing(),
        ("job", _) if is_new => with(
            vec![],
            &["job.", "bucket.", "grant.", "namespace.", "kubernetes_service_account.", "secret.", "api."],
        ),
        ("job", "subscription" | "bucket" | "max_run_time") => with(vec![address], &["grant.", "bucket."]),
        ("job", "service_account") => {
            with(vec![format!("kubernetes_service_account.main/{key}")], &["grant.", "api."])
        }
        ("job", "etl" | "command" | "library") => with(vec![address], &["grant.", "secret.", "api."]),
        ("job", "cpu_millis" | "memory_mib" | "pool" | "image") => with(vec![], &[&address]),
        ("job", _) => exactly(vec![address]),
        _ => own(),
    }
}

/// Of `[stack]`.
fn of_header(stack: &AnyStack, edit: &Edit) -> Expected {
    let labelled = |table: &'static str| {
        stack.keys(table).flat_map(move |key| {
            let own = format!("{table}.{key}");
            match table {
                "subscription" => vec![own.clone(), format!("{own}-dead"), format!("topic.{key}-dead")],
                _ => vec![own],
            }
        })
    };
    let all = || ["topic", "subscription", "bucket", "cluster"].into_iter().flat_map(labelled).collect();
    let must = match edit.path[1].as_str() {
        "labels" | "expires" => all(),
        "protect" => {
            let named = |stack: &AnyStack| -> Vec<String> {
                let all = stack.0["stack"]["protect"].as_array().cloned().unwrap_or_default();
                all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
            };
            let (before, after) = (named(stack), named(&edit.stack));
            let only = |a: &[String], b: &[String]| {
                a.iter().filter(|one| !b.contains(one)).cloned().collect::<Vec<_>>()
            };
            [only(&before, &after), only(&after, &before)].concat()
        }
        _ => Vec::new(),
    };
    Expected { must, may: Vec::new(), only: Some("labels".to_owned()) }
}

fn of_pool(stack: &AnyStack, edit: &Edit) -> Expected {
    let pool = format!("{}/{}", edit.path[1], edit.path[3]);
    let limits = |stack: &AnyStack| {
        let of = &stack.0["cluster"][&edit.path[1]]["pool"][&edit.path[3]];
        let or = |field: &str, or: u64| of["nodes"].as_u64().or(of[field].as_u64()).unwrap_or(or);
        (or("min_nodes", 0), or("max_nodes", 1))
    };
    let is_size = edit.path.get(4).is_some_and(|field| field.ends_with("nodes"));
    if is_size && limits(stack) == limits(&edit.stack) {
        return nothing();
    }
    let address = format!("node_pool.{pool}");
    let jobs: Vec<String> = stack
        .keys("job")
        .filter(|job| stack.0["job"][*job]["pool"] == pool)
        .map(|job| format!("job.{job}"))
        .collect();
    let may = match edit.path.get(4).map(String::as_str) {
        Some("machine_type" | "spot") => jobs,
        _ => Vec::new(),
    };
    Expected { must: vec![address], may, only: None }
}

impl Expected {
    /// What of a plan's changes is otherwise.
    pub(super) fn wrong(&self, changes: &[Value]) -> Vec<String> {
        let text = |change: &Value, key: &str| change[key].as_str().unwrap_or_default().to_owned();
        let addresses: Vec<String> = changes.iter().map(|change| text(change, "address")).collect();
        let missing = self.must.iter().filter(|must| !addresses.contains(must));
        let mut wrong: Vec<String> = missing.map(|must| format!("{must} does not change")).collect();
        for change in changes {
            let address = text(change, "address");
            let is_a_must = self.must.contains(&address);
            if !is_a_must && !self.may.iter().any(|may| address.starts_with(may.as_str())) {
                wrong.push(format!("{address} changes"));
            }
            let others = |field: &&str| {
                change["fields"].as_array().into_iter().flatten().any(|one| {
                    let path = text(one, "path");
                    path.split(['.', '[']).next() != Some(*field)
                })
            };
            if is_a_must && self.only.as_deref().is_some_and(|only| others(&only)) {
                wrong.push(format!("of {address} changes more than that"));
            }
            // Nobody touched the cloud, and this is the version that wrote it.
            let reason = text(change, "reason");
            if reason.starts_with("changed outside") || reason.starts_with("new default") {
                wrong.push(format!("{address}: {reason}"));
            }
        }
        wrong
    }
}
