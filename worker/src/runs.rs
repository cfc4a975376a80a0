//! The runs that messages belong to: their records, read once, and whether they are still open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clients::Bucket;
use contract::{RunId, RunRecord, layout};
use tokio::sync::Mutex;
use tokio::try_join;

use crate::handler::Handler;
use crate::handlers::Handlers;

/// How old the knowledge that a run is open may be.
const FRESH: Duration = Duration::from_secs(5);
/// Version of [`RunRecord`] that this worker reads.
const FORMAT: u32 = 1;
/// Runs that are kept in mind.
const REMEMBERED: usize = 64;

/// An open run with its handler ready.
pub struct Run {
    /// What was asked for.
    pub record: RunRecord,
    /// The server's generation of the record: what orders runs.
    pub generation: i64,
    /// What is done with its items.
    pub handler: Arc<dyn Handler>,
}

/// What is known of a run.
#[derive(Clone)]
pub enum Known {
    /// Its items are to be worked on.
    Open(Arc<Run>),
    /// It is closed or cancelled: its messages mean nothing any more.
    Over,
    /// There is no such run in this bucket.
    Missing,
    /// This worker can do nothing for it, and the reason is.
    Unusable(Arc<str>),
}

/// The runs of one bucket.
pub struct Runs {
    bucket: Bucket,
    handlers: Handlers,
    known: Mutex<HashMap<RunId, (Known, Instant)>>,
}

impl Runs {
    /// The runs in this bucket, worked on with these handlers.
    #[must_use]
    pub fn new(bucket: Bucket, handlers: Handlers) -> Self {
        Self { bucket, handlers, known: Mutex::default() }
    }

    /// What is known of the run; never older than a few seconds while it is open.
    pub async fn get(&self, run: &RunId) -> Result<Known> {
        // Held across the look-up, so that items that arrive together read the record once.
        let mut known = self.known.lock().await;
        let found = match known.get(run) {
            Some((found @ (Known::Over | Known::Unusable(_)), _)) => return Ok(found.clone()),
            Some((found, at)) if at.elapsed() < FRESH => return Ok(found.clone()),
            Some((Known::Open(open), _)) => self.still(run, open.clone()).await?,
            _ => self.look_up(run).await?,
        };
        if known.len() >= REMEMBERED {
            known.clear();
        }
        if !matches!(found, Known::Missing) {
            known.insert(run.clone(), (found.clone(), Instant::now()));
        }
        Ok(found)
    }

    async fn still(&self, run: &RunId, open: Arc<Run>) -> Result<Known> {
        Ok(if self.is_over(run).await? { Known::Over } else { Known::Open(open) })
    }

    async fn look_up(&self, run: &RunId) -> Result<Known> {
        let record = layout::run(run);
        let record = async { Ok(self.bucket.read_json::<RunRecord>(&record).await?) };
        let (record, over) = try_join!(record, self.is_over(run))?;
        Ok(match (record, over) {
            (None, _) => Known::Missing,
            (_, true) => Known::Over,
            (Some((record, generation)), false) => match self.handler(&record).await {
                Ok(handler) => Known::Open(Arc::new(Run { record, generation, handler })),
                Err(reason) => Known::Unusable(reason.into()),
            },
        })
    }

    async fn is_over(&self, run: &RunId) -> Result<bool> {
        let (cancelled, closed) = (layout::cancelled(run), layout::closed(run));
        let (cancelled, closed) = try_join!(self.bucket.stat(&cancelled), self.bucket.stat(&closed))?;
        Ok(cancelled.is_some() || closed.is_some())
    }

    async fn handler(&self, record: &RunRecord) -> Result<Arc<dyn Handler>, String> {
        if record.format != FORMAT {
            return Err(format!("run.json has format {}, this worker reads {FORMAT}", record.format));
        }
        self.handlers.make(&record.config).await
    }
}
