//! The output of containers: one file each, a line of it with its time and stream, as container
//! runtimes write it. Read back by time, by last lines, or followed as it grows.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::folder::private_file;

/// How large a log grows; then the older half is dropped.
const LARGEST: u64 = 64 << 20;
/// The longest line that is kept whole; a longer one becomes several.
const LONGEST_LINE: usize = 16 << 10;
/// What is read of a log at once.
const CHUNK: u64 = 256 << 10;

/// The logs of all containers of a cluster.
pub(crate) struct Logs {
    folder: PathBuf,
    open: Mutex<HashMap<(String, String), Arc<Log>>>,
}

/// The log of one container.
pub(crate) struct Log {
    path: PathBuf,
    file: Mutex<File>,
    /// Wakes those who follow; true once nothing more will come.
    grown: watch::Sender<bool>,
}

/// Which part of a log is asked for.
pub(crate) struct Wanted {
    pub(crate) since: Option<Timestamp>,
    /// Only the last lines.
    pub(crate) tail: Option<usize>,
    /// No more bytes than this.
    pub(crate) bytes: Option<u64>,
    pub(crate) timestamps: bool,
    /// Go on until the container has ended.
    pub(crate) follow: bool,
}

impl Logs {
    /// The logs that are kept under a folder, by pod and container.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), open: Mutex::default() }
    }

    fn path(&self, pod: &str, container: &str) -> PathBuf {
        self.folder.join(pod).join(format!("{container}.log"))
    }

    /// Opens a container's log for writing; one that is there is continued.
    pub(crate) fn open(&self, pod: &str, container: &str) -> io::Result<Arc<Log>> {
        let path = self.path(pod, container);
        let file = private_file().create(true).append(true).read(true).open(&path)?;
        let log = Arc::new(Log { path, file: Mutex::new(file), grown: watch::Sender::new(false) });
        self.table().insert((pod.into(), container.into()), log.clone());
        Ok(log)
    }

    /// The log of a container that has been opened for writing.
    pub(crate) fn writer(&self, pod: &str, container: &str) -> Option<Arc<Log>> {
        self.table().get(&(pod.to_owned(), container.to_owned())).cloned()
    }

    /// A pod is gone, and its logs with it.
    pub(crate) fn forget(&self, pod: &str) {
        self.table().retain(|(owner, _), _| owner != pod);
    }

    /// Reads a container's log; None if it has not started.
    pub(crate) fn read(
        &self,
        pod: &str,
        container: &str,
        wanted: Wanted,
        closing: CancellationToken,
    ) -> Option<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
        let path = self.path(pod, container);
        let log = self.table().get(&(pod.to_owned(), container.to_owned())).cloned();
        let grown = log.map(|log| log.grown.subscribe());
        let file = File::open(&path).ok()?;
        let start = if let Some(lines) = wanted.tail { tail_start(&path, lines).unwrap_or(0) } else { 0 };
        let left = wanted.bytes.unwrap_or(u64::MAX);
        let reader = Reader { file, path, at: start, left, wanted, grown, closing };
        Some(futures::stream::unfold(reader, |mut reader| async move {
            reader.next().await.map(|part| (part, reader))
        }))
    }

    fn table(&self) -> MutexGuard<'_, HashMap<(String, String), Arc<Log>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Writes what a stream says until it ends.
    pub(crate) async fn copy(&self, from: impl AsyncRead + Unpin, stream: &str, clock: &Clock) {
        let mut from = from;
        let mut line = Vec::new();
        let mut buffer = vec![0; LONGEST_LINE];
        loop {
            let read = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            let mut written = Vec::new();
            for part in buffer[..read].split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.ends_with(b"\n") || line.len() >= LONGEST_LINE {
                    entry(&mut written, &line, stream, clock.now());
                    line.clear();
                }
            }
            self.append(&written);
        }
        if !line.is_empty() {
            let mut written = Vec::new();
            entry(&mut written, &line, stream, clock.now());
            self.append(&written);
        }
    }

    /// Nothing more will come.
    pub(crate) fn end(&self) {
        self.grown.send_replace(true);
    }

    fn append(&self, entries: &[u8]) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let write = |file: &mut File| -> io::Result<()> {
            file.write_all(entries)?;
            if file.metadata()?.len() > LARGEST {
                *file = drop_older_half(&self.path)?;
            }
            Ok(())
        };
        if let Err(error) = write(&mut file) {
            tracing::warn!(path = %self.path.display(), %error, "output of a container was lost");
        }
        drop(file);
        self.grown.send_modify(|_| {});
    }
}

/// `2026-01-01T00:00:00.000000000Z stdout F text`; a part of a longer line has `P`.
fn entry(into: &mut Vec<u8>, line: &[u8], stream: &str, now: Timestamp) {
    let (text, tag) = line.strip_suffix(b"\n").map_or((line, "P"), |text| (text, "F"));
    into.extend_from_slice(now.strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string().as_bytes());
    into.extend_from_slice(format!(" {stream} {tag} ").as_bytes());
    into.extend_from_slice(text);
    into.push(b'\n');
}

fn drop_older_half(path: &Path) -> io::Result<File> {
    let mut old = BufReader::new(File::open(path)?);
    old.seek(SeekFrom::Start(LARGEST / 2))?;
    old.skip_until(b'\n')?;
    let fresh = path.with_extension("new");
    let mut kept = private_file().create(true).write(true).truncate(true).open(&fresh)?;
    io::copy(&mut old, &mut kept)?;
    fs::rename(&fresh, path)?;
    private_file().append(true).read(true).open(path)
}

/// Where the last lines of a file start.
fn tail_start(path: &Path, lines: usize) -> io::Result<u64> {
    let mut starts = std::collections::VecDeque::new();
    let mut file = BufReader::new(File::open(path)?);
    let mut at = 0;
    loop {
        let read = file.skip_until(b'\n')?;
        if read == 0 {
            return Ok(starts.front().copied().unwrap_or(at));
        }
        starts.push_back(at);
        if starts.len() > lines {
            starts.pop_front();
        }
        at += read as u64;
    }
}

struct Reader {
    file: File,
    path: PathBuf,
    at: u64,
    left: u64,
    wanted: Wanted,
    grown: Option<watch::Receiver<bool>>,
    closing: CancellationToken,
}

impl Reader {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let has_ended = self.grown.as_mut().is_none_or(|grown| *grown.borrow_and_update());
            match self.chunk() {
                Err(error) => {
                    self.left = 0;
                    return Some(Err(error));
                }
                Ok(Some(_)) if self.left == 0 => return None,
                Ok(Some(chunk)) if chunk.is_empty() => continue,
                Ok(Some(mut chunk)) => {
                    chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= chunk.len() as u64;
                    return Some(Ok(chunk.into()));
                }
                Ok(None) if !self.wanted.follow || has_ended => return None,
                Ok(None) => {}
            }
            let grown = self.grown.as_mut()?;
            tokio::select! {
                changed = grown.changed() => changed.ok()?,
                () = self.closing.cancelled() => return None,
            }
        }
    }

    /// The next whole lines, without what is not wanted; None at the end of the file.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let length = fs::metadata(&self.path).map_or(0, |file| file.len());
        if length < self.at {
            // The older half was dropped: go on at the start of what is left.
            self.file = File::open(&self.path)?;
            self.at = 0;
        }
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut reader = BufReader::new(io::Read::take(&self.file, CHUNK));
        let (mut shown, mut line, mut any) = (Vec::new(), Vec::new(), false);
        while reader.read_until(b'\n', &mut line)? > 0 {
            if !line.ends_with(b"\n") {
                break;
            }
            any = true;
            self.at += line.len() as u64;
            show(&mut shown, &line, &self.wanted);
            line.clear();
        }
        Ok(any.then_some(shown))
    }
}

fn show(into: &mut Vec<u8>, line: &[u8], wanted: &Wanted) {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let (Some(time), Some(_), Some(tag), Some(text)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    if let Some(since) = wanted.since {
        let at = std::str::from_utf8(time).ok().and_then(|time| time.parse::<Timestamp>().ok());
        if at.is_some_and(|at| at < since) {
            return;
        }
    }
    if wanted.timestamps {
        into.extend_from_slice(time);
        into.push(b' ');
    }
    let text = if tag == b"P" { text.strip_suffix(b"\n").unwrap_or(text) } else { text };
    into.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    fn all() -> Wanted {
        Wanted { since: None, tail: None, bytes: None, timestamps: false, follow: false }
    }

    async fn text(logs: &Logs, wanted: Wanted) -> String {
        let stream = logs.read("pod", "main", wanted, CancellationToken::new()).expect("a log");
        let parts: Vec<_> = stream.collect().await;
        let bytes: Vec<u8> = parts.into_iter().flat_map(|part| part.expect("readable")).collect();
        String::from_utf8(bytes).expect("text")
    }

    #[tokio::test]
    async fn a_log_gives_back_lines_its_tail_and_what_comes_while_it_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("pod")).expect("the pod's folder");
        let logs = Logs::new(folder.path());
        assert!(logs.read("pod", "main", all(), CancellationToken::new()).is_none());
        let log = logs.open("pod", "main").expect("open");
        let clock = Clock::system();
        let wide = "x".repeat(LONGEST_LINE + 10);
        log.copy(format!("one\ntwo\n{wide}\nlast").as_bytes(), "stdout", &clock).await;
        assert_eq!(text(&logs, all()).await, format!("one\ntwo\n{wide}\nlast"));
        assert_eq!(text(&logs, Wanted { tail: Some(1), ..all() }).await, "last");
        assert_eq!(text(&logs, Wanted { bytes: Some(5), ..all() }).await, "one\nt");
        let stamped = text(&logs, Wanted { timestamps: true, ..all() }).await;
        assert!(stamped.contains("Z two\n"), "{stamped}");

        let closing = CancellationToken::new();
        let followed = logs.read("pod", "main", Wanted { follow: true, tail: Some(0), ..all() }, closing);
        let mut followed = Box::pin(followed.expect("a log"));
        log.copy("more\n".as_bytes(), "stderr", &clock).await;
        assert_eq!(followed.next().await.expect("a part").expect("readable"), "more\n");
        log.end();
        assert!(followed.next().await.is_none());
    }
}
