//! What a pod's metadata server tells, as the folders and files that it is asked for. Tokens are
//! not among them: they are made when they are asked for, and no listing carries them.

use serde_json::{Value, json};

use super::Told;
use crate::kubernetes::PodAccount;

/// The annotation by which a Kubernetes service account acts as one of Google's.
const ACTS_AS: &str = "iam.gke.io/gcp-service-account";
/// What tokens are good for.
const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"];

impl PodAccount {
    /// The Google service account that the pod acts as, if it does.
    pub(super) fn acts_as(&self) -> Option<String> {
        (self.annotation)(ACTS_AS).filter(|email| !email.is_empty())
    }
}

impl Told {
    /// The e-mail that the pod's account has: the pool's name, where it is nobody's.
    pub(super) fn email(&self) -> String {
        self.pod.acts_as().unwrap_or_else(|| self.workload.pool())
    }

    /// All of `computeMetadata/v1`.
    pub(super) fn tree(&self) -> Value {
        let Self { workload, location, cluster, .. } = self;
        let email = self.email();
        let account = json!({"aliases": ["default"], "email": email, "scopes": SCOPES});
        json!({
            "instance": {
                "attributes": {
                    "cluster-location": location,
                    "cluster-name": cluster,
                },
                "hostname": self.pod.node,
                "name": self.pod.node,
                "service-accounts": {"default": account, email: account},
                "zone": format!("projects/{}/zones/{location}", workload.number),
            },
            "project": {
                "numeric-project-id": workload.number,
                "project-id": workload.project,
            },
            "universe": {"universe-domain": "googleapis.com"},
        })
    }
}

/// Goes down a tree by the segments of a path.
pub(super) fn find<'a>(tree: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |at, segment| at.get(*segment))
}

/// A file's text, or the list of a folder, folders with their slash.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Object(entries) => entries.iter().fold(String::new(), |list, (name, value)| {
            let slash = if value.is_object() { "/" } else { "" };
            list + name + slash + "\n"
        }),
        Value::Array(lines) => lines.iter().fold(String::new(), |list, line| list + &text(line) + "\n"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As the recursive form has it: names in camel case. Names that are data, such as those of
/// accounts and attributes, stay.
pub(super) fn json(value: &Value) -> Value {
    let Value::Object(entries) = value else { return value.clone() };
    let renamed = entries.iter().map(|(name, value)| {
        let value = if name == "attributes" { value.clone() } else { json(value) };
        (if name.contains('@') || name.contains('.') { name.clone() } else { camel(name) }, value)
    });
    Value::Object(renamed.collect())
}

fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut whole, word| {
        let mut letters = word.chars();
        whole.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        whole.push_str(letters.as_str());
        whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_list_files_show_and_recursion_is_in_camel_case() {
        let tree = json!({"service-accounts": {"default": {"scopes": ["a", "b"]}}, "attributes": {"cluster-name": "c"}});
        assert_eq!(text(&tree), "attributes/\nservice-accounts/\n");
        let scopes = find(&tree, &["service-accounts", "default", "scopes"]).expect("there");
        assert_eq!(text(scopes), "a\nb\n");
        assert_eq!(
            json(&tree),
            json!({"serviceAccounts": {"default": {"scopes": ["a", "b"]}}, "attributes": {"cluster-name": "c"}})
        );
        assert!(find(&tree, &["service-accounts", "other"]).is_none());
    }
}
