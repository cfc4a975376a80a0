//! `bucket_file`: a local file that the stack keeps in one of its buckets.
//!
//! Told apart by its CRC-32C, which the service computes as well. An object that is no longer
//! declared stays: it goes with the bucket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clients::{Conditional, Metadata};
use serde::{Deserialize, Serialize};

use super::{Found, Kind, Place, quoted};
use crate::cause::{self, SPEC};
use crate::cloud::errors::Unmet;
use crate::cloud::{Cloud, MANAGED_BY, MANAGED_BY_US, STACK, limited, marks};
use crate::resource::{Address, Desired, Owner, Revision};
use crate::stack::{FieldProblem, Labels};

/// Most files that one stack keeps in its buckets: input data belongs there by other means.
const MOST: usize = 10_000;

/// A local file kept in a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BucketFile {
    /// CRC-32C of the content, in hexadecimal.
    crc32c: String,
    /// Where the content is, on this machine.
    source: PathBuf,
}

/// What is wrong with the `files` of a bucket.
pub(super) fn problems(files: &BTreeMap<String, String>, folder: &Path) -> Vec<FieldProblem> {
    let problem = |(object, path): (&String, &String)| {
        let at = |message: String| FieldProblem::at(&["files", object], message);
        let found = folder.join(path);
        match (object.ends_with('/'), std::fs::metadata(&found)) {
            (_, Err(error)) => Some(at(format!("cannot read {}: {error}", found.display()))),
            (true, Ok(meta)) if !meta.is_dir() => {
                Some(at(format!("{path} is not a folder")).help("drop the `/` from the key"))
            }
            (false, Ok(meta)) if !meta.is_dir() && !meta.is_file() => {
                Some(at(format!("{path} is neither a file nor a folder")))
            }
            _ if !is_inside(&found, folder) => {
                let help = "keep it in the stack's folder: a file from elsewhere would be published";
                Some(at(format!("{path} lies outside of the stack's folder")).help(help))
            }
            (false, Ok(meta)) if meta.is_dir() => {
                Some(at(format!("{path} is a folder")).help("end the key with `/`"))
            }
            _ if object.starts_with("runs/") => {
                Some(at("`runs/` is where the stack's runs are recorded".into()))
            }
            _ => None,
        }
    };
    files.iter().filter_map(problem).collect()
}

impl BucketFile {
    /// The files of one bucket as resources, in the order of names.
    pub(super) fn all(
        key: &str,
        bucket: &str,
        files: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Vec<Desired>> {
        let mut found = BTreeMap::new();
        for (object, path) in files {
            collect(object, &folder.join(path), &mut found)?;
        }
        let owner = Address::new("bucket", key);
        let one = |(object, source): (String, PathBuf)| {
            let content =
                std::fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
            let file = Self { crc32c: format!("{:08x}", crc32c::crc32c(&content)), source };
            let key = format!("{key}/{object}");
            let want = Desired::new(&key, format!("{bucket}/{object}"), &file)?.inside(owner.clone());
            Ok(Desired { spec: Some(file.spec()), ..want })
        };
        found.into_iter().map(one).collect()
    }

    /// Of a file the user wrote the content.
    fn spec(&self) -> String {
        let content = self.crc32c.as_str().into();
        cause::spec(&content, &content)
    }

    /// What an object says of how it was written: one that bears no marks was written by others.
    fn marks(&self, metadata: &Metadata) -> Labels {
        match metadata.contains_key(MANAGED_BY) {
            true => marks(metadata),
            false => Labels::from([(SPEC.to_owned(), self.spec())]),
        }
    }

    fn split(id: &str) -> (&str, &str) {
        id.split_once('/').unwrap_or((id, ""))
    }
}

/// Whether a path, its links followed, lies in a folder.
fn is_inside(path: &Path, folder: &Path) -> bool {
    match (path.canonicalize(), folder.canonicalize()) {
        (Ok(path), Ok(folder)) => path.starts_with(folder),
        _ => false,
    }
}

fn collect(object: &str, path: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    if !path.is_dir() {
        found.insert(object.to_owned(), path.to_owned());
        return Ok(());
    }
    // A pipe would be waited for, a device read for ever.
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?;
        if !entry.path().is_dir() && !entry.path().is_file() {
            bail!("{} is neither a file nor a folder", entry.path().display());
        }
        if !is_inside(&entry.path(), path) {
            bail!("{} is a link out of its folder", entry.path().display());
        }
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{} is not UTF-8", entry.path().display()))?;
        let inner =
            if entry.path().is_dir() { format!("{object}{name}/") } else { format!("{object}{name}") };
        collect(&inner, &entry.path(), found)?;
        if found.len() > MOST {
            bail!("{} holds more than {MOST} files: upload them by other means", path.display());
        }
    }
    Ok(())
}

impl Kind for BucketFile {
    const NAME: &'static str = "bucket_file";
    const IS_MARKED: bool = false;
    const CARRIES_RUNS: bool = false;

    fn apis(&self) -> &'static [&'static str] {
        &["storage"]
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let (bucket, object) = Self::split(id);
        let stored = match limited("look up the object", cloud.bucket(bucket).stat(object)).await {
            Ok(stored) => stored,
            Err(error)
                if error
                    .downcast_ref::<clients::ObjectError>()
                    .is_some_and(clients::ObjectError::is_not_found) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        Ok(stored.map(|stored| Found {
            id: id.to_owned(),
            key: id.to_owned(),
            // The bucket is ours, and what is declared in it is to be as declared.
            owner: Owner::Ours,
            fields: Self { crc32c: stored.crc32c, source: self.source.clone() },
            holds: None,
            inside: None,
            revision: Revision {
                version: Some(stored.generation.to_string()),
                marks: self.marks(&stored.metadata),
                ..Revision::default()
            },
        }))
    }

    async fn owned(_: &Cloud) -> Result<Vec<Found<Self>>> {
        Ok(Vec::new())
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        match self.store(cloud, at, 0).await? {
            Conditional::Stored(_) => Ok(()),
            Conditional::Conflict => bail!(Unmet::AlreadyThere(format!("gs://{}", at.id))),
        }
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        match self.store(cloud, at, at.generation().unwrap_or_default()).await? {
            Conditional::Stored(_) => Ok(()),
            Conditional::Conflict => bail!(Unmet::Raced(format!("gs://{}", at.id))),
        }
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (bucket, object) = Self::split(at.id);
        limited("delete the object", cloud.bucket(bucket).delete(object)).await
    }

    fn by_hand(&self, _: &str, id: &str) -> String {
        format!("gcloud storage rm {}", quoted(&format!("gs://{id}")))
    }
}

impl BucketFile {
    /// Stores the file over that generation; 0 stands for none.
    async fn store(&self, cloud: &Cloud, at: &Place<'_>, generation: i64) -> Result<Conditional> {
        let (bucket, object) = Self::split(at.id);
        let bucket = cloud.bucket(bucket);
        let source = self.source.display();
        let content = tokio::fs::read(&self.source).await.with_context(|| format!("cannot read {source}"))?;
        if format!("{:08x}", crc32c::crc32c(&content)) != self.crc32c {
            bail!("{source} changed since the plan: run the command again");
        }
        let ours = [(MANAGED_BY, MANAGED_BY_US), (STACK, cloud.owner.as_str())];
        let ours = ours.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
        let metadata: Metadata = at.marks.cloned().into_iter().flatten().chain(ours).collect();
        Ok(bucket.replace(object, bytes::Bytes::from(content), metadata, generation).await?)
    }
}
