//! The kubeconfig of all running clusters, for kubectl: one context each, the newest current.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::Container;
use super::names::ClusterName;
use crate::kubernetes;

/// Its name in `.provision/local`.
pub(crate) const FILE: &str = "kubeconfig";

impl Container {
    /// Writes it anew; a failure costs kubectl only, and is logged.
    pub(super) fn write_kubeconfig(&self) {
        let mut clusters: Vec<_> = {
            let (state, live) = (self.state(), self.live());
            let record = |(name, live): (&ClusterName, &Arc<kubernetes::Cluster>)| {
                let record = state.record(name).ok()?;
                Some((record.cluster.create_time.clone(), name.context(), live.clone()))
            };
            live.iter().filter_map(record).collect()
        };
        clusters.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        let named: Vec<_> = clusters.into_iter().map(|(_, context, live)| (context, live)).collect();
        if let Err(error) = write(&self.surroundings.folder.join(FILE), &named) {
            tracing::error!(%error, "the kubeconfig can't be written");
        }
    }
}

/// JSON is YAML. The file holds keys, so only its owner reads it, and readers never see half of it.
fn write(path: &Path, clusters: &[(String, Arc<kubernetes::Cluster>)]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let encoded = |pem: &str| BASE64_STANDARD.encode(pem);
    let cluster = |(name, live): &(String, Arc<kubernetes::Cluster>)| {
        json!({"name": name, "cluster": {
            "server": format!("https://{}", live.endpoint()),
            "certificate-authority-data": encoded(live.ca_certificate()),
        }})
    };
    let user = |(name, live): &(String, Arc<kubernetes::Cluster>)| {
        json!({"name": name, "user": {
            "client-certificate-data": encoded(live.client_certificate()),
            "client-key-data": encoded(live.client_key()),
        }})
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters.iter().map(cluster).collect::<Vec<_>>(),
        "users": clusters.iter().map(user).collect::<Vec<_>>(),
        "contexts": clusters.iter()
            .map(|(name, _)| json!({"name": name, "context": {"cluster": name, "user": name}}))
            .collect::<Vec<_>>(),
        "current-context": clusters.last().map_or("", |(name, _)| name),
    });
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(config.to_string().as_bytes())?;
    file.persist(path)?;
    Ok(())
}
