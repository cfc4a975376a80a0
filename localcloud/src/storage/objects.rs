//! Objects: commit, get, read, update, delete. The order of steps is what makes a kill at any
//! instant harmless: see [`super::state`].

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::buckets::Change;
use super::checksum::Expected;
use super::draft::{Content, Draft};
use super::error::{Result, StorageError};
use super::generations::{Generation, Life};
use super::object::{Object, Settings};
use super::precondition::Precondition;
use super::retire::{self, Leaving};
use super::state::{State, Storage, new_content};
use super::{names, place};

/// An object that is to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct NewObject {
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) settings: Settings,
    /// Empty: the bucket's.
    pub(super) storage_class: String,
    pub(super) condition: Precondition,
    pub(super) expected: Expected,
}

/// An object that is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Source {
    pub(super) bucket: String,
    pub(super) name: String,
    /// None: the live one.
    pub(super) generation: Option<i64>,
    pub(super) condition: Precondition,
}

impl NewObject {
    /// Refuses what could never be created.
    pub(super) fn check(&self) -> Result<()> {
        names::check_object(&self.name)?;
        super::bucket::check_class(&self.storage_class)?;
        self.settings.check()
    }
}

impl Storage {
    /// Refuses what can't be created as things stand, before any content is taken in.
    pub(super) fn check_new(&self, new: &NewObject) -> Result<()> {
        new.check()?;
        let state = self.lock();
        state.check_new(new)?;
        self.may_replace(&state, new)
    }

    /// What replaces an object deletes it.
    fn may_replace(&self, state: &State, new: &NewObject) -> Result<()> {
        let live = state.bucket(&new.bucket)?;
        if live.generations.live(&new.name).is_some() {
            self.iam.check("storage.objects.delete", &live.resource(&new.name))?;
        }
        Ok(())
    }

    /// Whoever copies an object must be allowed to read it.
    pub(super) fn may_read(&self, source: &Source) -> Result<()> {
        let resource = self.lock().bucket(&source.bucket)?.resource(&source.name);
        Ok(self.iam.check("storage.objects.get", &resource)?)
    }

    /// A file for content on its way in.
    pub(super) async fn draft(&self) -> Result<Draft> {
        Draft::create(self.upload_file(&new_content())).await
    }

    /// Makes whole content an object.
    pub(super) fn commit(
        &self,
        new: NewObject,
        content: &Content,
        components: Option<i32>,
    ) -> Result<Object> {
        new.check()?;
        new.expected.check(&content.checksums)?;
        let now = self.now();
        let mut state = self.lock();
        state.check_new(&new)?;
        self.may_replace(&state, &new)?;
        let generation = state.next_generation(self.clock.now());
        let live = state.bucket_mut(&new.bucket)?;
        let folder = self.bucket_folder(&new.bucket);
        let before = live.generations.live(&new.name).cloned();
        let place =
            before.as_ref().map_or_else(|| place::choose(&folder, &new.name), |row| row.place.clone());
        let object = created(new, &live.row.bucket, content, components, (generation, now));
        let row = Generation { object: object.clone(), content: content.id.clone(), place };
        let replaced = before.map(|before| {
            let kept = retire::after_replacement(&live.row.bucket, &before, now);
            (before, kept)
        });
        self.replace(&folder, replaced.as_ref(), &row, content)?;
        if let Some((before, kept)) = replaced {
            self.note_replaced(&before, kept.as_ref());
            match kept {
                Some(kept) => live.generations.put(kept),
                None => live.generations.remove(&before.key()),
            }
        }
        live.generations.put(row);
        Ok(object)
    }

    /// The files and the row of a new generation: all of it, or, with an error, nothing.
    fn replace(
        &self,
        folder: &Path,
        replaced: Option<&(Generation, Option<Generation>)>,
        row: &Generation,
        content: &Content,
    ) -> Result<()> {
        place::make_room(folder, &row.place)?;
        let aside = replaced.and_then(|(_, kept)| kept.as_ref()).map(Generation::aside);
        if let Some(aside) = &aside {
            set_aside(folder, &row.place, aside)?;
        }
        let back =
            || aside.as_ref().map_or(Ok(()), |aside| fs::rename(folder.join(aside), folder.join(&row.place)));
        if let Err(error) = self.save(row) {
            let _ = back();
            return Err(error.into());
        }
        if let Err(error) = fs::rename(self.upload_file(&content.id), folder.join(&row.place)) {
            match self.erase(&row.object) {
                Ok(()) => drop(back()),
                // The row stands: the next start finds the content and goes on from here.
                Err(_) => content.keep(),
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// The new row is the truth already; the next start would say the same of the old one.
    fn note_replaced(&self, before: &Generation, kept: Option<&Generation>) {
        let noted = kept.map_or_else(|| self.erase(&before.object), |kept| self.save(kept));
        if let Err(error) = noted {
            tracing::warn!(%error, "what became of a replaced object is not written down yet");
        }
    }

    pub(super) fn get_object(&self, source: &Source) -> Result<Object> {
        Ok(self.lock().source(source)?.object.clone())
    }

    /// A soft-deleted generation, which only is found by its number.
    pub(super) fn get_soft_deleted(&self, source: &Source) -> Result<Object> {
        Ok(self.lock().soft_deleted(source)?.object.clone())
    }

    /// An object and its content, which stays readable even if the object is replaced.
    pub(super) fn open_object(&self, source: &Source) -> Result<(Object, fs::File)> {
        let state = self.lock();
        self.open_generation(state.source(source)?)
    }

    pub(super) fn open_generation(&self, row: &Generation) -> Result<(Object, fs::File)> {
        let file = fs::File::open(self.bucket_folder(&row.object.bucket).join(row.file()));
        Ok((row.object.clone(), file?))
    }

    pub(super) fn update_object(&self, source: &Source, change: &Change<'_, Settings>) -> Result<Object> {
        let now = self.now();
        self.amend(source, |object| {
            object.settings = change.apply(&object.settings)?;
            object.settings.check()?;
            object.updated = now;
            Ok(())
        })
    }

    /// Changes what is said of a generation, under its conditions.
    pub(super) fn amend(
        &self,
        source: &Source,
        change: impl FnOnce(&mut Object) -> Result<()>,
    ) -> Result<Object> {
        let mut state = self.lock();
        let mut row = state.changeable(source)?.clone();
        change(&mut row.object)?;
        row.object.metageneration += 1;
        self.save(&row)?;
        let object = row.object.clone();
        state.bucket_mut(&source.bucket)?.generations.put(row);
        Ok(object)
    }

    /// Deletes what a name stands for, or, with a generation, that very one.
    pub(super) fn delete_object(&self, source: &Source) -> Result<()> {
        let leaving = if source.generation.is_some() { Leaving::Generation } else { Leaving::Name };
        let now = self.now();
        let mut state = self.lock();
        let row = state.changeable(source)?.clone();
        refuse_held(&row.object)?;
        let live = state.bucket_mut(&source.bucket)?;
        if let Some(kept) = retire::retired(&live.row.bucket, &row, leaving, now) {
            self.keep_aside(&row, &kept)?;
            live.generations.put(kept);
        } else {
            self.remove(&row)?;
            live.generations.remove(&row.key());
        }
        Ok(())
    }

    /// Moves a deleted generation's content aside and says so in its row.
    fn keep_aside(&self, row: &Generation, kept: &Generation) -> Result<()> {
        let folder = self.bucket_folder(&row.object.bucket);
        let (from, to) = (row.file(), kept.file());
        if from != to {
            set_aside(&folder, &from, &to)?;
        }
        if let Err(error) = self.save(kept) {
            let _ = place::put(&folder.join(&to), &folder, &from);
            return Err(error.into());
        }
        if from != to {
            place::tidy(&folder, &from);
        }
        Ok(())
    }

    /// Removes a generation for good. Its content waits among the uploads until its row is gone.
    pub(super) fn remove(&self, row: &Generation) -> Result<()> {
        let folder = self.bucket_folder(&row.object.bucket);
        let (file, content) = (row.file(), self.upload_file(&row.content));
        // A person may have removed the file by hand.
        let moved = fs::rename(folder.join(&file), &content);
        if let Err(error) = self.erase(&row.object) {
            let _ = fs::rename(&content, folder.join(&file));
            return Err(error.into());
        }
        if moved.is_ok() {
            let _ = fs::remove_file(content);
        }
        place::tidy(&folder, &file);
        Ok(())
    }
}

impl State {
    fn check_new(&self, new: &NewObject) -> Result<()> {
        let live = self.bucket(&new.bucket)?.generations.live(&new.name);
        new.condition.check(live.map(|row| row.object.version()))?;
        live.map_or(Ok(()), |row| refuse_held(&row.object))
    }

    /// For those who read.
    fn source(&self, source: &Source) -> Result<&Generation> {
        let row = self.bucket(&source.bucket)?.object(&source.name, source.generation)?;
        source.condition.check_read(row.object.version())?;
        Ok(row)
    }

    /// For those who look at what is soft-deleted, and restore it. They must say which generation;
    /// gcloud asks without, to learn whether there is any.
    pub(super) fn soft_deleted(&self, source: &Source) -> Result<&Generation> {
        let generations = &self.bucket(&source.bucket)?.generations;
        match source.generation {
            None if generations.has_soft_deleted(&source.name) => {
                return Err(StorageError::required("generation"));
            }
            None => None,
            Some(generation) => generations.soft_deleted(&source.name, generation),
        }
        .ok_or_else(|| StorageError::no_object(&source.bucket, &source.name))
    }

    /// For those who change.
    fn changeable(&self, source: &Source) -> Result<&Generation> {
        let row = self.bucket(&source.bucket)?.object(&source.name, source.generation)?;
        source.condition.check(Some(row.object.version()))?;
        Ok(row)
    }
}

fn created(
    new: NewObject,
    bucket: &Bucket,
    content: &Content,
    components: Option<i32>,
    (generation, now): (i64, jiff::Timestamp),
) -> Object {
    let mut checksums = content.checksums.clone();
    if components.is_some() {
        checksums.md5 = None;
    }
    let class =
        if new.storage_class.is_empty() { &bucket.settings.storage_class } else { &new.storage_class };
    let storage_class = class.clone();
    let mut settings = new.settings;
    settings.event_based_hold |= bucket.settings.default_event_based_hold;
    Object {
        bucket: new.bucket,
        name: new.name,
        generation,
        metageneration: 1,
        size: content.size,
        checksums,
        settings,
        storage_class,
        components,
        created: now,
        updated: now,
        classed: now,
        life: Life::Live,
    }
}

/// Moves a file, which a person may have removed by hand, to where what is no longer live lies.
fn set_aside(folder: &Path, from: &Path, to: &Path) -> io::Result<()> {
    match place::put(&folder.join(from), folder, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn refuse_held(object: &Object) -> Result<()> {
    object.hold().map_or(Ok(()), |hold| Err(StorageError::held(&object.bucket, &object.name, hold)))
}
