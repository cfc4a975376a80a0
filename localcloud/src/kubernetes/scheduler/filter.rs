//! Whether a node can hold a pod, and why not, rule by rule as Kubernetes' scheduler asks. Pure.

use serde_json::{Value, json};

use super::super::object::{self, list, number, text, truth};
use super::super::selector::Labels;
use super::room::Room;

/// Why a node can't hold a pod.
#[derive(Debug, PartialEq)]
pub(crate) struct Misfit {
    pub(crate) reasons: Vec<String>,
    /// Whether the removal of other pods could help.
    pub(crate) others_could_go: bool,
}

/// Asks the rules in Kubernetes' order; the first that is broken tells its reasons. `all` are the
/// nodes over which pods may be kept apart.
pub(crate) fn fits(pod: &Value, room: &Room, all: &[Room]) -> Result<(), Misfit> {
    let fixed = |reason: String| Err(Misfit { reasons: vec![reason], others_could_go: false });
    if truth(&room.node, "/spec/unschedulable") {
        return fixed("node(s) were unschedulable".into());
    }
    if let Some((key, value)) = untolerated(pod, &room.node) {
        return fixed(format!("node(s) had untolerated taint {{{key}: {value}}}"));
    }
    if !matches_node(pod, &room.node) {
        return fixed("node(s) didn't match Pod's node affinity/selector".into());
    }
    let lacking = room.lacks(pod);
    if !lacking.is_empty() {
        let told = |resource: String| {
            if resource == "pods" { "Too many pods".into() } else { format!("Insufficient {resource}") }
        };
        return Err(Misfit { reasons: lacking.into_iter().map(told).collect(), others_could_go: true });
    }
    let (other, this) = (
        "node(s) didn't satisfy existing pods anti-affinity rules",
        "node(s) didn't match pod anti-affinity rules",
    );
    let apart = |reason: &str| Err(Misfit { reasons: vec![reason.into()], others_could_go: true });
    match () {
        () if neighbours(room, all).any(|(there, key)| keeps_away(pod, there, key)) => apart(this),
        () if neighbours(room, all).any(|(there, key)| keeps_away(there, pod, key)) => apart(other),
        () => Ok(()),
    }
}

/// The pods around a node, each with the topology keys for which it is in the same domain.
fn neighbours<'a>(room: &'a Room, all: &'a [Room]) -> impl Iterator<Item = (&'a Value, Domain<'a>)> {
    let others = all.iter().filter(|other| other.name != room.name);
    others.chain(std::iter::once(room)).flat_map(move |other| {
        let domain = Domain { here: &room.node, there: &other.node };
        other.pods.iter().map(move |pod| (&**pod, domain))
    })
}

/// Two nodes, which are in one domain for some topology keys.
#[derive(Clone, Copy)]
struct Domain<'a> {
    here: &'a Value,
    there: &'a Value,
}

impl Domain<'_> {
    fn is_one(self, key: &str) -> bool {
        let here = object::label(self.here, key);
        here.is_some() && here == object::label(self.there, key)
    }
}

/// Whether a pod must not be in one domain with another.
fn keeps_away(pod: &Value, other: &Value, domain: Domain<'_>) -> bool {
    let terms = list(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    terms.iter().any(|term| {
        let namespaces = list(term, "/namespaces");
        let in_namespace = if namespaces.is_empty() {
            object::namespace(pod) == object::namespace(other)
        } else {
            namespaces.iter().any(|namespace| namespace == object::namespace(other))
        };
        let selected =
            term.get("labelSelector").is_some_and(|selector| Labels::of_object(selector).accepts(other));
        in_namespace && selected && domain.is_one(text(term, "/topologyKey"))
    })
}

/// The first taint that a pod does not tolerate.
fn untolerated(pod: &Value, node: &Value) -> Option<(String, String)> {
    let tolerations = list(pod, "/spec/tolerations");
    let hard = list(node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") != "PreferNoSchedule");
    let mut open = hard.filter(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)));
    open.next().map(|taint| (text(taint, "/key").into(), text(taint, "/value").into()))
}

/// Whether a toleration is about a taint.
pub(crate) fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let same = |field: &str| text(toleration, field) == text(taint, field);
    let effect = text(toleration, "/effect").is_empty() || same("/effect");
    let key = text(toleration, "/key").is_empty() || same("/key");
    effect && key && (text(toleration, "/operator") == "Exists" || same("/value"))
}

fn matches_node(pod: &Value, node: &Value) -> bool {
    let selector = pod.pointer("/spec/nodeSelector").cloned().unwrap_or_default();
    if !Labels::of_object(&json!({"matchLabels": selector})).accepts(node) {
        return false;
    }
    let required = pod.pointer("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    required.is_none_or(|required| {
        list(required, "/nodeSelectorTerms").iter().any(|term| matches_term(term, node))
    })
}

fn matches_term(term: &Value, node: &Value) -> bool {
    let (labels, fields) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
    if labels.is_empty() && fields.is_empty() {
        return false;
    }
    // `metadata.name` is the only field that a term may ask for.
    let name = json!({"metadata": {"labels": {"metadata.name": object::name(node)}}});
    let (ordered, plain): (Vec<_>, Vec<_>) =
        labels.iter().cloned().partition(|one| matches!(text(one, "/operator"), "Gt" | "Lt"));
    Labels::of_expressions(&plain).is_some_and(|labels| labels.accepts(node))
        && Labels::of_expressions(fields).is_some_and(|fields| fields.accepts(&name))
        && ordered.iter().all(|one| compares(one, node))
}

fn compares(expression: &Value, node: &Value) -> bool {
    let have = object::label(node, text(expression, "/key")).and_then(|value| value.parse::<i64>().ok());
    let want = text(expression, "/values/0").parse::<i64>().ok().or_else(|| number(expression, "/values/0"));
    match (have, want) {
        (Some(have), Some(want)) if text(expression, "/operator") == "Gt" => have > want,
        (Some(have), Some(want)) => have < want,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn room(name: &str) -> Room {
        Room::of(Arc::new(json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "zone": "a"}},
            "spec": {"taints": [{"key": "spot", "value": "true", "effect": "NoSchedule"}]},
            "status": {"allocatable": {"cpu": "940m", "memory": "2Gi", "pods": "110"}},
        })))
    }

    fn pod(more: &Value) -> Value {
        let mut pod = json!({"metadata": {"name": "p", "namespace": "n", "labels": {"app": "x"}}, "spec": {
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}}}]}});
        super::super::super::object::entries(&mut pod["spec"])
            .extend(more.as_object().cloned().unwrap_or_default());
        pod
    }

    fn why(pod: &Value, room: &Room) -> String {
        fits(pod, room, std::slice::from_ref(room))
            .err()
            .map(|misfit| misfit.reasons.join(";"))
            .unwrap_or_default()
    }

    #[test]
    fn each_rule_says_why_a_pod_does_not_fit() {
        let mut full = room("full");
        full.add(Arc::new(pod(&json!({}))));
        let apart = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}}]}},
            "containers": [{"name": "c"}]});
        let by_affinity = |operator: &str| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": operator, "values": ["a"]}]}]}}}})
        };
        for (more, room, reason) in [
            (json!({}), room("a"), ""),
            (json!({"tolerations": []}), room("a"), "node(s) had untolerated taint {spot: true}"),
            (
                json!({"nodeSelector": {"zone": "b"}}),
                room("a"),
                "node(s) didn't match Pod's node affinity/selector",
            ),
            (by_affinity("In"), room("a"), ""),
            (by_affinity("NotIn"), room("a"), "node(s) didn't match Pod's node affinity/selector"),
            (json!({}), full.clone(), "Insufficient cpu"),
            (apart.clone(), full.clone(), "node(s) didn't match pod anti-affinity rules"),
            (apart, room("a"), ""),
        ] {
            assert_eq!(why(&pod(&more), &room), reason, "{more}");
        }
    }
}
