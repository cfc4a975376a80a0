//! All generations of a bucket's objects: live, noncurrent, soft-deleted. Knows nothing of files.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds as _};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::object::Object;
use super::place;

/// Where a generation stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Life {
    /// What its name stands for.
    #[default]
    Live,
    /// Replaced or deleted in a bucket that keeps versions.
    Noncurrent { since: Timestamp },
    /// Deleted, and to be restored until the end of the bucket's retention.
    SoftDeleted {
        since: Timestamp,
        until: Timestamp,
        /// When it became noncurrent, if it was.
        noncurrent: Option<Timestamp>,
    },
}

/// One generation, as the journal has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Generation {
    pub(super) object: Object,
    /// Name of the content below `uploads/` until it is in its place.
    pub(super) content: String,
    /// Where the live content lies, below the bucket's folder.
    pub(super) place: PathBuf,
}

/// Which generations of a bucket are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Which {
    #[default]
    Live,
    /// Live and noncurrent.
    Versions,
    SoftDeleted,
}

/// A name and a generation: the order of every list.
pub(super) type Key = (String, i64);

/// Those of one bucket.
#[derive(Debug, Default)]
pub(super) struct Generations {
    live: BTreeMap<String, Generation>,
    noncurrent: BTreeMap<Key, Generation>,
    soft_deleted: BTreeMap<Key, Generation>,
}

impl Generation {
    pub(super) fn key(&self) -> Key {
        (self.object.name.clone(), self.object.generation)
    }

    /// Where its content lies today, below the bucket's folder.
    pub(super) fn file(&self) -> PathBuf {
        match self.object.life {
            Life::Live => self.place.clone(),
            Life::Noncurrent { .. } | Life::SoftDeleted { .. } => self.aside(),
        }
    }

    /// Where its content lies when it is no longer live.
    pub(super) fn aside(&self) -> PathBuf {
        place::aside(&self.object.name, self.object.generation)
    }
}

impl Generations {
    pub(super) fn live(&self, name: &str) -> Option<&Generation> {
        self.live.get(name)
    }

    /// The live generation, or the one that is asked for, be it live or noncurrent.
    pub(super) fn find(&self, name: &str, generation: Option<i64>) -> Option<&Generation> {
        let live = self.live.get(name);
        match generation {
            None => live,
            Some(generation) => live
                .filter(|live| live.object.generation == generation)
                .or_else(|| self.noncurrent.get(&(name.to_owned(), generation))),
        }
    }

    pub(super) fn soft_deleted(&self, name: &str, generation: i64) -> Option<&Generation> {
        self.soft_deleted.get(&(name.to_owned(), generation))
    }

    pub(super) fn has_soft_deleted(&self, name: &str) -> bool {
        let all = (name.to_owned(), i64::MIN)..=(name.to_owned(), i64::MAX);
        self.soft_deleted.range(all).next().is_some()
    }

    /// Takes a generation in where its life has it, and out of where it was.
    pub(super) fn put(&mut self, row: Generation) {
        let key = row.key();
        self.remove(&key);
        match row.object.life {
            Life::Live => drop(self.live.insert(key.0, row)),
            Life::Noncurrent { .. } => drop(self.noncurrent.insert(key, row)),
            Life::SoftDeleted { .. } => drop(self.soft_deleted.insert(key, row)),
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if self.live.get(&key.0).is_some_and(|live| live.object.generation == key.1) {
            self.live.remove(&key.0);
        }
        self.noncurrent.remove(key);
        self.soft_deleted.remove(key);
    }

    /// Whether there are none but soft-deleted ones.
    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.noncurrent.is_empty()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Generation> {
        self.live.values().chain(self.noncurrent.values()).chain(self.soft_deleted.values())
    }

    /// How many generations of its name, the live one included, are newer than this one.
    pub(super) fn newer_than(&self, row: &Generation) -> usize {
        let (name, generation) = row.key();
        let above = (Bound::Excluded((name.clone(), generation)), Bound::Included((name.clone(), i64::MAX)));
        let live = self.live.get(&name).is_some_and(|live| live.object.generation > generation);
        self.noncurrent.range(above).count() + usize::from(live)
    }

    /// The first one from there on.
    pub(super) fn next(&self, which: Which, from: &Bound<Key>) -> Option<&Generation> {
        match which {
            Which::Live => self.next_live(from),
            Which::SoftDeleted => first(&self.soft_deleted, from),
            Which::Versions => {
                let live = self.next_live(from);
                let noncurrent = first(&self.noncurrent, from);
                live.into_iter().chain(noncurrent).min_by_key(|row| row.key())
            }
        }
    }

    fn next_live(&self, from: &Bound<Key>) -> Option<&Generation> {
        let name = match from {
            Bound::Unbounded => "",
            Bound::Included((name, _)) | Bound::Excluded((name, _)) => name,
        };
        let range = (from.clone(), Bound::Unbounded);
        let mut live = self.live.range::<str, _>((Bound::Included(name), Bound::Unbounded));
        // The first of that name may stand before the generation that was asked for.
        live.find(|(_, row)| range.contains(&row.key())).map(|(_, row)| row)
    }
}

fn first<'a>(rows: &'a BTreeMap<Key, Generation>, from: &Bound<Key>) -> Option<&'a Generation> {
    rows.range((from.clone(), Bound::Unbounded)).next().map(|(_, row)| row)
}
