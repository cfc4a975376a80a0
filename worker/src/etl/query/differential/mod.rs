//! Random queries over random small tables, answered by this engine and by `DuckDB`: two programs that
//! share no line. `DuckDB` comes from `PyPI`; where it is not, the test is skipped.
//!
//! `PROVISION_DIFFERENTIAL=SEED:CASES` runs another, perhaps longer campaign; `PYTHON` names the Python.

#![allow(clippy::print_stderr, reason = "tests tell their figures")]

mod generate;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use contract::Item;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::execution::SessionStateBuilder;
use datafusion::optimizer::Optimizer;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use serde_json::{Value, json};

use self::generate::{Case, Table};
use super::{Named, Query};
use crate::etl::rows::RowsWriter;

const MEMORY: u64 = 64 << 20;
const SEED: u64 = 20_260_131;
const CASES: usize = 240;

/// Rows in no order; numbers to nine digits, for the sums of two programs are rounded differently.
type Answer = Result<Vec<String>, String>;

#[tokio::test]
async fn random_queries_have_the_answers_of_another_engine() {
    let (seed, count) = campaign();
    let cases: Vec<Case> = (0..count as u64).map(|at| Case::random(seed.wrapping_add(at))).collect();
    let Some(theirs) = duckdb(&cases) else { return };
    let refused = theirs.iter().filter(|answer| answer.is_err()).count();
    let different = differences(&cases, &theirs, false).await;
    eprintln!(
        "{count} random queries (seed {seed}), {refused} refused by DuckDB, {} differ",
        different.len()
    );
    for (case, ours, theirs) in different.iter().take(3) {
        eprintln!("{}\n{}\nours {ours:?}\nDuckDB's {theirs:?}\n", case.sql, json!(case.tables_as_json()));
    }
    assert!(different.is_empty());
    assert!(refused * 20 < count, "the queries are not what both engines understand");
    let with_rule = differences(&cases, &theirs, true).await;
    eprintln!("with the rule `{}` put back, {} differ", super::WRONG_RULE, with_rule.len());
    assert!(!with_rule.is_empty(), "the test cannot tell a wrong engine");
}

fn campaign() -> (u64, usize) {
    let asked = std::env::var("PROVISION_DIFFERENTIAL").ok();
    let asked = asked.as_deref().and_then(|text| text.split_once(':'));
    asked.and_then(|(seed, cases)| Some((seed.parse().ok()?, cases.parse().ok()?))).unwrap_or((SEED, CASES))
}

async fn differences<'c>(
    cases: &'c [Case],
    theirs: &'c [Answer],
    rule_put_back: bool,
) -> Vec<(&'c Case, Answer, &'c Answer)> {
    let mut different = Vec::new();
    for (case, theirs) in cases.iter().zip(theirs).filter(|(_, theirs)| theirs.is_ok()) {
        let ours = answer(case, rule_put_back).await;
        if ours != *theirs {
            different.push((case, ours, theirs));
        }
    }
    different
}

async fn answer(case: &Case, rule_put_back: bool) -> Answer {
    let mut query = Query::parse(Some(&case.sql), MEMORY).map_err(|wrong| wrong.to_string())?;
    if rule_put_back {
        let rules = Optimizer::new().rules;
        query.engine =
            SessionStateBuilder::new_from_existing(query.engine).with_optimizer_rules(rules).build();
    }
    let tables = case.tables.iter().map(|table| (table.name.to_owned(), rows(table))).collect::<Vec<Named>>();
    let batches = async { query.run(tables, &Item(String::new())).await?.try_collect::<Vec<_>>().await };
    let batches = batches.await.map_err(|error| error.to_string())?;
    let mut rows: Vec<String> = batches.iter().flat_map(printed).collect();
    rows.sort();
    Ok(rows)
}

fn rows(table: &Table) -> Arc<dyn PartitionStream> {
    let fields = [
        Field::new("id", DataType::Int64, true),
        Field::new("k", DataType::Int64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("x", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("d", DataType::Date32, true),
    ];
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(table.rows.iter().map(|row| Some(row.id)).collect::<Int64Array>()),
        Arc::new(table.rows.iter().map(|row| row.k).collect::<Int64Array>()),
        Arc::new(table.rows.iter().map(|row| row.n).collect::<Int64Array>()),
        Arc::new(table.rows.iter().map(|row| row.x).collect::<Float64Array>()),
        Arc::new(table.rows.iter().map(|row| row.s).collect::<StringArray>()),
        Arc::new(table.rows.iter().map(|row| row.d).collect::<Date32Array>()),
    ];
    let mut writer = RowsWriter::new(schema.clone());
    writer.push(RecordBatch::try_new(schema, columns).expect("a batch")).expect("memory");
    Arc::new(writer.finish().expect("rows"))
}

fn printed(batch: &RecordBatch) -> Vec<String> {
    let cell = |column: &ArrayRef, row: usize| {
        if column.is_null(row) {
            return "null".to_owned();
        }
        if !column.data_type().is_numeric() {
            return format!("{:?}", array_value_to_string(column, row).expect("text"));
        }
        let number = cast(&column.slice(row, 1), &DataType::Float64).expect("a number");
        number_text(number.as_primitive::<Float64Type>().value(0))
    };
    let line = |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(line).collect()
}

/// Nine digits; zero has no sign.
fn number_text(number: f64) -> String {
    if number.abs() < 1e-9 { "0".to_owned() } else { format!("{number:.8e}") }
}

/// `DuckDB`'s answers, or none where it is not installed.
fn duckdb(cases: &[Case]) -> Option<Vec<Answer>> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut child = Command::new(&python)
        .args(["-c", include_str!("duckdb.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| eprintln!("SKIPPED: the differential test (no {python}: {error})"))
        .ok()?;
    let cases: Vec<Value> =
        cases.iter().map(|case| json!({ "tables": case.tables_as_json(), "sql": case.sql })).collect();
    let mut question = child.stdin.take().expect("a pipe");
    // Without DuckDB nobody reads it.
    drop(question.write_all(json!(cases).to_string().as_bytes()));
    drop(question);
    let answer = child.wait_with_output().expect("an end");
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        eprintln!(
            "SKIPPED: the differential test ({})",
            said.lines().last().unwrap_or("DuckDB said nothing")
        );
        return None;
    }
    let answers: Vec<Value> = serde_json::from_slice(&answer.stdout).expect("JSON");
    Some(answers.iter().map(parsed).collect())
}

fn parsed(answer: &Value) -> Answer {
    let Some(rows) = answer.as_array() else { return Err(answer.to_string()) };
    let cell = |cell: &Value| match cell {
        Value::Number(number) => number_text(number.as_f64().expect("a number")),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    let line = |row: &Value| row.as_array().expect("a row").iter().map(cell).collect::<Vec<_>>().join("|");
    let mut rows: Vec<String> = rows.iter().map(line).collect();
    rows.sort();
    Ok(rows)
}
