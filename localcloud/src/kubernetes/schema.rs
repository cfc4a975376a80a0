//! How the lists and maps of the kinds merge: which lists are maps by key, which are sets, which
//! values are one piece. What is not named here: objects merge field by field, lists are one piece.

/// How a list merges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Merge {
    /// One piece: replaced as a whole.
    Atomic,
    /// Items are told apart by these fields.
    ByKeys(&'static [&'static str]),
    /// Items are told apart by their value.
    Set,
    /// An object whose fields merge one by one.
    Fields,
}

/// Fields by the end of their path. The first that fits decides.
const RULES: &[(&str, Merge)] = &[
    ("metadata.finalizers", Merge::Set),
    ("metadata.ownerReferences", Merge::ByKeys(&["uid"])),
    ("spec.containers", Merge::ByKeys(&["name"])),
    ("spec.initContainers", Merge::ByKeys(&["name"])),
    ("spec.ephemeralContainers", Merge::ByKeys(&["name"])),
    ("spec.volumes", Merge::ByKeys(&["name"])),
    ("spec.imagePullSecrets", Merge::ByKeys(&["name"])),
    ("spec.hostAliases", Merge::ByKeys(&["ip"])),
    ("spec.schedulingGates", Merge::ByKeys(&["name"])),
    ("spec.resourceClaims", Merge::ByKeys(&["name"])),
    ("spec.topologySpreadConstraints", Merge::ByKeys(&["topologyKey", "whenUnsatisfiable"])),
    ("ontainers.env", Merge::ByKeys(&["name"])),
    ("ontainers.ports", Merge::ByKeys(&["containerPort", "protocol"])),
    ("ontainers.volumeMounts", Merge::ByKeys(&["mountPath"])),
    ("ontainers.volumeDevices", Merge::ByKeys(&["devicePath"])),
    ("resources.claims", Merge::ByKeys(&["name"])),
    ("spec.ports", Merge::ByKeys(&["port", "protocol"])),
    ("spec.podCIDRs", Merge::Set),
    ("status.addresses", Merge::ByKeys(&["type"])),
    ("secrets", Merge::ByKeys(&["name"])),
    ("onExitCodes.values", Merge::Set),
    // Objects that are one piece.
    ("spec.nodeSelector", Merge::Atomic),
    ("spec.selector", Merge::Atomic),
    ("labelSelector", Merge::Atomic),
    ("requiredDuringSchedulingIgnoredDuringExecution", Merge::Atomic),
    ("valueFrom.fieldRef", Merge::Atomic),
    ("valueFrom.secretKeyRef", Merge::Atomic),
    ("valueFrom.configMapKeyRef", Merge::Atomic),
    ("valueFrom.resourceFieldRef", Merge::Atomic),
    ("involvedObject", Merge::Atomic),
];

/// How the value at a path of field names merges; `kind` is the kind of the whole object.
pub(crate) fn merge(kind: &str, path: &[&str], is_list: bool) -> Merge {
    let joined = path.join(".");
    if joined == "status.conditions" {
        // A Job's conditions are the one such list that is written as a whole.
        return if kind == "Job" { Merge::Atomic } else { Merge::ByKeys(&["type"]) };
    }
    let fits = |end: &str| {
        joined
            .strip_suffix(end)
            .is_some_and(|head| head.is_empty() || head.ends_with('.') || end.starts_with("ontainers"))
    };
    match RULES.iter().find(|(end, _)| fits(end)) {
        Some((_, rule)) => *rule,
        None if is_list => Merge::Atomic,
        None => Merge::Fields,
    }
}

/// The key of a list item that is left out in a manifest, and what it then is.
pub(crate) fn default_key(field: &str) -> Option<&'static str> {
    (field == "protocol").then_some("TCP")
}
