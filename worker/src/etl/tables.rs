//! The tables beside `input`: the same ones for every item, so they are read once for each version
//! of their objects. Rows beyond a bound lie in a scratch file, as an input's do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use contract::{Input, TableConfig};
use datafusion::arrow::datatypes::SchemaRef;
use tokio::sync::Mutex;

use super::columns::Columns;
use super::compute::compute;
use super::extract::{Fetched, Place};
use super::read::{self, Policy, Written};
use super::rows::Rows;
use crate::handler::{HandlerError, Work, permanent};

/// How old the knowledge of an object's version may be.
const FRESH: Duration = Duration::from_secs(30);

/// A table beside `input`.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    from: Place,
    written: Written,
    columns: Arc<Columns>,
    loaded: Mutex<Option<Loaded>>,
}

/// A table that has been read.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) rows: Arc<Rows>,
    pub(super) input: Input,
    version: Version,
    looked: Instant,
}

/// What tells one content of a place from the next.
#[derive(Clone, Debug, PartialEq)]
enum Version {
    Generation(i64),
    Modified(Option<SystemTime>, u64),
}

impl Table {
    pub(super) fn new(name: &str, from: Place, written: Written, columns: Arc<Columns>) -> Self {
        Self { name: name.to_owned(), from, written, columns, loaded: Mutex::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its columns, where they are declared.
    pub(super) fn declared(&self) -> Option<&SchemaRef> {
        (!self.columns.are_unknown()).then(|| self.columns.table())
    }

    /// The table as it is now, or was a moment ago.
    pub(super) async fn load(&self, work: &Work<'_>, root: Option<&PathBuf>) -> Result<Loaded, HandlerError> {
        // Held while it is read, so that items that arrive together read it once.
        let mut loaded = self.loaded.lock().await;
        if let Some(loaded) = loaded.as_ref().filter(|loaded| loaded.looked.elapsed() < FRESH) {
            return Ok(loaded.clone());
        }
        let version = self.version(work, root).await?;
        if let Some(same) = loaded.as_mut().filter(|loaded| loaded.version == version) {
            same.looked = Instant::now();
            return Ok(same.clone());
        }
        let fresh = self.read(work, root, version).await?;
        *loaded = Some(fresh.clone());
        Ok(fresh)
    }

    async fn read(
        &self,
        work: &Work<'_>,
        root: Option<&PathBuf>,
        version: Version,
    ) -> Result<Loaded, HandlerError> {
        let Fetched { file, input } =
            self.from.fetch(work.storage, root.map(PathBuf::as_path), self.written.largest).await?;
        let (written, columns) = (self.written, self.columns.clone());
        let read = compute(async move { read::read(file, written, &columns, Policy::Fail).await }).await?;
        let read = read.map_err(|error| self.named(error))?;
        tracing::info!(table = self.name, rows = read.total, "read");
        // The object may have changed since it was looked at: what was read says which it is.
        let version = input.generation.map_or(version, Version::Generation);
        let (name, rows) = (self.name.clone(), Arc::new(read.rows));
        Ok(Loaded { name, rows, input, version, looked: Instant::now() })
    }

    async fn version(&self, work: &Work<'_>, root: Option<&PathBuf>) -> Result<Version, HandlerError> {
        match &self.from {
            Place::Object(address) => {
                let found = work.storage.sibling(&address.bucket).stat(&address.object).await;
                let found = found.map_err(|error| HandlerError::Retry(error.into()))?;
                let found = found.ok_or_else(|| permanent!("there is no table {address}"))?;
                Ok(Version::Generation(found.generation))
            }
            Place::File(path) => {
                let root = root.context("a `file:` table can only be read with --local")?;
                let found = root.join(path).metadata();
                let found = found
                    .map_err(|error| permanent!("cannot open the table file:{}: {error}", path.display()))?;
                Ok(Version::Modified(found.modified().ok(), found.len()))
            }
        }
    }

    fn named(&self, error: HandlerError) -> HandlerError {
        match error {
            HandlerError::Permanent(error) => {
                HandlerError::Permanent(anyhow!("table `{}`: {error:#}", self.name))
            }
            HandlerError::Retry(error) => {
                HandlerError::Retry(error.context(format!("table `{}`", self.name)))
            }
        }
    }
}

/// Whether a query may name a table so without quotes.
pub(super) fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    starts
        && name.len() <= 63
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// What a table's configuration must be.
pub(super) fn place(config: &TableConfig) -> Result<Place, String> {
    let from = &config.from;
    if from.contains(['{', '}']) {
        return Err("a table is the same for every item: `{item}` may not stand in its address".to_owned());
    }
    Place::parse(from).ok_or_else(|| format!("`{from}` begins with neither gs:// nor file:"))
}
