//! Checks a worker's configuration without a cloud: `worker check`.

use contract::{Handler, WorkerConfig};
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::etl::{Diagnostic, Etl, Host};

/// What is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    /// The configuration, as it will stand in a run's record.
    pub config: WorkerConfig,
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// Whether workers can run with it.
    pub ok: bool,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// The output's columns, in order, where they are known before the input is.
    pub columns: Vec<Column>,
}

/// A column of the output.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the engine calls it.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// Plans the query of an etl against its declared schema, or looks at a command's settings.
pub(crate) async fn check(question: &Question) -> Answer {
    // Whether `file:` may be read is for the one who asks to say: the same stack runs in two places.
    let host = Host::of_check();
    let columns = match &question.config.handler {
        Handler::Etl(config) => Etl::prepare(config, &host).await.map(|etl| columns(&etl)),
        Handler::Command(config) => Command::prepare(config, &host).map(|_| Vec::new()),
        // What is in it only the user's own worker knows.
        Handler::Library(_) => Ok(Vec::new()),
    };
    match columns {
        Ok(columns) => Answer { ok: true, diagnostics: Vec::new(), columns },
        Err(diagnostics) => Answer { ok: false, diagnostics, columns: Vec::new() },
    }
}

fn columns(etl: &Etl) -> Vec<Column> {
    let fields = etl.columns().into_iter().flat_map(|schema| schema.fields());
    fields
        .map(|field| Column { name: field.name().clone(), data_type: field.data_type().to_string() })
        .collect()
}
