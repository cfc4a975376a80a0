//! What a stack file may say of an etl, and the buckets it means. What its columns, query and headers
//! may be is the engine's to say: `worker check`.

use anyhow::{Result, bail};
use contract::{EtlConfig, Format, Named};

use crate::stack::{FieldProblem, Scope};

/// Where `{item}` stands in an address.
const ITEM: &str = "{item}";
const ENDINGS: &str = ".csv, .ndjson, .jsonl or .parquet, and perhaps .gz or .zst";

/// An address of an etl.
struct Place<'a> {
    /// The path of its key.
    field: Vec<&'a str>,
    address: &'a str,
    /// Whether it is written to.
    written: bool,
    /// Whether columns of the output may stand in it.
    divided: bool,
    /// The format that a key beside it names.
    format: Option<Format>,
    /// That key.
    key: &'static str,
}

/// What is wrong with an etl that no single value shows.
pub(super) fn problems(etl: &EtlConfig) -> Vec<FieldProblem> {
    let mut problems: Vec<FieldProblem> = addresses(etl).iter().flat_map(problems_of).collect();
    let at = |field: &str, what: String| FieldProblem::at(&["etl", field], what);
    let named = etl.format.or(Named::of(&etl.extract).format);
    if etl.schema.is_empty() && named.is_some_and(|format| format != Format::Parquet) {
        problems.push(
            FieldProblem::at(&["etl"], "CSV and NDJSON need a `schema`")
                .help("schema = { date = \"date\", rate = \"double\" }"),
        );
    }
    if etl.load == etl.extract {
        problems.push(at("load", "the output would overwrite the input".into()).help("give it another name"));
    }
    if etl.memory < 16 << 20 {
        problems.push(at("memory", "a query needs 16MiB at least".into()));
    }
    problems
}

/// All addresses of an etl.
fn addresses(etl: &EtlConfig) -> Vec<Place<'_>> {
    let read = |field, address, format| Place {
        field,
        address,
        written: false,
        divided: false,
        format,
        key: "format",
    };
    let mut all = vec![read(vec!["etl", "extract"], &etl.extract, etl.format)];
    for (name, table) in &etl.tables {
        all.push(read(vec!["etl", "tables", name, "from"], &table.from, table.format));
    }
    let load = Place {
        field: vec!["etl", "load"],
        address: &etl.load,
        written: true,
        divided: true,
        format: etl.load_format,
        key: "load_format",
    };
    all.push(load);
    all.extend(etl.rejects.iter().map(|address| Place {
        field: vec!["etl", "rejects"],
        address,
        written: true,
        divided: false,
        format: None,
        key: "",
    }));
    all
}

fn problems_of(place: &Place<'_>) -> Vec<FieldProblem> {
    let address = place.address;
    let at = |what: String| FieldProblem::at(&place.field, what);
    let mut problems = Vec::new();
    let table = place.field.contains(&"tables");
    let scheme = address.split_once(':').map(|(scheme, _)| scheme);
    let (known, help) = match (place.written, table) {
        (true, _) => (matches!(scheme, Some("gs")), "gs://BUCKET/OBJECT"),
        (false, true) => {
            (matches!(scheme, Some("gs" | "file")), "gs://BUCKET/OBJECT, or file:PATH with `--local`")
        }
        (false, false) => (
            matches!(scheme, Some("gs" | "https" | "http" | "file")),
            "gs://BUCKET/OBJECT, https://…, or file:PATH with `--local`",
        ),
    };
    if !known {
        problems.push(at(format!("`{address}` is not an address")).help(help));
    }
    if authority(address).contains('{') {
        problems.push(at("`{item}` may not choose the host or the bucket".into()));
    }
    if place.written && !address.contains(ITEM) {
        problems
            .push(at("every item would overwrite the same object".into()).help("put `{item}` in its name"));
    }
    if place.format.or(Named::of(address).format).is_none() {
        let help = if place.key.is_empty() {
            ENDINGS.to_owned()
        } else {
            format!("{ENDINGS}; or set `{}`", place.key)
        };
        problems.push(at(format!("the ending of `{address}` tells no format")).help(help));
    }
    if let Some(brace) = stray_brace(address, place.divided) {
        let known =
            if table { "a table is the same for every item" } else { "the only placeholder is `{item}`" };
        problems.push(at(format!("`{brace}` stands for nothing here")).help(known));
    }
    if place.written && in_bucket(address).is_some_and(|(_, object)| object.starts_with("runs/")) {
        problems.push(at("`runs/` is where the stack's runs are recorded".into()));
    }
    problems
}

/// The etl with the cloud names of the stack's buckets.
pub(super) fn resolved(etl: &EtlConfig, scope: &Scope) -> Result<EtlConfig> {
    if let Some(local) = addresses(etl).iter().find(|place| place.address.starts_with("file:"))
        && !scope.project.local
    {
        bail!(
            "`{} = \"{}\"`: a local file can only be read with `--local`; keep it in a bucket (`files = …`)",
            local.field[1..].join("."),
            local.address
        );
    }
    let resolve = |address: &str| match in_bucket(address) {
        Some((bucket, object)) if scope.has("bucket", bucket) => {
            format!("gs://{}/{object}", scope.name("bucket", bucket))
        }
        _ => address.to_owned(),
    };
    let mut resolved = etl.clone();
    resolved.extract = resolve(&etl.extract);
    resolved.load = resolve(&etl.load);
    resolved.rejects = etl.rejects.as_deref().map(resolve);
    for table in resolved.tables.values_mut() {
        table.from = resolve(&table.from);
    }
    Ok(resolved)
}

/// The stack's buckets that an etl uses, with the role that it needs on each.
pub(super) fn buckets<'a>(
    etl: &'a EtlConfig,
    scope: &'a Scope,
) -> impl Iterator<Item = (&'a str, &'static str)> + use<'a> {
    let role = |written| if written { "roles/storage.objectUser" } else { "roles/storage.objectViewer" };
    let uses = addresses(etl).into_iter().map(move |place| (place.address, role(place.written)));
    let buckets = uses.filter_map(|(address, role)| Some((in_bucket(address)?.0, role)));
    buckets.filter(|(bucket, _)| scope.has("bucket", bucket))
}

pub(super) fn in_bucket(address: &str) -> Option<(&str, &str)> {
    address.strip_prefix("gs://")?.split_once('/')
}

fn authority(address: &str) -> &str {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// A brace that is no placeholder, with what stands in it.
pub(super) fn stray_brace(address: &str, columns_too: bool) -> Option<String> {
    let mut rest = address.replace(ITEM, "");
    while let Some(start) = rest.find(['{', '}']) {
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
        let found = &rest[start..end];
        let name = found.strip_prefix('{').and_then(|found| found.strip_suffix('}'));
        let is_column = columns_too && name.is_some_and(|name| !name.is_empty() && !name.contains('{'));
        if !is_column {
            return Some(found.to_owned());
        }
        rest.replace_range(start..end, "");
    }
    None
}
