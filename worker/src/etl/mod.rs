//! The built-in handler: extract an input, give it types, transform it in SQL, load the result.

mod address;
mod columns;
mod compute;
mod diagnostic;
mod extract;
mod functions;
mod host;
mod load;
mod pack;
mod prepare;
mod query;
mod read;
mod rows;
mod scratch;
mod tables;

use std::path::PathBuf;
use std::sync::Arc;

use contract::{BadRows, EtlConfig, Input, Item, Stage};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use futures::future::{BoxFuture, try_join_all};

pub(crate) use self::address::ObjectTemplate;
use self::address::Source;
use self::columns::Columns;
use self::extract::{Fetched, Web};
use self::load::{Form, Outputs};
use self::query::{INPUT, Query};
use self::read::{Policy, Rejects, Written};
use self::tables::{Loaded, Table};
use crate::handler::{Artifact, Destination, Handler, HandlerError, Product, Work};

pub use self::diagnostic::{Diagnostic, Span};
pub use self::extract::{Revisit, revisit};
pub use self::host::Host;

/// The engine with one configuration, made once for a run.
#[derive(Debug)]
pub struct Etl {
    source: Source,
    web: Web,
    local_root: Option<PathBuf>,
    tables: Vec<Table>,
    transform: Arc<Transform>,
    columns: Option<SchemaRef>,
}

/// The part that computes.
#[derive(Debug)]
struct Transform {
    input: Written,
    columns: Arc<Columns>,
    bad_rows: BadRows,
    rejects: Option<Rejecting>,
    query: Query,
    target: ObjectTemplate,
    form: Form,
}

/// Where rejected rows go.
#[derive(Debug)]
struct Rejecting {
    target: ObjectTemplate,
    form: Form,
}

impl Etl {
    /// Checks a configuration whole, and plans its query where the schemas are declared.
    pub async fn prepare(config: &EtlConfig, host: &Host) -> Result<Self, Vec<Diagnostic>> {
        let mut etl = prepare::engine(config, host)?;
        if let Some(declared) = etl.declared() {
            let sql = config.sql.as_deref().unwrap_or_default();
            let columns = etl.transform.query.columns(&declared).await;
            let columns = columns.map_err(|error| vec![Diagnostic::of_query(sql, &error)])?;
            let missing = etl.transform.target.columns().filter(|name| columns.index_of(name).is_err());
            let missing = missing.map(|name| {
                Diagnostic::new("load", format!("the output has no column `{name}` to divide it by"))
            });
            let missing: Vec<_> = missing.collect();
            if !missing.is_empty() {
                return Err(missing);
            }
            etl.columns = Some(columns);
        }
        Ok(etl)
    }

    /// The output's columns, or none if only the input will tell.
    #[must_use]
    pub fn columns(&self) -> Option<&SchemaRef> {
        self.columns.as_ref()
    }

    /// Whether an item may have any other number of outputs than one.
    #[must_use]
    pub fn makes_several(&self) -> bool {
        self.transform.rejects.is_some() || self.transform.target.columns().next().is_some()
    }

    /// The columns of all tables, if all are declared.
    fn declared(&self) -> Option<Vec<(String, SchemaRef)>> {
        let columns = &self.transform.columns;
        let input = (!columns.are_unknown()).then(|| (INPUT.to_owned(), columns.table().clone()));
        let tables =
            self.tables.iter().map(|table| Some((table.name().to_owned(), table.declared()?.clone())));
        std::iter::once(input).chain(tables).collect()
    }

    async fn make(&self, work: &Work<'_>) -> Result<Product, HandlerError> {
        (work.stage)(Stage::Extract);
        let root = self.local_root.as_ref();
        let tables = self.tables.iter().map(|table| table.load(work, root));
        let fetched = extract::fetch(
            &self.source,
            work,
            &self.web,
            root.map(PathBuf::as_path),
            self.transform.input.largest,
        );
        let (tables, fetched) = futures::try_join!(try_join_all(tables), fetched)?;
        (work.stage)(Stage::Transform);
        compute::compute(self.transform.clone().make(fetched, tables, work.item.clone())).await?
    }
}

impl Transform {
    /// Computes the outputs of an input that is here.
    async fn make(
        self: Arc<Self>,
        Fetched { file, input }: Fetched,
        tables: Vec<Loaded>,
        item: Item,
    ) -> Result<Product, HandlerError> {
        let read = read::read(file, self.input, &self.columns, self.policy()?).await?;
        let mut named: Vec<(String, Arc<dyn PartitionStream>)> =
            vec![(INPUT.to_owned(), Arc::new(read.rows))];
        let mut inputs: Vec<Input> = vec![input];
        for table in tables {
            named.push((table.name, table.rows));
            inputs.push(table.input);
        }
        let mut batches = self.query.run(named, &item).await.map_err(|e| judged(&e))?;
        let mut outputs = Outputs::new(&self.target, &item, self.form, batches.schema())?;
        while let Some(batch) = batches.next().await {
            outputs.push(&batch.map_err(|e| judged(&e))?)?;
        }
        let (mut outputs, rows) = outputs.finish()?;
        if let (Some(rejects), Some(body)) = (&self.rejects, read.rejects) {
            outputs.push(Artifact { address: rejects.target.fill(&item)?, body });
        }
        Ok(Product {
            outputs,
            inputs,
            rows_in: Some(read.total),
            rows_rejected: Some(read.rejected),
            rows_out: Some(rows),
        })
    }

    fn policy(&self) -> Result<Policy, HandlerError> {
        Ok(match (self.bad_rows, &self.rejects) {
            (BadRows::Reject, Some(Rejecting { form, .. })) => {
                Policy::Reject(Box::new(Rejects::new(form.format, form.compression)?))
            }
            (BadRows::Drop, _) => Policy::Drop,
            (BadRows::Fail | BadRows::Reject, _) => Policy::Fail,
        })
    }
}

impl Handler for Etl {
    fn destination(&self, item: &Item) -> Result<Destination, HandlerError> {
        if self.makes_several() {
            return Ok(Destination::Several);
        }
        self.transform.target.fill(item).map(Destination::One)
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
