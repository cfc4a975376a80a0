//! Where the local cluster answers otherwise than a real one: deliberately, and where it is not there yet.

/// A text in a transcript that reads otherwise.
struct Difference {
    real: &'static str,
    local: &'static str,
    #[expect(dead_code, reason = "the reason is for whoever reads the table")]
    reason: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        real: "yaml: line 1: did not find expected node content",
        local: "yaml: error: line 1 column 1: unclosed bracket '{'",
        reason: "the words of another YAML parser",
    },
    Difference {
        real: "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\\n  line 7: key true already set in map",
        local: "error decoding YAML: error converting YAML to JSON: yaml: error: line 7 column 3: duplicate mapping key: y, set DuplicateKeyPolicy in Options if acceptable",
        reason: "the words of another YAML parser",
    },
    Difference {
        real: r#"Invalid value: \"map[spec:map[suspend:yes]]\": unrecognized type: bool"#,
        local: r#"Invalid value: \"<the patched object>\": json: cannot unmarshal string into Go struct field CronJobSpec.spec.suspend of type bool"#,
        reason: "a strategic patch is read as any other",
    },
];

/// Steps that are not compared, by the start of their heads, and why.
const NOT_COMPARED: &[(&str, &str)] = &[
    (
        "# pods with {\"spec\":{\"containers\":[{\"image\":null}]}}",
        "a container without an image runs the worker",
    ),
    ("# pods with {\"spec\":{\"serviceAccountName\"", "the local kubelet needs no account"),
    ("# pods with {\"spec\":{\"priority", "there are no priority classes"),
    ("# pods with {\"spec\":{\"containers\":[{\"livenessProbe\"", "probes are neither run nor checked"),
    ("# pods with {\"spec\":{\"containers\":[{\"readinessProbe\"", "probes are neither run nor checked"),
    ("# pods with {\"spec\":{\"containers\":[{\"lifecycle\"", "hooks are neither run nor checked"),
    ("# pods with {\"spec\":{\"topologySpreadConstraints\"", "spreading is neither done nor checked"),
    (
        "# pods with {\"spec\":{\"containers\":[{\"securityContext\":{\"allowPrivilegeEscalation\":false,\"privileged\"",
        "nothing is privileged here",
    ),
    ("# live pod with", "the real server quotes what differs as a diff of its inner types"),
    (
        "# status of the live job",
        "only controllers write a Job's status, and the local ones know what they do",
    ),
    (
        "# jobs with {\"spec\":{\"successPolicy\":{\"rules\":[{\"succeededCount\":9",
        "ranges of indexes are not checked",
    ),
    ("# cronjobs with {\"spec\":{\"timeZone\":\"Mars", "there is no time-zone database"),
    ("# cronjobs with {\"spec\":{\"schedule\":\"@every", "the schedule's own words are not known"),
    ("# cronjobs with {\"spec\":{\"schedule\":\"61", "the words of another parser"),
    ("# secrets with {\"data\":{\"a\":\"???", "where exactly base64 is wrong"),
    ("# configmaps with {\"binaryData\":{\"a\":\"%%%", "where exactly base64 is wrong"),
    (
        "# live job with {\"spec\":{\"completionMode\":\"NonIndexed",
        "the real server looks at some fields twice",
    ),
    ("# live job with {\"spec\":{\"selector\"", "the real server looks at some fields twice"),
    (
        "# configmaps with {\"metadata\":{\"annotations\":{\"a\":\"xxx",
        "the size of annotations is not bounded",
    ),
    ("# table of pods?includeObject", "the objects in a table are always told by their metadata"),
    ("# /api/v1/namespaces with {\"spec\":{\"finalizers", "namespaces have the one finalizer"),
];

/// The transcript of a real server as the local one repeats it.
pub(super) fn apply(transcript: &str) -> String {
    DIFFERENCES
        .iter()
        .fold(transcript.to_owned(), |text, difference| text.replace(difference.real, difference.local))
}

/// An event that is there or not, as the controller happens to look before or after a Job of no
/// completions is done.
const OF_THE_MOMENT: &str = "Warning UnexpectedJob:";

/// A transcript without the steps that are not compared.
pub(super) fn compared(transcript: &str) -> String {
    let mut kept = String::with_capacity(transcript.len());
    let mut is_kept = true;
    for line in transcript.split_inclusive('\n') {
        if line.starts_with('#') {
            is_kept = !NOT_COMPARED.iter().any(|(head, _)| line.starts_with(head));
        }
        if is_kept && !line.contains(OF_THE_MOMENT) {
            kept.push_str(line);
        }
    }
    kept
}
