//! The built-in handler: extract an input, give it types, transform it in SQL, load the result.

mod address;
mod compute;
mod csv;
mod diagnostic;
mod extract;
mod load;
mod numerics;
mod parquet;
mod query;
mod rows;
mod schema;
mod scratch;

use std::path::PathBuf;
use std::sync::Arc;

use contract::{BadRows, EtlConfig, Item, Schema, Stage};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use futures::future::BoxFuture;

use self::address::{Format, ObjectTemplate, Source};
use self::extract::{Fetched, Web};
use self::query::Query;
use crate::handler::{Handler, HandlerError, ObjectAddress, Product, Work};

pub use self::diagnostic::{Diagnostic, Span};

/// The engine with one configuration, made once for a run.
pub struct Etl {
    source: Source,
    web: Web,
    local_root: Option<PathBuf>,
    transform: Arc<Transform>,
    columns: Option<SchemaRef>,
    target: ObjectTemplate,
}

/// The part that computes.
struct Transform {
    input: Format,
    schema: Schema,
    bad_rows: BadRows,
    query: Query,
    output: Format,
}

impl Etl {
    /// Checks a configuration whole, and plans its query where the schema is declared.
    /// `local_root` is the folder that `file:` inputs may be read from.
    pub async fn prepare(config: &EtlConfig, local_root: Option<PathBuf>) -> Result<Self, Vec<Diagnostic>> {
        let mut etl = Self::parse(config, local_root)?;
        if !config.schema.is_empty() {
            let sql = config.sql.as_deref().unwrap_or_default();
            let columns = etl.transform.query.columns(&schema::table(&config.schema)).await;
            etl.columns = Some(columns.map_err(|error| vec![Diagnostic::of_query(sql, &error)])?);
        }
        Ok(etl)
    }

    /// The output's columns, or none if only the input will tell.
    #[must_use]
    pub fn columns(&self) -> Option<&SchemaRef> {
        self.columns.as_ref()
    }

    /// Everything that is wrong at once, or an engine.
    fn parse(config: &EtlConfig, local_root: Option<PathBuf>) -> Result<Self, Vec<Diagnostic>> {
        let mut wrong = Vec::new();
        let mut note = |field, message| wrong.push(Diagnostic::new(field, message));
        let source = Source::parse(&config.extract).map_err(|e| note("extract", e)).ok();
        let target = ObjectTemplate::parse(&config.load).map_err(|e| note("load", e)).ok();
        let output = Format::of(&config.load).map_err(|e| note("load", e)).ok();
        if target.as_ref().is_some_and(|target| !target.names_the_item()) {
            note("load", "there is no {item} in it: all items would have one output".to_owned());
        }
        if matches!(source, Some((Source::File(_), _))) && local_root.is_none() {
            note("extract", "a `file:` input can only be read with --local; put it into a bucket".to_owned());
        }
        if config.schema.is_empty() && matches!(source, Some((_, Format::Csv))) {
            note("schema", "a CSV input needs the names and types of its columns".to_owned());
        }
        let web = Web::new(local_root.is_some()).map_err(|e| note("extract", format!("{e:#}"))).ok();
        let query = Query::parse(config.sql.as_deref(), config.memory).map_err(|e| wrong.push(e)).ok();
        let (Some((source, input)), Some(target), Some(output), Some(web), Some(query), true) =
            (source, target, output, web, query, wrong.is_empty())
        else {
            return Err(wrong);
        };
        let (schema, bad_rows) = (config.schema.clone(), config.bad_rows);
        let transform = Arc::new(Transform { input, schema, bad_rows, query, output });
        Ok(Self { source, web, local_root, transform, columns: None, target })
    }

    async fn make(&self, work: &Work<'_>) -> Result<Product, HandlerError> {
        (work.stage)(Stage::Extract);
        let fetched = extract::fetch(&self.source, work, &self.web, self.local_root.as_deref()).await?;
        (work.stage)(Stage::Transform);
        compute::compute(self.transform.clone().make(fetched, work.item.clone())).await?
    }
}

impl Transform {
    /// Computes the output of an input that is here.
    async fn make(
        self: Arc<Self>,
        Fetched { file, input }: Fetched,
        item: Item,
    ) -> Result<Product, HandlerError> {
        let read = match self.input {
            Format::Csv => csv::read(file, &self.schema, self.bad_rows).await?,
            Format::Parquet => parquet::read(&file, &self.schema).await?,
        };
        let mut batches = self.query.run(Arc::new(read.rows), &item).await.map_err(|e| judged(&e))?;
        let mut output = load::Output::new(self.output, &batches.schema())?;
        while let Some(batch) = batches.next().await {
            output.push(&batch.map_err(|e| judged(&e))?)?;
        }
        let (body, rows) = output.finish()?;
        Ok(Product {
            body,
            inputs: vec![input],
            rows_in: Some(read.total),
            rows_rejected: Some(read.rejected),
            rows_out: Some(rows),
        })
    }
}

impl Handler for Etl {
    fn destination(&self, item: &Item) -> Result<ObjectAddress, HandlerError> {
        self.target.fill(item)
    }

    fn process<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Product, HandlerError>> {
        Box::pin(async move { self.make(&work).await })
    }
}

fn judged(error: &DataFusionError) -> HandlerError {
    let permanent = query::is_permanent(error);
    let error = anyhow::anyhow!("the query failed: {}", diagnostic::words(error));
    if permanent { HandlerError::Permanent(error) } else { HandlerError::Retry(error) }
}
