//! What a stack file may say of an etl, and the buckets it means.

use anyhow::{Result, bail};
use contract::EtlConfig;

use crate::stack::{FieldProblem, Scope};

/// Where `{item}` stands in an address.
const ITEM: &str = "{item}";

/// What is wrong with an etl that no single value shows.
pub(super) fn problems(etl: &EtlConfig) -> Vec<FieldProblem> {
    let at = |field: &str, what: String| FieldProblem::at(&["etl", field], what);
    let mut problems = Vec::new();
    let scheme = etl.extract.split_once(':').map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("gs" | "https" | "http" | "file")) {
        let help = "gs://BUCKET/OBJECT, https://…, or file:PATH with `--local`";
        problems.push(at("extract", format!("`{}` is not an address", etl.extract)).help(help));
    }
    if authority(&etl.extract).contains('{') {
        problems.push(at("extract", "`{item}` may not choose the host or the bucket".into()));
    }
    if !etl.load.starts_with("gs://") {
        problems.push(at("load", format!("`{}` is not an object", etl.load)).help("gs://BUCKET/OBJECT"));
    }
    if authority(&etl.load).contains('{') {
        problems.push(at("load", "`{item}` may not choose the bucket".into()));
    }
    if !etl.load.contains(ITEM) {
        problems.push(
            at("load", "every item would overwrite the same object".into()).help("put `{item}` in its name"),
        );
    }
    for (field, address) in [("extract", &etl.extract), ("load", &etl.load)] {
        match format(address) {
            Some("csv") if field == "extract" && etl.schema.is_empty() => {
                problems.push(
                    FieldProblem::at(&["etl"], "CSV needs a `schema`")
                        .help("date = \"date\"\nrate = \"double\""),
                );
            }
            Some(_) => {}
            None => {
                let what = format!("the ending of `{address}` tells no format");
                problems.push(at(field, what).help(".csv or .parquet"));
            }
        }
        if let Some(brace) = stray_brace(address) {
            let what = format!("`{brace}` stands for nothing here");
            problems.push(at(field, what).help("the only placeholder is `{item}`"));
        }
    }
    if in_bucket(&etl.load).is_some_and(|(_, object)| object.starts_with("runs/")) {
        problems.push(at("load", "`runs/` is where the stack's runs are recorded".into()));
    }
    if etl.load == etl.extract {
        problems.push(at("load", "the output would overwrite the input".into()).help("give it another name"));
    }
    if etl.memory < 16 << 20 {
        problems.push(at("memory", "a query needs 16MiB at least".into()));
    }
    problems
}

/// The etl with the cloud names of the stack's buckets.
pub(super) fn resolved(etl: &EtlConfig, scope: &Scope) -> Result<EtlConfig> {
    if etl.extract.starts_with("file:") && !scope.project.local {
        bail!(
            "`extract = \"{}\"`: a local file can only be read with `--local`; keep it in a bucket (`files = …`)",
            etl.extract
        );
    }
    let resolve = |address: &str| match in_bucket(address) {
        Some((bucket, object)) if scope.has("bucket", bucket) => {
            format!("gs://{}/{object}", scope.name("bucket", bucket))
        }
        _ => address.to_owned(),
    };
    Ok(EtlConfig { extract: resolve(&etl.extract), load: resolve(&etl.load), ..etl.clone() })
}

/// The stack's buckets that an etl uses, with the role that it needs on each.
pub(super) fn buckets<'a>(
    etl: &'a EtlConfig,
    scope: &'a Scope,
) -> impl Iterator<Item = (&'a str, &'static str)> + use<'a> {
    let uses = [(&etl.extract, "roles/storage.objectViewer"), (&etl.load, "roles/storage.objectUser")];
    let buckets = uses.into_iter().filter_map(|(address, role)| Some((in_bucket(address)?.0, role)));
    buckets.filter(|(bucket, _)| scope.has("bucket", bucket))
}

fn in_bucket(address: &str) -> Option<(&str, &str)> {
    address.strip_prefix("gs://")?.split_once('/')
}

fn authority(address: &str) -> &str {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn format(address: &str) -> Option<&'static str> {
    let path = match address.starts_with("http") {
        true => address.split(['?', '#']).next().unwrap_or_default(),
        false => address,
    };
    [".csv", ".parquet"].into_iter().find(|ending| path.ends_with(ending)).map(|ending| &ending[1..])
}

fn stray_brace(address: &str) -> Option<String> {
    let rest = address.replace(ITEM, "");
    let start = rest.find(['{', '}'])?;
    let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
    Some(rest[start..end].to_owned())
}
