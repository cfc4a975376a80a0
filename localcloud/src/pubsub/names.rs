//! Names of topics and subscriptions: `projects/PROJECT/topics/ID`.

use crate::error::ApiError;

/// What a subscription says of its topic when that was deleted.
pub(super) const DELETED_TOPIC: &str = "_deleted-topic_";

/// The collection a name lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Subscription,
}

impl Kind {
    fn collection(self) -> &'static str {
        match self {
            Self::Topic => "topics",
            Self::Subscription => "subscriptions",
        }
    }

    /// The full name of an id in a project.
    pub(super) fn name(self, project: &str, id: &str) -> String {
        format!("projects/{project}/{}/{id}", self.collection())
    }

    /// Refuses what can't be a name of this kind.
    pub(super) fn check(self, name: &str) -> Result<(), ApiError> {
        self.check_field("name", name)
    }

    /// Refuses what can't be a name of this kind, in a field of a request.
    pub(super) fn check_field(self, field: &str, name: &str) -> Result<(), ApiError> {
        let mut parts = name.split('/');
        let fits = parts.next() == Some("projects")
            && parts.next().is_some_and(|project| !project.is_empty())
            && parts.next() == Some(self.collection())
            && parts.next().is_some_and(is_id)
            && parts.next().is_none();
        if fits {
            return Ok(());
        }
        Err(ApiError::invalid_argument(format!(
            "Invalid resource name given ({field}={name}). Refer to https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names for more information."
        )))
    }
}

/// 3–255 of letters, digits and `-._~+%`, beginning with a letter and not with `goog`.
fn is_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+%".contains(&b);
    (3..=255).contains(&id.len())
        && id.as_bytes()[0].is_ascii_alphabetic()
        && id.bytes().all(allowed)
        && !id.starts_with("goog")
}

/// The last part of a name.
pub(super) fn id_of(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// The project of a name.
pub(super) fn project_of(name: &str) -> &str {
    name.split('/').nth(1).unwrap_or_default()
}

/// `projects/PROJECT`, as lists name it.
pub(super) fn check_project(name: &str) -> Result<&str, ApiError> {
    match name.strip_prefix("projects/") {
        Some(project) if !project.is_empty() && !project.contains('/') => Ok(project),
        _ => Err(ApiError::invalid_argument(format!("Invalid project name given (name={name})."))),
    }
}

/// What everybody answers for a name that is not there.
pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Resource not found (resource={}).", id_of(name)))
}

/// What a create answers for a name that is there.
pub(super) fn already_exists(name: &str) -> ApiError {
    ApiError::already_exists(format!("Resource already exists in the project (resource={}).", id_of(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_googles_rules() {
        let long = format!("projects/p/topics/{}", "a".repeat(255));
        for right in ["projects/p/topics/abc", "projects/p-1/topics/a.b_c~d+e%-", &long] {
            assert_eq!(Kind::Topic.check(right), Ok(()), "{right}");
        }
        let long = format!("projects/p/topics/{}", "a".repeat(256));
        for wrong in [
            "",
            "abc",
            "projects/p/topics/ab",
            "projects/p/topics/1abc",
            "projects/p/topics/googabc",
            "projects/p/topics/a b c",
            "projects//topics/abc",
            "projects/p/subscriptions/abc",
            "projects/p/topics/abc/def",
            &long,
        ] {
            assert!(Kind::Topic.check(wrong).is_err(), "{wrong}");
        }
    }
}
