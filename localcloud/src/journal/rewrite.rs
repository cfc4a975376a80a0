//! Rewrites the journal with only the lines that still count. The new file stands beside the old
//! one until it holds everything, and takes its name in one step: a kill leaves one or the other.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::line::{self, Entry};
use super::{Rows, Shared};
use crate::folder;

/// What may be left to copy while writers wait.
const LAST_BIT: u64 = 256 << 10;

/// The file that is to take the journal's place; gone if it does not.
struct Fresh {
    path: PathBuf,
    file: BufWriter<File>,
    length: u64,
    kept: bool,
}

/// Where the change stands that counts for a key: the line's first byte, and which of its changes.
type Place = (u64, usize);

/// Tells keys apart without keeping them: 128 bits of two keyed hashes.
struct Keys([RandomState; 2]);

/// Writes `rows`, all that counts, as the journal at `path`.
pub(super) fn afresh(path: &Path, rows: &Rows) -> io::Result<()> {
    let mut fresh = Fresh::create(path)?;
    let mut buffer = Vec::new();
    for (table, rows) in rows {
        for (key, value) in rows {
            buffer.clear();
            line::encode(&mut buffer, table, key, value)?;
            fresh.write(&buffer)?;
        }
    }
    fresh.sync()?;
    fresh.take_the_name_of(path)?;
    Ok(())
}

/// Rewrites the journal while lines are added to it. Writers wait only while the last bit is copied.
pub(super) fn while_in_use(shared: &Shared) -> io::Result<()> {
    let (path, end) = {
        let tail = shared.tail();
        (tail.path().to_owned(), tail.length())
    };
    let keys = Keys([RandomState::new(), RandomState::new()]);
    let last = last_places(shared, &path, end, &keys)?;
    let mut fresh = Fresh::create(&path)?;
    each_change(shared, &path, end, |place, entry| {
        if last.get(&keys.of(entry)) == Some(&place) {
            let mut buffer = Vec::new();
            line::encode(&mut buffer, &entry.table, &entry.key, &entry.value)?;
            fresh.write(&buffer)?;
        }
        Ok(())
    })?;
    drop(last);
    let counted = fresh.length;

    let mut old = File::open(&path)?;
    let mut copied = end;
    loop {
        let now = shared.tail().length();
        if now - copied <= LAST_BIT {
            break;
        }
        fresh.copy(&mut old, copied, now)?;
        copied = now;
    }
    fresh.sync()?;
    let mut tail = shared.tail();
    let end = tail.length();
    fresh.copy(&mut old, copied, end)?;
    let (file, length) = fresh.take_the_name_of(&path)?;
    tail.replace(file, length, counted);
    Ok(())
}

/// The place of the change that counts, of every key that is set.
fn last_places(shared: &Shared, path: &Path, end: u64, keys: &Keys) -> io::Result<HashMap<u128, Place>> {
    let mut last = HashMap::new();
    each_change(shared, path, end, |place, entry| {
        match entry.value {
            Some(_) => last.insert(keys.of(entry), place),
            None => last.remove(&keys.of(entry)),
        };
        Ok(())
    })?;
    Ok(last)
}

fn each_change(
    shared: &Shared,
    path: &Path,
    end: u64,
    mut see: impl FnMut(Place, &Entry<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufReader::with_capacity(256 << 10, File::open(path)?.take(end));
    let (mut offset, mut line) = (0, Vec::new());
    while file.read_until(b'\n', &mut line)? > 0 {
        if shared.is_closing() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the local cloud stops"));
        }
        for (index, entry) in line::decode(&line)?.iter().enumerate() {
            see((offset, index), entry)?;
        }
        offset += line.len() as u64;
        line.clear();
    }
    Ok(())
}

impl Keys {
    fn of(&self, entry: &Entry<'_>) -> u128 {
        let [high, low] = self.0.each_ref().map(|state| state.hash_one((&entry.table, &entry.key)));
        u128::from(high) << 64 | u128::from(low)
    }
}

impl Fresh {
    fn create(journal: &Path) -> io::Result<Self> {
        let path = journal.with_extension("new");
        // What a kill left of an earlier one.
        let _ = fs::remove_file(&path);
        let file = folder::private_file().append(true).create_new(true).open(&path)?;
        Ok(Self { path, file: BufWriter::with_capacity(256 << 10, file), length: 0, kept: false })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.length += line.len() as u64;
        self.file.write_all(line)
    }

    fn copy(&mut self, from: &mut File, start: u64, end: u64) -> io::Result<()> {
        from.seek(SeekFrom::Start(start))?;
        let copied = io::copy(&mut from.take(end - start), &mut self.file)?;
        self.length += copied;
        if copied == end - start { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Brings it to the disk before it replaces what may be there already.
    fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    fn take_the_name_of(mut self, journal: &Path) -> io::Result<(File, u64)> {
        self.file.flush()?;
        let file = self.file.get_ref().try_clone()?;
        fs::rename(&self.path, journal)?;
        self.kept = true;
        Ok((file, self.length))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
