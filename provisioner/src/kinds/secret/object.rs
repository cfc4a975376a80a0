//! The Kubernetes Secret that hands a value to pods. Diff, plans and reports see of the value only
//! whether it is the one that the cluster has; it is read where it is just before it is written.

use std::fmt;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use k8s_openapi::api::core::v1 as core;
use kube::api::Api;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::value::Source;
use crate::cloud::{Cloud, Home, Kubernetes, PART_OF, errors};
use crate::kinds::{Found, Kind, Place, in_cluster, manifest};
use crate::resource::{Owner, Revision};

/// The key of the value in the Secret's data.
pub(in crate::kinds) const VALUE: &str = "value";

/// A value in a cluster, without the value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Secret {
    value: Standing,
    /// Where the value is on this machine. It is no part of the live object, and never a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

/// What a plan may know of a value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Standing {
    /// As it is on this machine.
    #[serde(rename = "current")]
    Current,
    /// Another one.
    #[serde(rename = "outdated")]
    Outdated,
    /// Whoever asks may not read it.
    #[serde(rename = "unknown: may not be read")]
    Hidden,
    /// There is nothing to compare it with.
    #[serde(rename = "unknown: not on this machine")]
    Unavailable,
}

/// What is sent to the cluster. Prints as nothing.
struct Sealed(Value);

impl Secret {
    /// A value as it is on this machine.
    pub(super) fn wanted(source: Source) -> Self {
        Self { value: Standing::Current, source: Some(source) }
    }

    fn beside(&self, value: Standing) -> Self {
        Self { value, source: self.source.clone() }
    }

    /// How a live value stands to the one on this machine.
    fn standing(&self, live: &core::Secret) -> Standing {
        let Some(Ok(value)) = self.source.as_ref().map(Source::read) else { return Standing::Unavailable };
        let data = live.data.iter().flatten();
        let held: Vec<(&str, &[u8])> = data.map(|(key, bytes)| (key.as_str(), bytes.0.as_slice())).collect();
        match held[..] {
            [(VALUE, held)] if held == value.expose_secret().as_bytes() => Standing::Current,
            _ => Standing::Outdated,
        }
    }

    async fn store(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = in_cluster::split(at.id);
        let source = self.source.as_ref().context("a secret without a source")?;
        let mut sealed = sealed(&source.read()?, namespace, name, &cloud.owner);
        if let Some(version) = &at.revision.version {
            sealed.0["metadata"]["resourceVersion"] = version.as_str().into();
        }
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        kubernetes.apply(&api(&kubernetes, namespace), name, &sealed).await.map(drop)
    }
}

impl Kind for Secret {
    const NAME: &'static str = "secret";
    const DELETED_AFTER: &'static [&'static str] = &["job"];
    const CREATES_OVER: bool = true;

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let (cluster, namespace, name) = in_cluster::split(id);
        let Some(kubernetes) = cloud.kubernetes(cluster).await? else { return Ok(None) };
        let found = |owner, value, revision| Found {
            id: id.to_owned(),
            key: name.to_owned(),
            owner,
            fields: self.beside(value),
            holds: None,
            inside: None,
            revision,
        };
        match kubernetes.get(&api(&kubernetes, namespace), name).await {
            Ok(live) => {
                Ok(live.map(|live| found(owner(&live, cloud), self.standing(&live), revision(&live))))
            }
            // A plan is for many eyes; values are not.
            Err(error) if errors::is_denied(&error) => {
                Ok(Some(found(Owner::Ours, Standing::Hidden, Revision::default())))
            }
            Err(error) => Err(error),
        }
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let list = async |home: Home| {
            let api = api(&home.kubernetes, &cloud.prefix);
            let secrets = match home.kubernetes.owned(&api, &cloud.owner).await {
                Err(error) if errors::is_denied(&error) => Vec::new(),
                secrets => secrets?,
            };
            let found = secrets.into_iter().map(|secret| {
                let revision = revision(&secret);
                let name = secret.metadata.name.unwrap_or_default();
                Found {
                    id: format!("{}/namespaces/{}/secrets/{name}", home.id, cloud.prefix),
                    key: name,
                    owner: Owner::Ours,
                    fields: Self { value: Standing::Unavailable, source: None },
                    holds: None,
                    inside: home.inside(),
                    revision,
                }
            });
            Ok(found.collect())
        };
        cloud.at_home(list).await
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        self.store(cloud, at).await
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        self.store(cloud, at).await
    }

    async fn relabel(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = in_cluster::split(at.id);
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        let owner = json!({ "metadata": {
            "labels": { PART_OF: cloud.owner.as_str() },
            "resourceVersion": at.version(),
        } });
        kubernetes.merge(&api(&kubernetes, namespace), name, &owner).await.map(drop)
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = in_cluster::split(at.id);
        match cloud.kubernetes(cluster).await? {
            Some(kubernetes) => {
                let this = at.revision.identity.clone();
                kubernetes.delete_one(&api(&kubernetes, namespace), name, this).await
            }
            None => Ok(()),
        }
    }

    fn by_hand(&self, _: &str, id: &str) -> String {
        in_cluster::by_hand("secrets", id)
    }
}

fn api(kubernetes: &Kubernetes, namespace: &str) -> Api<core::Secret> {
    Api::namespaced(kubernetes.0.clone(), namespace)
}

fn revision(live: &core::Secret) -> Revision {
    let (identity, version) = (live.metadata.uid.clone(), live.metadata.resource_version.clone());
    Revision { identity, version, ..Revision::default() }
}

fn owner(live: &core::Secret, cloud: &Cloud) -> Owner {
    let labels = json!({ "metadata": { "labels": live.metadata.labels } });
    manifest::owner(&labels, &cloud.owner)
}

fn sealed(value: &SecretString, namespace: &str, name: &str, owner: &str) -> Sealed {
    let encoded = base64::engine::general_purpose::STANDARD.encode(value.expose_secret());
    let mut manifest = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace },
        "type": "Opaque",
        "data": { VALUE: encoded },
    });
    manifest::mark(&mut manifest, owner);
    Sealed(manifest)
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn live(data: &[(&str, &str)]) -> core::Secret {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        core::Secret { data: Some(data.collect::<BTreeMap<_, _>>()), ..core::Secret::default() }
    }

    #[test]
    fn a_value_is_compared_and_not_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "canary\n").expect("written");
        let wanted = Secret::wanted(Source::File(file.path().to_owned()));
        let standing = |data: &[(&str, &str)]| wanted.beside(wanted.standing(&live(data)));
        assert_eq!(standing(&[("value", "canary")]), wanted);
        for held in
            [&[("value", "canary\n")][..], &[("other", "canary")], &[], &[("value", "canary"), ("b", "c")]]
        {
            let differs = serde_json::to_value(standing(held)).expect("JSON");
            assert_eq!(differs["value"], "outdated");
            assert!(!differs.to_string().contains("canary"));
        }
        std::fs::remove_file(file.path()).expect("removed");
        assert_eq!(standing(&[("value", "canary")]).value, Standing::Unavailable);
    }

    #[test]
    fn what_is_sent_holds_the_value_and_prints_as_nothing() {
        let sealed = sealed(&"canary".into(), "fx", "token", "fx");
        assert_eq!(format!("{sealed:?}"), "a secret");
        let sent = serde_json::to_value(&sealed).expect("JSON");
        assert_eq!(sent["data"]["value"], "Y2FuYXJ5");
        assert_eq!(sent["metadata"]["labels"]["app.kubernetes.io/part-of"], "fx");
    }
}
