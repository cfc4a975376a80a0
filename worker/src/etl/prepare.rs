//! Turns a configuration into an engine, or into everything that is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{BadRows, Compression, EtlConfig, Format, Named, TableConfig};

use super::address::{ObjectTemplate, Source};
use super::columns::Columns;
use super::diagnostic::Diagnostic;
use super::extract::{Place, Web};
use super::host::Host;
use super::load::Form;
use super::query::{INPUT, Query};
use super::read::Written;
use super::tables::{self, Table};
use super::{Etl, Rejecting, Transform};

const ONLY_LOCAL: &str = "a `file:` address can only be read with --local; put it into a bucket";

/// What is wrong, so far.
#[derive(Default)]
struct Wrong(Vec<Diagnostic>);

impl Wrong {
    fn note(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Diagnostic::new(field, message.into()));
    }

    /// The value, or its error noted.
    fn ok<T>(&mut self, field: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.note(field, message)).ok()
    }

    /// As [`Wrong::ok`], for several errors.
    fn all<T>(&mut self, field: &str, value: Result<T, Vec<String>>) -> Option<T> {
        value.map_err(|messages| messages.into_iter().for_each(|message| self.note(field, message))).ok()
    }
}

/// The engine of a configuration; its query is yet to be planned.
pub(super) fn engine(config: &EtlConfig, host: &Host) -> Result<Etl, Vec<Diagnostic>> {
    let mut wrong = Wrong::default();
    let source = wrong.ok("extract", Source::parse(&config.extract));
    if matches!(source, Some(Source::File(_))) && host.local_root.is_none() {
        wrong.note("extract", ONLY_LOCAL);
    }
    let written = wrong.ok("extract", written(config));
    let columns = wrong.all("schema", Columns::declared(&config.schema, &config.nulls));
    if config.schema.is_empty() && written.is_some_and(|written| written.format != Format::Parquet) {
        wrong.note("schema", "a CSV or NDJSON input needs the names and types of its columns");
    }
    let target = target("load", &config.load, &mut wrong);
    let form = wrong.ok("load", form(&config.load, config.load_format, config.load_compression));
    let rejects = rejects(config, &mut wrong);
    let tables = all_tables(&config.tables, config.max_input, host, &mut wrong);
    let web = wrong.all("http", Web::new(config.http.as_ref(), host));
    let query = Query::parse(config.sql.as_deref(), config.memory).map_err(|error| wrong.0.push(error)).ok();
    let (Some(source), Some(input), Some(columns), Some(target), Some(form), Some(tables)) =
        (source, written, columns, target, form, tables)
    else {
        return Err(wrong.0);
    };
    let (Some(web), Some(query), true) = (web, query, wrong.0.is_empty()) else { return Err(wrong.0) };
    let bad_rows = config.bad_rows;
    let columns = Arc::new(columns);
    let transform = Arc::new(Transform { input, columns, bad_rows, rejects, query, target, form });
    let local_root = host.local_root.clone();
    Ok(Etl { source, web, local_root, tables, transform, columns: None })
}

/// How the input is written down.
fn written(config: &EtlConfig) -> Result<Written, String> {
    let named = Named::of(&config.extract);
    let format = config.format.or(named.format).ok_or_else(|| unknown(&config.extract, "format"))?;
    let compression = config.compression.unwrap_or(named.compression);
    Ok(Written { format, compression, largest: config.max_input })
}

/// How an output is written down.
fn form(address: &str, format: Option<Format>, compression: Option<Compression>) -> Result<Form, String> {
    let named = Named::of(address);
    let format = format.or(named.format).ok_or_else(|| unknown(address, "load_format"))?;
    if format == Format::Parquet && named.compression != Compression::None {
        return Err(format!(
            "`{address}`: Parquet is compressed inside, not around; end it in .parquet and set `load_compression`"
        ));
    }
    Ok(Form { format, compression: compression.unwrap_or(named.compression) })
}

fn unknown(address: &str, key: &str) -> String {
    format!(
        "`{address}` ends in none of .csv, .ndjson, .jsonl and .parquet, so its format is unknown; set `{key}`"
    )
}

/// The address of an output, which each item must have for itself.
fn target(field: &str, address: &str, wrong: &mut Wrong) -> Option<ObjectTemplate> {
    let target = wrong.ok(field, ObjectTemplate::parse(address))?;
    if !target.names_the_item() {
        wrong.note(field, "there is no {item} in it: all items would have one output");
    }
    Some(target)
}

/// Where rejected rows go, if anywhere.
fn rejects(config: &EtlConfig, wrong: &mut Wrong) -> Option<Rejecting> {
    let address = match (&config.rejects, config.bad_rows) {
        (Some(address), BadRows::Reject) => address,
        (None, BadRows::Reject) => {
            wrong.note("rejects", "`bad_rows = \"reject\"` needs to know where to: `rejects = \"gs://BUCKET/rejects/{item}.csv\"`");
            return None;
        }
        (Some(_), _) => {
            wrong.note("rejects", "rows are only kept with `bad_rows = \"reject\"`");
            return None;
        }
        (None, _) => return None,
    };
    let target = target("rejects", address, wrong)?;
    let target = wrong.ok("rejects", target.without_columns())?;
    if address == &config.load {
        wrong.note("rejects", "rejected rows need a name of their own, not that of `load`");
    }
    let Named { format: Some(format @ (Format::Csv | Format::Ndjson)), compression } = Named::of(address)
    else {
        wrong.note("rejects", format!("`{address}` ends in neither .csv nor .ndjson"));
        return None;
    };
    Some(Rejecting { target, form: Form { format, compression } })
}

fn all_tables(
    configs: &BTreeMap<String, TableConfig>,
    largest: u64,
    host: &Host,
    wrong: &mut Wrong,
) -> Option<Vec<Table>> {
    let tables = configs.iter().map(|(name, config)| table(name, config, largest, host, wrong));
    // Every table is looked at, whatever is wrong with those before it.
    tables.collect::<Vec<_>>().into_iter().collect()
}

fn table(name: &str, config: &TableConfig, largest: u64, host: &Host, wrong: &mut Wrong) -> Option<Table> {
    let at = |key: &str| format!("tables.{name}.{key}");
    if !tables::is_name(name) || name == INPUT {
        let message = "the name of a table has a-z, 0-9 and _, begins with no digit, and is not `input`";
        wrong.note(format!("tables.{name}"), message);
    }
    let from = wrong.ok(&at("from"), tables::place(config));
    if matches!(from, Some(Place::File(_))) && host.local_root.is_none() {
        wrong.note(at("from"), ONLY_LOCAL);
    }
    let named = Named::of(&config.from);
    let format = config.format.or(named.format).ok_or_else(|| unknown(&config.from, "format"));
    let format = wrong.ok(&at("from"), format);
    if config.schema.is_empty() && format.is_some_and(|format| format != Format::Parquet) {
        wrong.note(at("schema"), "a CSV or NDJSON table needs the names and types of its columns");
    }
    let columns = wrong.all(&at("schema"), Columns::declared(&config.schema, &config.nulls))?;
    let compression = config.compression.unwrap_or(named.compression);
    let written = Written { format: format?, compression, largest };
    Some(Table::new(name, from?, written, Arc::new(columns)))
}
