//! Artifact Registry: repositories of container images over its v1 REST API, and the images in them
//! over the API that docker and others speak. What images consist of are plain files, named by their
//! digests; nothing here is ever run.

mod docker;
mod error;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::folder;
use crate::journal::{Journal, Tables};

const REPOSITORIES: &str = "registry.repositories";
const MANIFESTS: &str = "registry.manifests";
const TAGS: &str = "registry.tags";
/// Uploads that may be under way at the same time.
const UPLOADS: usize = 64;

/// All repositories of all projects.
pub(crate) struct ArtifactRegistry {
    journal: Journal,
    clock: Clock,
    /// Holds `blobs/` and `uploads/`.
    folder: PathBuf,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// By `project/location/repository`.
    repositories: BTreeMap<String, Repository>,
    /// By `project/location/repository/image@digest`: of what kind it is.
    manifests: BTreeMap<String, Manifest>,
    /// By `project/location/repository/image:tag`: the digest.
    tags: BTreeMap<String, String>,
    /// Blobs that are on their way.
    uploads: BTreeSet<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Repository {
    project: String,
    location: String,
    id: String,
    description: String,
    labels: BTreeMap<String, String>,
    created: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct Manifest {
    media_type: String,
}

/// An image's place: `project/location/repository/image`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    key: String,
}

impl ArtifactRegistry {
    pub(crate) fn open(
        journal: &Journal,
        tables: &mut Tables,
        clock: &Clock,
        folder: &Path,
    ) -> io::Result<Arc<Self>> {
        let held = Held {
            repositories: tables.take(REPOSITORIES)?,
            manifests: tables.take(MANIFESTS)?,
            tags: tables.take(TAGS)?,
            uploads: BTreeSet::new(),
        };
        let folder = folder.join("registry");
        // What a stop cut off is begun anew by whoever pushes.
        match std::fs::remove_dir_all(folder.join("uploads")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Arc::new(Self { journal: journal.clone(), clock: clock.clone(), folder, held: Mutex::new(held) }))
    }

    /// The image of a name in the API of docker, whose location stands in the name of the host: where
    /// nobody says it, the first repository of that name is meant.
    fn image(&self, location: Option<&str>, project: &str, repository: &str, image: &str) -> Option<Image> {
        let held = self.held();
        let mut all = held.repositories.values();
        let found = all.find(|one| {
            one.project == project && one.id == repository && location.is_none_or(|l| one.location == l)
        })?;
        Some(Image { key: format!("{project}/{}/{repository}/{image}", found.location) })
    }

    /// A manifest by its tag or digest: its digest, its kind, its content.
    fn manifest(&self, image: &Image, reference: &str) -> io::Result<Option<(String, String, Vec<u8>)>> {
        let (digest, media_type) = {
            let held = self.held();
            let digest = match is_digest(reference) {
                true => Some(reference.to_owned()),
                false => held.tags.get(&format!("{}:{reference}", image.key)).cloned(),
            };
            let Some(digest) = digest else { return Ok(None) };
            let found = held.manifests.get(&format!("{}@{digest}", image.key));
            let Some(found) = found else { return Ok(None) };
            (digest, found.media_type.clone())
        };
        Ok(self.blob(&digest)?.map(|content| (digest, media_type, content)))
    }

    /// Stores a manifest, under its tag too if it has one; its digest.
    fn put_manifest(
        &self,
        image: &Image,
        reference: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<String, ApiError> {
        let digest = self.store(content)?;
        let mut held = self.held();
        let key = format!("{}@{digest}", image.key);
        let manifest = Manifest { media_type: media_type.to_owned() };
        self.journal.put(MANIFESTS, &key, &manifest)?;
        held.manifests.insert(key, manifest);
        if !is_digest(reference) {
            let key = format!("{}:{reference}", image.key);
            self.journal.put(TAGS, &key, &digest)?;
            held.tags.insert(key, digest.clone());
        }
        Ok(digest)
    }

    fn tags(&self, image: &Image) -> Vec<String> {
        let prefix = format!("{}:", image.key);
        let held = self.held();
        held.tags.keys().filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned())).collect()
    }

    /// Stores content under its digest.
    fn store(&self, content: &[u8]) -> io::Result<String> {
        let hash = hex::encode(Sha256::digest(content));
        let place = self.folder.join("blobs");
        folder::make(&place)?;
        // The name comes last: a file of that name is whole.
        let new = place.join(format!("{hash}.{}", hex::encode(rand::random::<[u8; 4]>())));
        folder::private_file().write(true).create_new(true).open(&new)?.write_all(content)?;
        std::fs::rename(&new, place.join(&hash))?;
        Ok(format!("sha256:{hash}"))
    }

    /// The content of a digest.
    fn blob(&self, digest: &str) -> io::Result<Option<Vec<u8>>> {
        if !is_digest(digest) {
            return Ok(None);
        }
        let hash = digest.strip_prefix("sha256:").unwrap_or_default();
        match std::fs::read(self.folder.join("blobs").join(hash)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map(Some),
        }
    }

    /// Begins an upload; none if too many are under way.
    fn begin(&self) -> io::Result<Option<String>> {
        let mut held = self.held();
        if held.uploads.len() >= UPLOADS {
            return Ok(None);
        }
        let id = hex::encode(rand::random::<[u8; 16]>());
        folder::make(&self.folder.join("uploads"))?;
        let place = self.folder.join("uploads").join(&id);
        folder::private_file().write(true).create_new(true).open(place)?;
        held.uploads.insert(id.clone());
        Ok(Some(id))
    }

    /// Adds to an upload; how long it is then, or none if there is none of that name.
    fn append(&self, id: &str, content: &[u8]) -> io::Result<Option<u64>> {
        let held = self.held();
        if !held.uploads.contains(id) {
            return Ok(None);
        }
        let mut file = std::fs::OpenOptions::new().append(true).open(self.folder.join("uploads").join(id))?;
        file.write_all(content)?;
        Ok(Some(file.metadata()?.len()))
    }

    /// Ends an upload: what came, or none if there is none of that name.
    fn end(&self, id: &str) -> io::Result<Option<Vec<u8>>> {
        if !self.held().uploads.remove(id) {
            return Ok(None);
        }
        let place = self.folder.join("uploads").join(id);
        let content = std::fs::read(&place)?;
        std::fs::remove_file(place)?;
        Ok(Some(content))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Rows are put in whole: a panic elsewhere leaves them so.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `sha256:` and 64 hexadecimal digits.
fn is_digest(reference: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    reference.strip_prefix("sha256:").is_some_and(|hash| hash.len() == 64 && hash.bytes().all(hex))
}

/// What a tag may be.
fn is_tag(reference: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let begins = |first: u8| first.is_ascii_alphanumeric() || first == b'_';
    (1..=128).contains(&reference.len())
        && reference.bytes().all(plain)
        && reference.bytes().next().is_some_and(begins)
}
