//! The query over the table `input` and the tables beside it: one SELECT, planned by `DataFusion`, with
//! `$item` as a value. Nothing in it can reach a file, a network or any other table.

mod distinct_from;

use std::ops::ControlFlow;
use std::sync::Arc;

use contract::Item;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider,
};
use datafusion::common::Span;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::Dialect;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Expr, Value, visit_expressions_mut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::diagnostic::Diagnostic;
use super::functions;

/// The table of an item's rows.
pub(super) const INPUT: &str = "input";
/// The one parameter of a query.
const PARAMETER: &str = "$item";
const ONLY_SELECT: &str = "a query is one SELECT over `input` and the tables beside it, and nothing else";
/// Words and signs of a query at most: the engine descends a level of its stack for each in a chain,
/// and [`crate::STACK`] holds these.
const MOST_TOKENS: usize = 5_000;
/// Drops join keys in some shapes, and with them the right answer.
const WRONG_RULE: &str = "eliminate_cross_join";
/// Parallelism is in items, not within one; and one partition keeps rows in order.
const PARTITIONS: usize = 1;

/// A table as a query reads it: its name and its rows.
pub(super) type Named = (String, Arc<dyn PartitionStream>);

/// A parsed query. Cheap to run many times, each time over another input.
#[derive(Debug)]
pub(super) struct Query {
    statement: ast::Statement,
    engine: SessionState,
    memory: usize,
}

impl Query {
    /// Parses a query, or the one that passes all rows as they are.
    pub(super) fn parse(sql: Option<&str>, memory: u64) -> std::result::Result<Self, Diagnostic> {
        let sql = sql.unwrap_or("SELECT * FROM input");
        let memory = usize::try_from(memory).unwrap_or(usize::MAX);
        if tokens(sql) > MOST_TOKENS {
            let message = format!("a query has at most {MOST_TOKENS} words and signs");
            return Err(Diagnostic::at(sql, message, None));
        }
        let engine = engine(memory);
        let parsed =
            engine.sql_to_statement(sql, &Dialect::PostgreSQL).map_err(|error| match error.find_root() {
                DataFusionError::SQL(..) => Diagnostic::of_query(sql, &error),
                // None, or more than one.
                _ => only_select(sql),
            })?;
        let Statement::Statement(statement) = parsed else { return Err(only_select(sql)) };
        if !matches!(*statement, ast::Statement::Query(_)) {
            return Err(only_select(sql));
        }
        let statement = *statement;
        if let ControlFlow::Break(place) = distinct_from::swallowing(&statement) {
            let message = "what follows `IS [NOT] DISTINCT FROM` here would all be its right side".to_owned();
            let help = vec![distinct_from::HINT.to_owned()];
            return Err(Diagnostic { help, ..Diagnostic::at(sql, message, place) });
        }
        bind(statement.clone(), &Item(String::new())).map_err(|(unknown, span)| {
            let message = format!("there is no parameter `{unknown}`; the only one is `{PARAMETER}`");
            Diagnostic::at(sql, message, span)
        })?;
        Ok(Self { statement, engine, memory })
    }

    /// The columns that the query makes of tables of these names and columns.
    pub(super) async fn columns(&self, tables: &[(String, SchemaRef)]) -> Result<SchemaRef> {
        let any = Item("item".to_owned());
        let empty = |(name, columns): &(String, SchemaRef)| -> Named {
            (name.clone(), Arc::new(Columns(columns.clone())))
        };
        let (engine, plan) = self.plan(tables.iter().map(empty).collect(), &any).await?;
        match engine.create_physical_plan(&plan).await {
            // A constant that does not compute: of this item's key, perhaps, and not of another's.
            Err(error) if matches!(error.find_root(), DataFusionError::ArrowError(..)) => {}
            planned => drop(planned?),
        }
        Ok(Arc::clone(plan.schema().inner()))
    }

    /// The query's rows over these tables.
    pub(super) async fn run(&self, tables: Vec<Named>, item: &Item) -> Result<SendableRecordBatchStream> {
        let (engine, plan) = self.plan(tables, item).await?;
        let plan = interruptible(engine.create_physical_plan(&plan).await?)?;
        execute_stream(plan, engine.task_ctx())
    }

    async fn plan(&self, tables: Vec<Named>, item: &Item) -> Result<(SessionState, LogicalPlan)> {
        let engine = self.engine_over(tables)?;
        let statement = bind(self.statement.clone(), item)
            .map_err(|(unknown, _)| DataFusionError::Plan(format!("there is no parameter `{unknown}`")))?;
        let plan = engine.statement_to_plan(Statement::Statement(Box::new(statement))).await?;
        let read_only =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(|_| DataFusionError::Plan(ONLY_SELECT.to_owned()))?;
        Ok((engine, plan))
    }

    /// The engine with tables and memory of its own: items of one worker run at the same time.
    fn engine_over(&self, tables: Vec<Named>) -> Result<SessionState> {
        let schema = MemorySchemaProvider::new();
        for (name, rows) in tables {
            let table = StreamingTable::try_new(rows.schema().clone(), vec![rows])?;
            schema.register_table(name, Arc::new(table))?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema("public", Arc::new(schema))?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog("datafusion".to_owned(), Arc::new(catalog));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.memory)))
            .build_arc()?;
        Ok(SessionStateBuilder::new_from_existing(self.engine.clone())
            .with_catalog_list(Arc::new(catalogs))
            .with_runtime_env(runtime)
            .build())
    }
}

/// What all queries with so much memory have in common.
fn engine(memory: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(PARTITIONS)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    config.options_mut().sql_parser.collect_spans = true;
    let context = SessionContext::new_with_config(config);
    context.remove_optimizer_rule(WRONG_RULE);
    functions::register(&context, memory);
    context.state()
}

/// Makes every step pause now and then. The engine lets only its sources pause, and a join that
/// multiplies its rows may not come back to them for hours.
fn interruptible(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|step| {
        Ok(if step.children().is_empty() {
            Transformed::no(step)
        } else {
            Transformed::yes(Arc::new(CooperativeExec::new(step)) as Arc<dyn ExecutionPlan>)
        })
    })?;
    Ok(wrapped.data)
}

fn only_select(sql: &str) -> Diagnostic {
    Diagnostic::at(sql, ONLY_SELECT.to_owned(), None)
}

/// Puts the item's key where `$item` stands, as a literal of the syntax tree: never as text. The
/// error is the first other parameter, and its place.
fn bind(
    mut statement: ast::Statement,
    item: &Item,
) -> std::result::Result<ast::Statement, (String, Option<Span>)> {
    let bound = visit_expressions_mut(&mut statement, |expression| {
        let Expr::Value(value) = expression else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        if name != PARAMETER {
            return ControlFlow::Break((name.clone(), Span::try_from_sqlparser_span(value.span)));
        }
        value.value = Value::SingleQuotedString(item.0.clone());
        ControlFlow::Continue(())
    });
    match bound {
        ControlFlow::Continue(()) => Ok(statement),
        ControlFlow::Break(unknown) => Err(unknown),
    }
}

/// Words and signs of a query; of one that cannot be read, none: parsing says what is wrong.
fn tokens(sql: &str) -> usize {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().unwrap_or_default();
    tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count()
}

/// A table without rows, for planning.
#[derive(Debug)]
struct Columns(SchemaRef);

impl PartitionStream for Columns {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        Box::pin(EmptyRecordBatchStream::new(self.0.clone()))
    }
}

/// Whether an error of the engine comes from the query and its data, which stay as they are, and not
/// from the machine.
pub(super) fn is_permanent(error: &DataFusionError) -> bool {
    use datafusion::arrow::error::ArrowError as A;
    match error.find_root() {
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Execution(_) => true,
        DataFusionError::ArrowError(error, _) => matches!(
            **error,
            A::CastError(_)
                | A::ParseError(_)
                | A::DivideByZero
                | A::ArithmeticOverflow(_)
                | A::ComputeError(_)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod differential;
