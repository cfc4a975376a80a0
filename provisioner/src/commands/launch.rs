//! From items to the end of their run: what `run`, `runs watch`, `runs retry` and `failed requeue` share.

use std::time::Duration;

use anyhow::{Context as _, Error, Result, bail};
use clap::Args;
use contract::{Closed, Fleet, Outcome, RunId, RunRecord};

use super::carry_out::CarryOut;
use super::grow::with_growths;
use super::interrupt::Claim;
use super::session::{Gone, Session};
use crate::apply::Pace;
use crate::exit::Exit;
use crate::kinds::JobSpec;
use crate::options::Options;
use crate::plan::{self, Allowed, Refused};
use crate::prices::parse_dollars;
use crate::report::{self, EventStream, Format, RunProgress, Style, plan_text, run_json, run_text};
use crate::runs::{self, Begun, Cluster, DeadLetters, Items, Pins, Rejected, RunRequest, Store};

/// How long a local cloud takes to be known to be gone, at most.
const MOMENT: Duration = Duration::from_secs(2);

/// Items of a run whose receipts are listed at its end, at most: ten pages.
const FEW: u64 = 10_000;

/// How a new run is started and followed.
#[derive(Args)]
pub(super) struct LaunchArgs {
    /// Apply creations and in-place updates without asking.
    #[arg(short, long)]
    pub yes: bool,
    /// Start another run even if the same one is open.
    #[arg(long)]
    new: bool,
    /// Bound on the whole run, instead of the job's `max_run_time`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    max_run_time: Option<Duration>,
    /// Bound on what the run's machines may cost, as estimated from list prices: `5USD`. It becomes a
    /// bound on its time, as if all its machines ran from the first moment on.
    #[arg(long, value_name = "AMOUNT", value_parser = dollars)]
    max_cost: Option<f64>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Reads an amount of money.
fn dollars(text: &str) -> Result<f64, String> {
    parse_dollars(text).ok_or_else(|| "write it as \"5USD\" or \"0.50USD\"".to_owned())
}

/// Reads a time that is not nothing.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    crate::stack::parse_time(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write it as \"1s\" or \"1m30s\"".to_owned())
}

impl LaunchArgs {
    /// Applies what is missing, starts a run of these items or goes on with the same one, and
    /// follows it to its end. `meanwhile` ends only with an error.
    pub(super) async fn launch(
        &self,
        session: &Session,
        job: Option<&str>,
        items: &Items,
        retry_of: Option<RunId>,
        meanwhile: impl Future<Output = anyhow::Error>,
    ) -> Result<Exit> {
        session.job(job)?;
        let exit = bring_up(session, self.yes).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        let store = session.store(session.job(job)?.1);
        let begun = runs::start(&store, items, self.request(session, job, retry_of).await?).await?;
        tell(&begun);
        self.tell_of_bounds(&begun);
        tokio::select! {
            exit = follow(session, &store, &begun.record, self.format) => exit,
            error = meanwhile => Err(error),
        }
    }

    /// What a run of the job would pin that started now.
    pub(super) async fn pins(session: &Session, job: &str) -> Result<Pins> {
        let (key, job) = session.job(Some(job))?;
        let image = pinned_image(session, key, job).await?;
        Ok(Pins { config_sha256: job.config(&session.scope())?.sha256(), image })
    }

    /// An open run is gone on with as it was started.
    fn tell_of_bounds(&self, begun: &Begun) {
        let Begun { record, continued } = begun;
        if !continued {
            return;
        }
        let time = self.max_run_time.is_some_and(|time| time.as_secs() != record.max_run_time_seconds);
        if time || (self.max_cost.is_some() && self.max_cost != record.max_cost) {
            report::warning(&format!(
                "the run's bounds are those that it was started with ({} s): `provision runs cancel` ends it",
                record.max_run_time_seconds
            ));
        }
    }

    async fn request(
        &self,
        session: &Session,
        job: Option<&str>,
        retry_of: Option<RunId>,
    ) -> Result<RunRequest> {
        let scope = session.scope();
        let (key, job) = session.job(job)?;
        let topic = scope.topic_of.get(&job.subscription).context("the job's subscription has no topic")?;
        let pool = scope.pools.get(&job.pool).context("the job's pool is not in the file")?;
        let most = pool.max_nodes;
        let config = job.config(&scope)?;
        Ok(RunRequest {
            job: key.to_owned(),
            stack: scope.prefix.clone(),
            config,
            image: pinned_image(session, key, job).await?,
            topic: scope.topic(topic),
            subscription: scope.subscription(&job.subscription),
            concurrency: job.concurrency,
            room: job.room(&scope).unwrap_or(most),
            max_run_time_seconds: self.max_run_time.map_or(job.max_run_time.get(), |time| time.as_secs()),
            max_cost: self.max_cost,
            fleet: Fleet {
                machine_type: pool.machine_type.clone(),
                spot: pool.spot,
                region: scope.region.clone(),
                nodes: most,
                concurrency: job.concurrency,
            },
            new: self.new,
            retry_of,
        })
    }
}

/// The image of a job, as the plan that was applied last bound it: the file may name a tag.
async fn pinned_image(session: &Session, key: &str, job: &JobSpec) -> Result<Option<String>> {
    if job.image.is_none() {
        return Ok(None);
    }
    let cluster = Cluster::found(&session.cloud, &session.scope().cluster(job.cluster())).await?;
    let applied = match cluster {
        Some(cluster) => cluster.image_of(key).await?,
        None => None,
    };
    Ok(applied.or(job.image.clone()))
}

/// Applies what is missing. A run never deletes or replaces: that is `apply`'s.
async fn bring_up(session: &Session, yes: bool) -> Result<Exit> {
    session.stack.secrets_are_here()?;
    let plan =
        with_growths(session, &[], plan::of(&session.stack, &session.cloud, &Options::default())).await?;
    if plan.is_idle() {
        return Ok(Exit::Done);
    }
    report::note(&plan_text(&plan, Style::of_stderr()));
    if plan.is_destructive() {
        let what = "`run` only creates and updates in place; look at the plan above and `provision apply` it";
        bail!(Refused(vec![what.to_owned()]));
    }
    let (allowed, pace, stream) = (Allowed::default(), Pace::default(), EventStream::none());
    let ask = (!yes).then_some("apply these changes");
    CarryOut { allowed, pace, ask, stream: &stream }.carry_out(session, &plan).await
}

fn tell(begun: &Begun) {
    let RunRecord { run, count, job, retry_of, .. } = &begun.record;
    let again = retry_of.as_ref().map(|old| format!(", tried again from {old}")).unwrap_or_default();
    report::note(&match begun.continued {
        true => format!("run {run}: open already, going on ({count} items{again})"),
        false => format!("run {run}: {count} items through job.{job}{again}"),
    });
}

/// Follows an open run to its end, or until Ctrl-C detaches from it. What whoever started it left
/// undone, its Job or a part of its messages, is done first.
pub(super) async fn follow(
    session: &Session,
    store: &Store,
    run: &RunRecord,
    format: Format,
) -> Result<Exit> {
    let cluster = session.cluster_of(run).await?;
    let cluster = cluster.with_context(|| format!("the cluster of job.{} is not there", run.job))?;
    let progress = RunProgress::new(run.count);
    let to_its_end = async {
        runs::resume(store, &cluster, &session.cloud.pubsub, run).await?;
        runs::watch(store, &cluster, run, &|told| progress.tell(told)).await
    };
    let letters = session.dead_letters(run).await?;
    let claim = Claim::new();
    // Dropped at any point, the run is as a killed command would leave it.
    let followed = tokio::select! {
        closed = to_its_end => closed.map(Some),
        () = claim.heard(1) => Ok(None),
        gone = session.local_cloud_is_gone() => Err(gone.into()),
        never = attend(letters) => match never {},
    };
    drop(claim);
    progress.finish();
    let followed = match followed {
        Err(error) => return Err(beneath(session, store, run, error).await),
        Ok(followed) => followed,
    };
    match followed {
        Some(closed) => ended(session, store, run, &closed, format).await,
        None => Ok(detached(session, &run.run)),
    }
}

/// Why a run can be followed no longer: what it stands on may be gone, and then the wires' own words
/// mean nothing to a person.
async fn beneath(session: &Session, store: &Store, run: &RunRecord, error: Error) -> Error {
    if error.is::<Gone>() {
        return error;
    }
    // Connections end a moment before the process that held them does.
    if let Ok(gone) = tokio::time::timeout(MOMENT, session.local_cloud_is_gone()).await {
        return gone.into();
    }
    let (id, bucket) = (&run.run, store.bucket.name());
    let told = match store.has_record(id).await {
        Err(gone) if gone.is_not_found() => format!(
            "the stack's bucket gs://{bucket} is gone, and with it all that was recorded of run {id}: the stack \
             was torn down; `provision run` builds it again and starts anew"
        ),
        Ok(false) => format!(
            "the records of run {id} are gone from gs://{bucket}: the stack was torn down, or they were \
             removed; `provision run` starts anew"
        ),
        Ok(true) if matches!(session.cluster_of(run).await, Ok(None)) => format!(
            "the cluster of job.{} is gone, or is being deleted. As long as gs://{bucket} is there, run {id} stands \
             as it is recorded: `provision run` with the same items builds the cluster again and goes on, \
             `provision runs cancel{} {id}` ends it",
            run.job, session.words
        ),
        _ => return error,
    };
    Gone(told).into()
}

/// Has what Pub/Sub gives up count as failed while the run is followed. Without it the run goes on.
async fn attend(letters: Option<DeadLetters>) -> std::convert::Infallible {
    if let Some(letters) = letters {
        let error = letters.attend(&|told| report::warning(&told)).await;
        report::warning(&format!("{error:#}"));
    }
    std::future::pending().await
}

fn detached(session: &Session, run: &RunId) -> Exit {
    report::note(&format!("detached: run {run} goes on"));
    report::note(&format!("  provision runs watch{} {run}    follows it to its end", session.words));
    report::note(&format!("  provision runs cancel{} {run}   ends it", session.words));
    Exit::Interrupted
}

/// Reports the end of a run.
pub(super) async fn ended(
    session: &Session,
    store: &Store,
    run: &RunRecord,
    closed: &Closed,
    format: Format,
) -> Result<Exit> {
    match format {
        Format::Text => {
            // Of a very large run `runs report` tells it.
            let rejected =
                if run.count <= FEW { store.rejected(&run.run).await? } else { Rejected::default() };
            report::data(&run_text(run, closed, rejected, &session.words));
        }
        Format::Json => {
            let receipts = store.receipts(&run.run).await?;
            report::json(&run_json(run, closed, &receipts));
        }
    }
    Ok(match closed.outcome {
        Outcome::Done => Exit::Done,
        Outcome::Failed => Exit::FailedItems,
        Outcome::Cancelled | Outcome::TimedOut | Outcome::Stalled => Exit::Stalled,
    })
}
