//! One pod's log, line by line: as it is, or until the pod has ended, whatever becomes of the
//! connection. A log that is not there (any more) is something to be told, not an error.

use anyhow::Error;
use contract::RunId;
use futures::AsyncBufReadExt as _;
use futures::io::AsyncBufRead;
use jiff::{SignedDuration, Timestamp};
use kube::api::LogParams;
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use super::cluster::{Cluster, phase};
use super::logs::{Heard, LOOK, Said, Wanted};
use crate::cloud::limited;

/// The longest line that is told in one piece, in bytes.
const LONGEST_LINE: usize = 256 << 10;

/// One pod's log.
pub(super) struct PodReader {
    pub cluster: Cluster,
    pub pod: String,
    pub run: RunId,
    pub wanted: Wanted,
    pub tell: Sender<Heard>,
    /// When the last line was printed that has been told.
    pub last: Option<Timestamp>,
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

impl PodReader {
    /// Once, as it is.
    pub(super) async fn read(mut self) {
        if let End::Broke(error) = self.once(false).await {
            self.say(Said::Nothing(why_not(&error))).await;
        }
    }

    /// Until the pod has ended. A connection that is silent for long is closed on the way: what was
    /// told is not told again.
    pub(super) async fn follow(mut self) {
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
pub(super) fn why_not(error: &Error) -> String {
    match crate::cloud::errors::status(error) {
        Some(404) => "its pod is gone, and its log with it".to_owned(),
        Some(400) => format!("it has no log: {error:#}"),
        _ => format!("its log cannot be read, its node may be gone: {error:#}"),
    }
}

/// What a line of a worker's log says that it is about.
pub(super) struct About {
    pub run: String,
    pub item: String,
    pub attempt: Option<u64>,
}

/// None of what is no line of a worker about an item.
pub(super) fn about(line: &str) -> Option<About> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    Some(About { run: text("run")?, item: text("item")?, attempt: line["attempt"].as_u64() })
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
