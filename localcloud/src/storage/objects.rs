//! Objects: commit, get, read, update, delete, copy, compose.

use std::fs;

use super::buckets::Change;
use super::checksum::Expected;
use super::draft::{Content, Draft};
use super::error::{Result, StorageError};
use super::names;
use super::object::{Object, Settings};
use super::place;
use super::precondition::Precondition;
use super::state::{ObjectRow, State, Storage, new_content};
use serde::{Deserialize, Serialize};

/// Most objects in one composition.
const MOST_COMPONENTS: usize = 32;

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
        if live.objects.contains_key(&new.name) {
            self.iam.check("storage.objects.delete", &live.resource(&new.name))?;
        }
        Ok(())
    }

    /// Whoever copies an object must be allowed to read it.
    fn may_read(&self, source: &Source) -> Result<()> {
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
        let mut checksums = content.checksums.clone();
        new.expected.check(&checksums)?;
        if components.is_some() {
            checksums.md5 = None;
        }
        let now = self.now();
        let mut state = self.lock();
        state.check_new(&new)?;
        self.may_replace(&state, &new)?;
        let generation = state.next_generation(self.clock.now());
        let live = state.bucket_mut(&new.bucket)?;
        let folder = self.bucket_folder(&new.bucket);
        let before = live.objects.get(&new.name);
        let place = before.map_or_else(|| place::choose(&folder, &new.name), |before| before.place.clone());
        let class = &live.row.bucket.settings.storage_class;
        let storage_class = if new.storage_class.is_empty() { class.clone() } else { new.storage_class };
        let object = Object {
            bucket: new.bucket,
            name: new.name,
            generation,
            metageneration: 1,
            size: content.size,
            checksums,
            settings: new.settings,
            storage_class,
            components,
            created: now,
            updated: now,
        };
        let row = ObjectRow { object: object.clone(), content: content.id.clone(), place };
        self.save_object(&row)?;
        if let Err(error) = place::put(&self.upload_file(&content.id), &folder, &row.place) {
            before.map_or_else(|| self.erase_object(&object), |before| self.save_object(before))?;
            return Err(error.into());
        }
        live.objects.insert(object.name.clone(), row);
        Ok(object)
    }

    pub(super) fn get_object(&self, source: &Source) -> Result<Object> {
        Ok(self.lock().source(source)?.object.clone())
    }

    /// An object and its content, which stays readable even if the object is replaced.
    pub(super) fn open_object(&self, source: &Source) -> Result<(Object, fs::File)> {
        let state = self.lock();
        let row = state.source(source)?;
        let file = fs::File::open(self.bucket_folder(&source.bucket).join(&row.place));
        Ok((row.object.clone(), file?))
    }

    pub(super) fn update_object(&self, source: &Source, change: &Change<'_, Settings>) -> Result<Object> {
        let now = self.now();
        let mut state = self.lock();
        let mut row = state.changeable(source)?.clone();
        row.object.settings = change.apply(&row.object.settings)?;
        row.object.settings.check()?;
        row.object.metageneration += 1;
        row.object.updated = now;
        self.save_object(&row)?;
        let object = row.object.clone();
        state.bucket_mut(&source.bucket)?.objects.insert(object.name.clone(), row);
        Ok(object)
    }

    pub(super) fn delete_object(&self, source: &Source) -> Result<()> {
        let mut state = self.lock();
        let row = state.changeable(source)?.clone();
        refuse_held(&row.object)?;
        let folder = self.bucket_folder(&source.bucket);
        let content = self.upload_file(&row.content);
        // A person may have removed the file by hand.
        let moved = fs::rename(folder.join(&row.place), &content);
        self.erase_object(&row.object)?;
        state.bucket_mut(&source.bucket)?.objects.remove(&source.name);
        if moved.is_ok() {
            let _ = fs::remove_file(content);
        }
        place::tidy(&folder, &row.place);
        Ok(())
    }

    /// Copies content and, if `settings` says nothing else, what is set on the source.
    pub(super) async fn copy(
        &self,
        source: &Source,
        mut new: NewObject,
        settings: Option<Settings>,
    ) -> Result<Object> {
        self.may_read(source)?;
        let (from, file) = self.open_object(source)?;
        new.settings = settings.unwrap_or_else(|| from.settings.clone());
        if new.storage_class.is_empty() && new.bucket == source.bucket {
            new.storage_class.clone_from(&from.storage_class);
        }
        self.check_new(&new)?;
        let mut draft = self.draft().await?;
        draft.write_file(file).await?;
        self.commit(new, &draft.finish().await?, from.components)
    }

    /// Joins objects of one bucket.
    pub(super) async fn compose(&self, sources: &[Source], new: NewObject) -> Result<Object> {
        if !(1..=MOST_COMPONENTS).contains(&sources.len()) {
            return Err(StorageError::invalid(format!(
                "The number of source components provided ({}) must be between 1 and {MOST_COMPONENTS}.",
                sources.len()
            )));
        }
        self.check_new(&new)?;
        let mut draft = self.draft().await?;
        let mut components = 0_i32;
        for source in sources {
            self.may_read(source)?;
            let (from, file) = self.open_object(source)?;
            draft.write_file(file).await?;
            components = components.saturating_add(from.components.unwrap_or(1));
        }
        self.commit(new, &draft.finish().await?, Some(components))
    }
}

impl State {
    fn check_new(&self, new: &NewObject) -> Result<()> {
        let live = self.bucket(&new.bucket)?.objects.get(&new.name);
        new.condition.check(live.map(|row| row.object.version()))?;
        live.map_or(Ok(()), |row| refuse_held(&row.object))
    }

    /// For those who read.
    fn source(&self, source: &Source) -> Result<&ObjectRow> {
        let row = self.bucket(&source.bucket)?.object(&source.name, source.generation)?;
        source.condition.check_read(row.object.version())?;
        Ok(row)
    }

    /// For those who change.
    fn changeable(&self, source: &Source) -> Result<&ObjectRow> {
        let row = self.bucket(&source.bucket)?.object(&source.name, source.generation)?;
        source.condition.check(Some(row.object.version()))?;
        Ok(row)
    }
}

fn refuse_held(object: &Object) -> Result<()> {
    if object.is_held() {
        return Err(StorageError::held(&object.bucket, &object.name));
    }
    Ok(())
}
