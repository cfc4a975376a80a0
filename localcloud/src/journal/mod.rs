//! The state of all services on disk: an append-only file of JSON lines, each of which sets or
//! removes keys of tables. Knows nothing of what the tables hold.
//!
//! A line is written with one `write` before the change is answered, so that a `kill -9` loses
//! nothing acknowledged; a half-written last line is dropped at the next start. A line that could
//! not be written whole is taken back before the next one. Nothing is flushed to the disk itself
//! line by line: a power loss may take what the kernel had not written yet. A line in the middle
//! that can't be read is an error that says where, never a change that is quietly left out.
//!
//! The file is rewritten with only what still counts when it is opened, and while it is in use
//! whenever it is twice as long as what counted the last time, and [`FLOOR`] more.

mod line;
mod rewrite;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use line::Batch;
use tail::Tail;

/// How much the file grows, at the least, before it is rewritten.
const FLOOR: u64 = 16 << 20;

/// Where changes are written down. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// The latest rewriting, which ends before this does.
    rewriting: Mutex<Option<JoinHandle<()>>>,
}

/// What the writers and a rewriting have in common.
struct Shared {
    tail: Mutex<Tail>,
    closing: AtomicBool,
}

/// What a journal held when it was opened: rows by table, for the services to take.
pub(crate) struct Tables(Rows);

type Rows = BTreeMap<String, BTreeMap<String, Value>>;

impl Journal {
    /// Opens the journal at `path`, made if it is not there, and returns what it holds.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Tables)> {
        Self::open_with(path, FLOOR)
    }

    /// As [`Journal::open`], rewritten after `floor` bytes.
    fn open_with(path: &Path, floor: u64) -> io::Result<(Self, Tables)> {
        let (rows, whole) = read(path)?;
        let tail = match rewrite::afresh(path, &rows) {
            Ok(()) => Tail::open(path, None, floor)?,
            Err(error) => {
                // A disk without room for a second file still has the first.
                tracing::warn!(%error, path = %path.display(), "the journal stays as long as it is");
                Tail::open(path, Some(whole), floor)?
            }
        };
        let shared = Arc::new(Shared { tail: Mutex::new(tail), closing: AtomicBool::new(false) });
        Ok((Self(Arc::new(Inner { shared, rewriting: Mutex::default() })), Tables(rows)))
    }

    /// Sets a key.
    pub(crate) fn put<T: Serialize>(&self, table: &str, key: &str, value: &T) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.put(table, key, value)?;
        self.commit(batch)
    }

    /// Removes a key.
    pub(crate) fn delete(&self, table: &str, key: &str) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.delete(table, key)?;
        self.commit(batch)
    }

    /// Does all of a batch, or, if it fails or is cut short, nothing of it.
    pub(crate) fn commit(&self, batch: Batch) -> io::Result<()> {
        let Some(line) = batch.into_line() else { return Ok(()) };
        let mut tail = self.0.shared.tail();
        tail.append(&line)?;
        if tail.begin_rewriting() {
            drop(tail);
            self.rewrite();
        }
        Ok(())
    }

    fn rewrite(&self) {
        let shared = self.0.shared.clone();
        let started = std::thread::Builder::new().name("journal".into()).spawn(move || {
            match rewrite::while_in_use(&shared) {
                Ok(()) => shared.tail().end_rewriting(),
                Err(error) => shared.put_off_rewriting(&error),
            }
        });
        match started {
            // The one before has ended: there is never more than one.
            Ok(thread) => drop(self.0.rewriting().replace(thread)),
            Err(error) => self.0.shared.put_off_rewriting(&error),
        }
    }
}

#[cfg(test)]
impl Journal {
    /// Waits for a rewriting under way.
    fn settle(&self) {
        if let Some(thread) = self.0.rewriting().take() {
            thread.join().expect("a rewriting does not panic");
        }
    }
}

impl Inner {
    fn rewriting(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.rewriting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        if let Some(thread) = self.rewriting().take() {
            // One that panicked left the journal as it was.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn tail(&self) -> std::sync::MutexGuard<'_, Tail> {
        // A poisoned lock only means that another thread panicked between two whole lines.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_off_rewriting(&self, error: &io::Error) {
        tracing::warn!(%error, "the journal could not be rewritten, and grows on");
        self.tail().put_off_rewriting();
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

impl Tables {
    /// Takes a table's rows out; rows that no longer parse are an error that names them.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, table: &str) -> io::Result<BTreeMap<String, T>> {
        let parse = |(key, value)| match serde_json::from_value(value) {
            Ok(value) => Ok((key, value)),
            Err(error) => Err(io::Error::other(format!("journal, table {table}, key {key}: {error}"))),
        };
        self.0.remove(table).unwrap_or_default().into_iter().map(parse).collect()
    }
}

/// The rows of a journal, and how many of its bytes are whole lines.
fn read(path: &Path) -> io::Result<(Rows, u64)> {
    let mut rows = Rows::new();
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((rows, 0)),
        Err(error) => return Err(error),
    };
    let (mut whole, mut number, mut line) = (0, 0, Vec::new());
    while file.read_until(b'\n', &mut line)? > 0 {
        number += 1;
        // Only the last line can lack its end: it was never acknowledged.
        if line.last() != Some(&b'\n') {
            break;
        }
        apply(&mut rows, &line).map_err(|error| unreadable(path, number, &error))?;
        whole += line.len() as u64;
        line.clear();
    }
    Ok((rows, whole))
}

fn apply(rows: &mut Rows, line: &[u8]) -> serde_json::Result<()> {
    for entry in line::decode(line)? {
        let table = rows.entry(entry.table.into_owned()).or_default();
        match entry.value {
            Some(value) => drop(table.insert(entry.key.into_owned(), serde_json::from_str(value.get())?)),
            None => drop(table.remove(entry.key.as_ref())),
        }
    }
    Ok(())
}

fn unreadable(path: &Path, number: usize, error: &serde_json::Error) -> io::Error {
    let path = path.display();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "{path} line {number} can't be read ({error}): something else wrote there, or the machine lost \
             power; to go on without what the line said, remove it (sed -i {number}d {path}); to start with \
             nothing, move the file away"
        ),
    )
}

/// Feeds the reader with anything.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    // Whether it is a line is all that is asked.
    let _ = apply(&mut Rows::new(), bytes);
}
