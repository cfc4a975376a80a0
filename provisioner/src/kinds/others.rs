//! What in a cluster belongs neither to the stack nor to the cluster itself: somebody else put it
//! there, and it goes with a namespace or a cluster that is deleted.

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::discovery::{Discovery, Scope, verbs};

use crate::cloud::evidence::patiently;
use crate::cloud::{KUBERNETES_MANAGED_BY, Kubernetes, PART_OF, errors, limited};

/// Types that are listed at the same time.
const AT_ONCE: usize = 8;
/// Objects of one page.
const PAGE: u32 = 500;
/// Things that are told by name.
const NAMED: usize = 3;

/// Types whose objects only tell of others, and vanish with them.
const ECHOES: [&str; 4] = ["events", "endpoints", "endpointslices", "pods.metrics.k8s.io"];
/// What the cluster itself makes in its namespaces.
const BORN_WITH: [&str; 3] =
    ["configmaps/kube-root-ca.crt", "serviceaccounts/default", "services/kubernetes"];
/// Namespaces of the cluster itself and of what Google runs in it.
const SYSTEM: [&str; 3] = ["kube-", "gke-", "gmp-"];

/// What in the stack's namespace is not the stack's, as `type/name`.
pub(super) async fn in_namespace(
    kubernetes: &Kubernetes,
    namespace: &str,
    owner: &str,
) -> Result<Vec<String>> {
    let all = of_types(kubernetes, Some(namespace), owner).await?;
    Ok(all.into_iter().map(|Other { what, .. }| what).collect())
}

/// What in a whole cluster is not the stack's, as `namespace/type/name`.
pub(super) async fn in_cluster(kubernetes: &Kubernetes, owner: &str) -> Result<Vec<String>> {
    let is_system = |other: &Other| SYSTEM.iter().any(|prefix| other.namespace.starts_with(prefix));
    let all = of_types(kubernetes, None, owner).await?;
    let named = |other: Other| format!("{}/{}", other.namespace, other.what);
    Ok(all.into_iter().filter(|other| !is_system(other)).map(named).collect())
}

/// The first of them, for people.
pub(crate) fn told(others: &[String]) -> String {
    let named = others.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match others.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A thing of somebody else.
struct Other {
    namespace: String,
    /// `configmaps/settings`
    what: String,
}

async fn of_types(kubernetes: &Kubernetes, namespace: Option<&str>, owner: &str) -> Result<Vec<Other>> {
    let types = types(kubernetes).await?;
    let lists = types.into_iter().map(|of| async move { list(kubernetes, &of, namespace, owner).await });
    let found: Vec<Vec<Other>> = futures::stream::iter(lists).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The types of namespaced things that can be listed.
async fn types(kubernetes: &Kubernetes) -> Result<Vec<ApiResource>> {
    let ask = || Discovery::new(kubernetes.0.clone());
    // In two calls where the server can; an extension that is out of order does not count there.
    let discovery = match patiently(|| limited("discover the types", ask().run_aggregated())).await {
        Ok(discovery) if discovery.groups().next().is_some() => discovery,
        _ => patiently(|| limited("discover the types", ask().run())).await?,
    };
    let groups = discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
    let listed = groups.filter(|(of, can)| {
        let is_echo =
            ECHOES.iter().any(|echo| *echo == of.plural || *echo == format!("{}.{}", of.plural, of.group));
        can.scope == Scope::Namespaced && can.supports_operation(verbs::LIST) && !is_echo
    });
    Ok(listed.map(|(of, _)| of).collect())
}

async fn list(
    kubernetes: &Kubernetes,
    of: &ApiResource,
    namespace: Option<&str>,
    owner: &str,
) -> Result<Vec<Other>> {
    let client = kubernetes.0.clone();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, of),
        None => Api::all_with(client, of),
    };
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = match patiently(|| limited("list from the cluster", api.list(&page))).await {
            // What may not be seen may be there.
            Err(error) if errors::is_denied(&error) => {
                let namespace = namespace.unwrap_or("*").to_owned();
                return Ok(vec![Other { namespace, what: format!("{} (may not be listed)", of.plural) }]);
            }
            Err(error) if errors::is_not_found(&error) => return Ok(found),
            list => list?,
        };
        found.extend(list.items.iter().filter_map(|object| other(object, of, owner)));
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(found),
        }
    }
}

/// An object that is nobody's whom we know: what belongs to another object is judged with that one.
fn other(object: &DynamicObject, of: &ApiResource, owner: &str) -> Option<Other> {
    let metadata = &object.metadata;
    let what = format!("{}/{}", of.plural, metadata.name.as_deref()?);
    let labels = metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    let (managed_by, us) = KUBERNETES_MANAGED_BY;
    let is_ours = label(managed_by) == Some(us) && label(PART_OF) == Some(owner);
    let is_owned = metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    let namespace = metadata.namespace.clone().unwrap_or_default();
    (!is_ours && !is_owned && !BORN_WITH.contains(&what.as_str())).then_some(Other { namespace, what })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_neither_the_stacks_nor_the_clusters_own_is_somebody_elses() {
        let of = ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&());
        let what = |metadata: Value| {
            let object = serde_json::from_value(json!({ "metadata": metadata })).expect("an object");
            other(&object, &of, "fx").map(|other| other.what)
        };
        let ours = |stack: &str| json!({ "app.kubernetes.io/managed-by": "provision", "app.kubernetes.io/part-of": stack });
        assert_eq!(what(json!({ "name": "a" })).as_deref(), Some("configmaps/a"));
        assert_eq!(what(json!({ "name": "a", "labels": ours("other") })).as_deref(), Some("configmaps/a"));
        assert_eq!(what(json!({ "name": "a", "labels": ours("fx") })), None);
        assert_eq!(what(json!({ "name": "kube-root-ca.crt" })), None);
        let owners = json!([{ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1" }]);
        assert_eq!(what(json!({ "name": "a", "ownerReferences": owners })), None);
    }

    #[test]
    fn only_the_first_are_told() {
        let others: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(told(&others[..2]), "a, b");
        assert_eq!(told(&others), "a, b, c and 1 more");
    }
}
