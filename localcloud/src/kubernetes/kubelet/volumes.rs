//! Volumes of a pod. Processes here share the machine's file system and have no mounts, so a path
//! below the mount of an `emptyDir`, where a container's command, arguments or variables begin with it,
//! is read as the same path in the pod's own folder. Nothing else is mounted.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::object::{list, text};

/// In the pod's folder: a folder for each of its volumes.
const VOLUMES: &str = "volumes";

/// What a container has mounted.
pub(super) struct Mounts(Vec<(String, PathBuf)>);

impl Mounts {
    /// The mounts of a container whose pod has this folder.
    pub(super) fn of(pod: &Value, container: &Value, folder: &Path) -> Self {
        let is_empty_dir = |name: &str| {
            let volumes = list(pod, "/spec/volumes");
            volumes.iter().any(|volume| text(volume, "/name") == name && volume.get("emptyDir").is_some())
        };
        let mounted = list(container, "/volumeMounts").iter().filter_map(|mount| {
            let (name, at) = (text(mount, "/name"), text(mount, "/mountPath").trim_end_matches('/'));
            let below = text(mount, "/subPath");
            let is_known = is_empty_dir(name) && at.starts_with('/');
            let volume = folder.join(VOLUMES).join(name);
            // Joining nothing would leave a slash at the end.
            let seen = if below.is_empty() { volume } else { volume.join(below) };
            is_known.then(|| (at.to_owned(), seen))
        });
        let mut mounts: Vec<_> = mounted.collect();
        // The innermost mount of a path counts.
        mounts.sort_by_key(|(at, _)| std::cmp::Reverse(at.len()));
        Self(mounts)
    }

    /// The folders that must be there before the container starts.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(_, folder)| folder.as_path())
    }

    /// A text as the container's process is to read it.
    pub(super) fn seen(&self, written: &str) -> String {
        let found = self.0.iter().find_map(|(at, folder)| {
            let rest = written.strip_prefix(at.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", folder.display()))
        });
        found.unwrap_or_else(|| written.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_below_a_mount_is_one_in_the_pods_folder() {
        let pod = json!({ "spec": { "volumes": [
            { "name": "a", "emptyDir": {} }, { "name": "b", "emptyDir": {} }, { "name": "c", "secret": {} },
        ] } });
        let container = json!({ "volumeMounts": [
            { "name": "a", "mountPath": "/data" }, { "name": "b", "mountPath": "/data/b/" },
            { "name": "c", "mountPath": "/secret" },
        ] });
        let mounts = Mounts::of(&pod, &container, Path::new("/pods/1"));
        for (written, seen) in [
            ("/data", "/pods/1/volumes/a"),
            ("/data/x y", "/pods/1/volumes/a/x y"),
            ("/data/b/x", "/pods/1/volumes/b/x"),
            ("/database", "/database"),
            ("--to=/data/x", "--to=/data/x"),
            ("/secret/x", "/secret/x"),
        ] {
            assert_eq!(mounts.seen(written), seen);
        }
        assert_eq!(mounts.folders().count(), 2);
    }
}
