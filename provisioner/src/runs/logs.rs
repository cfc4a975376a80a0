//! What pods print, read through the Kubernetes API and followed if that is wanted. A log that is
//! not there (any more) is something to be told, not an error.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Error, Result};
use contract::{Item, RunId};
use futures::AsyncBufReadExt as _;
use futures::io::AsyncBufRead;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::LogParams;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cluster::{Cluster, JOB_NAME, phase};
use super::history::{Ended, ItemHistory, PodLog, Tried};
use super::store::Store;
use crate::cloud::limited;

/// How often new pods are looked for, and a log that broke off is asked for again.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last lines about an item may be on their way.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The longest line that is told in one piece, in bytes.
const LONGEST_LINE: usize = 256 << 10;
/// Lines of a pod's log that are searched for those of one attempt.
const SEARCHED: i64 = 20_000;

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Go on until the run's pods are gone, with those that start later.
    pub follow: bool,
    /// Only what was printed since.
    pub since: Option<Timestamp>,
    /// Of each pod only so many lines to begin with.
    pub tail: Option<i64>,
    /// Only what is logged about this item of the run, by whichever pod.
    pub item: Option<Item>,
}

/// Something of a pod's log.
#[derive(Debug)]
pub(crate) struct Heard {
    pub pod: String,
    pub said: Said,
}

/// What was heard.
#[derive(Debug)]
pub(crate) enum Said {
    Line(String),
    /// There is nothing to be read, and why.
    Nothing(String),
}

/// Tells what the pods of a run print, until nothing more will come.
pub(crate) async fn listen(
    store: &Store,
    cluster: &Cluster,
    run: &RunId,
    wanted: &Wanted,
    tell: Sender<Heard>,
) -> Result<()> {
    // The owner of all who listen: they end with it.
    let mut listening = JoinSet::new();
    let mut known = HashSet::new();
    loop {
        // Any run's workers may have the item.
        let mut pods = match &wanted.item {
            Some(_) => cluster.workers().await?,
            None => cluster.pods(run).await?,
        };
        pods.sort_by_key(ResourceExt::name_any);
        for pod in pods.iter().filter(|pod| phase(pod) != "Pending") {
            if known.insert(pod.name_any()) {
                let log = Log {
                    cluster: cluster.clone(),
                    pod: pod.name_any(),
                    run: run.clone(),
                    wanted: wanted.clone(),
                    tell: tell.clone(),
                    last: None,
                };
                if wanted.follow {
                    listening.spawn(log.follow());
                } else {
                    log.read().await;
                }
            }
        }
        if !wanted.follow || is_over(store, cluster, run, &pods).await? {
            break;
        }
        sleep(LOOK).await;
    }
    // Another run's worker may go on; of this run it has nothing more to say.
    let of_others =
        async { if wanted.item.is_some() { sleep(LAST_WORDS).await } else { std::future::pending().await } };
    tokio::pin!(of_others);
    loop {
        tokio::select! {
            ended = listening.join_next() => match ended {
                Some(ended) => ended?,
                None => return Ok(()),
            },
            () = &mut of_others => return Ok(()),
        }
    }
}

/// Whether nobody will print anything more for the run: its own pods have ended, and so has its Job.
async fn is_over(store: &Store, cluster: &Cluster, run: &RunId, pods: &[Pod]) -> Result<bool> {
    let is_own = |pod: &Pod| pod.labels().get(JOB_NAME) == Some(&run.0);
    if pods.iter().any(|pod| is_own(pod) && matches!(phase(pod), "Pending" | "Running")) {
        return Ok(false);
    }
    if cluster.job(run).await?.is_some() {
        return Ok(cluster.job_ended(run).await?.is_some());
    }
    Ok(store.run(run).await?.is_none_or(|run| !run.is_open()))
}

/// Adds what the pods of open attempts have logged about them, as far as that is still there.
pub(crate) async fn add_logs(cluster: Option<&Cluster>, history: &mut ItemHistory) {
    let (run, item) = (history.run.clone(), history.item.clone());
    for tried in history.attempts.iter_mut().filter(|tried| tried.state == Ended::Open) {
        let log = match cluster {
            Some(cluster) => log_of(cluster, &run, &item, tried).await,
            None => PodLog::Gone("its cluster is gone".to_owned()),
        };
        tried.log = Some(log);
    }
}

async fn log_of(cluster: &Cluster, run: &RunId, item: &Item, tried: &Tried) -> PodLog {
    let params = LogParams { tail_lines: Some(SEARCHED), ..LogParams::default() };
    let (pods, pod) = (cluster.pod_api(), &tried.attempt.pod);
    match limited("read a worker's log", pods.logs(pod, &params)).await {
        Ok(text) => {
            let number = Some(u64::from(tried.attempt.number));
            let about = |line: &&str| {
                about(line).is_some_and(|a| a.run == run.0 && a.item == item.0 && a.attempt == number)
            };
            PodLog::Lines(text.lines().filter(about).map(str::to_owned).collect())
        }
        Err(error) => PodLog::Gone(why_not(&error)),
    }
}

/// What a line of a worker's log says that it is about.
struct About {
    run: String,
    item: String,
    attempt: Option<u64>,
}

fn about(line: &str) -> Option<About> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    Some(About { run: text("run")?, item: text("item")?, attempt: line["attempt"].as_u64() })
}

/// One pod's log.
struct Log {
    cluster: Cluster,
    pod: String,
    run: RunId,
    wanted: Wanted,
    tell: Sender<Heard>,
    /// When the last line was printed that has been told.
    last: Option<Timestamp>,
}

/// Why a log ended.
enum End {
    /// The service has no more.
    Eof,
    /// It could not be opened, or broke off.
    Broke(Error),
    /// Nobody listens any more.
    Unheard,
}

impl Log {
    /// Once, as it is.
    async fn read(mut self) {
        if let End::Broke(error) = self.once(false).await {
            self.say(Said::Nothing(why_not(&error))).await;
        }
    }

    /// Until the pod has ended. A connection that is silent for long is closed on the way: what was
    /// told is not told again.
    async fn follow(mut self) {
        loop {
            let end = self.once(true).await;
            let pod = limited("look at a worker", self.cluster.pod_api().get_opt(&self.pod)).await;
            let is_running = matches!(&pod, Ok(Some(pod)) if matches!(phase(pod), "Pending" | "Running"));
            match end {
                End::Unheard => return,
                End::Eof if !is_running => return,
                End::Broke(error) if !is_running => return self.say(Said::Nothing(why_not(&error))).await,
                End::Eof | End::Broke(_) => sleep(LOOK).await,
            }
        }
    }

    async fn once(&mut self, follow: bool) -> End {
        let pods = self.cluster.pod_api();
        let params = self.params(follow);
        let log = match limited("read a worker's log", pods.log_stream(&self.pod, &params)).await {
            Ok(log) => log,
            Err(error) => return End::Broke(error),
        };
        let mut log = std::pin::pin!(log);
        loop {
            match next_line(log.as_mut()).await {
                Ok(Some(line)) => {
                    if !self.line(&line).await {
                        return End::Unheard;
                    }
                }
                Ok(None) => return End::Eof,
                Err(error) => return End::Broke(error.into()),
            }
        }
    }

    fn params(&self, follow: bool) -> LogParams {
        // Whole seconds go over the wire, rounded: too early by one, and what is known is skipped.
        let early = |at: Timestamp| at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at);
        let tail_lines = self.wanted.tail.filter(|_| self.last.is_none());
        let since_time = self.last.map(early).or(self.wanted.since);
        LogParams { follow, timestamps: true, since_time, tail_lines, ..LogParams::default() }
    }

    /// Tells a line, unless it is known or not wanted. False if nobody listens.
    async fn line(&mut self, stamped: &str) -> bool {
        let stamp =
            stamped.split_once(' ').and_then(|(at, line)| Some((at.parse::<Timestamp>().ok()?, line)));
        let (at, line) = stamp.map_or((None, stamped), |(at, line)| (Some(at), line));
        if at.is_some_and(|at| self.last.is_some_and(|last| at <= last)) {
            return true;
        }
        self.last = at.or(self.last);
        if let Some(item) = &self.wanted.item
            && !about(line).is_some_and(|about| about.item == item.0 && about.run == self.run.0)
        {
            return true;
        }
        let said = Said::Line(line.to_owned());
        self.tell.send(Heard { pod: self.pod.clone(), said }).await.is_ok()
    }

    async fn say(&self, said: Said) {
        // Who does not listen any more needs no answer.
        drop(self.tell.send(Heard { pod: self.pod.clone(), said }).await);
    }
}

/// The next line, or as much of a longer one as is told in one piece. What is no text is replaced.
async fn next_line(mut log: std::pin::Pin<&mut impl AsyncBufRead>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let buffer = log.fill_buf().await?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(buffer.len(), |at| at + 1);
        if taken == 0 && line.is_empty() {
            return Ok(None);
        }
        line.extend_from_slice(&buffer[..end.unwrap_or(taken)]);
        log.consume_unpin(taken);
        if end.is_some() || taken == 0 || line.len() >= LONGEST_LINE {
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
    }
}

/// Why a log cannot be read, for people.
fn why_not(error: &Error) -> String {
    match crate::cloud::errors::status(error) {
        Some(404) => "its pod is gone, and its log with it".to_owned(),
        Some(400) => format!("it has no log: {error:#}"),
        _ => format!("its log cannot be read, its node may be gone: {error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_is_read_by_lines_whatever_it_holds() {
        let long = "x".repeat(LONGEST_LINE);
        let text = [b"one\n\n\xff\x1b[31m\n".as_slice(), long.as_bytes(), b"more\nlast"].concat();
        let mut source =
            std::pin::pin!(futures::io::BufReader::with_capacity(7, futures::io::Cursor::new(text)));
        let mut lines = Vec::new();
        while let Some(line) = next_line(source.as_mut()).await.expect("readable") {
            lines.push(line);
        }
        assert_eq!(lines[..3], ["one", "", "\u{fffd}\u{1b}[31m"]);
        assert_eq!(lines[3..].concat(), format!("{long}morelast"));
        assert_eq!(lines.last().map(String::as_str), Some("last"));
    }
}
