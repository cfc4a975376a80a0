//! Which resource a request's path names.

use percent_encoding::percent_decode_str;

use super::super::kinds::{KINDS, Kind};
use super::super::store::Key;

/// What a path leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    Health,
    Version,
    CoreVersions,
    Groups,
    Group(String),
    /// The resources of a group's version; the core group is empty.
    GroupVersion(String),
    /// The `OpenAPI` index, or one group's document.
    OpenApi(Option<String>),
    Resource(Target),
}

/// A resource, or all of a kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) kind: &'static Kind,
    /// None: of all namespaces, or of a kind that has none.
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: String,
}

impl Place {
    /// Reads a path; None if it leads nowhere.
    pub(super) fn of(path: &str) -> Option<Self> {
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_decode_str(part).decode_utf8().map(Into::into))
            .collect::<Result<_, _>>()
            .ok()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Some(Self::Health),
            ["version"] => Some(Self::Version),
            ["api"] => Some(Self::CoreVersions),
            ["apis"] => Some(Self::Groups),
            ["apis", group] => Some(Self::Group((*group).into())),
            ["api", "v1"] => Some(Self::GroupVersion(String::new())),
            ["apis", group, "v1"] => Some(Self::GroupVersion((*group).into())),
            ["openapi", "v3"] => Some(Self::OpenApi(None)),
            ["openapi", "v3", "api", "v1"] => Some(Self::OpenApi(Some(String::new()))),
            ["openapi", "v3", "apis", group, "v1"] => Some(Self::OpenApi(Some((*group).into()))),
            ["api", "v1", rest @ ..] => Target::of("", rest).map(Self::Resource),
            ["apis", group, "v1", rest @ ..] => Target::of(group, rest).map(Self::Resource),
            _ => None,
        }
    }
}

/// Whether a path begins as those of a group that is served.
pub(super) fn is_of_known_group(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    match parts.next() {
        Some("api" | "openapi" | "version") => true,
        Some("apis") => parts.next().is_none_or(|group| KINDS.iter().any(|kind| kind.group == group)),
        _ => false,
    }
}

impl Target {
    fn of(group: &str, parts: &[&str]) -> Option<Self> {
        let (namespace, parts) = match parts {
            ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status" | "finalize"]) => {
                (Some((*namespace).to_owned()), rest)
            }
            parts => (None, parts),
        };
        let (plural, name, subresource) = match parts {
            [plural] => (plural, None, ""),
            [plural, name] => (plural, Some((*name).to_owned()), ""),
            [plural, name, subresource] => (plural, Some((*name).to_owned()), *subresource),
            _ => return None,
        };
        let kind = KINDS.into_iter().find(|kind| kind.group == group && kind.plural == *plural)?;
        let in_place = match (kind.namespaced, &namespace) {
            (true, None) => name.is_none(),
            (true, Some(_)) | (false, None) => true,
            (false, Some(_)) => false,
        };
        let known = subresource.is_empty() || kind.subresources.contains(&subresource);
        (in_place && known).then(|| Self { kind, namespace, name, subresource: subresource.into() })
    }

    /// The key of one of its objects.
    pub(super) fn key(&self, name: &str) -> Key {
        Key::new(self.kind, self.namespace.as_deref().unwrap_or_default(), name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kinds::{JOB, NAMESPACE, POD};
    use super::*;

    #[test]
    fn paths_lead_to_resources_and_unknown_ones_nowhere() {
        let target = |kind, namespace: &str, name: &str, subresource: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Some(Place::Resource(Target {
                kind,
                namespace: some(namespace),
                name: some(name),
                subresource: subresource.into(),
            }))
        };
        for (path, place) in [
            ("/api/v1/pods", target(&POD, "", "", "")),
            ("/api/v1/namespaces/a/pods/b/log", target(&POD, "a", "b", "log")),
            ("/api/v1/namespaces/a/status", target(&NAMESPACE, "", "a", "status")),
            ("/api/v1/namespaces/a", target(&NAMESPACE, "", "a", "")),
            ("/apis/batch/v1/namespaces/a/jobs", target(&JOB, "a", "", "")),
            ("/apis/batch/v1/namespaces/a/pods", None),
            ("/api/v1/pods/b", None),
            ("/api/v1/namespaces/a/nodes", None),
            ("/api/v1/namespaces/a/pods/b/exec", None),
            ("/apis/batch/v2", None),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
    }
}
