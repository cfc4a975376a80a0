//! Stores any number of outputs as one: makes the calls that a [`Course`] names.

use anyhow::{Context, Result, anyhow};
use clients::{Bucket, Conditional, Copied, Metadata};
use contract::{Commit, Receipt, Staged, layout};
use futures::StreamExt;
use jiff::Timestamp;

use super::course::{Answer, Call, Course, Obstacle};
use super::ledger::{Begun, Ledger};
use super::load::{Loaded, upload};
use crate::handler::{Artifact, HandlerError, ObjectAddress, Product, permanent};
use crate::runs::Run;

/// Calls for one item at the same time.
const PARALLEL: usize = 8;

impl Ledger {
    /// Ends what an earlier attempt recorded; none if none did, and the outputs are to be made. Of
    /// the first attempt nothing needs to be asked.
    pub async fn resume(&self, run: &Run, begun: &Begun) -> Result<Option<Loaded>, HandlerError> {
        if begun.number() == 1 {
            return Ok(None);
        }
        let name = layout::commit(&begun.attempt.run, &begun.attempt.item);
        let found = self.bucket.read_json::<Commit>(&name).await.map_err(anyhow::Error::from)?;
        let Some((commit, _)) = found else { return Ok(None) };
        tracing::info!(execution = commit.receipt.execution, "ends what an earlier attempt recorded");
        let course = Course::recorded(run.generation, commit);
        Storing { ledger: self, course, made: &[], recorded: true }.finish().await.map(Some)
    }

    /// Stages the outputs, has their execution recorded as the one that counts, and promotes them;
    /// or promotes those of another execution that was recorded before.
    pub async fn store(&self, run: &Run, begun: &Begun, product: Product) -> Result<Loaded, HandlerError> {
        self.check(&product.outputs)?;
        let uris = product.outputs.iter().map(|made| made.address.to_string()).collect();
        let receipt = self.stored(run, begun, &product);
        let course = Course::made(run.generation, receipt, uris);
        Storing { ledger: self, course, made: &product.outputs, recorded: false }.finish().await
    }

    /// Deletes staged objects that are of no use any more. What stays, the bucket's lifecycle deletes.
    pub(crate) async fn sweep(&self, staged: Vec<String>) {
        let deletions =
            futures::stream::iter(staged).map(|object| async move { self.bucket.delete(&object).await });
        let mut deletions = deletions.buffer_unordered(PARALLEL);
        while let Some(deleted) = deletions.next().await {
            if let Err(error) = deleted {
                tracing::debug!("a staged object stays until its bucket's lifecycle deletes it: {error}");
            }
        }
    }

    /// Refuses outputs that could not all be there.
    fn check(&self, outputs: &[Artifact]) -> Result<(), HandlerError> {
        let mut addresses: Vec<&ObjectAddress> = outputs.iter().map(|made| &made.address).collect();
        addresses.sort();
        if let Some([twice, ..]) = addresses.windows(2).find(|two| two[0] == two[1]) {
            return Err(permanent!("two outputs of this item would both be {twice}"));
        }
        let is_record =
            |at: &&&ObjectAddress| at.bucket == self.bucket.name() && at.object.starts_with(layout::RUNS);
        match addresses.iter().find(is_record) {
            Some(at) => {
                Err(permanent!("{at}: names that begin with `{}` are for the records of runs", layout::RUNS))
            }
            None => Ok(()),
        }
    }
}

/// One item's course, and what its calls need.
struct Storing<'a> {
    ledger: &'a Ledger,
    course: Course,
    made: &'a [Artifact],
    /// Whether what is staged may be named by a commit record.
    recorded: bool,
}

impl Storing<'_> {
    async fn finish(mut self) -> Result<Loaded, HandlerError> {
        if let Err(error) = self.go().await {
            if !self.recorded {
                let staged = self.course.commit().outputs.into_iter().map(|staged| staged.object);
                self.ledger.sweep(staged.collect()).await;
            }
            return Err(self.left_behind(error));
        }
        let ended = self.course.ended().ok_or_else(|| anyhow!("the outputs have no receipt"))?;
        let (receipt, leftovers) = ended;
        Ok(Loaded::new(Receipt { finished: Timestamp::now(), ..receipt }, leftovers))
    }

    /// An error that ends the item names what stands there already and no receipt will name.
    fn left_behind(&self, error: HandlerError) -> HandlerError {
        match (error, &self.course.promoted()[..]) {
            (HandlerError::Permanent(error), left @ [_, ..]) if self.recorded => {
                permanent!(
                    "{error:#}; these outputs of the item stand already, and no receipt names them: {}",
                    left.join(", ")
                )
            }
            (error, _) => error,
        }
    }

    async fn go(&mut self) -> Result<(), HandlerError> {
        loop {
            let calls = self.course.calls();
            if calls.is_empty() {
                return Ok(());
            }
            self.recorded |= calls.contains(&Call::Record);
            let this = &*self;
            let answers = futures::stream::iter(calls)
                .map(async |call| (call, this.make(call).await))
                .buffer_unordered(PARALLEL);
            let mut failed = None;
            // All of them are waited for: what was staged is known then, and can be swept.
            for (call, answer) in answers.collect::<Vec<_>>().await {
                let learned = answer.and_then(|answer| Ok(self.course.learn(call, answer)?));
                failed = failed.or(learned.err());
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }

    async fn make(&self, call: Call) -> Result<Answer, HandlerError> {
        let bucket = &self.ledger.bucket;
        let Receipt { run, item, .. } = self.course.receipt();
        Ok(match call {
            Call::Stage(at) => Answer::Staged(self.stage(at).await?),
            Call::Look(at) => {
                let (place, object) = self.place(at)?;
                Answer::Found(place.stat(&object).await.map_err(anyhow::Error::from)?)
            }
            Call::Record => {
                let name = layout::commit(run, item);
                let created = bucket.create_json(&name, &self.course.commit(), Metadata::new()).await;
                match created.context("cannot record the commit")? {
                    Conditional::Stored(_) => Answer::Recorded,
                    Conditional::Conflict => Answer::RecordIsThere,
                }
            }
            Call::ReadRecord => {
                let found = bucket.read_json::<Commit>(&layout::commit(run, item)).await;
                let found = found.context("cannot read the commit")?;
                Answer::Record(found.ok_or_else(|| anyhow!("the record of the commit was deleted"))?.0)
            }
            Call::Copy(at, generation) => self.copy(at, generation).await?,
            Call::ReadReceipt => {
                let found = bucket.read_json::<Receipt>(&layout::receipt(run, item)).await;
                Answer::Receipt(found.context("cannot read the receipt")?.map(|(receipt, _)| receipt))
            }
        })
    }

    async fn stage(&self, at: usize) -> Result<Staged> {
        let (bucket, made) = (&self.ledger.bucket, &self.made[at]);
        let Receipt { run, item, execution, .. } = self.course.receipt();
        let object = layout::staged(run, item, execution, at);
        let stored = match upload(bucket, &object, &made.body, Metadata::new(), 0).await? {
            Conditional::Stored(stored) => stored,
            // Nobody else knows the name: an answer was lost.
            Conditional::Conflict => bucket
                .stat(&object)
                .await?
                .ok_or_else(|| anyhow!("{object} was deleted as soon as it was staged"))?,
        };
        Ok(Staged {
            uri: made.address.to_string(),
            object,
            generation: stored.generation,
            size: stored.size,
            crc32c: stored.crc32c,
        })
    }

    async fn copy(&self, at: usize, generation: i64) -> Result<Answer> {
        let staged = self.course.staged(at).context("an output that is not staged cannot be promoted")?;
        let (place, object) = self.place(at)?;
        let metadata = self.course.marks();
        let source = (&staged.object[..], staged.generation);
        Ok(match self.ledger.bucket.copy(source, &place, &object, metadata, generation).await? {
            Copied::Stored(stored) => Answer::Copied(stored),
            Copied::Conflict => Answer::Changed,
            Copied::NoSource => Answer::NoSource,
        })
    }

    fn place(&self, at: usize) -> Result<(Bucket, String)> {
        let address = ObjectAddress::parse(self.course.uri(at)).context("the commit names no object")?;
        Ok((self.ledger.bucket.sibling(&address.bucket), address.object))
    }
}

impl From<Obstacle> for HandlerError {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Collision(_) | Obstacle::Lost(_) => Self::Permanent(obstacle.into()),
            Obstacle::Restless(_) => Self::Retry(obstacle.into()),
        }
    }
}
