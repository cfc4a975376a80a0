//! The state of all services on disk: an append-only file of JSON lines, each of which sets or
//! removes one key of one table. Knows nothing of what the tables hold.
//!
//! A line is written with one `write` before the change is answered, so that a `kill -9` loses
//! nothing acknowledged; a half-written last line is dropped at the next start. Opening rewrites
//! the file with only the lines that still count.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Where changes are written down. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<File>>);

/// What a journal held when it was opened: rows by table, for the services to take.
pub(crate) struct Tables(BTreeMap<String, BTreeMap<String, Value>>);

#[derive(Serialize)]
struct Line<'a, T> {
    table: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a T>,
}

#[derive(Deserialize)]
struct ReadLine {
    table: String,
    key: String,
    value: Option<Box<RawValue>>,
}

impl Journal {
    /// Opens the journal at `path`, made if it is not there, and returns what it holds.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Tables)> {
        let tables = Tables(read(path)?);
        let fresh = path.with_extension("new");
        let mut file = BufWriter::new(create(&fresh)?);
        for (table, rows) in &tables.0 {
            for (key, value) in rows {
                write_line(&mut file, &Line { table, key, value: Some(value) })?;
            }
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        std::fs::rename(&fresh, path)?;
        Ok((Self(Arc::new(Mutex::new(file))), tables))
    }

    /// Sets a key.
    pub(crate) fn put<T: Serialize>(&self, table: &str, key: &str, value: &T) -> io::Result<()> {
        self.append(&Line { table, key, value: Some(value) })
    }

    /// Removes a key.
    pub(crate) fn delete(&self, table: &str, key: &str) -> io::Result<()> {
        self.append::<()>(&Line { table, key, value: None })
    }

    fn append<T: Serialize>(&self, line: &Line<'_, T>) -> io::Result<()> {
        // A poisoned lock only means that another thread panicked between two whole lines.
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write_line(&mut *file, line)
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

fn read(path: &Path) -> io::Result<BTreeMap<String, BTreeMap<String, Value>>> {
    let mut tables: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(tables),
        Err(error) => return Err(error),
    };
    for line in BufReader::new(file).split(b'\n') {
        // Only the last line can be cut: it was never acknowledged.
        let Ok(line) = serde_json::from_slice::<ReadLine>(&line?) else { continue };
        let rows = tables.entry(line.table).or_default();
        match line.value {
            Some(value) => drop(rows.insert(line.key, serde_json::from_str(value.get())?)),
            None => drop(rows.remove(&line.key)),
        }
    }
    Ok(tables)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)
}

fn write_line<T: Serialize>(into: &mut impl Write, line: &Line<'_, T>) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    into.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn what_was_put_is_there_after_a_restart_and_what_was_deleted_is_not() {
        let folder = folder();
        let path = folder.path().join("journal");
        let (journal, _) = Journal::open(&path).expect("open");
        journal.put("topics", "a", &1).expect("put");
        journal.put("topics", "b", &2).expect("put");
        journal.put("topics", "a", &3).expect("put");
        journal.delete("topics", "b").expect("delete");
        drop(journal);

        let (_, mut tables) = Journal::open(&path).expect("open");
        assert_eq!(tables.take::<i32>("topics").expect("rows"), BTreeMap::from([("a".into(), 3)]));
        assert_eq!(std::fs::read_to_string(&path).expect("read").lines().count(), 1);
    }

    #[test]
    fn a_line_that_a_kill_cut_short_is_dropped() {
        let folder = folder();
        let path = folder.path().join("journal");
        let whole = "{\"table\":\"t\",\"key\":\"a\",\"value\":1}\n";
        std::fs::write(&path, format!("{whole}{{\"table\":\"t\",\"key\":\"b\",\"va")).expect("write");
        let (_, mut tables) = Journal::open(&path).expect("open");
        assert_eq!(tables.take::<i32>("t").expect("rows"), BTreeMap::from([("a".into(), 1)]));
    }
}
