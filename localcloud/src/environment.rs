//! The variables that point existing clients at the local cloud: Google's libraries, gcloud, gsutil
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

    /// What pods need: where the queue and the bucket are.
    #[must_use]
    pub fn emulators(&self) -> Vec<(String, String)> {
        vec![
            ("PUBSUB_EMULATOR_HOST".into(), self.authority().into()),
            ("STORAGE_EMULATOR_HOST".into(), self.url.clone()),
        ]
    }
}
