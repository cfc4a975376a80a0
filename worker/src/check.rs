//! Checks a worker's configuration without a cloud: `worker check`.

use contract::{Handler, WorkerConfig};
use serde::{Deserialize, Serialize};

use crate::etl::{Diagnostic, Etl, Host};

/// What is read.
#[derive(Debug, Deserialize)]
pub struct Question {
    /// The configuration, as it will stand in a run's record.
    pub config: WorkerConfig,
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Whether workers can run with it.
    pub ok: bool,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// The output's columns, in order, where they are known before the input is.
    pub columns: Vec<Column>,
}

/// A column of the output.
#[derive(Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the engine calls it.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// Plans the query of a configuration against its declared schema.
pub async fn check(question: &Question) -> Answer {
    let Handler::Etl(config) = &question.config.handler else {
        return Answer { ok: true, diagnostics: Vec::new(), columns: Vec::new() };
    };
    // Whether `file:` may be read is for the one who asks to say: the same stack runs in two places.
    match Etl::prepare(config, &Host::of_check()).await {
        Err(diagnostics) => Answer { ok: false, diagnostics, columns: Vec::new() },
        Ok(etl) => Answer { ok: true, diagnostics: Vec::new(), columns: columns(&etl) },
    }
}

fn columns(etl: &Etl) -> Vec<Column> {
    let fields = etl.columns().into_iter().flat_map(|schema| schema.fields());
    fields
        .map(|field| Column { name: field.name().clone(), data_type: field.data_type().to_string() })
        .collect()
}
