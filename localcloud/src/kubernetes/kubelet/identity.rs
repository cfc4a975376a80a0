//! Who gives pods their identity to the world outside of the cluster. The kubelet knows what a pod
//! is called in Kubernetes, and nothing of what that is worth elsewhere.

use std::sync::Arc;

use serde_json::Value;

use super::super::kinds::SERVICE_ACCOUNT;
use super::super::object::{self, text};
use super::super::store::{Key, Store};

/// What a pod is in Kubernetes.
pub(crate) struct PodAccount {
    pub(crate) namespace: String,
    /// The name of its service account.
    pub(crate) account: String,
    /// The name of its node.
    pub(crate) node: String,
    /// An annotation of its service account, as it is at the moment.
    pub(crate) annotation: Box<dyn Fn(&str) -> Option<String> + Send + Sync>,
}

/// Gives pods their identities.
#[tonic::async_trait]
pub(crate) trait Identities: Send + Sync {
    /// Begins to answer a pod that asks who it is.
    async fn attend(&self, pod: PodAccount) -> std::io::Result<BoxedAttendant>;
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
        annotation: Box::new(move |annotation| {
            let account = store.get(&key)?;
            object::annotation(&account, annotation).map(str::to_owned)
        }),
    }
}
