//! The objects of a cluster: kept in memory, written to the journal on every change, numbered by one
//! revision, with a bounded history for those who watch. Knows no kind's rules.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::admission;
use super::api::managed;
use super::generated::new_uid;
use super::kinds::{self, Kind};
use super::object;
use super::rules::{count_generation, is_released, writer_of};
use crate::clock::Clock;
use crate::journal::{Journal, Tables};

/// How many changes a late watcher may be behind before it must list again.
const HISTORY: usize = 8192;
/// Revisions are promised to the journal in blocks, so that none is given twice after a restart.
const BLOCK: u64 = 1024;
const REVISION_ROW: &str = "revision";

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: &'static Kind,
    /// Empty for kinds without namespace.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Added,
    Modified,
    Deleted,
}

/// One change of one object.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) event: Event,
    pub(crate) key: Key,
    /// After the change; what was there last, if it was deleted.
    pub(crate) object: Arc<Value>,
    pub(crate) before: Option<Arc<Value>>,
}

/// The history no longer reaches back to where a watcher stopped.
#[derive(Debug)]
pub(crate) struct Expired;

/// Why a write was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// An object of that name is there.
    #[error("already exists")]
    Exists,
    /// There is no object of that name.
    #[error("not found")]
    NotFound,
    /// The disk refused the change.
    #[error("could not write the journal: {0}")]
    Journal(#[from] io::Error),
}

/// The objects. Shared by the API server, the controllers and the kubelet.
pub(crate) struct Store {
    state: Mutex<State>,
    journal: Journal,
    table: String,
    clock: Clock,
    revision: watch::Sender<u64>,
}

struct State {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    revision: u64,
    promised: u64,
}

impl Key {
    pub(crate) fn new(kind: &'static Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object that is in the store.
    pub(crate) fn of(kind: &'static Kind, object: &Value) -> Self {
        Self::new(kind, object::namespace(object), object::name(object))
    }

    fn row(&self) -> String {
        format!("{}/{}/{}/{}", self.kind.group, self.kind.plural, self.namespace, self.name)
    }

    fn from_row(row: &str) -> Option<Self> {
        let mut parts = row.splitn(4, '/');
        let (group, plural) = (parts.next()?, parts.next()?);
        Some(Self::new(Kind::of_plural(group, plural)?, parts.next()?, parts.next()?))
    }
}

impl Store {
    /// Opens the objects that a journal's table holds.
    pub(crate) fn open(journal: Journal, tables: &mut Tables, table: &str, clock: Clock) -> io::Result<Self> {
        let mut rows = tables.take::<Value>(table)?;
        let promised = rows.remove(REVISION_ROW).and_then(|row| row.as_u64()).unwrap_or(0);
        let objects =
            rows.into_iter().filter_map(|(row, object)| Some((Key::from_row(&row)?, Arc::new(object))));
        let state =
            State { objects: objects.collect(), history: VecDeque::new(), revision: promised, promised };
        let revision = watch::Sender::new(promised);
        Ok(Self { state: Mutex::new(state), journal, table: table.into(), clock, revision })
    }

    /// The clock that stamps the objects.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Announces every new revision.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// The revision of the latest change.
    pub(crate) fn revision(&self) -> u64 {
        self.state().revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.state().objects.get(key).cloned()
    }

    /// The objects of a kind, of one namespace or of all.
    pub(crate) fn list(&self, kind: &'static Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.snapshot(kind, namespace).0
    }

    /// The objects of a kind, and the revision at which they were so.
    pub(crate) fn snapshot(&self, kind: &'static Kind, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let state = self.state();
        let from = Key::new(kind, namespace.unwrap_or_default(), "");
        let here = |key: &Key| key.kind == kind && namespace.is_none_or(|wanted| key.namespace == wanted);
        let objects = state.objects.range(from..).take_while(|(key, _)| here(key));
        (objects.map(|(_, object)| object.clone()).collect(), state.revision)
    }

    /// The objects of a kind as they were at a revision, if the history reaches that far.
    pub(crate) fn snapshot_at(
        &self,
        kind: &'static Kind,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Value>>, Expired> {
        let since = self.changes_since(revision)?;
        let mut objects: BTreeMap<Key, Arc<Value>> =
            self.list(kind, namespace).into_iter().map(|object| (Key::of(kind, &object), object)).collect();
        let here = |change: &&Change| {
            change.key.kind == kind && namespace.is_none_or(|wanted| change.key.namespace == wanted)
        };
        for change in since.iter().rev().filter(here) {
            match &change.before {
                Some(before) => drop(objects.insert(change.key.clone(), before.clone())),
                None => drop(objects.remove(&change.key)),
            }
        }
        Ok(objects.into_values().collect())
    }

    /// Whether new objects may be made in a namespace.
    pub(crate) fn is_open(&self, namespace: &str) -> bool {
        let found = self.get(&Key::new(&kinds::NAMESPACE, "", namespace));
        found.is_some_and(|namespace| !object::is_deleting(&namespace))
    }

    /// Every object that `wanted` accepts, of any kind.
    pub(crate) fn find(&self, wanted: impl Fn(&Key, &Value) -> bool) -> Vec<(Key, Arc<Value>)> {
        let state = self.state();
        let objects = state.objects.iter().filter(|(key, object)| wanted(key, object));
        objects.map(|(key, object)| (key.clone(), object.clone())).collect()
    }

    /// The changes after a revision, oldest first.
    pub(crate) fn changes_since(&self, revision: u64) -> Result<Vec<Change>, Expired> {
        let state = self.state();
        let oldest = state.history.front().map_or(state.revision + 1, |change| change.revision);
        if revision + 1 < oldest && revision < state.revision {
            return Err(Expired);
        }
        let from = state.history.partition_point(|change| change.revision <= revision);
        Ok(state.history.range(from..).cloned().collect())
    }

    /// Adds an object; the server's part of its metadata is set here.
    pub(crate) fn create(&self, kind: &'static Kind, mut object: Value) -> Result<Arc<Value>, StoreError> {
        let mut state = self.state();
        let key = Key::of(kind, &object);
        if state.objects.contains_key(&key) {
            return Err(StoreError::Exists);
        }
        object["kind"] = kind.kind.into();
        object["apiVersion"] = kind.api_version().into();
        let metadata = object::metadata(&mut object);
        metadata.entry("uid").or_insert_with(|| new_uid().into());
        metadata.insert("creationTimestamp".into(), object::seconds(self.clock.now()).into());
        if kind.counts_generations() {
            object::metadata(&mut object).insert("generation".into(), 1.into());
        }
        self.commit(&mut state, Event::Added, key, object)
    }

    /// Changes an object in place, under the lock: `change` sees the latest, and an error of it
    /// leaves all as it was. A change that changes nothing makes no revision. An object that is
    /// being deleted and that nothing holds any more is gone after it.
    pub(crate) fn update<E: From<StoreError>>(
        &self,
        key: &Key,
        change: impl FnOnce(&mut Value) -> Result<(), E>,
    ) -> Result<Arc<Value>, E> {
        let mut state = self.state();
        let before = state.objects.get(key).cloned().ok_or(StoreError::NotFound)?;
        let mut object = Value::clone(&before);
        change(&mut object)?;
        if is_released(key.kind, &object) {
            // Whoever watches is told what was there last.
            let last = self.commit(&mut state, Event::Deleted, key.clone(), Value::clone(&before))?;
            object["metadata"]["resourceVersion"] = last["metadata"]["resourceVersion"].clone();
            return Ok(Arc::new(object));
        }
        if object == *before {
            return Ok(before);
        }
        count_generation(key.kind, &before, &mut object);
        Ok(self.commit(&mut state, Event::Modified, key.clone(), object)?)
    }

    /// Changes an object that may have gone meanwhile, for those who watch for that anyway.
    pub(crate) fn amend(&self, key: &Key, change: impl FnOnce(&mut Value)) -> Option<Arc<Value>> {
        let now = self.clock.now();
        let amended = self.update(key, |object| {
            let before = object.clone();
            change(object);
            // What is written is what counts: an empty list is none.
            let _ = admission::known_fields(key.kind, object);
            if *object != before {
                managed::track(&before, object, key.kind.kind, writer_of(key.kind, &before, object), now);
            }
            Ok::<(), StoreError>(())
        });
        match amended {
            Ok(object) => Some(object),
            Err(StoreError::NotFound) => None,
            Err(error) => {
                tracing::error!(?key, %error, "a change was lost");
                None
            }
        }
    }

    /// Removes an object, whatever holds it.
    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<Value>> {
        let mut state = self.state();
        let object = Value::clone(state.objects.get(key)?);
        self.commit(&mut state, Event::Deleted, key.clone(), object).ok()
    }

    /// Forgets everything, here and in the journal.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        let keys: Vec<Key> = state.objects.keys().cloned().collect();
        for key in keys {
            if let Err(error) = self.journal.delete(&self.table, &key.row()) {
                tracing::error!(%error, "a deleted cluster's object stays in the journal");
            }
            state.objects.remove(&key);
        }
        if let Err(error) = self.journal.delete(&self.table, REVISION_ROW) {
            tracing::error!(%error, "a deleted cluster's revision stays in the journal");
        }
    }

    fn commit(
        &self,
        state: &mut State,
        event: Event,
        key: Key,
        mut object: Value,
    ) -> Result<Arc<Value>, StoreError> {
        let revision = state.revision + 1;
        if revision > state.promised {
            self.journal.put(&self.table, REVISION_ROW, &json!(revision + BLOCK))?;
            state.promised = revision + BLOCK;
        }
        // Whoever made it: it is stored as its kind's type is written. What is of no such type stays as it is.
        let mut written = object.clone();
        if admission::known_fields(key.kind, &mut written).is_ok() {
            object = written;
        }
        object::metadata(&mut object).insert("resourceVersion".into(), revision.to_string().into());
        let object = Arc::new(object);
        let before = state.objects.get(&key).cloned();
        if event == Event::Deleted {
            self.journal.delete(&self.table, &key.row())?;
            state.objects.remove(&key);
        } else {
            self.journal.put(&self.table, &key.row(), &*object)?;
            state.objects.insert(key.clone(), object.clone());
        }
        state.revision = revision;
        state.history.push_back(Change { revision, event, key, object: object.clone(), before });
        if state.history.len() > HISTORY {
            state.history.pop_front();
        }
        self.revision.send_replace(revision);
        Ok(object)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A change is made on a copy and put in last: a panic elsewhere leaves whole objects.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
