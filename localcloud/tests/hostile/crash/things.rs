//! Things of every service that carry a version: how each is written, read and deleted.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::{Failure, Rest};

pub(super) type Version = u64;

/// One of a few things of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Thing(pub(super) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Subscription,
    Bucket,
    Object,
    ServiceAccount,
    Policy,
    ConfigMap,
}

/// The wires to a local cloud.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) rest: Rest,
    pub(super) kubernetes: kube::Client,
}

/// Of one length for all versions, so that a mixture of two would show.
fn content(version: Version) -> String {
    format!("{version:>16}").repeat(4000)
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Topic,
        Self::Subscription,
        Self::Bucket,
        Self::Object,
        Self::ServiceAccount,
        Self::Policy,
        Self::ConfigMap,
    ];

    /// An account's e-mail is not free again at once; a policy always is.
    pub(super) fn is_deleted(self) -> bool {
        !matches!(self, Self::ServiceAccount | Self::Policy)
    }

    fn path(self, Thing(thing): Thing) -> String {
        match self {
            Self::Topic => format!("/v1/projects/fx-dev/topics/top{thing}"),
            Self::Subscription => format!("/v1/projects/fx-dev/subscriptions/sub{thing}"),
            Self::Bucket => format!("/storage/v1/b/b{thing}-bucket"),
            Self::Object => format!("/storage/v1/b/base/o/folder%2Fo{thing}"),
            Self::ServiceAccount => {
                format!("/v1/projects/fx-dev/serviceAccounts/account-{thing}@fx-dev.iam.gserviceaccount.com")
            }
            Self::Policy => format!("/v1/projects/project-{thing}"),
            Self::ConfigMap => format!("map-{thing}"),
        }
    }
}

impl Reach {
    pub(super) async fn write(
        &self,
        kind: Kind,
        thing: Thing,
        version: Version,
        exists: bool,
    ) -> Result<(), Failure> {
        let labels = json!({"v": version.to_string()});
        let path = kind.path(thing);
        let (method, path, body) = match (kind, exists) {
            (Kind::Topic, false) => ("PUT", path, json!({"labels": labels})),
            (Kind::Topic, true) => {
                ("PATCH", path, json!({"topic": {"labels": labels}, "updateMask": "labels"}))
            }
            (Kind::Subscription, false) => {
                ("PUT", path, json!({"topic": "projects/fx-dev/topics/base", "labels": labels}))
            }
            (Kind::Subscription, true) => {
                ("PATCH", path, json!({"subscription": {"labels": labels}, "updateMask": "labels"}))
            }
            (Kind::Bucket, false) => {
                let name = path.rsplit('/').next();
                ("POST", "/storage/v1/b?project=fx-dev".into(), json!({"name": name, "labels": labels}))
            }
            (Kind::Bucket, true) => ("PATCH", path, json!({"labels": labels})),
            (Kind::Object, _) => {
                let name = path.rsplit('/').next().unwrap_or_default();
                let path = format!("/upload/storage/v1/b/base/o?uploadType=media&name={name}");
                return self.rest.call("POST", &path, content(version)).await.map(drop);
            }
            (Kind::ServiceAccount, false) => {
                let id = format!("account-{}", thing.0);
                let account = json!({"displayName": version.to_string()});
                let path = "/v1/projects/fx-dev/serviceAccounts".into();
                ("POST", path, json!({"accountId": id, "serviceAccount": account}))
            }
            (Kind::ServiceAccount, true) => {
                let account = json!({"displayName": version.to_string()});
                ("PATCH", path, json!({"serviceAccount": account, "updateMask": "displayName"}))
            }
            (Kind::Policy, _) => {
                let binding =
                    json!({"role": "roles/viewer", "members": [format!("user:v{version}@example.com")]});
                ("POST", format!("{path}:setIamPolicy"), json!({"policy": {"bindings": [binding]}}))
            }
            (Kind::ConfigMap, _) => return self.write_map(&path, version, exists).await,
        };
        self.rest.json(method, &path, body).await.map(drop)
    }

    pub(super) async fn delete(&self, kind: Kind, thing: Thing) -> Result<(), Failure> {
        let path = kind.path(thing);
        if kind == Kind::ConfigMap {
            let deleted = self.maps().delete(&path, &DeleteParams::default()).await;
            return deleted.map(drop).map_err(failure);
        }
        self.rest.call("DELETE", &path, "").await.map(drop)
    }

    /// The version that is there; none if the thing is not.
    pub(super) async fn read(&self, kind: Kind, thing: Thing) -> Option<Version> {
        let path = kind.path(thing);
        match kind {
            Kind::Topic | Kind::Subscription | Kind::Bucket => {
                number(&self.found("GET", &path).await?["labels"]["v"])
            }
            Kind::ServiceAccount => number(&self.found("GET", &path).await?["displayName"]),
            Kind::Policy => {
                let policy = self.found("POST", &format!("{path}:getIamPolicy")).await?;
                let member = policy["bindings"][0]["members"][0].as_str()?;
                member.strip_prefix("user:v")?.strip_suffix("@example.com")?.parse().ok()
            }
            Kind::ConfigMap => {
                let map = self.maps().get_opt(&path).await.expect("an answer")?;
                map.data?.get("v")?.parse().ok()
            }
            Kind::Object => match self.rest.call("GET", &format!("{path}?alt=media"), "").await {
                Ok(found) => {
                    let text = String::from_utf8(found).expect("text");
                    let version = text.get(..16).and_then(|v| v.trim().parse().ok()).expect("a version");
                    assert!(text == content(version), "a mixture, or {} bytes only", text.len());
                    Some(version)
                }
                Err(Failure::Refused(404, _)) => None,
                Err(other) => panic!("{path}: {other:?}"),
            },
        }
    }

    async fn found(&self, method: &str, path: &str) -> Option<Value> {
        match self.rest.json(method, path, Value::Null).await {
            Ok(found) => Some(found),
            Err(Failure::Refused(404, _)) => None,
            Err(other) => panic!("{path}: {other:?}"),
        }
    }

    async fn write_map(&self, name: &str, version: Version, exists: bool) -> Result<(), Failure> {
        let map = json!({"metadata": {"name": name}, "data": {"v": version.to_string()}});
        let map: ConfigMap = serde_json::from_value(map).expect("a map");
        let parameters = PostParams::default();
        let written = if exists {
            self.maps().replace(name, &parameters, &map).await
        } else {
            self.maps().create(&parameters, &map).await
        };
        written.map(drop).map_err(failure)
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::default_namespaced(self.kubernetes.clone())
    }
}

fn failure(error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) => Failure::Refused(status.code, json!(status.message)),
        _ => Failure::Broken,
    }
}

fn number(text: &Value) -> Option<Version> {
    text.as_str()?.parse().ok()
}
