//! Who gives pods their identity to the world outside of the cluster. The kubelet knows what a pod
//! is called in Kubernetes, and nothing of what that is worth elsewhere.

use std::sync::Arc;

use serde_json::Value;

use super::super::kinds::{NODE, SERVICE_ACCOUNT};
use super::super::nodes::NODE_ACCOUNT;
use super::super::object::{self, text};
use super::super::store::{Key, Store};

/// Reads an annotation of a service account.
pub(crate) type Annotation = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a pod is in Kubernetes.
pub(crate) struct PodAccount {
    pub(crate) namespace: String,
    /// The name of its service account.
    pub(crate) account: String,
    /// The name of its node.
    pub(crate) node: String,
    /// The account that its node runs as.
    pub(crate) node_account: String,
    /// An annotation of its service account, as it is at the moment.
    pub(crate) annotation: Annotation,
}

/// Gives pods their identities.
#[tonic::async_trait]
pub(crate) trait Identities: Send + Sync {
    /// Begins to answer a pod that asks who it is.
    async fn attend(&self, pod: PodAccount) -> std::io::Result<BoxedAttendant>;

    /// Refuses if a node that runs as an account may not pull an image; the text is containerd's.
    fn may_pull(&self, node_account: &str, image: &str) -> Result<(), String>;
}

/// Answers one pod for as long as it lives.
#[tonic::async_trait]
pub(crate) trait Attendant: Send + Sync {
    /// The variables by which programs in the pod find it.
    fn environment(&self) -> Vec<(String, String)>;

    /// The pod has ended: so does what it was given.
    async fn leave(&self);
}

pub(crate) type BoxedAttendant = Box<dyn Attendant>;

/// The account that a pod's node runs as.
pub(super) fn node_account(pod: &Value, store: &Store) -> String {
    let node = store.get(&Key::new(&NODE, "", text(pod, "/spec/nodeName")));
    node.and_then(|node| object::annotation(&node, NODE_ACCOUNT).map(str::to_owned)).unwrap_or_default()
}

/// What a pod is.
pub(super) fn account_of(pod: &Value, store: &Arc<Store>) -> PodAccount {
    let name = match text(pod, "/spec/serviceAccountName") {
        "" => "default",
        name => name,
    };
    let key = Key::new(&SERVICE_ACCOUNT, object::namespace(pod), name);
    let store = store.clone();
    PodAccount {
        namespace: object::namespace(pod).into(),
        account: name.into(),
        node: text(pod, "/spec/nodeName").into(),
        node_account: node_account(pod, &store),
        annotation: Box::new(move |annotation| {
            let account = store.get(&key)?;
            object::annotation(&account, annotation).map(str::to_owned)
        }),
    }
}
