//! The methods of a cluster's Kubernetes API: every verb on every kind and its subresources, and what
//! the server says of itself.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Method;
use crate::kubernetes::KINDS;

/// The verbs, as Kubernetes' own authorization names them.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

type Key = (&'static str, &'static str, &'static str);

/// What a cluster says of itself: its version, its kinds, its health.
pub(in crate::calls) static DISCOVERY: Method = Method { name: "kubernetes.discovery.get", routes: &[] };

static ALL: LazyLock<HashMap<Key, &'static Method>> = LazyLock::new(|| {
    let mut all = HashMap::new();
    for kind in KINDS {
        for subresource in std::iter::once("").chain(kind.subresources.iter().copied()) {
            for verb in VERBS {
                all.insert((kind.plural, subresource, verb), named(kind.plural, subresource, verb));
            }
        }
    }
    all
});

/// The method of a verb on a kind, or on a subresource of it.
pub(in crate::calls) fn on(plural: &str, subresource: &str, verb: &str) -> Option<&'static Method> {
    ALL.get(&(plural, subresource, verb)).copied()
}

/// The names of all methods.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.values().map(|method| method.name).chain([DISCOVERY.name])
}

/// Kept for as long as the program runs: there is one for each entry of the table.
fn named(plural: &str, subresource: &str, verb: &str) -> &'static Method {
    let dot = if subresource.is_empty() { "" } else { "." };
    let name = Box::leak(format!("kubernetes.{plural}{dot}{subresource}.{verb}").into_boxed_str());
    Box::leak(Box::new(Method { name, routes: &[] }))
}
