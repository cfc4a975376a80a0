//! The variables that point existing clients at the local cloud: Google's libraries, gcloud
//! and kubectl.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::container::KUBECONFIG;

/// Where the local cloud of one folder answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoints {
    /// `http://127.0.0.1:PORT`, of all Google services.
    pub url: String,
    /// `.provision/local`.
    pub folder: PathBuf,
}

impl Endpoints {
    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The kubeconfig with a context per running cluster.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join(KUBECONFIG)
    }

    /// What a shell exports so that clients work on `project` here. gcloud gets a configuration
    /// folder of its own, so that the user's is neither read nor changed.
    #[must_use]
    pub fn variables(&self, project: &str) -> Vec<(String, String)> {
        let url = &self.url;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut variables = self.emulators();
        let overrides = [
            ("PUBSUB", ""),
            ("STORAGE", "storage/v1/"),
            ("IAM", ""),
            ("CONTAINER", ""),
            ("CLOUDRESOURCEMANAGER", ""),
            ("SERVICEUSAGE", ""),
        ];
        let overridden = |(service, path): (&str, &str)| {
            (format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}"), format!("{url}/{path}"))
        };
        variables.extend(overrides.map(overridden));
        variables.extend([
            ("CLOUDSDK_AUTH_DISABLE_CREDENTIALS".into(), "true".into()),
            ("CLOUDSDK_CORE_PROJECT".into(), project.into()),
            ("CLOUDSDK_CONFIG".into(), text(self.folder.join("gcloud"))),
            ("GOOGLE_CLOUD_PROJECT".into(), project.into()),
            ("KUBECONFIG".into(), text(self.kubeconfig())),
        ]);
        variables
    }

    /// What pods need: where the queue, the bucket and the secrets are.
    #[must_use]
    pub fn emulators(&self) -> Vec<(String, String)> {
        vec![
            ("PUBSUB_EMULATOR_HOST".into(), self.authority().into()),
            ("STORAGE_EMULATOR_HOST".into(), self.url.clone()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER".into(), format!("{}/", self.url)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_pointed_here_and_none_at_the_users_own_configuration() {
        let endpoints =
            Endpoints { url: "http://127.0.0.1:8080".into(), folder: "/fx/.provision/local".into() };
        let variables = endpoints.variables("fx-dev");
        let value = |name: &str| {
            let found = variables.iter().find(|(variable, _)| variable == name);
            found.map(|(_, value)| value.as_str())
        };
        for (name, expected) in [
            ("PUBSUB_EMULATOR_HOST", "127.0.0.1:8080"),
            ("STORAGE_EMULATOR_HOST", "http://127.0.0.1:8080"),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", "http://127.0.0.1:8080/"),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "http://127.0.0.1:8080/"),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", "http://127.0.0.1:8080/storage/v1/"),
            ("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true"),
            ("CLOUDSDK_CORE_PROJECT", "fx-dev"),
            ("CLOUDSDK_CONFIG", "/fx/.provision/local/gcloud"),
            ("KUBECONFIG", "/fx/.provision/local/kubeconfig"),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
    }
}
