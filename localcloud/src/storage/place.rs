//! Where an object's content lies in its bucket's folder.
//!
//! The rule: an object lies at its own name, `buckets/<bucket>/<object>`. What a file system can't
//! hold there lies at `buckets/<bucket>/.names/<name>~<hash>` instead: the name with everything but
//! letters, digits, `.`, `-` and `_` percent-encoded and cut at 120 bytes, and the SHA-256 of the
//! whole name, so that two objects never share a file. That is so for a name with a segment that is
//! empty, `.`, `..`, longer than 255 bytes or holds a NUL, for a name below `.names/` or
//! `.generations/`, and where something else is already in the place: the folder `a/` for the object
//! `a`, the file `a` for `a/b`, or `A` beside `a` on a file system that can't tell them apart.
//!
//! Generations that are no longer live lie at `buckets/<bucket>/.generations/<name>~<generation>`,
//! the name spelled in the same way.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::folder;

/// The folder of names that can't stand for themselves.
const NAMES: &str = ".names";
/// The folder of what is no longer live.
const GENERATIONS: &str = ".generations";
const LONGEST_SEGMENT: usize = 255;
const LONGEST_SPELLING: usize = 120;

/// Chooses a free place for a new object, relative to the bucket's folder.
pub(super) fn choose(bucket: &Path, object: &str) -> PathBuf {
    match plain(object) {
        Some(place) if is_free(bucket, &place) => place,
        _ => named(object),
    }
}

/// The place of a generation that is no longer live.
pub(super) fn aside(object: &str, generation: i64) -> PathBuf {
    Path::new(GENERATIONS).join(format!("{}~{generation}", spelled(object)))
}

/// Moves a content to its place, making the folders on the way.
pub(super) fn put(content: &Path, bucket: &Path, place: &Path) -> io::Result<()> {
    make_room(bucket, place)?;
    fs::rename(content, bucket.join(place))
}

/// Makes the folders above a place.
pub(super) fn make_room(bucket: &Path, place: &Path) -> io::Result<()> {
    bucket.join(place).parent().map_or(Ok(()), folder::make)
}

/// Removes a bucket's folder with what is no longer live. What a person put there by hand stays; it
/// is not ours to delete.
pub(super) fn remove_bucket(bucket: &Path) {
    let _ = fs::remove_dir_all(bucket.join(GENERATIONS));
    let _ = fs::remove_dir(bucket.join(NAMES));
    let _ = fs::remove_dir(bucket);
}

/// Removes the folders above a place that are empty now.
pub(super) fn tidy(bucket: &Path, place: &Path) {
    for folder in place.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        if fs::remove_dir(bucket.join(folder)).is_err() {
            return;
        }
    }
}

fn plain(object: &str) -> Option<PathBuf> {
    let holds = |segment: &str| {
        !matches!(segment, "" | "." | "..") && segment.len() <= LONGEST_SEGMENT && !segment.contains('\0')
    };
    let first = object.split('/').next();
    let reserved = matches!(first, Some(NAMES | GENERATIONS));
    (object.split('/').all(holds) && !reserved).then(|| PathBuf::from(object))
}

fn named(object: &str) -> PathBuf {
    Path::new(NAMES).join(format!("{}~{}", spelled(object), hex::encode(Sha256::digest(object))))
}

fn spelled(object: &str) -> String {
    let mut name = String::new();
    for byte in object.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(name, "%{byte:02X}")),
        }
    }
    name.truncate(LONGEST_SPELLING);
    name
}

/// Nothing is there, and only folders are above it.
fn is_free(bucket: &Path, place: &Path) -> bool {
    let nothing =
        fs::symlink_metadata(bucket.join(place)).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    let is_folder = |folder: &Path| match fs::symlink_metadata(bucket.join(folder)) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    // A file above it makes the first look fail with another error than "not found".
    nothing && place.ancestors().skip(1).filter(|f| !f.as_os_str().is_empty()).all(is_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(bucket: &Path, object: &str) -> PathBuf {
        let place = choose(bucket, object);
        let content = bucket.with_extension("content");
        fs::write(&content, object).expect("write");
        put(&content, bucket, &place).expect("put");
        place
    }

    #[test]
    fn plain_names_lie_at_their_own_name_and_others_among_the_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = folder.path().join("bucket");
        fs::create_dir(&bucket).expect("a bucket");
        for plain in ["USD.csv", "features/USD.csv", "a b\"c", ".hidden", "é", &"a".repeat(255)] {
            assert_eq!(store(&bucket, plain), Path::new(plain));
        }
        for odd in [
            "a/",
            "/a",
            "a//b",
            "../a",
            "x/..",
            "x/./y",
            "a\0b",
            ".names/x",
            ".generations/x",
            &"b".repeat(256),
        ] {
            assert!(store(&bucket, odd).starts_with(NAMES), "{odd:?}");
        }
        assert!(store(&bucket, "x/../y z").to_string_lossy().starts_with(".names/x%2F..%2Fy%20z~"));
    }

    #[test]
    fn an_object_beside_a_folder_of_its_name_finds_another_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = folder.path().join("bucket");
        for objects in [["a", "a/b", "a/b/c"], ["a/b/c", "a/b", "a"]] {
            fs::create_dir(&bucket).expect("a bucket");
            let places = objects.map(|object| store(&bucket, object));
            assert_eq!(places[0], Path::new(objects[0]));
            for (object, place) in objects.iter().zip(&places) {
                assert_eq!(fs::read_to_string(bucket.join(place)).expect("content"), *object);
            }
            fs::remove_dir_all(&bucket).expect("clean");
        }
    }

    #[test]
    fn folders_go_with_their_last_object() {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = folder.path().join("bucket");
        fs::create_dir(&bucket).expect("a bucket");
        let (one, two) = (store(&bucket, "a/b/one"), store(&bucket, "a/two"));
        fs::remove_file(bucket.join(&one)).expect("remove");
        tidy(&bucket, &one);
        assert!(!bucket.join("a/b").exists() && bucket.join(&two).exists());
        fs::remove_file(bucket.join(&two)).expect("remove");
        tidy(&bucket, &two);
        assert!(!bucket.join("a").exists() && bucket.exists());
    }
}
