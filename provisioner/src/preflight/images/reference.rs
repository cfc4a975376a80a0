//! The names of container images. Knows no registry.

use std::fmt;

/// `HOST/PATH:TAG@DIGEST`, with tag, digest or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `europe-west1-docker.pkg.dev`.
    pub host: String,
    /// `my-project/my-repository/worker`.
    pub path: String,
    /// The tag that is written.
    pub tag: Option<String>,
    /// `sha256:…`, if it is written.
    pub digest: Option<String>,
}

impl Reference {
    /// Reads a name as containers have it. What says no host is Docker Hub's.
    pub(crate) fn parse(text: &str) -> Self {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        let (host, rest) = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path.to_owned(), Some(tag.to_owned())),
            _ => (rest, None),
        };
        Self { host: host.to_owned(), path, tag, digest }
    }

    /// Whether a registry of Google's holds it: Artifact Registry, under its own name or its older one.
    pub(crate) fn is_at_google(&self) -> bool {
        self.host.ends_with("-docker.pkg.dev") || self.host == "gcr.io" || self.host.ends_with(".gcr.io")
    }

    /// What a registry is asked for: the digest, if there is one.
    pub(crate) fn wanted(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// The same image, bound to a digest: its tag may move.
    pub(crate) fn pinned(&self, digest: &str) -> Self {
        Self { digest: Some(digest.to_owned()), ..self.clone() }
    }

    /// Whether another name says the same, but for its digest.
    pub(crate) fn is_tagged_as(&self, other: &Self) -> bool {
        (&self.host, &self.path, &self.tag) == (&other.host, &other.path, &other.tag)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_containers_have_it() {
        for (text, host, path, wanted, google) in [
            (
                "europe-west1-docker.pkg.dev/p/r/worker:1.2",
                "europe-west1-docker.pkg.dev",
                "p/r/worker",
                "1.2",
                true,
            ),
            ("eu.gcr.io/p/worker", "eu.gcr.io", "p/worker", "latest", true),
            ("gcr.io/p/worker@sha256:ab", "gcr.io", "p/worker", "sha256:ab", true),
            ("python:3.13-slim", "docker.io", "library/python", "3.13-slim", false),
            ("me/tool", "docker.io", "me/tool", "latest", false),
            ("localhost:5000/a/b:c", "localhost:5000", "a/b", "c", false),
            ("notgcr.io.example/x", "notgcr.io.example", "x", "latest", false),
        ] {
            let read = Reference::parse(text);
            assert_eq!(
                (read.host.as_str(), read.path.as_str(), read.wanted(), read.is_at_google()),
                (host, path, wanted, google),
                "{text}"
            );
        }
    }

    #[test]
    fn a_pinned_name_keeps_its_tag() {
        let tagged = Reference::parse("gcr.io/p/worker:1");
        let pinned = tagged.pinned("sha256:ab");
        assert_eq!(pinned.to_string(), "gcr.io/p/worker:1@sha256:ab");
        assert_eq!(Reference::parse(&pinned.to_string()), pinned);
        assert!(pinned.is_tagged_as(&tagged));
    }
}
